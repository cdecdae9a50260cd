package api_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/projections"
	"strata/schemas/yaml"
	"strata/services/api"
)

// analysed is a lab with tables, an api, and a projector that keeps them current. It has jobs of alice
// (1, with one case that failed; 3, refused) and of bob (2, public; 4, not), and facts of the test's own.
func analysed(t *testing.T, more ...events.Event) (b *eventtest.Broker, as func(events.UserName) api.Client) {
	t.Helper()
	b = eventtest.Start(t)
	db, err := projections.Open(engine.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- projections.NewProjector(projections.Settings{DB: db, Log: b.Log, Age: time.Millisecond}).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("projector: %v", err)
		}
	})
	serveWith(t, b, api.History{DB: db})
	job := func(id events.JobID, user events.UserName, public bool) events.JobSubmitted {
		e := submitted(id)
		e.User, e.Visibility.Public, e.Metadata = user, public, map[string]string{"branch": "next"}
		return e
	}
	b.Append(t, job(1, "alice", false), job(2, "bob", true),
		events.JobRejected{Job: 3, User: "alice", At: noon, Message: "no"}, job(4, "bob", false),
		events.JobScheduled{Job: 1, Device: "q1", Worker: "w1", Lease: 1},
		events.JobStarted{Job: 1, Device: "q1", Worker: "w1", Lease: 1, At: noon.Add(time.Minute)},
		events.JobFinished{Job: 1, Device: "q1", Worker: "w1", Lease: 1, Health: events.Complete, At: noon.Add(time.Hour)})
	b.Append(t, more...)
	value := 2.5
	for _, id := range []events.JobID{1, 2, 4} {
		b.Append(t, events.ResultsRecorded{Job: id, Lines: 2, Cases: []events.Case{
			{Suite: "lava", Name: "job", Result: events.Pass, At: noon, Measurement: &value, Units: "seconds"},
			{Suite: "0_smoke", Name: `a "b", <c>`, Result: map[bool]events.Outcome{true: events.Fail, false: events.Pass}[id == 1], At: noon,
				Metadata: map[string]string{"x": "y"}}}})
	}
	deadline, stop := context.WithTimeout(t.Context(), eventtest.Patience)
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, name := range []string{stream.Lab, stream.Results} {
		last, err := b.Log.Last(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for at := uint64(0); at < last; at, err = db.Position(deadline, name) {
			select {
			case <-tick.C:
			case <-deadline.Done():
				t.Fatalf("the tables are at %d of %s (%v), want %d", at, name, err, last)
			}
		}
	}
	return b, func(user events.UserName) api.Client { return api.Client{Conn: b.Conn, User: user} }
}

// refused fails where a call is not refused with a code and words.
func refused(t *testing.T, c api.Client, verb string, in any, code api.Code, says string) {
	t.Helper()
	if err := c.Call(t.Context(), verb, in, nil); !api.HasCode(err, code) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s %+v by %s: got %v, want %s with %q", verb, in, c.User, err, code, says)
	}
}

// found returns the names of the rows that a query found.
func found(r api.QueryResult) (items []string) {
	for _, j := range r.Jobs {
		items = append(items, j.Job.String())
	}
	for _, s := range r.Suites {
		items = append(items, s.Item)
	}
	for _, c := range r.Cases {
		items = append(items, c.Item)
	}
	return items
}

func same(t *testing.T, what string, r api.QueryResult, want ...string) {
	t.Helper()
	if got := found(r); !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	b, as := analysed(t)
	for name, test := range map[string]func(*testing.T, *eventtest.Broker, func(events.UserName) api.Client){
		"Custom": testCustom, "Live": testLiveQuery, "Cached": testCachedQuery, "Rights": testQueryRights, "Export": testExport, "Similar": testSimilar,
	} {
		t.Run(name, func(t *testing.T) { test(t, b, as) })
	}
}

