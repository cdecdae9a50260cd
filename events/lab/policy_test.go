package lab

import (
	"math"
	"reflect"
	"testing"
	"time"

	"strata/events"
)

// lived is a lab that has read facts, each at its time: minutes after noon.
func lived(facts ...any) *State {
	s, minute := New(), 0
	for _, f := range facts {
		switch f := f.(type) {
		case int:
			minute = f
		case events.Event:
			s.Evolve(s.through+1, noon.Add(time.Duration(minute)*time.Minute), f)
		}
	}
	return s
}

func asked(id events.JobID, user events.UserName, priority int, tags ...events.TagName) events.Event {
	return events.JobSubmitted{Job: id, User: user, At: noon.Add(time.Duration(id) * time.Second), DeviceType: "qemu",
		Priority: priority, JobTimeout: 600, Tags: tags}
}

func got(id events.JobID, d events.DeviceName) events.Event {
	return events.JobScheduled{Job: id, Device: d, Worker: "w1", Lease: events.Lease(id)}
}

func over(id events.JobID) events.Event {
	return events.JobFinished{Job: id, Lease: events.Lease(id), Health: events.Complete}
}

// What a user has used is the time that its jobs held devices; older time counts less.
func TestUse(t *testing.T) {
	s := lived(events.SchedulingPolicySet{FairShare: &events.FairShare{HalfLife: 3600, DefaultWeight: 1}},
		asked(1, "alice", 0), asked(2, "alice", 0), asked(3, "bob", 0), asked(4, "bob", 0),
		got(1, "q1"), got(3, "q2"), 10, over(1), 20, got(2, "q1"), 30,
		events.JobReturned{Job: 3, Lease: 3}, got(4, "q2"))
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	if u := s.UseOf("alice"); u.Seconds != 600 || u.Held != 1 {
		t.Errorf("alice used %+v, want 600 s and a device held", u)
	}
	if u := s.UseOf("bob"); u.Seconds != 0 || u.Held != 1 || u.Started != at(30).UnixMilli() {
		t.Errorf("bob used %+v: an order that came back costs nothing", u)
	}
	if got := s.total(s.UseOf("alice"), 0, at(70)); math.Abs(got-(300+3000)) > 1 {
		t.Errorf("after an hour alice's 600 s and the 50 min of the running job count %v, want 3300", got)
	}
	if got := s.total(s.UseOf("bob"), 2, at(30)); got != 3*600 {
		t.Errorf("three jobs at their start count %v, want as much as the job that is over took, each", got)
	}
}

func TestRankBefore(t *testing.T) {
	inOrder := []Rank{
		{Check: true, Job: 9},
		{Priority: 100, Raised: true, Share: 5, Job: 8},
		{Priority: 100, Share: 1, UserShare: 2, Job: 7},
		{Priority: 100, Share: 2, UserShare: 1, Job: 4},
		{Priority: 100, Share: 2, UserShare: 2, Job: 3},
		{Priority: 100, Share: 2, UserShare: 2, Job: 5},
		{Priority: 99, Job: 1},
	}
	for i, a := range inOrder {
		for j, b := range inOrder {
			if a.Before(b) != (i < j) {
				t.Errorf("%+v before %+v: %v", a, b, a.Before(b))
			}
		}
	}
}

func TestStandings(t *testing.T) {
	shares := &events.FairShare{HalfLife: 1 << 30, DefaultWeight: 1, Users: []events.UserWeight{{User: "alice", Weight: 2}},
		Groups: []events.GroupWeight{{Group: "kernel", Weight: 4}}}
	groups := []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"alice", "bob"}}, {Group: "board", Users: []events.UserName{"bob"}}}
	s := lived(events.SchedulingPolicySet{FairShare: shares, Groups: groups, Aging: &events.Aging{Within: 600, Bound: 80}},
		asked(1, "alice", 0), asked(2, "bob", 80), asked(3, "carol", 90), got(1, "q1"), 20, over(1), asked(4, "alice", 50), asked(5, "bob", 0))
	st := s.Standings(noon.Add(20 * time.Minute))
	for _, tt := range []struct {
		job  events.JobID
		want Rank
	}{
		{4, Rank{Priority: 80, Raised: true, Share: 300, UserShare: 600, Job: 4}},
		{2, Rank{Priority: 80, Share: 300, Job: 2}},
		{3, Rank{Priority: 90, Job: 3}},
	} {
		if got := st.Rank(s.Job(tt.job)); got != tt.want {
			t.Errorf("job %d ranks %+v, want %+v", tt.job, got, tt.want)
		}
	}
	st.Give(s.Job(2))
	if r := st.Rank(s.Job(4)); r.Share != 600 {
		t.Errorf("after a device for bob, alice's group has a share of %v, want that of two jobs, 600", r.Share)
	}
	if r := s.Standings(noon.Add(time.Minute)).Rank(s.Job(5)); r.Priority != 0 {
		t.Errorf("a young job ranks %+v, want priority 0", r)
	}
}

func TestCapped(t *testing.T) {
	caps := &events.Caps{Default: 2, Users: []events.UserCap{{User: "ci", Devices: 0}}, Groups: []events.GroupCap{{Group: "kernel", Devices: 3}}}
	groups := []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"alice", "ci"}}}
	s := lived(events.SchedulingPolicySet{Caps: caps, Groups: groups}, asked(1, "alice", 0), asked(2, "alice", 0),
		asked(3, "ci", 0), asked(4, "bob", 0), got(1, "q1"))
	st := s.Standings(noon)
	capped := func(id events.JobID, devices int) bool { _, c := st.Capped(s.Job(id), devices); return c }
	if capped(2, 1) || !capped(2, 2) || capped(4, 7) {
		t.Error("alice may have one more and not two; bob, who holds none, is not kept from a group of jobs")
	}
	st.Give(s.Job(3))
	st.Give(s.Job(3))
	if why, c := st.Capped(s.Job(3), 1); !c || why != "group kernel holds 3 devices and may hold 3" {
		t.Errorf("ci is capped: %v, %q", c, why)
	}
}

