package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/stream"
	"strata/projections"
	"strata/schemas/job"
)

// Deps is what the service needs from outside.
type Deps struct {
	Log    *stream.Log // as the writer [events.NotifyService]
	Now    func() time.Time
	Logger *slog.Logger
	Key    access.Key      // opens the tokens that callbacks name
	DB     *projections.DB // nil: there is no ClickHouse, and no query can be asked
	By     []string        // entries of the metadata in which comparable jobs agree, beside name, device type and role

	URL     string        // of the lab's pages, for links; may be empty
	Timeout time.Duration // of one attempt; 0 is 30 s
	GiveUp  time.Duration // how long a delivery is tried; 0 is 24 h
	Pause   time.Duration // after the first attempt; 0 is 5 s
	Grace   time.Duration // that a stop gives attempts which are under way; 0 is 2 s
	Allow   []string      // private addresses that deliveries may go to
	Hosts   []string      // globs of hosts that callbacks may go to; none: all
	Secret  string        // signs callbacks; empty does not
	// Looks a token up that is neither the submitter's nor a secret of theirs; nil: the lab has no
	// such file.
	Tokens     func(user events.UserName, name string) (token string, known bool)
	Mail       Mail
	MailDomain string // of users who are named without one
	IRC        IRC
}

// service is the service while it has the turn.
// act and everything that it calls run on the driver's goroutine; attempts run beside it.
type service struct {
	Deps
	guard  guard
	caller *caller
	wake   chan struct{}

	mu sync.RWMutex // guards s.lab, which attempts read
	s  *state

	queues  *queues // of the loop alone
	group   sync.WaitGroup
	sending context.Context // of attempts; it ends with the turn

	ended struct { // attempts that are over
		sync.Mutex
		list []outcomeOf
	}
	unrecorded []outcomeOf // what became of them is still to be recorded
}

// outcomeOf is what became of an attempt.
type outcomeOf struct {
	p      *pending
	answer string
	err    error
}

// Run tells of jobs until ctx ends. It returns nil on an orderly stop. While another process of the lab does so, it waits.
// Other errors are of the configuration (a range or pattern that is none), or of the log's driver.
func Run(ctx context.Context, d Deps) error {
	d.Timeout, d.GiveUp, d.Pause = cmp.Or(d.Timeout, 30*time.Second), cmp.Or(d.GiveUp, 24*time.Hour), cmp.Or(d.Pause, 5*time.Second)
	g, err := newGuard(d.Allow, d.Hosts)
	if err != nil {
		return err
	}
	for {
		// It waits here for as long as another process has the turn.
		turn, err := d.Log.TakeTurn(ctx, name)
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		err = d.tell(ctx, g, turn.Held())
		if perr := turn.Pass(context.WithoutCancel(ctx)); perr != nil {
			d.Logger.Warn("notify leaves its turn to run out", "error", perr)
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
		d.Logger.Warn("notify has lost its turn: the broker did not hear of it in time")
	}
}

// name is that of the service's turn and of its checkpoint.
const name = "notify"

// tell tells of jobs until ctx ends or the turn does. It begins with what stands in the log, so it knows all that another
// process has sent before.
// held ends when the turn is lost: then attempts are broken off at once, for another process has
// begun.
func (d Deps) tell(ctx context.Context, g guard, held context.Context) error {
	s := &service{Deps: d, guard: g, caller: newCaller(g, d.Secret, d.Timeout, d.Now), wake: make(chan struct{}, 1),
		s: newState(d.By, d.GiveUp), queues: newQueues()}
	defer s.caller.client.CloseIdleConnections()
	var stop, end context.CancelFunc
	// Not of ctx: on an orderly stop attempts that are under way get their grace.
	s.sending, stop = context.WithCancel(held)
	defer s.leave(ctx, stop)
	ctx, end = context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(held, end)()
	return d.Log.Run(ctx, stream.Driver{
		Name: name,
		Fold: func(r stream.Recorded) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.s.evolve(r)
		},
		Act:  func(now time.Time) (time.Time, error) { return s.act(ctx, now) },
		Wake: s.wake,
		Checkpoint: &stream.Checkpoint{
			Format: format,
			// Without the lock: the driver's goroutine alone changes the state, and it is that which
			// saves.
			Save: func() ([]byte, error) { return s.s.encode() },
			Load: func(name string, data []byte) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.s.decode(name, data)
			},
		},
	})
}

// recordTime is how long a stop tries to record what was sent.
const recordTime = 5 * time.Second

