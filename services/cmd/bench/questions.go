package main

import (
	"context"
	"time"

	"strata/events"
	"strata/projections"
	"strata/projections/query"
)

// question is one that is asked of the tables and, in SQL, of PostgreSQL.
// Both ask for the same rows; which those are is compared nowhere, so a change of one has to be made
// in the other.
type question struct {
	name string
	goal float64 // most milliseconds; 0: it is stated
	how  string
	here func(ctx context.Context, y *caseYear, v values) (rows int, err error)
	// there is the SQL, with psql's variables for the values. Jobs are those that bob may see.
	there string
}

// pageRows is how many rows a page shows.
const pageRows = 50

// bob is who asks; no job is his.
const bob = "bob"

// questions lists what is asked: the usual queries and charts of a LAVA, and the page of a job.
func questions() []question {
	const seen = `(j.is_public OR j.submitter_id = (SELECT id FROM auth_user WHERE username = 'bob')) `
	const points = `SELECT j.id, s.name, j.end_time, count(*) FILTER (WHERE c.result = 0), count(*) FILTER (WHERE c.result = 1),
		count(*) FILTER (WHERE c.result = 2), count(*) FILTER (WHERE c.result = 3) FROM testjob j JOIN testsuite s ON s.job_id = j.id
		JOIN testcase c ON c.suite_id = s.id WHERE ` + seen
	return []question{
		{"query: jobs by submitter and health", 100, "`testjob__submitter__exact`, `testjob__health__exact`; a page of 50,",
			rowsOf(events.JobQuery, func(v values) []events.QueryCondition {
				return []events.QueryCondition{{Table: query.Jobs, Field: "submitter", Operator: "exact", Value: string(v.user)}, {Table: query.Jobs, Field: "health", Operator: "exact", Value: "Incomplete"}}
			}),
			`SELECT j.* FROM testjob j JOIN auth_user u ON u.id = j.submitter_id WHERE u.username = :'user' AND j.health = 2 AND ` + seen + `ORDER BY j.id DESC LIMIT 50`},
		{"query: cases by part of name and job", 100, "`testcase__name__icontains`, `testjob__description__icontains`; a page of 50,",
			rowsOf(events.CaseQuery, func(v values) []events.QueryCondition {
				return []events.QueryCondition{{Table: query.Cases, Field: "name", Operator: "icontains", Value: v.word}, {Table: query.Jobs, Field: "description", Operator: "icontains", Value: v.name}}
			}),
			`SELECT c.* FROM testcase c JOIN testsuite s ON s.id = c.suite_id JOIN testjob j ON j.id = s.job_id
				WHERE upper(c.name) LIKE upper('%' || :'word' || '%') AND upper(j.description) LIKE upper('%' || :'name' || '%') AND ` + seen + `ORDER BY j.id DESC, c.id LIMIT 50`},
		{"query: failed cases by name", 100, "`testcase__name__exact`, `testcase__result__exact`; a page of 50,",
			rowsOf(events.CaseQuery, func(v values) []events.QueryCondition {
				return []events.QueryCondition{{Table: query.Cases, Field: "name", Operator: "exact", Value: v.test}, {Table: query.Cases, Field: "result", Operator: "exact", Value: "Test failed"}}
			}),
			`SELECT c.* FROM testcase c JOIN testsuite s ON s.id = c.suite_id JOIN testjob j ON j.id = s.job_id
				WHERE c.name = :'test' AND c.result = 1 AND ` + seen + `ORDER BY j.id DESC, c.id LIMIT 50`},
		{"query: jobs by metadata", 100, "`metadata__branch__exact`, `metadata__build__exact`; a page of 50,",
			rowsOf(events.JobQuery, func(v values) []events.QueryCondition {
				return []events.QueryCondition{{Table: query.Metadata, Field: "branch", Operator: "exact", Value: v.branch}, {Table: query.Metadata, Field: "build", Operator: "exact", Value: v.build}}
			}),
			`SELECT j.* FROM testjob j WHERE j.metadata->>'branch' = :'branch' AND j.metadata->>'build' = :'build' AND ` + seen + `ORDER BY j.id DESC LIMIT 50`},
		{"chart: pass/fail over 90 days", 100, "Jobs by `testjob__description__exact` that ended in 90 days, a point for each of their suites,",
			pointsOf(events.JobQuery, events.ChartPassFail, func(v values) []events.QueryCondition {
				return []events.QueryCondition{{Table: query.Jobs, Field: "description", Operator: "exact", Value: v.name}}
			}),
			points + `AND j.description = :'name' AND j.end_time >= :'from' AND j.end_time < :'from'::timestamptz + interval '90 days' GROUP BY j.id, s.id ORDER BY j.end_time`},
		{"chart: measurement over 90 days", 100, "Cases by `testcase__name__exact` that were reported in 90 days, a point each,",
			pointsOf(events.CaseQuery, events.ChartMeasurement, func(v values) []events.QueryCondition {
				return []events.QueryCondition{{Table: query.Cases, Field: "name", Operator: "exact", Value: v.test}}
			}),
			`SELECT j.id, s.name, c.id, c.name, c.logged, c.measurement, c.units, c.result FROM testcase c JOIN testsuite s ON s.id = c.suite_id
				JOIN testjob j ON j.id = s.job_id WHERE c.name = :'test' AND c.measurement IS NOT NULL AND c.logged >= :'from'
				AND c.logged < :'from'::timestamptz + interval '90 days' AND ` + seen + `ORDER BY c.logged`},
		{"job page data", 20, "The job as it stands, its steps and its suites with their counts, asked at once,", jobPage,
			`WITH suites AS (` + points + `AND j.id = :job GROUP BY j.id, s.id) SELECT j.*, u.username, x.* FROM testjob j
				JOIN auth_user u ON u.id = j.submitter_id LEFT JOIN suites x ON x.id = j.id WHERE j.id = :job`},
	}
}

// rowsOf asks a query for its first page.
func rowsOf(entity events.QueryEntity, where func(values) []events.QueryCondition) func(context.Context, *caseYear, values) (int, error) {
	return func(ctx context.Context, y *caseYear, v values) (int, error) {
		s, err := query.Compile(query.Query{Entity: entity, Conditions: where(v)}, query.Viewer{User: bob}, nil, query.Page{Limit: pageRows})
		if err != nil {
			return 0, err
		}
		found, err := y.db.SelectPage(ctx, entity, s, projections.Bounds{})
		return found.Len(), err
	}
}

// pointsOf asks for the points of a chart.
func pointsOf(entity events.QueryEntity, of events.ChartType, where func(values) []events.QueryCondition) func(context.Context, *caseYear, values) (int, error) {
	return func(ctx context.Context, y *caseYear, v values) (rows int, err error) {
		since, err := time.Parse(time.DateTime, v.from)
		if err != nil {
			return 0, err
		}
		s, err := query.CompilePlot(query.Query{Entity: entity, Conditions: where(v)}, query.Viewer{User: bob}, nil,
			query.Plot{Type: of, Since: since, Until: since.AddDate(0, 0, 90)})
		if err != nil {
			return 0, err
		}
		err = y.db.Plot(ctx, s, projections.Bounds{}, func(projections.PlotPoint) error { rows++; return nil })
		return rows, err
	}
}

// jobPage asks for what the page of a job shows.
// It returns the number of its rows, as the others do.
func jobPage(ctx context.Context, y *caseYear, v values) (int, error) {
	page, err := y.db.JobPage(ctx, v.job)
	return 1 + len(page.Steps) + len(page.Suites), err
}
