package testdef

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"strata/schemas/shape"
	"strata/schemas/yaml"
)

var update = flag.Bool("update", false, "write the published schema anew")

// TestValidate checks verdicts of both modes, and that the published schema agrees.
func TestValidate(t *testing.T) {
	t.Parallel()
	const metadata = "metadata: {format: Lava-Test Test Definition 1.0, name: n}\n"
	tests := []struct{ name, text, strict, lenient string }{
		{"least", metadata, "", ""},
		{"all", metadata + `install: {deps: [a], deps-debian: [b], keys: [k], sources: [s], steps: [make], git-repos: [u, {url: u, branch: b, destination: d}]}
parameters: {A: 1}
params: {B: [x]}
parse: {fixupdict: {PASS: pass, XFAIL: unknown}}
run: {steps: [ls]}
expected: [a]
`, "", ""},
		{"everything about it", "metadata: {format: Lava-Test Test Definition 1.0, name: n, description: d, environment: [e], devices: [d], maintainer: [m], scope: [s], os: [o]}", "", ""},
		{"nothing", "{}", `metadata: key "metadata" is missing`, `metadata: key "metadata" is missing`},
		{"no format", "metadata: {name: n}", `key "format" is missing`, `key "format" is missing`},
		{"another format", "metadata: {name: n, format: Lava-Test 2}", "allowed is only Lava-Test Test Definition 1.0", "allowed is only"},
		{"list for a text", "metadata: {format: Lava-Test Test Definition 1.0, name: n, os: debian}", "metadata.os: expected a list", "metadata.os: expected a list"},
		{"run without steps", metadata + "run: {}", `run.steps: key "steps" is missing`, `run.steps: key "steps" is missing`},
		{"step that YAML reads as a mapping", metadata + "run:\n  steps:\n  - echo a: b\n", "line 4, column 5: run.steps[0]: expected a text, found a mapping", "run.steps[0]"},
		{"number as step", metadata + "run: {steps: [3]}", "found the number 3; put it in quotes", "put it in quotes"},
		{"misspelt result", metadata + "parse: {fixupdict: {PASS: Passed}}", "did you mean pass?", "did you mean pass?"},
		{"misspelt key", metadata + "instal: {deps: [a]}", `instal: unknown key "instal": did you mean install?`, ""},
		{"dependencies of no distribution", metadata + "install: {deps-: [a]}", `unknown key "deps-": did you mean deps?`, ""},
		{"repository of a number", metadata + "install: {git-repos: [3]}", "install.git-repos[0]: expected a text, or a mapping, found the number 3", "install.git-repos[0]"},
		{"not a definition", "- a", "expected a test definition, found a list", "expected a test definition"},
	}
	for mode, compiled := range map[shape.Mode]*jsonschema.Schema{shape.Strict: compile(t, shape.Strict), shape.Lenient: compile(t, shape.Lenient)} {
		for _, tt := range tests {
			want := tt.strict
			if mode == shape.Lenient {
				want = tt.lenient
			}
			got := Validate([]byte(tt.text), mode)
			switch {
			case want == "" && len(got) > 0:
				t.Errorf("%s, strict %v: %v, want it accepted", tt.name, mode, got)
			case want != "" && (len(got) == 0 || !strings.Contains(got[0].String(), want)):
				t.Errorf("%s, strict %v:\n got %v\nwant %s", tt.name, mode, got, want)
			}
			root, err := yaml.Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(root.Data())
			if err != nil {
				t.Fatal(err)
			}
			data, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := compiled.Validate(data); (err == nil) != (want == "") {
				t.Errorf("%s, strict %v: the JSON Schema says %v", tt.name, mode, err)
			}
		}
	}
	if got := Validate([]byte("a: [1\nb: 2"), shape.Strict); len(got) != 1 || got[0].Line != 2 {
		t.Errorf("broken YAML: %v", got)
	}
}

func TestPublishedIsCurrent(t *testing.T) {
	t.Parallel()
	want, err := JSONSchema(shape.Strict)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "testdef.schema.json")
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the table gives (%v): run go test ./testdef -update in schemas", path, err)
	}
}

func compile(t *testing.T, m shape.Mode) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema(m)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("testdef.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("testdef.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