// leave lets attempts that are under way come to their end, and records those that have: what a receiver has taken
// and nobody has recorded would be sent again.
// stop ends what goes on after the grace; attempts end by that.
func (s *service) leave(ctx context.Context, stop context.CancelFunc) {
	over := make(chan struct{})
	go func() { s.group.Wait(); close(over) }()
	grace := time.NewTimer(cmp.Or(s.Grace, 2*time.Second))
	defer grace.Stop()
	select {
	case <-over:
	case <-grace.C:
	// The turn is gone: another process sends what these attempts were about.
	case <-s.sending.Done():
	}
	stop()
	<-over
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	if err := s.settle(ctx, s.Now()); err != nil {
		s.Logger.Warn("what was sent last is not recorded and will be sent again", "error", err)
	}
}

// Times between two looks at what could not be done.
const (
	again  = time.Second
	behind = 300 * time.Millisecond
)

// maxAsked is how long a dependency query is tried: for tables that are behind or away.
const maxAsked = 10 * time.Minute

// act records what became of attempts, plans what has happened and sends what is due.
// It goes round until nothing more is due, so that a thousand ends at once are planned in one call.
func (s *service) act(ctx context.Context, now time.Time) (wake time.Time, err error) {
	// The earliest of all times wins; zero says that only a fact or a wake is waited for.
	soon := func(at time.Time) {
		if !at.IsZero() && (wake.IsZero() || at.Before(wake)) {
			wake = at
		}
	}
	for {
		// An error of the log stops nothing of what follows: deliveries may go while their facts
		// have to wait.
		if err := s.settle(ctx, now); err != nil {
			soon(now.Add(again))
		}
		more, at, err := s.plan(ctx, now)
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		if err != nil {
			s.Logger.Warn("notify plans again", "error", err)
			soon(now.Add(again))
		}
		soon(at)
		if err := s.enqueue(ctx); err != nil {
			s.Logger.Warn("notify reads a plan again", "error", err)
			soon(now.Add(again))
		}
		s.deliver(now)
		if !more {
			break
		}
	}
	soon(s.queues.next())
	return wake, nil
}

// round is how many moments are looked at at the same time.
const round = 8

// draft is what a look at a moment has found.
type draft struct {
	m       *moment
	verdict verdict
	planned events.NotificationPlanned
	dead    string // why the deliveries cannot go
	last    uint64 // sequence of the last fact about the job's notifications
	err     error
}

// plan looks at some of the moments that are due. It says whether there are more, and when the next one is due.
// Moments are looked at beside one another, for each reads the log; what is decided is recorded one
// by one.
func (s *service) plan(ctx context.Context, now time.Time) (more bool, wake time.Time, err error) {
	var due []*moment
	for _, m := range s.s.moments() {
		switch {
		case m.done || m.due.Equal(held):
		// Nobody wants to hear of it any more; a lab that was off for a week does not call everybody
		// up.
		case m.At.Before(now.Add(-s.GiveUp)):
			delete(s.s.waiting, momentKey{m.Job, m.Kind})
		case m.due.After(now):
			if wake.IsZero() || m.due.Before(wake) {
				wake = m.due
			}
		default:
			due = append(due, m)
		}
	}
	more = len(due) > round
	drafts := make([]draft, min(round, len(due)))
	var group sync.WaitGroup
	for i := range drafts {
		group.Go(func() { drafts[i] = s.look(ctx, due[i], now) })
	}
	group.Wait()
	var errs []error
	for _, d := range drafts {
		err := errors.Join(d.err, s.conclude(ctx, d))
		if err != nil {
			d.m.due = now.Add(again)
			errs = append(errs, fmt.Errorf("job %d: %w", d.m.Job, err))
		}
		if !d.m.done && d.m.due.After(now) && !d.m.due.Equal(held) && (wake.IsZero() || d.m.due.Before(wake)) {
			wake = d.m.due
		}
	}
	return more, wake, errors.Join(errs...)
}

// conclude does with a moment what was decided.
// The plan is appended on the condition that look's last fact is still the last one.
func (s *service) conclude(ctx context.Context, d draft) error {
	switch {
	case d.err != nil:
		return nil
	case !d.verdict.wait.IsZero():
		d.m.due = d.verdict.wait
		return nil
	case !d.verdict.plan:
		delete(s.s.waiting, momentKey{d.m.Job, d.m.Kind})
		s.Logger.Debug("nobody is told", "job", d.m.Job, "moment", d.m.Kind)
		return nil
	}
	cause := stream.Cause(stream.Lab, d.m.Seq)
	drafts := []stream.Draft{{Event: d.planned, Cause: cause, Trace: d.m.trace}}
	// Planned and failed at once: so the log shows whom it concerned and why, and a replay may go on
	// from there.
	if d.dead != "" {
		for _, one := range d.planned.Deliveries[:min(len(d.planned.Deliveries), stream.MaxBatch-1)] {
			drafts = append(drafts, stream.Draft{Event: events.NotificationFailed{Job: d.m.Job, N: one.N, Reason: d.dead}, Cause: cause, Trace: d.m.trace})
		}
	}
	_, err := s.Log.Append(ctx, drafts, func(events.Entity) uint64 { return d.last })
	if err == nil {
		d.m.done = true
		s.Logger.Info("notification planned", "job", d.m.Job, "moment", d.m.Kind, "deliveries", len(d.planned.Deliveries))
	}
	return err
}

