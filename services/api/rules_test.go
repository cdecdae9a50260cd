package api_test

import (
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

func TestPolicyStory(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	var p api.Policy
	call(t, c, "policy.show", struct{}{}, &p)
	if p.Seq != 0 || p.At != nil || p.FairShare != nil {
		t.Errorf("a new lab has the policy %+v, want none", p)
	}
	groups := []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"alice"}}}
	call(t, c, "policy.set", events.SchedulingPolicySet{FairShare: &events.FairShare{HalfLife: 60, DefaultWeight: 1}, Groups: groups, By: "mallory"}, &p)
	if p.Seq == 0 || p.FairShare == nil || p.By != "local" {
		t.Errorf("set: got %+v, want the shares, by local, who asked", p)
	}
	call(t, c, "policy.set", events.SchedulingPolicySet{Aging: &events.Aging{Within: 60, Bound: 80}}, nil)
	var again api.Policy
	call(t, c, "policy.show", struct{}{}, &again)
	if again.FairShare != nil || again.Aging == nil || again.Groups != nil {
		t.Errorf("set again: got %+v, want aging alone", again)
	}
	if n := len(eventtest.Facts(t, b.Log, stream.Lab)); n != 2 {
		t.Errorf("%d facts, want one a policy", n)
	}
	bob := c
	bob.User = "bob"
	if err := bob.Call(t.Context(), "policy.set", events.SchedulingPolicySet{}, nil); !api.HasCode(err, api.Denied) {
		t.Errorf("bob sets a policy: %v, want denied", err)
	}
}

// A policy that no scheduler could follow is refused, field by field.
func TestPolicyRefusals(t *testing.T) {
	t.Parallel()
	shares := func(change func(*events.FairShare)) events.SchedulingPolicySet {
		f := &events.FairShare{HalfLife: 60, DefaultWeight: 1}
		change(f)
		return events.SchedulingPolicySet{FairShare: f}
	}
	for _, tt := range []struct {
		policy events.SchedulingPolicySet
		want   string
	}{
		{shares(func(f *events.FairShare) { f.HalfLife = 0 }), "fair_share.half_life is 0; allowed are 1 to"},
		{shares(func(f *events.FairShare) { f.DefaultWeight = -1 }), "fair_share.default_weight is -1"},
		{shares(func(f *events.FairShare) { f.Users = []events.UserWeight{{User: "a"}} }), "fair_share.users.a is 0; allowed are 1 to"},
		{shares(func(f *events.FairShare) {
			f.Users = []events.UserWeight{{User: "a", Weight: 1}, {User: "a", Weight: 2}}
		}), "fair_share.users.a stands there twice"},
		{shares(func(f *events.FairShare) { f.Groups = []events.GroupWeight{{Group: "g", Weight: 1}} }), `names group "g", whose users groups does not say`},
		{events.SchedulingPolicySet{Caps: &events.Caps{Default: -1}}, "caps.default is -1"},
		{events.SchedulingPolicySet{Caps: &events.Caps{Groups: []events.GroupCap{{Group: "g"}}}}, "caps.groups.g names group"},
		{events.SchedulingPolicySet{Aging: &events.Aging{Within: 1, Bound: 50}}, "aging.within is 1"},
		{events.SchedulingPolicySet{Aging: &events.Aging{Within: 60, Bound: 101}}, "aging.bound is 101; allowed are 1 to 100"},
		{events.SchedulingPolicySet{RareTags: &events.RareTags{Percent: 101}}, "rare_tags.percent is 101"},
		{events.SchedulingPolicySet{RareTags: &events.RareTags{Tags: []events.TagName{""}}}, "rare_tags.tags is missing"},
		{events.SchedulingPolicySet{Groups: []events.GroupUsers{{Group: "g"}, {Group: "g"}}}, "groups[1].group stands there twice"},
	} {
		if err := api.CheckPolicy(tt.policy); !api.HasCode(err, api.Invalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.policy, err, tt.want)
		}
	}
}

