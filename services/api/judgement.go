package api

import (
	"context"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/projections"
	"strata/projections/trend"
)

// Judgement is what a job's end means, as judgement decided it.
// Text is missing where the tables are away or have forgotten the line; the judgement stands without
// it.
type Judgement struct {
	events.JobJudged
	Text string `json:"text,omitempty"` // the evidence line, where the log is at hand
	Next string `json:"next,omitempty"` // what to do next, in a sentence
}

// judgedAs shows a judgement; the line is added by [api.quote].
func judgedAs(e events.JobJudged) *Judgement { return &Judgement{JobJudged: e, Next: e.Cause.Next()} }

// quote adds the text of the evidence line to a job's judgement. A log that is away is no reason not to
// show the rest.
// It waits for the tables, so callers do it once the state has been left.
func (a *api) quote(ctx context.Context, j *Job) {
	if j.Judgement == nil || j.Judgement.Evidence == nil || a.history.DB == nil {
		return
	}
	line := *j.Judgement.Evidence
	kept, ok, turn := a.evidence.get(j.Job)
	if ok && kept.line == line {
		j.Judgement.Text = kept.text
		return
	}
	if text, err := a.history.DB.Line(ctx, j.Job, line); err == nil && text != "" {
		j.Judgement.Text = text
		a.evidence.put(j.Job, evidence{line, text}, 100+len(text), turn)
	}
}

// evidence is the line that a judgement stands on. It is read from the tables once: a log does not change, and every
// page of a job shows it.
type evidence struct {
	line uint64
	text string
}

// CompareRequest names two jobs.
type CompareRequest struct {
	Before events.JobID `json:"before"`
	After  events.JobID `json:"after"`
}

// Comparison is what differs between two jobs.
type Comparison struct {
	Before   Compared       `json:"before"`
	After    Compared       `json:"after"`
	Metadata []MetaDiff     `json:"metadata,omitempty"` // entries that differ, by key
	Cases    []CaseDiff     `json:"cases"`              // cases that differ, by suite, set and name; lava is left out but for its job
	Same     int            `json:"same"`               // cases with the same outcome in both
	Counts   map[string]int `json:"counts"`             // of Cases, by Change
}

// Compared is one of two jobs.
type Compared struct {
	Job        events.JobID          `json:"job"`
	Display    string                `json:"display"`
	Name       string                `json:"name"`
	DeviceType events.DeviceTypeName `json:"device_type,omitempty"`
	Device     events.DeviceName     `json:"device,omitempty"`
	Health     events.JobHealth      `json:"health,omitempty"`
	Verdict    events.Verdict        `json:"verdict,omitempty"` // empty until it is judged
	Cause      events.Cause          `json:"cause,omitempty"`
	Cases      int                   `json:"cases"`
	Complete   bool                  `json:"complete"` // all its results are there
}

// MetaDiff is an entry of the metadata; a missing one is empty.
type MetaDiff struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// CaseDiff is a case that differs.
// Of a case that ran several times in a job the sums are compared: see [events.SumCases].
type CaseDiff struct {
	Suite  string         `json:"suite"`
	Set    string         `json:"set,omitempty"`
	Name   string         `json:"name"`
	Change string         `json:"change"` // regression, fix, other (such as from skip to pass), absent, new, measurement
	Before events.Outcome `json:"before,omitempty"`
	After  events.Outcome `json:"after,omitempty"`
	// Was and Is are measurements where both jobs have one.
	Was   *float64 `json:"was,omitempty"`
	Is    *float64 `json:"is,omitempty"`
	Units string   `json:"units,omitempty"`
}

// noticeable is the share by which a measurement has to differ to be listed: a single run tells no less.
const noticeable = 0.10

// compareJobs answers what differs between two jobs: their results as they are in the log, whatever else
// the two have in common.
// The cases of both are in memory. A job that still runs may be compared: Complete says that it
// does.
// A job's page and `strata compare` ask it; the second job need not be of the first one's kind.
func (a *api) compareJobs(ctx context.Context, who caller, in CompareRequest) (Comparison, error) {
	out := Comparison{Cases: []CaseDiff{}, Counts: map[string]int{}}
	var cases [2]map[events.CaseName]events.CaseSum
	var meta [2]map[string]string
	for i, job := range []events.JobID{in.Before, in.After} {
		j, err := a.showJob(ctx, who, JobRequest{Job: job})
		if err != nil {
			return out, err
		}
		r, err := a.results(ctx, who, JobRequest{Job: job})
		if err != nil {
			return out, err
		}
		cases[i], meta[i] = events.SumCases(r.Cases), j.Metadata
		c := Compared{Job: j.Job, Display: j.Display, Name: j.Name, DeviceType: j.DeviceType, Device: j.Device, Health: j.Health, Cases: len(r.Cases), Complete: r.Complete}
		if j.Judgement != nil {
			c.Verdict, c.Cause = j.Judgement.Verdict, j.Judgement.Cause
		}
		*[]*Compared{&out.Before, &out.After}[i] = c
	}
	// A clone of nil is nil, and could not be copied into.
	keys := maps.Clone(meta[0])
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, meta[1])
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if meta[0][k] != meta[1][k] {
			out.Metadata = append(out.Metadata, MetaDiff{k, meta[0][k], meta[1][k]})
		}
	}
	out.Cases, out.Same = diffCases(cases[0], cases[1])
	for _, d := range out.Cases {
		out.Counts[d.Change]++
	}
	return out, nil
}