// look finds out what is to be told of a moment.
// It runs beside others of its kind and changes nothing. No plan and no wait in its verdict has the
// moment forgotten.
func (s *service) look(ctx context.Context, m *moment, now time.Time) draft {
	d := draft{m: m}
	var first, last story
	if first, d.err = s.load(ctx, m.Job, m.Kind); d.err != nil || first.submitted.Job == 0 {
		return d // without facts it is too old to be told of
	}
	_, def, err := s.definition(ctx, first)
	if err != nil {
		if !errors.Is(err, errErased) && !readable(err) {
			d.err = err // a stop too: the moment has to wait for the next start
		}
		return d
	}
	n := def.Notification()
	last = first
	// The moment is the first attempt's; what it tells of is the last one's end.
	if first.job.RetriedAs != 0 {
		if last, d.err = s.load(ctx, first.job.RetriedAs, m.Kind); d.err != nil {
			return d
		}
	}
	if d.verdict = decide(*m, n, first, last, now); !d.verdict.plan {
		return d
	}
	if d.verdict.ask && !s.ask(ctx, &d, n, first, now) {
		return d
	}
	told, err := s.Log.Load(ctx, events.Entity{Kind: events.Notification, ID: m.Job.String()})
	if err != nil {
		d.err = err
		return d
	}
	given := 0
	for _, r := range told {
		d.last = r.Seq
		if e, ok := r.Event.(events.NotificationPlanned); ok {
			given += len(e.Deliveries)
			if e.Moment == m.Kind {
				d.verdict = verdict{wait: held} // the fact is on its way here
				return d
			}
		}
	}
	d.planned = events.NotificationPlanned{Job: m.Job, Moment: m.Kind, Before: m.Before.Job, Complete: last.told()}
	if last.job.ID != first.job.ID {
		d.planned.Last = last.job.ID
	}
	d.planned.Deliveries = receivers(n, first.job.User, s.addresses(n, first.job.User, last), given)
	return d
}

// readable says that an error is about a text that can be read as often as one likes, and will not be a definition.
// Such a job was refused, or its text is of a release to come: nobody is told.
func readable(err error) bool {
	var p *job.Problem
	return errors.As(err, &p)
}

// ask asks the dependency query of a moment that is to be told of otherwise. It reports whether to go on.
// While the tables are behind or away the moment waits, and is planned as dead when that was too
// long.
func (s *service) ask(ctx context.Context, d *draft, n *job.Notify, first story, now time.Time) bool {
	violated, err := s.violated(ctx, n, first, d.m.Seq)
	var wrong permanent
	switch {
	case err == nil && violated:
		d.verdict = verdict{}
		return false
	case err == nil:
		return true
	case errors.As(err, &wrong) || now.After(d.m.At.Add(maxAsked)):
		d.dead = fmt.Sprintf("the dependency query could not be asked: %v", err)
		return true
	}
	d.verdict = verdict{wait: now.Add(behind)}
	return false
}

// addresses is what a plan has to know of the lab.
func (s *service) addresses(n *job.Notify, submitter events.UserName, last story) addresses {
	a := addresses{domain: s.MailDomain, irc: s.IRC.Server, accounts: map[events.UserName]events.UserConfigured{}}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := last.job.Run; r != nil {
		if d := s.s.lab.Device(r.Device); d != nil {
			a.owner = d.Owner
		}
	}
	users := []events.UserName{submitter, a.owner}
	for _, r := range n.Recipients {
		users = append(users, events.UserName(r.User))
	}
	for _, user := range users {
		if u := s.s.lab.User(user); u != nil {
			a.accounts[user] = u.UserConfigured
		}
	}
	return a
}

// mailOf returns the address that a user has given, "" for none: as in LAVA, mail goes there.
func (s *service) mailOf(user events.UserName) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if u := s.s.lab.User(user); u != nil {
		return u.Email
	}
	return ""
}