// What one may see of jobs one may see of queries.
func testCustom(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	var out api.QueryResult
	for user, want := range map[events.UserName][]string{access.Local: {"4", "2", "1"}, "alice": {"2", "1"}, "bob": {"4", "2"}, "carol": {"2"}} {
		out = api.QueryResult{}
		call(t, as(user), "queries.custom", api.QueryCustom{Entity: "testjob", Address: "requested_device_type__qemu"}, &out)
		same(t, "jobs of type qemu for "+string(user), out, want...)
		for _, id := range []events.JobID{1, 2, 4} {
			err := as(user).Call(t.Context(), "jobs.show", api.JobRequest{Job: id}, nil)
			if seen := slices.Contains(want, id.String()); seen != (err == nil) {
				t.Errorf("job %d for %s: in the query %t, shown by itself: %v", id, user, seen, err)
			}
		}
	}
	out = api.QueryResult{}
	call(t, as("alice"), "queries.custom", api.QueryCustom{Entity: "testcase", Address: "result__Test failed,testjob__state__exact__Finished"}, &out)
	if len(out.Cases) != 1 || out.Cases[0].Name != `a "b", <c>` || out.Address != "testcase__result__exact__Test failed,testjob__state__exact__Finished" ||
		!strings.HasPrefix(out.Text, "testcase where case result is") {
		t.Errorf("failed cases: got %+v", out)
	}
	out = api.QueryResult{}
	call(t, as(access.Local), "queries.custom", api.QueryCustom{Entity: "testsuite", Limit: 2, Offset: 1,
		Conditions: []events.QueryCondition{{Table: "metadata", Field: "branch", Operator: "exact", Value: "next"}}}, &out)
	same(t, "a page of suites", out, "4/lava", "2/0_smoke")
	if !out.More || out.Offset != 1 || out.Suites[0].Passes != 1 {
		t.Errorf("a page of suites: %+v, want more behind it", out)
	}
	out = api.QueryResult{}
	call(t, as("alice"), "queries.custom", api.QueryCustom{Entity: "testjob", Address: "state__Finishd"}, &out)
	if len(out.Jobs) != 0 || len(out.Warnings) != 1 {
		t.Errorf("a word that no state has: %+v, want nothing and a warning", out)
	}
	refused(t, as("alice"), "queries.custom", api.QueryCustom{Entity: "job"}, api.Invalid, "testjob, testsuite or testcase")
	refused(t, as("alice"), "queries.custom", api.QueryCustom{Entity: "testjob", Address: "end_time__gt__soon"}, api.Invalid, "condition 1")
	refused(t, as("alice"), "queries.custom", api.QueryCustom{Entity: "testjob", Limit: 1001}, api.Invalid, "1 to 1000")
	refused(t, as("alice"), "queries.custom", api.QueryCustom{Entity: "testjob", Offset: -1}, api.Invalid, "from 0")
	refused(t, as("alice"), "queries.custom", api.QueryCustom{Entity: "testjob", Address: "id__1",
		Conditions: []events.QueryCondition{{Table: "testjob", Field: "id", Operator: "exact", Value: "1"}}}, api.Invalid, "not both")
}

func ptr[T any](v T) *T { return &v }

