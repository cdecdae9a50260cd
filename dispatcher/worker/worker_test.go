package worker_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crypto/sha256"
	"encoding/hex"

	"github.com/nats-io/nats.go/jetstream"

	"strata/dispatcher/worker"
	"strata/events"
	"strata/events/access"
	"strata/events/stream"
	"strata/schemas/order"
)

// TestRunsAJob walks a job through the worker, from its order to the end of its spool.
func TestRunsAJob(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	l.send(t, start(42, 7, "q1"), "say hello", "count 1000")
	done := l.await(t, order.Finished, 42, 7)
	if v := done.Verdict; v.Result != "pass" || v.Lines != 1001 || done.Device != "q1" {
		t.Errorf("finished: got %+v on device %q, want pass with 1001 lines on q1", *v, done.Device)
	}
	if empty := l.await(t, order.SpoolEmpty, 42, 7); empty.Lines != 1001 {
		t.Errorf("spool-empty: got %d lines, want 1001", empty.Lines)
	}
	wantCounted(t, l.lines(t, 42), "hello", 1000)
	want := []order.Claim{order.Taken, order.Started, order.Finished, order.SpoolEmpty}
	if got := l.claims(42); !slices.Equal(got, want) {
		t.Errorf("claims: got %v, want %v", got, want)
	}
	l.send(t, order.Order{Kind: order.Discard, Job: 42, Lease: 7})
	eventually(t, "the job's directory is removed", func() bool { return !exists(l.jobDir(42, 7)) })
}

// TestTakesJobsBack restarts the worker under two running jobs: one ends while no worker is there.
func TestTakesJobsBack(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	stop := l.work(t, nil)
	gate1, gate2, ran := filepath.Join(l.dir, "gate1"), filepath.Join(l.dir, "gate2"), filepath.Join(l.dir, "ran")
	l.send(t, start(1, 7, "q1"), "note "+ran, "await "+gate1, "say one")
	l.send(t, start(2, 8, "q2"), "note "+ran, "await "+gate2, "say two")
	l.await(t, order.Started, 1, 7)
	l.await(t, order.Started, 2, 8)
	stop()
	touch(t, gate1)
	eventually(t, "job 1 ends without a worker", func() bool { return exists(filepath.Join(l.jobDir(1, 7), "result.json")) })
	l.work(t, nil)
	if v := l.await(t, order.Finished, 1, 7).Verdict; v.Result != "pass" || v.Lines != 1 {
		t.Errorf("job 1, ended between: got %+v, want pass with 1 line", *v)
	}
	touch(t, gate2)
	if v := l.await(t, order.Finished, 2, 8).Verdict; v.Result != "pass" || v.Lines != 1 {
		t.Errorf("job 2, taken back: got %+v, want pass with 1 line", *v)
	}
	if data, err := os.ReadFile(ran); err != nil || string(data) != "xx" {
		t.Errorf("starts of two jobs: got %q (error %v), want two", data, err)
	}
}

// TestKilledWorker kills the worker's process in mid-job, ten times. The job runs once and to its end.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	gate, ran := filepath.Join(l.dir, "gate"), filepath.Join(l.dir, "ran")
	l.send(t, start(42, 7, "q1"), "note "+ran, "await "+gate, "count 500")
	for range 10 {
		seen := len(l.story())
		cmd := exec.Command(os.Args[0], "worker", l.dir, l.URL)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the worker reports", func() bool { return len(l.story()) > seen })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
	}
	touch(t, gate)
	l.work(t, nil)
	done := l.awaitWhere(t, "the job's end", func(r order.Report) bool {
		return r.Job == 42 && (r.Claim == order.Finished || r.Claim == order.Refused)
	})
	if done.Claim == order.Refused {
		// Killed between the note that it starts and the start: it never ran, and never will.
		if exists(ran) {
			t.Errorf("the job was refused (%s) and yet it ran", done.Reason)
		}
		return
	}
	if v := done.Verdict; v.Result != "pass" || v.Lines != 500 {
		t.Errorf("finished: got %+v, want pass with 500 lines", *v)
	}
	if data, err := os.ReadFile(ran); err != nil || string(data) != "x" {
		t.Errorf("starts: got %q (error %v), want one", data, err)
	}
	l.await(t, order.SpoolEmpty, 42, 7)
	wantCounted(t, l.lines(t, 42), "", 500)
}

