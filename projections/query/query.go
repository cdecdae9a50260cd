package query

import (
	"fmt"
	"strings"

	"strata/events"
	"strata/events/lab"
)

// maxConditions bounds a query, clauses included: each may cost the engine a table.
const maxConditions = 50

// maxBytes bounds a field's name and a value.
const maxBytes = 1024

// Query says which rows are wanted.
type Query struct {
	Entity     events.QueryEntity      `json:"entity"`
	Conditions []events.QueryCondition `json:"conditions,omitempty"` // all of them hold
	Clauses    []events.QueryClause    `json:"clauses,omitempty"`    // and all of these
}

// Of returns the query that was saved.
func Of(saved events.QuerySaved) Query { return Query{saved.Entity, saved.Conditions, saved.Clauses} }

// Viewer is for whom a query runs: the rows are those of jobs that he may see. It says in data what
// lab.Can says of one job; a test of services/api holds the two together.
type Viewer = lab.Sight

// Page is which of the rows are wanted.
type Page struct {
	Limit  int // 0: all
	Offset int
}

// Check returns the query with tables written in one way, or an [*Error] that says what is wrong with
// it, and warnings: what is allowed and yet hardly meant, such as a word that its field never has.
func (q Query) Check() (Query, []string, error) {
	entity, ok := table(string(q.Entity))
	if !ok || entity == Metadata {
		return q, nil, wrong(UnknownEntity, "entity is %q; a query finds testjob, testsuite or testcase", q.Entity)
	}
	out := Query{Entity: events.QueryEntity(entity)}
	var warnings []string
	number := 0
	check := func(list []events.QueryCondition) (checked []events.QueryCondition, err error) {
		for _, c := range list {
			number++
			c, warning, err := checkCondition(c)
			if err != nil {
				err.Condition = number
				return nil, err
			}
			if warning != "" {
				warnings = append(warnings, fmt.Sprintf("condition %d: %s", number, warning))
			}
			checked = append(checked, c)
		}
		return checked, nil
	}
	var err error
	if out.Conditions, err = check(q.Conditions); err != nil {
		return q, nil, err
	}
	for i, clause := range q.Clauses {
		if clause.Match != events.MatchAny && clause.Match != events.MatchNot {
			return q, nil, wrong(BadShape, "clause %d joins its conditions by %q; allowed are any and not", i+1, clause.Match)
		}
		if len(clause.Conditions) == 0 {
			return q, nil, wrong(BadShape, "clause %d has no conditions", i+1)
		}
		if clause.Conditions, err = check(clause.Conditions); err != nil {
			return q, nil, err
		}
		out.Clauses = append(out.Clauses, clause)
	}
	if number > maxConditions {
		return q, nil, wrong(BadShape, "the query has %d conditions; allowed are %d", number, maxConditions)
	}
	return out, warnings, nil
}

func checkCondition(c events.QueryCondition) (events.QueryCondition, string, *Error) {
	known, ok := table(c.Table)
	if !ok {
		return c, "", wrong(UnknownTable, "there is no table %q; there are testjob, testsuite, testcase and metadata", c.Table)
	}
	c.Table = known
	for what, s := range map[string]string{"field": c.Field, "value": c.Value} {
		if len(s) > maxBytes {
			return c, "", wrong(BadValue, "the %s has %d bytes; allowed are %d", what, len(s), maxBytes)
		}
	}
	f, err := lookup(c.Table, c.Field)
	if err != nil {
		return c, "", err
	}
	if err := f.takes(c.Operator); err != nil {
		return c, "", err
	}
	_, warning, err := f.test(c, &values{})
	return c, warning, err
}

// all goes through every condition of the query.
func (q Query) all() (list []events.QueryCondition) {
	list = append(list, q.Conditions...)
	for _, c := range q.Clauses {
		list = append(list, c.Conditions...)
	}
	return list
}

// Limits are how much a query may read.
type Limits struct {
	Rows uint64 // of all tables together
	Hint string // what to add where that is too little
}

// How many rows a query may read: enough for a year of a large lab where it says which part of the
// lab it is about, and where it does not, for one of ten million cases.
const (
	boundedRows   = 400_000_000
	unboundedRows = 40_000_000
)

// Limits returns how much the query may read. One that looks into test cases is bounded where it
// says which: jobs of somebody, of a device or device type, of a time or with some metadata, or a
// case by its name. The engine counts before it reads, so what is refused has cost nothing.
func (q Query) Limits() Limits { return q.limits(q.Entity == events.CaseQuery) }

// limits is Limits where cases says whether test cases are read, whatever the conditions are about.
func (q Query) limits(cases bool) Limits {
	for _, c := range q.all() {
		cases = cases || c.Table == Cases
	}
	bounded := !cases
	for _, c := range q.Conditions {
		bounded = bounded || narrows(c)
	}
	if bounded {
		return Limits{boundedRows, "narrow it further, best by time: testjob__submit_time__gt__2026-11-01 00:00:00"}
	}
	return Limits{unboundedRows, "say which jobs or cases are meant, by one of testjob__submit_time__gt__2026-11-01 00:00:00, " +
		"testjob__requested_device_type__exact__TYPE, testjob__submitter__exact__USER, testcase__name__exact__NAME"}
}

// narrows says that a condition leaves a small part of the lab.
func narrows(c events.QueryCondition) bool {
	switch c.Operator {
	case ne, icontains, contains, regex, iregex, iendswith, endswith:
		return false
	}
	switch c.Table {
	case Metadata:
		return c.Operator == exact || c.Operator == iexact
	case Jobs:
		switch c.Field {
		case "submitter", "actual_device", "requested_device_type", "description", "worker":
			return true
		case "id", "start_time", "end_time", "submit_time":
			return c.Operator != lt && c.Operator != lte
		}
	case Cases:
		return c.Field == "name" && c.Operator == exact
	}
	return false
}

// String writes the query for people, a condition after the other.
func (q Query) String() string {
	var parts []string
	for _, c := range q.Conditions {
		parts = append(parts, phrase(c))
	}
	for _, clause := range q.Clauses {
		var each []string
		for _, c := range clause.Conditions {
			each = append(each, phrase(c))
		}
		if clause.Match == events.MatchAny {
			parts = append(parts, "("+strings.Join(each, " or ")+")")
		} else {
			parts = append(parts, "not ("+strings.Join(each, " and ")+")")
		}
	}
	if len(parts) == 0 {
		return "all of " + string(q.Entity)
	}
	return string(q.Entity) + " where " + strings.Join(parts, " and ")
}

// phrase says a condition as people do: job health is "Incomplete".
func phrase(c events.QueryCondition) string {
	subject := map[string]string{Jobs: "job", Suites: "suite", Cases: "case", Metadata: "metadata"}[c.Table] + " " + strings.ReplaceAll(c.Field, "_", " ")
	if c.Table == Metadata {
		subject = "metadata " + c.Field // a key of the job, whose underscores are its own
	}
	says, folded := map[string]string{exact: "is", iexact: "is", ne: "is not", contains: "contains", icontains: "contains", gt: "is over", lt: "is under",
		gte: "is at least", lte: "is at most", startswith: "begins with", istartswith: "begins with", endswith: "ends with", iendswith: "ends with",
		regex: "matches", iregex: "matches"}[c.Operator], ""
	if strings.HasPrefix(c.Operator, "i") {
		folded = " in any case"
	}
	if strings.HasSuffix(c.Field, "_time") {
		says = strings.NewReplacer("is over", "is after", "is under", "is before").Replace(says)
	}
	return fmt.Sprintf("%s %s %q%s", subject, says, c.Value, folded)
}
