package worker

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"strata/dispatcher/exports"
	"strata/dispatcher/worker/jobproc"
	"strata/schemas/order"
)

// The steps of a cancel, from the time it was asked for: SIGTERM at once, again from againAfter,
// and SIGKILL to all of the job's processes from killAfter. The last two each wait at least for as
// long as the job's own plan allows for powering its device off.
const (
	againAfter = 60 * time.Second
	killAfter  = 120 * time.Second
)

// tick is the longest the supervisor waits without looking around: at free space, and at processes
// that are another's children.
const tick = 5 * time.Second

// holdEvery is how often the leases are told in a session that goes on: an order to discard may have
// got lost while the lab's services were away.
const holdEvery = 10 * time.Minute

// soon is when to look again for a process that is just about to say who it is.
const soon = 50 * time.Millisecond

// supervisor decides about jobs. All fields below asks belong to its goroutine.
type supervisor struct {
	Deps
	outbox *outbox
	asks   chan ask           // from the link
	exits  chan *job          // from waiters: the job's process is gone
	spools chan spoolSent     // from couriers
	wait   sync.WaitGroup     // waiters and couriers
	stop   context.CancelFunc // ends them
	ctx    context.Context

	exports  *exports.Servers
	manual   *manual // people's sessions on devices
	leases   *leases
	jobs     []*job                      // all directories, in the order they came
	ready    bool                        // every order that waited at the start of this session has been read
	rehold   bool                        // a job whose lease was over has ended: dispatch waits to hear so
	session  string                      // of the link; empty while away
	told     time.Time                   // when the leases were last told
	couriers map[*job]context.CancelFunc // that send a spool, and how to stop them
}

// ask is what the link wants of the supervisor, answered on done once it is on disk.
type ask struct {
	order   *order.Order
	hands   *order.Hands // begin a session by hand
	say     *speaker     // of hands
	refuse  string       // the order cannot be done, and why
	more    bool         // further orders wait behind this one
	session string       // opened: report what is held
	closed  bool         // the session is over
	done    chan error
}

