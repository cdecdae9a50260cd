package query

import (
	"slices"
	"strconv"
	"strings"

	"strata/events"
	"strata/projections/sql"
)

// Statement is SQL with the values that it names.
type Statement struct {
	SQL    string
	Values []Value
	Limits Limits
}

// Compile makes the statement that finds the rows of a query, the newest job first, with all columns
// that [Columns] names. The rows in omitted, named as [ItemID] does, are left out. An [*Error] says
// what is wrong with the query.
func Compile(q Query, viewer Viewer, omitted []events.QueryItem, page Page) (Statement, error) {
	q, _, err := q.Check()
	if err != nil {
		return Statement{}, err
	}
	c := compiler{entity: q.Entity, viewer: viewer}
	// Visibility stands first and beside all else, so that no clause can reach around it.
	where := c.visible()
	where = append(where, c.together(q.Conditions)...)
	for _, clause := range q.Clauses {
		where = append(where, c.clause(clause))
	}
	where = append(where, c.without(omitted)...)
	return c.statement(where, page, q.Limits()), nil
}

// CompileItems makes the statement that shows the rows which a refresh has kept, to a viewer.
func CompileItems(id events.QueryID, entity events.QueryEntity, refresh uint64, viewer Viewer, omitted []events.QueryItem, page Page) Statement {
	c := compiler{entity: entity, viewer: viewer}
	where := c.visible()
	where = append(where, c.kept(id, refresh))
	where = append(where, c.without(omitted)...)
	return c.statement(where, page, Limits{Rows: boundedRows})
}

// kept says of a row that a refresh has found it.
func (c *compiler) kept(id events.QueryID, refresh uint64) string {
	from := " FROM query_items WHERE query = " + c.values.bind("UInt64", uint64(id)) + " AND seq = " + c.values.bind("UInt64", refresh) + ")"
	return c.key() + " IN (SELECT " + map[events.QueryEntity]string{
		events.JobQuery: "job", events.SuiteQuery: "job, suite", events.CaseQuery: "job, result_seq, result_n"}[c.entity] + from
}

// Columns returns the columns of a statement about an entity, by their names in jobs, test_suites or
// test_cases.
func Columns(entity events.QueryEntity) []string {
	switch entity {
	case events.SuiteQuery:
		return strings.Fields("job suite cases passes failures skips unknowns first_at last_at")
	case events.CaseQuery:
		return strings.Fields("job suite set name result measurement units time line start_line end_line metadata seq n")
	}
	return strings.Fields(`job display user name state health submitted_at scheduled_at started_at ended_at device_type device worker
		priority tags public groups health_check error_type error metadata group_id parent role retried_as complete lines cases
		missing_lines failure_tags comment queue_timeout`)
}

// ItemID names a row: "42" a job, "42/0_smoke" a suite, "42/812.3" a case by its job, its sequence in
// RESULTS and its number within that message.
func ItemID(i events.QueryItem) string {
	switch {
	case i.Seq > 0:
		return i.Job.String() + "/" + strconv.FormatUint(i.Seq, 10) + "." + strconv.FormatUint(i.N, 10)
	case i.Suite != "":
		return i.Job.String() + "/" + i.Suite
	}
	return i.Job.String()
}

// ParseItem reads what [ItemID] writes. Of a case it does not know the suite.
func ParseItem(entity events.QueryEntity, id string) (events.QueryItem, bool) {
	job, rest, below := strings.Cut(id, "/")
	number, err := strconv.ParseUint(job, 10, 64)
	if err != nil || number == 0 || below == (entity == events.JobQuery) || below && rest == "" {
		return events.QueryItem{}, false
	}
	item := events.QueryItem{Job: events.JobID(number)}
	if entity == events.SuiteQuery {
		item.Suite = rest
	}
	if entity != events.CaseQuery {
		return item, true
	}
	first, second, _ := strings.Cut(rest, ".")
	seq, err := strconv.ParseUint(first, 10, 64)
	if err != nil || seq == 0 {
		return events.QueryItem{}, false
	}
	n, err := strconv.ParseUint(second, 10, 32)
	item.Seq, item.N = seq, n
	return item, err == nil
}

// compiler makes predicates on the rows of one entity: of jobs, test_suites or test_cases.
type compiler struct {
	entity events.QueryEntity
	viewer Viewer
	values values
}

// key is the columns that name a row.
func (c *compiler) key() string {
	switch c.entity {
	case events.SuiteQuery:
		return "(job, suite)"
	case events.CaseQuery:
		return "(job, seq, n)"
	}
	return "job"
}

// visible returns what holds of rows that the viewer may see, of jobs that are there.
func (c *compiler) visible() []string {
	if c.entity == events.JobQuery {
		return append(c.seen(), "NOT rejected", "NOT removed")
	}
	if c.viewer.All {
		// Jobs that are gone are few, and refused ones have no results.
		return []string{"job NOT IN (SELECT job FROM job_state WHERE removed > 0)"}
	}
	return []string{ofJobs(append(c.seen(), "NOT removed"))}
}

