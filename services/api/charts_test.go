package api_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"image/png"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/services/api"
)

// points names the points of a drawing, with their values.
func points(d api.ChartDrawing) (list []string) {
	for _, p := range d.Data {
		text, _ := json.Marshal(p.Value)
		list = append(list, p.Item+" "+p.ID+" "+string(text))
	}
	return list
}

func TestCharts(t *testing.T) {
	t.Parallel()
	// Jobs end at their own time: without an end a job has no place on a chart.
	b, as := analysed(t, events.JobScheduled{Job: 2, Device: "q2", Worker: "w1", Lease: 2}, events.JobStarted{Job: 2, Device: "q2", Worker: "w1", Lease: 2, At: noon},
		events.JobFinished{Job: 2, Device: "q2", Worker: "w1", Lease: 2, Health: events.Incomplete, At: noon.Add(2 * time.Hour)})
	alice := as("alice")
	var jobs, cases api.SavedQuery
	call(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "jobs"}, Entity: "testjob", Live: ptr(true), TargetGoal: ptr(4.0)}, &jobs)
	call(t, alice, "queries.save", api.QuerySave{QueryRef: api.QueryRef{Name: "cases"}, Entity: "testcase", Address: ptr("name__job")}, &cases)
	for _, tt := range []struct {
		name string
		test func(*testing.T, *eventtest.Broker, func(events.UserName) api.Client)
	}{{"Story", testChartStory}, {"Data", testChartData}, {"Rights", testChartRights}, {"Draw", testChartDraw}} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, b, as) })
	}
}

var (
	jobsQuery  = &api.QueryRef{Owner: "alice", Name: "jobs"}
	casesQuery = &api.QueryRef{Owner: "alice", Name: "cases"}
)

