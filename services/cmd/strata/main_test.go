package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// asStrata makes the test binary behave as the command: labs, workers and jobs start it again as
// their children.
const asStrata = "STRATA_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	// A job's process gets little of its worker's environment, and not this variable.
	if os.Getenv(asStrata) != "" || len(os.Args) == 3 && os.Args[1] == "job" {
		main()
	}
	os.Exit(m.Run())
}

// patience is how long tests wait for what should come within seconds: a loaded machine may take
// its time, and no test succeeds by waiting.
const patience = 2 * time.Minute

func TestExitStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tests := []struct {
		args []string
		want int
		says string
	}{
		{[]string{"version"}, exitOK, "strata devel"},
		{[]string{"version", "--json"}, exitOK, `"version":"devel"`},
		{[]string{"nonsense"}, exitMisuse, `unknown command "nonsense"`},
		{[]string{"archive", "verfy"}, exitMisuse, `unknown command "verfy" for "strata archive"`},
		{[]string{"jobs", "--bogus"}, exitMisuse, "unknown flag: --bogus"},
		{[]string{"show"}, exitMisuse, "accepts 1 arg(s), received 0\nUsage: strata show JOB [flags]\nSee `strata show --help`.\n"},
		{[]string{"show", "x.1"}, exitMisuse, `"x" is not a job number`},
		{[]string{"plan", "x.yaml"}, exitMisuse, `required flag(s) "device" not set`},
		{[]string{"run", "none.yaml"}, exitFailed, "none.yaml: no such file"},
		{[]string{"validate", "none.yaml"}, exitFailed, "none.yaml: no such file"},
		{[]string{"plan", "none.yaml", "--device", "none"}, exitFailed, "no such file"},
		{[]string{"policy", "set", "none.yaml"}, exitFailed, "none.yaml: no such file"},
		{[]string{"devices", "render", "none.jinja2"}, exitFailed, "none.jinja2: no such file"},
		{[]string{"devices", "import", "none"}, exitFailed, "none: no such file"},
		{[]string{"device-types", "configure", "qemu", "--template", "none.jinja2"}, exitFailed, "none.jinja2: no such file"},
		{[]string{"import", "lava", "--devices", "none"}, exitFailed, "none: no such file"},
		{[]string{"devices", "add", "q1", "--type", "qemu", "--dict", "none.yaml"}, exitFailed, "none.yaml: no such file"},
		{[]string{"run", write(t, w.dir, "empty.tar", ""), "--device", "x"}, exitFailed, "is not a bundle"},
		{[]string{"worker", "--data", filepath.Join(write(t, w.dir, "file", ""), "data")}, exitFailed, "make the worker's data directory"},
		{[]string{"show", "x"}, exitMisuse, `"x" is not a job number`},
		{[]string{"jobs", "--color", "blue"}, exitMisuse, "allowed are auto, always, never"},
		{[]string{"logs", "1", "--level", "loud"}, exitMisuse, "--level loud: allowed are debug, info, "},
		{[]string{"jobs", "--state", "Complete"}, exitMisuse, "--state Complete: allowed are Submitted, Scheduled"},
		{[]string{"submit", "x.yaml", "--fail-on-test"}, exitMisuse, "needs --follow"},
		{[]string{"devices", "--at", ""}, exitMisuse, "allowed are a fact's sequence"},
		{[]string{"show", "1", "--whole", "--at", "8"}, exitMisuse, "whole at"},
		{[]string{"devices", "console", "q1", "--for", "-1s"}, exitMisuse, "--for -1s: 0 or more"},
		{[]string{"device-types", "configure", "qemu", "--health-hours", "0"}, exitMisuse, "--health-hours 0: at least 1"},
		{[]string{"device-types", "configure", "qemu", "--health-jobs", "-3"}, exitMisuse, "--health-jobs -3: at least 1"},
		{[]string{"policy", "set", write(t, w.dir, "nothing.yaml", "\n")}, exitFailed, "nothing.yaml is empty: {} is"},
		{[]string{"serve", "cooking"}, exitMisuse, `no service "cooking"`},
		{[]string{"up", "--first-job", "0"}, exitMisuse, "numbers begin at 1"},
		{[]string{"jobs"}, exitFailed, "start one with `strata up`"},
		{[]string{"jobs", "--server", "nats://127.0.0.1:1"}, exitFailed, "such as nats://lab.example.com:4222"},
		{[]string{"jobs", "--server", "https://"}, exitFailed, "names no host: write it like https://lab.example.com"},
		{[]string{"up", "--listen-nats", "4222"}, exitMisuse, "write host:port"},
	}
	for _, tt := range tests {
		got, text := w.strata(t, tt.args...)
		if got != tt.want || !strings.Contains(text, tt.says) {
			t.Errorf("strata %s: status %d, said %q; want %d with %q", strings.Join(tt.args, " "), got, text, tt.want, tt.says)
		}
	}
}

