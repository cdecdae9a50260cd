package ingestion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/ingestion"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Clocks before and after the time that missing output is waited for.
func sameDay() time.Time { return noon.Add(time.Hour) }
func nextDay() time.Time { return sameDay().Add(25 * time.Hour) }

// aDayLater is a clock that can be set a day on.
func aDayLater() (now func() time.Time, pass func()) {
	var later atomic.Bool
	return func() time.Time {
		if later.Load() {
			return nextDay()
		}
		return sameDay()
	}, func() { later.Store(true) }
}

// TestResultsAppearAsTheyHappen walks a job: results while it runs, completeness after its end.
func TestResultsAppearAsTheyHappen(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	begin(t, b, 42, 7)
	run(t, b, time.Now)

	send(t, b, 42, 7, 0, say("boot"), result("login", "pass"), say("more"))
	first := eventtest.Await(t, b.Log, of(42))
	if got, want := names(first), []string{"login"}; !slices.Equal(got, want) || first.FirstLine != 0 || first.Lines != 3 {
		t.Errorf("results of the first frame: got %v in [%d+%d], want %v in [0+3]", got, first.FirstLine, first.Lines, want)
	}
	send(t, b, 42, 7, 3, say("nothing to tell"))
	send(t, b, 42, 7, 4, result("job", "pass"), result("odd", "perhaps"))
	finish(t, b, 42, 7, 6)
	done := eventtest.Await[events.JobOutputComplete](t, b.Log, nil)
	if done.Lines != 6 || done.Cases != 2 || done.Missing != 0 || done.OutputSeq != 3 || done.ResultSeq != 2 || done.Bytes == 0 {
		t.Errorf("output complete: got %+v, want 6 lines, 2 cases, none missing, sequences 3 and 2", done)
	}
	facts := results(t, b, 42)
	if last := facts[len(facts)-1]; last.FirstLine != 3 || last.Lines != 3 || len(last.Problems) != 1 {
		t.Errorf("second stretch: got %+v, want lines 3+3 with the one problem", last)
	}
}

// TestOrderAndDoubles sends frames late and twice, cut elsewhere the second time.
func TestOrderAndDoubles(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	begin(t, b, 42, 7)
	send(t, b, 42, 7, 2, result("c", "pass"), result("d", "pass"))
	send(t, b, 42, 7, 0, result("a", "pass"), result("b", "pass"))
	send(t, b, 42, 7, 1, result("b", "pass"), result("c", "pass"), result("d", "pass"), result("e", "pass"))
	finish(t, b, 42, 7, 5)
	run(t, b, time.Now)
	done := eventtest.Await[events.JobOutputComplete](t, b.Log, nil)
	if done.Lines != 5 || done.Cases != 5 {
		t.Errorf("output complete: got %d lines and %d cases, want 5 and 5", done.Lines, done.Cases)
	}
	wantCases(t, b, 42, []string{"a", "b", "c", "d", "e"})
}

// TestStaleLease shows that frames under another lease than the job's count for nothing.
func TestStaleLease(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	begin(t, b, 42, 7)
	b.Append(t, events.JobReturned{Job: 42, Device: "q1", Worker: "w1", Lease: 7},
		events.DeviceReleased{Device: "q1", Job: 42, Lease: 7},
		events.JobScheduled{Job: 42, Device: "q1", Worker: "w1", Lease: 9})
	send(t, b, 42, 7, 0, result("stale", "pass"))
	send(t, b, 42, 9, 0, result("fresh", "pass"))
	finish(t, b, 42, 9, 1)
	run(t, b, time.Now)
	eventtest.Await[events.JobOutputComplete](t, b.Log, nil)
	wantCases(t, b, 42, []string{"fresh"})
}

