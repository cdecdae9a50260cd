package notify

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/job"
)

// Each verbosity says what the one before says, and more; of a job that runs all say the same.
func TestVerbosity(t *testing.T) {
	read := events.JobOutputComplete{Job: 7, Lease: 3}
	st := told(ran(events.JobFinished{Job: 7, Lease: 3, Health: events.Incomplete, ErrorType: events.TestError, Error: "it broke", At: noon}, read,
		events.JobJudged{Job: 7, Verdict: events.VerdictTest, Cause: "test-failed", Baseline: 5, Counts: events.ChangeCounts{Regressions: 2}})...)
	st.submitted.Metadata = map[string]string{"branch": "main"}
	cases := []numbered{{Case: events.Case{Suite: "0_a", Name: "worse", Result: events.Fail}}}
	always := []string{"Job  (smoke) has finished: Incomplete, Test: it broke.", "State:       Finished", "Health:      Incomplete", "Link:        https://lab/scheduler/job/7"}
	quiet := []string{"Error:       Test", "Message:     it broke", "Device:      q\n", "Worker:      w\n", "Submitter:   alice", "Finished:    2026-11-23 12:00:00 UTC", "Verdict:     test: test-failed", "2 regressions, since job 5"}
	verbose := []string{"branch: main", "0_a: 1 fail", "fail    worse", "Compared with job 5"}
	for _, tt := range []struct {
		verbosity string
		moment    events.Moment
		has, not  []string
	}{
		{"status-only", events.MomentFinished, always, append(quiet, verbose...)},
		{"quiet", events.MomentFinished, append(always, quiet...), verbose},
		{"verbose", events.MomentFinished, append(append(always, quiet...), verbose...), nil},
		{"verbose", events.MomentRunning, []string{"Job  (smoke) is running on q."}, append(quiet, verbose...)},
	} {
		text := subject{moment: tt.moment, first: st, last: st}.write("https://lab", tt.verbosity, cases, "Compared with job 5\n")
		for _, want := range tt.has {
			if !strings.Contains(text, want) {
				t.Errorf("%s, %s: mail is\n%s\nwant %q in it", tt.verbosity, tt.moment, text, want)
			}
		}
		for _, want := range tt.not {
			if strings.Contains(text, want) {
				t.Errorf("%s, %s: mail is\n%s\nwant no %q in it", tt.verbosity, tt.moment, text, want)
			}
		}
	}
	sub := subject{moment: events.MomentFinished, first: st, last: st}
	if a, b := sub.remark("", "quiet"), sub.remark("", "verbose"); strings.Contains(a, "\n") || b != a+"\n2 regressions, since job 5" {
		t.Errorf("remarks %q and %q, want the changes in the second", a, b)
	}
	if loud(&job.Notify{}) != "quiet" {
		t.Errorf("where nothing is said mail is %s, want quiet", loud(&job.Notify{}))
	}
}

// What a definition leaves out of a comparison, by the name of a case or of a suite, is neither counted nor listed.
func TestComparedWithout(t *testing.T) {
	of := func(results ...string) (list []numbered) {
		for _, r := range results {
			suite, rest, _ := strings.Cut(r, "/")
			name, result, _ := strings.Cut(rest, " ")
			list = append(list, numbered{Case: events.Case{Suite: suite, Name: name, Result: events.Outcome(result)}})
		}
		return list
	}
	before := of("a/one pass", "a/two pass", "a/gone pass", "b/one pass", "lava/job pass")
	now := of("a/one fail", "a/two fail", "a/new skip", "b/one fail", "lava/job fail")
	for _, tt := range []struct {
		without []string
		want    string
	}{
		{nil, "  a: 2 fail, 1 skip, was 3 pass\n  b: 1 fail, was 1 pass\n  lava: 1 fail, was 1 pass\n  - a/gone\n  + a/new: skip\n  ~ a/one: fail, was pass\n  ~ a/two: fail, was pass\n  ~ b/one: fail, was pass\n  ~ lava/job: fail, was pass\n"},
		{[]string{"one", "lava"}, "  a: 1 fail, 1 skip, was 2 pass\n  - a/gone\n  + a/new: skip\n  ~ a/two: fail, was pass\n"},
		{[]string{"a", "b", "lava"}, "  every case has the result that it had\n"},
		{[]string{"a/one", "On"}, "  a: 2 fail, 1 skip, was 3 pass\n  b: 1 fail, was 1 pass\n  lava: 1 fail, was 1 pass\n  - a/gone\n  + a/new: skip\n  ~ a/one: fail, was pass\n  ~ a/two: fail, was pass\n  ~ b/one: fail, was pass\n  ~ lava/job: fail, was pass\n"},
	} {
		if got := compareCases(5, before, now, tt.without); got != "Compared with job 5\n"+tt.want {
			t.Errorf("without %q:\n%s\nwant\n%s", tt.without, got, tt.want)
		}
	}
}

