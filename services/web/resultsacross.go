package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/projections"
	"strata/projections/query"
)

// testHistory is what jobs had of one case, of cases.history: runs the newest first. Score is how often its result changed, as a
// share of the times it could have, 0 to 1. A shift is a job since which a measurement has another level; Worse is nil where
// nobody said which direction is good.
// Comparable is the job of a run. Flaky is what the score amounts to by the lab's rule (docs/judgement.md); AgedOut says that older
// runs have left the tables.
type testHistory struct {
	Runs []struct {
		projections.Comparable
		Result events.Outcome `json:"result"`
		Value  *float64       `json:"value"`
		Change string         `json:"change"`
	} `json:"runs"`
	Score  float64 `json:"score"`
	Flaky  bool    `json:"flaky"`
	Units  string  `json:"units"`
	Shifts []struct {
		Job    events.JobID `json:"job"`
		Before float64      `json:"before"`
		After  float64      `json:"after"`
		Worse  *bool        `json:"worse"`
	} `json:"shifts"`
	AgedOut *struct {
		Hint string `json:"hint"`
	} `json:"aged_out"`
}

// Passes counts the runs that passed.
// Skipped and unknown runs are neither passes nor failures.
func (h testHistory) Passes() (n int) {
	for _, r := range h.Runs {
		if r.Result == events.Pass {
			n++
		}
	}
	return n
}

// FailsSince is the job since which all newer ones fail, 0 where the newest does not.
// A run that was skipped ends the row as one that passed does.
func (h testHistory) FailsSince() (job uint64) {
	for _, r := range h.Runs {
		if r.Result != events.Fail {
			return job
		}
		job = r.Job
	}
	return job
}

// historyPage shows the history of one test case across jobs.
// Without a name of jobs or a device type all are meant, which mixes boards; the form has both.
func historyPage(q *request) (page, error) {
	asking := q.URL.Query()
	in := map[string]any{"suite": asking.Get("suite"), "set": asking.Get("set"), "case": asking.Get("case"), "name": asking.Get("name"),
		"device_type": asking.Get("device_type"), "limit": number(asking.Get("limit"))}
	data := map[string]any{"Ask": in}
	p := page{template: "history", data: data, crumbs: []crumb{{"Results", "/results/"}, {"History of a test", ""}}, help: "judgement", styles: []string{"results.css", "chart.css"}, scripts: []string{"chart.js"}}
	// With status 200: an empty form is no mistake.
	if asking.Get("suite") == "" || asking.Get("case") == "" {
		return p, nil // the form asks for what is missing
	}
	h, err := asked[testHistory](q, "cases.history", in)
	if err != nil {
		return page{}, err
	}
	data["History"], p.title = h, asking.Get("case")+" in "+asking.Get("suite")
	p.crumbs[1].Text = p.title
	// A case that only passes or fails has no chart: its row of marks says as much.
	if slices.ContainsFunc(h.Runs, func(r struct {
		projections.Comparable
		Result events.Outcome `json:"result"`
		Value  *float64       `json:"value"`
		Change string         `json:"change"`
	}) bool {
		return r.Value != nil
	}) {
		q.historyChart(data, asking)
	}
	return p, nil
}

// historyChart adds the chart of a case's measurements, where its names can be written into conditions.
// It is a chart as any query may have one, so it looks as those do.
func (q *request) historyChart(data map[string]any, asking url.Values) {
	conditions := []events.QueryCondition{{Table: query.Cases, Field: "name", Operator: "exact", Value: asking.Get("case")},
		{Table: query.Suites, Field: "name", Operator: "exact", Value: asking.Get("suite")}}
	if v := asking.Get("name"); v != "" {
		conditions = append(conditions, events.QueryCondition{Table: query.Jobs, Field: "description", Operator: "exact", Value: v})
	}
	if v := asking.Get("device_type"); v != "" {
		conditions = append(conditions, events.QueryCondition{Table: query.Jobs, Field: "requested_device_type", Operator: "exact", Value: v})
	}
	in := map[string]any{"title": asking.Get("case") + " in " + asking.Get("suite"), "entity": events.CaseQuery, "conditions": conditions, "settings": map[string]any{"chart_type": "measurement", "trend": true}}
	// The trend is drawn as a line through all points.
	d, err := asked[chartData](q, "charts.custom", in)
	if err != nil || len(d.Drawings) == 0 { // such as names that hold a comma, or tables that are away
		return // the table has the same
	}
	q.drawChart(d.Drawings[0], map[string]any{"custom": in})
	data["Picture"] = d.Drawings[0].Picture
}