// TestLostJob goes through the ways in which the output of a job without a finish report ends.
func TestLostJob(t *testing.T) {
	t.Parallel()
	t.Run("the worker comes back", func(t *testing.T) {
		t.Parallel()
		b := eventtest.StartWith(t, eventtest.Options{Now: sameDay})
		begin(t, b, 42, 7)
		run(t, b, sameDay)
		send(t, b, 42, 7, 0, result("before", "pass"))
		lose(t, b, 42, 7)
		send(t, b, 42, 7, 1, result("after", "pass")) // its process went on while nobody heard it
		b.Append(t, events.JobOutputEnded{Job: 42, Worker: "w1", Lease: 7, Lines: 2})
		done := eventtest.Await[events.JobOutputComplete](t, b.Log, nil)
		if done.Lines != 2 || done.Reason != "" {
			t.Errorf("output complete: got %+v, want 2 lines and no reason", done)
		}
		wantCases(t, b, 42, []string{"before", "after"})
	})
	t.Run("the limit passes", func(t *testing.T) {
		t.Parallel()
		now, pass := aDayLater()
		b := eventtest.StartWith(t, eventtest.Options{Now: now})
		begin(t, b, 42, 7)
		send(t, b, 42, 7, 0, result("before", "pass"))
		lose(t, b, 42, 7)
		pass()
		run(t, b, now)
		done := eventtest.Await[events.JobOutputComplete](t, b.Log, nil)
		if done.Reason == "" {
			t.Errorf("output complete: got %+v, want a reason", done)
		}
	})
	t.Run("the worker tells late, or by a wrong clock, of an end long past", func(t *testing.T) {
		t.Parallel()
		b := eventtest.StartWith(t, eventtest.Options{Now: nextDay})
		begin(t, b, 42, 7)
		finish(t, b, 42, 7, 1)
		run(t, b, nextDay)
		send(t, b, 42, 7, 0, result("late", "pass"))
		done := eventtest.Await[events.JobOutputComplete](t, b.Log, nil)
		if done.Lines != 1 || done.Missing != 0 || done.Reason != "" {
			t.Errorf("output complete: got %+v, want the line, which came right after the report", done)
		}
	})
	t.Run("lines are missing at the limit", func(t *testing.T) {
		t.Parallel()
		now, pass := aDayLater()
		b := eventtest.StartWith(t, eventtest.Options{Now: now})
		begin(t, b, 42, 7)
		finish(t, b, 42, 7, 10)
		pass()
		run(t, b, now)
		done := eventtest.Await[events.JobOutputComplete](t, b.Log, nil)
		if done.Missing+done.Lines != 10 || done.Missing == 0 {
			t.Errorf("output complete: got %+v, want 10 lines read and missing together", done)
		}
	})
}

// TestTrace: the trace of a job is on the facts about its output.
func TestTrace(t *testing.T) {
	t.Parallel()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	b := eventtest.Start(t)
	b.Append(t, events.JobSubmitted{Job: 42, User: "alice", At: noon, JobTimeout: 60})
	if _, err := b.Log.AppendOne(t.Context(), stream.Draft{Trace: trace,
		Event: events.JobScheduled{Job: 42, Device: "q1", Worker: "w1", Lease: 7}}, nil); err != nil {
		t.Fatal(err)
	}
	run(t, b, time.Now)
	send(t, b, 42, 7, 0, say("boot"))
	finish(t, b, 42, 7, 1)
	eventtest.Await[events.JobOutputComplete](t, b.Log, nil)
	facts := eventtest.Facts(t, b.Log, stream.Lab)
	if last := facts[len(facts)-1]; last.Trace != trace {
		t.Errorf("%s has the trace %q, want %q", events.Name(last.Event), last.Trace, trace)
	}
}

// TestAgedOut: lines may be waited for longer than the job's facts are kept in the stream.
func TestAgedOut(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{Now: sameDay})
	begin(t, b, 42, 7)
	finish(t, b, 42, 7, 1)
	begin(t, b, 43, 8)
	finish(t, b, 43, 8, 0)
	last, err := b.Log.Last(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, b, sameDay)
	eventtest.Await(t, b.Log, func(e events.JobOutputComplete) bool { return e.Job == 43 }) // it has read both
	stop()
	lab, err := b.Log.JetStream().Stream(t.Context(), stream.Lab)
	if err == nil {
		err = lab.Purge(t.Context(), jetstream.WithPurgeSequence(last+1)) // from there on they stay
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, b, sameDay)
	send(t, b, 42, 7, 0, say("late"))
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	var e events.JobOutputComplete
	found := errors.New("found")
	err = b.Log.Follow(ctx, stream.Lab, last+1, func(r stream.Recorded) error {
		if e, _ = r.Event.(events.JobOutputComplete); e.Job != 42 {
			return nil
		}
		return found
	})
	if !errors.Is(err, found) || e.Job != 42 || e.Lines != 1 {
		t.Errorf("output complete: got %+v (%v), want job 42 with 1 line", e, err)
	}
}

// TestRestart stops ingestion again and again in mid-job. The log must hold each result once.
func TestRestart(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	begin(t, b, 42, 7)
	var want []string
	for i := range 30 {
		name := fmt.Sprintf("case%d", i)
		want = append(want, name)
		send(t, b, 42, 7, uint64(2*i), say("x"), result(name, "pass"))
		if i%5 == 4 {
			stop := run(t, b, time.Now)
			eventtest.Await(t, b.Log, func(e events.ResultsRecorded) bool { return slices.Contains(names(e), name) })
			stop()
		}
	}
	finish(t, b, 42, 7, 60)
	run(t, b, time.Now)
	done := eventtest.Await[events.JobOutputComplete](t, b.Log, nil)
	if done.Lines != 60 || done.Cases != 30 {
		t.Errorf("after restarts: got %d lines and %d cases, want 60 and 30", done.Lines, done.Cases)
	}
	wantCases(t, b, 42, want)
}