func testLiveQuery(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	alice := as("alice")
	var q api.SavedQuery
	call(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "failures"}, Entity: "testcase", Live: ptr(true), Address: ptr("result__Test failed")}, &q)
	if q.Owner != "alice" || q.Limit != 200 || q.Address != "testcase__result__exact__Test failed" || !q.Editable || q.Published {
		t.Errorf("saved: %+v", q)
	}
	var out api.QueryResult
	call(t, alice, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, &out)
	if len(out.Cases) != 1 || out.Query == nil || out.Query.Name != "failures" {
		t.Fatalf("run: %+v", out)
	}
	item := out.Cases[0].Item
	call(t, alice, "queries.omit", api.QueryItemRequest{QueryRef: api.QueryRef{Query: q.Query}, Item: item}, &q)
	call(t, alice, "queries.omit", api.QueryItemRequest{QueryRef: api.QueryRef{Query: q.Query}, Item: item}, &q)
	if !slices.Equal(q.Omitted, []string{item}) {
		t.Errorf("omitted %v, want %s", q.Omitted, item)
	}
	out = api.QueryResult{}
	call(t, alice, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, &out)
	same(t, "without the one that was left out", out)
	call(t, alice, "queries.include", api.QueryItemRequest{QueryRef: api.QueryRef{Query: q.Query}, Item: item}, &q)
	call(t, alice, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, &out)
	same(t, "with it again", out, item)
	refused(t, alice, "queries.omit", api.QueryItemRequest{QueryRef: api.QueryRef{Query: q.Query}, Item: "7"}, api.Invalid, "42/812.3")
	refused(t, alice, "queries.refresh", api.QueryRef{Query: q.Query}, api.Conflict, "is live")
	// Changes name what changes.
	call(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Query: q.Query}, Description: ptr("what failed"), Rename: "failed"}, &q)
	if q.Name != "failed" || q.Description != "what failed" || q.Address == "" || !q.Live {
		t.Errorf("changed: %+v", q)
	}
	refused(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Query: q.Query}, Entity: "testjob"}, api.Invalid, "never changes")
	refused(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Query: q.Query}, New: true}, api.Conflict, "already")
	refused(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Query: q.Query}, Limit: ptr(19)}, api.Invalid, "20 to 10000")
	refused(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Query: q.Query}, Group: ptr(events.GroupName("nobody"))}, api.NotFound, "no group")
	refused(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "a b"}, Entity: "testjob"}, api.Invalid, "letters, digits")
	refused(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "x"}}, api.Invalid, "entity")
	refused(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Query: 99}}, api.NotFound, "no query 99")
	var then api.SavedQuery
	if err := json.Unmarshal([]byte(askAt(t, alice, api.AtRequest{Seq: lastOf(t, b) - 1}, "queries.show", api.QueryRef{Query: q.Query})), &then); err != nil || then.Name != "failures" {
		t.Errorf("one fact earlier: %+v, %v; want it under its old name", then, err)
	}
	call(t, alice, "queries.archive", api.QueryRef{Query: q.Query}, &q)
	var list []api.SavedQuery
	call(t, alice, "queries.list", api.QueriesRequest{}, &list)
	if slices.ContainsFunc(list, func(l api.SavedQuery) bool { return l.Query == q.Query }) {
		t.Errorf("archived, and listed: %+v", list)
	}
	call(t, alice, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, &out) // those who know its name go on
	refused(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "failed"}, Entity: "testjob"}, api.Conflict, "already exists but is archived")
}

// A query that is not live shows what its last refresh has found, to each what he may see.
func testCachedQuery(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	alice, bob := as("alice"), as("bob")
	var q api.SavedQuery
	call(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "suites"}, Entity: "testsuite", Published: ptr(true),
		Address: ptr("name__lava"), Limit: ptr(20)}, &q)
	refused(t, alice, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, api.Conflict, "never kept")
	refused(t, bob, "queries.refresh", api.QueryRef{Query: q.Query}, api.Denied, "copy it")
	call(t, alice, "queries.refresh", api.QueryRef{Query: q.Query}, &q)
	if q.Refresh == nil || q.Refresh.Items != 2 || q.Changed || q.Refresh.ResultSeq != 3 {
		t.Fatalf("refreshed: %+v of %+v, want the 2 rows that she may see as of result 3", q.Refresh, q)
	}
	var out api.QueryResult
	call(t, alice, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, &out)
	same(t, "for alice", out, "2/lava", "1/lava")
	out = api.QueryResult{}
	call(t, bob, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, &out)
	same(t, "for bob", out, "2/lava") // who refreshes keeps nothing that she may not see
	// The fact names rows for all; whoever reads it gets those of his jobs.
	for user, want := range map[events.UserName]string{access.Local: "2 1", "alice": "2 1", "bob": "2", "carol": "2"} {
		var jobs []string
		err := as(user).Stream(t.Context(), "events", api.EventsRequest{Entity: "query/" + q.Query.String()}, func(m *nats.Msg) error {
			var f struct {
				Name string
				Data events.QueryRefreshed
			}
			if err := json.Unmarshal(m.Data, &f); err != nil {
				return err
			}
			for _, item := range f.Data.Items {
				jobs = append(jobs, item.Job.String())
			}
			return nil
		})
		if got := strings.Join(jobs, " "); err != nil || got != want {
			t.Errorf("rows in the facts for %s: %q, %v; want %q", user, got, err, want)
		}
	}
	// The rows stay until the next refresh, whatever the query says by then.
	call(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Query: q.Query}, Address: ptr("name__0_smoke")}, &q)
	out = api.QueryResult{}
	call(t, alice, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, &out)
	same(t, "changed", out, "2/lava", "1/lava")
	if !q.Changed || len(out.Warnings) != 1 {
		t.Errorf("changed since the refresh: %t, warnings %v; want both", q.Changed, out.Warnings)
	}
	var lines []string
	err := as(access.Local).Stream(t.Context(), "queries.refresh-all", struct{}{}, func(m *nats.Msg) error {
		var r api.RefreshedQuery
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return err
		}
		lines = append(lines, fmt.Sprint(r.Name, " ", r.Items, r.Error))
		return nil
	})
	if err != nil || !slices.Contains(lines, "~alice/suites 3") {
		t.Errorf("refresh all: %v, %v; want 3 rows of ~alice/suites", lines, err)
	}
	out = api.QueryResult{}
	call(t, alice, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, &out)
	same(t, "refreshed again", out, "2/0_smoke", "1/0_smoke")
	out = api.QueryResult{}
	call(t, bob, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, &out)
	same(t, "refreshed for all, for bob", out, "4/0_smoke", "2/0_smoke")
	err = alice.Stream(t.Context(), "queries.refresh-all", struct{}{}, func(*nats.Msg) error { return nil })
	if !api.HasCode(err, api.Denied) {
		t.Errorf("refresh all by alice: %v, want her denied", err)
	}
}

