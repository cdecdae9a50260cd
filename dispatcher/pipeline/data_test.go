package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDataReadsWhatIsThere(t *testing.T) {
	d, err := ReadYAML([]byte("a: {b: 1, c: [x, 2, null], d: yes, e: 1.5, f: '7'}\ng:\nh: h"))
	if err != nil {
		t.Fatal(err)
	}
	a := d.Get("a")
	if a.Get("b").Int(0) != 1 || a.Get("f").Int(0) != 7 || a.Get("c").Int(9) != 9 || a.Get("e").Float(0) != 1.5 ||
		!a.Get("d").Bool(false) || a.Get("b").Bool(true) != true {
		t.Errorf("numbers and truth of %s", a.Python())
	}
	if got := a.Get("c").Texts(); !slices.Equal(got, []string{"x", "2", ""}) {
		t.Errorf("texts of a list: %q", got)
	}
	if got := d.Get("h").Texts(); !slices.Equal(got, []string{"h"}) {
		t.Errorf("texts of a text: %q", got)
	}
	if !d.Has("g") || d.Has("z") || !d.Get("g").IsNull() || d.Get("h", "x", "y").Kind() != Null {
		t.Error("a present null differs from a missing key, and a path through a text leads nowhere")
	}
	changed := d.With("h", Of("new")).With("i", Of(true))
	if changed.Get("h").Text() != "new" || !changed.Get("i").Bool(false) || d.Get("h").Text() != "h" {
		t.Error("With must change a copy")
	}
	if got := a.Python(); got != "{'b': 1, 'c': ['x', 2, None], 'd': True, 'e': 1.5, 'f': '7'}" {
		t.Errorf("as Python prints it: %s", got)
	}
}

func TestWords(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"telnet  localhost 7001\n", []string{"telnet", "localhost", "7001"}},
		{`bash -c 'a b; c "d"' ''`, []string{"bash", "-c", `a b; c "d"`, ""}},
		{`-append "console=ttyS0 x=\"y\" \n"`, []string{"-append", `console=ttyS0 x="y" \n`}},
		{`a\ b c`, []string{"a b", "c"}},
		{"  ", nil},
	}
	for _, tt := range tests {
		if got, err := Words(tt.text); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("Words(%q): %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"a 'b", `a "b`, `a \`} {
		if got, err := Words(text); err == nil {
			t.Errorf("Words(%q): %q, want an error", text, got)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add(`a 'b c' "d\"e" \f`)
	f.Fuzz(func(t *testing.T, text string) {
		words, err := Words(text)
		if err != nil {
			return
		}
		// What was split can be quoted and split again.
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		if back, err := Words(strings.Join(quoted, " ")); err != nil || !slices.Equal(back, words) {
			t.Errorf("%q: %q, again %q, %v", text, words, back, err)
		}
	})
}

func TestCommands(t *testing.T) {
	tests := []struct {
		name string
		argv []string
		log  string
		exit int
	}{
		{"success", []string{"/bin/sh", "-c", "echo one; echo two >&2; printf '%s' \"$LAVA_JOB_ID\""},
			"debug Calling: ['/bin/sh', '-c', 'echo one; echo two >&2; printf \\'%s\\' \"$LAVA_JOB_ID\"']\ndebug >> one\ndebug >> two\ndebug >> 42\ndebug Returned 0 in 0 seconds\n", 0},
		{"failure", []string{"/bin/sh", "-c", "exit 3"},
			"debug Calling: ['/bin/sh', '-c', 'exit 3']\ndebug Returned 3 in 0 seconds\nerror Unable to run: ['/bin/sh', '-c', 'exit 3']\n", 3},
		{"missing", []string{"/no/such"}, "debug Calling: ['/no/such']\nerror fork/exec /no/such: no such file or directory\n" +
			"debug Returned 127 in 0 seconds\nerror Unable to run: ['/no/such']\n", 127},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan, log := planned(t, "boot: {}", &fake{name: "root"})
			err := plan.session.at(plan.Steps[0]).Command(t.Context(), tt.argv...)
			var failed *CommandError
			if errors.As(err, &failed) != (tt.exit != 0) || failed != nil && failed.Exit != tt.exit {
				t.Errorf("error: %v, want exit %d", err, tt.exit)
			}
			if got := log.text(); got != tt.log {
				t.Errorf("log:\n%s\nwant:\n%s", got, tt.log)
			}
		})
	}
}

