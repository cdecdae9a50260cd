package overlay

import (
	"context"
	"io/fs"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/protocol"
)

// multinode adds the helpers by which the tests of a multinode group talk to each other.
type multinode struct{ work *work }

// Name returns lava-multinode-overlay.
func (multinode) Name() string { return "lava-multinode-overlay" }

// Description says what the action does.
func (multinode) Description() string {
	return "add lava scripts during deployment for multinode test shell use"
}

// Run writes the helpers, or says that there is nothing to do for a single device.
func (m multinode) Run(_ context.Context, s *pipeline.Session) error {
	group := protocol.In(s)
	if group == nil || m.work == nil {
		s.Log.Debug("skipped %s", m.Name())
		return nil
	}
	scripts, err := MultinodeScripts(m.work.shell, m.work.root, s.ID, group)
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "make the multinode helpers: %w", err)
	}
	for _, script := range scripts {
		file := m.work.local("bin", script.Name)
		s.Log.Debug("Creating %s", file)
		if err := writeFile(file, script.Body, 0o755); err != nil {
			return pipeline.Blamef(pipeline.Infrastructure, "make the multinode helpers: %w", err)
		}
	}
	for _, x := range group.Members() {
		s.Log.Debug("group roles:\t%s\t%s", x.Client, x.Role)
	}
	return nil
}

// MultinodeScripts returns the helpers of a job of a group. root is the overlay's root on the device.
func MultinodeScripts(shell, root, job string, group *protocol.Multinode) ([]Script, error) {
	const dir = "scripts/multinode"
	entries, err := fs.ReadDir(scripts, dir)
	if err != nil {
		return nil, err
	}
	var out []Script
	for _, e := range entries {
		text, err := fs.ReadFile(scripts, dir+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		_, body, _ := strings.Cut(string(text), "\n")
		out = append(out, Script{Name: e.Name(), Body: "#!" + shell + "\n\n" + place(e.Name(), root, job, group) + body})
	}
	return out, nil
}

// place returns the assignments that a helper starts with: the job's place in its group. Their form
// is LAVA's, because tests read them.
func place(name, root, job string, group *protocol.Multinode) string {
	assign := func(key, value string) string {
		return key + "='" + strings.ReplaceAll(value, "'", `'"'"'`) + "'\n"
	}
	switch name {
	case "lava-group":
		// printf resolves the backslashes; percent signs must survive it, and quotes the shell.
		plain := strings.NewReplacer(`\`, `\\\\`, "%", "%%", `"`, `\"`, "$", `\$`, "`", "\\`")
		var b strings.Builder
		b.WriteString("LAVA_GROUP=\"\n")
		for _, x := range group.Members() {
			b.WriteString(plain.Replace(x.Client) + `\t` + plain.Replace(x.Role) + `\n`)
		}
		return b.String() + "\"\n"
	case "lava-role":
		return assign("TARGET_ROLE", group.Role())
	case "lava-self":
		return assign("LAVA_HOSTNAME", job)
	}
	return assign("LAVA_TEST_BIN", root+"/bin") +
		assign("LAVA_MULTI_NODE_CACHE", "/tmp/lava_multi_node_cache.txt") +
		assign("LAVA_MULTI_NODE_DEBUG", "yes")
}