// newSupervisor reads what earlier runs left on disk.
func newSupervisor(d Deps) (*supervisor, error) {
	s := &supervisor{
		Deps: d, asks: make(chan ask), exits: make(chan *job), spools: make(chan spoolSent),
		couriers: map[*job]context.CancelFunc{},
	}
	var err error
	if s.outbox, err = openOutbox(filepath.Join(d.StateDir, "reports"), d.Logger); err != nil {
		return nil, err
	}
	if s.leases, err = openLeases(d.StateDir); err != nil {
		return nil, err
	}
	if s.jobs, err = readJobs(d.StateDir, d.Logger); err != nil {
		return nil, err
	}
	for _, j := range s.jobs {
		// An order may have been kept by a run that did not come to raise the lease.
		if err := s.leases.raise(j.board(), j.Lease); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// run serves until ctx ends. A disk that fails is no reason to end: jobs run, and what could not be
// written is written again until it can.
func (s *supervisor) run(ctx context.Context) {
	s.ctx, s.stop = context.WithCancel(ctx)
	defer s.wait.Wait()
	defer s.stop()
	for _, j := range s.jobs {
		if j.lives() {
			s.adopt(j)
		}
	}
	for {
		wake := s.act()
		select {
		case <-ctx.Done():
			return
		case a := <-s.asks:
			a.done <- s.answer(a)
		case j := <-s.exits:
			j.gone = true
		case sent := <-s.spools:
			s.emptied(sent)
		case <-s.manual.freed:
		case <-s.After(max(wake.Sub(s.Now()), 0)):
		}
	}
}

// adopt takes a process of an earlier run back, or settles that there is none.
func (s *supervisor) adopt(j *job) {
	if j.Phase == starting {
		who, err := jobproc.GiveUp(j.dir)
		switch {
		case err == nil:
			s.refuse(j, "the worker stopped before the job's process began")
			return
		case !errors.Is(err, jobproc.ErrHeld):
			// It has the lock and is about to say who it is, or the disk fails: act asks again.
			s.Logger.Info("job's process is looked for", "job", j.Job, "error", err)
			return
		}
		j.Process = who
		s.began(j)
	}
	s.Logger.Info("job taken back", "job", j.Job, "lease", j.Lease, "pid", j.Process.PID, "lives", j.Process.Lives())
	s.watch(j, func() { awaitExit(s.ctx, j.Process) })
}

// began notes that the job's process lives, and reports it.
func (s *supervisor) began(j *job) {
	j.Phase = running
	s.save(j)
	s.report(j, order.Report{Claim: order.Started})
}

// save keeps a job's record, or has act try again.
func (s *supervisor) save(j *job) {
	err := j.save()
	if err != nil {
		s.Logger.Error("state of job is not on disk", "job", j.Job, "error", err)
	}
	j.dirty = err != nil
}

// answer does what the link asks.
func (s *supervisor) answer(a ask) error {
	switch {
	case a.closed:
		s.ready, s.session = false, ""
		return nil
	case a.session != "":
		s.ready, s.session = true, a.session
		s.hold()
		return nil
	}
	if a.hands != nil {
		return s.takeHands(*a.hands, a.say)
	}
	if a.refuse != "" {
		return s.takeRefused(*a.order, a.refuse)
	}
	// Nothing starts while further orders wait: the next may be the cancel of the one before.
	s.ready = !a.more
	return s.take(*a.order)
}

// hold reports the leases that the worker has something of.
func (s *supervisor) hold() {
	r := order.Report{Claim: order.Holding, Session: s.session, Build: s.Build}
	for _, j := range s.jobs {
		r.Held = append(r.Held, order.Held{Job: j.Job, Lease: j.Lease, Device: j.Device, Runs: j.Phase != ended})
	}
	s.rehold, s.told = false, s.Now()
	s.outbox.add(s.Now(), r)
}

// act settles what has ended, starts what may be started, goes on with cancels, and returns when to
// look again.
func (s *supervisor) act() (wake time.Time) {
	now := s.Now()
	wake = now.Add(tick)
	for _, j := range s.jobs {
		switch {
		// One step a job and round; what it leads to is seen in the next.
		case j.gone && j.lives():
			s.end(j)
		case j.Phase == starting && j.Process == (jobproc.Identity{}):
			s.adopt(j)
			wake = now.Add(soon)
		case j.Phase == taken && s.ready && !s.busy(j):
			s.start(j)
		case j.Phase == running && !j.Cancel.IsZero() && !j.after.begun:
			if next := s.escalate(j, now); !next.IsZero() && next.Before(wake) {
				wake = next
			}
		case j.Phase == ended && !j.Emptied && s.session != "" && s.couriers[j] == nil:
			s.dispatchCourier(j)
		}
		if j.dirty {
			s.save(j)
		}
	}
	if s.session != "" && (s.rehold || now.Sub(s.told) > holdEvery && len(s.jobs) > 0) {
		s.hold()
	}
	return wake
}

// busy tells whether another job or a person has the board, or another job is first in line for it.
func (s *supervisor) busy(j *job) bool {
	if s.manual.uses(j.board()) {
		return true
	}
	for _, other := range s.jobs {
		if other != j && other.board() == j.board() && (other.lives() || other.Phase == taken && other.Lease > j.Lease) {
			return true
		}
	}
	return false
}

// escalate sends the signals of a cancel that are due, each once, and returns when the next one is.
func (s *supervisor) escalate(j *job, now time.Time) (next time.Time) {
	if now.Before(j.Cancel) {
		j.Cancel = now.UTC() // the clock was set back, and the rest may not take that much longer
	}
	since := now.Sub(j.Cancel)
	final := jobproc.FinalizeTime(j.dir)
	// A cleanup that hangs ends at the second signal, and only then the device is switched off.
	again := max(againAfter, final)
	kill := again + max(killAfter-againAfter, final)
	if since >= kill {
		if !j.kills {
			j.kills = true
			n, err := j.Process.KillSession()
			s.Logger.Warn("job killed", "job", j.Job, "processes", n, "error", err)
		}
		return time.Time{}
	}
	if _, err := jobproc.ReadIdentity(j.dir); err != nil {
		// It does not handle signals yet, and would die of one without a result.
		return now.Add(soon)
	}
	due := 1
	if since >= again {
		due = 2
	}
	if j.Terms < due {
		// Noted first: after a restart of the worker a second signal would cut the clean-up short.
		j.Terms = due
		s.save(j)
		s.terminate(j)
	}
	if due == 1 {
		return j.Cancel.Add(again)
	}
	return j.Cancel.Add(kill)
}

// report keeps a report about a job, to be sent in its turn.
func (s *supervisor) report(j *job, r order.Report) {
	r.Job, r.Lease, r.Device = j.Job, j.Lease, j.Device
	s.outbox.add(s.Now(), r)
}
