package scheduling

import (
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Decider is the scheduler without its log: what simulations and measurements drive. It decides as
// [Run] does, by the same functions; who uses it brings the facts and the time.
//
// A step is: [Decider.Evolve] what happened, then [Decider.Decide]; fold the facts that it returns as
// the log would bring them, and decide again while it says More; then [Decider.Settled].
type Decider struct{ s *state }

// NewDecider returns a scheduler named instance over a lab, which belongs to it from then on.
func NewDecider(l *lab.State, instance string) *Decider { return &Decider{newState(l, instance)} }

// Decision is one batch of facts, to be recorded as a whole or not at all.
type Decision struct {
	Facts []events.Event // none, or RoundDecided and at least one more
	Wake  time.Time      // when to decide again should nothing happen; zero: never
	More  bool           // the batch was full: decide again once it is folded
}

// Evolve folds a fact; facts come in order of their sequence.
func (d *Decider) Evolve(r stream.Recorded) { d.s.evolve(r) }

// Decide returns what to record next. Times do not run backwards.
func (d *Decider) Decide(now time.Time) Decision {
	x := decide(d.s, now)
	return Decision{x.facts, x.wake, x.more}
}

// Settled says that the facts of the last decision are folded and no more came: only what changes
// from here on is looked at again.
func (d *Decider) Settled() { d.s.settle() }

// Lab is the lab as it was folded so far, to be read only.
func (d *Decider) Lab() *lab.State { return d.s.lab }

// Queued is the number of jobs in the queue.
func (d *Decider) Queued() int { return len(d.s.queued) }
