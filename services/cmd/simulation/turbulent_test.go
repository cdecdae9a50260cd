package simulation

import (
	"math/rand/v2"
	"slices"
	"time"

	"strata/events"
)

// turbulence is a small made-up lab where people do at random whatever people can do, beside what a
// [Synthetic] lab knows: jobs with pins, queue timeouts, tags and guests; changes of priorities, devices,
// workers and, where rules is set, policies, reservations and maintenance windows.
type turbulence struct {
	r            *rand.Rand
	rules        bool
	base         func() (Input, bool)
	queue        []Input
	at           time.Time
	jobs         events.JobID
	devices      map[events.DeviceName]events.DeviceTypeName
	names        []events.DeviceName
	types        []events.DeviceTypeName
	workers      int
	reservations events.ReservationID
}

// turbulent makes such a lab up.
func turbulent(seed uint64) (Synthetic, *turbulence) {
	r := rand.New(rand.NewPCG(seed, 77))
	s := Default()
	s.Seed, s.Days, s.Devices, s.Types, s.Workers, s.Limit = seed, 2, 4+r.IntN(9), 1+r.IntN(3), 1+r.IntN(3), r.IntN(5)
	s.Load, s.Median, s.Gangs, s.Infra, s.Retries, s.Bad = 0.5+r.Float64(), 15*time.Minute, 0.3*r.Float64(), 0.15, 1, 0.1
	s.Tagged, s.Asking, s.CheckHours = 0.4, 0.2, r.IntN(3)*5
	s.Priorities = []Weighted[int]{{0, 1}, {10, 1}, {50, 3}, {100, 1}}
	s.Users = []User{{"alice", 2}, {"bob", 1}, {"carol", 1}}
	for i := range r.IntN(4) {
		d := Death{Worker: workerName(i % s.Workers), At: s.Start.Add(time.Duration(r.IntN(48*60)) * time.Minute)}
		if r.IntN(3) > 0 {
			d.Back = d.At.Add(time.Duration(1+r.IntN(600)) * time.Minute)
		}
		s.Deaths = append(s.Deaths, d)
	}
	return s, &turbulence{r: r, rules: seed%2 == 1, devices: map[events.DeviceName]events.DeviceTypeName{}, workers: s.Workers}
}

// next is what comes next from outside.
func (w *turbulence) next() (Input, bool) {
	for len(w.queue) == 0 {
		in, more := w.base()
		if !more {
			return in, false
		}
		w.at = in.At
		switch e := in.Event.(type) {
		case events.DeviceAdded:
			w.devices[e.Device] = e.DeviceType
			w.names = append(w.names, e.Device)
			if !slices.Contains(w.types, e.DeviceType) {
				w.types = append(w.types, e.DeviceType)
			}
		case events.JobSubmitted:
			in.Event = w.twist(e)
			w.jobs = max(w.jobs, e.Job)
			if w.r.IntN(3) == 0 {
				w.queue = append(w.queue, Input{w.at, w.act()})
			}
			if w.rules && w.r.IntN(8) == 0 {
				w.queue = append(w.queue, Input{w.at, w.layDown()})
			}
		}
		w.queue = append(w.queue, in)
	}
	in := w.queue[0]
	w.queue = w.queue[1:]
	return in, true
}

// twist makes a job ask for more.
func (w *turbulence) twist(e events.JobSubmitted) events.JobSubmitted {
	e.JobTimeout = events.Seconds(1800 + w.r.IntN(7200))
	if e.Part != nil {
		if e.Part.Role != "server" && w.r.IntN(4) == 0 {
			part := *e.Part
			part.Guest, part.HostRole = true, "server"
			e.Part, e.DeviceType = &part, ""
		}
		return e
	}
	switch w.r.IntN(9) {
	case 0:
		e.Device = w.device()
		e.DeviceType = w.devices[e.Device]
	case 1:
		e.Worker = w.worker()
	case 2, 3:
		e.QueueTimeout = events.Seconds(600 + w.r.IntN(7200))
	}
	return e
}

func (w *turbulence) device() events.DeviceName { return w.names[w.r.IntN(len(w.names))] }
func (w *turbulence) worker() events.WorkerName { return workerName(w.r.IntN(w.workers)) }

// act is something that a person does.
func (w *turbulence) act() events.Event {
	job := w.jobs - min(w.jobs-1, events.JobID(w.r.IntN(20))) // one of the latest
	switch w.r.IntN(12) {
	case 0, 1, 2:
		return events.JobCancelRequested{Job: job, By: "bob"}
	case 3, 4:
		return events.JobPrioritySet{Job: job, Priority: w.r.IntN(101), By: "bob"}
	case 5:
		all := []events.DeviceHealth{events.Unknown, events.Bad, events.Maintenance, events.Retired, events.Looping}
		return events.DeviceHealthSet{Device: w.device(), Health: all[w.r.IntN(len(all))], By: "bob"}
	case 6, 7:
		return events.DeviceHealthSet{Device: w.device(), Health: events.Good, By: "bob"}
	case 8:
		return events.WorkerConfigured{Worker: w.worker(), JobLimit: w.r.IntN(4), By: "bob"}
	case 9:
		return events.DeviceMoved{Device: w.device(), Worker: w.worker(), By: "bob"}
	case 10:
		if w.r.IntN(2) == 0 {
			return events.DeviceTagged{Device: w.device(), Tag: rareTag, By: "bob"}
		}
		return events.DeviceUntagged{Device: w.device(), Tag: rareTag, By: "bob"}
	}
	health := []events.WorkerHealth{events.WorkerActive, events.WorkerActive, events.WorkerMaintenance}
	return events.WorkerHealthSet{Worker: w.worker(), Health: health[w.r.IntN(3)], By: "bob"}
}

// layDown is a rule that people set.
func (w *turbulence) layDown() events.Event {
	if n := w.r.IntN(4); n == 0 {
		return w.policy()
	} else if n == 1 && w.reservations > 0 {
		return events.ReservationEnded{Reservation: w.reservations, By: "bob"}
	}
	w.reservations++
	e := events.ReservationMade{Reservation: w.reservations, From: w.at.Add(time.Duration(w.r.IntN(180)-30) * time.Minute), By: "bob"}
	e.Until = e.From.Add(time.Duration(10+w.r.IntN(120)) * time.Minute)
	if w.r.IntN(2) == 0 {
		e.DeviceType = w.types[w.r.IntN(len(w.types))]
	} else {
		e.Devices = []events.DeviceName{w.device()}
	}
	switch w.r.IntN(3) { // else it is a maintenance window
	case 0:
		e.User = "alice"
	case 1:
		e.Group = "kernel"
	}
	return e
}

func (w *turbulence) policy() (p events.SchedulingPolicySet) {
	some := func() bool { return w.r.IntN(2) == 0 }
	p.By = "bob"
	if some() {
		p.FairShare = &events.FairShare{HalfLife: 24 * 3600, DefaultWeight: 1, Users: []events.UserWeight{{User: "bob", Weight: 3}}}
	}
	if some() {
		p.Caps = &events.Caps{Default: 1 + w.r.IntN(4), Groups: []events.GroupCap{{Group: "kernel", Devices: 3}}}
	}
	if some() {
		p.Aging = &events.Aging{Within: events.Seconds(3600 + w.r.IntN(4*3600)), Bound: 5 + w.r.IntN(96)}
	}
	if some() {
		p.RareTags = &events.RareTags{Percent: 45, LendAfter: events.Seconds(w.r.IntN(3) * 3600)}
	}
	p.Groups = []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"alice", "carol"}}}
	return p
}