// TestBrokenJobDirectory spoils what the worker knows of a running job. It goes on with its other jobs,
// does not know this one any more, and lets nothing of it run.
func TestBrokenJobDirectory(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	stop := l.work(t, nil)
	child, gate := filepath.Join(l.dir, "child"), filepath.Join(l.dir, "gate")
	l.send(t, start(1, 7, "q1"), "escape "+child, "say begins", "await never")
	l.send(t, start(2, 8, "q2"), "await "+gate)
	l.awaitLine(t, 1, "begins")
	l.await(t, order.Started, 2, 8)
	stop()
	if err := os.WriteFile(filepath.Join(l.jobDir(1, 7), "state.json"), []byte(`{"phase": 3`), 0o600); err != nil {
		t.Fatal(err)
	}
	l.work(t, nil)
	touch(t, gate)
	if v := l.await(t, order.Finished, 2, 8).Verdict; v.Result != "pass" {
		t.Errorf("the other job: got %+v, want pass", *v)
	}
	n := number(t, child)
	eventually(t, "what the job started is gone", func() bool { return !alive(n) })
	l.send(t, order.Order{Kind: order.Check, Job: 1, Lease: 7, Device: "q1"})
	l.await(t, order.Unknown, 1, 7)
	if !exists(l.jobDir(1, 7) + ".broken") {
		t.Error("the directory is gone: nobody can look at what was in it")
	}
}

// TestLowerLease shows that a worker starts no lease lower than one it has seen, and none twice, also
// after a restart.
func TestLowerLease(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	stop := l.work(t, nil)
	ran := filepath.Join(l.dir, "ran")
	l.send(t, start(1, 9, "q1"), "note "+ran)
	l.await(t, order.SpoolEmpty, 1, 9)
	l.send(t, start(2, 7, "q1"), "note "+ran)
	if r := l.await(t, order.Refused, 2, 7); !strings.Contains(r.Reason, "lease 7 is over") {
		t.Errorf("lower lease: refused with %q, want a reason that says the lease is over", r.Reason)
	}
	stop()
	l.work(t, nil)
	l.send(t, start(3, 8, "q1"), "note "+ran)
	l.await(t, order.Refused, 3, 8)
	l.send(t, order.Order{Kind: order.Discard, Job: 1, Lease: 9})
	eventually(t, "the job is discarded", func() bool { return !exists(l.jobDir(1, 9)) })
	l.send(t, start(1, 9, "q1"), "note "+ran)
	l.await(t, order.Refused, 1, 9)
	l.send(t, start(4, 8, "q2"), "note "+ran) // another device has leases of its own
	l.await(t, order.Finished, 4, 8)
	if data, err := os.ReadFile(ran); err != nil || string(data) != "xx" {
		t.Errorf("starts: got %q (error %v), want two", data, err)
	}
}

// TestStaleWorkerReturns gives the device to another job while the worker is away with the first one
// running. On return the first must have let go of the board before the second touches it.
func TestStaleWorkerReturns(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	stop := l.work(t, nil)
	board := filepath.Join(l.dir, "board")
	l.send(t, start(1, 7, "q1"), "hold "+board, "say held", "await never")
	l.awaitLine(t, 1, "held")
	stop()
	// The order to start comes first, and both wait when the worker is back.
	l.send(t, start(2, 9, "q1"), "hold "+board, "say mine")
	l.send(t, order.Order{Kind: order.Cancel, Job: 1, Lease: 7, Device: "q1", Over: true, Reason: "the lease is over"})
	l.work(t, nil)
	if v := l.await(t, order.Finished, 2, 9).Verdict; v.Result != "pass" {
		t.Errorf("second job: got %+v, want pass: it found the board held", *v)
	}
	if v := l.await(t, order.Finished, 1, 7).Verdict; v.Result != "fail" {
		t.Errorf("first job: got %+v, want fail", *v)
	}
	l.awaitWhere(t, "a holding report without job 1", func(r order.Report) bool {
		return r.Claim == order.Holding && !slices.ContainsFunc(r.Held, func(h order.Held) bool { return h.Job == 1 && h.Runs })
	})
}

