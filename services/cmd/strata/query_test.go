package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// TestQuery asks a lab that has run one job: without saving, by saved queries, and as a file.
func TestQuery(t *testing.T) {
	t.Parallel()
	needEngine(t)
	w := newWorld(t)
	w.up(t, "--worker", "w1")
	w.must(t, "submit", w.quickDevices(t, 1), "--follow")
	var out api.QueryResult
	eventually(t, "the tables have the job's end", func() bool {
		status, text := w.strata(t, "query", "custom", "testcase", "testjob__health__exact__Complete,testcase__name__exact__job", "--json")
		out = api.QueryResult{}
		return status == exitOK && json.Unmarshal([]byte(text), &out) == nil && len(out.Cases) == 1
	})
	job := fmt.Sprint(out.Cases[0].Job)
	item := out.Cases[0].Item
	if text := w.must(t, "query", "custom", "testjob", "--where", "testjob.description exact quick", "--not", "testcase__result__exact__Test failed",
		"--any", "testjob__health__exact__Incomplete,testjob__health__exact__Complete"); !strings.Contains(text, "quick") {
		t.Errorf("jobs without a failed case: %q, want job %s", text, job)
	}
	if text := w.must(t, "query", "custom", "testjob", "state__Finishd"); !strings.Contains(text, "never") || !strings.Contains(text, "nothing is found") {
		t.Errorf("a word that no state has: %q, want that said", text)
	}
	if text := w.must(t, "query", "similar", job, "--field", "health,requested_device_type"); !strings.Contains(text, "health__exact__Complete") ||
		!strings.Contains(text, "quick") {
		t.Errorf("similar to job %s: %q", job, text)
	}

	if text := w.must(t, "query", "save", "ends", "--entity", "testcase", "--conditions", "name__job", "--limit", "20", "--description", "how jobs end"); !strings.Contains(text,
		"never kept") || !strings.Contains(text, "testcase__name__exact__job") {
		t.Errorf("saved: %q", text)
	}
	if status, text := w.strata(t, "query", "run", "ends"); status != exitFailed || !strings.Contains(text, "strata query refresh") {
		t.Errorf("run before the first refresh: status %d, %q; want what to do", status, text)
	}
	w.must(t, "query", "refresh", "ends")
	if text := w.must(t, "query", "run", "~local/ends"); !strings.Contains(text, item) {
		t.Errorf("run: %q, want %s in it", text, item)
	}
	w.must(t, "query", "omit", "ends", item)
	if text := w.must(t, "query", "run", "ends"); strings.Contains(text, item) || !strings.Contains(w.must(t, "query", "show", "ends"), item) {
		t.Errorf("run without %s: %q; want it left out, and shown as such", item, text)
	}
	w.must(t, "query", "include", "ends", item)
	if text := w.must(t, "query", "refresh", "--all"); !strings.Contains(text, "~local/ends keeps 1 rows") {
		t.Errorf("refresh --all: %q", text)
	}
	w.must(t, "query", "copy", "ends", "mine")
	w.must(t, "query", "save", "mine", "--live", "--rename", "ours", "--where", "testcase.name exact job")
	var all []api.SavedQuery
	w.ask(t, &all, "query", "list")
	if len(all) != 2 || all[1].Name != "ours" || !all[1].Live || all[1].CopiedFrom != all[0].Query {
		t.Errorf("listed: %+v, want ends and its copy", all)
	}
	rows, err := csv.NewReader(strings.NewReader(w.must(t, "query", "export", "ours"))).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][0] != item {
		t.Errorf("exported: %q, %v; want one row, %s", rows, err, item)
	}
	if text := w.must(t, "query", "export", "--entity", "testjob", "--conditions", "id__"+job, "--format", "yaml"); !strings.Contains(text, "- id: "+job+"\n") {
		t.Errorf("exported as YAML: %q", text)
	}
	w.must(t, "query", "rm", "ours")
	if text := w.must(t, "query", "list"); strings.Contains(text, "ours") || !strings.Contains(text, "ends") {
		t.Errorf("listed after its removal: %q", text)
	}
}

// Conditions on the command line mean what they say, and what is wrong with them is said.
func TestQueryFlags(t *testing.T) {
	t.Parallel()
	read := func(args ...string) ([]events.QueryCondition, []events.QueryClause, error) {
		var flags conditionFlags
		cmd := &cobra.Command{}
		flags.add(cmd)
		if err := cmd.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		conditions, clauses, err := flags.read(cmd, "testjob")
		if conditions == nil {
			conditions = new([]events.QueryCondition)
		}
		if clauses == nil {
			clauses = new([]events.QueryClause)
		}
		return *conditions, *clauses, err
	}
	conditions, clauses, err := read("--conditions", "id__7", "--where", "metadata.a.b contains x, y  z", "--any", "id__1,id__2", "--not", "id__3")
	id := func(n string) events.QueryCondition {
		return events.QueryCondition{Table: "testjob", Field: "id", Operator: "exact", Value: n}
	}
	if want := []events.QueryCondition{id("7"), {Table: "metadata", Field: "a.b", Operator: "contains", Value: "x, y  z"}}; err != nil || !reflect.DeepEqual(conditions, want) {
		t.Errorf("conditions: got %+v, %v; want %+v", conditions, err, want)
	}
	if want := []events.QueryClause{{Match: events.MatchAny, Conditions: []events.QueryCondition{id("1"), id("2")}},
		{Match: events.MatchNot, Conditions: []events.QueryCondition{id("3")}}}; !reflect.DeepEqual(clauses, want) {
		t.Errorf("clauses: got %+v, want %+v", clauses, want)
	}
	for _, args := range [][]string{{"--conditions", "id"}, {"--where", "id exact"}, {"--where", "testjob.id 7"}, {"--any", "x__1"}, {"--not", "id__x"}} {
		if _, _, err := read(args...); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	for text, want := range map[string]api.QueryRef{"boots": {Name: "boots"}, "~a.b/boots": {Owner: "a.b", Name: "boots"}, "a/b": {Owner: "a", Name: "b"}, "7": {Query: 7}} {
		if got := queryRef(text); got != want {
			t.Errorf("query %q: got %+v, want %+v", text, got, want)
		}
	}
}
