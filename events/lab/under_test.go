package lab

import (
	"testing"
	"time"

	"strata/events"
)

// TestPutUnder shows that the lab of once answers by the rights of another day, and that neither changes the other.
func TestPutUnder(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	seq := uint64(0)
	fold := func(s *State, facts ...events.Event) {
		for _, e := range facts {
			seq++
			s.Evolve(seq, at, e)
		}
	}
	first := []events.Event{
		events.UserAdded{User: "alice"}, events.UserAdded{User: "bob"}, events.GroupAdded{Group: "kernel"},
		events.GroupJoined{Group: "kernel", User: "bob"},
		events.DeviceTypeAdded{DeviceType: "qemu"}, events.DeviceAdded{Device: "q1", DeviceType: "qemu"},
		events.JobSubmitted{Job: 1, User: "alice", DeviceType: "qemu", Visibility: events.Visibility{Groups: []events.GroupName{"kernel"}}},
		events.QuerySaved{Query: 1, Owner: "alice", Name: "mine", Entity: events.JobQuery, Published: true},
	}
	then, now := New(), New()
	fold(then, first...)
	seq = 0
	fold(now, first...)
	fold(now, events.GroupLeft{Group: "kernel", User: "bob"},
		events.QuerySaved{Query: 1, Owner: "alice", Name: "mine", Entity: events.JobQuery},
		events.PermissionsSet{Kind: events.Device, Name: "q1", Permissions: []events.Permission{{Group: "kernel", Permission: "view_device"}}})

	asks := []struct {
		what   string
		object events.Entity
	}{
		{"a job of a group that bob has left", events.Entity{Kind: events.Job, ID: "1"}},
		{"a query that is published no more", events.Entity{Kind: events.Query, ID: "1"}},
		{"a device that was hidden since", events.Entity{Kind: events.Device, ID: "q1"}},
	}
	for _, a := range asks {
		if !then.Can("bob", View, a.object) || now.Can("bob", View, a.object) {
			t.Fatalf("%s: bob sees it then %t, now %t; want then and not now", a.what, then.Can("bob", View, a.object), now.Can("bob", View, a.object))
		}
	}
	rule, err := now.Rule()
	if err != nil {
		t.Fatal(err)
	}
	fold(now, events.GroupJoined{Group: "kernel", User: "bob"}) // after the rule was taken: no part of it
	if err := then.PutUnder(rule); err != nil {
		t.Fatal(err)
	}
	for _, a := range asks {
		if then.Can("bob", View, a.object) {
			t.Errorf("%s: bob sees it in the lab of once, by the rights of now", a.what)
		}
		if !then.Can("alice", View, a.object) && a.object.Kind != events.Device {
			t.Errorf("%s: alice, whose it is, does not see it", a.what)
		}
	}
	if !now.Can("bob", View, asks[0].object) {
		t.Error("putting the past under a rule has changed the lab that the rule is of")
	}
}
