package dispatch

import (
	"errors"
	"log/slog"
	"strings"
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
			err := s.settle(at)
			s.aside.Wait()
			if err != nil || !acknowledged {
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

// TestStartAndEndTogether: reports of a start and an end that lie side by side are recorded in one batch, in
// order, and what comes twice is recorded once.
func TestStartAndEndTogether(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	b := eventtest.Start(t)
	b.Append(t, events.WorkerRegistered{Worker: "w1"}, events.JobSubmitted{Job: 42, JobTimeout: 60},
		events.JobScheduled{Job: 42, Device: "q1", Worker: "w1", Lease: 5})
	s := &service{Deps: Deps{Log: b.Log.As(events.DispatchService), Logger: slog.New(slog.DiscardHandler)},
		ctx: t.Context(), state: newState(at), hears: newHears()}
	for _, f := range eventtest.Facts(t, b.Log, stream.Lab) {
		s.state.evolve(f)
	}
	report := func(claim order.Claim, when time.Time) heardReport {
		r := order.Report{Claim: claim, Job: 42, Lease: 5, At: when.Format(time.RFC3339Nano), Verdict: &order.Verdict{Result: "pass"}}
		return heardReport{r, "w1", 1, func() error { return nil }}
	}
	at = eventtest.Facts(t, b.Log, stream.Lab)[2].Time.Add(time.Hour)
	// The worker's clock was set back between the two.
	s.inbox = []heardReport{report(order.Taken, at), report(order.Started, at), report(order.Started, at),
		report(order.Finished, at.Add(-time.Minute)), report(order.Finished, at)}
	facts, _, rest, err := s.gather(at)
	if err != nil || len(facts) != 1 || len(rest) != 3 {
		t.Fatalf("with a start that came twice: %d facts, %d reports left, %v; want 1 and 3", len(facts), len(rest), err)
	}
	s.inbox = append(s.inbox[:2], s.inbox[3:]...)
	facts, ripe, rest, err := s.gather(at)
	if err != nil || len(facts) != 2 || len(ripe) != 3 || len(rest) != 1 {
		t.Fatalf("%d facts of %d reports, %d left, %v; want 2 of 3, and the one that came twice left", len(facts), len(ripe), len(rest), err)
	}
	end, ok := facts[1].Event.(events.JobFinished)
	if begin := facts[0].Event.(events.JobStarted); !ok || end.At.Before(begin.At) {
		t.Errorf("start at %s, end %+v; want the end second, and no earlier", begin.At, facts[1].Event)
	}
	if err := s.settle(at); err != nil {
		t.Fatal(err)
	}
	s.aside.Wait()
	var kinds []string
	for _, f := range eventtest.Facts(t, b.Log, stream.Lab)[3:] {
		kinds = append(kinds, events.Name(f.Event))
	}
	if got := strings.Join(kinds, " "); got != "job.started job.finished" || len(s.state.outgoing) > 0 {
		t.Errorf("recorded %s, orders %+v; want the start, the end and no orders", got, s.state.outgoing)
	}
}
