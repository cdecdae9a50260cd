package projections

import (
	"time"

	"strata/events"
)

// judgementRow is a row of job_judgements.
type judgementRow struct {
	Job          uint64    `ch:"job"`
	Verdict      string    `ch:"verdict"`
	Cause        string    `ch:"cause"`
	Evidence     *uint64   `ch:"evidence"`
	Action       string    `ch:"action"`
	Baseline     uint64    `ch:"baseline"`
	Compared     uint32    `ch:"compared"`
	Regressions  uint32    `ch:"regressions"`
	Fixes        uint32    `ch:"fixes"`
	Flaky        uint32    `ch:"flaky"`
	Shifts       uint32    `ch:"shifts"`
	StillFailing uint32    `ch:"still_failing"`
	FirstFailed  uint32    `ch:"first_failed"`
	Issues       []uint64  `ch:"issues"`
	HistoryAway  bool      `ch:"history_away"`
	Rules        uint32    `ch:"rules"`
	Time         time.Time `ch:"time"`
	Seq          uint64    `ch:"seq"`
}

func judgementRows(f fact) []judgementRow {
	e, ok := f.Event.(events.JobJudged)
	if !ok {
		return nil
	}
	issues := make([]uint64, len(e.Issues))
	for i, m := range e.Issues {
		issues[i] = uint64(m.Issue)
	}
	return []judgementRow{{
		Job: uint64(e.Job), Verdict: string(e.Verdict), Cause: string(e.Cause), Evidence: e.Evidence, Action: e.Action,
		Baseline: uint64(e.Baseline), Compared: uint32(e.Compared), Regressions: uint32(e.Counts.Regressions), Fixes: uint32(e.Counts.Fixes),
		Flaky: uint32(e.Counts.Flaky), Shifts: uint32(e.Counts.Shifts), StillFailing: uint32(e.Counts.StillFailing),
		FirstFailed: uint32(e.Counts.FirstFailed), Issues: issues, HistoryAway: e.HistoryAway, Rules: uint32(e.Rules), Time: utc(f.Time), Seq: f.Seq,
	}}
}

// changeRow is a row of case_changes.
type changeRow struct {
	Job    uint64    `ch:"job"`
	Suite  string    `ch:"suite"`
	Set    string    `ch:"set"`
	Name   string    `ch:"name"`
	Change string    `ch:"change"`
	Since  uint64    `ch:"since"`
	Score  float64   `ch:"score"`
	Before float64   `ch:"before"`
	After  float64   `ch:"after"`
	Worse  *bool     `ch:"worse"`
	Issue  uint64    `ch:"issue"`
	Time   time.Time `ch:"time"`
	Seq    uint64    `ch:"seq"`
	N      uint32    `ch:"n"`
}

func changeRows(f fact) []changeRow {
	e, ok := f.Event.(events.JobJudged)
	if !ok {
		return nil
	}
	rows := make([]changeRow, len(e.Changes))
	for i, c := range e.Changes {
		rows[i] = changeRow{
			Job: uint64(e.Job), Suite: c.Suite, Set: c.Set, Name: c.Name, Change: string(c.Change), Since: uint64(c.Since), Score: c.Score,
			Before: c.Before, After: c.After, Worse: c.Worse, Issue: uint64(c.Issue), Time: utc(f.Time), Seq: f.Seq, N: uint32(i),
		}
	}
	return rows
}
