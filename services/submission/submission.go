package submission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"strata/events"
	"strata/events/stream"
	"strata/schemas/job"
)

// Deps is what the service needs from outside.
type Deps struct {
	Log    *stream.Log // as the writer [events.SubmissionService]
	Logger *slog.Logger
	Rules  job.Rules // of the gate
	// QueueTimeout is how long a job waits that does not say; 0 is for ever.
	QueueTimeout time.Duration
	// Retry has jobs that do not say tried once more, elsewhere, where they end by the lab's fault.
	Retry bool
	// Refuse returns why the lab takes no submissions at the moment, such as a full disk, or "".
	// Health checks are taken all the same. Nil never refuses.
	Refuse func() string
	// Admit counts a definition that a user published on the bus at a time, and says how long the user has to wait
	// before another is taken; 0 takes this one. Doors bound their callers themselves, so what they hand over is not
	// counted, nor is what the lab's own administrator publishes. Nil takes all.
	Admit  func(user events.UserName, at time.Time) time.Duration
	Counts *Counts // nil: nobody looks
}

// Counts is what the service has done since it started.
type Counts struct {
	Submitted atomic.Uint64 // jobs, each part of a multinode job one
	Rejected  atomic.Uint64
	Retried   atomic.Uint64 // jobs that got a further attempt; it counts as submitted, too
	Conflicts atomic.Uint64 // batches that another instance was faster with
	Position  atomic.Uint64 // the last submission that is decided
}

// again is when a batch that could not be recorded is tried again, should no fact come before.
const again = time.Second

// Run decides about submissions until ctx ends. It returns nil on an orderly stop. Several
// instances may run at once.
func Run(ctx context.Context, d Deps) error {
	if d.Counts == nil {
		d.Counts = new(Counts)
	}
	ctx, stop := context.WithCancel(ctx)
	sv := &service{Deps: d, s: newState(), inbox: newInbox(d), published: map[events.JobID]bool{}}
	sv.s.retry = d.Retry
	defer sv.reading.Wait()
	defer stop()
	return d.Log.Run(ctx, stream.Driver{
		Name:       "submission",
		Fold:       func(r stream.Recorded) { sv.s.evolve(r) },
		Act:        func(now time.Time) (time.Time, error) { return sv.act(ctx, now) },
		Checkpoint: &stream.Checkpoint{Format: format, Save: sv.s.save, Load: sv.s.load},
		Wake:       sv.inbox.wake,
	})
}

// service is a running instance.
// All but the inbox is the driver's goroutine's.
type service struct {
	Deps
	s       *state
	inbox   *inbox
	reading sync.WaitGroup
	begun   bool

	pending []*request // read, in order, and not decided by this instance
	barrier uint64     // sequence of LAB that has to be folded before they are decided
	lost    bool       // the last batch was not recorded, or it is not known whether

	published map[events.JobID]bool // jobs that are to be retried and the text of whose attempt is on the bus
}

// act has jobs retried that ended by the lab's fault, and decides about what was read.
func (sv *service) act(ctx context.Context, now time.Time) (wake time.Time, err error) {
	retryErr := sv.retryOwed(ctx)
	wake, err = sv.decideRead(ctx, now)
	if retryErr == nil || err != nil {
		return wake, err
	}
	// What cannot be retried now, because the bus takes nothing, keeps nobody else waiting.
	soon, err := sv.later(ctx, now, retryErr)
	if wake.IsZero() || soon.Before(wake) {
		wake = soon
	}
	return wake, err
}

// decideRead decides about what was read, batch after batch.
func (sv *service) decideRead(ctx context.Context, now time.Time) (wake time.Time, err error) {
	if !sv.begun {
		// Only now: from where reading has to begin is known once the checkpoint and the log have
		// been folded.
		sv.begun = true
		from := sv.s.position + 1
		sv.reading.Go(func() { sv.inbox.run(ctx, uint64(from)) })
	}
	for {
		if err := sv.inbox.failed(); err != nil {
			return time.Time{}, fmt.Errorf("read submissions: %w", err)
		}
		sv.Counts.Position.Store(uint64(sv.s.position))
		sv.dropDecided()
		if len(sv.pending) == 0 {
			b := sv.inbox.take()
			if len(b.requests) == 0 {
				return time.Time{}, nil
			}
			sv.pending, sv.barrier = b.requests, max(sv.barrier, b.barrier)
			continue
		}
		if sv.s.through() < sv.barrier {
			return time.Time{}, nil // asked again once they are folded
		}
		if sv.lost {
			if err := sv.learn(ctx); err != nil {
				return sv.later(ctx, now, err)
			}
			continue
		}
		if err := sv.record(ctx); err != nil {
			sv.lost = true
			if berr := sv.raiseBarrier(ctx); berr != nil {
				err = errors.Join(err, berr)
			}
			return sv.later(ctx, now, err)
		}
	}
}

// raiseBarrier makes the next decision wait for all facts that are there now.
func (sv *service) raiseBarrier(ctx context.Context) error {
	last, err := sv.Log.Last(ctx, stream.Lab)
	if err == nil {
		sv.barrier = last
	}
	return err
}

