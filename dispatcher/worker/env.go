package worker

import (
	"fmt"
	"slices"
	"strings"

	"strata/schemas/yaml"
)

// tokenVariable is where a worker may have been given its token.
const tokenVariable = "STRATA_TOKEN"

// processEnv returns the environment of a job's process as env.yaml shapes it: `purge: true` begins
// with nothing instead of the worker's own environment, the names under `removes` are dropped, those
// under `overrides` set. Without a text the worker's own environment is passed on. The worker's token
// never is: commands of jobs run in this environment.
func processEnv(text string, own []string) ([]string, error) {
	own = unset(slices.Clone(own), tokenVariable)
	if strings.TrimSpace(text) == "" {
		return own, nil
	}
	doc, err := yaml.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("read env.yaml: %w", err)
	}
	if !doc.Empty() && doc.Kind != yaml.Map {
		return nil, fmt.Errorf("read env.yaml: is a %s, want a mapping with purge, removes and overrides", doc.Kind)
	}
	env := own
	if purge, _ := doc.Get("purge").AsBool(); purge {
		env = nil
	}
	if removes := doc.Get("removes"); !removes.Empty() {
		for _, item := range removes.Items {
			name, ok := item.AsText()
			if !ok {
				return nil, fmt.Errorf("read env.yaml: removes, line %d: want a name", item.Line)
			}
			env = unset(env, name)
		}
	}
	if overrides := doc.Get("overrides"); !overrides.Empty() {
		for _, p := range overrides.Pairs {
			name := p.Key.Text
			if name == "" || strings.ContainsAny(name, "=\x00") {
				return nil, fmt.Errorf("read env.yaml: overrides, line %d: %q cannot be the name of a variable", p.Key.Line, name)
			}
			// Scalars of any type stand as they were written: `DEBUG: 010` is "010".
			switch p.Value.Kind {
			case yaml.Map, yaml.List, yaml.Set:
				return nil, fmt.Errorf("read env.yaml: overrides, line %d: %s is a %s, want a text", p.Value.Line, name, p.Value.Kind)
			}
			env = append(unset(env, name), name+"="+p.Value.Text)
		}
	}
	return env, nil
}

// unset drops a variable. It changes env's array, so callers pass a copy.
func unset(env []string, name string) []string {
	return slices.DeleteFunc(env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}
