package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := func(name, text string) string {
		path := filepath.Join(w.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const head = "job_name: x\nvisibility: public\ndevice_type: qemu\ntimeouts:\n  job: {minutes: 5}\nactions:\n"
	good := file("good.yaml", head+"- boot: {method: qemu}\n")
	odd := file("odd.yaml", head+"- boot: {method: qemu, prompt: '#'}\n")
	bad := file("bad.yaml", head+"- boot: {method: qmu}\n")
	part := file("part.yaml", head+"- boot: {method: qemu, auto_login: {login_prompt: l, username: u, timeout: 3}}\n")
	extra := file("extra.yaml", head+"- boot: {method: qemu}\ncontext: {lab_variable: 3}\n")
	definition := file("smoke.yaml", "metadata: {format: Lava-Test Test Definition 1.0, name: smoke}\nrun: {steps: [ls], step: []}\n")
	plain := file("plain.yaml", "run: {steps: [ls]}\n")
	top := file("top.yaml", head+"- boot: {method: qemu}\nunknown: 1\n")
	big := file("big.yaml", head+strings.Repeat("#", 2<<20))
	tests := []struct {
		args []string
		want int
		says string
	}{
		{[]string{good}, exitOK, good + ": accepted\n"},
		{[]string{"--strict", good}, exitOK, good + ": accepted\n"},
		{[]string{odd}, exitOK, odd + ": accepted\n"},
		{[]string{"--strict", odd}, exitFailed, odd + `:7:24: actions[0].boot.prompt: unknown key "prompt": did you mean prompts? allowed are`},
		{[]string{good, bad}, exitFailed, bad + `:7:18: actions[0].boot.method: unknown method "qmu": did you mean qemu? allowed are`},
		{[]string{part}, exitOK, "note: a lab would refuse it on submission: extra keys not allowed @ data['actions'][0]['boot']['auto_login']['timeout']"},
		{[]string{top}, exitOK, top + ":8:1: note: a lab would refuse it on submission: extra keys not allowed @ data['unknown']\n" + top + ": accepted\n"},
		{[]string{"--strict", top}, exitFailed, top + `:8:1: unknown: unknown key "unknown": allowed are actions, `},
		{[]string{big}, exitFailed, big + ": job definition has 2097"},
		{[]string{"--test-definition", big}, exitFailed, big + ": text has 2097"},
		{[]string{extra}, exitFailed, `unknown key "lab_variable"`},
		{[]string{"--context", "lab_variable", extra}, exitOK, "accepted"},
		{[]string{"--test-definition", definition}, exitOK, "accepted"},
		{[]string{"--test-definition", "--strict", definition}, exitFailed, `:2:20: run.step: unknown key "step": allowed is only steps`},
		{[]string{good, definition}, exitOK, definition + ": accepted\n"}, // it says itself what it is
		{[]string{"--strict", definition}, exitFailed, `:2:20: run.step: unknown key "step"`},
		{[]string{plain}, exitFailed, `key "job_name" is missing`},
		{[]string{filepath.Join(w.dir, "none.yaml")}, exitFailed, "none.yaml: no such file"},
		{nil, exitMisuse, "requires at least 1 arg"},
	}
	for _, tt := range tests {
		got, text := w.strata(t, append([]string{"validate"}, tt.args...)...)
		if got != tt.want || !strings.Contains(text, tt.says) {
			t.Errorf("strata validate %v: status %d, said %q; want %d with %q", tt.args, got, text, tt.want, tt.says)
		}
	}

	status, text := w.strata(t, "validate", "--json", good, bad)
	var verdicts []verdict
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var d verdict
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		verdicts = append(verdicts, d)
	}
	if status != exitFailed || len(verdicts) != 2 || !verdicts[0].Accepted || verdicts[1].Accepted || verdicts[1].File != bad {
		t.Fatalf("status %d, verdicts %+v", status, verdicts)
	}
	p := verdicts[1].Problems[0]
	if p.Line != 7 || p.Column != 18 || p.Path != "actions[0].boot.method" || p.LAVA != "unknown action type @ data['actions']['boot']['qmu']" {
		t.Errorf("problem %+v", p)
	}
}

// The job of the demo, which people copy, is right to the last key.
func TestShippedJobIsValid(t *testing.T) {
	t.Parallel()
	status, text := newWorld(t).strata(t, "validate", "--strict", filepath.Join("demo", "job.yaml"))
	if status != exitOK || strings.Contains(text, "note:") {
		t.Errorf("status %d: %s", status, text)
	}
}