// A chart is made, changed, and gone; what cannot be is refused with what is allowed.
func testChartStory(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	alice := as("alice")
	ref := api.ChartRef{Name: "boots"}
	var c api.SavedChart
	call(t, alice, "charts.save", api.ChartSave{ChartRef: ref, Description: ptr("how we boot"), ChartGroup: ptr("kernel")}, &c)
	if c.Owner != "alice" || c.Chart == 0 || c.Published || !c.Editable {
		t.Errorf("saved: %+v", c)
	}
	refused(t, alice, "charts.save", api.ChartSave{ChartRef: ref, New: true}, api.Conflict, "already")
	refused(t, as("bob"), "charts.save", api.ChartSave{ChartRef: ref}, api.Denied, "alice's")
	refused(t, alice, "charts.save", api.ChartSave{ChartRef: api.ChartRef{Name: "a b"}}, api.Invalid, "letters, digits")
	refused(t, alice, "charts.save", api.ChartSave{ChartRef: ref, Group: ptr(events.GroupName("none"))}, api.NotFound, "no group")
	refused(t, alice, "charts.save", api.ChartSave{ChartRef: api.ChartRef{Chart: 99}}, api.NotFound, "no chart 99")
	refused(t, alice, "charts.query", api.ChartQuerySave{ChartRef: ref}, api.Invalid, "query is missing")
	call(t, alice, "charts.query", api.ChartQuerySave{ChartRef: ref, Query: jobsQuery}, &c)
	call(t, alice, "charts.query", api.ChartQuerySave{ChartRef: ref, Query: casesQuery, Type: ptr(events.ChartMeasurement), TargetGoal: ptr(2.0)}, &c)
	call(t, alice, "charts.query", api.ChartQuerySave{ChartRef: ref, Query: jobsQuery, Type: ptr(events.ChartAttributes), Attributes: ptr([]string{"build"})}, &c)
	if len(c.Queries) != 3 || c.Queries[0].Type != events.ChartPassFail || c.Queries[0].Height != 300 || c.Queries[0].Visibility != events.ShowChart ||
		c.Queries[0].Representation != events.ChartLines || !slices.Equal(c.QueryNames, []string{"~alice/jobs", "~alice/cases", "~alice/jobs"}) {
		t.Errorf("with three queries: %+v", c)
	}
	for want, in := range map[string]api.ChartQuerySave{
		"Pass/fail is incorrect value for 'chart_type' with TestCase based queries.": {Query: casesQuery},
		"200 to 400":        {Number: 1, Height: ptr(199)},
		"lines and bars":    {Number: 1, Representation: ptr(events.ChartRepresentation("pie"))},
		"chart, table":      {Number: 1, Visibility: ptr(events.ChartVisibility("x"))},
		"attributes is emp": {Number: 1, Type: ptr(events.ChartAttributes)},
		"together 200":      {Number: 1, Attributes: ptr([]string{strings.Repeat("x", 201)})},
		"allowed are 100":   {Number: 1, XAxis: ptr(strings.Repeat("x", 101))},
	} {
		in.ChartRef = ref
		refused(t, alice, "charts.query", in, api.Invalid, want)
	}
	refused(t, alice, "charts.query", api.ChartQuerySave{ChartRef: ref, Number: 9}, api.NotFound, "no query 9")
	c = api.SavedChart{} // or a goal that is gone would stay
	call(t, alice, "charts.query", api.ChartQuerySave{ChartRef: ref, Number: 2, NoGoal: true, Representation: ptr(events.ChartBars)}, &c)
	if q := c.Queries[1]; q.TargetGoal != nil || q.Representation != events.ChartBars || q.Type != events.ChartMeasurement {
		t.Errorf("changed: %+v", q)
	}
	call(t, alice, "charts.order", api.ChartOrder{ChartRef: ref, Numbers: []int{3, 1, 2}}, &c)
	refused(t, alice, "charts.order", api.ChartOrder{ChartRef: ref, Numbers: []int{3, 3, 2}}, api.Invalid, "3 twice")
	refused(t, alice, "charts.order", api.ChartOrder{ChartRef: ref, Numbers: []int{3}}, api.Invalid, "name all")
	call(t, alice, "charts.drop", api.ChartQueryRef{ChartRef: ref, Number: 3}, &c)
	call(t, alice, "charts.query", api.ChartQuerySave{ChartRef: ref, Query: jobsQuery}, &c)
	var numbers []int
	for _, q := range c.Queries {
		numbers = append(numbers, q.Number)
	}
	if !slices.Equal(numbers, []int{1, 2, 4}) {
		t.Errorf("numbers %v; want 1, 2 and a new one", numbers)
	}
	// Only of a chart's own queries may be spoken.
	refused(t, alice, "charts.drop", api.ChartQueryRef{ChartRef: ref, Number: 3}, api.NotFound, "no query 3")
	refused(t, alice, "charts.omit", api.ChartItem{ChartQueryRef: api.ChartQueryRef{ChartRef: ref, Number: 3}, Item: "1"}, api.NotFound, "no query 3")
	refused(t, alice, "charts.view", api.ChartView{ChartQueryRef: api.ChartQueryRef{ChartRef: ref, Number: 3}}, api.NotFound, "no query 3")
	var list []api.SavedChart
	call(t, alice, "charts.save", api.ChartSave{ChartRef: ref, Rename: "starts"}, &c)
	call(t, alice, "charts.list", api.ChartsRequest{Group: "kernel"}, &list)
	if len(list) != 1 || list[0].Name != "starts" {
		t.Errorf("listed: %+v", list)
	}
	var then api.SavedChart
	if err := json.Unmarshal([]byte(askAt(t, alice, api.AtRequest{Seq: lastOf(t, b) - 1}, "charts.show", api.ChartRef{Chart: c.Chart})), &then); err != nil || then.Name != "boots" {
		t.Errorf("one fact earlier: %+v, %v; want it under its old name", then, err)
	}
	call(t, alice, "charts.remove", api.ChartRef{Name: "starts"}, nil)
	refused(t, alice, "charts.show", api.ChartRef{Chart: c.Chart}, api.NotFound, "no chart")
	var again api.SavedChart
	call(t, alice, "charts.save", api.ChartSave{ChartRef: api.ChartRef{Name: "starts"}}, &again)
	if again.Chart <= c.Chart || len(again.Queries) > 0 {
		t.Errorf("made again: %+v; want a new chart", again)
	}
}

