package projections

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
)

// suiteRow is a row of test_suite_counts: what one stretch of results adds to a suite.
type suiteRow struct {
	Job      uint64    `ch:"job"`
	Suite    string    `ch:"suite"`
	FirstSeq uint64    `ch:"first_seq"`
	Passes   uint64    `ch:"passes"`
	Failures uint64    `ch:"failures"`
	Skips    uint64    `ch:"skips"`
	Unknowns uint64    `ch:"unknowns"`
	FirstAt  time.Time `ch:"first_at"`
	LastAt   time.Time `ch:"last_at"`
}

func suiteRows(f fact) []suiteRow {
	e, ok := f.Event.(events.ResultsRecorded)
	if !ok {
		return nil
	}
	suites := map[string]*suiteRow{}
	var r *suiteRow // of the case before, which most share
	for i := range e.Cases {
		c := &e.Cases[i]
		if r == nil || r.Suite != c.Suite {
			r = suites[c.Suite]
		}
		if r == nil {
			r = &suiteRow{Job: uint64(e.Job), Suite: c.Suite, FirstSeq: f.Seq, FirstAt: utc(c.At), LastAt: utc(c.At)}
			suites[c.Suite] = r
		}
		count(c.Result, &r.Passes, &r.Failures, &r.Skips, &r.Unknowns)
		if at := utc(c.At); at.Before(r.FirstAt) {
			r.FirstAt = at
		} else if at.After(r.LastAt) {
			r.LastAt = at
		}
	}
	rows := make([]suiteRow, 0, len(suites))
	for _, name := range slices.Sorted(maps.Keys(suites)) {
		rows = append(rows, *suites[name])
	}
	return rows
}

// setRow is a row of test_set_counts: what one stretch of results adds to a set.
type setRow struct {
	Job      uint64 `ch:"job"`
	Suite    string `ch:"suite"`
	Set      string `ch:"set"`
	FirstSeq uint64 `ch:"first_seq"`
	Passes   uint64 `ch:"passes"`
	Failures uint64 `ch:"failures"`
	Skips    uint64 `ch:"skips"`
	Unknowns uint64 `ch:"unknowns"`
}

func setRows(f fact) []setRow {
	e, ok := f.Event.(events.ResultsRecorded)
	if !ok {
		return nil
	}
	type name struct{ suite, set string }
	sets := map[name]*setRow{}
	var r *setRow // of the case before
	for i := range e.Cases {
		c := &e.Cases[i]
		if c.Set == "" {
			continue
		}
		if r == nil || r.Set != c.Set || r.Suite != c.Suite {
			r = sets[name{c.Suite, c.Set}]
		}
		if r == nil {
			r = &setRow{Job: uint64(e.Job), Suite: c.Suite, Set: c.Set, FirstSeq: f.Seq}
			sets[name{c.Suite, c.Set}] = r
		}
		count(c.Result, &r.Passes, &r.Failures, &r.Skips, &r.Unknowns)
	}
	rows := make([]setRow, 0, len(sets))
	for _, r := range sets {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b setRow) int {
		return cmp.Or(cmp.Compare(a.Suite, b.Suite), cmp.Compare(a.Set, b.Set))
	})
	return rows
}

// count adds one case to the counter of its outcome.
func count(result events.Outcome, passes, failures, skips, unknowns *uint64) {
	switch result {
	case events.Pass:
		*passes++
	case events.Fail:
		*failures++
	case events.Skip:
		*skips++
	default:
		*unknowns++
	}
}

// caseRow is a row of test_cases.
type caseRow struct {
	Job         uint64         `ch:"job"`
	Suite       string         `ch:"suite"`
	Set         string         `ch:"set"`
	Name        string         `ch:"name"`
	Result      string         `ch:"result"`
	Measurement *float64       `ch:"measurement"`
	Units       string         `ch:"units"`
	Time        time.Time      `ch:"time"`
	Line        uint64         `ch:"line"`
	StartLine   *uint64        `ch:"start_line"`
	EndLine     *uint64        `ch:"end_line"`
	Metadata    sorted[string] `ch:"metadata"`
	Seq         uint64         `ch:"seq"`
	N           uint32         `ch:"n"`
}

func caseRows(f fact) []caseRow {
	e, ok := f.Event.(events.ResultsRecorded)
	if !ok {
		return nil
	}
	rows := make([]caseRow, len(e.Cases))
	for i := range e.Cases {
		c := &e.Cases[i]
		rows[i] = caseRow{
			Job: uint64(e.Job), Suite: c.Suite, Set: c.Set, Name: c.Name, Result: outcome(c.Result),
			Measurement: c.Measurement, Units: c.Units, Time: utc(c.At), Line: c.Line,
			StartLine: c.StartLine, EndLine: c.EndLine, Metadata: sorted[string](c.Metadata), Seq: f.Seq, N: uint32(i),
		}
	}
	return rows
}

// outcome is a result as the tables' enumeration has it.
func outcome(result events.Outcome) string {
	switch result {
	case events.Pass, events.Fail, events.Skip:
		return string(result)
	default:
		return string(events.UnknownOutcome)
	}
}

