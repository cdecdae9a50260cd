package simulation

import (
	"strata/events"
	"strata/events/lab"
)

// This file describes the labs that what the policies promise is shown on: by tests, for several seeds,
// and by measurements.

// Saturated is a lab where alice, whose weight is 2, and bob, whose weight is 1, submit half as much again
// as it can run.
func Saturated(seed uint64) Synthetic {
	s := plain(seed)
	s.Days, s.Load, s.Users = 20, 1.5, []User{{"alice", 1}, {"bob", 1}}
	s.Priorities = []Weighted[int]{{50, 1}}
	s.Policy = &events.SchedulingPolicySet{FairShare: &events.FairShare{HalfLife: 7 * 24 * 3600, DefaultWeight: 1,
		Users: []events.UserWeight{{User: "alice", Weight: 2}}}}
	return s
}

// Flooded is a lab under an endless flow of jobs of priority 100, more than it can run; few jobs are of
// priority 0, and to start within six hours.
func Flooded(seed uint64) Synthetic {
	s := plain(seed)
	s.Days, s.Load, s.Priorities = 7, 1.3, []Weighted[int]{{0, 5}, {100, 95}}
	s.Policy = &events.SchedulingPolicySet{Aging: &events.Aging{Within: 6 * 3600, Bound: 100}}
	return s
}

// Tagged is a lab where a fifth of the devices has a tag that some jobs ask for; all jobs together ask
// for most of it. Its rare devices are kept for those, and lent when for a day nobody asked.
func Tagged(seed uint64) Synthetic {
	s := plain(seed)
	s.Days, s.Load, s.Tagged, s.Asking = 30, 0.9, 0.2, 0.16
	s.Policy = &events.SchedulingPolicySet{RareTags: &events.RareTags{Percent: 25, LendAfter: 24 * 3600}}
	return s
}

// Ganged is a small busy lab in which every third submission is a multinode job.
func Ganged(seed uint64) Synthetic {
	s := plain(seed)
	s.Days, s.Devices, s.Types, s.Load, s.Gangs, s.Drain = 10, 8, 3, 0.8, 0.35, true
	return s
}

// plain is a lab of twenty devices of one type, of which people use all hours alike.
func plain(seed uint64) Synthetic {
	s := Default()
	s.Seed, s.Devices, s.Types, s.Workers, s.Steady = seed, 20, 1, 2, true
	s.Gangs, s.CheckHours, s.Tagged, s.Asking = 0, 0, 0, 0
	return s
}

// MeanTaggedWait simulates a lab and returns the mean wait of its jobs that ask for a tag, in seconds.
// Alone, the other jobs are left out, and these come at the same times nevertheless.
func MeanTaggedWait(s Synthetic, alone bool) (float64, error) {
	sc, err := s.Scenario()
	if err != nil {
		return 0, err
	}
	all := sc.Next
	if alone {
		sc.Next = func() (Input, bool) {
			for {
				in, more := all()
				// All are drawn and most thrown away: skipping the draws would move those that stay.
				if e, job := in.Event.(events.JobSubmitted); !more || !job || len(e.Tags) > 0 {
					return in, more
				}
			}
		}
	}
	sim := New(sc)
	if _, err := sim.Run(); err != nil {
		return 0, err
	}
	sum, n := 0.0, 0
	add := func(seconds float64) { sum += seconds; n++ }
	for _, w := range sim.tally.waits {
		for _, g := range w.groups {
			if g.of == "tags" {
				add(w.seconds)
			}
		}
	}
	for j := range sim.Lab().Jobs() { // those that wait still have waited too
		if j.State == lab.Submitted && len(j.Tags) > 0 {
			add(sim.Now().Sub(j.SubmittedAt).Seconds())
		}
	}
	return sum / float64(max(1, n)), nil
}