// matrixColumn is a job in a matrix.
// It is the head of a column, with a link to the job's results.
type matrixColumn struct {
	Job       uint64
	Display   string
	State     string
	Health    string
	Device    string
	Submitted time.Time
}

// matrixRow is a case in a matrix, with one result a job.
// Results has one cell a column, in their order.
type matrixRow struct {
	Suite, Set, Name string
	Results          []matrixCell
	changes          int // of its result from job to job
	fails            int
}

// matrixCell is what a job had of a case.
// Value is nil without a measurement; Line is where the log tells of it, To the page of the case.
type matrixCell struct {
	Job    uint64
	Result string // "" where it has not run
	Value  *float64
	Units  string
	Line   uint64
	To     string
}

// Limits of a matrix. More columns than that nobody compares by eye.
const (
	// By ?limit= up to mostColumns.
	usualColumns = 10
	mostColumns  = 30
	// 2,000 by 30 are 60,000 cells, each an element that a browser has to lay out.
	mostRows = 2000
)

// matrixPage shows the cases of a suite in the latest jobs of one kind, side by side.
// It begins with a form alone: there is no kind of job that everybody means.
func matrixPage(q *request) (page, error) {
	asking := q.URL.Query()
	ask := map[string]string{}
	for _, name := range []string{"name", "device_type", "device", "suite", "jobs", "only"} {
		ask[name] = asking.Get(name)
	}
	n := number(asking.Get("limit"))
	if n == 0 {
		n = usualColumns
	}
	n = min(n, mostColumns)
	data := map[string]any{"Ask": ask, "Limit": n}
	p := page{template: "matrix", data: data, crumbs: []crumb{{"Results", "/results/"}, {"Matrix", ""}}, live: "job/", wide: true, styles: []string{"results.css"}}
	// Suite and "only" narrow what is shown, and choose no jobs.
	if ask["name"] == "" && ask["device_type"] == "" && ask["device"] == "" && ask["jobs"] == "" {
		return p, nil
	}
	columns, err := q.matrixColumns(ask, n)
	if err != nil || len(columns) == 0 {
		data["Empty"] = true
		return p, err
	}
	rows, cut, err := q.matrixRows(columns, ask["suite"])
	if err != nil {
		return page{}, err
	}
	if ask["only"] == "changed" {
		rows = slices.DeleteFunc(rows, func(r *matrixRow) bool { return r.changes == 0 })
	} else if ask["only"] == "failed" {
		rows = slices.DeleteFunc(rows, func(r *matrixRow) bool { return r.fails == 0 })
	}
	data["Columns"], data["Rows"], data["Cut"] = columns, rows, cut
	return p, nil
}

// matrixColumns finds the jobs of a matrix, the newest first.
// Names compare whole: jobs of one name on one type are what a matrix is good for.
func (q *request) matrixColumns(ask map[string]string, n int) ([]matrixColumn, error) {
	term := func(field string, values ...string) projections.JobTerm {
		return projections.JobTerm{Field: field, Op: projections.TermIn, Values: values}
	}
	// Jobs that run have no place beside others: most of their cases are still to come.
	in := jobSearch{Limit: n, Order: []projections.JobOrder{{Field: "id", Desc: true}}, Terms: []projections.JobTerm{term("state", "Finished")}}
	if ask["jobs"] != "" { // named jobs are shown however they stand
		numbers := strings.FieldsFunc(ask["jobs"], func(r rune) bool { return r == ',' || r == ' ' })
		var ids, parts []string
		for _, n := range numbers {
			switch whole, part := jobNumber(n); {
			case whole == "":
				return nil, &Refusal{Code: "invalid", Field: "jobs", Message: "jobs has " + strconv.Quote(n) + "; allowed are numbers of jobs with commas between, such as 12,14,17.1"}
			case part != "":
				parts = append(parts, whole+"."+part)
			default:
				ids = append(ids, whole)
			}
		}
		// A condition without values is none that the tables know.
		var either []projections.JobTerm
		if len(ids) > 0 {
			either = append(either, term("id", ids...))
		}
		if len(parts) > 0 {
			either = append(either, term("display", parts...))
		}
		in.Terms = []projections.JobTerm{{Any: either}}
		// Jobs that are named are all meant, as far as there are columns.
		in.Limit = mostColumns
	}
	for _, pair := range []pair{{"description", ask["name"]}, {"device_type", ask["device_type"]}, {"device", ask["device"]}} {
		if pair.Value != "" {
			in.Terms = append(in.Terms, term(pair.Name, pair.Value))
		}
	}
	found, err := findJobs(q, in)
	if err != nil {
		return nil, err
	}
	var columns []matrixColumn
	for _, j := range found.Jobs {
		columns = append(columns, matrixColumn{j.Job.Job, j.Display, j.State, j.Health, j.Device, j.SubmittedAt})
	}
	return columns, nil
}

