package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/order"
)

// Deps is what dispatch needs from outside.
type Deps struct {
	Log    *stream.Log // as dispatch
	Key    access.Key  // signs the credentials of jobs
	Now    func() time.Time
	Logger *slog.Logger

	// LostAfter is how long a worker may be away before its jobs are ended; 0 is [LostAfter].
	LostAfter time.Duration
	// PresenceTTL is that of the bucket presence; 0 is 15 s.
	PresenceTTL time.Duration
	// OutputLimit is how many bytes of a job's output are kept whole; 0 is the worker's default.
	OutputLimit int64
	// FileLimit and FilesLimit are how many bytes one file of a job's tests may have, and all of
	// them; 0 is the worker's default.
	FileLimit, FilesLimit int64
}

// LostAfter is how long a worker may be away, where nothing else is configured: long enough for
// the reboot of a large machine.
const LostAfter = 15 * time.Minute

// retry is when to try again what the broker did not take.
const retry = time.Second

// Run dispatches until ctx ends. It returns nil on an orderly stop.
func Run(ctx context.Context, d Deps) error {
	if d.LostAfter == 0 {
		d.LostAfter = LostAfter
	}
	if d.PresenceTTL == 0 {
		d.PresenceTTL = 15 * time.Second
	}
	s := &service{Deps: d, ctx: ctx, state: newState(d.Now()), hears: newHears()}
	err := s.run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// run hears workers in the background and drives the state until ctx ends.
func (s *service) run(ctx context.Context) error {
	if err := s.openTexts(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 2)
	go func() { done <- s.hearReports(ctx) }()
	go func() { done <- s.hearPresence(ctx) }()
	err := s.Log.Run(ctx, stream.Driver{
		Name: "dispatch", Wake: s.hears.wakes,
		Fold: func(r stream.Recorded) { s.state.evolve(r) },
		Act:  s.act,
		Checkpoint: &stream.Checkpoint{
			Format: lab.Format, Save: func() ([]byte, error) { return s.state.lab.Encode() }, Load: s.load,
		},
	})
	stop()
	s.aside.Wait()
	return errors.Join(err, <-done, <-done)
}

// service is a running dispatch. Everything but hears belongs to the goroutine of the driver.
type service struct {
	Deps
	ctx   context.Context
	state *state
	hears *hears
	texts texts
	inbox []heardReport // reports that have not been settled, in order
	onWay *delivery     // nil: none
	aside sync.WaitGroup
}

// load takes the fold of a checkpoint. What was heard and sent is not in it: the first is told again
// by workers, the second may be sent again.
func (s *service) load(format string, data []byte) error {
	l, err := lab.Decode(format, data)
	if err != nil {
		return err
	}
	s.state.restore(l)
	return nil
}

// act settles what was heard, decides what the state asks for, and sends what is to be sent.
func (s *service) act(now time.Time) (wake time.Time, err error) {
	s.state.live = true
	reports, signs := s.hears.take()
	s.inbox = append(s.inbox, reports...)
	for _, sign := range signs {
		s.state.sign(sign.worker, sign.presence, now)
	}
	// Claims first: a worker that just came back must not be counted lost in the same round.
	if err := s.settle(now); err != nil {
		return s.putOff(now, err)
	}
	p := s.state.decide(now, s.Deps.limits())
	if err := s.append(p.facts); err != nil {
		return s.putOff(now, err)
	}
	s.state.askAround(now, s.Deps.limits())
	if err := s.send(now); err != nil {
		return s.putOff(now, err)
	}
	return p.wake, nil
}

// putOff says when to try again after an error. Only the end of ctx ends the service: a broker that
// does not answer comes back.
func (s *service) putOff(now time.Time, err error) (time.Time, error) {
	if s.ctx.Err() != nil {
		return time.Time{}, s.ctx.Err()
	}
	if !errors.Is(err, stream.ErrConflict) {
		s.Logger.Warn("dispatch tries again", "error", err)
	}
	return now.Add(retry), nil
}

// settle judges the reports, those about one job in the order they came, and acknowledges those whose facts
// are recorded. As many as can be are recorded in one batch.
func (s *service) settle(now time.Time) error {
	for len(s.inbox) > 0 {
		facts, ripe, rest, err := s.gather(now)
		if err != nil {
			return err
		}
		if err := s.append(facts); err != nil {
			return err
		}
		// Only now may the reports go: their facts are recorded, or they led to none.
		for _, h := range ripe {
			s.state.note(h.worker, h.Report, now)
		}
		s.acknowledge(ripe)
		s.inbox = rest
	}
	return nil
}

// gather returns the facts of the reports that can be recorded together. A second report about a job waits
// in rest for the first one's fold, and lets those about others pass. Only the end of a job goes with its
// start: of short jobs the two lie side by side, and batches for each of them would make dispatch the slowest
// of all services. What a worker says of all its leases passes nothing.
func (s *service) gather(now time.Time) (facts []stream.Draft, ripe, rest []heardReport, err error) {
	touched := map[events.Entity]bool{}
	waits := map[uint64]bool{}
	begun := map[uint64]events.JobStarted{}
	for i, h := range s.inbox {
		if h.Job == 0 && len(rest) > 0 {
			return facts, ripe, append(rest, s.inbox[i:]...), nil
		}
		if waits[h.Job] {
			rest = append(rest, h)
			continue
		}
		if err := s.readFor(h.Report); err != nil {
			return nil, nil, nil, err
		}
		if h.Job != 0 && s.state.lab.Job(events.JobID(h.Job)) == nil {
			if err := s.recall(events.JobID(h.Job)); err != nil {
				return nil, nil, nil, err
			}
		}
		more := s.state.judge(h.worker, h.Report, now)
		if len(facts)+len(more) > stream.MaxBatch {
			return facts, ripe, append(rest, s.inbox[i:]...), nil
		}
		if begin, ok := begun[h.Job]; ok && endsRun(begin, more) {
			delete(begun, h.Job)
		} else if overlaps(touched, more) {
			waits[h.Job] = true
			rest = append(rest, h)
			continue
		}
		for _, e := range more {
			touched[e.About()] = true
			if e, ok := e.(events.JobStarted); ok {
				begun[h.Job] = e
			}
			facts = append(facts, stream.Draft{Event: e, Cause: stream.Cause(stream.Reports, h.seq)})
		}
		ripe = append(ripe, h)
	}
	return facts, ripe, rest, nil
}

// endsRun says that facts, which were judged before the start of the job was folded, are the end of that same
// run, and then makes them say that it does not lie before the start.
func endsRun(begin events.JobStarted, facts []events.Event) bool {
	if len(facts) != 1 {
		return false
	}
	end, ok := facts[0].(events.JobFinished)
	if !ok || end.Lease != begin.Lease {
		return false
	}
	if end.At.Before(begin.At) {
		end.At = begin.At
	}
	facts[0] = end
	return true
}

// readFor makes sure that all facts which a report may rest on have been read. Another dispatch may
// have sent the order that it answers: a lease that is unknown here is then a new one, not one that is
// over. The error is [stream.ErrConflict] where facts are on their way.
func (s *service) readFor(r order.Report) error {
	held := r.Held
	if r.Job != 0 {
		held = []order.Held{{Job: r.Job, Lease: r.Lease}}
	}
	var ask []events.Entity
	for _, h := range held {
		if j := s.state.lab.Job(events.JobID(h.Job)); j == nil || j.Run == nil || uint64(j.Run.Lease) < h.Lease {
			ask = append(ask, events.Entity{Kind: events.Job, ID: events.JobID(h.Job).String()})
		}
	}
	last, err := s.Log.LastSeqs(s.ctx, ask)
	if err != nil {
		return err
	}
	for e, seq := range last {
		if seq > s.state.lab.Through() && seq > s.state.lab.Seq(e) {
			return fmt.Errorf("fact %d about %s is on its way: %w", seq, e, stream.ErrConflict)
		}
	}
	return nil
}

// overlaps says that some of the facts are about an entity that is touched already: a batch can carry
// an expectation for each entity's first fact only, and the second would be judged on what is not folded.
func overlaps(touched map[events.Entity]bool, facts []events.Event) bool {
	for _, e := range facts {
		if touched[e.About()] {
			return true
		}
	}
	return false
}

// append records facts and folds them at once.
func (s *service) append(facts []stream.Draft) error {
	for len(facts) > 0 {
		batch := facts[:min(len(facts), stream.MaxBatch)]
		for i, f := range batch {
			batch[i].Trace = s.state.traceOf(f.Event)
		}
		recorded, err := s.Log.Append(s.ctx, batch, s.state.expect)
		if errors.Is(err, stream.ErrConflict) {
			return errors.Join(err, s.lookAgain(batch))
		}
		// What is left open here (a lost answer) the log shows: expectations then fail, and the facts
		// that are there already are read.
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		for _, r := range recorded {
			s.state.anticipate(r)
			s.Logger.Info("recorded", "event", events.Name(r.Event), "about", r.Event.About().String())
		}
		facts = facts[len(batch):]
	}
	return nil
}

// lookAgain finds out, after a conflict, which entities have no facts in the stream any more.
func (s *service) lookAgain(facts []stream.Draft) error {
	gone, err := s.Log.AgedOut(s.ctx, facts)
	for _, e := range gone {
		s.state.lab.AgedOut(e)
	}
	clear(s.state.late) // somebody else may have told more of a job that is over
	return err
}

// recall reads the history of a job that has left memory, so that a late claim about it is judged by
// what was recorded, and recorded once.
func (s *service) recall(job events.JobID) error {
	if s.state.late[job] != nil {
		return nil
	}
	entity := events.Entity{Kind: events.Job, ID: job.String()}
	facts, err := s.Log.Load(s.ctx, entity)
	if err != nil {
		return fmt.Errorf("recall job %d: %w", job, err)
	}
	s.state.recall(job, facts)
	return nil
}

// limits returns the times that decide needs.
func (d Deps) limits() limits { return limits{d.LostAfter, d.PresenceTTL} }
