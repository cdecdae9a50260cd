package shape

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"strata/schemas/yaml"
)

// Key is one key of a mapping, and the row of a reference that explains it.
type Key struct {
	Name     string // of Map.Rest: what stands for the name in a reference, such as "<image>"
	Shape    Shape
	Required bool
	Group    string // at most one key of a group may be there
	Pair     string // the keys of a pair are all there or none
	Doc      string // one plain sentence: what it is for
	Unit     string // of a number; "" where there is none
	Default  string // what happens without it; "" where that needs no words
	Example  string // as it is written in YAML
}

// Map is a mapping.
type Map struct {
	Keys    []Key
	Rest    *Key           // for every other text key; nil for none
	Pattern *regexp.Regexp // that names of Rest have to match; nil for every text
	Least   int            // entries at least
	Closed  bool           // unknown keys are refused in both modes
	Says    string         // what it is, "a mapping" where empty
}

func (s Map) String() string {
	if s.Says != "" {
		return s.Says
	}
	if s.Least > 0 {
		return "a mapping of at least one entry"
	}
	return "a mapping"
}

// Names returns the names of the keys in order.
func (s Map) Names() []string {
	names := make([]string, len(s.Keys))
	for i, k := range s.Keys {
		names[i] = k.Name
	}
	return names
}

// Keys that are no texts fit nothing: YAML's 1 and true are no names.
func (s Map) find(key *yaml.Node) *Key {
	if !key.Is(yaml.String) {
		return nil
	}
	for i := range s.Keys {
		if s.Keys[i].Name == key.Text {
			return &s.Keys[i]
		}
	}
	if s.Rest != nil && (s.Pattern == nil || s.Pattern.MatchString(key.Text)) {
		return s.Rest
	}
	return nil
}

// Groups first, then in the order of the document, then what is missing.
func (s Map) check(m Mode, at Path, n *yaml.Node) (problems []Problem) {
	if !n.Is(yaml.Map) {
		return wrongKind(s, at, n, "expected a dictionary")
	}
	problems = s.checkGroups(at, n)
	for _, p := range n.Pairs {
		to := at.To(p.Key.Print())
		switch k := s.find(p.Key); {
		case k != nil:
			for _, problem := range k.Shape.check(m, to, p.Value) {
				if len(problem.Path) == len(to) && !strings.HasSuffix(problem.Rule, suffix) {
					problem.Rule += suffix
				}
				problems = append(problems, problem)
			}
		case m == Strict || s.Closed:
			problems = append(problems, s.unknown(to, p.Key)...)
		}
	}
	for _, k := range s.Keys {
		if k.Required && !n.Has(k.Name) {
			problems = append(problems, problem(n, at.To(k.Name), weightMissing, "required key not provided",
				"key %q is missing: expected %s", k.Name, k.Shape)...)
		}
	}
	if len(n.Pairs) < s.Least {
		problems = append(problems, problem(n, at, weightValue, "length of value must be at least "+strconv.Itoa(s.Least),
			"expected %s, found an empty one", s)...)
	}
	return problems
}

// suffix is what voluptuous adds where the value of a key itself is wrong, not something inside it.
const suffix = " for dictionary value"

func (s Map) unknown(to Path, key *yaml.Node) []Problem {
	const rule = "extra keys not allowed"
	if !key.Is(yaml.String) {
		return problem(key, to, weightUnknown, rule, "a key has to be a text, found %s", found(key))
	}
	names := s.Names()
	if s.Rest != nil {
		names = append(names, s.Rest.Name)
	}
	slices.Sort(names)
	weight := weightUnknown
	if Nearest(key.Text, names) != "" {
		weight = weightNear
	}
	return problem(key, to, weight, rule, "unknown key %q%s", short(key.Text), allowed(key.Text, names))
}

