package lab

import (
	"reflect"
	"testing"
	"time"

	"strata/events"
)

// savedChart is chart 1 of alice with two drawings, with changes.
func savedChart(change func(*events.ChartSaved)) events.ChartSaved {
	e := events.ChartSaved{Chart: 1, Owner: "alice", Name: "boots", By: "alice", Numbers: 2,
		Queries: []events.ChartQuery{{Number: 1, Query: 3, Type: events.ChartPassFail}, {Number: 2, Query: 3, Type: events.ChartMeasurement}}}
	if change != nil {
		change(&e)
	}
	return e
}

func TestChartStory(t *testing.T) {
	item := events.QueryItem{Job: 7, Suite: "lava"}
	view := events.ChartViewChosen{Chart: 1, Number: 2, User: "bob", Start: noon, Deltas: true}
	s := lived(savedChart(nil))
	if c := s.Chart(1); c == nil || c != s.ChartNamed("boots") || s.ChartNamed("other") != nil || s.NextChart() != 2 || c.Query(2).Type != events.ChartMeasurement || c.Query(3) != nil {
		t.Fatalf("after it was saved: %+v, next %d", c, s.NextChart())
	}
	step := func(e events.Event, want func(*Chart) bool) {
		t.Helper()
		if s.Evolve(s.through+1, noon, e); !want(s.Chart(1)) {
			t.Errorf("after %s: %+v", events.Name(e), s.Chart(1))
		}
	}
	step(view, func(c *Chart) bool { return c.View(2, "bob") == view && c.View(2, "alice").Start.IsZero() })
	step(events.ChartResultOmitted{Chart: 1, Number: 2, Item: item}, func(c *Chart) bool { return len(c.Omitted) == 1 })
	step(events.ChartResultOmitted{Chart: 1, Number: 2, Item: item}, func(c *Chart) bool { return len(c.Omitted) == 1 })
	step(events.ChartResultIncluded{Chart: 1, Number: 1, Item: item}, func(c *Chart) bool { return len(c.Omitted) == 1 })
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := Decode(Format, data); err != nil || !reflect.DeepEqual(back.Chart(1), s.Chart(1)) {
		t.Errorf("out of a checkpoint: %+v, %v; want %+v", back.Chart(1), err, s.Chart(1))
	}
	step(events.ChartResultIncluded{Chart: 1, Number: 2, Item: item}, func(c *Chart) bool { return c.Omitted == nil })
	step(events.ChartResultOmitted{Chart: 1, Number: 2, Item: item}, func(c *Chart) bool { return len(c.Omitted) == 1 })
	// What was about a drawing goes with it.
	step(savedChart(func(e *events.ChartSaved) { e.Queries, e.Description = e.Queries[:1], "x" }), func(c *Chart) bool {
		return c.Omitted == nil && c.Views == nil && c.Description == "x"
	})
	view.Number = 1
	step(view, func(c *Chart) bool { return len(c.Views) == 1 })
	step(events.ChartViewChosen{Chart: 1, Number: 1, User: "bob"}, func(c *Chart) bool { return c.Views == nil }) // as everybody sees it
	about := events.Entity{Kind: events.Chart, ID: "1"}
	step(events.ChartRemoved{Chart: 1}, func(c *Chart) bool { return c == nil && s.ChartNamed("boots") == nil })
	if s.NextChart() != 2 || s.Seq(about) != s.through || s.Can("alice", View, about) {
		t.Errorf("removed: next %d, sequence %d, seen %t; want 2, %d and not", s.NextChart(), s.Seq(about), s.Can("alice", View, about), s.through)
	}
	if data, err = s.Encode(); err != nil {
		t.Fatal(err)
	}
	if back, err := Decode(Format, data); err != nil || back.NextChart() != 2 || back.Chart(1) != nil {
		t.Errorf("removed, out of a checkpoint: %v", err)
	}
	if s.AgedOut(about); s.Seq(about) != 0 {
		t.Errorf("sequence after it aged out is %d, want 0", s.Seq(about))
	}
	// A fact about a chart that was never saved changes nothing.
	if s.Evolve(s.through+1, noon.Add(time.Hour), events.ChartRemoved{Chart: 9}); s.NextChart() != 2 {
		t.Error("chart 9 came of nothing")
	}
}

func TestCanChart(t *testing.T) {
	s := lived(events.SchedulingPolicySet{Groups: []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"bob"}}}},
		savedChart(func(e *events.ChartSaved) { e.Group = "kernel" }),
		savedChart(func(e *events.ChartSaved) { e.Chart, e.Name, e.Published = 2, "all", true }))
	for _, tt := range []struct {
		user         events.UserName
		id           string
		view, change bool
	}{
		{Local, "1", true, true}, {"alice", "1", true, true}, {"carol", "1", false, false}, {"", "2", false, false},
		{"bob", "1", false, true}, {"carol", "2", true, false}, {"alice", "9", false, false}, {"alice", "x", false, false}, {"alice", "", true, false},
	} {
		about := events.Entity{Kind: events.Chart, ID: tt.id}
		if v, c := s.Can(tt.user, View, about), s.Can(tt.user, Change, about); v != tt.view || c != tt.change {
			t.Errorf("%q and chart %q: view %t, change %t; want %t, %t", tt.user, tt.id, v, c, tt.view, tt.change)
		}
	}
}
