package simulation

import (
	"time"

	"strata/events"
	"strata/events/lab"
)

// Scenario is what happens to a lab from outside, and how its jobs go.
type Scenario struct {
	Start, End time.Time
	// Drain goes on after End, when nothing more comes from outside, until no job of a user waits or
	// runs; at the most as long again as from Start to End, or thirty days.
	Drain bool
	// Next returns what comes from outside, in order of time; false behind the last.
	Next func() (Input, bool)
	// Outcome says how a job goes on the device that it got; it is asked once for each assignment.
	Outcome func(j *lab.Job, d events.DeviceName) Outcome
	// Repair is how long people take to set a device back to Unknown that went Bad under a job; nil
	// or zero: they never do.
	Repair func(d events.DeviceName, seq uint64) time.Duration
	Deaths []Death
	// Estimates asks, of the users' jobs that have to wait, every n-th for its start, and holds the answer
	// to what comes; 0: none.
	Estimates int
	// LAVA gives devices by LAVA's rule, for comparison: parts of a multinode job hold their devices
	// while they wait for the others.
	LAVA      bool
	LostAfter time.Duration // after which dispatch ends the jobs of a worker that is away
}

// Input is a fact that the lab itself does not decide.
type Input struct {
	At    time.Time
	Event events.Event
}

// Outcome is how a job goes.
type Outcome struct {
	Delay     time.Duration // from the assignment until the worker says that it runs
	Duration  time.Duration // from then to the end
	Health    events.JobHealth
	ErrorType events.ErrorType
	Error     string
}

// Death is the end of a worker's machine.
type Death struct {
	Worker events.WorkerName
	At     time.Time
	Back   time.Time // zero: never
}

// Times of a lab that runs as it is set up at first.
const (
	presence  = 60 * time.Second // until a worker that shows no sign is Offline
	canceling = 5 * time.Second  // a worker takes to end a job
	lostAfter = 10 * time.Minute
)

// firstCheck is the number of the first health check that the simulated lab submits: above those of
// any recorded or made-up job.
const firstCheck events.JobID = 1 << 40
