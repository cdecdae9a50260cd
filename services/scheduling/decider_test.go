package scheduling

import (
	"testing"
	"time"

	"strata/events/lab"
	"strata/events/stream"
)

// A decider is driven from outside the package: by facts and the time alone.
func TestDecider(t *testing.T) {
	d := NewDecider(lab.New(), "simulation")
	seq := uint64(0)
	given := append(worker("w1", 0), device("q1", "qemu", "w1")...)
	for _, e := range append(given, job(1, waitAtMost(60)), job(2, waitAtMost(60))) {
		seq++
		d.Evolve(stream.Recorded{Seq: seq, Time: noon, Event: e})
	}
	first := d.Decide(noon)
	if got := brief(first.Facts); got != "1→q1" || first.More || !first.Wake.Equal(noon.Add(time.Minute)) {
		t.Fatalf("decided %q, more %v, wake %v; want 1→q1 and the end of the queue timeout", got, first.More, first.Wake)
	}
	for _, e := range first.Facts {
		seq++
		d.Evolve(stream.Recorded{Seq: seq, Time: noon, Event: e})
	}
	d.Settled()
	if next := d.Decide(noon); len(next.Facts) != 0 || d.Queued() != 1 || d.Lab().Job(1).State != lab.Scheduled {
		t.Errorf("then decided %v with %d in the queue, job 1 is %v", next.Facts, d.Queued(), d.Lab().Job(1).State)
	}
}
