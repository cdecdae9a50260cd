package api

import (
	"context"
	"errors"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Definition answers JobRequest for a job's text.
type Definition struct {
	Job        events.JobID `json:"job"`
	Display    string       `json:"display"`
	Definition string       `json:"definition"`          // of a part of a group: what the part was given
	Submitted  string       `json:"submitted,omitempty"` // of a part: the whole group's, byte for byte as submitted
}

// jobDefinition answers with the text of a job, for as long as it is kept.
func (a *api) jobDefinition(ctx context.Context, who caller, in JobRequest) (Definition, error) {
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return Definition{}, err
	}
	if err := a.mayJob(who, lab.View, in.Job); err != nil {
		return Definition{}, err
	}
	if _, erased := removed(facts); erased {
		return Definition{}, refuse(NotFound, "job %d was erased; strata events job/%d tells by whom", in.Job, in.Job)
	}
	// What nobody has checked yet has its own number.
	out, source, parent := Definition{Job: in.Job, Display: in.Job.String()}, uint64(in.Job), events.JobID(0)
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			out.Display, source = e.Display, e.Source.Sequence
			if e.Part != nil {
				parent = e.Part.Parent
			}
		case events.JobRejected:
			source = e.Source.Sequence
		}
	}
	if out.Definition, err = a.text(ctx, in.Job, source); err == nil && parent != 0 {
		out.Submitted, err = a.text(ctx, in.Job, uint64(parent))
	}
	return out, err
}

// text reads a definition.
func (a *api) text(ctx context.Context, of events.JobID, sequence uint64) (string, error) {
	text, err := a.log.SubmissionText(ctx, sequence)
	if errors.Is(err, stream.ErrNoSubmission) {
		return "", refuse(NotFound, "the definition of job %d is not kept any more", of)
	}
	return string(text), err
}

// Verdict waits until the lab has taken a definition that was published as a job or refused it, at most as
// long as ctx. It reports false where neither has come about; the job's number holds good all the same.
func (i Inside) Verdict(ctx context.Context, who Caller, id events.JobID) (Job, bool, error) {
	about := events.Entity{Kind: events.Job, ID: id.String()}
	for {
		// The state may forget a job that is over, and the log knows it then.
		facts, err := i.a.log.Load(ctx, about)
		if err != nil {
			return Job{}, false, refused(err)
		}
		if len(facts) > 0 {
			break
		}
		i.a.mu.RLock()
		changed := i.a.changed
		i.a.mu.RUnlock()
		if i.a.seen(about) {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Job{}, false, nil
		}
	}
	var j Job
	err := i.Call(ctx, who, "jobs.show", JobRequest{Job: id}, &j)
	return j, err == nil, err
}

// seen tells whether the fold has read a fact about an entity.
func (a *api) seen(about events.Entity) bool {
	var seq uint64
	a.read(func(s *lab.State) { seq = s.Seq(about) })
	return seq > 0
}