// Each sees of a chart the points of the jobs that he may see.
func testChartData(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	alice, ref := as("alice"), api.ChartRef{Name: "seen"}
	call(t, alice, "charts.save", api.ChartSave{ChartRef: ref, Published: ptr(true)}, &api.SavedChart{})
	call(t, alice, "charts.query", api.ChartQuerySave{ChartRef: ref, Query: jobsQuery, Percentage: ptr(true), XAxis: ptr("branch")}, &api.SavedChart{})
	call(t, alice, "charts.query", api.ChartQuerySave{ChartRef: ref, Query: casesQuery, Type: ptr(events.ChartMeasurement)}, &api.SavedChart{})
	data := func(c api.Client, in api.ChartDataRequest) api.ChartData {
		t.Helper()
		in.ChartRef = ref
		var out api.ChartData
		call(t, c, "charts.data", in, &out)
		return out
	}
	// One of the queries cannot be shown yet, which does not take the other away.
	out := data(alice, api.ChartDataRequest{})
	if len(out.Drawings) != 2 || !strings.Contains(out.Drawings[1].Error, "strata query refresh") {
		t.Fatalf("before the first refresh: %+v", out)
	}
	call(t, as(access.Local), "queries.refresh", casesQuery, &api.SavedQuery{}) // who keeps the rows of all
	for user, want := range map[events.UserName][2][]string{
		access.Local: {{"1 0_smoke 0", "1 lava 100", "2 0_smoke 100", "2 lava 100"}, {"1/1.0 lava/job 2.5", "2/2.0 lava/job 2.5", "4/3.0 lava/job 2.5"}},
		"alice":      {{"1 0_smoke 0", "1 lava 100", "2 0_smoke 100", "2 lava 100"}, {"1/1.0 lava/job 2.5", "2/2.0 lava/job 2.5"}},
		"bob":        {{"2 0_smoke 100", "2 lava 100"}, {"2/2.0 lava/job 2.5", "4/3.0 lava/job 2.5"}},
		"carol":      {{"2 0_smoke 100", "2 lava 100"}, {"2/2.0 lava/job 2.5"}},
	} {
		out := data(as(user), api.ChartDataRequest{})
		if got := [2][]string{points(out.Drawings[0]), points(out.Drawings[1])}; !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
			t.Errorf("for %s: got %v; want %v", user, got, want)
		}
	}
	out = data(alice, api.ChartDataRequest{Number: 1})
	if d := out.Drawings[0]; d.TargetGoal == nil || *d.TargetGoal != 4 || d.Data[0].Attribute != "next" || *d.Data[0].Failures != 1 || *d.Data[0].Total != 1 ||
		d.Data[0].Link != "/results/1/0_smoke" || d.Data[0].Pass || d.QueryName != "~alice/jobs" || d.Entity != "testjob" || !d.Live || d.HasOmitted || !d.Legend {
		t.Errorf("drawing 1: %+v", d)
	}
	if got := points(data(alice, api.ChartDataRequest{Number: 1, ChartWindow: api.ChartWindow{Since: ptr(noon.Add(90 * time.Minute))}}).Drawings[0]); len(got) != 2 {
		t.Errorf("from then on: %v; want those of job 2", got)
	}
	if got := points(data(alice, api.ChartDataRequest{Number: 1, ChartWindow: api.ChartWindow{Deltas: ptr(true)}}).Drawings[0]); !slices.Equal(got, []string{"2 0_smoke 100", "2 lava 0"}) {
		t.Errorf("deltas: %v", got)
	}
	// How one sees a chart is one's own.
	one := api.ChartQueryRef{ChartRef: ref, Number: 1}
	var v api.ChartViewed
	call(t, as("bob"), "charts.view", api.ChartView{ChartQueryRef: one, Start: ptr(noon.Add(3 * time.Hour)), Legend: ptr(false)}, &v)
	if got := data(as("bob"), api.ChartDataRequest{Number: 1}).Drawings[0]; len(got.Data) > 0 || got.Legend || v.Legend || !got.Start.Equal(noon.Add(3*time.Hour)) {
		t.Errorf("as bob has chosen: %+v", got)
	}
	if got := data(alice, api.ChartDataRequest{Number: 1}).Drawings[0]; len(got.Data) != 4 || !got.Legend {
		t.Errorf("as alice sees it: %+v", got)
	}
	// Rows are left out of this chart alone, and of the others where the query leaves them out.
	call(t, alice, "charts.omit", api.ChartItem{ChartQueryRef: one, Item: "1"}, &api.SavedChart{})
	if got := data(alice, api.ChartDataRequest{}); len(got.Drawings[0].Data) != 2 || !got.Drawings[0].HasOmitted || len(got.Drawings[1].Data) != 2 {
		t.Errorf("without job 1: %v", points(got.Drawings[0]))
	}
	refused(t, alice, "charts.omit", api.ChartItem{ChartQueryRef: one, Item: "1/lava"}, api.Invalid, "42/0_smoke")
	refused(t, as("bob"), "charts.omit", api.ChartItem{ChartQueryRef: one, Item: "2"}, api.Denied, "alice's")
	// Whoever may not see job 1 does not learn of it by the fact.
	for user, want := range map[events.UserName]string{"alice": `"job":1`, "carol": `"job":0`} {
		var last string
		err := as(user).Stream(t.Context(), "events", api.EventsRequest{Entity: "chart/" + out.Chart.Chart.String()}, func(m *nats.Msg) error {
			last = string(m.Data)
			return nil
		})
		if err != nil || !strings.Contains(last, "chart.result-omitted") || !strings.Contains(strings.ReplaceAll(last, " ", ""), want) {
			t.Errorf("the fact for %s: %s, %v; want %s", user, last, err, want)
		}
	}
	call(t, alice, "charts.include", api.ChartItem{ChartQueryRef: one, Item: "1"}, &api.SavedChart{})
	call(t, alice, "queries.omit", api.QueryItemRequest{QueryRef: *jobsQuery, Item: "2"}, &api.SavedQuery{})
	if got := points(data(alice, api.ChartDataRequest{Number: 1}).Drawings[0]); !slices.Equal(got, []string{"1 0_smoke 0", "1 lava 100"}) {
		t.Errorf("with job 2 left out of the query: %v", got)
	}
	call(t, alice, "queries.include", api.QueryItemRequest{QueryRef: *jobsQuery, Item: "2"}, &api.SavedQuery{})
}