// diffCases lists the cases that differ, and counts those that end alike.
func diffCases(before, after map[events.CaseName]events.CaseSum) (list []CaseDiff, same int) {
	list = []CaseDiff{}
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, k := range slices.SortedFunc(maps.Keys(names), events.CaseName.Compare) {
		was, had := before[k]
		is, has := after[k]
		d := CaseDiff{Suite: k.Suite, Set: k.Set, Name: k.Name, Before: was.Result, After: is.Result}
		if was.Measurement != nil && is.Measurement != nil {
			d.Was, d.Is, d.Units = was.Measurement, is.Measurement, is.Units
		}
		switch {
		case !has:
			d.Change = "absent"
		case !had:
			d.Change = "new"
		case was.Result == events.Pass && is.Result == events.Fail:
			d.Change = string(events.Regression)
		case was.Result == events.Fail && is.Result == events.Pass:
			d.Change = string(events.Fix)
		case was.Result != is.Result:
			d.Change = "other"
		// Of a measurement that was 0 every change is noticeable.
		case d.Was != nil && math.Abs(*d.Is-*d.Was) > noticeable*math.Abs(*d.Was):
			d.Change = "measurement"
			same++
		default:
			same++
			continue
		}
		list = append(list, d)
	}
	return list, same
}

// HistoryRequest asks for what jobs had of one case.
type HistoryRequest struct {
	Suite      string                `json:"suite"`
	Set        string                `json:"set,omitempty"`
	Case       string                `json:"case"`
	Name       string                `json:"name,omitempty"`        // of the jobs; empty: any
	DeviceType events.DeviceTypeName `json:"device_type,omitempty"` // of the jobs; empty: any
	Metadata   map[string]string     `json:"metadata,omitempty"`    // entries that the jobs have
	Limit      int                   `json:"limit,omitempty"`       // the newest jobs that are looked at; 0 is 50, 1000 the most
}

// CaseHistory is the history of one case.
type CaseHistory struct {
	Runs []CaseRun `json:"runs"` // newest first
	// From 0, always the same, to 1, another outcome each time: see [trend.Flakiness].
	Score  float64     `json:"score"`
	Flaky  bool        `json:"flaky"`
	Units  string      `json:"units,omitempty"`
	Shifts []CaseShift `json:"shifts,omitempty"` // lasting shifts of the measurement, oldest first
	// AgedOut says that some of the jobs looked at have no results in the tables any more.
	AgedOut *AgedOut `json:"aged_out,omitempty"`
}

// CaseRun is a job that had the case.
type CaseRun struct {
	projections.Comparable
	Result events.Outcome `json:"result"`
	Value  *float64       `json:"value,omitempty"`
	Change events.Change  `json:"change,omitempty"` // what it meant beside the runs before it
}

// CaseShift is a lasting shift of a measurement.
type CaseShift struct {
	Job    events.JobID `json:"job"` // the first that is shifted
	Before float64      `json:"before"`
	After  float64      `json:"after"`
	Worse  *bool        `json:"worse,omitempty"` // nil where the unit does not say
}

// caseHistory answers with the runs of a case in the newest jobs that the caller may see. Jobs that ended by
// the lab's fault are left out.
// Without a name, type or metadata the newest jobs of all are looked at, whether they had the case
// or not.
func (a *api) caseHistory(ctx context.Context, who caller, in HistoryRequest) (CaseHistory, error) {
	out := CaseHistory{Runs: []CaseRun{}}
	switch {
	case in.Suite == "" || in.Case == "":
		return out, refuse(Invalid, "suite and case are both needed, as in 0_smoke and login")
	case in.Limit < 0 || in.Limit > 1000:
		return out, refuse(Invalid, "limit is %d, allowed are 1 to 1000", in.Limit)
	case a.history.DB == nil:
		return out, away(errNoHistory)
	}
	jobs, err := a.history.DB.Comparables(ctx, projections.Like{Name: in.Name, DeviceType: in.DeviceType, AnyRole: true, Metadata: in.Metadata,
		Limit: in.Limit, Viewer: a.sight(who)})
	if err != nil {
		return out, away(err)
	}
	if len(jobs) == 0 {
		return out, nil
	}
	numbers, byNumber := make([]events.JobID, len(jobs)), map[events.JobID]projections.Comparable{}
	for i, j := range jobs {
		numbers[i] = events.JobID(j.Job)
		byNumber[numbers[i]] = j
	}
	err = a.history.DB.Series(ctx, numbers, projections.CaseName{Suite: in.Suite, Set: in.Set, Name: in.Case}, func(s projections.Series) error {
		if in.Set == s.Set {
			out.take(s, byNumber)
		}
		return nil
	})
	if err != nil {
		return out, away(err)
	}
	// Some of them may never have had the case; agedOut says whether rows have gone.
	if len(out.Runs) < len(jobs) {
		out.AgedOut = a.agedOut(ctx, a.sight(who), "results", numbers, time.Time{})
	}
	return out, nil
}