// TestCancelEscalates follows a job that does not want to end, with a clock that the test moves.
func TestCancelEscalates(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := newClock()
	l.work(t, func(d *worker.Deps) { d.Now, d.After = c.Now, c.After })
	child := filepath.Join(l.dir, "child")
	l.send(t, start(42, 7, "q1"), "spawn "+child, "stubborn")
	l.awaitLine(t, 42, "begins")
	l.send(t, order.Order{Kind: order.Cancel, Job: 42, Lease: 7, Device: "q1", Reason: "canceled by alice"})
	l.awaitLine(t, 42, "The job was canceled")
	c.advance(-24 * time.Hour) // somebody sets the clock, which must not give the job another day
	back := c.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano)
	l.send(t, order.Order{Kind: order.Tell})
	l.awaitWhere(t, "an answer after that", func(r order.Report) bool { return r.Claim == order.Holding && r.At < back })
	c.advance(59 * time.Second)
	c.advance(2 * time.Second)
	l.awaitLine(t, 42, "asked again")
	if got := l.claims(42); slices.Contains(got, order.Finished) {
		t.Fatalf("after 61 s: claims are %v, want none of an end", got)
	}
	c.advance(60 * time.Second)
	v := l.await(t, order.Finished, 42, 7).Verdict
	if v.Result != "fail" || v.ErrorType != "Bug" || v.Lines != 3 || !strings.Contains(v.Error, "killed") {
		t.Errorf("killed job: got %+v, want fail, Bug, 3 lines and that it was killed", *v)
	}
	n := number(t, child)
	eventually(t, "the job's child is gone too", func() bool { return !alive(n) })
}

// TestCancelBeforeStart cancels a job whose order waits beside the cancel: it never runs.
func TestCancelBeforeStart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ran := filepath.Join(l.dir, "ran")
	l.send(t, start(42, 7, "q1"), "note "+ran)
	l.send(t, order.Order{Kind: order.Cancel, Job: 42, Lease: 7, Device: "q1", Reason: "canceled by alice"})
	l.work(t, nil)
	if v := l.await(t, order.Finished, 42, 7).Verdict; v.ErrorType != "Canceled" {
		t.Errorf("finished: got %+v, want Canceled", *v)
	}
	l.await(t, order.SpoolEmpty, 42, 7)
	if exists(ran) {
		t.Error("the job ran though its cancel lay beside its order")
	}
}

// TestBrokerAway takes the broker away in mid-job. The job goes on and ends, and all it said arrives
// once.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	gate := filepath.Join(l.dir, "gate")
	l.send(t, start(42, 7, "q1"), "say begins", "await "+gate, "count 5000")
	l.awaitLine(t, 42, "begins")
	l.Stop()
	touch(t, gate)
	eventually(t, "the job ends while the broker is away", func() bool { return exists(filepath.Join(l.jobDir(42, 7), "result.json")) })
	l.Restart(t)
	if v := l.await(t, order.Finished, 42, 7).Verdict; v.Result != "pass" || v.Lines != 5001 {
		t.Errorf("finished: got %+v, want pass with 5001 lines", *v)
	}
	l.await(t, order.SpoolEmpty, 42, 7)
	wantCounted(t, l.lines(t, 42), "begins", 5000)
	// The worker is present again: a new session told what it holds.
	l.awaitWhere(t, "a second holding report", func(r order.Report) bool {
		return r.Claim == order.Holding && len(r.Held) == 1 && r.Held[0].Job == 42
	})
}

// TestDiesWithoutResult shows what becomes of a job whose process crashes, and of what it started.
func TestDiesWithoutResult(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	child, console := filepath.Join(l.dir, "child"), filepath.Join(l.dir, "console")
	l.send(t, start(42, 7, "q1"), "spawn "+child, "escape "+console, "count 100", "crash")
	v := l.await(t, order.Finished, 42, 7).Verdict
	if v.Result != "fail" || v.ErrorType != "Bug" || v.Lines != 100 || !strings.Contains(v.Error, "all is lost") {
		t.Errorf("crashed job: got %+v, want fail, Bug, 100 lines and what it wrote last", *v)
	}
	l.await(t, order.SpoolEmpty, 42, 7) // the worker sent what the process could not
	wantCounted(t, l.lines(t, 42), "", 100)
	for _, file := range []string{child, console} {
		n := number(t, file)
		eventually(t, "the job's "+filepath.Base(file)+" is gone too", func() bool { return !alive(n) })
	}
}