func TestReservations(t *testing.T) {
	s := lived(events.DeviceAdded{Device: "q1", DeviceType: "qemu", Tags: []events.TagName{"ssd"}}, events.DeviceAdded{Device: "q2", DeviceType: "qemu"},
		events.SchedulingPolicySet{Groups: []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"bob"}}}},
		events.ReservationMade{Reservation: 1, Devices: []events.DeviceName{"q2"}, User: "alice", From: noon.Add(time.Hour), Until: noon.Add(2 * time.Hour)},
		events.ReservationMade{Reservation: 2, DeviceType: "qemu", Tags: []events.TagName{"ssd"}, Group: "kernel", From: noon, Until: noon.Add(time.Hour)},
		events.ReservationMade{Reservation: 3, DeviceType: "qemu", From: noon.Add(3 * time.Hour), Until: noon.Add(4 * time.Hour)},
		asked(1, "alice", 0), asked(2, "bob", 0))
	q1, q2, alice, bob := s.Device("q1"), s.Device("q2"), s.Job(1), s.Job(2)
	forbids := func(j *Job, d *Device, minute int) events.ReservationID {
		now := noon.Add(time.Duration(minute) * time.Minute)
		if r := s.Forbids(j, s.ReservationsOf(d, now), now); r != nil {
			return r.Reservation
		}
		return 0
	}
	for _, tt := range []struct {
		job    *Job
		device *Device
		minute int
		want   events.ReservationID
	}{
		{alice, q1, 0, 2}, {bob, q1, 0, 0}, {alice, q1, 59, 2}, {alice, q1, 60, 0},
		{bob, q2, 0, 0}, {bob, q2, 50, 0}, {bob, q2, 51, 1}, {bob, q2, 119, 1}, {bob, q2, 120, 0}, {alice, q2, 70, 0},
		{alice, q2, 171, 3}, {alice, q2, 240, 0},
	} {
		if got := forbids(tt.job, tt.device, tt.minute); got != tt.want {
			t.Errorf("job of %s on %s at minute %d: forbidden by %d, want %d", tt.job.User, tt.device.Name, tt.minute, got, tt.want)
		}
	}
	if r := s.Holder("bob", q1, noon); r == nil || r.Reservation != 2 || s.Holder("alice", q1, noon) != nil {
		t.Errorf("bob holds q1 by %+v, want 2; alice does not", r)
	}
	s.Evolve(s.through+1, noon.Add(90*time.Minute), events.ReservationMade{Reservation: 4, DeviceType: "bbb", Until: noon.Add(99 * time.Minute)})
	s.Evolve(s.through+1, noon, events.ReservationEnded{Reservation: 3})
	if s.Reservation(2) != nil || s.Reservation(3) != nil || s.Reservation(1) == nil || s.NextReservation() != 5 {
		t.Error("what is over or has ended is forgotten, and no number comes twice")
	}
}

func TestRareTags(t *testing.T) {
	facts := []any{events.SchedulingPolicySet{RareTags: &events.RareTags{Percent: 25, Tags: []events.TagName{"usb"}, LendAfter: 3600}}}
	for i, tags := range [][]events.TagName{{"hdmi", "ssd"}, {"ssd", "usb"}, nil, {"usb"}} {
		facts = append(facts, events.DeviceAdded{Device: events.DeviceName("q" + string(rune('0'+i))), DeviceType: "qemu", Tags: tags})
	}
	s := lived(append(facts, 10, asked(1, "alice", 0, "hdmi"))...)
	rare := s.RareTags("qemu")
	if want := []events.TagName{"hdmi", "usb"}; !reflect.DeepEqual(rare, want) {
		t.Fatalf("rare tags %v, want %v", rare, want)
	}
	for _, tt := range []struct {
		device events.DeviceName
		asked  []events.TagName
		minute int
		until  int // minutes after noon; 0: not kept
	}{
		{"q0", nil, 0, 60}, {"q0", []events.TagName{"ssd"}, 59, 60}, {"q0", nil, 61, 0}, {"q0", []events.TagName{"hdmi"}, 0, 0},
		{"q2", nil, 0, 0}, {"q3", nil, 59, 60}, {"q3", nil, 60, 0},
	} {
		until, kept := s.KeptUntil(s.Device(tt.device), tt.asked, rare, noon.Add(time.Duration(tt.minute)*time.Minute))
		if kept != (tt.until > 0) || kept && until.Sub(noon).Truncate(time.Minute) != time.Duration(tt.until)*time.Minute {
			t.Errorf("%s for %v at minute %d: kept %v until %v, want until minute %d", tt.device, tt.asked, tt.minute, kept, until, tt.until)
		}
	}
}

// A checkpoint keeps what was laid down and counted.
func TestRulesCheckpoint(t *testing.T) {
	s := lived(events.SchedulingPolicySet{Aging: &events.Aging{Within: 60, Bound: 80}, By: "alice"},
		events.ReservationMade{Reservation: 7, User: "bob", From: noon, Until: noon.Add(time.Hour)},
		asked(1, "alice", 0, "ssd"), got(1, "q1"), 5, over(1), asked(2, "bob", 0), got(2, "q2"))
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(Format, data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.rules, s.rules) {
		t.Errorf("decoded %+v, want %+v", back.rules, s.rules)
	}
}