// take fills a history from a series.
func (h *CaseHistory) take(s projections.Series, jobs map[events.JobID]projections.Comparable) {
	h.Units = s.Units
	h.Score, h.Flaky = trend.Flakiness(s.Runs)
	var values []float64
	var measured []events.JobID
	for i, r := range s.Runs {
		run := CaseRun{Comparable: jobs[r.Job], Result: r.Result, Value: r.Value, Change: trend.Outcome(s.Runs[:i+1]).Change}
		// A case that failed has measured something else than one that passed.
		if r.Value != nil && r.Result != events.Fail {
			values, measured = append(values, *r.Value), append(measured, r.Job)
		}
		h.Runs = append(h.Runs, run)
	}
	slices.Reverse(h.Runs)
	for _, f := range trend.Shifts(values) {
		c := CaseShift{Job: measured[f.At], Before: f.Before, After: f.After}
		// Of seconds more is worse, of bytes a second less; of most units nobody knows.
		if more, known := trend.Worse(s.Units); known {
			worse := more == f.Up()
			c.Worse = &worse
		}
		h.Shifts = append(h.Shifts, c)
	}
}

// maxIssueText bounds each text of a known issue, in bytes.
const maxIssueText = 1000

// listIssues answers with the known issues, by number.
// Everybody signed in sees them: whoever reads a judgement wants to know what it goes by.
func (a *api) listIssues(_ context.Context, _ caller, _ none) ([]events.KnownIssueAdded, error) {
	out := []events.KnownIssueAdded{}
	a.read(func(s *lab.State) {
		for _, i := range s.Issues() {
			out = append(out, i.KnownIssueAdded)
		}
	})
	return out, nil
}

// addIssue makes an issue known. Jobs that end from then on are looked at for it.
// Jobs that have ended keep the judgement that they have: a judgement is a fact.
func (a *api) addIssue(ctx context.Context, who caller, in events.KnownIssueAdded) (events.KnownIssueAdded, error) {
	if err := checkIssue(in); err != nil {
		return in, err
	}
	in.By, in.At = who.user, a.now().UTC()
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := allow(s, who, lab.Change, events.KnownIssues, ""); err != nil {
			return nil, err
		}
		// Within decide: of two at once the one who loses the race gets the next number.
		in.Issue = s.NextIssue()
		return []events.Event{in}, nil
	})
	return in, err
}

// checkIssue refuses an issue that could never be recognized, or would not fit into pages.
func checkIssue(in events.KnownIssueAdded) error {
	wrong := func(field, format string, args ...any) error {
		return &Error{Code: Invalid, Field: field, Message: field + " " + fmt.Sprintf(format, args...)}
	}
	switch {
	case in.Issue != 0:
		return wrong("issue", "is given by the lab")
	case strings.TrimSpace(in.Title) == "":
		return wrong("title", "is missing")
	case in.Log == "" && in.Case == "":
		return wrong("log", "and case are both missing: by one of them the issue is recognized")
	}
	for field, text := range map[string]string{"title": in.Title, "url": in.URL, "log": in.Log, "case": in.Case, "name": in.Name} {
		if len(text) > maxIssueText {
			return wrong(field, "has %d bytes, at most %d are allowed", len(text), maxIssueText)
		}
	}
	if in.URL != "" && !strings.HasPrefix(in.URL, "https://") && !strings.HasPrefix(in.URL, "http://") {
		return wrong("url", "is %q; it begins with https:// or http://", in.URL)
	}
	// RE2, so that no expression takes longer than the log is long.
	if _, err := regexp.Compile(in.Log); err != nil {
		return wrong("log", "is no RE2 expression: %v", err)
	}
	return nil
}

// IssueRequest names a known issue.
type IssueRequest struct {
	Issue  events.IssueID `json:"issue"`
	Reason string         `json:"reason,omitempty"`
}

// removeIssue makes an issue unknown.
func (a *api) removeIssue(ctx context.Context, who caller, in IssueRequest) (none, error) {
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := allow(s, who, lab.Change, events.KnownIssues, ""); err != nil {
			return nil, err
		}
		if s.Issue(in.Issue) == nil {
			return nil, refuse(NotFound, "there is no known issue %d", in.Issue)
		}
		return []events.Event{events.KnownIssueRemoved{Issue: in.Issue, By: who.user, Reason: in.Reason}}, nil
	})
}
