package projections

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/projections/query"
)

// soughtJob is a job as its author knows it, beside the tables.
type soughtJob struct {
	Job   Job
	gone  bool // refused or removed
	cases []Case
}

// sought fills tables with a lab of random jobs, and returns these, the newest first.
func sought(t *testing.T, r *rand.Rand, jobs int) (*DB, []soughtJob) {
	t.Helper()
	broker, db := eventtest.Start(t), openTest(t)
	var all []soughtJob
	var labSeq, resultSeq uint64
	for id := 1; id <= jobs; id++ {
		j, facts := soughtLife(r, events.JobID(id))
		recorded := broker.Append(t, facts...)
		labSeq = recorded[len(recorded)-1].Seq
		for range r.IntN(3) {
			e := events.ResultsRecorded{Job: events.JobID(id), Lines: 1, Cases: soughtCases(r, j.Job.SubmittedAt)}
			resultSeq = broker.Append(t, e)[0].Seq
			for n, c := range e.Cases {
				j.cases = append(j.cases, Case{Job: uint64(id), Suite: c.Suite, Set: c.Set, Name: c.Name, Result: string(c.Result),
					Measurement: c.Measurement, Units: c.Units, Time: c.At, Metadata: c.Metadata, Seq: resultSeq, N: uint32(n)})
			}
		}
		all = append([]soughtJob{j}, all...)
	}
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, labSeq)
	awaitPosition(t, db, stream.Results, resultSeq)
	stop()
	return db, all
}

