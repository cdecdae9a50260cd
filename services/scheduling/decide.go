package scheduling

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// decision is one batch of facts, and what is left for later.
type decision struct {
	facts []events.Event // empty, or RoundDecided and at least one more
	wake  time.Time      // when time alone makes a difference next, such as by a queue timeout; zero: never
	more  bool           // the batch was full: decide again once it is recorded
}

// decide returns the facts to record next and when it wants to be asked again. It reads no clock,
// no network and no map order, and leaves the lab as it is; of the index it notes only how late it is.
func decide(s *state, now time.Time) decision {
	turn := s.pass(now)
	r := &round{s: s, now: now, room: stream.MaxBatch - 1, standings: s.lab.Standings(now),
		taken: map[events.DeviceName]bool{}, extra: map[events.WorkerName]int{}, leaving: map[events.JobID]bool{},
		reserved: map[events.DeviceName][]*lab.Reservation{}}
	r.withdraw()
	if !r.more {
		r.schedule()
	}
	d := decision{wake: sooner(r.wake(), turn), more: r.more}
	if len(r.facts) > 0 {
		open := events.RoundDecided{Scheduler: s.scheduler, Through: s.lab.Through(), Scheduled: r.scheduled}
		d.facts = append([]events.Event{open}, r.facts...)
	}
	return d
}

// round is a decision in the making.
type round struct {
	s         *state
	now       time.Time
	room      int // facts that still fit in the batch
	facts     []events.Event
	scheduled int
	more      bool
	taken     map[events.DeviceName]bool
	extra     map[events.WorkerName]int // devices of the worker taken in this round
	leaving   map[events.JobID]bool     // jobs that this round is done with: withdrawn, or given a device
	standings *lab.Standings
	reserved  map[events.DeviceName][]*lab.Reservation // of devices that were asked about
}

// withdraw makes jobs leave the queue: those that nobody wants any more, then those that have
// waited for too long, and with each part of a group the others.
func (r *round) withdraw() {
	for _, id := range slices.Sorted(maps.Keys(r.s.unwanted)) {
		r.leave(r.s.queued[id], "")
	}
	for c := r.s.deadlines.cursor(); c.peek() != nil && !r.now.Before(c.peek().deadline) && !r.more; c.pass() {
		e := c.peek()
		why := fmt.Sprintf("queue timeout after %v", time.Duration(e.job.QueueTimeout)*time.Second)
		r.leave(e, why)
		if e.job.Part == nil {
			continue
		}
		for _, p := range r.s.lab.Group(e.job.Part.Group) {
			if q := r.s.queued[p.ID]; q != nil {
				r.leave(q, why)
			}
		}
	}
}

// leave withdraws one job; a reason that is not given stands in the job or its group.
func (r *round) leave(e *entry, why string) {
	if r.leaving[e.job.ID] {
		return
	}
	if r.room == 0 {
		r.more = true
		return
	}
	r.leaving[e.job.ID] = true
	f := events.JobWithdrawn{Job: e.job.ID, Reason: why}
	if c := e.job.Cancel; c != nil {
		f.By, f.Reason = c.By, cancelReason(c)
	} else if reason := orphan(r.s.lab, e.job); reason != "" {
		f.Reason = reason
	} else if why == "" && e.job.Part != nil {
		if end := ender(r.s.lab.Group(e.job.Part.Group)); end != nil {
			f.Reason = fmt.Sprintf("its group cannot run: job %s is over or canceled", end.Display)
		}
	}
	r.facts = append(r.facts, f)
	r.room--
}

func cancelReason(c *lab.Cancel) string {
	why := "canceled"
	switch {
	case c.From != 0 && c.Reason != "": // it names the part already, as people know it
		return c.Reason
	case c.By != "":
		why += " by " + string(c.By)
	case c.From != 0:
		why += fmt.Sprintf(" with job %d of its group", c.From)
	}
	if c.Reason != "" {
		why += ": " + c.Reason
	}
	return why
}

// wake is when the next queue timeout is over.
func (r *round) wake() time.Time {
	for c := r.s.deadlines.cursor(); c.peek() != nil; c.pass() {
		if e := c.peek(); !r.leaving[e.job.ID] {
			return e.deadline
		}
	}
	return time.Time{}
}

// sooner returns the earlier of two times; zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
