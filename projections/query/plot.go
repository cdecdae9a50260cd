package query

import (
	"strings"
	"time"

	"strata/events"
	"strata/projections/sql"
)

// Plot says which points a chart wants of the rows of a query.
type Plot struct {
	Type         events.ChartType
	XAxis        string    // metadata key of the job that points stand over; empty is the date
	GroupBy      string    // metadata key of the job that tells series apart; empty does not
	Attributes   []string  // of type attributes: metadata keys, of jobs where the query finds these, else of cases
	Since, Until time.Time // of the points' dates, to the second; zero is open
	Limit        int       // the newest so many points, the newest first; 0 is all, the oldest first
}

// CompilePlot makes the statement that finds the points of a query for a chart. Its columns are those
// of projections.PlotPoint. Each point is dated by its job's end, so that jobs which go on have none;
// of a query that finds cases, by the time at which the case was reported.
func CompilePlot(q Query, viewer Viewer, omitted []events.QueryItem, plot Plot) (Statement, error) {
	q, _, err := q.Check()
	if err != nil {
		return Statement{}, err
	}
	if err := plot.Check(q.Entity); err != nil {
		return Statement{}, err
	}
	c := compiler{entity: q.Entity, viewer: viewer}
	where := c.visible()
	// Those of time come last: a clause cannot reach around them either.
	q.Conditions = append(q.Conditions[:len(q.Conditions):len(q.Conditions)], plot.dates(q.Entity)...)
	where = append(where, c.together(q.Conditions)...)
	for _, clause := range q.Clauses {
		where = append(where, c.clause(clause))
	}
	where = append(where, c.without(omitted)...)
	return c.plot(where, plot, q.limits(q.Entity == events.CaseQuery || plot.Type != events.ChartPassFail)), nil
}

// CompilePlotItems makes the statement that finds the points of the rows which a refresh has kept.
func CompilePlotItems(id events.QueryID, entity events.QueryEntity, refresh uint64, viewer Viewer, omitted []events.QueryItem, plot Plot) (Statement, error) {
	if err := plot.Check(entity); err != nil {
		return Statement{}, err
	}
	c := compiler{entity: entity, viewer: viewer}
	where := append(c.visible(), c.kept(id, refresh))
	where = append(where, c.together(plot.dates(entity))...)
	where = append(where, c.without(omitted)...)
	return c.plot(where, plot, Limits{Rows: boundedRows}), nil
}

// Check refuses a plot that means nothing for the rows of an entity.
func (p Plot) Check(entity events.QueryEntity) error {
	switch p.Type {
	case events.ChartPassFail:
		if entity == events.CaseQuery {
			return wrong(BadShape, "Pass/fail is incorrect value for 'chart_type' with TestCase based queries.")
		}
	case events.ChartMeasurement:
	case events.ChartAttributes:
		if len(p.Attributes) == 0 {
			return wrong(BadShape, "attributes is empty: a chart of attributes names the metadata keys whose numbers it draws")
		}
	default:
		return wrong(BadShape, "chart_type is %q; allowed are pass/fail, measurement and attributes", p.Type)
	}
	return nil
}

// dates are the plot's times as conditions, so that they narrow jobs as those of queries do.
func (p Plot) dates(entity events.QueryEntity) (list []events.QueryCondition) {
	table, field := Jobs, "end_time"
	if entity == events.CaseQuery {
		table, field = Cases, "logged"
	}
	for operator, at := range map[string]time.Time{gte: p.Since, lt: p.Until} {
		if !at.IsZero() {
			list = append(list, events.QueryCondition{Table: table, Field: field, Operator: operator, Value: at.UTC().Format("2006-01-02 15:04:05")})
		}
	}
	if len(list) == 2 && list[0].Operator == lt {
		list[0], list[1] = list[1], list[0] // a statement does not hang on the order of a map
	}
	return list
}

// measured is test_cases with what was measured alone, sorted by names: all of one case is one run of rows.
const measured = "(SELECT job, suite, set, name, result, value AS measurement, units, time, seq, n FROM measurements)"

// Columns of a plot's inner statement, where it has none of its own.
const (
	noName   = "'' AS set, '' AS name, '' AS key, "
	noItem   = "toUInt64(0) AS seq, toUInt32(0) AS n, "
	noCounts = "toUInt64(0) AS passes, toUInt64(0) AS failures, toUInt64(0) AS skips, toUInt64(0) AS unknowns"
	noTime   = ", toDateTime64(0, 6, 'UTC') AS time"
)