func testChartRights(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	alice, bob, carol, ref := as("alice"), as("bob"), as("carol"), api.ChartRef{Name: "shared"}
	call(t, as(access.Local), "policy.set", events.SchedulingPolicySet{Groups: []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"bob"}}}}, &api.Policy{})
	var c api.SavedChart
	call(t, alice, "charts.save", api.ChartSave{ChartRef: ref, Group: ptr(events.GroupName("kernel"))}, &c)
	// The group changes it and does not see what it shows; others do neither.
	call(t, bob, "charts.query", api.ChartQuerySave{ChartRef: ref, Query: jobsQuery}, &c)
	call(t, bob, "charts.show", ref, &c)
	refused(t, bob, "charts.data", api.ChartDataRequest{ChartRef: ref}, api.Denied, "not published")
	refused(t, bob, "charts.view", api.ChartView{ChartQueryRef: api.ChartQueryRef{ChartRef: ref, Number: 1}}, api.Denied, "not published")
	for verb, in := range map[string]any{"charts.show": ref, "charts.remove": ref, "charts.query": api.ChartQuerySave{ChartRef: ref, Query: jobsQuery},
		"charts.drop": api.ChartQueryRef{ChartRef: ref, Number: 1}, "charts.order": api.ChartOrder{ChartRef: ref, Numbers: []int{1}}, "charts.save": api.ChartSave{ChartRef: ref}} {
		refused(t, carol, verb, in, api.Denied, "alice's")
	}
	for _, verb := range []string{"charts.draw", "charts.export"} {
		if err := carol.Stream(t.Context(), verb, api.ChartDraw{ChartDataRequest: api.ChartDataRequest{ChartRef: ref}, Format: map[bool]string{true: "svg", false: "csv"}[verb == "charts.draw"]},
			func(*nats.Msg) error { return nil }); !api.HasCode(err, api.Denied) {
			t.Errorf("%s by carol: %v; want her denied", verb, err)
		}
	}
	for user, want := range map[events.UserName]bool{"alice": true, "bob": true, "carol": false} {
		var list []api.SavedChart
		call(t, as(user), "charts.list", api.ChartsRequest{}, &list)
		if got := slices.ContainsFunc(list, func(c api.SavedChart) bool { return c.Name == "shared" }); got != want {
			t.Errorf("listed for %s: %t", user, got)
		}
	}
	call(t, alice, "charts.save", api.ChartSave{ChartRef: ref, Published: ptr(true)}, &c)
	call(t, carol, "charts.data", api.ChartDataRequest{ChartRef: ref}, &api.ChartData{})
	call(t, bob, "charts.remove", ref, nil)
}

