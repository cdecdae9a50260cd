package judgement

import (
	"slices"

	"strata/events"
	"strata/projections"
	"strata/projections/trend"
	"strata/services/judgement/verdict"
)

// maxChanges bounds each kind of change in a fact.
const maxChanges = 200

// story is all that a judgement is made of.
type story struct {
	submitted events.JobSubmitted
	log       verdict.Judgement
	cases     map[events.CaseName]events.CaseSum
	issues    []*issue                               // looked for in the log
	before    []projections.Comparable               // comparable jobs, the newest first
	series    map[events.CaseName]projections.Series // what those had, oldest first
	away      bool                                   // nothing could be compared
}

// decide judges a job. It reads no clock, no network and no map order.
func decide(job events.JobID, s story) events.JobJudged {
	e := events.JobJudged{
		Job: job, Verdict: s.log.Verdict(), Cause: s.log.Cause, Evidence: s.log.Evidence, Action: s.log.Action, Findings: s.log.Findings,
		Compared: len(s.before), HistoryAway: s.away, Rules: verdict.Rules,
	}
	if len(s.before) > 0 {
		e.Baseline = events.JobID(s.before[0].Job)
	}
	keys := make([]events.CaseName, 0, len(s.cases))
	var failed []events.CaseName
	for k := range s.cases {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, events.CaseName.Compare)
	for _, k := range keys {
		if s.cases[k].Result == events.Fail {
			failed = append(failed, k)
		}
	}
	var explains map[events.CaseName]events.IssueID
	e.Issues, explains = matches(s.issues, failed)
	// What the lab did wrong, or was stopped, says nothing of what was tested.
	if e.Verdict == events.VerdictInfra || e.Verdict == events.VerdictCanceled || s.away {
		return e
	}
	kept := map[events.Change]int{}
	for _, k := range keys {
		for _, c := range s.changes(job, k) {
			c.Issue = explains[k]
			count(&e.Counts, c.Change)
			if kept[c.Change]++; kept[c.Change] <= maxChanges {
				e.Changes = append(e.Changes, c)
			}
		}
	}
	return e
}

func count(n *events.ChangeCounts, c events.Change) {
	switch c {
	case events.Regression:
		n.Regressions++
	case events.Fix:
		n.Fixes++
	case events.Flaky:
		n.Flaky++
	case events.ShiftedUp, events.ShiftedDown:
		n.Shifts++
	case events.StillFailing:
		n.StillFailing++
	case events.FirstTimeFailed:
		n.FirstFailed++
	}
}

// changes returns what changed in a case: its outcome, its measurement, or both.
func (s story) changes(job events.JobID, k events.CaseName) []events.CaseChange {
	var list []events.CaseChange
	now := s.cases[k]
	runs := append(slices.Clone(s.series[k].Runs), trend.Run{Job: job, Result: now.Result, Value: now.Measurement})
	if k.Suite == "lava" {
		runs = s.heard(runs)
	}
	if j := trend.Outcome(runs); j.Change != "" {
		list = append(list, events.CaseChange{Suite: k.Suite, Set: k.Set, Name: k.Name, Change: j.Change, Since: j.Since, Score: j.Score})
	}
	if now.Measurement == nil || k.Suite == "lava" {
		return list
	}
	if c, yes := shift(k, now.Units, runs); yes {
		list = append(list, c)
	}
	return list
}

// shift says whether the last run shows a shift of the measurement for the first time.
func shift(k events.CaseName, units string, runs []trend.Run) (events.CaseChange, bool) {
	var values []float64
	var jobs []events.JobID
	for _, r := range runs {
		// A test that failed may have measured nothing that means anything.
		if r.Value != nil && r.Result != events.Fail {
			values, jobs = append(values, *r.Value), append(jobs, r.Job)
		}
	}
	if n := len(values) - trend.Values; n > 0 {
		values, jobs = values[n:], jobs[n:]
	}
	found := trend.Shifts(values)
	if len(found) == 0 || found[len(found)-1].Seen != len(values)-1 || jobs[len(jobs)-1] != runs[len(runs)-1].Job {
		return events.CaseChange{}, false
	}
	f := found[len(found)-1]
	c := events.CaseChange{Suite: k.Suite, Set: k.Set, Name: k.Name, Change: events.ShiftedDown, Since: jobs[f.At], Before: f.Before, After: f.After}
	if f.Up() {
		c.Change = events.ShiftedUp
	}
	if more, known := trend.Worse(units); known {
		worse := more == f.Up()
		c.Worse = &worse
	}
	return c, true
}

// heard takes the ends of devices that fell silent out of the series of the case lava/job, unless the job before
// fell silent too: a device that stops may have been stopped by the lab, and only the second time in a row
// is it the software's.
func (s story) heard(runs []trend.Run) []trend.Run {
	silent := map[events.JobID]bool{}
	for _, b := range s.before {
		silent[events.JobID(b.Job)] = fellSilent(events.Cause(b.Cause))
	}
	out := slices.Clone(runs)
	for i, r := range runs {
		quiet := silent[r.Job] || i == len(runs)-1 && fellSilent(s.log.Cause)
		again := i > 0 && silent[runs[i-1].Job]
		if quiet && !again {
			out[i].Result = events.UnknownOutcome
		}
	}
	return out
}

func fellSilent(c events.Cause) bool {
	return c == events.CauseHang || c == events.CauseTestTimeout || c == events.CauseReset || c == events.CauseGroup
}
