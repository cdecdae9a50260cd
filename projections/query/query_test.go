package query

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"strata/events"
)

var update = flag.Bool("update", false, "write golden files anew")

func condition(table, field, operator, value string) events.QueryCondition {
	return events.QueryCondition{Table: table, Field: field, Operator: operator, Value: value}
}

// TestGolden holds the SQL of queries of each kind: what people wrote is in no statement.
func TestGolden(t *testing.T) {
	queries := []Query{
		{Entity: events.JobQuery},
		{Entity: events.JobQuery, Conditions: []events.QueryCondition{condition(Jobs, "submitter", exact, "alice"),
			condition(Jobs, "health", exact, "Complete"), condition(Jobs, "end_time", gt, "2026-11-22 18:30:00")}},
		{Entity: events.JobQuery, Conditions: []events.QueryCondition{condition(Jobs, "requested_device_type", ne, "qemu"),
			condition(Suites, "name", icontains, "smoke"), condition(Cases, "name", exact, "boot"), condition(Cases, "result", exact, "Test failed")}},
		{Entity: events.JobQuery, Conditions: []events.QueryCondition{condition(Suites, "name", exact, "lava"), condition(Metadata, "branch", exact, "next")}},
		{Entity: events.SuiteQuery, Conditions: []events.QueryCondition{condition(Suites, "name", iexact, "LAVA"),
			condition(Cases, "measurement", gt, "12.5"), condition(Jobs, "priority", exact, "Medium")}},
		{Entity: events.CaseQuery, Conditions: []events.QueryCondition{condition(Cases, "name", icontains, "boot"), condition(Jobs, "description", icontains, "next")},
			Clauses: []events.QueryClause{
				{Match: events.MatchAny, Conditions: []events.QueryCondition{condition(Metadata, "build", gte, "9"), condition(Jobs, "health_check", ne, "True")}},
				{Match: events.MatchNot, Conditions: []events.QueryCondition{condition(Suites, "name", exact, "lava"), condition(Cases, "result", ne, "Test passed")}}}},
	}
	var b strings.Builder
	for _, q := range queries {
		for _, viewer := range []Viewer{{All: true}, {User: "bob"}} {
			s, err := Compile(q, viewer, []events.QueryItem{{Job: 7, Suite: "lava", Seq: 9}}, Page{Limit: 25, Offset: 50})
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			fmt.Fprintf(&b, "-- %s, for %q\n%s\n", q, viewer.User, strings.ReplaceAll(s.SQL, " AND ", "\n  AND "))
			for _, v := range s.Values {
				fmt.Fprintf(&b, "--   %s = %v\n", v.Name, v.Bind)
			}
			b.WriteString("\n")
		}
	}
	const golden = "testdata/golden.sql"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("statements differ from %s (-update writes it):\n%s", golden, got)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		entity, conditions string
		want               []events.QueryCondition
		address            string // where it is written otherwise
	}{
		{"testjob", "", nil, ""},
		{"testjob", "testjob__submitter__exact__alice,testjob__health__exact__Complete",
			[]events.QueryCondition{condition(Jobs, "submitter", exact, "alice"), condition(Jobs, "health", exact, "Complete")}, ""},
		{"testcase", "testcase__name__icontains__boot,testjob__description__icontains__next",
			[]events.QueryCondition{condition(Cases, "name", icontains, "boot"), condition(Jobs, "description", icontains, "next")}, ""},
		{"testjob", "submitter__alice,priority__gt__10",
			[]events.QueryCondition{condition(Jobs, "submitter", exact, "alice"), condition(Jobs, "priority", gt, "10")},
			"testjob__submitter__exact__alice,testjob__priority__gt__10"},
		// A condition without a table is about that of the one before.
		{"testjob", "testcase__result__exact__Test failed,name__boot",
			[]events.QueryCondition{condition(Cases, "result", exact, "Test failed"), condition(Cases, "name", exact, "boot")},
			"testcase__result__exact__Test failed,testcase__name__exact__boot"},
		{"testjob", "namedtestattribute__git-branch__exact__next", []events.QueryCondition{condition(Metadata, "git-branch", exact, "next")}, ""},
		{"TestJob", "description__startswith__a&b <c>", []events.QueryCondition{condition(Jobs, "description", startswith, "a&b <c>")},
			"testjob__description__startswith__a&b <c>"},
	}
	for _, tt := range tests {
		q, _, err := Parse(tt.entity, tt.conditions)
		if err != nil || !reflect.DeepEqual(q.Conditions, tt.want) {
			t.Errorf("parse %s %q: got %v, %v; want %v", tt.entity, tt.conditions, q.Conditions, err, tt.want)
			continue
		}
		if tt.address == "" {
			tt.address = tt.conditions
		}
		if got, ok := Address(q); !ok || got != tt.address {
			t.Errorf("address of %s: got %q, %t; want %q", q, got, ok, tt.address)
		}
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", maxBytes+1)
	tests := []struct {
		entity, conditions string
		reason             Reason
		condition          int
		says               string
	}{
		{"job", "", UnknownEntity, 0, "testjob, testsuite or testcase"},
		{"metadata", "", UnknownEntity, 0, `"metadata"`},
		{"testjob", "submitter", BadShape, 1, "one part"},
		{"testjob", "id__1,,id__2", BadShape, 2, "one part"},
		{"testjob", "testjob__submitter__exact__a__b", BadShape, 1, "more than four parts"},
		{"testjob", "device__exact__q1__x", UnknownTable, 1, "testjob, testsuite, testcase and metadata"},
		{"testjob", "id__1,submiter__alice", UnknownField, 2, "it has submitter, start_time"},
		{"testsuite", "result__pass", UnknownField, 1, "it has name"},
		{"testjob", "submitter__gt__alice", UnknownOperator, 1, "takes exact, iexact, ne"},
		{"testjob", "submitter__exact__in__alice", UnknownTable, 1, ""},
		{"testcase", "result__regex__x", UnknownOperator, 1, "takes exact, ne, icontains"},
		{"testjob", "end_time__gt__yesterday", BadValue, 1, "2026-11-22 18:30:00"},
		{"testjob", "id__-1", BadValue, 1, "whole number"},
		{"testcase", "measurement__gt__NaN", BadValue, 1, `"NaN"`},
		{"testcase", "measurement__0x10", BadValue, 1, "12.5"},
		{"testcase", "measurement__1e999", BadValue, 1, "1e999"},
		{"testcase", "name__regex__(", BadValue, 1, "regular expression"},
		{"testjob", "priority__gt__Urgent", BadValue, 1, "Low, Medium, High"},
		{"testjob", "metadata____exact__x", UnknownField, 1, "names the key"},
		{"testjob", "description__" + long, BadValue, 1, "allowed are 1024"},
		{"testjob", strings.Repeat("id__1,", maxConditions) + "id__1", BadShape, 0, "allowed are 50"},
	}
	for _, tt := range tests {
		_, _, err := Parse(tt.entity, tt.conditions)
		var got *Error
		if !errors.As(err, &got) || got.Reason != tt.reason || got.Condition != tt.condition || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("parse %s %.60q: got %v; want reason %s of condition %d with %q", tt.entity, tt.conditions, err, tt.reason, tt.condition, tt.says)
		}
	}
	for says, clause := range map[string]events.QueryClause{
		"any and not": {Match: "xor", Conditions: []events.QueryCondition{condition(Jobs, "id", exact, "1")}}, "no conditions": {Match: events.MatchAny}} {
		if _, err := Compile(Query{Entity: events.JobQuery, Clauses: []events.QueryClause{clause}}, Viewer{}, nil, Page{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("clause %+v: got %v, want it refused with %q", clause, err, says)
		}
	}
}