// TestTwoAtOnce runs two ingestions on one log: they meet at every result.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	var want []string
	for job := events.JobID(1); job <= 5; job++ {
		begin(t, b, job, events.Lease(job))
	}
	run(t, b, time.Now)
	run(t, b, time.Now)
	for i := range 20 {
		name := fmt.Sprintf("case%d", i)
		want = append(want, name)
		for job := events.JobID(1); job <= 5; job++ {
			send(t, b, job, events.Lease(job), uint64(i), result(name, "pass"))
		}
	}
	for job := events.JobID(1); job <= 5; job++ {
		finish(t, b, job, events.Lease(job), 20)
	}
	for job := events.JobID(1); job <= 5; job++ {
		done := eventtest.Await(t, b.Log, func(e events.JobOutputComplete) bool { return e.Job == job })
		if done.Lines != 20 || done.Cases != 20 {
			t.Errorf("job %d: got %d lines and %d cases, want 20 and 20", job, done.Lines, done.Cases)
		}
		wantCases(t, b, job, want)
	}
	var complete int
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		if _, ok := r.Event.(events.JobOutputComplete); ok {
			complete++
		}
	}
	if complete != 5 {
		t.Errorf("JobOutputComplete: got %d facts for 5 jobs", complete)
	}
}

// run starts an ingestion; stop ends it and waits. It ends with the test.
func run(t *testing.T, b *eventtest.Broker, now func() time.Time) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- ingestion.Run(ctx, ingestion.Deps{Log: b.Log.As(events.IngestionService), Now: now, Logger: slog.New(slog.DiscardHandler)})
	}()
	var stopped atomic.Bool
	stop = func() {
		if stopped.Swap(true) {
			return
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ingestion: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func begin(t *testing.T, b *eventtest.Broker, job events.JobID, lease events.Lease) {
	t.Helper()
	b.Append(t, events.JobSubmitted{Job: job, User: "alice", At: noon, JobTimeout: 60},
		events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: lease})
}

func finish(t *testing.T, b *eventtest.Broker, job events.JobID, lease events.Lease, lines uint64) {
	t.Helper()
	b.Append(t, events.JobFinished{Job: job, Device: "q1", Worker: "w1", Lease: lease, Health: events.Complete,
		At: noon, Lines: lines, LinesKnown: true})
}

func lose(t *testing.T, b *eventtest.Broker, job events.JobID, lease events.Lease) {
	t.Helper()
	b.Append(t, events.JobFinished{Job: job, Device: "q1", Worker: "w1", Lease: lease, Health: events.Incomplete,
		At: noon, Lost: true, ErrorType: events.InfrastructureError})
}

func send(t *testing.T, b *eventtest.Broker, job events.JobID, lease events.Lease, first uint64, records ...events.Record) {
	t.Helper()
	f, err := events.NewFrame(job, lease, first, records)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.PublishFrame(t.Context(), b.Log.JetStream(), f); err != nil {
		t.Fatal(err)
	}
}

func say(text string) events.Record {
	return events.Record{Time: noon, Level: events.Target, Message: json.RawMessage(`"` + text + `"`)}
}

func result(name, outcome string) events.Record {
	return events.Record{Time: noon, Level: events.Results,
		Message: json.RawMessage(fmt.Sprintf(`{"definition":"0_smoke","case":%q,"result":%q}`, name, outcome))}
}

func of(job events.JobID) func(events.ResultsRecorded) bool {
	return func(e events.ResultsRecorded) bool { return e.Job == job }
}

func results(t *testing.T, b *eventtest.Broker, job events.JobID) []events.ResultsRecorded {
	t.Helper()
	var all []events.ResultsRecorded
	for _, r := range eventtest.Facts(t, b.Log, stream.Results) {
		if e, ok := r.Event.(events.ResultsRecorded); ok && e.Job == job {
			all = append(all, e)
		}
	}
	return all
}

// wantCases checks the names of a job's cases over all its facts, and that the stretches do not overlap.
func wantCases(t *testing.T, b *eventtest.Broker, job events.JobID, want []string) {
	t.Helper()
	var got []string
	var end uint64
	for _, e := range results(t, b, job) {
		got = append(got, names(e)...)
		if e.FirstLine != end {
			t.Errorf("job %d: a stretch begins at line %d, the last one ended at %d", job, e.FirstLine, end)
		}
		end = e.FirstLine + e.Lines
	}
	if !slices.Equal(got, want) {
		t.Errorf("job %d, cases:\n got %v\nwant %v", job, got, want)
	}
}

func names(e events.ResultsRecorded) []string {
	var all []string
	for _, c := range e.Cases {
		all = append(all, c.Name)
	}
	return all
}
