package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A dictionary, the type that it extends, and a job for it.
var planFiles = map[string]string{
	"types/board.jinja2": `hostname: {{ scheduled_device_name|default('nobody') }}
constants: {failure_retry: {{ tries|default(1) }}, default-shell-prompt: '# '}
commands: {connect: telnet here 1, hard_reset: /bin/true}
actions:
  deploy: {methods: {tftp: }}
  boot: {connections: {serial: }, methods: {minimal: }}
timeouts: {actions: {}, connections: {}}
`,
	"board01.jinja2": "{% extends 'board.jinja2' %}\n",
	"job.yaml": `job_name: plan
device_type: board
timeouts: {job: {minutes: 5}, action: {seconds: 20}, connection: {seconds: 10}}
visibility: public
context: {tries: 3}
actions:
- deploy: {to: tftp, kernel: {url: 'http://nowhere.invalid/zImage'}}
- boot: {method: minimal}
`,
}

func planFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range planFiles {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPlan(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(t), planFolder(t)
	args := []string{"plan", dir + "/job.yaml", "--device", dir + "/board01.jinja2", "--device-types", dir + "/types"}
	status, text := w.strata(t, append(args, "--json")...)
	var tree []node
	if err := json.Unmarshal([]byte(text), &tree); err != nil || status != exitOK {
		t.Fatalf("status %d, %v: %s", status, err, text)
	}
	if len(tree) != 3 || tree[0].Name != "tftp-deploy" || tree[0].Pipeline[0].MaxRetries != 3 || tree[0].Pipeline[0].Timeout != 20 ||
		tree[0].Pipeline[0].Pipeline[0].URL != "http://nowhere.invalid/zImage" || tree[2].Level != "3" {
		t.Errorf("the tree is %+v", tree)
	}
	for _, tt := range []struct {
		more []string
		want int
		says string
	}{
		{nil, exitOK, "1.1 download-retry (20 s, 3 attempts)"},
		{[]string{"--context", "{tries: 2}"}, exitOK, "1.1 download-retry (20 s, 2 attempts)"},
		{[]string{"--context", "[]"}, exitMisuse, "--context: expected a mapping"},
		{[]string{"--part", "server-0"}, exitFailed, "Unable to split multinode job"},
	} {
		got, text := w.strata(t, append(args[:len(args):len(args)], tt.more...)...)
		if got != tt.want || !strings.Contains(text, tt.says) {
			t.Errorf("%v: status %d, said %q; want %d with %q", tt.more, got, text, tt.want, tt.says)
		}
	}
	// What a dictionary extends must be somewhere.
	if got, text := w.strata(t, args[:4]...); got != exitFailed || !strings.Contains(text, "board.jinja2") {
		t.Errorf("without types: status %d, said %q", got, text)
	}
}

func TestRenderDevice(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(t), planFolder(t)
	args := []string{"devices", "render", dir + "/board01.jinja2", "--device-types", dir + "/types", "--name", "board01", "--context", `{"tries": 7}`}
	status, text := w.strata(t, append(args, "--json")...)
	var got struct {
		Hostname  string
		Constants map[string]any
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || status != exitOK {
		t.Fatalf("status %d, %v: %s", status, err, text)
	}
	if got.Hostname != "board01" || got.Constants["failure_retry"] != 7.0 {
		t.Errorf("rendered %s", text)
	}
	if status, text := w.strata(t, args...); status != exitOK || !strings.Contains(text, "hostname: board01\n") {
		t.Errorf("as text: status %d, said %q", status, text)
	}
}

// TestRenderRefusals gives what cannot be rendered: the error says which file, which line and why.
func TestRenderRefusals(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(t), t.TempDir()
	for _, tt := range []struct {
		text, types, want string
		status            int
	}{
		{"{% set a = 1 %}\n{{ b.c }}", dir, "board.jinja2:2: 'b' is undefined", exitFailed},
		{"{% if %}", dir, "board.jinja2:1: want a value", exitFailed},
		{"- {{ 1 }}", dir, "renders to a list, expected a mapping", exitFailed},
		{"", dir, "renders to a null, expected a mapping", exitFailed},
		{"a: {{ 1 }}", dir + "/none", "--device-types: ", exitFailed},
		{"a: {{ 1 }}", dir + "/board.jinja2", "board.jinja2 is no folder", exitFailed},
	} {
		file := filepath.Join(dir, "board.jinja2")
		if err := os.WriteFile(file, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		status, said := w.strata(t, "devices", "render", file, "--device-types", tt.types)
		if status != tt.status || !strings.Contains(said, tt.want) {
			t.Errorf("%q with %s: status %d, said %q, want %d and %q", tt.text, tt.types, status, said, tt.status, tt.want)
		}
	}
}
