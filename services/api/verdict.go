package api

import (
	"context"
	"time"

	"strata/events"
	"strata/events/lab"
)

// Verdict is what the lab thinks of a definition that was published.
// Problems have line and column in the definition's text, as LAVA's clients show them.
type Verdict struct {
	Decided  bool   // else it still lies on the bus; its number holds good all the same
	Rejected bool   // it is no job
	Message  string // why: the first of the problems
	Problems []events.Problem
	Jobs     []string // that it became, as people call them: 42, or 41.0 and 41.1 of a group
	Group    bool     // it is a multinode job
}

// Verdict waits until submission has looked at a definition, or ctx ends, and says what came of it.
// Not decided is no error: submission was slow, or is not running. Rights are not looked at: its
// callers have just published the definition.
func (i Inside) Verdict(ctx context.Context, job events.JobID) (Verdict, error) {
	about := events.Entity{Kind: events.Job, ID: job.String()}
	// The log is asked under a time of its own: what was decided is worth knowing although the
	// caller's patience is over.
	patient := ctx // the caller's patience is for the wait
	if v, ok := i.a.freshVerdict(ctx, job); ok {
		return v, nil
	}
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
	parts, err := i.a.groupOf(ctx, facts, ^uint64(0), func(events.JobID) bool { return true })
	if err != nil {
		return Verdict{}, refused(err)
	}
	v.Jobs = nil
	for _, p := range parts {
		v.Jobs = append(v.Jobs, p.Display)
	}
	return v, nil
}

// atFirst is how long a verdict is waited for before the log is asked whether it was there long ago.
const atFirst = 500 * time.Millisecond

// freshVerdict answers for a definition that becomes a job now, as nearly all do, without a question to the
// broker: the state has what the verdict says. It knows nothing of definitions that were refused, of groups
// whose parts may not all be folded, and of jobs that are over.
func (a *api) freshVerdict(ctx context.Context, job events.JobID) (v Verdict, ok bool) {
	about := events.Entity{Kind: events.Job, ID: job.String()}
	a.await(ctx, atFirst, func(s *lab.State) bool {
		if j := s.Job(job); j != nil && j.Display != "" && j.Part == nil {
			v, ok = Verdict{Decided: true, Jobs: []string{j.Display}}, true
		}
		return ok || s.Seq(about) > 0
	})
	return v, ok
}