// measurementRow is a row of measurements.
type measurementRow struct {
	Suite  string    `ch:"suite"`
	Set    string    `ch:"set"`
	Name   string    `ch:"name"`
	Job    uint64    `ch:"job"`
	Value  float64   `ch:"value"`
	Units  string    `ch:"units"`
	Result string    `ch:"result"`
	Time   time.Time `ch:"time"`
	Seq    uint64    `ch:"seq"`
	N      uint32    `ch:"n"`
}

func measurementRows(f fact) []measurementRow {
	e, ok := f.Event.(events.ResultsRecorded)
	if !ok {
		return nil
	}
	var rows []measurementRow
	for i := range e.Cases {
		c := &e.Cases[i]
		if c.Measurement == nil {
			continue
		}
		rows = append(rows, measurementRow{
			Suite: c.Suite, Set: c.Set, Name: c.Name, Job: uint64(e.Job), Value: *c.Measurement, Units: c.Units,
			Result: outcome(c.Result), Time: utc(c.At), Seq: f.Seq, N: uint32(i),
		})
	}
	return rows
}

// Suite is a test suite of a job with its counts, as the view test_suites has it.
type Suite struct {
	Suite    string    `ch:"suite" json:"suite"`
	Cases    uint64    `ch:"cases" json:"cases"`
	Passes   uint64    `ch:"passes" json:"passes"`
	Failures uint64    `ch:"failures" json:"failures"`
	Skips    uint64    `ch:"skips" json:"skips"`
	Unknowns uint64    `ch:"unknowns" json:"unknowns"`
	FirstAt  time.Time `ch:"first_at" json:"first_at"`
	LastAt   time.Time `ch:"last_at" json:"last_at"`
}

// Suites lists a job's test suites in the order in which they began.
func (db *DB) Suites(ctx context.Context, job events.JobID) ([]Suite, error) {
	list, err := all[Suite](ctx, db, "SELECT "+strings.Join(columns[Suite](), ", ")+
		" FROM test_suites WHERE job = {job:UInt64} ORDER BY first_seq, suite", clickhouse.Named("job", uint64(job)))
	if err != nil {
		return nil, fmt.Errorf("list the suites of job %d: %w", job, err)
	}
	return list, nil
}

// Case is a test case, as the table test_cases has it.
type Case struct {
	Job         uint64            `ch:"job" json:"job"`
	Suite       string            `ch:"suite" json:"suite"`
	Set         string            `ch:"set" json:"set,omitempty"`
	Name        string            `ch:"name" json:"name"`
	Result      string            `ch:"result" json:"result"`
	Measurement *float64          `ch:"measurement" json:"measurement,omitempty"`
	Units       string            `ch:"units" json:"units,omitempty"`
	Time        time.Time         `ch:"time" json:"time"`
	Line        uint64            `ch:"line" json:"line"`
	StartLine   *uint64           `ch:"start_line" json:"start_line,omitempty"`
	EndLine     *uint64           `ch:"end_line" json:"end_line,omitempty"`
	Metadata    map[string]string `ch:"metadata" json:"metadata,omitempty"`
	Seq         uint64            `ch:"seq" json:"seq"` // with N, the case's place among all
	N           uint32            `ch:"n" json:"n"`
}

// CaseFilter says which cases are wanted; an empty field wants any.
type CaseFilter struct {
	Job     events.JobID
	Suite   string
	Set     string
	Name    string
	Results []string // one of them
	After   *Case    // the last one of the page before
	Limit   int      // of a page; 0 is 50, at most 10,000
}

// Cases lists test cases in the order in which they were recorded.
func (db *DB) Cases(ctx context.Context, f CaseFilter) ([]Case, error) {
	where, values := []string{"1"}, []any{clickhouse.Named("limit", limit(f.Limit))}
	bind := func(wanted bool, condition, name string, value any) {
		if wanted {
			where = append(where, condition)
			values = append(values, clickhouse.Named(name, value))
		}
	}
	bind(f.Job != 0, "job = {job:UInt64}", "job", uint64(f.Job))
	bind(f.Suite != "", "suite = {suite:String}", "suite", f.Suite)
	bind(f.Set != "", "set = {set:String}", "set", f.Set)
	bind(f.Name != "", "name = {name:String}", "name", f.Name)
	bind(len(f.Results) > 0, "toString(result) IN {results:Array(String)}", "results", f.Results)
	if f.After != nil {
		bind(true, "(seq, n) > ({seq:UInt64}, {n:UInt32})", "seq", f.After.Seq)
		values = append(values, clickhouse.Named("n", f.After.N))
	}
	list, err := all[Case](ctx, db, "SELECT "+strings.Join(columns[Case](), ", ")+
		" FROM test_cases WHERE "+strings.Join(where, " AND ")+" ORDER BY seq, n LIMIT {limit:UInt64}", values...)
	if err != nil {
		return nil, fmt.Errorf("list test cases: %w", err)
	}
	return list, nil
}