// TestDiscardedWhileSending drops a job whose output nobody takes any more.
func TestDiscardedWhileSending(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	gate := filepath.Join(l.dir, "gate")
	l.send(t, start(42, 7, "q1"), "await "+gate, "count 100", "crash")
	l.await(t, order.Started, 42, 7)
	if err := l.Log.JetStream().DeleteStream(t.Context(), stream.Output); err != nil {
		t.Fatal(err)
	}
	touch(t, gate)
	l.await(t, order.Finished, 42, 7)
	l.send(t, order.Order{Kind: order.Tell}) // until it is answered, the sending has begun
	l.awaitWhere(t, "that job 42 has ended", func(r order.Report) bool {
		return r.Claim == order.Holding && len(r.Held) == 1 && !r.Held[0].Runs
	})
	l.send(t, order.Order{Kind: order.Discard, Job: 42, Lease: 7})
	eventually(t, "the job's directory is removed", func() bool { return !exists(l.jobDir(42, 7)) })
	if got := l.claims(42); slices.Contains(got, order.SpoolEmpty) {
		t.Errorf("claims: got %v, want none that the spool was sent", got)
	}
}

// TestLongError ends a job with an error that no message could carry, such as the whole report of a
// kernel. It must not stop the reports of all jobs.
func TestLongError(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	l.send(t, start(42, 7, "q1"), "rant 9000000")
	if v := l.await(t, order.Finished, 42, 7).Verdict; v.Result != "fail" || v.ErrorType != "rant" || !strings.HasPrefix(v.Error, "xxx") {
		t.Errorf("finished: %s, %s, %.40s; want fail with the beginning of the error", v.Result, v.ErrorType, v.Error)
	}
	l.send(t, start(43, 8, "q1"), "say hello")
	l.await(t, order.Finished, 43, 8)
}

// TestUnknown asks for jobs that the worker does not have; what it answers binds it.
func TestUnknown(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	l.send(t, order.Order{Kind: order.Check, Job: 1, Lease: 7, Device: "q1"})
	l.await(t, order.Unknown, 1, 7)
	l.send(t, start(1, 7, "q1"), "say hello")
	l.await(t, order.Refused, 1, 7)
	l.send(t, order.Order{Kind: order.Cancel, Job: 2, Lease: 8, Device: "q1", Reason: "canceled by alice"})
	if v := l.await(t, order.Finished, 2, 8).Verdict; v.Result != "fail" || v.ErrorType != "Bug" {
		t.Errorf("cancel of an unknown job: got %+v, want fail, Bug", *v)
	}
	l.send(t, start(2, 8, "q1"), "say hello")
	l.await(t, order.Refused, 2, 8)
}

// TestTell shows that a worker tells again what it holds when it is asked.
func TestTell(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	l.send(t, start(42, 7, "q1"), "await never")
	l.await(t, order.Started, 42, 7)
	l.send(t, order.Order{Kind: order.Tell})
	r := l.awaitWhere(t, "a holding report with job 42", func(r order.Report) bool { return r.Claim == order.Holding && len(r.Held) == 1 })
	if want := (order.Held{Job: 42, Lease: 7, Device: "q1", Runs: true}); r.Held[0] != want || r.Session == "" {
		t.Errorf("holding: got %+v in session %q, want %+v", r.Held[0], r.Session, want)
	}
	l.send(t, order.Order{Kind: order.Cancel, Job: 42, Lease: 7})
	l.await(t, order.Finished, 42, 7)
}