func TestCommandOutput(t *testing.T) {
	plan, log := planned(t, "boot: {}", &fake{name: "root"})
	s := plan.session.at(plan.Steps[0])
	out, err := s.CommandOutput(t.Context(), false, "/bin/echo", "hello")
	if out != "hello\n" || err != nil || !strings.Contains(log.text(), "output: hello") {
		t.Errorf("%q, %v:\n%s", out, err, log.text())
	}
	if out, err = s.CommandOutput(t.Context(), true, "/bin/sh", "-c", "echo no; exit 2"); out != "no\n" || err != nil {
		t.Errorf("a failure that is allowed: %q, %v", out, err)
	}
	if _, err = s.CommandOutput(t.Context(), false, "/bin/sh", "-c", "exit 2"); ClassOf(err) != Job {
		t.Errorf("a failure that is not: %v", err)
	}
	if got := s.shared.progress(plan.Steps[0]).results.Get("returncode"); got != 2 {
		t.Errorf("returncode: %v, want 2", got)
	}
}

// What a command prints without end is not kept in memory without end, and no half of a secret is shown
// where it is cut.
func TestCommandPrintsWithoutEnd(t *testing.T) {
	plan, log := planned(t, "boot: {}", &fake{name: "root"})
	s := plan.session.at(plan.Steps[0])
	const secret = "hunter2hunter2"
	s.Log.Mask(secret)
	half := maxLine - len(secret)/2
	script := fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x; printf %s; head -c 3000000 /dev/zero | tr '\\0' y; echo; echo after", half, secret)
	if err := s.Command(t.Context(), "/bin/sh", "-c", script); err != nil {
		t.Fatal(err)
	}
	got := log.text()
	if len(got) > 2*maxLine || strings.Contains(got, "hunt") || !strings.Contains(got, "debug >> after\n") {
		t.Errorf("the log has %d bytes, and holds half a secret: %v; want at most %d, none, and the line after", len(got), strings.Contains(got, "hunt"), 2*maxLine)
	}
	if want := fmt.Sprintf("(line of %d bytes, cut)", half+len(secret)+3000000); !strings.Contains(got, want) {
		t.Errorf("the log does not say %q", want)
	}
}

func TestCommandOutputWithoutEnd(t *testing.T) {
	plan, log := planned(t, "boot: {}", &fake{name: "root"})
	s := plan.session.at(plan.Steps[0])
	out, err := s.CommandOutput(t.Context(), false, "/bin/sh", "-c", fmt.Sprintf("yes 0123456 | head -c %d", 3*maxOutput))
	if err != nil || len(out) != maxOutput {
		t.Errorf("got %d bytes (error %v), want %d", len(out), err, maxOutput)
	}
	want := fmt.Sprintf("warning The command printed %d bytes: only the first %d are kept.", 3*maxOutput, maxOutput)
	if !strings.Contains(log.text(), want) {
		t.Errorf("the log does not say %q", want)
	}
	// Without a line end nothing tells where a secret may be cut in two, so the end is left out.
	s.Log.Mask("hunter2hunter2")
	script := fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x; printf hunter2hunter2; head -c 100 /dev/zero", maxOutput-7)
	out, err = s.CommandOutput(t.Context(), false, "/bin/sh", "-c", script)
	if err != nil || strings.Contains(out, "hunt") || strings.Contains(log.text(), "hunt") {
		t.Errorf("got %d bytes (error %v), want no half of a secret in them nor in the log", len(out), err)
	}
}

// A command that does not end is ended with everything it started.
func TestCommandIsEnded(t *testing.T) {
	t.Parallel()
	plan, _ := planned(t, "boot: {timeout: {minutes: 5}}", &fake{name: "root"})
	pid := t.TempDir() + "/pid"
	plan.Steps[0].Action = &fake{name: "root", run: shell("trap '' TERM; sleep 1000 & echo $! > " + pid + "; wait; wait")}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- plan.Run(ctx) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var raw []byte
	for deadline := time.Now().Add(time.Minute); !strings.HasSuffix(string(raw), "\n"); <-tick.C {
		if raw, _ = os.ReadFile(pid); time.Now().After(deadline) { // it may not be there yet
			t.Fatal("the command has not begun")
		}
	}
	cancel(CanceledBy{Text: "enough"})
	if err := <-ended; ClassOf(err) != Canceled {
		t.Errorf("error: %v", err)
	}
	// The child is gone, or a zombie that nobody has asked for yet.
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(raw)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the command's child is still there: %s", stat)
		}
	}
}

func shell(script string) func(context.Context, *Session) error {
	return func(ctx context.Context, s *Session) error { return s.Command(ctx, "/bin/sh", "-c", script) }
}
