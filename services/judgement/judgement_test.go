package judgement

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/projections"
	"strata/services/judgement/verdict"
)

// finish has a job run on a device and end: with these lines on its console and these results.
func finish(t *testing.T, b *eventtest.Broker, id events.JobID, end events.JobFinished, lines []string, cases ...events.Case) {
	t.Helper()
	at, lease := time.Date(2026, 11, 23, 10, 0, int(id), 0, time.UTC), events.Lease(id)
	b.Append(t, events.JobSubmitted{Job: id, Display: id.String(), User: "alice", Name: "smoke", At: at, DeviceType: "qemu", JobTimeout: 60,
		Metadata: map[string]string{"branch": "main"}, Visibility: events.Visibility{Public: true}},
		events.JobScheduled{Job: id, Device: "q1", Worker: "w", Lease: lease}, events.JobStarted{Job: id, Device: "q1", Worker: "w", Lease: lease, At: at})
	var records []events.Record
	for _, l := range lines {
		message, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.Record{Time: at, Level: events.Target, Message: message})
	}
	var last uint64
	if len(records) > 0 {
		f, err := events.NewFrame(id, lease, 0, records)
		if err != nil {
			t.Fatal(err)
		}
		if last, err = stream.PublishFrame(t.Context(), b.Log.JetStream(), f); err != nil {
			t.Fatal(err)
		}
	}
	results := b.Append(t, events.ResultsRecorded{Job: id, Lease: lease, Lines: uint64(len(lines)), Cases: cases})
	end.Job, end.Device, end.Worker, end.Lease, end.At = id, "q1", "w", lease, at.Add(time.Minute)
	b.Append(t, end, events.JobOutputComplete{Job: id, Lease: lease, OutputSeq: last, ResultSeq: results[0].Seq, Lines: uint64(len(lines)), Cases: uint64(len(cases))})
}

func complete() events.JobFinished { return events.JobFinished{Health: events.Complete} }

func smoke(result events.Outcome) events.Case {
	return events.Case{Suite: "0_smoke", Name: "a", Result: result}
}

// run runs the service until the test stops it.
func run(t *testing.T, b *eventtest.Broker, db *projections.DB, patience time.Duration) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Deps{Log: b.Log.As(events.JudgementService), Now: time.Now, Logger: slog.New(slog.DiscardHandler), DB: db, By: []string{"branch"}, Patience: patience})
	}()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	return stop
}

// project keeps the tables behind the log.
func project(t *testing.T, b *eventtest.Broker, db *projections.DB) {
	t.Helper()
	p := projections.NewProjector(projections.Settings{DB: db, Log: b.Log, Age: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("projector: %v", err)
		}
	})
}

func judged(t *testing.T, b *eventtest.Broker, id events.JobID) events.JobJudged {
	t.Helper()
	return eventtest.Await(t, b.Log, func(e events.JobJudged) bool { return e.Job == id })
}

// Jobs are judged one after the other, each once, whatever is restarted in between.
func TestJobsAreJudged(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	db, err := projections.Open(clickhouse.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	b.Append(t, events.KnownIssueAdded{Issue: 1, Title: "a is odd", Case: "*/a", By: "bob"})
	finish(t, b, 1, complete(), []string{"all is well"}, smoke(events.Pass))
	finish(t, b, 2, events.JobFinished{Health: events.Incomplete, ErrorType: events.InfrastructureError, Error: "Unable to reboot: no answer"}, nil, smoke(events.Fail))
	finish(t, b, 3, events.JobFinished{Health: events.Incomplete, ErrorType: events.JobError, Error: "login-action timed out after 60 seconds"},
		[]string{"[    0.000000] Linux version 6.6.0", "[    2.000000] Kernel panic - not syncing: sysrq triggered crash", "[    2.100000] CPU: 0"}, events.Case{Suite: "lava", Name: "job", Result: events.Fail})
	finish(t, b, 4, complete(), nil, smoke(events.Fail))
	project(t, b, db)
	stop := run(t, b, db, time.Minute)
	if e := judged(t, b, 1); e.Verdict != events.VerdictPass || e.Compared != 0 || e.Baseline != 0 || e.Rules != verdict.Rules {
		t.Errorf("job 1 is judged %+v, want pass", e)
	}
	if e := judged(t, b, 2); e.Cause != events.CausePower || len(e.Changes) != 0 || e.Baseline != 1 || len(e.Issues) != 1 {
		t.Errorf("job 2 is judged %+v, want the power's fault, and no regression by it", e)
	}
	if e := judged(t, b, 3); e.Cause != events.CausePanic || e.Evidence == nil || *e.Evidence != 1 || e.Baseline != 1 || e.Counts.FirstFailed != 1 {
		t.Errorf("job 3 is judged %+v, want a panic in line 1", e)
	}
	if e := judged(t, b, 4); e.Counts.Regressions != 1 || e.Changes[0].Since != 1 || e.Changes[0].Issue != 1 || e.Baseline != 3 || e.Compared != 2 {
		t.Errorf("job 4 is judged %+v, want one regression since job 1, explained by issue 1", e)
	}
	stop()
	finish(t, b, 5, complete(), nil, smoke(events.Pass))
	run(t, b, db, time.Minute)
	if e := judged(t, b, 5); e.Counts.Fixes != 1 || e.Changes[0].Since != 4 {
		t.Errorf("job 5 is judged %+v, want a fix since job 4", e)
	}
	count := map[events.JobID]int{}
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		if e, ok := r.Event.(events.JobJudged); ok {
			count[e.Job]++
		}
	}
	if fmt.Sprint(count) != "map[1:1 2:1 3:1 4:1 5:1]" {
		t.Errorf("judged how often: %v, want each once", count)
	}
}