// A word that a field never has finds nothing, or everything, as in LAVA, and the author is told.
func TestWarnings(t *testing.T) {
	tests := []struct{ conditions, sql, says string }{
		{"state__Finishd", "0", "Submitted, Scheduling"},
		{"health__ne__Good", "1", "never"},
		{"priority__Urgent", "0", "and numbers"},
		{"health_check__false", "health_check = true", "counts as True"},
		{"health_check__False", "health_check = false", ""},
		{"health_check__ne__False", "health_check = true", ""},
		{"state__icontains__unning", "state IN ('Running')", ""},
		{"priority__gt__Medium", "priority > 50", ""},
	}
	for _, tt := range tests {
		q, warnings, err := Parse("testjob", tt.conditions)
		if err != nil {
			t.Fatal(err)
		}
		f, _ := lookup(Jobs, q.Conditions[0].Field)
		sql, _, _ := f.test(q.Conditions[0], &values{})
		if sql != tt.sql || (len(warnings) > 0) != (tt.says != "") || len(warnings) > 0 && !strings.Contains(warnings[0], tt.says) {
			t.Errorf("%s: got %q with %q; want %q with %q", tt.conditions, sql, warnings, tt.sql, tt.says)
		}
	}
}

func TestLimits(t *testing.T) {
	tests := []struct {
		entity, conditions string
		bounded            bool
	}{
		{"testjob", "health__Complete", true}, // looks into no cases
		{"testcase", "", false},
		{"testcase", "result__Test failed", false},
		{"testcase", "name__icontains__boot", false},
		{"testcase", "name__boot", true},
		{"testjob", "testcase__result__exact__Test failed", false},
		{"testjob", "testcase__result__exact__Test failed,testjob__submitter__exact__alice", true},
		{"testjob", "testcase__result__exact__Test failed,testjob__submitter__ne__alice", false},
		{"testsuite", "testcase__result__exact__Test failed,testjob__start_time__gt__2026-11-01", true},
		{"testsuite", "testcase__result__exact__Test failed,testjob__start_time__lt__2026-11-01", false},
		{"testcase", "metadata__branch__exact__next", true},
		{"testcase", "metadata__branch__icontains__next", false},
		{"testcase", "testjob__health__exact__Complete", false},
	}
	for _, tt := range tests {
		q, _, err := Parse(tt.entity, tt.conditions)
		if err != nil {
			t.Fatal(err)
		}
		l := q.Limits()
		if bounded := l.Rows == boundedRows; bounded != tt.bounded || l.Hint == "" {
			t.Errorf("%s %s: may read %d rows, hint %q; want bounded %t", tt.entity, tt.conditions, l.Rows, l.Hint, tt.bounded)
		}
	}
}

