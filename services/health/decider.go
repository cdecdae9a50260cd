package health

import (
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Decider is the service's decisions without its log: what [Run] decides, for whoever has facts and
// a clock of its own, as simulations have.
type Decider struct{ s *state }

// NewDecider returns the decisions over a lab, which is the decider's from then on. Every device is
// looked at once.
func NewDecider(l *lab.State) *Decider { return &Decider{newState(l)} }

// Decision is what there is to do now. Facts are recorded before checks are published.
type Decision struct {
	Facts  []events.Event // one batch
	Checks []Check        // to be submitted, each with HealthCheckRequested before it
	Wake   time.Time      // when the next check is due by its hours; zero: none is
	done   plan
}

// Check is a health check to submit.
type Check struct {
	Device     events.DeviceName
	Definition string // as its device type has it
	Reason     string // such as "24 h since the last check"
}

// Lab is what was folded, to be read only.
func (d *Decider) Lab() *lab.State { return d.s.lab }

// Evolve folds a fact; whoever carries out a decision folds its facts too.
func (d *Decider) Evolve(r stream.Recorded) { d.s.evolve(r) }

// Decide says what the devices ask for. It is asked again after its facts were folded, until it
// wants nothing more; then [Decider.Settle] ends the round.
func (d *Decider) Decide(now time.Time) Decision {
	p := decide(d.s, now)
	out := Decision{Facts: p.facts, Wake: p.wake, done: p}
	for _, r := range p.checks {
		out.Checks = append(out.Checks, Check{r.device, r.definition, r.reason})
	}
	return out
}

// Idle says that the decision leaves nothing to do.
func (d Decision) Idle() bool { return len(d.Facts) == 0 && len(d.Checks) == 0 && !d.done.more }

// Settle notes that an idle decision was the last of its round.
func (d *Decider) Settle(last Decision) { d.s.settle(last.done) }
