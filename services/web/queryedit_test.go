package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"strata/events"
)

// sent makes a request of a form.
func sent(t *testing.T, form url.Values) *request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q := &request{Request: r}
	if err := q.ParseForm(); err != nil {
		t.Fatal(err)
	}
	return q
}

// TestQueryFormKeepsQueries holds that a saved query that goes through the form comes back as it was.
func TestQueryFormKeepsQueries(t *testing.T) {
	t.Parallel()
	c := func(table, field, operator, value string) events.QueryCondition {
		return events.QueryCondition{Table: table, Field: field, Operator: operator, Value: value}
	}
	tests := []struct {
		name       string
		conditions []events.QueryCondition
		clauses    []events.QueryClause
	}{
		{"none", []events.QueryCondition{}, []events.QueryClause{}},
		{"and", []events.QueryCondition{c("testjob", "health", "exact", "Complete"), c("metadata", "git.branch", "icontains", "a__b,c")}, []events.QueryClause{}},
		{"clauses of each kind", []events.QueryCondition{c("testcase", "name", "regex", `^a|"b"<`)}, []events.QueryClause{
			{Match: events.MatchAny, Conditions: []events.QueryCondition{c("testcase", "result", "exact", "Test failed"), c("testcase", "units", "exact", "s")}},
			{Match: events.MatchNot, Conditions: []events.QueryCondition{c("testjob", "submitter", "exact", "alice")}},
			{Match: events.MatchAny, Conditions: []events.QueryCondition{c("testjob", "id", "gt", "7")}},
			{Match: events.MatchNot, Conditions: []events.QueryCondition{c("testsuite", "name", "exact", "x"), c("testjob", "id", "lt", "9")}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			form := url.Values{}
			rows := rowsOf(tt.conditions, tt.clauses)
			for _, row := range rows {
				form.Add("join", row.Join)
				form.Add("field", row.Field)
				form.Add("operator", row.Operator)
				form.Add("value", row.Value)
				form.Add("key", row.Key)
			}
			// The empty row at the end is none.
			for _, name := range []string{"field", "value", "key", "operator", "join"} {
				form.Add(name, "")
			}
			var f queryForm
			f.read(sent(t, form))
			conditions, clauses := f.conditions()
			if !reflect.DeepEqual(conditions, tt.conditions) || !reflect.DeepEqual(clauses, tt.clauses) {
				t.Errorf("the form made\n%+v\n%+v of\n%+v\n%+v", conditions, clauses, tt.conditions, tt.clauses)
			}
			offered := map[string]bool{}
			for _, j := range joins(rows) {
				offered[j.Value] = true
			}
			for _, row := range rows {
				if !offered[row.Join] {
					t.Errorf("the form offers no join %q, which the query has", row.Join)
				}
			}
		})
	}
}

func TestQueryFormRefusesFigures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ limit, goal, want string }{
		{"200", "4.5", ""},
		{"", "", ""},
		{"many", "", `limit is "many"`},
		{"20", "fast", `target_goal is "fast"`},
	} {
		f := queryForm{Limit: tt.limit, Goal: tt.goal}
		err := f.figures(map[string]any{})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("limit %q and goal %q: error %v, want %q", tt.limit, tt.goal, err, tt.want)
		}
	}
}

func TestChartWindow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ since, until, want string }{
		{"2026-11-22", "2026-11-22", ""},
		{"2026-11-22T10:00:00+01:00", "", ""},
		{"yesterday", "", `since is "yesterday"`},
		{"", "2026-13-01", `until is "2026-13-01"`},
	} {
		_, err := windowOf(url.Values{"since": {tt.since}, "until": {tt.until}})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("from %q to %q: error %v, want %q", tt.since, tt.until, err, tt.want)
		}
	}
}

func TestJobAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"42": "/scheduler/job/42", "#42": "/scheduler/job/42", "41.2": "/scheduler/job/41.2",
		"41.": "", "4a": "", "": "", "41.x": "", "-3": "", "99999999999999999999": "", "41.2.3": "", "boot": ""} {
		if got := jobAddress(text); got != want {
			t.Errorf("jobAddress(%q) is %q, want %q", text, got, want)
		}
	}
}

func TestSuitesOf(t *testing.T) {
	t.Parallel()
	var cases []events.Case
	add := func(suite string, result events.Outcome, n int) {
		for range n {
			cases = append(cases, events.Case{Suite: suite, Name: "c", Result: result})
		}
	}
	add("lava", events.Pass, 3)
	add("0_a", events.Fail, mostFailed+5)
	add("1_b", events.Skip, 1)
	add("0_a", events.Pass, 2)
	add("1_b", events.Outcome("unknown"), 1)
	var got []suiteCount
	for _, s := range suitesOf(cases) {
		if len(s.Failed) > mostFailed {
			t.Errorf("suite %s names %d failed cases, want %d at most", s.Name, len(s.Failed), mostFailed)
		}
		s.Failed = nil
		got = append(got, *s)
	}
	want := []suiteCount{{Name: "0_a", outcomeCounts: outcomeCounts{Pass: 2, Fail: mostFailed + 5}}, {Name: "1_b", outcomeCounts: outcomeCounts{Skip: 1, Unknown: 1}},
		{Name: "lava", outcomeCounts: outcomeCounts{Pass: 3}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMatrixRefusesWhatIsNoJob(t *testing.T) {
	t.Parallel()
	w := get(lab{}.site(t), "/results/matrix?jobs=12,a")
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "allowed are numbers of jobs") {
		t.Errorf("status %d, want 400 and what is allowed; page %s", w.Code, w.Body)
	}
}
