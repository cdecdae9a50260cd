package lab

import (
	"testing"
	"time"

	"strata/events"
)

// A device in somebody's hands is no job's, whoever else says what of it, until it is let go.
func TestHold(t *testing.T) {
	held := func(lease events.Lease, by events.UserName, minutes int) events.Event {
		return events.DeviceHeld{Device: "q1", Lease: lease, Worker: "w1", Use: events.UseConsole, By: by, Until: noon.Add(time.Duration(minutes) * time.Minute)}
	}
	letGo := func(lease events.Lease) events.Event { return events.DeviceLetGo{Device: "q1", Lease: lease} }
	tests := []struct {
		name  string
		facts []events.Event // after DeviceAdded, at 101, 102, …
		state DeviceState
		lease events.Lease
		by    events.UserName
		until time.Time
	}{
		{"idle", nil, DeviceIdle, 0, "", time.Time{}},
		{"held", []events.Event{held(100, "alice", 10)}, DeviceReserved, 100, "alice", noon.Add(10 * time.Minute)},
		{"held on", []events.Event{held(100, "alice", 10), held(100, "alice", 20)}, DeviceReserved, 100, "alice", noon.Add(20 * time.Minute)},
		{"held by another", []events.Event{held(100, "alice", 10), held(101, "bob", 20)}, DeviceReserved, 100, "alice", noon.Add(10 * time.Minute)},
		{"let go", []events.Event{held(100, "alice", 10), letGo(100)}, DeviceIdle, 100, "", time.Time{}},
		{"an earlier hold let go", []events.Event{held(100, "alice", 10), letGo(100), held(102, "bob", 10), letGo(100)}, DeviceReserved, 102, "bob", noon.Add(10 * time.Minute)},
		{"an old lease", []events.Event{held(100, "alice", 10), letGo(100), held(100, "bob", 10)}, DeviceIdle, 100, "", time.Time{}},
		{"given to a job meanwhile", []events.Event{held(100, "alice", 10), events.DeviceReserved{Device: "q1", Job: 7, Lease: 101}}, DeviceReserved, 100, "alice", noon.Add(10 * time.Minute)},
		{"released by mistake", []events.Event{held(100, "alice", 10), events.DeviceReleased{Device: "q1", Lease: 100}}, DeviceReserved, 100, "alice", noon.Add(10 * time.Minute)},
		{"a job has it", []events.Event{events.DeviceReserved{Device: "q1", Job: 7, Lease: 100}, held(101, "alice", 10)}, DeviceReserved, 100, "", time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New()
			s.Evolve(100, noon, events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1", Health: events.Good})
			for i, e := range tt.facts {
				s.Evolve(uint64(101+i), noon, e)
			}
			d := s.Device("q1")
			by, until := events.UserName(""), time.Time{}
			if d.Hold != nil {
				by, until = d.Hold.By, d.Hold.Until
			}
			if d.State != tt.state || d.Lease != tt.lease || by != tt.by || !until.Equal(tt.until) {
				t.Errorf("the device is %s under %d, held by %q until %s; want %s under %d, %q, %s", d.State, d.Lease, by, until, tt.state, tt.lease, tt.by, tt.until)
			}
			if next := s.HoldLease(d); next <= d.Lease {
				t.Errorf("the next lease is %d after %d", next, d.Lease)
			}
			data, err := s.Encode()
			if err != nil {
				t.Fatal(err)
			}
			back, err := Decode(Format, data)
			if err != nil {
				t.Fatal(err)
			}
			if got := back.Device("q1").Hold; (got == nil) != (d.Hold == nil) || got != nil && *got != *d.Hold {
				t.Errorf("the checkpoint says %+v of the hold, want %+v", got, d.Hold)
			}
		})
	}
}

// A job that waits for a device in somebody's hands is told whose.
func TestExplainHold(t *testing.T) {
	s := New()
	for i, e := range []events.Event{
		events.DeviceTypeAdded{DeviceType: "qemu"}, events.WorkerRegistered{Worker: "w1"}, events.WorkerWentOnline{Worker: "w1"},
		events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1", Health: events.Good}, events.DeviceConfigured{Device: "q1", Dictionary: "{}"},
		events.DeviceHeld{Device: "q1", Lease: 5, Worker: "w1", Use: events.UseReset, By: "alice", Until: noon.Add(time.Minute)},
		events.JobSubmitted{Job: 9, User: "bob", DeviceType: "qemu", JobTimeout: 60},
	} {
		s.Evolve(uint64(i+1), noon, e)
	}
	got, ok := s.Explain(9, noon)
	if !ok || len(got.Candidates) != 1 {
		t.Fatalf("explained %+v %v, want one device", got, ok)
	}
	if c := got.Candidates[0]; c.Obstacle != InHand || c.User != "alice" || c.Reason != "reset" || !c.Since.Equal(noon) {
		t.Errorf("the obstacle is %+v, want alice's hands since noon", c)
	}
	q1 := s.Device("q1")
	if s.Hands("bob", q1, noon) || !s.Hands(Local, q1, noon) || s.Hands("", q1, noon) {
		t.Error("hands on the device have others than who may change it")
	}
	s.Evolve(8, noon, events.ReservationMade{Reservation: 1, Devices: []events.DeviceName{"q1"}, User: "bob", From: noon, Until: noon.Add(time.Hour)})
	if !s.Hands("bob", q1, noon) || s.Hands("bob", q1, noon.Add(time.Hour)) {
		t.Error("who has the device reserved has hands on it for that time, and no longer")
	}
}