func testQueryRights(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	alice, bob, carol := as("alice"), as("bob"), as("carol")
	call(t, as(access.Local), "policy.set", events.SchedulingPolicySet{Groups: []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"bob"}}}}, &api.Policy{})
	var q api.SavedQuery
	call(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "mine"}, Entity: "testjob", Live: ptr(true), Group: ptr(events.GroupName("kernel"))}, &q)
	refused(t, bob, "queries.run", api.QueryRun{QueryRef: api.QueryRef{Query: q.Query}}, api.Denied, "not published")
	call(t, bob, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Query: q.Query}, Description: ptr("by bob")}, &q)
	if q.By != "bob" || q.Owner != "alice" {
		t.Errorf("changed by bob: %+v", q)
	}
	refused(t, carol, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Query: q.Query}, Published: ptr(true)}, api.Denied, "owner's")
	refused(t, carol, "queries.archive", api.QueryRef{Query: q.Query}, api.Denied, "owner's")
	refused(t, carol, "queries.omit", api.QueryItemRequest{QueryRef: api.QueryRef{Query: q.Query}, Item: "1"}, api.Denied, "owner's")
	refused(t, carol, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Owner: "alice", Name: "new"}, Entity: "testjob"}, api.Denied, "of alice")
	// Anybody may look at the conditions, and copy them.
	var shown api.SavedQuery
	call(t, carol, "queries.show", api.QueryRef{Owner: "alice", Name: "mine"}, &shown)
	call(t, alice, "queries.omit", api.QueryItemRequest{QueryRef: api.QueryRef{Query: q.Query}, Item: "1"}, &q)
	if call(t, carol, "queries.show", api.QueryRef{Query: q.Query}, &shown); len(shown.Omitted) > 0 || len(q.Omitted) != 1 {
		t.Errorf("left out, for carol: %v; want them for alice alone, who has %v", shown.Omitted, q.Omitted)
	}
	if shown.Editable || shown.Query != q.Query {
		t.Errorf("shown to carol: %+v, want query %d, and that she may not change it", shown, q.Query)
	}
	var own api.SavedQuery
	call(t, carol, "queries.copy", api.QueryCopy{QueryRef: api.QueryRef{Query: q.Query}, As: "hers"}, &own)
	if own.Owner != "carol" || own.Published || own.Group != "" || own.CopiedFrom != q.Query || !own.Live {
		t.Errorf("carol's copy: %+v", own)
	}
	refused(t, carol, "queries.copy", api.QueryCopy{QueryRef: api.QueryRef{Query: q.Query}, As: "hers"}, api.Conflict, "already")
	for user, want := range map[events.UserName]bool{"alice": true, "bob": true, "carol": false, access.Local: true} {
		var list []api.SavedQuery
		call(t, as(user), "queries.list", api.QueriesRequest{Owner: "alice"}, &list)
		if got := slices.ContainsFunc(list, func(l api.SavedQuery) bool { return l.Name == "mine" }); got != want {
			t.Errorf("listed for %s: %t, want %t", user, got, want)
		}
	}
}

func export(t *testing.T, c api.Client, in api.QueryExport) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Stream(t.Context(), "queries.export", in, func(m *nats.Msg) error { b.Write(m.Data); return nil }); err != nil {
		t.Fatalf("export %+v: %v", in, err)
	}
	return b.String()
}

