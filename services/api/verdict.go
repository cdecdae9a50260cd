package api

import (
	"context"

	"strata/events"
	"strata/events/lab"
)

// Verdict is what the lab thinks of a definition that was published.
type Verdict struct {
	Decided  bool   // else it still lies on the bus; its number holds good all the same
	Rejected bool   // it is no job
	Message  string // why: the first of the problems
	Problems []events.Problem
	Jobs     []string // that it became, as people call them: 42, or 41.0 and 41.1 of a group
	Group    bool     // it is a multinode job
}

// Verdict waits until submission has looked at a definition, or ctx ends, and says what came of it.
func (i Inside) Verdict(ctx context.Context, job events.JobID) (Verdict, error) {
	about := events.Entity{Kind: events.Job, ID: job.String()}
	patient := ctx // the caller's patience is for the wait
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*patience)
	defer cancel()
	// The state may have forgotten a job that is over; the log knows it then.
	facts, err := i.a.log.Load(ctx, about)
	if err != nil {
		return Verdict{}, refused(err)
	}
	if len(facts) == 0 {
		if !i.a.await(patient, patience, func(s *lab.State) bool { return s.Seq(about) > 0 }) {
			return Verdict{}, nil
		}
		if facts, err = i.a.log.Load(ctx, about); err != nil {
			return Verdict{}, refused(err)
		}
	}
	var v Verdict
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.JobRejected:
			return Verdict{Decided: true, Rejected: true, Message: e.Message, Problems: e.Problems}, nil
		case events.JobSubmitted:
			v.Decided, v.Jobs, v.Group = true, []string{e.Display}, e.Part != nil
		}
	}
	if !v.Group {
		return v, nil
	}
	parts, err := i.a.groupOf(ctx, facts, ^uint64(0))
	if err != nil {
		return Verdict{}, refused(err)
	}
	v.Jobs = nil
	for _, p := range parts {
		v.Jobs = append(v.Jobs, p.Display)
	}
	return v, nil
}
