package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"strata/dispatcher/worker/jobproc"
	"strata/schemas/order"
)

// The steps of a cancel, from the time it was asked for: SIGTERM at once, again from againAfter,
// and SIGKILL to all of the job's processes from killAfter.
const (
	againAfter = 60 * time.Second
	killAfter  = 120 * time.Second
)

// tick is the longest the supervisor waits without looking around: at free space, and at processes
// that are another's children.
const tick = 5 * time.Second

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

	leases   *leases
	jobs     []*job // all directories, in the order they came
	ready    bool   // every order that waited at the start of this session has been read
	rehold   bool   // a job whose lease was over has ended: dispatch waits to hear so
	session  string // of the link; empty while away
	couriers map[*job]bool
}

// ask is what the link wants of the supervisor, answered on done once it is on disk.
type ask struct {
	order   *order.Order
	more    bool   // further orders wait behind this one
	session string // opened: report what is held
	closed  bool   // the session is over
	done    chan error
}

func newSupervisor(d Deps) (*supervisor, error) {
	s := &supervisor{
		Deps: d, asks: make(chan ask), exits: make(chan *job), spools: make(chan spoolSent),
		couriers: map[*job]bool{},
	}
	var err error
	if s.outbox, err = openOutbox(filepath.Join(d.StateDir, "reports")); err != nil {
		return nil, err
	}
	if s.leases, err = openLeases(d.StateDir); err != nil {
		return nil, err
	}
	if s.jobs, err = readJobs(d.StateDir); err != nil {
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

// run serves until ctx ends. An error is one of the disk: going on could start a job twice.
func (s *supervisor) run(ctx context.Context) error {
	s.ctx, s.stop = context.WithCancel(ctx)
	defer s.wait.Wait()
	defer s.stop()
	if err := s.takeBack(); err != nil {
		return err
	}
	for {
		wake, err := s.act()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case a := <-s.asks:
			err := s.answer(a)
			a.done <- err
			if errors.Is(err, errDisk) {
				return err
			}
		case j := <-s.exits:
			if err := s.end(j); err != nil {
				return err
			}
		case sent := <-s.spools:
			if err := s.emptied(sent); err != nil {
				return err
			}
		case <-s.After(max(wake.Sub(s.Now()), 0)):
		}
	}
}

// errDisk is in errors after which the worker must not go on.
var errDisk = errors.New("state directory cannot be written")

// takeBack finds out what became of the jobs of an earlier run.
func (s *supervisor) takeBack() error {
	for _, j := range s.jobs {
		if j.Phase != starting && j.Phase != running {
			continue
		}
		if err := s.adopt(j); err != nil {
			return err
		}
	}
	return nil
}

// adopt takes a process back, or settles that there is none.
func (s *supervisor) adopt(j *job) error {
	if j.Phase == starting {
		who, err := jobproc.GiveUp(j.dir)
		switch {
		case err == nil:
			return s.refuse(j, "the worker stopped before the job's process began")
		case errors.Is(err, os.ErrNotExist):
			return nil // it has the lock and is about to say who it is: asked again by act
		case !errors.Is(err, jobproc.ErrHeld):
			return fmt.Errorf("job %d: %w", j.Job, err)
		}
		j.Process = who
		if err := s.began(j); err != nil {
			return err
		}
	}
	s.Logger.Info("job taken back", "job", j.Job, "lease", j.Lease, "pid", j.Process.PID, "lives", j.Process.Lives())
	s.watch(j, func() { awaitExit(s.ctx, j.Process) })
	return nil
}

// began notes that the job's process lives, and reports it.
func (s *supervisor) began(j *job) error {
	j.Phase = running
	if err := j.save(); err != nil {
		return err
	}
	return s.report(j, order.Report{Claim: order.Started})
}

// answer does what the link asks.
func (s *supervisor) answer(a ask) error {
	switch {
	case a.closed:
		s.ready, s.session = false, ""
		return nil
	case a.session != "":
		s.ready, s.session = true, a.session
		return s.hold()
	case a.order == nil:
		s.ready = true
		return nil
	}
	s.ready = !a.more
	return s.take(*a.order)
}

// hold reports the leases that the worker has something of.
func (s *supervisor) hold() error {
	r := order.Report{Claim: order.Holding, Session: s.session, Build: s.Build}
	for _, j := range s.jobs {
		r.Held = append(r.Held, order.Held{Job: j.Job, Lease: j.Lease, Device: j.Device, Runs: j.Phase != ended})
	}
	s.rehold = false
	return s.add(r)
}

// act starts what may be started, goes on with cancels, and returns when to look again.
func (s *supervisor) act() (wake time.Time, err error) {
	now := s.Now()
	wake = now.Add(tick)
	for _, j := range s.jobs {
		if j.Phase == starting && j.Process == (jobproc.Identity{}) {
			if err := s.adopt(j); err != nil {
				return wake, err
			}
			wake = now.Add(soon)
		}
		if j.Phase == taken && s.ready && !s.busy(j) {
			if err := s.start(j); err != nil {
				return wake, err
			}
		}
		if j.Phase == running && !j.Cancel.IsZero() {
			next, err := s.escalate(j, now)
			if err != nil {
				return wake, err
			}
			if !next.IsZero() && next.Before(wake) {
				wake = next
			}
		}
		if j.Phase == ended && !j.Emptied && s.session != "" && !s.couriers[j] {
			s.dispatchCourier(j)
		}
	}
	if s.rehold && s.session != "" {
		if err := s.hold(); err != nil {
			return wake, err
		}
	}
	return wake, nil
}

// busy tells whether another job has the board, or is first in line for it.
func (s *supervisor) busy(j *job) bool {
	for _, other := range s.jobs {
		if other != j && other.board() == j.board() && (other.lives() || other.Phase == taken && other.Lease > j.Lease) {
			return true
		}
	}
	return false
}

// escalate sends the signals of a cancel that are due, each once, and returns when the next one is.
func (s *supervisor) escalate(j *job, now time.Time) (next time.Time, err error) {
	since := now.Sub(j.Cancel)
	if since >= killAfter {
		if !j.kills {
			j.kills = true
			n, err := j.Process.KillSession()
			s.Logger.Warn("job killed", "job", j.Job, "processes", n, "error", err)
		}
		return time.Time{}, nil
	}
	if _, err := jobproc.ReadIdentity(j.dir); err != nil {
		// It does not handle signals yet, and would die of one without a result.
		return now.Add(soon), nil
	}
	due := 1
	if since >= againAfter {
		due = 2
	}
	if j.Terms < due {
		// Noted first: after a restart of the worker a second signal would cut the clean-up short.
		j.Terms = due
		if err := j.save(); err != nil {
			return time.Time{}, err
		}
		s.terminate(j)
	}
	if due == 1 {
		return j.Cancel.Add(againAfter), nil
	}
	return j.Cancel.Add(killAfter), nil
}

func (s *supervisor) report(j *job, r order.Report) error {
	r.Job, r.Lease, r.Device = j.Job, j.Lease, j.Device
	return s.add(r)
}

func (s *supervisor) add(r order.Report) error {
	if err := s.outbox.add(s.Now(), r); err != nil {
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	return nil
}