// later says when to go on after an error. Those of the broker do not end the service: what was
// recorded comes back as facts, what was not is decided again.
func (sv *service) later(ctx context.Context, now time.Time, err error) (time.Time, error) {
	switch {
	case ctx.Err() != nil:
		return time.Time{}, ctx.Err()
	case errors.Is(err, stream.ErrConflict):
		sv.Counts.Conflicts.Add(1)
		sv.Logger.Debug("batch lost to another instance", "error", err)
	default:
		sv.Logger.Warn("submissions not decided, trying again", "error", err)
	}
	return now.Add(again), nil
}

// dropDecided forgets pending requests that were decided, by us or by another instance.
func (sv *service) dropDecided() {
	for len(sv.pending) > 0 && sv.pending[0].job <= sv.s.position {
		sv.inbox.done(sv.pending[0])
		sv.pending = sv.pending[1:]
	}
}

// learn reads the last sequences of the pending jobs after a batch was not recorded. A job that is
// not decided has folded facts only if somebody has asked for its end already; the fact has to be
// expected then. One that is not folded may be the decision of another instance: it has to be first.
func (sv *service) learn(ctx context.Context) error {
	var jobs []events.Entity
	for _, r := range sv.pending {
		jobs = append(jobs, events.Entity{Kind: events.Job, ID: r.job.String()})
		if r.retryOf != 0 { // its first attempt is told of it in the same batch
			jobs = append(jobs, events.Entity{Kind: events.Job, ID: r.retryOf.String()})
		}
	}
	last, err := sv.Log.LastSeqs(ctx, jobs)
	if err != nil {
		return fmt.Errorf("look for facts of undecided jobs: %w", err)
	}
	sv.lost = false
	for about, seq := range last {
		switch {
		case seq > sv.s.lab.Through():
			sv.barrier, sv.lost = max(sv.barrier, seq), true
		case seq == 0 && sv.s.lab.Seq(about) > 0:
			sv.s.lab.AgedOut(about)
		}
	}
	sv.s.early = last
	return nil
}

// record decides about as many pending requests as one batch holds, and records the facts.
// Texts of parts are published first: a crash in between leaves them for who decides again.
func (sv *service) record(ctx context.Context) error {
	var drafts []stream.Draft
	refusal := ""
	if sv.Refuse != nil {
		refusal = sv.Refuse()
	}
	weight, few := 0, len(sv.pending) <= few
	for i, r := range sv.pending {
		if len(drafts) > 0 && (few || len(drafts)+r.facts() > stream.MaxBatch || weight+r.source.Bytes > batchBytes) {
			break
		}
		problems := sv.s.judge(r, refusal)
		if len(problems) == 0 && len(r.parts) > 0 {
			numbers, err := publishParts(ctx, sv.Log, r)
			if err != nil {
				if i > 0 {
					break // what stands before it need not wait
				}
				return err
			}
			r.number(numbers)
		}
		facts, size := sv.s.decide(r, problems, sv.QueueTimeout), 0
		// What could never be recorded has to be refused, or nothing behind it would be decided
		// either.
		if size = encoded(facts); size > maxFactsBytes {
			facts = sv.s.decide(r, []*job.Problem{job.At(nil, fmt.Sprintf(
				"metadata and other settings are %d bytes once aliases are followed and parts split, at most %d are allowed", size, maxFactsBytes))}, 0)
			size = encoded(facts)
		}
		for _, e := range facts {
			drafts = append(drafts, stream.Draft{Event: e, Actor: r.user, From: r.from, Trace: r.trace,
				Cause: stream.Cause(stream.Submissions, uint64(r.job))})
		}
		weight += size
	}
	recorded, err := sv.Log.Append(ctx, drafts, sv.s.expected)
	if err != nil {
		return err
	}
	for _, r := range recorded {
		sv.s.anticipate(r)
		sv.tell(r.Event)
	}
	return nil
}

// Metadata makes facts large. One request's must be below the broker's max_payload of 8 MiB, or
// they could never be recorded, and nothing behind them either.
const (
	batchBytes    = 4 << 20 // of the facts that share a batch, where they are of several requests
	maxFactsBytes = 7 << 20 // of the facts of one request
)

// few is up to how many requests are recorded one by one. A synced fact takes the broker a tenth of the time
// of an atomic batch, for which it makes a store of its own; so a batch is worth its while only from about ten
// facts on, and whoever stands first in a short queue need not wait for the last.
const few = 8

// encoded is the size of facts on the bus, but for their headers.
func encoded(facts []events.Event) (size int) {
	for _, e := range facts {
		body, err := json.Marshal(e)
		if err != nil {
			panic(fmt.Sprintf("submission: %v", err)) // texts and numbers always encode
		}
		size += len(body)
	}
	return size
}

// tell counts and logs what was recorded.
func (sv *service) tell(e events.Event) {
	switch e := e.(type) {
	case events.JobSubmitted:
		sv.Counts.Submitted.Add(1)
		sv.Logger.Debug("job submitted", "job", e.Job, "user", e.User, "device_type", e.DeviceType)
	case events.JobRetried:
		sv.Counts.Retried.Add(1)
		sv.Logger.Info("job retried", "job", e.Job, "as", e.As, "attempt", e.Attempt)
	case events.JobRetryDropped:
		sv.Logger.Info("job not retried", "job", e.Job, "reason", e.Reason)
	case events.JobRejected:
		sv.Counts.Rejected.Add(1)
		sv.Logger.Info("job rejected", "job", e.Job, "user", e.User, "reason", e.Message)
	}
}