// The three formats hold the same; texts are texts, and references are not blank.
func testExport(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	alice := as("alice")
	cases := &api.QueryCustom{Entity: "testcase", Address: "testjob__id__exact__1"}
	rows, err := csv.NewReader(strings.NewReader(export(t, alice, api.QueryExport{Custom: cases, Format: "csv"}))).ReadAll()
	if err != nil || len(rows) != 3 || strings.Join(rows[0][:4], " ") != "id name units result" || rows[1][1] != `a "b", <c>` || rows[1][5] != `{"x":"y"}` {
		t.Errorf("cases as CSV: %q, %v", rows, err)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(export(t, alice, api.QueryExport{Custom: cases, Format: "json"})), &list); err != nil || len(list) != 2 ||
		list[1]["measurement"] != 2.5 || list[0]["measurement"] != nil || list[0]["name"] != `a "b", <c>` {
		t.Errorf("cases as JSON: %v, %v", list, err)
	}
	text := export(t, alice, api.QueryExport{Custom: cases, Format: "yaml"})
	if node, err := yaml.Parse([]byte(text)); err != nil {
		t.Errorf("cases as YAML: %+v, %v in\n%s", node, err, text)
	}
	jobs := &api.QueryCustom{Entity: "testjob", Address: "submitter__alice"}
	rows, err = csv.NewReader(strings.NewReader(export(t, alice, api.QueryExport{Custom: jobs, Format: "csv"}))).ReadAll()
	want := "1 alice smoke False qemu q1 2026-11-22 12:00:00.000000+00:00 2026-11-22 12:01:00.000000+00:00 2026-11-22 13:00:00.000000+00:00 Finished Complete 50"
	if err != nil || len(rows) != 2 || strings.Join(rows[1][:12], " ") != want {
		t.Errorf("jobs as CSV: %q, %v", rows, err)
	}
	none := &api.QueryCustom{Entity: "testsuite", Address: "name__none"}
	for format, want := range map[string]string{"csv": "\"id\",\"name\",\"job\",\"passes\",\"failures\",\"skips\",\"unknowns\"\r\n", "json": "[\n]\n", "yaml": "[]\n"} {
		if got := export(t, alice, api.QueryExport{Custom: none, Format: format}); got != want {
			t.Errorf("nothing as %s: got %q, want %q", format, got, want)
		}
	}
	// Any user may export any query; what he gets is what he may see.
	var q api.SavedQuery
	call(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "exported"}, Entity: "testjob", Live: ptr(true)}, &q)
	for user, want := range map[events.UserName]int{"alice": 2, "carol": 1} {
		rows, err := csv.NewReader(strings.NewReader(export(t, as(user), api.QueryExport{QueryRef: api.QueryRef{Query: q.Query}, Format: "csv"}))).ReadAll()
		if err != nil || len(rows) != want+1 {
			t.Errorf("exported by %s: %q, %v; want %d jobs", user, rows, err, want)
		}
	}
	err = alice.Stream(t.Context(), "queries.export", api.QueryExport{Custom: none, Format: "xml"}, func(*nats.Msg) error { return nil })
	if !api.HasCode(err, api.Invalid) || !strings.Contains(err.Error(), "csv, yaml and json") {
		t.Errorf("as xml: %v", err)
	}
}

func testSimilar(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	var q api.QueryCustom
	call(t, as("alice"), "queries.similar", api.SimilarRequest{Job: 1, Fields: []string{"submitter", "testjob.end_time", "health_check", "health", "priority",
		"actual_device", "metadata.branch", "metadata.none"}}, &q)
	want := "testjob__submitter__exact__alice,testjob__end_time__icontains__2026-11-22,testjob__health__exact__Complete," +
		"testjob__priority__exact__Medium,testjob__actual_device__exact__q1,namedtestattribute__branch__exact__next"
	if q.Address != want || q.Entity != "testjob" {
		t.Errorf("similar to job 1:\n got %+v\nwant %s", q, want)
	}
	var out api.QueryResult
	call(t, as("alice"), "queries.custom", q, &out)
	same(t, "jobs like 1", out, "1")
	refused(t, as("alice"), "queries.similar", api.SimilarRequest{Job: 4, Fields: []string{"health"}}, api.NotFound, "no job 4 that alice may see")
	refused(t, as("alice"), "queries.similar", api.SimilarRequest{Job: 1, Fields: []string{"colour"}}, api.Invalid, "requested_device_type")
	refused(t, as("alice"), "queries.similar", api.SimilarRequest{Job: 1}, api.Invalid, "fields is empty")
}