func TestItems(t *testing.T) {
	tests := []struct {
		entity events.QueryEntity
		id     string
		want   events.QueryItem
		ok     bool
	}{
		{events.JobQuery, "42", events.QueryItem{Job: 42}, true},
		{events.SuiteQuery, "42/0_smoke/a", events.QueryItem{Job: 42, Suite: "0_smoke/a"}, true},
		{events.CaseQuery, "42/812.3", events.QueryItem{Job: 42, Seq: 812, N: 3}, true},
		{events.JobQuery, "42/lava", events.QueryItem{}, false}, {events.JobQuery, "0", events.QueryItem{}, false},
		{events.SuiteQuery, "42", events.QueryItem{}, false}, {events.SuiteQuery, "42/", events.QueryItem{}, false},
		{events.CaseQuery, "42/812", events.QueryItem{}, false}, {events.CaseQuery, "42/812.-1", events.QueryItem{}, false},
		{events.CaseQuery, "812.3", events.QueryItem{}, false},
		{events.CaseQuery, "", events.QueryItem{}, false},
	}
	for _, tt := range tests {
		got, ok := ParseItem(tt.entity, tt.id)
		if ok != tt.ok || ok && (got != tt.want || ItemID(got) != tt.id) {
			t.Errorf("%s %q: got %+v, %t; want %+v, %t", tt.entity, tt.id, got, ok, tt.want, tt.ok)
		}
	}
}