// A regression and a progression are told of when they happen, and only then.
func TestChangesFire(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := newReceiver(t, nil)
	l.serve()
	text := func(kind, status string) string {
		return fmt.Sprintf("notify: {criteria: {type: %s, status: %s}, callback: {url: '%s/{ID}/%s', method: POST, content-type: json}}\n", kind, status, r.URL, kind)
	}
	bad := events.JobFinished{Health: events.Incomplete, ErrorType: events.TestError, Error: "no prompt"}
	var last events.JobID
	for _, step := range []struct {
		notify  string
		end     events.JobFinished
		verdict events.JobJudged
	}{
		{text("regression", "incomplete"), bad, events.JobJudged{Verdict: events.VerdictTest}}, // the first of its kind
		{text("progression", "complete"), complete(), events.JobJudged{Verdict: events.VerdictPass}},
		{text("progression", "complete"), complete(), events.JobJudged{Verdict: events.VerdictPass}}, // as before
		{text("regression", "incomplete"), bad, events.JobJudged{Verdict: events.VerdictInfra}},      // the lab's fault, says the judgement
		{text("regression", "incomplete"), bad, events.JobJudged{Verdict: events.VerdictTest}},
		{text("regression", "incomplete"), bad, events.JobJudged{Verdict: events.VerdictTest}}, // as before
		{text("regression", "incomplete"), bad, events.JobJudged{Verdict: events.VerdictTest, Counts: events.ChangeCounts{Regressions: 1}}},
		{text("progression", "complete"), complete(), events.JobJudged{Verdict: events.VerdictPass}},
	} {
		last = l.submit(step.notify)
		l.finish(last, step.end)
		step.verdict.Job = last
		l.Append(t, step.verdict)
	}
	l.sent(last, 1)
	for _, id := range []events.JobID{2, 5, 7} {
		l.sent(id, 1)
	}
	told := map[string]bool{}
	for len(r.came) > 0 {
		told[r.next(t).path] = true
	}
	if want := (map[string]bool{"/2/progression": true, "/5/regression": true, "/7/regression": true, "/8/progression": true}); fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}

// What a dependency query finds has to be as the status wants it: in state where that is a state, in health where it is one.
func TestViolated(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := &service{Deps: Deps{Log: l.Log, DB: l.tables()}, s: newState(nil, time.Hour)}
	s.s.lab = lab.New()
	private := func(e *events.JobSubmitted) { e.User, e.Visibility = "bob", events.Visibility{} }
	good, bad, runs, hidden := l.submit(""), l.submit(""), l.submit(""), l.submit("", private)
	l.finish(good, complete())
	l.finish(bad, events.JobFinished{Health: events.Incomplete, ErrorType: events.TestError})
	l.start(runs)
	l.finish(hidden, events.JobFinished{Health: events.Canceled, ErrorType: events.CanceledError})
	last := eventtest.AwaitRecorded(t, l.Log, func(e events.JobOutputComplete) bool { return e.Job == hidden })
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for at := uint64(0); at < last.Seq; {
		select {
		case <-tick.C:
			at, _ = s.DB.Position(ctx, stream.Lab) // away until the tables are made
		case <-ctx.Done():
			t.Fatalf("the tables are at %d, want %d", at, last.Seq)
		}
	}
	const all, alice = "testjob__description__exact__smoke", "testjob__submitter__exact__alice"
	for _, tt := range []struct {
		status, query string
		of            events.JobID
		want          bool
	}{
		{"finished", all, good, true}, // one runs
		{"finished", all, runs, false},
		{"finished", alice + ",testjob__state__exact__Finished", good, false},
		{"complete", alice + ",testjob__health__exact__Complete", bad, false},
		{"complete", alice + ",testjob__state__exact__Finished", bad, false}, // itself does not count
		{"complete", alice + ",testjob__state__exact__Finished", good, true},
		{"incomplete", "testjob__health__exact__Incomplete", good, false},
		{"incomplete", "testjob__health__ne__Incomplete", bad, true},
		{"canceled", "testjob__health__exact__Canceled", good, false}, // not to be seen, and so not found
		{"running", "testjob__state__exact__Running", good, false},
		{"running", all, good, true},
		{"complete", "testjob__submitter__exact__nobody", good, false},
		{"complete", "namedtestattribute__branch__exact__main,testjob__state__exact__Finished", good, true},
		{"complete", "testcase__name__exact__none", good, false},
	} {
		st, err := s.load(ctx, tt.of, events.MomentFinished)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.violated(ctx, &job.Notify{Status: tt.status, Dependency: tt.query}, st, last.Seq)
		if err != nil || got != tt.want {
			t.Errorf("status %s of job %d, %s: violated %v, %v; want %v", tt.status, tt.of, tt.query, got, err, tt.want)
		}
	}
}
