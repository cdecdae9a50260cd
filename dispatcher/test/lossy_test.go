package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// fault is what happens to a line of the console that begins with "<": a kernel message cuts it, or a
// character is lost. They are counted from the start of the runner: 1 is STARTRUN, 2n and 2n+1 the announcement of case n and its signal, 202 ENDRUN, then come the sum,
// the runner's end, and what is read from the device's list.
type fault struct {
	line, at int
	cut      bool
}

const cases = 100

// Over a console that cuts lines and loses characters every case arrives, under its own name.
func TestLossyConsole(t *testing.T) {
	if _, err := exec.LookPath("cksum"); err != nil {
		t.Skip("SKIPPED: no cksum")
	}
	issue := []fault{{7, 12, true}, {21, 30, true}, {63, 45, true}, {101, 3, true}, {199, 48, true}, {33, 39, false}, {77, 25, false}, {201, 48, false}}
	tests := []struct {
		name   string
		faults []fault
	}{
		{"nothing happens", nil},
		{"five signals cut and three characters lost", issue},
		{"announcements cut", []fault{{2, 0, true}, {20, 4, true}, {40, 9, false}, {60, 15, true}, {90, 22, false}, {200, 13, true}}},
		{"an announcement and its signal", []fault{{20, 8, true}, {21, 40, false}, {50, 5, false}, {51, 20, true}}},
		{"ends of lines", []fault{{21, 51, false}, {41, 52, false}, {201, 52, false}}},
		{"start and end of the run", []fault{{1, 15, true}, {202, 17, true}}},
		{"start of the run under another name", []fault{{1, 25, false}}},
		{"sum and end of the runner", []fault{{203, 14, false}, {204, 9, true}}},
		{"the list as well", append(slices.Clone(issue), fault{205, 10, true}, fault{207, 30, false})},
	}
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 4))
		var faults []fault
		for range 12 {
			faults = append(faults, fault{2 + r.IntN(201), r.IntN(25), r.IntN(2) == 0})
		}
		tests = append(tests, struct {
			name   string
			faults []fault
		}{fmt.Sprint("anywhere ", seed), faults})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := runLossy(t, tt.faults)
			var want, names []string
			for n := range cases {
				want = append(want, fmt.Sprintf("case-%d pass", n+1))
			}
			suite := ""
			for _, c := range casesOf(t, log) {
				switch c.Definition {
				case "0_smoke":
					names = append(names, c.Case+" "+c.Result)
				case "lava":
					suite += c.Case + " " + c.Result + ";"
				}
			}
			slices.Sort(names)
			slices.Sort(want)
			if !slices.Equal(names, want) {
				t.Errorf("%d cases, want %d:\n%s", len(names), len(want), differences(names, want))
			}
			if suite != "0_smoke pass;" {
				t.Errorf("results of the suite: %q, want one that passes", suite)
			}
			if warned := strings.Contains(text(log), "broken") || strings.Contains(text(log), "not heard whole"); warned != (len(tt.faults) > 0) {
				t.Errorf("the log warns of broken signals: %v", warned)
			}
			if t.Failed() {
				for _, r := range log {
					t.Logf("%s %s", r.Level, r.Message)
				}
			}
		})
	}
}

// What cannot be read at all is recorded as unknown, with what the console showed.
func TestUnreadableSignal(t *testing.T) {
	t.Parallel()
	faults := []fault{{21, 30, true}}
	for line := 205; line < 300; line += 2 { // of each answer the line; the one after it is the end of the list
		faults = append(faults, fault{line, 20, true})
	}
	log := runLossy(t, faults)
	for _, c := range casesOf(t, log) {
		if c.Case == "signal-10" {
			if c.Result != "unknown" || !strings.Contains(c.Extra.Console, "usb 1-1") {
				t.Errorf("got %+v, want it unknown, with the console line", c)
			}
			return
		}
	}
	t.Errorf("nothing is told of signal 10:\n%s", text(log))
}

// reported is what a result says.
type reported struct {
	Definition, Case, Result, UUID string
	Namespace                      *string
	Extra                          struct{ Reason, Console string }
}

func casesOf(t *testing.T, log []events.Record) (out []reported) {
	t.Helper()
	for _, r := range log {
		var c reported
		if r.Level != events.Results {
			continue
		}
		if err := json.Unmarshal(r.Message, &c); err != nil {
			t.Fatalf("%s: %v", r.Message, err)
		}
		if c.Definition == "lava" && c.UUID == "" {
			continue // of an action
		}
		out = append(out, c)
	}
	return out
}

func text(log []events.Record) string {
	var b strings.Builder
	for _, r := range log {
		b.Write(r.Message)
		b.WriteByte('\n')
	}
	return b.String()
}

// differences lists what one list has and the other has not.
func differences(got, want []string) string {
	var b strings.Builder
	for _, s := range want {
		if !slices.Contains(got, s) {
			b.WriteString("missing " + s + "\n")
		}
	}
	for i, s := range got {
		if !slices.Contains(want, s) || i > 0 && got[i-1] == s {
			b.WriteString("too much " + s + "\n")
		}
	}
	return b.String()
}

// runLossy runs a test definition of a hundred cases over a console with faults.
func runLossy(t *testing.T, faults []fault) (log []events.Record) {
	t.Helper()
	return shellJob{steps: fmt.Sprintf("n=0; while [ $n -lt %d ]; do n=$((n+1)); lava-test-case case-$n --result pass; done", cases), faults: faults}.run(t)
}

// shellJob is a job whose test runs in a real shell of this machine, with the real helpers.
type shellJob struct {
	steps    string // of the definition smoke
	faults   []fault
	services pipeline.Services // of the worker
	mounted  bool              // the device is a container, which has the overlay as a mount
	env      []string          // beside that of this process
}