// TestManual holds that every command explains itself and gives an example that begins as people
// type it.
func TestManual(t *testing.T) {
	t.Parallel()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.HasParent() && c.Name() != "completion" && c.Parent().Name() != "completion" && c.Name() != "help" {
			if len(c.Long) < 40 {
				t.Errorf("%s: Long is %q, want a manual", c.CommandPath(), c.Long)
			}
			if c.Example == "" {
				t.Errorf("%s: has no example", c.CommandPath())
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	w := newWorld(t)
	root := w.app(&bytes.Buffer{}).root()
	walk(root)
	for _, name := range strings.Fields("up serve worker submit jobs show logs results cancel devices device-types workers events sql run version") {
		if c, _, err := root.Find([]string{name}); err != nil || c == root {
			t.Errorf("there is no command %s", name)
		}
	}
	if status, text := w.strata(t, "completion", "bash"); status != exitOK || !strings.Contains(text, "strata") {
		t.Errorf("completion bash: status %d, want a script", status)
	}
}

// world is a user of a machine: directories of his own, and what he may have set.
type world struct {
	dir string
	env map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{dir: dir, env: map[string]string{
		"HOME": dir, "XDG_RUNTIME_DIR": filepath.Join(dir, "run"), "XDG_DATA_HOME": filepath.Join(dir, "data"),
	}}
	// The engine's library is cached for the real user.
	if cache, err := os.UserCacheDir(); err == nil {
		w.env["XDG_CACHE_HOME"] = cache
	}
	return w
}

// app returns the command as this user runs it, writing to out.
func (w *world) app(out *bytes.Buffer) *app {
	return &app{in: strings.NewReader(""), out: out, err: out, env: func(name string) string { return w.env[name] }, now: time.Now}
}

// strata runs a command in this process and returns its status and all that it said.
func (w *world) strata(t *testing.T, args ...string) (status int, text string) {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return w.app(&out).run(ctx, args), out.String()
}

// must runs a command that has to succeed and returns what it said.
func (w *world) must(t *testing.T, args ...string) string {
	t.Helper()
	status, text := w.strata(t, args...)
	if status != exitOK {
		t.Fatalf("strata %s: status %d: %s", strings.Join(args, " "), status, text)
	}
	return text
}

// ask runs a command with --json and decodes its answer.
func (w *world) ask(t *testing.T, into any, args ...string) {
	t.Helper()
	text := w.must(t, append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("strata %s --json: %v in %q", strings.Join(args, " "), err, text)
	}
}

// process is a running strata of its own.
type process struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
}

// spawn starts strata as a process of its own, ended with the test.
func (w *world) spawn(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(w.dir, args[0]+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self, args...), log: log, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asStrata+"=1")
	for name, value := range w.env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start strata %s: %v", strings.Join(args, " "), err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is in its log
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("log of strata %s:\n%s", strings.Join(args, " "), lastOf(p.text()))
		}
		log.Close()
	})
	return p
}

// stop ends the process in an orderly way, and waits.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
		t.Errorf("strata %s did not end when it was asked to", strings.Join(p.cmd.Args[1:], " "))
	}
}

// kill ends the process as a crash would, and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// text returns what the process has said.
func (p *process) text() string {
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// up starts a lab on free ports and waits until it serves.
func (w *world) up(t *testing.T, args ...string) (*process, ready) {
	t.Helper()
	file := filepath.Join(w.dir, "ready.json")
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	p := w.spawn(t, append([]string{"up", "--listen", "127.0.0.1:0", "--listen-nats", "127.0.0.1:0",
		"--listen-sql", "127.0.0.1:0", "--ready", file}, args...)...)
	var r ready
	eventually(t, "strata up serves", func() bool {
		text, err := os.ReadFile(file)
		if err != nil {
			select {
			case <-p.done:
				t.Fatalf("strata up ended: %s", p.text())
			default:
			}
			return false
		}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatalf("--ready file: %v in %q", err, text)
		}
		return true
	})
	return p, r
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// lastOf returns the end of a long text.
func lastOf(text string) string {
	if len(text) > 8000 {
		return "…" + text[len(text)-8000:]
	}
	return text
}