func streamed(t *testing.T, c api.Client, verb string, in any) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Stream(t.Context(), verb, in, func(m *nats.Msg) error { b.Write(m.Data); return nil }); err != nil {
		t.Fatalf("%s %+v: %v", verb, in, err)
	}
	return b.String()
}

// A chart comes as SVG, as PNG and as a file, saved or not.
func testChartDraw(t *testing.T, b *eventtest.Broker, as func(events.UserName) api.Client) {
	alice := as("alice")
	custom := &api.ChartCustom{QueryCustom: api.QueryCustom{Entity: "testsuite", Address: "name__icontains__a"}}
	svg := streamed(t, alice, "charts.draw", api.ChartDraw{Custom: custom, Format: "svg"})
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil || !strings.Contains(svg, "/results/1/lava") || strings.Contains(svg, "/results/4/") ||
		!strings.Contains(svg, "1 of 1 passed") || !strings.Contains(svg, "cases passed") {
		t.Errorf("as SVG: %v\n%s", err, svg)
	}
	picture := streamed(t, alice, "charts.draw", api.ChartDraw{Custom: custom, Format: "png", Width: 400, Height: 200, Scale: 1, Dark: true})
	if m, err := png.Decode(strings.NewReader(picture)); err != nil || m.Bounds().Dx() != 400 || m.Bounds().Dy() != 200 {
		t.Errorf("as PNG: %v", err)
	}
	custom = &api.ChartCustom{QueryCustom: api.QueryCustom{Entity: "testcase", Address: "name__job"}, Settings: events.ChartQuery{Type: events.ChartMeasurement}}
	rows, err := csv.NewReader(strings.NewReader(streamed(t, alice, "charts.export", api.ChartExport{Custom: custom, Format: "csv"}))).ReadAll()
	if err != nil || len(rows) != 3 || strings.Join(rows[0], " ") != "id pk link date attribute series pass measurement units" || rows[1][1] != "1/1.0" || rows[1][7] != "2.5" {
		t.Errorf("as CSV: %q, %v", rows, err)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(streamed(t, alice, "charts.export", api.ChartExport{Custom: &api.ChartCustom{QueryCustom: api.QueryCustom{Entity: "testjob"}}, Format: "json"})), &list); err != nil ||
		len(list) != 4 || list[0]["total"] != 1.0 || list[0]["pk"] != "1" {
		t.Errorf("as JSON: %v, %v", list, err)
	}
	for want, in := range map[string]api.ChartDraw{
		"svg and png":    {Custom: custom, Format: "gif"},
		"320 to 4000":    {Custom: custom, Format: "svg", Width: 7},
		"no chart x":     {ChartDataRequest: api.ChartDataRequest{ChartRef: api.ChartRef{Name: "x"}}, Format: "svg"},
		"several quer":   {ChartDataRequest: api.ChartDataRequest{ChartRef: api.ChartRef{Name: "seen"}}, Format: "svg"},
		"no query 7":     {ChartDataRequest: api.ChartDataRequest{ChartRef: api.ChartRef{Name: "seen"}, Number: 7}, Format: "svg"},
		"no queries yet": {ChartDataRequest: api.ChartDataRequest{ChartRef: api.ChartRef{Name: "starts"}}, Format: "svg"},
	} {
		if err := alice.Stream(t.Context(), "charts.draw", in, func(*nats.Msg) error { return nil }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", in, err, want)
		}
	}
}
