package notify

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/projections"
	"strata/projections/engine/enginetest"
	"strata/schemas/job"
)

var clickhouse enginetest.Engine

func TestMain(m *testing.M) { os.Exit(clickhouse.Run(m)) }

// tables keeps tables behind the log.
func (l bench) tables() *projections.DB {
	l.t.Helper()
	db, err := projections.Open(clickhouse.Database(l.t))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = db.Close() })
	p := projections.NewProjector(projections.Settings{DB: db, Log: l.Log, Age: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("projector: %v", err)
		}
	})
	return db
}

// A dependency query holds a message back while a job that it finds is otherwise than wanted, and a query that cannot be
// asked makes a dead letter that says so.
func TestDependency(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	db := l.tables()
	r := newReceiver(t, nil)
	said := make(heard, 1)
	l.serve(func(d *Deps) { d.DB, d.Logger = db, slog.New(said) })
	text := func(query string) string {
		return "notify: {criteria: {status: finished, dependency_query: '" + query + "'}, callback: {url: '" + r.URL + "/{ID}'}}\n"
	}
	mine := "testjob__submitter__exact__alice"
	one, two := l.submit(text(mine)), l.submit(text(mine))
	l.finish(one, complete())
	said.await(t, one) // before there is a second one that is over
	alone := l.submit(text("testjob__submitter__exact__nobody"))
	l.finish(alone, complete())
	l.sent(alone, 1) // by the empty query
	l.finish(two, complete())
	l.sent(two, 1)
	if a, b := r.next(t), r.next(t); a.path != "/"+alone.String() || b.path != "/"+two.String() || len(r.came) != 0 {
		t.Errorf("callbacks of %s and %s and %d more, want jobs %d and %d: the first had another running", a.path, b.path, len(r.came), alone, two)
	}
	wrong := l.submit(text("testjob__nonsense__exact__x"))
	l.finish(wrong, complete())
	dead := eventtest.Await(t, l.Log, func(e events.NotificationFailed) bool { return e.Job == wrong })
	if !strings.Contains(dead.Reason, "nonsense") {
		t.Errorf("dead letter %+v, want it to name the field", dead)
	}
}

// heard is a log that somebody waits on: it hands on the job of each message that nobody is told of an end.
type heard chan events.JobID

func (h heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h heard) WithGroup(string) slog.Handler            { return h }

func (h heard) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "nobody is told" {
		return nil
	}
	var job events.JobID
	ended := false // and not begun, of which nobody wants to hear
	r.Attrs(func(a slog.Attr) bool {
		switch v := a.Value.Any().(type) {
		case events.JobID:
			job = v
		case events.Moment:
			ended = v == events.MomentFinished
		}
		return true
	})
	if ended {
		select {
		case h <- job:
		default: // nobody waits any more
		}
	}
	return nil
}

func (h heard) await(t *testing.T, job events.JobID) {
	t.Helper()
	select {
	case got := <-h:
		if got != job {
			t.Fatalf("nobody is told of job %d, want job %d", got, job)
		}
	case <-time.After(eventtest.Patience):
		t.Fatalf("job %d was not looked at", job)
	}
}

// A verbose mail lists what the query finds, and what differs from the newest of them that is complete.
func TestCompare(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	db := l.tables()
	s := &service{Deps: Deps{Log: l.Log, DB: db}, s: newState(nil, time.Hour)}
	measured := 2.5
	ids := make([]events.JobID, 3)
	for i, cases := range [][]events.Case{
		{{Suite: "0_a", Name: "gone", Result: events.Pass}, {Suite: "0_a", Name: "same", Result: events.Pass}, {Suite: "0_a", Name: "worse", Result: events.Pass}},
		{{Suite: "0_a", Name: "worse", Result: events.Pass}},
		{{Suite: "0_a", Name: "same", Result: events.Pass}, {Suite: "0_a", Name: "worse", Result: events.Fail}, {Suite: "0_a", Set: "s", Name: "new", Result: events.Pass, Measurement: &measured, Units: "s"},
			{Suite: "1_b", Name: "left out", Result: events.Fail}},
	} {
		ids[i] = l.submit("")
		l.start(ids[i])
		l.say(ids[i], nil, cases...)
		end := complete()
		if i == 1 {
			end = events.JobFinished{Health: events.Incomplete, ErrorType: events.TestError, Error: "it broke."}
		}
		l.end(ids[i], end, true)
	}
	last := eventtest.AwaitRecorded(t, l.Log, func(e events.JobOutputComplete) bool { return e.Job == ids[2] })
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	for {
		at, err := db.Position(ctx, stream.Lab)
		if at >= last.Seq {
			break
		}
		if ctx.Err() != nil || err != nil && !errors.Is(err, projections.ErrAway) {
			t.Fatalf("the tables are at %d, want %d: %v", at, last.Seq, err)
		}
	}
	st, err := s.load(t.Context(), ids[2], events.MomentFinished)
	if err != nil {
		t.Fatal(err)
	}
	sub := subject{moment: events.MomentFinished, first: st, last: st, baseline: ids[1]}
	n := &job.Notify{Verbosity: "verbose", Compare: &job.Compare{Without: []string{"1_b"}, Entity: "testjob",
		Conditions: map[string][]string{"testjob__submitter": {"alice"}, "description": {"smoke"}}}}
	text, err := s.letterText(t.Context(), sub, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Job 3 (smoke) has finished: Complete.", "Device:      q1", "branch: main", "pass    s/new (2.5 s)", "2 Incomplete smoke\n", "Compared with job 1",
		"  0_a: 2 pass, 1 fail, was 3 pass", "  - 0_a/gone\n  + 0_a/s/new: pass\n  ~ 0_a/worse: fail, was pass"} {
		if !strings.Contains(text, want) {
			t.Errorf("the mail says\n%s\nwant %q in it", text, want)
		}
	}
	if strings.Contains(text[strings.Index(text, "Compared"):], "1_b") {
		t.Errorf("what is left out is compared:\n%s", text)
	}
	n.Compare = &job.Compare{}
	if text, err = s.letterText(t.Context(), sub, n); err != nil || !strings.Contains(text, "Compared with job 2") {
		t.Errorf("without a query: %v\n%s\nwant the job before", err, text)
	}
	n.Compare = &job.Compare{Username: "bob", Query: "none"}
	if text, err = s.letterText(t.Context(), sub, n); err != nil || !strings.Contains(text, "there is no query ~bob/none") {
		t.Errorf("a query that is not there: %v\n%s\nwant that said", err, text)
	}
	if text = sub.write("https://lab/", "status-only", nil, ""); text != "Job 3 (smoke) has finished: Complete.\n\nState:       Finished\nHealth:      Complete\nLink:        https://lab/scheduler/job/3\n" {
		t.Errorf("status only: %q", text)
	}
}
