package submission

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/job"
)

// A job that ended by the lab's fault is retried in two steps. First its text is published to
// part.<P>.r<n>, which goes through once: that gives the attempt its number. Then, when the text is
// read like any submission, one batch has the attempt's JobSubmitted and JobRetried on the first one,
// on the condition that nothing has happened to that since. So there is no moment in which an attempt
// waits for a device that its first one does not know of, a cancel is either before the batch or finds
// the attempt, and whoever dies in between leaves what the next one goes on with. JobRetried is this
// service's for that reason: two writers could not share the batch.

// secondAttempt is the number of the one further attempt that a job can get.
// LAVA has none; more than one would keep a broken job going through a lab's boards.
const secondAttempt = 2

// wrongLastSequence is the broker's error code where a subject has a message already.
const wrongLastSequence = 10071

// isRetry says that a text is that of a further attempt.
func isRetry(s stream.Submission) bool { return s.Parent != 0 && strings.HasPrefix(s.Part, "r") }

// retries is how often a job may be tried again: as it says itself, else as the lab does. A job for
// one device cannot go elsewhere; a health check is about its device.
func (s *state) retries(r *request) int {
	switch {
	case r.check || r.pin != "" || r.def.Device != "":
		return 0
	case r.retries != nil:
		return *r.retries
	case s.retry:
		return job.MaxRetries
	}
	return 0
}

// retryOwed publishes the texts of attempts that are owed, and drops those that no device could take.
// An error leaves the rest for the next time.
func (sv *service) retryOwed(ctx context.Context) error {
	maps.DeleteFunc(sv.published, func(id events.JobID, _ bool) bool { return !sv.s.owing[id] })
	for _, id := range slices.Sorted(maps.Keys(sv.s.owing)) {
		if sv.published[id] {
			continue
		}
		j := sv.s.lab.Job(id)
		// A lab whose only other device is Retired would else let the job wait for ever.
		if why := sv.s.lab.Elsewhere(j); why != "" {
			if err := sv.dropRetry(ctx, j, why); err != nil {
				return err
			}
			continue
		}
		first, err := sv.Log.Submission(ctx, j.Source.Sequence)
		if errors.Is(err, stream.ErrNoSubmission) {
			if err := sv.dropRetry(ctx, j, "its definition was removed"); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			err = publishRetry(ctx, sv.Log, j, first)
		}
		if err != nil {
			return fmt.Errorf("retry job %d: %w", id, err)
		}
		sv.published[id] = true
	}
	return nil
}

// dropRetry records that a job is not retried.
func (sv *service) dropRetry(ctx context.Context, j *lab.Job, why string) error {
	recorded, err := sv.Log.Append(ctx, []stream.Draft{{Event: events.JobRetryDropped{Job: j.ID, Reason: why},
		Actor: j.User, Cause: stream.Cause(stream.Lab, j.Seq)}}, sv.s.expected)
	// Something has happened to the job, such as a cancel: the fold will say whether the retry is
	// still owed.
	if errors.Is(err, stream.ErrConflict) {
		about := events.Entity{Kind: events.Job, ID: j.ID.String()}
		last, lerr := sv.Log.LastSeqs(ctx, []events.Entity{about})
		if lerr == nil && last[about] == 0 {
			sv.s.lab.AgedOut(about)
		}
		return errors.Join(err, lerr)
	}
	if err != nil {
		return fmt.Errorf("record that job %d is not retried: %w", j.ID, err)
	}
	for _, r := range recorded {
		sv.s.anticipate(r)
		sv.tell(r.Event)
	}
	return nil
}

// publishRetry publishes the text of a job's further attempt. Where it is there already, it does
// nothing.
func publishRetry(ctx context.Context, l *stream.Log, j *lab.Job, first stream.Submission) error {
	m := nats.NewMsg(fmt.Sprintf("part.%d.r%d", j.ID, secondAttempt))
	m.Data = first.Text
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	m.Header.Set(events.HeaderCause, stream.Cause(stream.Lab, j.Seq))
	m.Header.Set(events.HeaderActor, string(j.User))
	if trace := traceOf(first); trace != "" {
		m.Header.Set(events.HeaderTrace, trace)
	}
	_, err := publishOne(ctx, l.Conn(), m)
	var refused *jetstream.APIError
	// Another instance, or this one before a crash, was faster.
	if errors.As(err, &refused) && refused.ErrorCode == wrongLastSequence {
		return nil
	}
	return err
}

// readRetry reads the text of a further attempt. It passed the gate once, and passes none again: the
// lab's rules may have changed since.
func (r *request) readRetry(s stream.Submission) {
	r.retryOf, r.user = s.Parent, events.UserName(s.Header.Get(events.HeaderActor))
	r.weight = len(s.Text)
	def, err := job.Read(s.Text)
	if err != nil {
		r.problems = []*job.Problem{job.At(nil, err.Error())}
		return
	}
	r.metadata = def.MetadataTexts()
}

// judgeRetry returns why an attempt that was published is not made: meanwhile the first one's retry
// was dropped, or somebody asked for its end.
func (s *state) judgeRetry(r *request) []*job.Problem {
	if r.problems != nil {
		return r.problems
	}
	first := s.lab.Job(r.retryOf)
	switch {
	case first == nil || !first.OwesRetry():
		return []*job.Problem{job.At(nil, fmt.Sprintf("job %d is not to be retried any more", r.retryOf))}
	case first.Source.SHA256 != r.source.SHA256:
		return []*job.Problem{job.At(nil, fmt.Sprintf("the text is not that of job %d", r.retryOf))}
	}
	return nil
}

// decideRetry returns the facts of an attempt that is made. It asks for what the first one did, with
// the priority that this has now, for any device but the one that failed.
func (s *state) decideRetry(r *request) []events.Event {
	first := s.lab.Job(r.retryOf)
	return []events.Event{
		// In this order: the first attempt stays in the fold as long as the other is there.
		events.JobSubmitted{
			Job: r.job, Display: r.job.String(), User: first.User, Name: first.Name, At: r.at, Priority: first.Priority,
			DeviceType: first.DeviceType, Worker: first.PinWorker, Tags: first.Tags, Visibility: first.Visibility,
			QueueTimeout: first.QueueTimeout, JobTimeout: first.JobTimeout, Metadata: r.metadata, Source: r.source,
			Retries: first.Retries,
			Attempt: &events.Attempt{Of: first.ID, N: secondAttempt, Avoid: []events.DeviceName{first.Run.Device}},
		},
		events.JobRetried{Job: first.ID, As: r.job, Attempt: secondAttempt},
	}
}

// dropWith returns the fact that goes with the rejection of an attempt: its first one waits for no
// other.
func (s *state) dropWith(r *request, why string) []events.Event {
	first := s.lab.Job(r.retryOf)
	if first == nil || !first.OwesRetry() {
		return nil
	}
	return []events.Event{events.JobRetryDropped{Job: first.ID, Reason: why}}
}