// matrixRows finds the cases of the jobs and puts each case's results in the order of the columns.
// It asks page by page, as one answer carries at most a thousand rows; cut says that rows beyond [mostRows] are left out.
func (q *request) matrixRows(columns []matrixColumn, suite string) (rows []*matrixRow, cut bool, err error) {
	// The column of each job, by its number.
	at := map[uint64]int{}
	either := events.QueryClause{Match: events.MatchAny}
	for i, c := range columns {
		at[c.Job] = i
		either.Conditions = append(either.Conditions, events.QueryCondition{Table: query.Jobs, Field: "id", Operator: "exact", Value: strconv.FormatUint(c.Job, 10)})
	}
	// The pipeline's own suite is in every job and tells of the lab; it is shown to who names it.
	conditions := []events.QueryCondition{{Table: query.Suites, Field: "name", Operator: "ne", Value: "lava"}}
	if suite != "" {
		conditions = []events.QueryCondition{{Table: query.Suites, Field: "name", Operator: "exact", Value: suite}}
	}
	byName := map[[3]string]*matrixRow{}
	for offset := 0; ; {
		found, err := asked[queryRows](q, "queries.custom", map[string]any{"entity": events.CaseQuery, "conditions": conditions, "clauses": []events.QueryClause{either},
			"limit": 1000, "offset": offset})
		if err != nil {
			return nil, false, err
		}
		for _, c := range found.Cases {
			key := [3]string{c.Suite, c.Set, c.Name}
			row := byName[key]
			if row == nil {
				if len(byName) == mostRows {
					cut = true
					continue
				}
				row = &matrixRow{Suite: c.Suite, Set: c.Set, Name: c.Name, Results: make([]matrixCell, len(columns))}
				byName[key] = row
				rows = append(rows, row)
			}
			to := "/results/" + strconv.FormatUint(c.Job, 10) + "/" + url.PathEscape(c.Suite) + "/"
			if c.Set != "" { // else cases of that name in all sets are meant
				to += url.PathEscape(c.Set) + "/"
			}
			cell := matrixCell{c.Job, c.Result, c.Measurement, c.Units, c.Line, to + url.PathEscape(c.Name)}
			// Of several runs in one job the worst counts.
			if old := row.Results[at[c.Job]]; old.Result == "" || c.Result == string(events.Fail) {
				row.Results[at[c.Job]] = cell
			}
		}
		// The bound holds even if an answer said for ever that there was more.
		if offset += found.Rows(); !found.More || found.Rows() == 0 || offset > mostRows*mostColumns {
			break
		}
	}
	for _, row := range rows {
		// Columns go from the newest to the oldest, and so does this.
		last := "" // result in the newer job that had the case; a job without it is no change
		for _, cell := range row.Results {
			if cell.Result == string(events.Fail) {
				row.fails++
			}
			if cell.Result != "" && last != "" && cell.Result != last {
				row.changes++
			}
			if cell.Result != "" {
				last = cell.Result
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b *matrixRow) int {
		if c := strings.Compare(a.Suite, b.Suite); c != 0 {
			return c
		}
		return strings.Compare(a.Set+"\x00"+a.Name, b.Set+"\x00"+b.Name)
	})
	return rows, cut, nil
}
