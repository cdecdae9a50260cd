package overlay

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"strata/dispatcher/pipeline"
)

// Definition is one test definition as it will lie on the device.
type Definition struct {
	Name string        // N_name: the number over all blocks of the namespace, and the job's name for it
	Dir  string        // its directory on the device
	File pipeline.Data // the definition file
	Job  pipeline.Data // the entry of the job's definitions list
}

// assignments returns the lines that set the definition's parameters: defaults of the file, then
// what the job says, so that the job's win. Values stand between single quotes as they are:
// definitions exist that rely on closing the quote themselves.
func (d Definition) assignments() string {
	var b strings.Builder
	block := func(title string, from pipeline.Data, keys ...string) {
		b.WriteString("# " + title + "\n")
		for _, key := range keys {
			for _, p := range from.Get(key).Pairs() {
				b.WriteString(assignment(p) + "\n")
			}
		}
		b.WriteString("#\n")
	}
	block("defaults of the test definition", d.File, "params", "parameters")
	block("parameters of the job", d.Job, "parameters", "params")
	return b.String()
}

// Overrides returns the assignments that come from the job, for its log.
func (d Definition) Overrides() []string {
	var out []string
	for _, key := range []string{"parameters", "params"} {
		for _, p := range d.Job.Get(key).Pairs() {
			out = append(out, assignment(p))
		}
	}
	return out
}

func assignment(p pipeline.Pair) string {
	value := p.Value.Text()
	if k := p.Value.Kind(); k == pipeline.List || k == pipeline.Mapping {
		value = p.Value.Python()
	}
	return p.Key + "='" + value + "'"
}

// positional are the parameters of a script in a line: $1, $2, …
var positional = regexp.MustCompile(`\$(\d+)\b`)

// steps returns the lines of a list of steps. A null step is none.
func steps(d pipeline.Data) []string {
	var out []string
	for _, step := range d.Texts() {
		if step != "" {
			out = append(out, step)
		}
	}
	return out
}

// RunScript returns run.sh. The delay, where not zero, is the time that the device needs between
// characters: signals then wait for it.
func (d Definition) RunScript(delay time.Duration) string {
	var b strings.Builder
	line := func(s string) { b.WriteString(s + "\n") }
	b.WriteString(d.assignments())
	kmsg := d.Job.Get("lava-signal").Text() == "kmsg"
	signal := func(name string) {
		text := `<LAVA_SIGNAL_` + name + ` $TESTRUN_ID $UUID>`
		if kmsg {
			line(`echo "<0>` + text + `" > /dev/kmsg`)
		} else {
			line(`echo "` + text + `"`)
		}
	}
	seconds := strconv.FormatFloat(delay.Seconds(), 'f', -1, 64)
	// The runner looks for the comment, to signal the same way where an installation fails.
	if kmsg {
		line("# USE_KMSG")
		line("export KMSG=true")
	}
	// A step that fails ends the script here, and its run has no end: tests rely on either.
	line("set -e")
	line("set -x")
	line("export TESTRUN_ID=" + d.Name)
	line("cd " + d.Dir)
	line(`UUID="$(cat uuid)"`)
	line("set +x")
	if delay > 0 {
		line("export CHARACTER_DELAY=" + seconds)
		line("sleep " + seconds)
	}
	signal("STARTRUN")
	line("set -x")
	for _, step := range steps(d.File.Get("run", "steps")) {
		// These go through a second evaluation on the device, which must see the reference whole.
		if strings.Contains(step, "--cmd") || strings.Contains(step, "--shell") {
			step = positional.ReplaceAllString(step, `\$$$1`)
		}
		line(step)
	}
	line("set +x")
	if delay > 0 {
		line("sleep " + seconds)
	}
	signal("ENDRUN")
	if kmsg {
		line("unset KMSG")
	}
	return b.String()
}

// InstallScript returns install.sh, and false where the file has no install section. The distro
// picks the dependencies that are only its own.
func (d Definition) InstallScript(distro string) (string, bool) {
	install, ok := d.File.Lookup("install")
	if !ok || install.IsNull() {
		return "", false
	}
	skip := map[string]bool{}
	for _, s := range d.Job.Get("skip_install").Texts() {
		skip[s] = true
	}
	wanted := func(key string) []string {
		if skip["all"] || skip[key] {
			return nil
		}
		return steps(install.Get(key))
	}
	var b strings.Builder
	line := func(s string) { b.WriteString(s + "\n") }
	b.WriteString(d.assignments())
	for _, key := range wanted("keys") {
		line("lava-add-keys " + key)
	}
	for _, source := range wanted("sources") {
		line("lava-add-sources " + source)
	}
	deps := wanted("deps")
	if distro != "" && !skip["all"] && !skip["deps"] {
		deps = append(deps, steps(install.Get("deps-"+distro))...)
	}
	if len(deps) > 0 {
		line("lava-install-packages " + strings.Join(deps, " "))
	}
	line("cd " + d.Dir)
	line("pwd")
	for _, step := range wanted("steps") {
		line(step)
	}
	return b.String(), true
}

// Metadata returns testdef_metadata: what the definition says of itself, and where it came from.
func (d Definition) Metadata(commit string) pipeline.Data {
	m := pipeline.Of(nil)
	for _, key := range []string{"os", "devices", "environment"} {
		if v, ok := d.File.Get("metadata").Lookup(key); ok {
			m = m.With(key, v)
		}
	}
	m = m.With("branch_vcs", d.Job.Get("from")).With("project_name", d.File.Get("metadata", "name"))
	if commit != "" {
		m = m.With("commit_id", pipeline.Of(commit))
	}
	return m
}