// run runs the job, which has to pass, and returns its log. A file may have 50,000 bytes, all of them
// 70,000.
func (j shellJob) run(t *testing.T) (log []events.Record) {
	t.Helper()
	root, to := filepath.Join(t.TempDir(), "lava-%s"), "x"
	if j.mounted {
		to = "docker"
	}
	definition := fmt.Sprintf(`
timeouts: {job: {minutes: 5}, action: {minutes: 4}, connection: {minutes: 4}}
actions:
- deploy: {to: %s, os: test}
- boot: {method: x}
- test:
    definitions:
    - name: smoke
      from: inline
      path: smoke.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke}
        run: {steps: [%q]}
`, to, "set +x; "+j.steps)
	p, err := pipeline.Parse(pipeline.Inputs{
		ID: "7", Job: read(t, definition), Device: read(t, strings.Replace(device, "/lava-%s", root, 1)), Env: append(os.Environ(), j.env...),
		Dispatcher: read(t, "dispatcher_ip: 127.0.0.1"), Dir: filepath.Join(t.TempDir(), "7"), Now: time.Now, Services: j.services,
		Log: output.New(output.Settings{Now: time.Now, Files: output.FileLimits{File: 50_000, Job: 70_000}, Write: func(r events.Record) error {
			log = append(log, r)
			return nil
		}}),
		Methods: pipeline.Methods{
			Deploy: []pipeline.Method{{Name: "x", Accepts: always, Action: func(pipeline.Data) pipeline.Action { return overlay.New() }}},
			Boot:   []pipeline.Method{{Name: "x", Accepts: always, Action: func(pipeline.Data) pipeline.Action { return shellOver{t, j} }}},
			Test:   Methods(),
			Finalize: func() pipeline.Action {
				return pipeline.Basic{Title: "finalize", Fill: func(*pipeline.Step, *pipeline.Session) error { return nil }}
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); err != nil {
		t.Errorf("the job failed: %v", err)
	}
	if err := p.Cleanup(context.Background()); err != nil {
		t.Error(err)
	}
	return log
}

// shellOver is the boot action: a shell of this machine, on which the overlay lies, over a bad wire.
type shellOver struct {
	t   *testing.T
	job shellJob
}

func (shellOver) Name() string { return "shell" }

func (a shellOver) Run(_ context.Context, s *pipeline.Session) error {
	dir, _ := pipeline.Get(s, pipeline.OverlayDir)
	root, _ := pipeline.Get(s, pipeline.ResultsDir)
	bring := func() error { return os.CopyFS(root, os.DirFS(filepath.Join(dir, root))) }
	if a.job.mounted {
		bring = func() error { return os.Symlink(filepath.Join(dir, root), root) }
	}
	if err := bring(); err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh")
	cmd.Env = append(os.Environ(), "PS1=board # ", "ENV=", "LC_ALL=C")
	terminal, err := pty.Start(cmd)
	if err != nil {
		return err
	}
	c := connection.New(&wire{ReadWriteCloser: terminal, shell: cmd, faults: a.job.faults, line: -1}, connection.Settings{Log: s.Log})
	c.Prompts = []string{"board # "}
	a.t.Cleanup(func() { c.Close() })
	s.SetConsole(c)
	return nil
}

// wire does to what is read what its faults say.
type wire struct {
	io.ReadWriteCloser
	shell  *exec.Cmd
	faults []fault
	line   int    // of those that begin with "<"; -1 before the runner is started
	at     int    // in the line
	head   string // of the line, up to the "<"
	counts bool   // the line is counted
	rest   []byte
}

// Write lets the counting begin when the runner is started.
func (w *wire) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("lava-test-runner")) {
		w.line = 0
	}
	return w.ReadWriteCloser.Write(p)
}

// Close ends the shell: nothing else ends a read of its terminal.
func (w *wire) Close() error {
	_ = w.shell.Process.Kill()
	_ = w.shell.Wait() // it was killed
	return w.ReadWriteCloser.Close()
}

func (w *wire) Read(p []byte) (int, error) {
	if len(w.rest) == 0 {
		buf := make([]byte, 512)
		n, err := w.ReadWriteCloser.Read(buf)
		for _, b := range buf[:n] {
			w.pass(b)
		}
		if len(w.rest) == 0 {
			return 0, err
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *wire) pass(b byte) {
	switch {
	case b == '\n':
		defer func() { w.head, w.counts = "", false }()
	case w.counts || w.line < 0:
	case b == '<' && (w.head == "" || w.head == "board # "):
		w.counts, w.at = true, 0
		w.line++
	default:
		w.head += string(b)
	}
	if w.counts {
		if i := slices.IndexFunc(w.faults, func(f fault) bool { return f.line == w.line && f.at == w.at }); i >= 0 {
			w.at++
			if !w.faults[i].cut {
				return
			}
			w.rest = append(w.rest, "[   12.345678] usb 1-1: new device -> high speed, id=7\r\n"...)
			w.rest = append(w.rest, b)
			return
		}
	}
	w.at++
	w.rest = append(w.rest, b)
}

// The host's checksum is that of the command.
func TestCksum(t *testing.T) {
	program, err := exec.LookPath("cksum")
	if err != nil {
		t.Skip("SKIPPED: no cksum")
	}
	for _, text := range []string{"", "a\n", strings.Repeat("<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=größe RESULT=pass>\n", 300)} {
		cmd := exec.Command(program)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		want, _, _ := bytes.Cut(out, []byte(" "))
		if got := fmt.Sprint(cksum(text)); got != string(want) {
			t.Errorf("cksum of %d bytes: got %s, want %s", len(text), got, want)
		}
	}
}
