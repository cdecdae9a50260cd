package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/job"
)

// story is a job as its facts tell it.
// It is read anew for each look and each attempt: a job has few facts, and they may have become
// more.
type story struct {
	submitted events.JobSubmitted
	job       lab.Job
	startedAt time.Time // when it ran first
	stage     string    // where it was when somebody wanted its end: queue, scheduled or running
	complete  *events.JobOutputComplete
	judged    *events.JobJudged
}

// tell reads a job's facts.
// Facts that do not fit the job's state (of an order that is over) change nothing, as in every fold.
func tell(facts []stream.Recorded) story {
	var s story
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			s.submitted = e
			// Only what messages tell of, beside what the fold needs.
			s.job = lab.Job{ID: e.Job, Display: e.Display, User: e.User, Name: e.Name, SubmittedAt: e.At, DeviceType: e.DeviceType, Priority: e.Priority,
				Visibility: e.Visibility, HealthCheck: e.HealthCheck, Part: e.Part, Source: e.Source, Retries: e.Retries, Attempt: e.Attempt}
			continue
		case events.JobOutputComplete:
			s.complete = &e
		case events.JobJudged:
			s.judged = &e
		}
		before := s.job.State
		if next, fits := s.job.After(r.Time, r.Event); fits {
			if s.job.Cancel == nil && next.Cancel != nil {
				s.stage = stageOf(before)
			}
			s.job = next
			if next.Run != nil && s.startedAt.IsZero() {
				s.startedAt = next.Run.StartedAt
			}
		}
	}
	return s
}

// stageOf says where a job is, in a word.
func stageOf(s lab.JobState) string {
	switch s {
	case lab.Submitted, lab.Scheduling:
		return "queue"
	case lab.Scheduled:
		return "scheduled"
	}
	return "running"
}

// over says that the job has ended.
func (s story) over() bool { return s.job.State == lab.Finished && s.job.End != nil }

// silent says that no output will come: the job never held a device.
func (s story) silent() bool { return s.over() && s.job.Run == nil }

// told says that all that the job wrote has been read.
func (s story) told() bool { return s.complete != nil || s.silent() }

// legacy is LAVA's status before states and health: its number and word.
// Receivers that go by LAVA's older field status still read it.
func (s story) legacy() (int, string) {
	switch {
	case s.job.State == lab.Canceling:
		return 5, "canceling"
	case s.job.State < lab.Running:
		return 0, "submitted"
	case s.job.State == lab.Running:
		return 1, "running"
	}
	switch s.job.Health() {
	case events.Complete:
		return 2, "complete"
	case events.Canceled:
		return 4, "canceled"
	}
	return 3, "incomplete"
}

// health is LAVA's number and word of the job's health.
func (s story) health() (int, string) {
	switch s.job.Health() {
	case events.Complete:
		return 1, "Complete"
	case events.Incomplete:
		return 2, "Incomplete"
	case events.Canceled:
		return 3, "Canceled"
	}
	return 0, "Unknown"
}

// canceler says who wanted the job's end, and why; empty where nobody did.
// stage is queue, scheduled or running: where the job was when the wish came.
func (s story) canceler() (by, reason, stage string) {
	if s.job.Health() != events.Canceled && s.job.State != lab.Canceling {
		return "", "", ""
	}
	c := s.job.Cancel
	switch {
	case c == nil && s.silent():
		return "strata", s.job.End.Error, "queue" // its time in the queue was over
	case c == nil:
		// The lab itself wanted the end, such as by a worker that went; its words are the job's
		// error.
		reason := ""
		if s.job.End != nil {
			reason = s.job.End.Error
		}
		return "strata", reason, "running"
	// A job of the same group that had to succeed did not.
	case c.From != 0:
		by = "job " + c.From.String()
	default:
		by = string(c.By)
	}
	return by, c.Reason, s.stage
}

// errErased says that a job's definition is not there any more: nobody can be told what it asked for.
var errErased = errors.New("the job's definition was removed")

// running is the job when it began to run, whatever has become of it since.
// A callback that goes late still says that the job runs, as LAVA's said it then.
func running(facts []stream.Recorded) []stream.Recorded {
	for i, r := range facts {
		if _, ok := r.Event.(events.JobStarted); ok {
			return facts[:i+1]
		}
	}
	return facts
}

// load reads a job's facts, of its beginning only those up to then.
// A story without a job's number is of a job whose facts are gone.
func (s *service) load(ctx context.Context, id events.JobID, at events.Moment) (story, error) {
	facts, err := s.Log.Load(ctx, events.Entity{Kind: events.Job, ID: id.String()})
	if err != nil {
		return story{}, err
	}
	if at == events.MomentRunning {
		facts = running(facts)
	}
	return tell(facts), nil
}

// definition reads a job's definition.
// errErased is told of one that is gone, a [job.Problem] of one that cannot be read.
func (s *service) definition(ctx context.Context, st story) ([]byte, *job.Definition, error) {
	if st.job.Removed {
		return nil, nil, errErased
	}
	text, err := s.Log.SubmissionText(ctx, st.submitted.Source.Sequence)
	if errors.Is(err, stream.ErrNoSubmission) {
		return nil, nil, errErased
	}
	if err != nil {
		return nil, nil, err
	}
	// Not by the gate, whose rules may have changed since.
	d, err := job.Read(text)
	if err != nil {
		return text, nil, fmt.Errorf("read the definition of job %d: %w", st.job.ID, err)
	}
	return text, d, nil
}
