package scheduling

import (
	"slices"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
)

// This file adds to the random histories of TestInvariants what people lay down, and what must hold
// of it. It asks the rules in plain words, without the index and without the functions of the rules.

func (w *world) user() events.UserName {
	return []events.UserName{"alice", "bob", "carol"}[w.r.IntN(3)]
}

// layDown sets a policy, or makes or ends a reservation.
func (w *world) layDown() {
	l := w.s.lab
	switch w.r.IntN(5) {
	case 0, 1:
		more(w.s, w.policy())
	case 2, 3:
		e := events.ReservationMade{Reservation: l.NextReservation(), DeviceType: w.typ(), From: w.now.Add(time.Duration(w.r.IntN(900)-300) * time.Second)}
		e.Until = e.From.Add(time.Duration(1+w.r.IntN(900)) * time.Second)
		if w.r.IntN(2) == 0 {
			e.DeviceType, e.Devices = "", []events.DeviceName{w.device(), w.device()}
		}
		switch w.r.IntN(3) {
		case 0:
			e.User = w.user()
		case 1:
			e.Group = "kernel"
		}
		more(w.s, e)
	case 4:
		if w.r.IntN(2) == 0 {
			more(w.s, events.ReservationEnded{Reservation: l.NextReservation() - 1})
		}
	}
}

func (w *world) policy() (p events.SchedulingPolicySet) {
	some := func() bool { return w.r.IntN(2) == 0 }
	if some() {
		p.FairShare = &events.FairShare{HalfLife: 600, DefaultWeight: 1, Users: []events.UserWeight{{User: "bob", Weight: 3}}}
	}
	if some() {
		p.Caps = &events.Caps{Default: 1 + w.r.IntN(4), Groups: []events.GroupCap{{Group: "kernel", Devices: 3}}}
	}
	if some() {
		p.Aging = &events.Aging{Within: events.Seconds(60 + w.r.IntN(1200)), Bound: 5 + w.r.IntN(96)}
	}
	if some() {
		p.RareTags = &events.RareTags{Percent: 40, LendAfter: events.Seconds(w.r.IntN(3) * 300)}
	}
	if some() {
		p.Groups = []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"alice", "carol"}}}
	}
	return p
}

// checkRules holds that no device was given against a reservation, a cap or for want of a rare tag.
func (w *world) checkRules(t *testing.T, given map[events.DeviceName]*lab.Job) {
	t.Helper()
	p := w.s.lab.Policy()
	held := map[events.UserName]int{}
	for j := range w.s.lab.Jobs() {
		if j.Run != nil && j.Run.Device != "" && j.State != lab.Finished && !j.HealthCheck {
			held[j.User]++
		}
	}
	for _, j := range given {
		if !j.HealthCheck {
			held[j.User]++
		}
	}
	for name, j := range given {
		d := w.s.lab.Device(name)
		for r := range w.s.lab.Reservations() {
			mine := !j.HealthCheck && (r.User == j.User || r.Group != "" && j.User != "bob" && len(p.Groups) > 0)
			ends := w.now.Add(time.Duration(j.JobTimeout) * time.Second)
			about := slices.Contains(r.Devices, name) || r.DeviceType == d.Type
			if about && !mine && w.now.Before(r.Until) && ends.After(r.From) {
				t.Fatalf("job %d of %s, until %v, given %s, which is reserved: %+v", j.ID, j.User, ends, name, r)
			}
		}
		// All groups are carol's: one may be larger than the cap, and then starts on its own.
		if p.Caps != nil && !j.HealthCheck && j.User != "carol" && held[j.User] > p.Caps.Default {
			t.Fatalf("%s holds %d devices with job %d, allowed are %d", j.User, held[j.User], j.ID, p.Caps.Default)
		}
		w.checkRare(t, j, d)
	}
}

// checkRare holds that a device with a rare tag went to a job that needs it, or could be lent.
func (w *world) checkRare(t *testing.T, j *lab.Job, d *lab.Device) {
	t.Helper()
	p := w.s.lab.Policy()
	if p.RareTags == nil || p.RareTags.LendAfter > 0 || j.HealthCheck || j.PinDevice != "" || len(j.Tags) > 0 || len(d.Tags) == 0 {
		return
	}
	all, tagged := 0, 0
	for other := range w.s.lab.Devices() {
		if other.Type == d.Type {
			all++
			if len(other.Tags) > 0 { // there is one tag, ssd
				tagged++
			}
		}
	}
	if 100*tagged <= 40*all {
		t.Fatalf("job %d, which asks for no tag, given %s with the rare %v: %d of %d devices have it", j.ID, d.Name, d.Tags, tagged, all)
	}
}

// better says that the plain order by priority and number decides between a job that waits and one
// that got a device: no rule of the lab that the order does not know stands between them.
func (w *world) better(waits, got *lab.Job, d *lab.Device) bool {
	p := w.s.lab.Policy()
	if !w.rules {
		return true
	}
	sameUser := waits.User == got.User && waits.JobTimeout <= got.JobTimeout && slices.Equal(waits.Tags, got.Tags) &&
		waits.PinDevice == got.PinDevice
	return sameUser && (p.Aging == nil || waits.Priority == got.Priority)
}