// Values that the random lab is made of, some of them meant to break out of a statement.
var (
	soughtUsers  = []string{"alice", "bob", "Bob", "o'hara", "älice"}
	soughtNames  = []string{"boot next", "Boot%_x", "it's", `back\slash`, "Größe", "{p1:String}", "') OR 1=1 --"}
	soughtSuites = []string{"lava", "0_smoke", "1_Smoke"}
	soughtTests  = []string{"login-action", "Login-Action", "net/ping", "a'b", "größe"}
	soughtNoon   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

func pick[V any](r *rand.Rand, from []V) V { return from[r.IntN(len(from))] }

// soughtLife is a job that got as far as chance let it, and the facts of its life.
func soughtLife(r *rand.Rand, id events.JobID) (soughtJob, []events.Event) {
	at := soughtNoon.Add(time.Duration(r.IntN(72)) * time.Hour).Add(time.Duration(r.IntN(3)) * 250 * time.Millisecond)
	j := Job{Job: uint64(id), User: pick(r, soughtUsers), Name: pick(r, soughtNames), SubmittedAt: at, State: "Submitted", Health: "Unknown",
		DeviceType: pick(r, []string{"qemu", "bbb"}), Priority: int32(pick(r, []int{0, 50, 75, 100})), HealthCheck: r.IntN(4) == 0,
		Public: r.IntN(2) == 0, Metadata: map[string]string{}}
	for _, k := range []string{"branch", "b'r", "build"} {
		if r.IntN(2) == 0 {
			j.Metadata[k] = pick(r, []string{"next", "Next", "9", "10", "it's", ""})
		}
	}
	facts := []events.Event{events.JobSubmitted{Job: id, Display: id.String(), User: events.UserName(j.User), Name: j.Name, At: at,
		DeviceType: events.DeviceTypeName(j.DeviceType), Priority: int(j.Priority), HealthCheck: j.HealthCheck, JobTimeout: 60,
		Metadata: j.Metadata, Visibility: events.Visibility{Public: j.Public}}}
	stage := r.IntN(7)
	if stage >= 1 {
		j.State, j.Device, j.Worker = "Scheduled", pick(r, []string{"q1", "q2", "Q1"}), "w1"
		facts = append(facts, events.JobScheduled{Job: id, Device: events.DeviceName(j.Device), Worker: "w1", Lease: events.Lease(id)})
	}
	if stage >= 2 {
		started := at.Add(time.Minute)
		j.State, j.StartedAt = "Running", &started
		facts = append(facts, events.JobStarted{Job: id, Device: events.DeviceName(j.Device), Worker: "w1", Lease: events.Lease(id), At: started})
	}
	if stage == 3 {
		j.State = "Canceling"
		facts = append(facts, events.JobCancelRequested{Job: id, By: "bob"})
	}
	if stage >= 4 {
		ended := at.Add(time.Hour)
		j.State, j.EndedAt = "Finished", &ended
		j.Health = pick(r, []string{"Complete", "Incomplete"})
		if j.Health == "Incomplete" {
			j.ErrorType, j.Error = "Infrastructure", "no console"
		}
		facts = append(facts, events.JobFinished{Job: id, Device: events.DeviceName(j.Device), Worker: "w1", Lease: events.Lease(id),
			Health: events.JobHealth(j.Health), ErrorType: events.ErrorType(j.ErrorType), Error: j.Error, At: ended})
	}
	gone := r.IntN(10) == 0
	if gone {
		facts = append(facts, events.JobRemoved{Job: id, By: "admin"})
	}
	return soughtJob{Job: j, gone: gone}, facts
}

func soughtCases(r *rand.Rand, at time.Time) (cases []events.Case) {
	for range 1 + r.IntN(4) {
		c := events.Case{Suite: pick(r, soughtSuites), Name: pick(r, soughtTests), At: at.Add(time.Duration(r.IntN(100)) * time.Second),
			Result: pick(r, []events.Outcome{events.Pass, events.Fail, events.Skip, events.UnknownOutcome})}
		if r.IntN(2) == 0 {
			m := pick(r, []float64{0, 0.25, 12.5, -3, 100000})
			c.Measurement, c.Units = &m, "seconds"
			c.Metadata = map[string]string{"load": []string{"high", "0.5", "7"}[int(m+3)%3]}
		}
		if r.IntN(3) == 0 {
			c.Set = pick(r, []string{"net", "disk"})
		}
		cases = append(cases, c)
	}
	return cases
}

// TestSelect asks random queries of a random lab, and looks for the same rows by going through the lab.
func TestSelect(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	db, lab := sought(t, r, 40)
	found := 0
	for i := range 100 {
		q := soughtQuery(r)
		viewer := pick(r, []query.Viewer{{All: true}, {User: "alice"}, {User: "o'hara"}})
		omitted := soughtItems(query.Query{Entity: q.Entity}, query.Viewer{All: true}, lab)
		if len(omitted) > 2 {
			omitted = omitted[:r.IntN(3)]
		}
		s, err := query.Compile(q, viewer, omitted, query.Page{})
		if err != nil {
			t.Fatalf("query %d, %s: %v", i, q, err)
		}
		got, err := db.SelectPage(t.Context(), q.Entity, s, Bounds{})
		if err != nil {
			t.Fatalf("query %d, %s:\n%s\n%v: %v", i, q, s.SQL, s.Values, err)
		}
		want := slices.DeleteFunc(soughtItems(q, viewer, lab), func(i events.QueryItem) bool { return slices.Contains(omitted, i) })
		found += len(want)
		if items := got.Items(); !reflect.DeepEqual(items, want) {
			t.Fatalf("query %d for %+v, %s:\n got %v\nwant %v\n%s\n%v", i, viewer, q, items, want, s.SQL, s.Values)
		}
		if len(want) > 3 {
			s, _ := query.Compile(q, viewer, omitted, query.Page{Limit: 2, Offset: 1})
			page, err := db.SelectPage(t.Context(), q.Entity, s, Bounds{})
			if err != nil || !reflect.DeepEqual(page.Items(), want[1:3]) {
				t.Fatalf("query %d, %s, a page of it:\n got %v, %v\nwant %v", i, q, page.Items(), err, want[1:3])
			}
		}
	}
	if found < 500 {
		t.Errorf("all queries together found %d rows: they ask too much to show anything", found)
	}
	t.Run("Limits", func(t *testing.T) { testSelectLimits(t, db) })
	t.Run("Hostile", func(t *testing.T) { testHostileSelect(t, db) })
	t.Run("Rows", func(t *testing.T) { testSelectedRows(t, db, lab) })
}

// What would read too much is refused, with what to add.
func testSelectLimits(t *testing.T, db *DB) {
	q, _, err := query.Parse("testcase", "result__Test failed")
	if err != nil {
		t.Fatal(err)
	}
	s, err := query.Compile(q, query.Viewer{All: true}, nil, query.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.SelectPage(t.Context(), q.Entity, s, Bounds{Read: 20})
	var refused *query.Error
	if !errors.As(err, &refused) || refused.Reason != query.TooMuch || !strings.Contains(refused.Message, "more than 20 rows") ||
		!strings.Contains(refused.Message, "testjob__submit_time__gt__") {
		t.Errorf("a query that reads more than 20 rows: got %v, want it refused with a hint", err)
	}
}

// Whatever a value holds and however long it is, it is compared and does nothing else.
func testHostileSelect(t *testing.T, db *DB) {
	for _, value := range []string{"nul\x00l", "tab\tnew\nline\r", `\N`, `\`, "'", "ü\u2028\U0001f642", "{p1:String}'; DROP TABLE test_cases", "+%20&param_p1=x"} {
		for _, c := range []events.QueryCondition{
			{Table: query.Jobs, Field: "description", Operator: "ne", Value: value},
			{Table: query.Metadata, Field: value, Operator: "exact", Value: value},
		} {
			s, err := query.Compile(query.Query{Entity: events.JobQuery, Conditions: []events.QueryCondition{c}}, query.Viewer{All: true}, nil, query.Page{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := db.SelectPage(t.Context(), events.JobQuery, s, Bounds{})
			if err != nil || (got.Len() > 0) != (c.Operator == "ne") {
				t.Errorf("%s %s %q: found %d jobs, %v", c.Field, c.Operator, value, got.Len(), err)
			}
		}
	}
	long := query.Query{Entity: events.JobQuery}
	for range 50 {
		long.Conditions = append(long.Conditions, events.QueryCondition{Table: query.Jobs, Field: "description", Operator: "exact", Value: strings.Repeat("ü", 512)})
	}
	s, err := query.Compile(long, query.Viewer{User: "alice"}, nil, query.Page{Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := db.SelectPage(t.Context(), events.JobQuery, s, Bounds{}); err != nil || got.Len() > 0 {
		t.Errorf("the longest query: %d jobs, %v", got.Len(), err)
	}
}

// Rows come with all that the tables know of them.
func testSelectedRows(t *testing.T, db *DB, lab []soughtJob) {
	for _, j := range lab[:10] {
		if j.gone {
			continue
		}
		q, _, err := query.Parse("testjob", "id__"+strconv.FormatUint(j.Job.Job, 10))
		if err != nil {
			t.Fatal(err)
		}
		s, err := query.Compile(q, query.Viewer{All: true}, nil, query.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		got, err := db.SelectPage(t.Context(), q.Entity, s, Bounds{})
		if err != nil || len(got.Jobs) != 1 {
			t.Fatalf("job %d: got %+v, %v", j.Job.Job, got, err)
		}
		g := got.Jobs[0]
		if g.User != j.Job.User || g.Name != j.Job.Name || g.State != j.Job.State || g.Health != j.Job.Health || !g.SubmittedAt.Equal(j.Job.SubmittedAt) ||
			!reflect.DeepEqual(g.Metadata, j.Job.Metadata) || g.Device != j.Job.Device || (g.EndedAt == nil) != (j.Job.EndedAt == nil) {
			t.Errorf("job %d: got %+v, want %+v", j.Job.Job, g, j.Job)
		}
	}
}

// TestSelectItems shows what a refresh has kept, and no more of it than a viewer may see.
func TestSelectItems(t *testing.T) {
	broker, db := eventtest.Start(t), openTest(t)
	broker.Append(t,
		events.JobSubmitted{Job: 1, Display: "1", User: "alice", Name: "a", At: soughtNoon},
		events.JobSubmitted{Job: 2, Display: "2", User: "bob", Name: "b", At: soughtNoon, Visibility: events.Visibility{Public: true}},
		events.JobSubmitted{Job: 3, Display: "3", User: "bob", Name: "c", At: soughtNoon})
	one := events.Case{Suite: "lava", Name: "job", Result: events.Pass, At: soughtNoon}
	for _, job := range []events.JobID{1, 2, 3} {
		broker.Append(t, events.ResultsRecorded{Job: job, Lines: 1, Cases: []events.Case{one, one}})
	}
	kept := map[events.QueryEntity][]events.QueryItem{
		events.JobQuery:   {{Job: 3}, {Job: 2}, {Job: 1}},
		events.SuiteQuery: {{Job: 3, Suite: "lava"}, {Job: 1, Suite: "lava"}},
		events.CaseQuery:  {{Job: 3, Suite: "lava", Seq: 3, N: 1}, {Job: 1, Suite: "lava", Seq: 1, N: 1}, {Job: 1, Suite: "lava", Seq: 1}},
	}
	last := map[events.QueryEntity]uint64{}
	for entity, items := range kept {
		broker.Append(t, events.QueryRefreshed{Query: 7, Items: []events.QueryItem{{Job: 2, Suite: "lava", Seq: 2}}})
		last[entity] = broker.Append(t, events.QueryRefreshed{Query: 7, Items: items})[0].Seq
	}
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, max(last[events.JobQuery], last[events.SuiteQuery], last[events.CaseQuery]))
	awaitPosition(t, db, stream.Results, 3)
	stop()
	for entity, items := range kept {
		for user, want := range map[events.UserName][]events.QueryItem{
			"":      items,
			"alice": slices.DeleteFunc(slices.Clone(items), func(i events.QueryItem) bool { return i.Job == 3 }),
			"bob":   slices.DeleteFunc(slices.Clone(items), func(i events.QueryItem) bool { return i.Job == 1 }),
		} {
			s := query.CompileItems(7, entity, last[entity], query.Viewer{User: user, All: user == ""}, nil, query.Page{Limit: 20})
			got, err := db.SelectPage(t.Context(), entity, s, Bounds{})
			if err != nil || !reflect.DeepEqual(got.Items(), want) && len(got.Items())+len(want) > 0 {
				t.Errorf("%s for %q: got %v, %v; want %v", entity, user, got.Items(), err, want)
			}
		}
		s := query.CompileItems(7, entity, last[entity], query.Viewer{All: true}, items[:1], query.Page{})
		if got, err := db.SelectPage(t.Context(), entity, s, Bounds{}); err != nil || !reflect.DeepEqual(got.Items(), items[1:]) {
			t.Errorf("%s without %v: got %v, %v; want %v", entity, items[:1], got.Items(), err, items[1:])
		}
	}
}

// soughtQuery is a random query, each of whose conditions is allowed.
func soughtQuery(r *rand.Rand) query.Query {
	q := query.Query{Entity: pick(r, []events.QueryEntity{events.JobQuery, events.SuiteQuery, events.CaseQuery})}
	for range r.IntN(3) {
		q.Conditions = append(q.Conditions, soughtCondition(r))
	}
	for range r.IntN(2) {
		c := events.QueryClause{Match: pick(r, []events.QueryMatch{events.MatchAny, events.MatchNot})}
		for range 1 + r.IntN(2) {
			c.Conditions = append(c.Conditions, soughtCondition(r))
		}
		q.Clauses = append(q.Clauses, c)
	}
	return q
}

func soughtCondition(r *rand.Rand) events.QueryCondition {
	fields := query.Fields()
	f := query.Field{Table: query.Metadata, Name: pick(r, []string{"branch", "b'r", "build", "none"})}
	if n := r.IntN(len(fields) + 3); n < len(fields) {
		f = fields[n]
	}
	c := events.QueryCondition{Table: f.Table, Field: f.Name, Operator: pick(r, f.Operators())}
	if f.Table == query.Metadata {
		c.Operator = pick(r, append(f.Operators(), "gt", "lte"))
	}
	switch f.Table + "." + f.Name {
	case "testjob.submitter":
		c.Value = pick(r, append(soughtUsers, "ALICE", "ÄLICE", "nobody", "'"))
	case "testjob.start_time", "testjob.end_time", "testjob.submit_time", "testcase.logged":
		c.Value = pick(r, []string{"2026-11-23 12:00:00", "2026-11-23", "2026-11-23 12:01", "2026-11-24T01:01:00Z"})
	case "testjob.description":
		c.Value = pick(r, append(soughtNames, "boot", "%", "_", "GRÖSSE", ""))
	case "testjob.health_check":
		c.Value = pick(r, []string{"True", "False"})
	case "testjob.priority":
		c.Value = pick(r, []string{"Medium", "Low", "75", "High"})
	case "testjob.id":
		c.Value = pick(r, []string{"1", "7", "20", "33"})
	case "testjob.state", "testjob.health", "testcase.result":
		c.Value = pick(r, append(f.Words(), "Test", "complete", "Nonsense"))
	case "testcase.measurement":
		c.Value = pick(r, []string{"0", "0.25", "12.50", "-3", "1e5", "5"})
	case "testcase.name":
		c.Value = pick(r, append(soughtTests, "LOGIN", "GRÖ", "'"))
	case "testsuite.name":
		c.Value = pick(r, append(soughtSuites, "smoke"))
	default:
		c.Value = pick(r, []string{"next", "NEXT", "9", "it's", "", "q1", "w1", "qemu", "seconds", "net", "Infra", "no console"})
	}
	if c.Operator == "regex" || c.Operator == "iregex" {
		c.Value = pick(r, []string{"^b", "e$", "[0-9]_", "it.s", "n.*t"})
	}
	return c
}

// soughtItems goes through the lab and returns what a query finds.
func soughtItems(q query.Query, viewer query.Viewer, lab []soughtJob) []events.QueryItem {
	items := []events.QueryItem{}
	for _, j := range lab {
		if j.gone || !viewer.All && !j.Job.Public && j.Job.User != string(viewer.User) {
			continue
		}
		switch q.Entity {
		case events.JobQuery:
			if matches(q, j, j.cases) {
				items = append(items, events.QueryItem{Job: events.JobID(j.Job.Job)})
			}
		case events.SuiteQuery:
			suites := map[string][]Case{}
			for _, c := range j.cases {
				suites[c.Suite] = append(suites[c.Suite], c)
			}
			for _, name := range slices.Sorted(func(yield func(string) bool) {
				for s := range suites {
					if !yield(s) {
						return
					}
				}
			}) {
				if matches(q, j, suites[name]) {
					items = append(items, events.QueryItem{Job: events.JobID(j.Job.Job), Suite: name})
				}
			}
		default:
			for i := len(j.cases) - 1; i >= 0; i-- {
				if c := j.cases[i]; matches(q, j, []Case{c}) {
					items = append(items, events.QueryItem{Job: events.JobID(c.Job), Suite: c.Suite, Seq: c.Seq, N: uint64(c.N)})
				}
			}
		}
	}
	return items
}

// matches says that a query finds a row, of whose cases there are these.
func matches(q query.Query, j soughtJob, cases []Case) bool {
	if !together(q.Conditions, j, cases) {
		return false
	}
	for _, clause := range q.Clauses {
		holds := false
		if clause.Match == events.MatchNot {
			holds = !together(clause.Conditions, j, cases)
		} else {
			for _, c := range clause.Conditions {
				holds = holds || together([]events.QueryCondition{c}, j, cases)
			}
		}
		if !holds {
			return false
		}
	}
	return true
}

// together says that all conditions hold of the job, and those on suites and cases of one case.
func together(conditions []events.QueryCondition, j soughtJob, cases []Case) bool {
	below := slices.ContainsFunc(conditions, func(c events.QueryCondition) bool { return c.Table == query.Suites || c.Table == query.Cases })
	if !below {
		cases = []Case{{}}
	}
	return slices.ContainsFunc(cases, func(one Case) bool {
		return !slices.ContainsFunc(conditions, func(c events.QueryCondition) bool { return !holds(c, j.Job, one) })
	})
}

// holds is a condition in Go, written from docs/queries.md and not from the SQL.
func holds(c events.QueryCondition, j Job, one Case) bool {
	value, there := soughtValue(c, j, one)
	if !there {
		return false
	}
	switch v := value.(type) {
	case time.Time:
		if slices.Contains([]string{"contains", "icontains", "startswith"}, c.Operator) {
			return compareText(c.Operator, v.UTC().Format("2006-01-02 15:04:05.000000"), c.Value)
		}
		at, length := time.Time{}, time.Second
		for layout, l := range map[string]time.Duration{"2006-01-02 15:04:05": time.Second, "2006-01-02": 24 * time.Hour, "2006-01-02 15:04": time.Minute, time.RFC3339: time.Second} {
			if parsed, err := time.Parse(layout, c.Value); err == nil {
				at, length = parsed, l
			}
		}
		if within := !v.Before(at) && v.Before(at.Add(length)); c.Operator == "exact" || c.Operator == "ne" {
			return within == (c.Operator == "exact")
		}
		return compare(c.Operator, v.Compare(at))
	case float64:
		if c.Operator == "icontains" {
			return strings.Contains(strconv.FormatFloat(v, 'f', -1, 64), c.Value)
		}
		wanted, err := strconv.ParseFloat(c.Value, 64)
		if word, ok := map[string]float64{"Low": 0, "Medium": 50, "High": 100}[c.Value]; ok {
			wanted, err = word, nil
		}
		return err == nil && compare(c.Operator, map[bool]int{true: -1}[v < wanted]+map[bool]int{true: 1}[v > wanted])
	}
	if number, err := strconv.ParseFloat(c.Value, 64); err == nil && slices.Contains([]string{"gt", "lt", "gte", "lte"}, c.Operator) {
		v, err := strconv.ParseFloat(value.(string), 64)
		return err == nil && compare(c.Operator, map[bool]int{true: -1}[v < number]+map[bool]int{true: 1}[v > number])
	}
	return compareText(c.Operator, value.(string), c.Value)
}

// soughtValue is what a condition looks at, as a text, number or time, and whether it is there.
func soughtValue(c events.QueryCondition, j Job, one Case) (value any, there bool) {
	if c.Table == query.Metadata {
		v, ok := j.Metadata[c.Field]
		return v, ok
	}
	when := func(t *time.Time) (any, bool) {
		if t == nil {
			return nil, false
		}
		return *t, true
	}
	word := func(s string) (any, bool) { return s, s != "" }
	switch c.Table + "." + c.Field {
	case "testjob.submitter":
		return j.User, true
	case "testjob.start_time":
		return when(j.StartedAt)
	case "testjob.end_time":
		return when(j.EndedAt)
	case "testjob.submit_time":
		return j.SubmittedAt, true
	case "testjob.state":
		return j.State, true
	case "testjob.health":
		return j.Health, true
	case "testjob.actual_device":
		return word(j.Device)
	case "testjob.worker":
		return word(j.Worker)
	case "testjob.requested_device_type":
		return j.DeviceType, true
	case "testjob.health_check":
		return map[bool]string{true: "True", false: "False"}[j.HealthCheck], true
	case "testjob.priority":
		if c.Operator == "icontains" { // in the words, of which 75 has none
			return map[int32]string{0: "Low", 50: "Medium", 100: "High"}[j.Priority], j.Priority != 75
		}
		return float64(j.Priority), true
	case "testjob.description":
		return j.Name, true
	case "testjob.id":
		return float64(j.Job), true
	case "testjob.error_type":
		return word(j.ErrorType)
	case "testjob.error":
		return word(j.Error)
	case "testsuite.name":
		return one.Suite, true
	case "testcase.name":
		return one.Name, true
	case "testcase.result":
		return map[string]string{"pass": "Test passed", "fail": "Test failed", "skip": "Test skipped", "unknown": "Unknown outcome"}[one.Result], true
	case "testcase.measurement":
		if one.Measurement == nil {
			return nil, false
		}
		return *one.Measurement, true
	case "testcase.units":
		return word(one.Units)
	case "testcase.set":
		return word(one.Set)
	case "testcase.logged":
		return one.Time, true
	}
	panic(fmt.Sprintf("%s.%s is not known to the test", c.Table, c.Field))
}

func compare(operator string, order int) bool {
	switch operator {
	case "exact", "iexact":
		return order == 0
	case "ne":
		return order != 0
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	case "lt":
		return order < 0
	}
	return order <= 0
}

func compareText(operator, have, want string) bool {
	lowHave, lowWant := strings.ToLower(have), strings.ToLower(want)
	switch operator {
	case "iexact":
		return lowHave == lowWant
	case "contains":
		return strings.Contains(have, want)
	case "icontains":
		return strings.Contains(lowHave, lowWant)
	case "startswith":
		return strings.HasPrefix(have, want)
	case "istartswith":
		return strings.HasPrefix(lowHave, lowWant)
	case "endswith":
		return strings.HasSuffix(have, want)
	case "iendswith":
		return strings.HasSuffix(lowHave, lowWant)
	case "regex":
		return regexp.MustCompile(want).MatchString(have)
	case "iregex":
		return regexp.MustCompile("(?i)" + want).MatchString(have)
	}
	return compare(operator, strings.Compare(have, want))
}