func TestReservationStory(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	call(t, c, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Tags: []events.TagName{"ssd"}}, &api.Device{})
	for _, name := range []events.DeviceName{"q2", "q3"} {
		call(t, c, "devices.add", api.DeviceRequest{Device: name, DeviceType: "qemu"}, &api.Device{})
	}
	call(t, c, "policy.set", events.SchedulingPolicySet{Groups: []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"bob"}}}}, &api.Policy{})
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	want := func(change func(*api.ReservationRequest)) api.ReservationRequest {
		in := api.ReservationRequest{Devices: []events.DeviceName{"q1"}, User: "alice", From: soon, Until: soon.Add(time.Hour)}
		change(&in)
		return in
	}
	var r api.Reservation
	call(t, c, "reservations.add", want(func(*api.ReservationRequest) {}), &r)
	if r.Reservation != 1 || r.Active || len(r.Covers) != 1 || r.Covers[0].Device != "q1" || r.By != "local" {
		t.Errorf("add: got %+v", r)
	}
	call(t, c, "reservations.add", want(func(in *api.ReservationRequest) {
		in.Devices, in.DeviceType, in.Count, in.User, in.Group, in.From = nil, "qemu", 2, "", "kernel", time.Time{}
	}), &r)
	if got := r.Devices; len(got) != 2 || got[0] != "q2" || got[1] != "q3" || !r.Active {
		t.Errorf("two of the type: got %+v, want those that alice has not", r)
	}
	for _, tt := range []struct {
		change func(*api.ReservationRequest)
		code   api.Code
		want   string
	}{
		{func(in *api.ReservationRequest) { in.User = "bob" }, api.Conflict, "device q1 is reserved by alice from"},
		{func(in *api.ReservationRequest) { in.Devices, in.DeviceType, in.User = nil, "qemu", "" }, api.Conflict, "is reserved by"},
		{func(in *api.ReservationRequest) { in.Devices, in.DeviceType, in.Count, in.User = nil, "qemu", 2, "" }, api.Conflict, "0 devices of type qemu are not reserved by others for that time, 2 are wanted"},
		{func(in *api.ReservationRequest) { in.Devices = []events.DeviceName{"q9"} }, api.NotFound, "no device q9"},
		{func(in *api.ReservationRequest) { in.Devices = append(in.Devices, "q1") }, api.Invalid, "named twice"},
		{func(in *api.ReservationRequest) {
			in.Devices, in.DeviceType, in.Tags = nil, "qemu", []events.TagName{"usb"}
		}, api.NotFound, "no device of type qemu with usb"},
		{func(in *api.ReservationRequest) { in.User, in.Group = "", "nobody" }, api.NotFound, "no group nobody"},
		{func(in *api.ReservationRequest) { in.Group = "kernel" }, api.Invalid, "a user holds it or a group"},
		{func(in *api.ReservationRequest) { in.Devices = nil }, api.Invalid, "devices is missing"},
		{func(in *api.ReservationRequest) { in.DeviceType = "qemu" }, api.Invalid, "not both"},
		{func(in *api.ReservationRequest) { in.Count = 1 }, api.Invalid, "these devices have names"},
		{func(in *api.ReservationRequest) { in.Until = time.Time{} }, api.Invalid, "until is missing"},
		{func(in *api.ReservationRequest) { in.Until = in.From }, api.Invalid, "is not after from"},
		{func(in *api.ReservationRequest) { in.From, in.Until = noon.AddDate(-1, 0, 0), noon.AddDate(-1, 0, 1) }, api.Invalid, "is past"},
		{func(in *api.ReservationRequest) { in.Until = in.From.AddDate(11, 0, 0) }, api.Invalid, "ten years"},
	} {
		if err := c.Call(t.Context(), "reservations.add", want(tt.change), nil); !api.HasCode(err, tt.code) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s with %q", want(tt.change), err, tt.code, tt.want)
		}
	}
	// The holder ends its own, and nobody else's.
	bob := c
	bob.User = "bob"
	if err := bob.Call(t.Context(), "reservations.end", api.ReservationRequest{Reservation: 1}, nil); !api.HasCode(err, api.Denied) {
		t.Errorf("bob ends alice's: %v, want denied", err)
	}
	if err := bob.Call(t.Context(), "reservations.add", want(func(in *api.ReservationRequest) { in.User = "bob" }), nil); !api.HasCode(err, api.Denied) {
		t.Errorf("bob reserves what he may not change: %v, want denied", err)
	}
	call(t, bob, "reservations.end", api.ReservationRequest{Reservation: 2, Reason: "done"}, nil)
	var all []api.Reservation
	call(t, c, "reservations.list", struct{}{}, &all)
	if len(all) != 1 || all[0].Reservation != 1 {
		t.Errorf("left are %+v, want alice's", all)
	}
	if err := c.Call(t.Context(), "reservations.end", api.ReservationRequest{Reservation: 2}, nil); !api.HasCode(err, api.NotFound) {
		t.Errorf("end it again: %v, want not-found", err)
	}
}

// The queue is listed in the order in which the policy ranks it.
func TestQueue(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	call(t, c, "policy.set", events.SchedulingPolicySet{Aging: &events.Aging{Within: 60, Bound: 80}, Caps: &events.Caps{Default: 1}}, &api.Policy{})
	log := b.Log.As(events.SubmissionService)
	for id := events.JobID(1); id <= 4; id++ {
		e := events.JobSubmitted{Job: id, Display: id.String(), User: "alice", Name: "x", At: time.Now(), DeviceType: "qemu", Priority: int(id), JobTimeout: 60}
		if id == 1 {
			e.At = noon.AddDate(-1, 0, 0)
		}
		if id == 4 {
			e.DeviceType = "bbb"
		}
		if _, err := log.Append(t.Context(), []stream.Draft{{Event: e}}, func(events.Entity) uint64 { return 0 }); err != nil {
			t.Fatal(err)
		}
	}
	var q api.Queue
	call(t, c, "queue.list", api.QueueRequest{Limit: 3}, &q)
	got := []events.JobID{}
	for _, j := range q.Jobs {
		got = append(got, j.Job)
	}
	if len(got) != 3 || got[0] != 1 || got[1] != 4 || got[2] != 3 || q.Total != 4 || q.Jobs[0].Raised != 80 {
		t.Errorf("queue %v of %d, raised %+v; want 1 (raised to 80), 4, 3 of 4", got, q.Total, q.Jobs)
	}
	call(t, c, "queue.list", api.QueueRequest{DeviceType: "bbb"}, &q)
	if len(q.Jobs) != 1 || q.Total != 1 {
		t.Errorf("queue of bbb: %+v, want job 4 alone", q)
	}
	if err := c.Call(t.Context(), "queue.list", api.QueueRequest{Limit: 1001}, nil); !api.HasCode(err, api.Invalid) {
		t.Errorf("limit 1001: %v, want invalid", err)
	}
}