// Without tables there is a verdict all the same; with two services there is one.
func TestWithoutTables(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	away, err := projections.Open("http://default@127.0.0.1:1/strata") // nobody listens there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = away.Close() })
	run(t, b, away, time.Nanosecond)
	run(t, b, nil, 0)
	for id := range events.JobID(10) {
		finish(t, b, id+1, complete(), nil, smoke(events.Fail))
	}
	for id := range events.JobID(10) {
		if e := judged(t, b, id+1); e.Verdict != events.VerdictTest || !e.HistoryAway || len(e.Changes) != 0 {
			t.Errorf("job %d is judged %+v, want the test's fault with nothing compared", id+1, e)
		}
	}
	n := 0
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		if _, ok := r.Event.(events.JobJudged); ok {
			n++
		}
	}
	if n != 10 {
		t.Errorf("%d judgements of 10 jobs by two services", n)
	}
}

// Jobs that can never be judged keep no others from it, however many they are and however early they came.
func TestUnreadableJobsBlockNone(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	for id := events.JobID(1); id <= 2*atOnce+1; id++ {
		finish(t, b, id, complete(), nil, smoke(events.Pass))
		if id > 2*atOnce {
			continue
		}
		if _, err := b.Log.JetStream().Publish(t.Context(), events.Entity{Kind: events.Result, ID: id.String()}.Subject(), []byte("no fact")); err != nil {
			t.Fatal(err)
		}
	}
	run(t, b, nil, 0)
	if e := judged(t, b, 2*atOnce+1); e.Verdict != events.VerdictPass {
		t.Errorf("the job that can be read is judged %+v, want pass", e)
	}
}

// A job that fails goes behind the others, for longer each time but not for ever; a fact that makes it ready anew
// forgives it.
func TestFailuresPause(t *testing.T) {
	t.Parallel()
	s, at := newState(), time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for id := events.JobID(1); id <= 3; id++ {
		s.evolve(stream.Recorded{Seq: uint64(id), Time: at, Event: events.JobOutputComplete{Job: id}})
	}
	s.fail(7, at) // which does not wait: nothing comes of it
	next := func(now time.Time, want string, wake time.Time) {
		t.Helper()
		jobs, later := s.next(now)
		if fmt.Sprint(jobs) != want || !later.Equal(wake) {
			t.Errorf("next %v, wake %v; want %s, %v", jobs, later, want, wake)
		}
	}
	s.fail(1, at)
	next(at, "[2 3]", at.Add(firstPause))
	next(at.Add(firstPause), "[2 3 1]", time.Time{})
	s.fail(1, at)
	s.fail(2, at)
	next(at, "[3]", at.Add(firstPause))
	next(at.Add(2*firstPause), "[3 2 1]", time.Time{})
	for range 100 {
		s.fail(3, at)
	}
	next(at.Add(longestPause-time.Second), "[2 1]", at.Add(longestPause))
	next(at.Add(longestPause), "[2 1 3]", time.Time{})
	s.evolve(stream.Recorded{Seq: 9, Time: at, Event: events.JobOutputComplete{Job: 3}})
	next(at, "[3]", at.Add(firstPause))
}

// What the checkpoint keeps is what the fold knows.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	s := newState()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for i, e := range []events.Event{events.JobOutputComplete{Job: 1}, events.JobOutputComplete{Job: 2}, events.JobOutputComplete{Job: 3}, events.JobJudged{Job: 1},
		events.JobRemoved{Job: 3}, events.KnownIssueAdded{Issue: 1, Title: "x"}, events.KnownIssueAdded{Issue: 2, Title: "y"}, events.KnownIssueRemoved{Issue: 1}} {
		s.evolve(stream.Recorded{Seq: uint64(i + 1), Time: at, Event: e})
	}
	data, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	const golden = `{"waiting":{"2":{"seq":2,"at":"2026-11-23T10:00:00Z"}},"issues":[{"issue":2,"title":"y","by":"","at":"0001-01-01T00:00:00Z"}],"judged":4}`
	if string(data) != golden {
		t.Errorf("checkpoint %s, want %s", data, golden)
	}
	again, err := decodeState(format, []byte(golden))
	next, _ := again.next(at)
	if err != nil || len(next) != 1 || next[0] != 2 || again.issues[2].Title != "y" || again.judged != 4 {
		t.Errorf("from its checkpoint: %+v, %v", again, err)
	}
	if _, err := decodeState("judgement.v0", data); err == nil {
		t.Error("a checkpoint of an unknown format was taken")
	}
}