// checkGroups finds keys that exclude each other, and pairs of which one is missing.
func (s Map) checkGroups(at Path, n *yaml.Node) (problems []Problem) {
	done := map[string]bool{}
	for _, k := range s.Keys {
		if k.Group == "" && k.Pair == "" || done[k.Group+"\x00"+k.Pair] {
			continue
		}
		done[k.Group+"\x00"+k.Pair] = true
		members, have := s.members(k, n)
		place := n
		if len(have) > 0 {
			place = keyNode(n, have[len(have)-1])
		}
		switch {
		case k.Group != "" && len(have) > 1:
			problems = append(problems, problem(place, at.To("<"+k.Group+">"), weightMissing,
				"two or more values in the same group of exclusion '"+k.Group+"'",
				"only one of %s may be given", strings.Join(members, ", "))...)
		case k.Pair != "" && len(have) > 0 && len(have) < len(members):
			problems = append(problems, problem(place, at.To("<"+k.Pair+">"), weightMissing,
				"some but not all values in the same group of inclusion '"+k.Pair+"'",
				"%s belong together: all or none", strings.Join(members, " and "))...)
		}
	}
	return problems
}

// members returns the keys of k's group or pair, and those of them that n has.
func (s Map) members(k Key, n *yaml.Node) (members, have []string) {
	for _, o := range s.Keys {
		if o.Group != k.Group || o.Pair != k.Pair {
			continue
		}
		members = append(members, o.Name)
		if n.Has(o.Name) {
			have = append(have, o.Name)
		}
	}
	return members, have
}

// keyNode returns the key itself, for its place.
func keyNode(n *yaml.Node, name string) *yaml.Node {
	for _, p := range n.Pairs {
		if p.Key.Is(yaml.String) && p.Key.Text == name {
			return p.Key
		}
	}
	return n
}

// Row is one alternative of a [Choice]: a method, say.
type Row struct {
	Value string // of the key that chooses
	Name  string // under which the JSON Schema defines it
	Shape Shape
}

// Choice is a mapping whose shape depends on the word under one key, such as the method of a boot.
type Choice struct {
	By      string
	Rows    []Row
	Unknown string // what LAVA says of another word
}

func (s Choice) String() string { return "a mapping with " + s.By }

func (s Choice) values() []string {
	values := make([]string, len(s.Rows))
	for i, r := range s.Rows {
		values[i] = r.Value
	}
	return values
}

// A word that is not known ends the check: which keys are allowed nobody can say then.
func (s Choice) check(m Mode, at Path, n *yaml.Node) []Problem {
	if !n.Is(yaml.Map) {
		return wrongKind(s, at, n, "expected a dictionary")
	}
	word := n.Get(s.By)
	if word == nil {
		return problem(n, at.To(s.By), weightMissing, s.Unknown, "key %q is missing: %s", s.By, Words(s.values()))
	}
	for _, r := range s.Rows {
		if word.Is(yaml.String) && r.Value == word.Text {
			return r.Shape.check(m, at, n)
		}
	}
	if !word.Is(yaml.String) {
		return wrongKind(Words(s.values()), at.To(s.By), word, s.Unknown)
	}
	return problem(word, at.To(s.By), weightWord, s.Unknown, "unknown %s %q%s", s.By, short(word.Text), allowed(word.Text, s.values()))
}

// Case is one alternative of a [Having]: it is meant where all its keys are there.
type Case struct {
	Keys  []string
	Name  string // under which the JSON Schema defines it
	Shape Shape
}

// Having is a mapping whose shape depends on which keys it has, such as the kinds of test. The
// first case that is meant counts.
type Having struct {
	Cases   []Case
	Unknown string // what LAVA says where none is meant
}

func (s Having) String() string { return "a mapping with one of " + strings.Join(s.firsts(), ", ") }

func (s Having) firsts() (keys []string) {
	for _, c := range s.Cases {
		if !slices.Contains(keys, c.Keys[0]) {
			keys = append(keys, c.Keys[0])
		}
	}
	return keys
}

func (s Having) check(m Mode, at Path, n *yaml.Node) []Problem {
	if !n.Is(yaml.Map) {
		return wrongKind(s, at, n, "expected a dictionary")
	}
	for _, c := range s.Cases {
		if !slices.ContainsFunc(c.Keys, func(key string) bool { return !n.Has(key) }) {
			return c.Shape.check(m, at, n)
		}
	}
	place, near := n, ""
	for _, key := range n.Keys() {
		if near = Nearest(key, s.firsts()); near != "" {
			place = keyNode(n, key)
			break
		}
	}
	message := "expected one of the keys " + strings.Join(s.firsts(), ", ")
	if near != "" {
		message += ": did you mean " + near + "?"
	}
	return problem(place, at, weightMissing, s.Unknown, "%s", message)
}
