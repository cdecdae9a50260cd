package scheduling

import (
	"testing"
	"time"

	"strata/events"
)

// The load that is measured has to be one in which decisions are made, and made alike.
func TestMeasure(t *testing.T) {
	load := Load{Devices: 40, Queued: 500, Rounds: 50}
	clock := noon
	now := func() time.Time { clock = clock.Add(time.Microsecond); return clock }
	f := Measure(now, load)
	if f.Decisions != 50 || f.Scheduled < 45 {
		t.Errorf("%d decisions scheduled %d jobs, want 50 and nearly as many", f.Decisions, f.Scheduled)
	}
	if f.P50 != time.Microsecond || f.P99 != time.Microsecond {
		t.Errorf("median %v and p99 %v by a clock that ticks once, want 1µs", f.P50, f.P99)
	}
}

// Memory and restarts are measured on the same loads, and policies change neither the load nor that
// each free device is given away.
func TestMeasureWithPolicy(t *testing.T) {
	load := Load{Devices: 40, Queued: 2000, Rounds: 50, Users: 7, Policy: &events.SchedulingPolicySet{
		FairShare: &events.FairShare{HalfLife: 3600, DefaultWeight: 1}, Aging: &events.Aging{Within: 3600, Bound: 80}}}
	if f := Measure(time.Now, load); f.Decisions != 50 || f.Scheduled < 45 || f.JobBytes < 200 || f.JobBytes > 5000 {
		t.Errorf("measured %+v, want 50 decisions, nearly as many jobs, some hundred bytes a job", f)
	}
	r, err := MeasureRestart(time.Now, load)
	if err != nil || r.Bytes < 2000*100 || r.Took <= 0 {
		t.Errorf("restart %+v, error %v", r, err)
	}
}

// BenchmarkDecide decides with 1,000 devices and 100,000 jobs in the queue after one job has ended.
func BenchmarkDecide(b *testing.B) {
	for b.Loop() {
		f := Measure(time.Now, Load{Devices: 1000, Queued: 100_000, Rounds: 2000})
		b.ReportMetric(float64(f.P50.Microseconds()), "p50-µs")
		b.ReportMetric(float64(f.P99.Microseconds()), "p99-µs")
		b.ReportMetric(float64(f.Max.Microseconds()), "max-µs")
		b.ReportMetric(float64(f.Fold.Microseconds()), "fold-µs")
		b.ReportMetric(float64(f.Start.Milliseconds()), "start-ms")
	}
}

// BenchmarkFirstDecision gives 49 of 100,000 jobs their devices, all 1,000 of which are free.
func BenchmarkFirstDecision(b *testing.B) {
	given := []any{worker("w1", 0)}
	for i := range 1000 {
		given = append(given, device(events.DeviceName(rune('a'+i)), "qemu", "w1"))
	}
	for id := events.JobID(1); id <= 100_000; id++ {
		given = append(given, job(id))
	}
	s := after(given...)
	for b.Loop() {
		if d := decide(s, noon); len(d.facts) != 99 {
			b.Fatalf("%d facts, want 99", len(d.facts))
		}
	}
}
