package worker

import (
	"fmt"
	"os"
	"slices"

	"strata/schemas/order"
)

// take does what an order asks, or keeps it for later; when it returns nil the order may be
// acknowledged. Orders come at least once, and in any order after a loss of the network.
func (s *supervisor) take(o order.Order) error {
	j := s.find(o.Job, o.Lease)
	switch o.Kind {
	case order.Tell:
		s.rehold = true // in this session, or at the beginning of the next
	case order.Start:
		if j != nil {
			s.tell(j)
			return nil
		}
		return s.takeStart(o)
	case order.Check:
		if j != nil {
			s.tell(j)
			return nil
		}
		return s.deny(o, order.Report{Claim: order.Unknown})
	case order.Cancel:
		if j != nil {
			return s.cancel(j, o)
		}
		if o.Over {
			s.rehold = true // whatever was meant is not here any more
			return s.deny(o, order.Report{Claim: order.Unknown})
		}
		// As LAVA's worker answers: the job cannot be ended here, and its device needs a look.
		return s.deny(o, order.Report{Claim: order.Finished, Verdict: &order.Verdict{
			Result: "fail", ErrorType: "Bug", Error: "the worker was asked to cancel a job that it does not know"}})
	case order.Discard:
		if j != nil && j.Phase == ended {
			return s.discard(j)
		}
	}
	return nil
}

// find returns the job of a lease, nil where nothing of it is here.
func (s *supervisor) find(job, lease uint64) *job {
	for _, j := range s.jobs {
		if j.Job == job && j.Lease == lease {
			return j
		}
	}
	return nil
}

// takeStart keeps a new job, unless its lease is over or there is no room for it.
func (s *supervisor) takeStart(o order.Order) error {
	b := board(o.Device, o.Job)
	switch highest := s.leases.highest[b]; {
	case o.Lease < highest:
		return s.deny(o, order.Report{Claim: order.Refused,
			Reason: fmt.Sprintf("lease %d is over: the worker has seen %d for this device", o.Lease, highest)})
	case o.Lease == highest:
		return s.deny(o, order.Report{Claim: order.Refused,
			Reason: fmt.Sprintf("lease %d was seen before and nothing is left of it", o.Lease)})
	}
	// Before anything is written: an order that is kept has to be run.
	if short := s.shortOfSpace(); short != "" {
		return s.deny(o, order.Report{Claim: order.Refused, Reason: short})
	}
	// The directory first, the lease second. After a crash between the two the order comes again and
	// finds its directory; the other way round it would find a lease that was seen and nothing left.
	j, err := makeJob(s.StateDir, o)
	if err == nil {
		err = s.leases.raise(b, o.Lease)
	}
	if err != nil {
		// A full disk is no reason to stop: the order stays on the bus and comes again.
		return fmt.Errorf("keep order of job %d: %w", o.Job, err)
	}
	s.jobs = append(s.jobs, j)
	s.Logger.Info("order taken", "job", o.Job, "device", o.Device, "lease", o.Lease)
	s.report(j, order.Report{Claim: order.Taken})
	s.supersede(j)
	s.manual.supersede(b, o.Lease)
	return nil
}

// takeRefused answers a start that could not be read or not be had whole. A job that is here all the
// same is told of: it was taken when its order came the first time.
func (s *supervisor) takeRefused(o order.Order, reason string) error {
	if j := s.find(o.Job, o.Lease); j != nil {
		s.tell(j)
		return nil
	}
	return s.deny(o, order.Report{Claim: order.Refused, Reason: order.Sentence(reason)})
}

// supersede ends the jobs that have the board under a lower lease: the lab has given it to another.
func (s *supervisor) supersede(j *job) {
	for _, other := range s.jobs {
		if other == j || other.board() != j.board() || other.Lease >= j.Lease || other.Phase == ended || other.Stale {
			continue
		}
		o := order.Order{Kind: order.Cancel, Over: true,
			Reason: fmt.Sprintf("the device was given to job %d under lease %d", j.Job, j.Lease)}
		if err := s.cancel(other, o); err != nil {
			s.Logger.Error("cancel of a job whose lease is over failed", "job", other.Job, "error", err)
		}
	}
}

// deny answers an order for which nothing is kept. The lease is fenced first, so that the answer
// stays true: a start with the same lease that comes later is refused too.
func (s *supervisor) deny(o order.Order, r order.Report) error {
	if err := s.leases.raise(board(o.Device, o.Job), o.Lease); err != nil {
		return fmt.Errorf("fence job %d: %w", o.Job, err)
	}
	s.Logger.Warn("order not done", "job", o.Job, "lease", o.Lease, "order", o.Kind, "claim", r.Claim, "reason", r.Reason)
	r.Job, r.Lease, r.Device = o.Job, o.Lease, o.Device
	s.outbox.add(s.Now(), r)
	return nil
}

// tell reports again where a job stands: its report may have been lost on the way or not believed.
func (s *supervisor) tell(j *job) {
	switch j.Phase {
	case taken, starting:
		s.report(j, order.Report{Claim: order.Taken})
	case running:
		s.report(j, order.Report{Claim: order.Started})
	case ended:
		if j.Refused != "" {
			s.report(j, order.Report{Claim: order.Refused, Reason: j.Refused})
			return
		}
		s.report(j, order.Report{Claim: order.Finished, Verdict: j.Verdict})
	}
}

// cancel begins to end a job. One that has not begun ends here; act sends the signals to the others.
func (s *supervisor) cancel(j *job, o order.Order) error {
	switch {
	case j.Phase == ended:
		if o.Over {
			s.rehold = true
			return nil
		}
		s.tell(j)
		return nil
	case j.Phase == taken:
		j.Stale = j.Stale || o.Over
		s.conclude(j, order.Verdict{Result: "fail", ErrorType: "Canceled", Error: "canceled before it began: " + o.Reason})
		return nil
	}
	j.Stale = j.Stale || o.Over
	if j.Cancel.IsZero() {
		j.Cancel, j.Why = s.Now().UTC(), o.Reason
	}
	// It takes effect even where the disk fails; the order is not acknowledged then, and comes again.
	if err := j.save(); err != nil {
		return fmt.Errorf("cancel job %d: %w", j.Job, err)
	}
	return nil
}

// discard removes all that is left of a job.
func (s *supervisor) discard(j *job) error {
	if stop := s.couriers[j]; stop != nil {
		// Its courier reads the spool, and where nobody takes that output any more it would for ever: when
		// it has stopped the job is discarded.
		j.unwanted = true
		stop()
		return nil
	}
	if err := os.RemoveAll(j.dir); err != nil {
		return fmt.Errorf("discard job %d: %w", j.Job, err)
	}
	s.jobs = slices.DeleteFunc(s.jobs, func(other *job) bool { return other == j })
	return nil
}
