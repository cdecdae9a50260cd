package api

import (
	"fmt"
	"strings"

	"strata/schemas/yaml"
)

// The files that the lab keeps for a worker are LAVA's, and are read on the worker for each job. One that
// cannot be read there would end every job on it, so it is refused here, where somebody sees it.

// maxWorkerFileBytes is the size of one of these files; they are settings, and ride in each order.
const maxWorkerFileBytes = 256 << 10

// checkWorkerFiles refuses files that no job could use. A nil file is left as it is, an empty one is none.
// The error names file, line and value. Files that were imported are not held to it: they have
// served.
func (in WorkerRequest) checkWorkerFiles() error {
	for _, f := range []struct {
		field, file string
		text        *string
		check       func(root *yaml.Node) error
	}{
		// dispatcher.yaml is LAVA's own and has settings that this lab does not read; any mapping is
		// let through.
		{"dispatcher", "dispatcher.yaml", in.Dispatcher, func(*yaml.Node) error { return nil }},
		{"env", "env.yaml", in.Env, checkEnvironment},
		{"env_dut", "env-dut.yaml", in.EnvDUT, checkEnvironment},
	} {
		if f.text == nil || strings.TrimSpace(*f.text) == "" {
			continue
		}
		if err := checkWorkerFile(*f.text, f.check); err != nil {
			return &Error{Code: Invalid, Field: f.field, Message: fmt.Sprintf("%s: %v", f.file, err)}
		}
	}
	return nil
}

// checkWorkerFile refuses what is no mapping of YAML, or what check has against it.
func checkWorkerFile(text string, check func(root *yaml.Node) error) error {
	if len(text) > maxWorkerFileBytes {
		return fmt.Errorf("is larger than %d KiB", maxWorkerFileBytes>>10)
	}
	root, err := yaml.Parse([]byte(text))
	switch {
	case err != nil:
		return err
	case root.Empty(): // comments only
		return nil
	case root.Kind != yaml.Map:
		return fmt.Errorf("line %d: is a %s, want a mapping", root.Line, root.Kind)
	}
	return check(root)
}

// checkEnvironment refuses what the worker could not make an environment of. Keys that mean nothing to it
// are left alone, as LAVA does: files move as they are.
// The keys are those of LAVA's env.yaml: purge, removes, overrides.
func checkEnvironment(root *yaml.Node) error {
	if purge := root.Get("purge"); !purge.Empty() {
		if _, ok := purge.AsBool(); !ok {
			return fmt.Errorf("line %d: purge is %s, want true or false", purge.Line, purge.Repr())
		}
	}
	if removes := root.Get("removes"); !removes.Empty() {
		if removes.Kind != yaml.List {
			return fmt.Errorf("line %d: removes is a %s, want a list of names", removes.Line, removes.Kind)
		}
		for _, item := range removes.Items {
			if _, ok := item.AsText(); !ok {
				return fmt.Errorf("line %d: removes has %s, want a name", item.Line, item.Repr())
			}
		}
	}
	overrides := root.Get("overrides")
	if !overrides.Empty() && overrides.Kind != yaml.Map {
		return fmt.Errorf("line %d: overrides is a %s, want a mapping of names to values", overrides.Line, overrides.Kind)
	}
	if overrides.Empty() {
		return nil
	}
	for _, p := range overrides.Pairs {
		switch {
		// An environment of POSIX has no other rule for names.
		case p.Key.Text == "" || strings.ContainsAny(p.Key.Text, "=\x00"):
			return fmt.Errorf("line %d: overrides: %q cannot be the name of a variable", p.Key.Line, p.Key.Text)
		case p.Value.Is(yaml.Map) || p.Value.Is(yaml.List) || p.Value.Is(yaml.Set):
			return fmt.Errorf("line %d: overrides: %s is a %s, want a text", p.Key.Line, p.Key.Text, p.Value.Kind)
		}
	}
	return nil
}
