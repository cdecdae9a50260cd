package connection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/output"
	"strata/events"
)

func TestExpectTakesTheEarliestMatch(t *testing.T) {
	t.Parallel()
	c, log := start(t, "printf 'one two\\r\\nthree four> '; cat")
	ctx := within(t)
	m := expect(t, c, ctx, "four", "two", "tw")
	if m.Index != 1 || m.Before != "one " || m.Text != "two" {
		t.Errorf("got %d %q after %q, want pattern 1, which stands first and is first of equals", m.Index, m.Text, m.Before)
	}
	if got := log.texts(events.Target); strings.Join(got, "|") != "one two" {
		t.Errorf("log after the match: %q, want the line of the match and no more", got)
	}
	if m = expect(t, c, ctx, "four> $"); !strings.HasSuffix(m.Before, "three ") {
		t.Errorf("before the second match: %q, want what follows the first", m.Before)
	}
}

func TestExpectSpansReads(t *testing.T) {
	t.Parallel()
	c, _ := start(t, `stty -echo; printf "ready\n"; while read -r line; do printf "%s" "$line"; done`)
	ctx := within(t)
	expect(t, c, ctx, "ready")
	send(t, c, ctx, "log")
	expect(t, c, ctx, "(?=log)") // it has arrived, and stays unmatched
	send(t, c, ctx, "in: ")
	if m := expect(t, c, ctx, "login:"); m.Text != "login:" {
		t.Errorf("got %q, want a match of text that came in two pieces", m.Text)
	}
}

func TestTimeoutConsumesNothing(t *testing.T) {
	t.Parallel()
	c, _ := start(t, "printf 'half a prompt'; cat")
	ctx, cancel := context.WithCancel(within(t))
	expect(t, c, ctx, "(?=half a prompt)")
	cancel()
	if _, err := c.ExpectText(ctx, "never"); !errors.Is(err, context.Canceled) {
		t.Fatalf("expect with a context that is over: %v, want its error", err)
	}
	if m := expect(t, c, within(t), "half a (prompt)"); m.Groups[0].Text != "prompt" {
		t.Errorf("groups after a wait in vain: %v, want the text to be there still", m.Groups)
	}
}

func TestEndOfFile(t *testing.T) {
	t.Parallel()
	c, log := start(t, "printf 'goodbye'")
	if _, err := c.ExpectText(within(t), "never"); !errors.Is(err, ErrClosed) {
		t.Fatalf("expect at the end of the process: %v, want ErrClosed", err)
	}
	if c.Connected() {
		t.Error("still connected after the end of the process")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got := log.texts(events.Target); len(got) != 1 || got[0] != "goodbye" {
		t.Errorf("log: %q, want the partial line, once", got)
	}
	if err := c.SendLine(within(t), "x", 0); !errors.Is(err, ErrClosed) {
		t.Errorf("typing on a closed console: %v, want ErrClosed", err)
	}
}

func TestCloseEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	// The shell and its child ignore the polite signals.
	c, _ := start(t, `trap "" TERM HUP; echo ready; sleep 1000 & wait; wait`)
	expect(t, c, within(t), "ready")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(c.process.Process.Pid, 0); err == nil {
		t.Error("the process is still there after Close")
	}
}

// A child that left the session keeps the terminal open, which must not keep the job.
func TestCloseWithAChildThatStays(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("SKIPPED: no setsid")
	}
	file := filepath.Join(t.TempDir(), "pid")
	c, _ := start(t, "setsid sh -c 'echo $$ >"+file+"; exec sleep 1000' & while [ ! -s "+file+" ]; do :; done; echo ready; cat")
	expect(t, c, within(t), "ready")
	done := make(chan error, 1)
	go func() { done <- c.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-within(t).Done():
		t.Error("still closing")
	}
	pid, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(pid))); err == nil {
		_ = syscall.Kill(n, syscall.SIGKILL)
	}
}

