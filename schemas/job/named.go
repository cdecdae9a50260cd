package job

import (
	"slices"

	"strata/schemas/yaml"
)

// A definition is kept and shown for ever, so it names secrets instead of writing them: a value below `secrets`,
// and one of `headers` of what an action downloads, may be the name of a secret of the submitter's (LAVA's remote
// artifact tokens). What is no such name is meant as it is written.

// NamedSecrets returns the texts of a definition that may be names of secrets, each once, in order.
// Most of them are no names at all: whoever asks looks them up among the submitter's secrets.
func NamedSecrets(root *yaml.Node) []string {
	var names []string
	replace(root, func(text string) (string, bool) {
		if !slices.Contains(names, text) {
			names = append(names, text)
		}
		return "", false
	})
	return names
}

// WithSecrets returns a copy of a definition in which secrets stand in place of their names. It is for the
// worker that runs the job, and for no place else.
// root itself stays as it is.
func WithSecrets(root *yaml.Node, secrets map[string]string) *yaml.Node {
	return replace(root, func(text string) (string, bool) {
		value, known := secrets[text]
		return value, known
	})
}

// replace rewrites the texts of a definition that may be names of secrets. What is not changed is shared with root.
// to says for a text what stands in its place, and whether it is to be replaced at all.
func replace(root *yaml.Node, to func(string) (string, bool)) *yaml.Node {
	if !root.Is(yaml.Map) {
		return root
	}
	if secrets := root.Get("secrets"); secrets.Is(yaml.Map) {
		if now := values(secrets, to); now != secrets {
			root = root.With("secrets", now)
		}
	}
	actions := root.Get("actions")
	if !actions.Is(yaml.List) {
		return root
	}
	h := headers{to: to, seen: map[*yaml.Node]*yaml.Node{}}
	list, changed := slices.Clone(actions.Items), false
	for i := range list {
		for _, kind := range []string{"deploy", "test"} {
			if block := list[i].Get(kind); block != nil {
				if now := h.within(block); now != block {
					list[i], changed = list[i].With(kind, now), true
				}
			}
		}
	}
	if !changed {
		return root
	}
	return root.With("actions", yaml.Of(list...))
}

// values rewrites the texts that a mapping has as values.
// Numbers and lists are never names.
func values(n *yaml.Node, to func(string) (string, bool)) *yaml.Node {
	out := n
	for _, p := range n.Pairs {
		if p.Key.Kind != yaml.String || !p.Value.Is(yaml.String) {
			continue
		}
		if value, known := to(p.Value.Text); known {
			out = out.With(p.Key.Text, yaml.Text(value))
		}
	}
	return out
}

// headers rewrites the headers of downloads at any depth. A node that aliases share is looked at once.
type headers struct {
	to   func(string) (string, bool)
	seen map[*yaml.Node]*yaml.Node
}

func (h headers) within(n *yaml.Node) *yaml.Node {
	if !n.Is(yaml.Map) && !n.Is(yaml.List) {
		return n
	}
	if done, ok := h.seen[n]; ok {
		return done
	}
	out := n
	if n.Is(yaml.List) {
		items, changed := slices.Clone(n.Items), false
		for i, item := range n.Items {
			items[i] = h.within(item)
			changed = changed || items[i] != item
		}
		if changed {
			out = yaml.Of(items...)
		}
		h.seen[n] = out
		return out
	}
	// The second is a test definition that is fetched as an archive: its headers are a download's,
	// too.
	download := n.Has("url") || n.Get("from").TextOr("") == "url" && n.Has("repository")
	for _, p := range n.Pairs {
		now := h.within(p.Value)
		if download && p.Key.Kind == yaml.String && p.Key.Text == "headers" && p.Value.Is(yaml.Map) {
			now = values(p.Value, h.to)
		}
		if now != p.Value && p.Key.Kind == yaml.String {
			out = out.With(p.Key.Text, now)
		}
	}
	h.seen[n] = out
	return out
}
