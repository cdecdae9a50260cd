package query

import (
	"slices"
	"strings"

	"strata/events"
)

// Tables that conditions speak of. The first three are entities too.
const (
	Jobs     = string(events.JobQuery)
	Suites   = string(events.SuiteQuery)
	Cases    = string(events.CaseQuery)
	Metadata = "metadata"
	// lavaMetadata is how LAVA's addresses and saved queries call Metadata.
	lavaMetadata = "namedtestattribute"
)

// kind is what a field holds, and with that which operators it takes and how values are read.
type kind int

const (
	text    kind = iota // any text
	name                // the name of something, empty where there is none
	choice              // one of a few words
	rank                // a number with words for some: a priority
	boolean             // True or False
	integer             // a whole number from 0
	decimal             // a measurement
	moment              // a time, UTC
)

// Operators, by LAVA's names. The first six are those that its forms offer; the others are taken
// from addresses.
const (
	exact       = "exact"
	ne          = "ne"
	iexact      = "iexact"
	icontains   = "icontains"
	gt          = "gt"
	lt          = "lt"
	gte         = "gte"
	lte         = "lte"
	contains    = "contains"
	startswith  = "startswith"
	istartswith = "istartswith"
	endswith    = "endswith"
	iendswith   = "iendswith"
	regex       = "regex"
	iregex      = "iregex"
)

// operators returns what fields of a kind take.
func (k kind) operators() []string {
	switch k {
	case choice:
		return []string{exact, ne, icontains}
	case rank:
		return []string{exact, ne, icontains, gt, lt, gte, lte}
	case boolean:
		return []string{exact, ne}
	case integer:
		return []string{exact, iexact, ne, icontains, gt, lt, gte, lte}
	case decimal:
		return []string{exact, ne, iexact, icontains, gt, lt, gte, lte}
	case moment:
		return []string{gt, lt, exact, ne, gte, lte, contains, icontains, startswith}
	}
	return []string{exact, iexact, ne, icontains, contains, startswith, istartswith, endswith, iendswith, regex, iregex}
}

// word is a value of an enumeration: as people write it, and as the tables have it.
type word struct {
	written string
	stored  string // of a rank the number
	also    string // another spelling that is taken
}

// Field is something that a condition can be about.
type Field struct {
	Table string
	Name  string // LAVA's, where it has the field
	Ours  bool   // LAVA has no such field

	kind   kind
	column string // of jobs, test_suites or test_cases
	null   bool   // the column may be NULL
	words  []word // of a choice or rank
}

// Fields lists all fields in the order in which forms show them. A field of Metadata has any name.
func Fields() []Field {
	return []Field{
		{Table: Jobs, Name: "submitter", kind: name, column: "user"},
		{Table: Jobs, Name: "start_time", kind: moment, column: "started_at", null: true},
		{Table: Jobs, Name: "end_time", kind: moment, column: "ended_at", null: true},
		{Table: Jobs, Name: "state", kind: choice, column: "state", words: words("Submitted", "Scheduling", "Scheduled", "Running", "Canceling", "Finished")},
		{Table: Jobs, Name: "health", kind: choice, column: "health", words: words("Unknown", "Complete", "Incomplete", "Canceled")},
		{Table: Jobs, Name: "actual_device", kind: name, column: "device"},
		{Table: Jobs, Name: "requested_device_type", kind: name, column: "device_type"},
		{Table: Jobs, Name: "health_check", kind: boolean, column: "health_check"},
		{Table: Jobs, Name: "priority", kind: rank, column: "priority", words: []word{{"Low", "0", ""}, {"Medium", "50", ""}, {"High", "100", ""}}},
		{Table: Jobs, Name: "description", kind: text, column: "name"},
		{Table: Jobs, Name: "id", Ours: true, kind: integer, column: "job"},
		{Table: Jobs, Name: "submit_time", Ours: true, kind: moment, column: "submitted_at"},
		{Table: Jobs, Name: "worker", Ours: true, kind: name, column: "worker"},
		{Table: Jobs, Name: "error_type", Ours: true, kind: name, column: "error_type"},
		{Table: Jobs, Name: "error", Ours: true, kind: name, column: "error"},
		{Table: Suites, Name: "name", kind: text, column: "suite"},
		{Table: Cases, Name: "name", kind: text, column: "name"},
		{Table: Cases, Name: "result", kind: choice, column: "result", words: []word{{"Test passed", "pass", "pass"},
			{"Test failed", "fail", "fail"}, {"Test skipped", "skip", "skip"}, {"Unknown outcome", "unknown", "unknown"}}},
		{Table: Cases, Name: "measurement", kind: decimal, column: "measurement", null: true},
		{Table: Cases, Name: "units", Ours: true, kind: name, column: "units"},
		{Table: Cases, Name: "set", Ours: true, kind: name, column: "set"},
		{Table: Cases, Name: "logged", Ours: true, kind: moment, column: "time"},
	}
}

func words(list ...string) (all []word) {
	for _, w := range list {
		all = append(all, word{written: w, stored: w})
	}
	return all
}

// Operators lists what the field takes.
func (f Field) Operators() []string { return f.kind.operators() }

// Words lists the words of an enumeration, nil for other fields.
func (f Field) Words() (all []string) {
	for _, w := range f.words {
		all = append(all, w.written)
	}
	return all
}

// table resolves the name of a table as people write it.
func table(written string) (string, bool) {
	switch t := strings.ToLower(written); t {
	case Jobs, Suites, Cases, Metadata:
		return t, true
	case lavaMetadata:
		return Metadata, true
	}
	return "", false
}

// lookup finds a field of a table.
func lookup(table, field string) (Field, *Error) {
	if table == Metadata {
		if field == "" {
			return Field{}, wrong(UnknownField, "a metadata condition names the key as its field, as in metadata__branch__exact__next")
		}
		return Field{Table: Metadata, Name: field, kind: text}, nil
	}
	var known []string
	for _, f := range Fields() {
		if f.Table == table && f.Name == field {
			return f, nil
		}
		if f.Table == table {
			known = append(known, f.Name)
		}
	}
	return Field{}, wrong(UnknownField, "%s has no field %q; it has %s", table, field, strings.Join(known, ", "))
}

// takes refuses an operator that the field does not take.
func (f Field) takes(operator string) *Error {
	allowed := f.Operators()
	if f.Table == Metadata {
		allowed = append(allowed, gt, lt, gte, lte)
	}
	if slices.Contains(allowed, operator) {
		return nil
	}
	return wrong(UnknownOperator, "%s.%s takes no operator %q; it takes %s", f.Table, f.Name, operator, strings.Join(allowed, ", "))
}
