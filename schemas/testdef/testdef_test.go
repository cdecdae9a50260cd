package testdef

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"strata/schemas/yaml"
)

const smoke = `metadata:
  format: Lava-Test Test Definition 1.0
  name: smoke
  description: looks around
  os: [debian]
  odd-key: 1
install:
  keys: [ABC]
  sources: ["deb http://example.com x main"]
  deps: [curl, 3]
  deps-debian: [dash]
  git-repos:
  - https://example.com/a.git
  - {url: https://example.com/b.git, branch: main, destination: b}
  steps: [./configure]
params: {A: 1, B: }
parameters: {B: two}
run:
  steps:
  - uname -a
  -
  - 3
  - true
parse:
  pattern: "(?P<test_case_id>.*): (?P<result>PASS|FAIL)"
  fixupdict: {PASS: pass, FAIL: fail, 1: skip}
expected: [one, two]
`

func TestRead(t *testing.T) {
	t.Parallel()
	d, err := Read([]byte(smoke))
	if err != nil {
		t.Fatal(err)
	}
	wantInstall := Install{
		Present: true, Keys: []string{"ABC"}, Sources: []string{"deb http://example.com x main"}, Deps: []string{"curl", "3"},
		Distro: []DistroDeps{{"debian", []string{"dash"}}},
		Repos:  []Repo{{URL: "https://example.com/a.git"}, {"https://example.com/b.git", "main", "b"}},
		Steps:  []string{"./configure"},
	}
	if !reflect.DeepEqual(d.Install, wantInstall) {
		t.Errorf("install:\n got %+v\nwant %+v", d.Install, wantInstall)
	}
	if want := []string{"uname -a", "3", "True"}; !reflect.DeepEqual(d.Steps, want) {
		t.Errorf("steps %q, want %q", d.Steps, want)
	}
	var params []string
	for _, p := range d.Params {
		params = append(params, p.Name+"="+p.Value.Print())
	}
	if want := []string{"A=1", "B=None", "B=two"}; !reflect.DeepEqual(params, want) {
		t.Errorf("parameters %q, want %q", params, want)
	}
	if want := map[string]string{"PASS": "pass", "FAIL": "fail", "1": "skip"}; !reflect.DeepEqual(d.Parse.Fixup, want) || !strings.Contains(d.Parse.Pattern, "test_case_id") {
		t.Errorf("parse %+v", d.Parse)
	}
	if d.Name != "smoke" || d.Description != "looks around" || !reflect.DeepEqual(d.OS, []string{"debian"}) || !reflect.DeepEqual(d.Expected, []string{"one", "two"}) {
		t.Errorf("definition %+v", d)
	}
}

// TestTolerant reads what old repositories have: no run, empty keys, a lone line for a list.
func TestTolerant(t *testing.T) {
	t.Parallel()
	for text, steps := range map[string][]string{
		"metadata: {name: x}":                                 nil,
		"metadata: {name: x}\nrun:\ninstall:\nparse:":         nil,
		"metadata: {name: x}\nrun: {steps:}":                  nil,
		"metadata: {name: x}\nrun: {steps: ls}":               {"ls"},
		"metadata: {name: 3, format: old}\nrun: {steps: [a]}": {"a"},
	} {
		d, err := Read([]byte(strings.ReplaceAll(text, "steps:}", "steps: }")))
		if err != nil || !reflect.DeepEqual(d.Steps, steps) {
			t.Errorf("Read(%q): %v, want steps %q", text, err, steps)
		} else if d.Install.Present {
			t.Errorf("Read(%q): has an install", text)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	const ok = "metadata: {name: x}\n"
	tests := []struct {
		text         string
		line, column int
		says         string
	}{
		{"- a", 1, 1, "expected a mapping"},
		{"run: {}", 1, 1, "metadata is missing"},
		{"metadata: {format: x}", 1, 11, "metadata.name is missing"},
		{"metadata: {name: [x]}", 1, 11, "metadata.name is missing"},
		{ok + "run: [ls]", 2, 6, "run: expected a mapping, found a list"},
		{ok + "run:\n  steps:\n  - echo a: b", 4, 5, "put the line in quotes"},
		{ok + "run:\n  steps: {a: b}", 3, 10, "run.steps: expected a list, found a mapping"},
		{ok + "run: {steps: [[a]]}", 2, 15, "run.steps: expected a text, found a list"},
		{ok + "install: {deps: 3}", 2, 17, "install.deps"},
		{ok + "install: {git-repos: x}", 2, 22, "install.git-repos"},
		{ok + "install: {git-repos: [{branch: x}]}", 2, 23, "with url"},
		{ok + "params: [a]", 2, 9, "params: expected a mapping"},
		{ok + "parse: x", 2, 8, "parse: expected a mapping"},
		{ok + "parse: {fixupdict: [a]}", 2, 20, "parse.fixupdict"},
	}
	for _, tt := range tests {
		_, err := Read([]byte(tt.text))
		var e *Error
		if !errors.As(err, &e) || e.Line != tt.line || e.Column != tt.column || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("Read(%q) = %v, want %q at %d:%d", tt.text, err, tt.says, tt.line, tt.column)
		}
	}
	var bad *yaml.Error
	if _, err := Read([]byte("a: b: c")); !errors.As(err, &bad) {
		t.Errorf("Read of no YAML = %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(smoke)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Read([]byte(text))
		if err == nil && d.Name == "" {
			t.Fatal("a definition without a name is read")
		}
	})
}

func ExampleRead() {
	_, err := Read([]byte("metadata: {name: smoke}\nrun:\n  steps:\n  - echo result: pass\n"))
	fmt.Println(err)
	// Output: read test definition: line 4, column 5: run.steps: expected a text, found the mapping {'echo result': 'pass'}; put the line in quotes
}
