package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/schemas/yaml"
)

// TestLavaRun calls the command as tuxrun does, with a job that needs no board.
func TestLavaRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, command string
		status        int
		result        string // of case job
		errorType     string
	}{
		{"passes", "/bin/true", 0, "pass", ""},
		{"fails", "/bin/false", 1, "fail", "Infrastructure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			job := write(t, dir, "job.yaml", "job_name: local\nvisibility: public\ntimeouts: {job: {minutes: 1}}\nactions:\n- command: {name: relay}\n")
			device := write(t, dir, "device.yaml", "commands: {users: {relay: {do: "+tt.command+"}}}\nactions: {deploy: {methods: }, boot: {methods: }}\n")
			out := filepath.Join(dir, "out")
			var stderr bytes.Buffer
			a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &stderr, env: func(string) string { return "" }, now: time.Now}
			args := calledAs([]string{"/usr/bin/lava-run", "--job-id", "77", "--output-dir=" + out, "--device", device, "--skip-sudo-warning", job})
			if got := a.run(context.Background(), args); got != tt.status {
				t.Errorf("exit status %d, want %d\n%s", got, tt.status, stderr.String())
			}
			result := parse(t, filepath.Join(out, "result.yaml"))
			if got := []string{result.Get("definition").TextOr(""), result.Get("case").TextOr(""), result.Get("result").TextOr(""), result.Get("error_type").TextOr("")}; !reflect.DeepEqual(got, []string{"lava", "job", tt.result, tt.errorType}) {
				t.Errorf("result.yaml: %q", got)
			}
			plan := parse(t, filepath.Join(out, "description.yaml")).Get("pipeline")
			if len(plan.Items) != 2 || plan.Items[0].Get("name").TextOr("") != "user-command" || plan.Items[1].Get("name").TextOr("") != "finalize" {
				t.Errorf("description.yaml: %s", plan.Repr())
			}
			logs := parse(t, filepath.Join(out, "logs.yaml"))
			n := 0
			for scanner := bufio.NewScanner(&stderr); scanner.Scan(); n++ {
				line, err := yaml.Parse(scanner.Bytes())
				if err != nil || !reflect.DeepEqual(line.Keys()[:3], []string{"dt", "lvl", "msg"}) {
					t.Errorf("line %d of standard error: %v\n%s", n, err, scanner.Text())
				}
			}
			if n == 0 || n != len(logs.Items) {
				t.Errorf("%d lines on standard error, %d in logs.yaml; want as many", n, len(logs.Items))
			}
		})
	}
}

// TestLavaRunAsProgram starts the binary through a link, with the arguments in the form and order that
// tuxrun gives, and reads standard error as tuxrun does: a YAML mapping a line, and nothing else.
func TestLavaRunAsProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, lavaRunName)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--device", write(t, dir, "device.yaml", "commands: {users: {relay: {do: /bin/echo relayed}}}\nactions: {deploy: {methods: }, boot: {methods: }}\n"),
		"--dispatcher", write(t, dir, "dispatcher.yaml", "dispatcher_ip: 127.0.0.1\n"),
		"--env-dut", write(t, dir, "env-dut.yaml", "overrides: {A: b}\n"),
		"--job-id", "1", "--output-dir", filepath.Join(dir, "output"),
	}
	if os.Geteuid() != 0 {
		args = append(args, "--skip-sudo-warning")
	}
	job := write(t, dir, "definition.yaml", "job_name: local\nvisibility: public\ntimeouts: {job: {minutes: 5}, action: {minutes: 5}}\nactions:\n- command: {name: relay}\n")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, link, append(args, job)...)
	cmd.Env, cmd.Dir = append(os.Environ(), asStrata+"=1"), dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stdout.Len() > 0 {
		t.Errorf("%v, standard output %q\n%s", err, stdout.String(), stderr.String())
	}
	seen := map[string]bool{}
	for scanner := bufio.NewScanner(&stderr); scanner.Scan(); {
		line, err := yaml.Parse(scanner.Bytes())
		if err != nil || !line.Is(yaml.Map) || !line.Has("dt") || !line.Has("lvl") || !line.Has("msg") {
			t.Errorf("%q is no record (%v)", scanner.Text(), err)
			continue
		}
		seen[line.Get("lvl").TextOr("")] = true
	}
	if !seen["info"] || !seen["results"] {
		t.Errorf("levels seen: %v", seen)
	}
}

func TestLavaRunMisuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var stderr bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &stderr, env: func(string) string { return "" }, now: time.Now}
	for want, args := range map[string][]string{
		"address of a LAVA server": {"--url", "lava", "--job-id", "1", "--output-dir", dir, "--device", "d", "j"},
		"device":                   {"--job-id", "1", "--output-dir", dir, "j"},
		"no such file":             {"--skip-sudo-warning", "--job-id", "1", "--output-dir", dir, "--device", "none.yaml", "none.yaml"},
	} {
		stderr.Reset()
		if got := a.run(context.Background(), append([]string{lavaRunName}, args...)); got == 0 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: status %d, %q; want a failure with %q", args, got, stderr.String(), want)
		}
	}
}

func TestLavaLine(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 6, 4, 3, 10503000, time.UTC)
	got, err := lavaLine(events.Record{Time: at, Level: events.Feedback, Namespace: "dut",
		Message: json.RawMessage(`{"a":["x:y, \"z\"",1],"b":null}`)})
	want := `{"dt": "2026-11-22T06:04:03.010503+00:00", "lvl": "feedback", "msg": {"a": ["x:y, \"z\"", 1], "b": null}, "ns": "dut"}` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("line:\n got %s%v\nwant %s", got, err, want)
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func parse(t *testing.T, path string) *yaml.Node {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	node, err := yaml.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return node
}
