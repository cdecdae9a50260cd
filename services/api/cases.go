package api

import (
	"context"
	"time"

	"strata/events"
	"strata/schemas/results"
	"strata/schemas/yaml"
)

// CasesRequest asks for a job's suites and cases.
type CasesRequest struct {
	Job    events.JobID `json:"job"`
	Whole  bool         `json:"whole,omitempty"`  // as of [JobRequest]
	Suites bool         `json:"suites,omitempty"` // for the suites alone
	Suite  string       `json:"suite,omitempty"`  // for the cases of one suite
	Case   uint64       `json:"case,omitempty"`   // for the case of that number
}

// Cases answers CasesRequest, with numbers of suites and cases.
type Cases struct {
	Job    events.JobID   `json:"job"`
	Suites []JobSuite     `json:"suites"` // all of them, in the order in which they began
	Cases  []NumberedCase `json:"cases"`  // those that were asked for, suite by suite; together at most 64 MiB
}

// JobSuite is a suite of a job. Its number is that of its first case.
// A suite has no fact of its own, and begins with its first case.
type JobSuite struct {
	ID    uint64 `json:"id"`
	Name  string `json:"name"`
	Cases int    `json:"cases"` // how many it has
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

// maxAnswer is how many bytes an answer of jobs.cases and of jobs.texts may have, as they are in memory at once.
// Far more than a job's cases or a page of texts usually are.
const maxAnswer = 64 << 20

// size is about what a case costs in memory and in JSON.
func (c *NumberedCase) size() int {
	return 300 + len(c.Suite) + len(c.Set) + len(c.Name) + len(c.Units) + len(c.Metadata)
}

// jobCases answers with cases that were recorded so far.
// It reads facts, not tables: REST's suites/ and tests/ of a job have to show a case as soon as it was recorded. What is
// more than maxAnswer is [Invalid] and not cut off, as its caller could not tell; results.export has no such bound.
func (a *api) jobCases(ctx context.Context, who caller, in CasesRequest) (Cases, error) {
	row, err := a.jobRow(ctx, who, JobRequest{Job: in.Job, Whole: in.Whole})
	if err != nil {
		return Cases{}, err
	}
	id := in.Job
	if in.Whole && row.RetriedAs != 0 {
		id = events.JobID(row.RetriedAs)
	}
	e := caseFile{a: a, ctx: ctx, job: id, in: ResultsExport{Suite: in.Suite}}
	if err := e.survey(); err != nil {
		return Cases{}, err
	}
	out := Cases{Job: in.Job, Suites: []JobSuite{}, Cases: []NumberedCase{}}
	for _, s := range e.suites {
		out.Suites = append(out.Suites, JobSuite{e.of[s].first, s, e.of[s].cases})
	}
	if !in.Suites {
		out.Cases, err = in.pick(maxAnswer, &e)
	}
	return out, err
}

// pick returns the cases that are asked for, of a file that was surveyed, in so many bytes.
func (in CasesRequest) pick(room int, e *caseFile) ([]NumberedCase, error) {
	// A set has no number of its own in facts; its first case's is as stable.
	type set struct{ suite, name string }
	sets := map[set]uint64{}
	picked, bytes := []NumberedCase{}, 0
	for c, err := range e.all() {
		if err != nil {
			return nil, err
		}
		at := set{c.Suite, c.Set}
		if c.Set != "" && sets[at] == 0 {
			sets[at] = c.ID
		}
		if in.Case != 0 && c.ID != in.Case {
			continue
		}
		one := NumberedCase{ID: c.ID, SuiteID: e.of[c.Suite].first, Suite: c.Suite, Set: c.Set, SetID: sets[at], Name: c.Name, Result: c.Result,
			Measurement: c.Measurement, Units: c.Units, Logged: c.Logged, StartLine: c.StartLine, EndLine: c.EndLine,
			Metadata: yaml.Dump(results.Record("", c).Get("metadata"))}
		if bytes += one.size(); bytes > room {
			return nil, refuse(Invalid, "the cases of job %d have more than %d MiB: ask for those of one suite, or for a file of its results", in.Job, room>>20)
		}
		picked = append(picked, one)
	}
	return picked, nil
}
