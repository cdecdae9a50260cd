package dispatch

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/schemas/order"
)

// TestBehind: of two dispatches one sends a job's order, and the other may hear the worker's answer
// before it has read that the job was scheduled. It must not take the new lease for an old one.
func TestBehind(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, r := range []order.Report{
		{Claim: order.Taken, Job: 42, Lease: 5},
		{Claim: order.Started, Job: 42, Lease: 5},
		{Claim: order.Holding, Session: "s1", Held: []order.Held{{Job: 42, Lease: 5, Runs: true}}},
	} {
		for read := range 3 { // facts that it has read
			b := eventtest.Start(t)
			b.Append(t, events.WorkerRegistered{Worker: "w1"}, events.JobSubmitted{Job: 42, JobTimeout: 60},
				events.JobScheduled{Job: 42, Device: "q1", Worker: "w1", Lease: 5})
			facts := eventtest.Facts(t, b.Log, stream.Lab)
			s := &service{Deps: Deps{Log: b.Log.As(events.DispatchService), Logger: slog.New(slog.DiscardHandler)},
				ctx: t.Context(), state: newState(at), hears: newHears()}
			for _, f := range facts[:read] {
				s.state.evolve(f)
			}
			acknowledged := false
			s.inbox = []heardReport{{r, "w1", 1, func() error { acknowledged = true; return nil }}}
			if err := s.settle(at); !errors.Is(err, stream.ErrConflict) || acknowledged || len(s.state.outgoing) > 0 {
				t.Errorf("%s after %d facts: settled with %v, acknowledged %t, orders %+v; want it to wait for the facts",
					r.Claim, read, err, acknowledged, s.state.outgoing)
			}
			for _, f := range facts[read:] {
				s.state.evolve(f)
			}
			if err := s.settle(at); err != nil || !acknowledged {
				t.Errorf("%s after all facts: %v, acknowledged %t", r.Claim, err, acknowledged)
			}
			for _, o := range s.state.outgoing {
				if o.order.Kind == order.Cancel {
					t.Errorf("%s after all facts: the job is to end: %+v", r.Claim, o.order)
				}
			}
			for _, f := range eventtest.Facts(t, b.Log, stream.Lab) {
				if e, refused := f.Event.(events.ReportRefused); refused {
					t.Errorf("%s: recorded %+v", r.Claim, e)
				}
			}
		}
	}
}
