package simulation

import (
	"fmt"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/services/dispatch"
	"strata/services/health"
	"strata/services/scheduling"
)

// Simulation is a lab that lives by a virtual clock.
type Simulation struct {
	// Watch is told each fact after it was folded; nil: nobody looks.
	Watch func(r stream.Recorded)

	sc        Scenario
	now       time.Time
	seq       uint64
	scheduler *scheduling.Decider
	health    *health.Decider
	wakes     [2]time.Time // of scheduling and health
	agenda    agenda
	input     Input
	more      bool // there is an input
	dead      map[events.WorkerName]bool
	stirred   []string // multinode groups in which something ended
	checks    events.JobID
	idle      int // steps at one moment
	open      int // jobs of users that are not over
	tally     *tally
	promises  promises
	lava      *lavaRule // nil: the lab's own scheduler decides
}

// New returns a lab at the start of a scenario.
// A Simulation is used up by its run, as the scenario's Next is.
func New(sc Scenario) *Simulation {
	if sc.LostAfter == 0 {
		sc.LostAfter = lostAfter
	}
	s := &Simulation{
		sc: sc, now: sc.Start,
		scheduler: scheduling.NewDecider(lab.New(), "simulation"),
		health:    health.NewDecider(lab.New()),
		dead:      map[events.WorkerName]bool{},
		checks:    firstCheck,
		tally:     newTally(sc.Start),
		promises:  promises{every: sc.Estimates, open: map[events.JobID]lab.Estimate{}},
	}
	if sc.LAVA {
		s.lava = newLavaRule()
	}
	for _, d := range sc.Deaths {
		s.agenda.add(happening{at: d.At, kind: dies, worker: d.Worker})
		if !d.Back.IsZero() {
			s.agenda.add(happening{at: d.Back, kind: back, worker: d.Worker})
		}
	}
	s.input, s.more = sc.Next()
	return s
}

// Lab is the lab as it is, to be read only.
func (s *Simulation) Lab() *lab.State { return s.scheduler.Lab() }

// Now is the virtual time.
func (s *Simulation) Now() time.Time { return s.now }

// Run lets the scenario happen and says what came of it. An error is a fault of the decisions: a lab
// that does not come to rest.
func (s *Simulation) Run() (Report, error) {
	for {
		ran, err := s.Step()
		if err != nil {
			return Report{}, err
		}
		if !ran {
			return s.Report(), nil
		}
	}
}

// Step lets the next moment happen in which something does; false where none is left.
// What comes from outside is admitted before what was foreseen for the same moment, and the lab
// decides after both.
func (s *Simulation) Step() (ran bool, err error) {
	at, ok := s.next()
	if !ok {
		if !s.sc.Drain {
			// Time in which nothing happens is time all the same: devices that stood idle until the
			// end count as such.
			s.now = s.sc.End
		}
		return false, nil
	}
	if s.idle++; s.idle > maxIdle {
		return false, fmt.Errorf("simulate %s: the lab is woken again and again, and decides nothing", s.now.Format(time.RFC3339))
	}
	if at.After(s.now) {
		s.now, s.idle = at, 0
	}
	for s.more && !s.input.At.After(at) {
		s.admit(s.input.Event)
		s.input, s.more = s.sc.Next()
	}
	for {
		h, due := s.agenda.next(at)
		if !due {
			break
		}
		s.happen(h)
	}
	if err := s.settle(); err != nil {
		return true, err
	}
	s.promises.ask(s.Lab(), s.now)
	return true, nil
}

// next is the next moment in which something happens, within the scenario.
func (s *Simulation) next() (time.Time, bool) {
	at := s.agenda.when()
	for _, t := range []time.Time{s.wakes[0], s.wakes[1], s.input.At} {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	end := s.sc.End
	if s.sc.Drain && !s.more {
		if s.open == 0 {
			return at, false
		}
		end = end.Add(max(end.Sub(s.sc.Start), leastDrain))
	}
	if at.IsZero() || at.After(end) {
		return at, false
	}
	if at.Before(s.now) {
		at = s.now // a wake that was passed
	}
	return at, true
}

// leastDrain is how long a lab is drained at least, while jobs wait that may never run.
const leastDrain = 30 * 24 * time.Hour

// maxIdle is far more than what may be foreseen for one moment and come to nothing.
const maxIdle = 10_000

// maxRounds is far more than a lab needs to come to rest at one moment: a batch is fifty jobs.
const maxRounds = 1_000_000

// settle lets the services decide until nothing is left to do at this moment.
// Each decides on what the others have written, so one round is not enough: a health check that is
// asked for wants a device.
func (s *Simulation) settle() error {
	for range maxRounds {
		before := s.seq
		s.decideHealth()
		s.decideScheduling()
		s.decideGroups()
		if s.seq == before {
			return nil
		}
	}
	return fmt.Errorf("simulate %s: the lab does not come to rest after %d decisions", s.now.Format(time.RFC3339), maxRounds)
}

// The decider is asked until it has nothing more to say: one answer is one batch.
func (s *Simulation) decideHealth() {
	for {
		d := s.health.Decide(s.now)
		s.tally.decisions++
		for _, f := range d.Facts {
			s.record(f)
		}
		for _, c := range d.Checks {
			s.submitCheck(c)
		}
		if d.Idle() {
			s.health.Settle(d)
			s.wakes[1] = d.Wake
			return
		}
	}
}

// decideScheduling records what the scheduler decides.
func (s *Simulation) decideScheduling() {
	if s.lava != nil {
		s.tally.decisions++
		for _, f := range s.lava.decide(s.Lab(), s.now) {
			s.record(f)
		}
		return
	}
	for {
		d := s.scheduler.Decide(s.now)
		s.tally.decisions++
		for _, f := range d.Facts {
			s.record(f)
		}
		if d.More {
			continue
		}
		s.wakes[0] = d.Wake
		s.scheduler.Settled()
		return
	}
}

// submitCheck plays submission of a health check.
func (s *Simulation) submitCheck(c health.Check) {
	id := s.checks
	s.checks++
	s.record(events.HealthCheckRequested{Device: c.Device, Job: id, Reason: c.Reason})
	s.record(events.JobSubmitted{Job: id, Display: id.String(), User: lab.LavaHealth, Name: "health check of " + string(c.Device),
		At: s.now, DeviceType: s.Lab().Device(c.Device).Type, Device: c.Device, HealthCheck: true,
		Visibility: events.Visibility{Public: true}, JobTimeout: checkTimeout})
}

const checkTimeout events.Seconds = 3600

// decideGroups records what dispatch would of multinode groups in which something ended.
func (s *Simulation) decideGroups() {
	for len(s.stirred) > 0 {
		g := s.stirred[0]
		s.stirred = s.stirred[1:]
		for _, f := range dispatch.Cascade(s.Lab().Group(g)) {
			s.record(f)
		}
	}
}

// record writes a fact: everybody folds it, and what follows from it is foreseen.
// Scheduling and health keep a lab each, as they do in life, so both fold every fact.
func (s *Simulation) record(e events.Event) {
	s.seq++
	r := stream.Recorded{Stream: stream.Lab, Seq: s.seq, Time: s.now, Source: events.Writer(e).Source(), Event: e}
	s.tally.before(s.Lab(), r)
	s.scheduler.Evolve(r)
	s.health.Evolve(r)
	s.follow(e)
	if s.Watch != nil {
		s.Watch(r)
	}
}