// TestShortOfSpace shows that a worker below its limit refuses orders and says so in its presence.
func TestShortOfSpace(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, func(d *worker.Deps) { d.MinFree = math.MaxUint64 })
	l.send(t, start(42, 7, "q1"), "say hello")
	if r := l.await(t, order.Refused, 42, 7); !strings.Contains(r.Reason, "free space") {
		t.Errorf("refused: reason is %q, want the free space", r.Reason)
	}
	kv, err := l.Log.JetStream().KeyValue(t.Context(), "presence")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "presence says why", func() bool {
		e, err := kv.Get(t.Context(), strings.TrimPrefix(access.PresenceSubject(name), "$KV.presence."))
		return err == nil && strings.Contains(string(e.Value()), "free space")
	})
}

// TestLongText hands over a definition that does not fit into its order.
func TestLongText(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	kv, err := l.Log.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: order.Texts})
	if err != nil {
		t.Fatal(err)
	}
	text := "say hello\n" + strings.Repeat("#", order.InlineLimit)
	key := access.TextKey(name, 42, 7, "definition")
	if _, err := kv.Put(t.Context(), key, []byte(text)); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	o := start(42, 7, "q1")
	o.Version = order.Version
	o.Work = &order.Work{Display: "42", Credential: "any", Definition: order.Text{Key: key, SHA256: hex.EncodeToString(sum[:]), Bytes: len(text)}}
	l.publish(t, o)
	if v := l.await(t, order.Finished, 42, 7).Verdict; v.Result != "pass" || v.Lines != 1 {
		t.Errorf("finished: got %+v, want pass with 1 line", *v)
	}
}

// TestEnvironment shows that env.yaml shapes the process, and that one that is wrong is blamed.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	o := start(1, 7, "q1")
	o.Version = order.Version
	o.Work = &order.Work{Display: "1", Credential: "any", Definition: order.Text{Inline: "env HOME\nenv PLACE"},
		Env: order.Text{Inline: "purge: true\noverrides:\n  PLACE: lab"}}
	l.publish(t, o)
	l.await(t, order.SpoolEmpty, 1, 7)
	if got, want := l.lines(t, 1), []string{"HOME=", "PLACE=lab"}; !slices.Equal(got, want) {
		t.Errorf("environment: got %q, want %q", got, want)
	}
	// A credential of the worker is not the jobs', unless the lab says so.
	for i, tt := range []struct{ env, want string }{{"", ""}, {"overrides: {PLACE: lab}", ""}, {"purge: false", "workers-own"}} {
		o.Job, o.Lease = uint64(i+2), uint64(i+8)
		o.Work.Definition.Inline, o.Work.Env.Inline = "env PDU_PASSWORD", tt.env
		l.publish(t, o)
		l.await(t, order.SpoolEmpty, o.Job, o.Lease)
		if got, want := l.lines(t, events.JobID(o.Job)), []string{"PDU_PASSWORD=" + tt.want}; !slices.Equal(got, want) {
			t.Errorf("with env.yaml %q: got %q, want %q", tt.env, got, want)
		}
	}
	o.Job, o.Lease, o.Work.Env.Inline = 6, 12, "purge: [true"
	l.publish(t, o)
	if v := l.await(t, order.Finished, 6, 12).Verdict; v.ErrorType != "Configuration" {
		t.Errorf("with a bad env.yaml: got %+v, want Configuration", *v)
	}
}

// TestOneWorkerPerDirectory shows that a second worker is kept off.
func TestOneWorkerPerDirectory(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	eventually(t, "the first worker has the directory", func() bool { return exists(filepath.Join(l.dir, "jobs")) })
	c := newClock()
	err := worker.Run(t.Context(), worker.Deps{Name: name, StateDir: l.dir, Now: c.Now, After: c.After})
	if !errors.Is(err, worker.ErrInUse) {
		t.Errorf("second worker on one directory: got %v, want ErrInUse", err)
	}
}

// wantCounted checks that lines are a first one, if any, and then the numbers below n, each once.
func wantCounted(t *testing.T, got []string, first string, n int) {
	t.Helper()
	var want []string
	if first != "" {
		want = append(want, first)
	}
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("output: got %d lines, want %d: %q and the numbers below %d, in order, each once", len(got), len(want), first, n)
	}
}

// number reads a number that a job's process wrote to a file.
func number(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// alive tells whether a process runs; one that was killed may stay a zombie until somebody waits.
func alive(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(data), ") Z ") && syscall.Kill(pid, 0) == nil
}