// plot wraps the statement that finds the values into one that dates and orders them.
func (c *compiler) plot(where []string, p Plot, limits Limits) Statement {
	if len(where) == 0 {
		where = []string{"1"}
	}
	holds := strings.Join(where, " AND ")
	from := map[events.QueryEntity]string{events.JobQuery: sql.Jobs(holds), events.SuiteQuery: "test_suites", events.CaseQuery: "test_cases"}[c.entity]
	if c.entity == events.CaseQuery && p.Type == events.ChartMeasurement {
		from = measured
	}
	if p.Type == events.ChartAttributes {
		p.XAxis = ""
	}
	order, tail := "at, job, suite, seq, n, key", ""
	if p.Limit > 0 {
		order = "at DESC, job DESC, suite DESC, seq DESC, n DESC, key DESC"
		tail = " LIMIT " + c.values.bind("UInt64", uint64(p.Limit))
	}
	tail = " ORDER BY " + order + tail
	const columns = "job, suite, set, name, key, seq, n, value, units, pass, passes, failures, skips, unknowns"
	values := c.points(from, holds, p)
	if c.entity == events.CaseQuery && p.XAxis == "" && p.GroupBy == "" {
		return Statement{"SELECT " + columns + ", time AS at, '' AS attribute, '' AS series FROM (" + values + ")" + tail, c.values, limits}
	}
	at, jobs := "time", "job IN (SELECT job FROM "+from+" WHERE "+holds+")"
	switch c.entity {
	case events.JobQuery:
		at, jobs = "ended", holds+" AND ended_at IS NOT NULL"
	case events.SuiteQuery:
		// Which suites are meant is costly to find, and is found above already; jobs of the time are enough.
		at, jobs = "ended", strings.Join(append(c.tests(p.dates(c.entity)), "ended_at IS NOT NULL"), " AND ")
	}
	// What a long value of metadata says at its end is not what a reader of an axis looks for.
	attribute, series := "''", "''"
	if p.XAxis != "" {
		key := c.values.bind("String", p.XAxis)
		jobs += " AND mapContains(metadata, " + key + ")"
		attribute = "substringUTF8(metadata[" + key + "], 1, 200)"
	}
	if p.GroupBy != "" {
		series = "substringUTF8(metadata[" + c.values.bind("String", p.GroupBy) + "], 1, 200)"
	}
	return Statement{"SELECT " + columns + ", " + at + " AS at, attribute, series FROM (" + values + ") AS v" +
		" INNER JOIN (SELECT job, assumeNotNull(ended_at) AS ended, " + attribute + " AS attribute, " + series + " AS series FROM " + sql.Jobs(jobs, "ended_at metadata") + " WHERE " + jobs +
		") AS j USING (job)" + tail, c.values, limits}
}

// points finds the values of a plot among the rows of from for which holds does.
func (c *compiler) points(from, holds string, p Plot) string {
	of := " IN (SELECT job FROM " + from + " WHERE " + holds + ")"
	const counts = "passes, failures, skips, unknowns"
	switch p.Type {
	case events.ChartPassFail:
		head := "SELECT job, suite, " + noName + noItem + "toFloat64(passes) AS value, '' AS units, failures = 0 AS pass, " + counts + noTime + " FROM test_suites WHERE "
		if c.entity == events.JobQuery {
			return head + "job" + of
		}
		return head + holds
	case events.ChartMeasurement:
		if c.entity == events.JobQuery {
			return "SELECT job, suite, " + noName + noItem + "avg(measurement) AS value, anyIf(test_cases.units, measurement IS NOT NULL) AS units, " +
				"countIf(result = 'fail') = 0 AS pass, " + noCounts + noTime + " FROM test_cases WHERE job" + of + " GROUP BY job, suite HAVING count(measurement) > 0"
		}
		head := "SELECT job, suite, set, name, '' AS key, seq, n, assumeNotNull(measurement) AS value, units, result = 'pass' AS pass, " + noCounts + ", time FROM "
		if c.entity == events.SuiteQuery {
			return head + "test_cases WHERE (job, suite) IN (SELECT job, suite FROM " + from + " WHERE " + holds + ") AND measurement IS NOT NULL"
		}
		return head + from + " WHERE " + holds
	}
	keys := " ARRAY JOIN " + c.values.bind("Array(String)", p.Attributes) + " AS key WHERE "
	const numeric = "isFinite(ifNull(toFloat64OrNull(metadata[key]), inf))"
	const value = "assumeNotNull(toFloat64OrNull(metadata[key])) AS value, '' AS units, "
	switch c.entity {
	case events.JobQuery:
		return "SELECT job, '' AS suite, '' AS set, '' AS name, key, " + noItem + value + "health = 'Complete' AS pass, " + noCounts + noTime + " FROM " + sql.Jobs(holds, "metadata health") + keys + holds + " AND " + numeric
	case events.SuiteQuery:
		// The first case of the suite that has the key.
		return "SELECT job, suite, set, name, key, seq, n, " + value + "result = 'pass' AS pass, " + noCounts + ", time FROM (SELECT *, key FROM test_cases" + keys +
			"(job, suite) IN (SELECT job, suite FROM " + from + " WHERE " + holds + ") AND mapContains(metadata, key) ORDER BY job, seq, n LIMIT 1 BY job, suite, key) WHERE " + numeric
	}
	return "SELECT job, suite, set, name, key, seq, n, " + value + "result = 'pass' AS pass, " + noCounts + ", time FROM test_cases" + keys + holds + " AND " + numeric
}
