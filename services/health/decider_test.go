package health

import (
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// TestDecider follows a device through its first check by the exported decisions alone.
func TestDecider(t *testing.T) {
	d := NewDecider(lab.New())
	seq, now := uint64(0), noon
	fold := func(facts ...events.Event) {
		for _, f := range facts {
			seq++
			d.Evolve(stream.Recorded{Stream: stream.Lab, Seq: seq, Time: now, Event: f})
		}
	}
	fold(worker()...)
	fold(board("q1")...)
	fold(checked(events.Hours, 24)...)
	asked := d.Decide(now)
	if len(asked.Checks) != 1 || asked.Checks[0].Device != "q1" || asked.Checks[0].Definition == "" || asked.Idle() {
		t.Fatalf("Decide: %+v, want a check of q1", asked)
	}
	fold(events.HealthCheckRequested{Device: "q1", Job: 1, Reason: asked.Checks[0].Reason},
		events.JobSubmitted{Job: 1, User: lab.LavaHealth, Device: "q1", DeviceType: "qemu", HealthCheck: true, At: now},
		events.JobScheduled{Job: 1, Device: "q1", Worker: "w1", Lease: 9}, events.DeviceReserved{Device: "q1", Job: 1, Lease: 9},
		events.JobStarted{Job: 1, Device: "q1", Worker: "w1", Lease: 9, At: now},
		events.JobFinished{Job: 1, Device: "q1", Worker: "w1", Lease: 9, At: now, Health: events.Complete})
	released := d.Decide(now)
	fold(released.Facts...)
	last := d.Decide(now)
	d.Settle(last)
	if !last.Idle() || d.Lab().Device("q1").Health != events.Good || !last.Wake.After(now.Add(24*time.Hour)) {
		t.Errorf("after the check: %+v, device %+v; want idle, Good, awake in a day", last, d.Lab().Device("q1"))
	}
}
