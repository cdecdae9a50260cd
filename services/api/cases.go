package api

import (
	"context"
	"time"

	"strata/events"
	"strata/schemas/results"
	"strata/schemas/yaml"
)

// Cases answers JobRequest for a job's suites and cases with their numbers.
type Cases struct {
	Job    events.JobID   `json:"job"`
	Suites []JobSuite     `json:"suites"` // in the order in which they began
	Cases  []NumberedCase `json:"cases"`  // suite by suite
}

// JobSuite is a suite of a job. Its number is that of its first case.
// A suite has no fact of its own, and begins with its first case.
type JobSuite struct {
	ID   uint64 `json:"id"`
	Name string `json:"name"`
}

// NumberedCase is a test case as LAVA's interfaces have it.
// Clients take the numbers for those of rows in LAVA's database: they never change, and mean one case of the whole lab.
type NumberedCase struct {
	ID          uint64    `json:"id"` // see [events.CaseNumber]
	SuiteID     uint64    `json:"suite_id"`
	Suite       string    `json:"suite"`
	SetID       uint64    `json:"set_id,omitempty"` // that of the set's first case; 0 outside a set
	Set         string    `json:"set,omitempty"`
	Name        string    `json:"name"`
	Result      string    `json:"result"`
	Measurement *float64  `json:"measurement,omitempty"`
	Units       string    `json:"units,omitempty"`
	Logged      time.Time `json:"logged"`
	StartLine   *uint64   `json:"start_line,omitempty"`
	EndLine     *uint64   `json:"end_line,omitempty"`
	Metadata    string    `json:"metadata"` // the whole record as YAML
}

// jobCases answers with all cases that were recorded so far.
// It reads facts, not tables: REST's suites/ and tests/ of a job have to show a case as soon as it was recorded. All
// cases are in memory at once, which results.export avoids for jobs of more than maxHeld.
func (a *api) jobCases(ctx context.Context, who caller, in JobRequest) (Cases, error) {
	row, err := a.jobRow(ctx, who, in)
	if err != nil {
		return Cases{}, err
	}
	id := in.Job
	if in.Whole && row.RetriedAs != 0 {
		id = events.JobID(row.RetriedAs)
	}
	e := caseFile{a: a, ctx: ctx, job: id}
	if err := e.survey(); err != nil {
		return Cases{}, err
	}
	out := Cases{Job: in.Job, Suites: []JobSuite{}, Cases: []NumberedCase{}}
	// A set has no number of its own in facts; its first case's is as stable.
	type set struct{ suite, name string }
	sets := map[set]uint64{}
	for c, err := range e.all() {
		if err != nil {
			return Cases{}, err
		}
		// Cases come suite by suite, so a suite begins where the name changes.
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != c.Suite {
			out.Suites = append(out.Suites, JobSuite{c.ID, c.Suite})
		}
		one := NumberedCase{ID: c.ID, SuiteID: out.Suites[len(out.Suites)-1].ID, Suite: c.Suite, Set: c.Set, Name: c.Name, Result: c.Result,
			Measurement: c.Measurement, Units: c.Units, Logged: c.Logged, StartLine: c.StartLine, EndLine: c.EndLine,
			Metadata: yaml.Dump(results.Record("", c).Get("metadata"))}
		if c.Set != "" {
			at := set{c.Suite, c.Set}
			if sets[at] == 0 {
				sets[at] = c.ID
			}
			one.SetID = sets[at]
		}
		out.Cases = append(out.Cases, one)
	}
	return out, nil
}
