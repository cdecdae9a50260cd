package yaml

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// What PyYAML writes, of texts that have something special.
func TestDump(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"{b: 1, a: [x, {c: d}], e: {}, f: []}":    "a:\n- x\n- c: d\nb: 1\ne: {}\nf: []\n",
		"a: &x [1]\nb: *x\nc: *x":                 "a: &id001\n- 1\nb: *id001\nc: *id001\n",
		"a: 'yes'\nb: yes\nc: '1.0'\nd: ~\ne: ''": "a: 'yes'\nb: true\nc: '1.0'\nd: null\ne: ''\n",
		"- - a\n  - b\n- c":                       "- - a\n  - b\n- c\n",
		"a: |\n  one\n  two\n":                    "a: 'one\n\n  two\n\n  '\n",
		"a: \"t\\tab\"\nb: größe\nc: 'it''s: x'":  "a: \"t\\tab\"\nb: \"gr\\xF6\\xDFe\"\nc: 'it''s: x'\n",
		"plain": "plain\n",
	} {
		if got := Dump(parse(t, in)); got != want {
			t.Errorf("dump %q:\n got %q\nwant %q", in, got, want)
		}
	}
}

// dumpAll dumps each document of a JSON list with PyYAML's default settings.
const dumpAll = `
import json, sys, yaml
dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
json.dump([yaml.dump(d, Dumper=dumper, default_flow_style=False) for d in json.load(sys.stdin)], sys.stdout)
`

// TestDumpAsPyYAML holds random documents against PyYAML itself.
func TestDumpAsPyYAML(t *testing.T) {
	t.Parallel()
	if err := exec.Command("python3", "-c", "import yaml; yaml.CSafeDumper").Run(); err != nil {
		t.Skipf("SKIPPED: no PyYAML with libyaml (%v): install python3-yaml", err)
	}
	r := rand.New(rand.NewPCG(3, 5))
	var docs []any
	for range 3000 {
		docs = append(docs, someDocument(r, 0))
	}
	in, err := json.Marshal(docs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", dumpAll)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, d := range docs {
		text, _ := json.Marshal(d)
		if got := Dump(parse(t, string(text))); got != want[i] {
			if wrong++; wrong < 6 {
				t.Errorf("document %s:\n got %q\nwant %q", text, got, want[i])
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d documents differ", wrong, len(docs))
	}
}

func someDocument(r *rand.Rand, depth int) any {
	kinds := 6
	if depth > 3 {
		kinds = 4
	}
	switch r.IntN(kinds) {
	case 0:
		return r.IntN(2000) - 1000
	case 1:
		return r.IntN(2) == 0
	case 2, 3:
		return someText(r)
	case 4:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, someDocument(r, depth+1))
		}
		return list
	}
	m := map[string]any{}
	for range r.IntN(4) {
		m[someText(r)] = someDocument(r, depth+1)
	}
	return m
}

func someText(r *rand.Rand) string {
	pieces := []string{"a", "lava-test-case", "boot", " ", " ", "  ", ":", ": ", "#", "'", "\"", "-", "- ", "\n", "1", "yes", "é", "\t", "{", "%", "&", "$(cut -d' ' -f1 /proc/uptime)", "--units seconds", "~", "?", "!", "\\", "---"}
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	if r.IntN(6) == 0 {
		return strings.Repeat(b.String()+" ", 6)
	}
	return b.String()
}