// docs/queries.md has each field with its operators and words.
func TestDocumentedFields(t *testing.T) {
	page, err := os.ReadFile("../../docs/queries.md")
	if err != nil {
		t.Fatal(err)
	}
	table := ""
	documented := map[string]string{} // the row of each field
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		if head := strings.TrimSpace(cells[1]); head != "" {
			table = head
		}
		for _, name := range strings.Split(strings.ReplaceAll(cells[2], "**+**", ""), ",") {
			documented[table+"."+strings.TrimSpace(name)] = line
		}
	}
	for _, f := range Fields() {
		line, ok := documented[f.Table+"."+f.Name]
		if !ok {
			t.Errorf("%s.%s is not documented", f.Table, f.Name)
		}
		for _, word := range f.Words() {
			if !strings.Contains(line, word) {
				t.Errorf("%s.%s: the word %q is not documented", f.Table, f.Name, word)
			}
		}
		if ops := strings.Split(line, "|")[4]; !strings.Contains(ops, "those of") {
			for _, o := range f.Operators() {
				if !strings.Contains(ops, o) {
					t.Errorf("%s.%s: the operator %s is not documented", f.Table, f.Name, o)
				}
			}
		}
	}
}

// hostile is what people write who want to be more than a value.
func hostile() []string {
	return []string{"' OR 1=1 --", "\\' OR 1=1", "{p1:String}", "'; DROP TABLE jobs", "\x00\x01\n\t", "a`b\"c", "🙂 ) UNION ALL SELECT 1 FROM jobs", "%", "$$"}
}

// No value reaches the text of a statement, whatever field and operator it is for.
func TestHostileValues(t *testing.T) {
	for _, entity := range []events.QueryEntity{events.JobQuery, events.SuiteQuery, events.CaseQuery} {
		for _, f := range append(Fields(), Field{Table: Metadata, Name: "k"}) {
			for _, operator := range f.Operators() {
				plain, err := Compile(Query{Entity: entity, Conditions: []events.QueryCondition{condition(f.Table, f.Name, operator, "zzz")}}, Viewer{User: "u"}, nil, Page{})
				if err != nil {
					continue // the field holds no text
				}
				for _, value := range hostile() {
					c := condition(f.Table, f.Name, operator, value)
					if f.Table == Metadata {
						c.Field = value
					}
					s, err := Compile(Query{Entity: entity, Conditions: []events.QueryCondition{c}}, Viewer{User: events.UserName(value)}, nil, Page{})
					if err != nil {
						continue // no regular expression
					}
					if s.SQL != plain.SQL {
						t.Fatalf("%s.%s %s %q changes the statement:\n got %s\nwant %s", f.Table, f.Name, operator, value, s.SQL, plain.SQL)
					}
				}
			}
		}
	}
}

// FuzzParse holds that an address is refused with a reason or compiles to a statement whose text is
// made of the table of fields alone, and comes back the same from its own address.
func FuzzParse(f *testing.F) {
	for _, v := range hostile() {
		f.Add("testjob", "description__"+v)
		f.Add("testcase", "metadata__"+v+"__exact__"+v)
	}
	f.Add("testsuite", "testcase__measurement__gt__1.5,name__lava,testjob__priority__exact__Medium")
	f.Fuzz(func(t *testing.T, entity, conditions string) {
		q, _, err := Parse(entity, conditions)
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Reason == "" {
				t.Fatalf("%v has no reason", err)
			}
			return
		}
		s, err := Compile(q, Viewer{User: "u"}, nil, Page{Limit: 1})
		if err != nil {
			t.Fatalf("checked, and then: %v", err)
		}
		for _, r := range s.SQL {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _.,:()[]{}'=!<>/", r) {
				t.Fatalf("%q in the statement: %s", r, s.SQL)
			}
		}
		if address, ok := Address(q); ok {
			again, _, err := Parse(string(q.Entity), address)
			if err != nil || !reflect.DeepEqual(again, q) {
				t.Fatalf("by its address %q: %+v, %v; want %+v", address, again, err, q)
			}
		}
	})
}
