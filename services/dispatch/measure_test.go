package dispatch_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
)

// BenchmarkOrder measures the way from JobScheduled to the order at the worker.
func BenchmarkOrder(b *testing.B) {
	l := newLab(b)
	l.run(b)
	l.schedule(b, "q0", 1, "x")
	l.next(b)
	var took []time.Duration
	lease := events.Lease(1)
	for b.Loop() {
		lease++
		began := time.Now()
		l.schedule(b, events.DeviceName(fmt.Sprint("q", lease)), lease, "job_name: x")
		l.next(b)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
}

func eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	deadline := time.After(eventtest.Patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %s", what, eventtest.Patience)
		}
	}
}
