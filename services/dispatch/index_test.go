package dispatch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// TestIndex lets a random lab live and compares what is gone through with going through all jobs: the open ones by
// worker, those whose worker is away, and those that an order may be due for.
func TestIndex(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 9))
		s, seq := newState(noon), uint64(0)
		tell := func(e events.Event) { seq++; s.evolve(stream.Recorded{Seq: seq, Time: noon, Event: e}) }
		tell(events.WorkerRegistered{Worker: "w0"})
		tell(events.WorkerRegistered{Worker: "w1"})
		s.known("w0").seen = noon
		for step := range 400 {
			id := events.JobID(1 + r.IntN(6))
			w := events.WorkerName(fmt.Sprint("w", r.IntN(3)))
			lease := events.Lease(r.IntN(3))
			tell([]events.Event{
				events.JobSubmitted{Job: id}, events.JobScheduled{Job: id, Worker: w, Lease: lease}, events.JobStarted{Job: id, Worker: w, Lease: lease},
				events.JobReturned{Job: id, Lease: lease}, events.JobFinished{Job: id, Lease: lease, Lost: r.IntN(2) == 0},
				events.JobOutputComplete{Job: id, Lease: lease}, events.JobCancelRequested{Job: id}, events.ReportRefused{Job: id, Lease: lease},
			}[r.IntN(8)])
			open, adrift, byWorker := 0, []*lab.Job(nil), map[events.WorkerName]int{}
			for j := range s.lab.Jobs() {
				if j.Run == nil || j.Run.OutputComplete {
					continue
				}
				open++
				byWorker[j.Run.Worker]++
				if j.Run.Worker != "w0" {
					adrift = append(adrift, j)
				}
				if j.State == lab.Scheduled && !s.unsent[j.ID] {
					t.Fatalf("seed %d, step %d: job %d has no order and is not looked at", seed, step, j.ID)
				}
			}
			if len(s.open) != open || len(s.byWorker) != len(byWorker) || !slices.Equal(s.adrift(noon, limits{time.Minute, time.Minute}), adrift) {
				t.Fatalf("seed %d, step %d: open %v by worker %v, want %d and %v; adrift want %v", seed, step, s.open, s.byWorker, open, byWorker, adrift)
			}
			for w, n := range byWorker {
				if len(s.byWorker[w]) != n {
					t.Fatalf("seed %d, step %d: %d jobs on %s, want %d", seed, step, len(s.byWorker[w]), w, n)
				}
			}
		}
	}
}

// BenchmarkDecide decides in a lab with 10,000 jobs that run on a hundred workers.
func BenchmarkDecide(b *testing.B) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s, seq := newState(noon), uint64(0)
	tell := func(e events.Event) { seq++; s.evolve(stream.Recorded{Seq: seq, Time: noon, Event: e}) }
	for i := range events.JobID(10_000) {
		w := events.WorkerName(fmt.Sprint("w", i%100))
		if i < 100 {
			tell(events.WorkerRegistered{Worker: w})
			tell(events.WorkerWentOnline{Worker: w})
			s.known(w).seen = noon
		}
		tell(events.JobSubmitted{Job: i + 1})
		tell(events.JobScheduled{Job: i + 1, Worker: w, Lease: events.Lease(seq)})
	}
	clear(s.unsent) // as all orders are out
	for b.Loop() {
		s.decide(noon.Add(time.Second), limits{time.Minute, 15 * time.Second})
		s.jobs(s.unsent)
	}
}