// seen is visibility as a predicate on jobs.
func (c *compiler) seen() []string {
	if c.viewer.All {
		return nil
	}
	return []string{sql.Seen(c.viewer, func(_, typ string, value any) string { return c.values.bind(typ, value) })}
}

// ofJobs says of a row that all of where holds of its job.
func ofJobs(where []string) string {
	holds := strings.Join(where, " AND ")
	return "job IN (SELECT job FROM " + sql.Jobs(holds) + " WHERE " + holds + ")"
}

// together returns what holds of rows for which all conditions do, those on suites and cases of one
// and the same.
func (c *compiler) together(conditions []events.QueryCondition) (where []string) {
	var jobs, suites, cases []events.QueryCondition
	for _, one := range conditions {
		switch one.Table {
		case Suites:
			suites = append(suites, one)
		case Cases:
			cases = append(cases, one)
		default:
			jobs = append(jobs, one)
		}
	}
	var narrow []string // what lies below the entity, to leave out most of its table before that is read
	if len(jobs) > 0 {
		where = c.tests(jobs)
		narrow = []string{ofJobs(where)}
		if c.entity != events.JobQuery {
			where = slices.Clone(narrow)
		}
	}
	// Where the entity has the columns itself, they are asked; else some row below it has to fit.
	switch {
	case c.entity == events.CaseQuery || c.entity == events.SuiteQuery && len(cases) == 0:
		return append(where, c.tests(append(suites, cases...))...)
	case len(cases) > 0:
		where = append(where, c.below("test_cases", append(suites, cases...), narrow))
	case len(suites) > 0:
		where = append(where, c.below("test_suite_counts", suites, narrow))
	}
	return where
}

// below says that a row of a table below the entity fits all conditions, among those of jobs that
// narrow lets through.
func (c *compiler) below(table string, conditions []events.QueryCondition, narrow []string) string {
	keys, left := "job", "job"
	if c.entity == events.SuiteQuery {
		keys, left = "job, suite", "(job, suite)"
	}
	tests := append(c.tests(conditions), narrow...)
	return left + " IN (SELECT " + keys + " FROM " + table + " WHERE " + strings.Join(tests, " AND ") + ")"
}

// tests writes conditions that were checked, each as a predicate on its column.
func (c *compiler) tests(conditions []events.QueryCondition) (where []string) {
	for _, one := range conditions {
		f, _ := lookup(one.Table, one.Field) // Check has found it
		test, _, _ := f.test(one, &c.values)
		where = append(where, test)
	}
	return where
}

// clause writes conditions that are joined otherwise than by "and".
func (c *compiler) clause(clause events.QueryClause) string {
	// Every predicate is 0 or 1 and never NULL, so NOT means what it says: all other rows.
	if clause.Match == events.MatchNot {
		return "NOT (" + strings.Join(c.together(clause.Conditions), " AND ") + ")"
	}
	var each []string
	for _, one := range clause.Conditions {
		each = append(each, "("+strings.Join(c.together([]events.QueryCondition{one}), " AND ")+")")
	}
	return "(" + strings.Join(each, " OR ") + ")"
}

// without leaves rows out by their names.
func (c *compiler) without(items []events.QueryItem) []string {
	if len(items) == 0 {
		return nil
	}
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = ItemID(item)
	}
	id := map[events.QueryEntity]string{events.JobQuery: "toString(job)", events.SuiteQuery: "concat(toString(job), '/', suite)",
		events.CaseQuery: "concat(toString(job), '/', toString(seq), '.', toString(n))"}[c.entity]
	return []string{id + " NOT IN " + c.values.bind("Array(String)", ids)}
}

// statement selects a page of the rows for which all of where holds.
func (c *compiler) statement(where []string, page Page, limits Limits) Statement {
	columns := strings.Join(Columns(c.entity), ", ")
	if len(where) == 0 {
		where = []string{"1"}
	}
	holds := strings.Join(where, " AND ")
	from, order := "test_cases", "job DESC, seq DESC, n DESC"
	switch c.entity {
	case events.JobQuery:
		from, order = sql.Jobs(holds), "job DESC"
	case events.SuiteQuery:
		from, order = "test_suites", "job DESC, suite"
	}
	// The order is that of the tables' keys read backwards, so a page of cases ends the reading.
	tail := " ORDER BY " + order
	if page.Limit > 0 {
		tail += " LIMIT " + c.values.bind("UInt64", uint64(page.Limit)) + " OFFSET " + c.values.bind("UInt64", uint64(max(0, page.Offset)))
	}
	switch {
	case c.entity == events.JobQuery && page.Limit > 0:
		// The numbers first, by the few columns that the conditions need; then whole rows of one page.
		holds, tail = "job IN (SELECT job FROM "+from+" WHERE "+holds+tail+")", " ORDER BY "+order
		from = sql.Jobs(columns)
	case c.entity == events.JobQuery:
		from = sql.Jobs(columns, holds)
	}
	return Statement{"SELECT " + columns + " FROM " + from + " WHERE " + holds + tail, c.values, limits}
}
