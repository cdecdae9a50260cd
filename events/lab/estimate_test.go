package lab

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"strata/events"
)

// line is a lab of n devices of one type on one worker, whose jobs each take what the test says.
type line struct {
	s    *State
	seq  uint64
	now  time.Time
	next events.JobID
	free []events.DeviceName
	runs map[events.JobID]running
}

type running struct {
	device events.DeviceName
	until  time.Time
}

func newLine(devices int) *line {
	l := &line{s: New(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), next: 1, runs: map[events.JobID]running{}}
	l.fold(events.WorkerRegistered{Worker: "w1"}, events.WorkerWentOnline{Worker: "w1"})
	for i := range devices {
		name := events.DeviceName(fmt.Sprint("q", i))
		l.fold(events.DeviceAdded{Device: name, DeviceType: "qemu", Worker: "w1", Health: events.Good},
			events.DeviceConfigured{Device: name, Dictionary: "x"})
		l.free = append(l.free, name)
	}
	return l
}

func (l *line) fold(facts ...events.Event) {
	for _, f := range facts {
		l.seq++
		l.s.Evolve(l.seq, l.now, f)
	}
}

func (l *line) submit(name string, priority int) events.JobID {
	id := l.next
	l.next++
	l.fold(events.JobSubmitted{Job: id, Display: id.String(), User: "alice", Name: name, At: l.now, DeviceType: "qemu", Priority: priority, JobTimeout: 3600})
	return id
}

// turn gives free devices to those that stand first, each for as long as took says, and moves to the
// next end of a job.
func (l *line) turn(took func() time.Duration, started func(events.JobID)) {
	for len(l.free) > 0 {
		var first *Job
		ranks := l.s.Standings(l.now)
		for j := range l.s.Jobs() {
			if j.State == Submitted && (first == nil || ranks.Rank(j).Before(ranks.Rank(first))) {
				first = j
			}
		}
		if first == nil {
			break
		}
		d := l.free[0]
		l.free = l.free[1:]
		lease := events.Lease(l.seq)
		l.fold(events.JobScheduled{Job: first.ID, Device: d, Worker: "w1", Lease: lease}, events.DeviceReserved{Device: d, Job: first.ID, Lease: lease},
			events.JobStarted{Job: first.ID, Device: d, Worker: "w1", Lease: lease, At: l.now})
		l.runs[first.ID] = running{d, l.now.Add(took())}
		started(first.ID)
	}
	var next events.JobID
	for id, r := range l.runs {
		if next == 0 || r.until.Before(l.runs[next].until) || r.until.Equal(l.runs[next].until) && id < next {
			next = id
		}
	}
	if next == 0 {
		return
	}
	r := l.runs[next]
	l.now = r.until
	lease := l.s.Device(r.device).Lease
	l.fold(events.JobFinished{Job: next, Device: r.device, Worker: "w1", Lease: lease, Health: events.Complete, At: l.now},
		events.JobOutputComplete{Job: next, Lease: lease}, events.DeviceReleased{Device: r.device, Job: next, Lease: lease})
	delete(l.runs, next)
	l.free = append(l.free, r.device)
}

// Estimates made when jobs were submitted are held to when they started: nine of ten starts lie in the
// interval, and the likely time is right to a fifth, in the median.
func TestEstimateHolds(t *testing.T) {
	l, r := newLine(4), rand.New(rand.NewPCG(3, 4))
	took := func() time.Duration {
		return time.Duration(float64(10*time.Minute) * (0.7 + 0.6*r.Float64()))
	}
	type promise struct {
		at time.Time
		e  Estimate
	}
	promised := map[events.JobID]promise{}
	inside, all := 0, 0
	var errors []float64
	for round := range 600 {
		for range r.IntN(3) {
			id := l.submit("job", 50)
			if e := l.s.Estimate(id, l.now); round > 100 && e.Known {
				promised[id] = promise{l.now, e}
			}
		}
		l.turn(took, func(id events.JobID) {
			p, there := promised[id]
			waited := l.now.Sub(p.at)
			if !there || waited < time.Minute {
				return // there was nothing to guess
			}
			all++
			if !l.now.Before(p.e.Earliest) && !l.now.After(p.e.Latest) {
				inside++
			}
			errors = append(errors, (p.e.Likely.Sub(p.at)-waited).Abs().Seconds()/waited.Seconds())
		})
	}
	if all < 200 {
		t.Fatalf("only %d jobs waited", all)
	}
	if share := float64(inside) / float64(all); share < 0.85 {
		t.Errorf("%.0f %% of %d starts lie inside the interval, want nine of ten", 100*share, all)
	}
	median := medianOf(errors)
	if median > 0.2 {
		t.Errorf("the median error is %.0f %%, want at most 20 %%", 100*median)
	}
}

func medianOf(all []float64) float64 {
	sorted := append([]float64(nil), all...)
	for i := range sorted {
		for k := i; k > 0 && sorted[k] < sorted[k-1]; k-- {
			sorted[k], sorted[k-1] = sorted[k-1], sorted[k]
		}
	}
	return sorted[len(sorted)/2]
}

// A lab that starts again from its checkpoint promises the same, and one that is asked twice too.
func TestEstimateRepeats(t *testing.T) {
	l := newLine(2)
	for range 40 {
		l.submit("job", 50)
		l.turn(func() time.Duration { return 5 * time.Minute }, func(events.JobID) {})
	}
	for range 5 {
		l.submit("other", 10)
	}
	last := l.next - 1
	e := l.s.Estimate(last, l.now)
	if !e.Known || e.Basis == 0 || !e.Likely.After(l.now) || e.Earliest.After(e.Likely) || e.Likely.After(e.Latest) {
		t.Fatalf("estimate %+v", e)
	}
	data, err := l.s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(Format, data)
	if err != nil {
		t.Fatal(err)
	}
	if again := back.Estimate(last, l.now); !reflect.DeepEqual(again, e) {
		t.Errorf("from the checkpoint: %+v, want %+v", again, e)
	}
}

func TestEstimateUnknown(t *testing.T) {
	l := newLine(1)
	id := l.submit("job", 50)
	l.fold(events.DeviceHealthSet{Device: "q0", Health: events.Maintenance, By: "bob"})
	if e := l.s.Estimate(id, l.now); e.Known {
		t.Errorf("no device can take it, but it is said to start: %+v", e)
	}
	if e := l.s.Estimate(999, l.now); e.Known {
		t.Errorf("a job that is not there is said to start: %+v", e)
	}
}

// However many kinds of job there are, what is remembered stays small.
func TestDurationsAreBounded(t *testing.T) {
	m := newDurations()
	for i := range 3 * durationKinds {
		j := &Job{Name: fmt.Sprint("job ", i), Run: &Run{}}
		m.ran(uint64(i+1), j, "qemu", time.Time{}.Add(time.Minute))
		m.came("qemu", time.Time{}, 0, nil)
	}
	if len(m.kinds) > durationKinds || len(m.arrivals["qemu"]) != arrivalSamples {
		t.Errorf("%d kinds and %d arrivals are kept", len(m.kinds), len(m.arrivals["qemu"]))
	}
	if got := len(m.of("job 5999", "qemu")); got != durationSamples {
		t.Errorf("a kind with one sample rests on %d, want those of its type", got)
	}
}
