package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/services/api"
)

// judgedJob has a job of a user run, end and be judged.
func judgedJob(t *testing.T, b *eventtest.Broker, id events.JobID, user events.UserName, public bool, cases ...events.Case) {
	t.Helper()
	s := submitted(id)
	s.User, s.Visibility.Public, s.Name, s.Metadata = user, public, "smoke", map[string]string{"branch": fmt.Sprint("b", id)}
	lease, line := events.Lease(id), uint64(0)
	b.Append(t, s, events.JobScheduled{Job: id, Device: "q1", Worker: "w1", Lease: lease}, events.JobStarted{Job: id, Device: "q1", Worker: "w1", Lease: lease, At: noon})
	b.Append(t, events.ResultsRecorded{Job: id, Lease: lease, Lines: 1, Cases: cases})
	b.Append(t, events.JobFinished{Job: id, Device: "q1", Worker: "w1", Lease: lease, Health: events.Complete, At: noon.Add(time.Minute)},
		events.JobOutputComplete{Job: id, Lease: lease, Lines: 1}, events.DeviceReleased{Device: "q1", Job: id, Lease: lease},
		events.JobJudged{Job: id, Verdict: events.VerdictTest, Cause: events.CauseTestFailed, Evidence: &line, Counts: events.ChangeCounts{Regressions: 1}, Rules: 1})
}

// What jobs had of a case, and how two of them differ, is told of jobs that the caller may see.
func TestHistoryAndComparison(t *testing.T) {
	t.Parallel()
	b, as := analysed(t)
	one := func(result events.Outcome, value float64) []events.Case {
		return []events.Case{{Suite: "0_smoke", Name: "boot", Result: result, Measurement: &value, Units: "seconds"}, {Suite: "lava", Name: "login-action", Result: result},
			{Suite: "0_smoke", Name: fmt.Sprint("only-", value), Result: events.Pass}}
	}
	judgedJob(t, b, 11, "bob", true, one(events.Pass, 10)...)
	judgedJob(t, b, 12, "bob", false, one(events.Fail, 10)...)
	judgedJob(t, b, 13, "alice", false, one(events.Pass, 12)...)
	ask := api.HistoryRequest{Suite: "0_smoke", Case: "boot", Name: "smoke", DeviceType: "qemu"}
	var all api.CaseHistory
	deadline, stop := context.WithTimeout(t.Context(), eventtest.Patience)
	defer stop()
	for len(all.Runs) < 3 { // the tables are a moment behind
		if err := as("local").Call(deadline, "cases.history", ask, &all); err != nil {
			t.Fatal(err)
		}
	}
	if got := runs(all); got != "13:pass/fix 12:fail/regression 11:pass/" || all.Flaky || all.Units != "seconds" || *all.Runs[0].Value != 12 {
		t.Errorf("history %s %+v", got, all)
	}
	for user, want := range map[events.UserName]string{"bob": "12:fail/regression 11:pass/", "carol": "11:pass/", "alice": "13:pass/ 11:pass/"} {
		var h api.CaseHistory
		call(t, as(user), "cases.history", ask, &h)
		if got := runs(h); got != want {
			t.Errorf("%s sees %s, want %s", user, got, want)
		}
	}
	ask.Metadata = map[string]string{"branch": "b12"}
	var some api.CaseHistory
	call(t, as("local"), "cases.history", ask, &some)
	if got := runs(some); got != "12:fail/first-time-failed" {
		t.Errorf("history of branch b12: %s", got)
	}
	deniedWith(t, as("local"), "cases.history", api.HistoryRequest{Suite: "0_smoke"}, "both needed")

	var c api.Comparison
	call(t, as("local"), "jobs.compare", api.CompareRequest{Before: 11, After: 12}, &c)
	if c.Counts["regression"] != 1 || len(c.Cases) != 1 || c.Cases[0].Name != "boot" || c.Same != 1 || len(c.Metadata) != 1 || c.After.Verdict != events.VerdictTest {
		t.Errorf("11 and 12 differ by %+v", c)
	}
	call(t, as("local"), "jobs.compare", api.CompareRequest{Before: 11, After: 13}, &c)
	if got := c.Counts; got["measurement"] != 1 || got["absent"] != 1 || got["new"] != 1 {
		t.Errorf("11 and 13 differ by %v", got)
	}
	deniedWith(t, as("carol"), "jobs.compare", api.CompareRequest{Before: 11, After: 12}, "no job 12 that carol may see")

	var j api.Job
	call(t, as("local"), "jobs.show", api.JobRequest{Job: 12}, &j)
	if j.Judgement == nil || j.Judgement.Cause != events.CauseTestFailed || j.Judgement.Next == "" || j.Judgement.Counts.Regressions != 1 {
		t.Errorf("job 12 is shown with %+v, want its judgement and the next step", j.Judgement)
	}
}

// runs writes a history as job:result/change.
func runs(h api.CaseHistory) string {
	var list []string
	for _, r := range h.Runs {
		list = append(list, fmt.Sprintf("%d:%s/%s", r.Job, r.Result, r.Change))
	}
	return strings.Join(list, " ")
}

// deniedWith asks for what is wrong, and wants to be told so.
func deniedWith(t *testing.T, c api.Client, verb string, in any, says string) {
	t.Helper()
	if err := c.Call(t.Context(), verb, in, nil); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%s %+v: %v; want an error that says %q", verb, in, err, says)
	}
}

func TestKnownIssues(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	var added events.KnownIssueAdded
	call(t, c, "issues.add", events.KnownIssueAdded{Title: "slow disk", Log: `I/O error, dev sd\w`, URL: "https://bugs.example.com/17"}, &added)
	if added.Issue != 1 || added.By == "" || added.At.IsZero() {
		t.Errorf("added %+v, want issue 1 with who and when", added)
	}
	call(t, c, "issues.add", events.KnownIssueAdded{Title: "odd", Case: "*/odd"}, &added)
	call(t, c, "issues.remove", api.IssueRequest{Issue: 1, Reason: "fixed"}, nil)
	var list []events.KnownIssueAdded
	call(t, c, "issues.list", struct{}{}, &list)
	if len(list) != 1 || list[0].Issue != 2 {
		t.Errorf("known issues %+v, want issue 2 alone", list)
	}
	for says, in := range map[string]events.KnownIssueAdded{
		"title is missing": {Log: "x"}, "both missing": {Title: "x"}, "no RE2": {Title: "x", Log: "("}, "url is": {Title: "x", Log: "x", URL: "ftp://x"},
		"given by the lab": {Issue: 7, Title: "x", Log: "x"}, "at most 1000": {Title: strings.Repeat("x", 1001), Log: "x"},
	} {
		deniedWith(t, c, "issues.add", in, says)
	}
	deniedWith(t, c, "issues.remove", api.IssueRequest{Issue: 1}, "no known issue 1")
	deniedWith(t, api.Client{Conn: c.Conn, User: "alice"}, "issues.add", events.KnownIssueAdded{Title: "x", Log: "x"}, "may not change issues")
}
