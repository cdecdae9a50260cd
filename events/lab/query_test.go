package lab

import (
	"reflect"
	"testing"

	"strata/events"
)

// savedQuery is query 1 of alice, with changes.
func savedQuery(change func(*events.QuerySaved)) events.QuerySaved {
	e := events.QuerySaved{Query: 1, Owner: "alice", Name: "failures", Entity: events.CaseQuery, Limit: 200, By: "alice",
		Conditions: []events.QueryCondition{{Table: "testcase", Field: "result", Operator: "exact", Value: "Test failed"}}}
	if change != nil {
		change(&e)
	}
	return e
}

func TestQueryStory(t *testing.T) {
	item, other := events.QueryItem{Job: 7, Suite: "lava", Seq: 3}, events.QueryItem{Job: 8, Suite: "lava", Seq: 4}
	s := lived(savedQuery(nil))
	q := s.Query(1)
	if q == nil || q != s.QueryNamed("alice", "failures") || s.QueryNamed("bob", "failures") != nil || s.NextQuery() != 2 || q.Changed {
		t.Fatalf("after it was saved: %+v, next %d", q, s.NextQuery())
	}
	step := func(e events.Event, want func(*Query) bool) {
		t.Helper()
		if s.Evolve(s.through+1, noon, e); !want(s.Query(1)) {
			t.Errorf("after %s: %+v, refreshed %+v", events.Name(e), s.Query(1), s.Query(1).Refresh)
		}
	}
	step(savedQuery(func(e *events.QuerySaved) { e.Limit = 50 }), func(q *Query) bool { return !q.Changed })
	step(events.QueryRefreshed{Query: 1, LabSeq: 2, ResultSeq: 9, Items: []events.QueryItem{item, other}}, func(q *Query) bool {
		return q.Refresh != nil && *q.Refresh == Refresh{3, 2, 9, 2, noon} && !q.Changed
	})
	step(savedQuery(func(e *events.QuerySaved) { e.Limit, e.Description = 50, "boots" }), func(q *Query) bool {
		return !q.Changed && q.Description == "boots"
	})
	step(savedQuery(func(e *events.QuerySaved) { e.Limit, e.Conditions = 50, nil }), func(q *Query) bool { return q.Changed })
	step(events.QueryRefreshed{Query: 1}, func(q *Query) bool { return !q.Changed && q.Refresh.Seq == 6 })
	step(savedQuery(func(e *events.QuerySaved) {
		e.Limit, e.Conditions, e.Clauses = 50, nil, []events.QueryClause{{Match: events.MatchNot, Conditions: e.Conditions}}
	}), func(q *Query) bool { return q.Changed })
	step(events.QueryResultOmitted{Query: 1, Item: item}, func(q *Query) bool { return len(q.Omitted) == 1 })
	step(events.QueryResultOmitted{Query: 1, Item: item}, func(q *Query) bool { return len(q.Omitted) == 1 })
	step(events.QueryResultIncluded{Query: 1, Item: other}, func(q *Query) bool { return reflect.DeepEqual(q.Omitted, []events.QueryItem{item}) })
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := Decode(Format, data); err != nil || !reflect.DeepEqual(back.Query(1), s.Query(1)) {
		t.Errorf("out of a checkpoint: %+v, %v; want %+v", back.Query(1), err, s.Query(1))
	}
	step(events.QueryResultIncluded{Query: 1, Item: item}, func(q *Query) bool { return q.Omitted == nil })
	step(events.QueryArchived{Query: 1}, func(q *Query) bool { return q.Archived && s.QueryNamed("alice", "failures") == q })
	if about := (events.Entity{Kind: events.Query, ID: "1"}); s.Seq(about) != s.through {
		t.Errorf("sequence of %s is %d, want %d", about, s.Seq(about), s.through)
	} else if s.AgedOut(about); s.Seq(about) != 0 {
		t.Errorf("sequence after it aged out is %d, want 0", s.Seq(about))
	}
	// A fact about a query that was never saved changes nothing.
	s.Evolve(s.through+1, noon, events.QueryArchived{Query: 9})
	if s.Query(9) != nil || s.NextQuery() != 2 {
		t.Errorf("query 9 came of nothing")
	}
}

func TestCanQuery(t *testing.T) {
	s := lived(events.SchedulingPolicySet{Groups: []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"bob"}}}},
		savedQuery(func(e *events.QuerySaved) { e.Group = "kernel" }),
		savedQuery(func(e *events.QuerySaved) { e.Query, e.Name, e.Published = 2, "all", true }))
	tests := []struct {
		user         events.UserName
		id           string
		view, change bool
	}{
		{Local, "1", true, true}, {"alice", "1", true, true}, {"carol", "1", false, false}, {"", "2", false, false},
		{"bob", "1", false, true}, // the users of the group administer it, and do not see what it finds
		{"carol", "2", true, false}, {"bob", "2", true, false}, {"alice", "9", false, false}, {"alice", "x", false, false},
		{"alice", "", true, false},
	}
	for _, tt := range tests {
		about := events.Entity{Kind: events.Query, ID: tt.id}
		if v, c := s.Can(tt.user, View, about), s.Can(tt.user, Change, about); v != tt.view || c != tt.change {
			t.Errorf("%q and query %q: view %t, change %t; want %t, %t", tt.user, tt.id, v, c, tt.view, tt.change)
		}
	}
}