// A console ends with its owner, however that one ends: nobody may hold a board that another job
// has been given.
func TestConsoleEndsWithItsOwner(t *testing.T) {
	if file := os.Getenv("STRATA_TEST_CONSOLE"); file != "" {
		// As a job's process does: where it began with HUP ignored (nohup), its children do not.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
		c, _ := start(t, "echo $$ >"+file+"; exec sleep 1000")
		_, _ = c.ExpectText(t.Context(), "never") // until the kill
		return
	}
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	owner := exec.Command(os.Args[0], "-test.run=^TestConsoleEndsWithItsOwner$")
	owner.Env = append(os.Environ(), "STRATA_TEST_CONSOLE="+file)
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	await(t, "the console to start", func() bool {
		text, err := os.ReadFile(file)
		if err == nil {
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return pid > 0
	})
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // it was killed
	await(t, "the console to end", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func TestLinesAreLoggedAsTheyWere(t *testing.T) {
	t.Parallel()
	c, log := start(t, `stty raw; printf 'a\r\r\nb\r\n\r\n\033[1mbold\033[0m\nback\rover\n\377x\nend'; cat`)
	expect(t, c, within(t), "end")
	want := []string{"a", "b", "", "[1mbold[0m", "back\rover", "\uFFFDx"}
	if got := log.texts(events.Target); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("lines:\n got %q\nwant %q", got, want)
	}
}

func TestInputIsLogged(t *testing.T) {
	t.Parallel()
	c, log := start(t, "cat")
	ctx := within(t)
	if err := c.SendLine(ctx, "it's", time.Millisecond); err != nil {
		t.Fatal(err)
	}
	expect(t, c, ctx, "it's")
	if got := log.texts(events.Input); len(got) != 1 || got[0] != "it's" {
		t.Errorf("input: %q", got)
	}
	want := []string{"Sending with 1 millisecond of delay", `Sending line: "it's"`}
	if got := log.texts(events.Debug); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("announced: %q, want %q", got, want)
	}
}

func TestDrainIsFeedback(t *testing.T) {
	t.Parallel()
	c, log := start(t, "printf 'one\\ntwo\\n'; cat")
	expect(t, c, within(t), "(?=two\\r\\n)")
	came, err := c.Drain(within(t), time.Minute, "other")
	if !came || err != nil {
		t.Fatalf("drain: %v %v, want what had not been matched", came, err)
	}
	if got := log.texts(events.Feedback); len(got) != 1 || got[0] != "two" {
		t.Errorf("feedback %q, want the one line that no wait had reached", got)
	}
	if err := c.Send(within(t), "three\n", 0); err != nil {
		t.Fatal(err)
	}
	if came, err = c.Drain(within(t), time.Minute, "other"); !came || err != nil {
		t.Fatalf("drain: %v %v, want the echo", came, err)
	}
	if got := log.texts(events.Feedback); len(got) < 2 || got[1] != "three" {
		t.Errorf("feedback %q, want three", got)
	}
}

func TestWindowCoversAllThatIsNew(t *testing.T) {
	t.Parallel()
	// One line of 100 KiB with the pattern at its start, far outside a window of 4,000.
	c, _ := start(t, `stty -echo raw; printf 'needle'; head -c 100000 /dev/zero | tr '\0' x; printf END; cat`)
	if m := expect(t, c, within(t), "needle"); m.Text != "needle" {
		t.Errorf("got %q", m.Text)
	}
	if m := expect(t, c, within(t), "END"); len(m.Before) != 100000 {
		t.Errorf("before END: %d bytes, want all 100000, also those outside the window", len(m.Before))
	}
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := Start(Settings{Command: []string{"/no/such/program"}})
	if err == nil || !strings.Contains(err.Error(), "not found or was not executable: /no/such/program") {
		t.Errorf("start of a missing program: %v", err)
	}
}

// recorder keeps a log in memory.
type recorder struct{ records []events.Record }

func (r *recorder) texts(level events.Level) []string {
	var out []string
	for _, rec := range r.records {
		if rec.Level == level {
			var text string
			if json.Unmarshal(rec.Message, &text) == nil {
				out = append(out, text)
			}
		}
	}
	return out
}

func start(t *testing.T, script string) (*Connection, *recorder) {
	t.Helper()
	r := &recorder{}
	log := output.New(output.Settings{Now: time.Now, Write: func(rec events.Record) error {
		r.records = append(r.records, rec)
		return nil
	}})
	c, err := Start(Settings{Command: []string{"/bin/sh", "-c", script}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, r
}

func expect(t *testing.T, c *Connection, ctx context.Context, patterns ...string) Match {
	t.Helper()
	m, err := c.ExpectText(ctx, patterns...)
	if err != nil {
		t.Fatalf("expect %q: %v", patterns, err)
	}
	return m
}

func send(t *testing.T, c *Connection, ctx context.Context, text string) {
	t.Helper()
	if err := c.SendLine(ctx, text, 0); err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// await asks again and again until what it waits for is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
