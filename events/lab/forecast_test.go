package lab

import (
	"fmt"
	"testing"
	"time"

	"strata/events"
)

// TestRhythm: where jobs come by day, more are expected at noon than at night, once a week was seen.
func TestRhythm(t *testing.T) {
	begin := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC) // a Monday
	var r rhythm
	for at := begin; at.Before(begin.Add(4 * 7 * 24 * time.Hour)); at = at.Add(6 * time.Minute) {
		if h := at.Hour(); h >= 9 && h < 17 && at.Weekday() >= time.Monday && at.Weekday() <= time.Friday {
			r.came(at)
		}
		if at.Equal(begin.Add(5 * 24 * time.Hour)) {
			if _, known := r.rate(0); known {
				t.Error("after five days a week's rhythm is known")
			}
		}
	}
	next := begin.Add(28 * 24 * time.Hour)
	for hours, want := range map[int]float64{12: 10, 24 + 15: 10, 3: 0, 22: 0, 5*24 + 12: 0, 9: 7.5} {
		if got, known := r.rate(hourOf(next.Add(time.Duration(hours) * time.Hour))); !known || got != want {
			t.Errorf("%d h after Monday's midnight %v jobs an hour are expected (known: %v), want %v", hours, got, known, want)
		}
	}
	r.came(next.Add(100 * 24 * time.Hour))
	if _, known := r.rate(12); known {
		t.Error("after months without jobs their rhythm is still known")
	}
}

// TestEstimateByNight: who is overtaken by day does not wait for long at night.
func TestEstimateByNight(t *testing.T) {
	l := newLine(1)
	l.now = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	for range 21 * 24 { // three weeks: by day two jobs an hour of half an hour each, at night none
		if h := l.now.Hour(); h >= 8 && h < 20 {
			for range 2 {
				l.submit("urgent", 100)
				l.turn(func() time.Duration { return 29 * time.Minute }, func(events.JobID) {})
			}
		}
		l.now = l.now.Truncate(time.Hour).Add(time.Hour)
	}
	wait := func(hour int) time.Duration {
		l.now = time.Date(2026, 1, 26, hour, 0, 0, 0, time.UTC)
		l.submit("urgent", 100)
		id := l.submit("job", 0)
		e := l.s.Estimate(id, l.now)
		if !e.Known {
			t.Fatalf("at %d o'clock nothing is known: %+v", hour, e)
		}
		l.fold(events.JobWithdrawn{Job: id}, events.JobWithdrawn{Job: id - 1})
		return e.Likely.Sub(l.now)
	}
	if day, night := wait(9), wait(21); night > time.Hour || day < 2*night {
		t.Errorf("a job of priority 0 is said to wait %v by day and %v at night", day, night)
	}
}

// TestEstimateOfGroup: a group starts when there are devices for all its parts at once.
func TestEstimateOfGroup(t *testing.T) {
	l := newLine(2)
	ten := func() time.Duration { return 10 * time.Minute }
	for range 40 {
		l.submit("job", 50)
		l.turn(ten, func(events.JobID) {})
	}
	for len(l.runs) > 0 {
		l.turn(ten, func(events.JobID) {})
	}
	parent := l.next
	for range 2 {
		e := events.JobSubmitted{Job: l.next, Display: fmt.Sprint(l.next), User: "alice", Name: "pair", At: l.now, DeviceType: "qemu", JobTimeout: 3600,
			Part: &events.Membership{Group: "g", Parent: parent, Role: "client", Size: 2}}
		l.next++
		l.fold(e)
	}
	e := l.s.Estimate(parent, l.now)
	if wait := e.Likely.Sub(l.now); !e.Known || wait > 0 {
		t.Errorf("with two free devices: %+v, want at once", e)
	}
	busy := l.submit("job", 50)
	lease := events.Lease(l.seq)
	l.fold(events.JobScheduled{Job: busy, Device: "q0", Worker: "w1", Lease: lease}, events.DeviceReserved{Device: "q0", Job: busy, Lease: lease})
	e = l.s.Estimate(parent, l.now)
	if wait := e.Likely.Sub(l.now); !e.Known || wait < 9*time.Minute || wait > 20*time.Minute { // others come meanwhile and take the free one
		t.Errorf("with one free device, the other busy for ten minutes: it waits %v, %+v", wait, e)
	}
}

// TestEstimateOfLongQueue: however many wait, none is forgotten.
func TestEstimateOfLongQueue(t *testing.T) {
	l := newLine(2)
	for range 10 {
		l.submit("job", 50)
		l.turn(func() time.Duration { return time.Minute }, func(events.JobID) {})
	}
	const n = 30_000
	for range n {
		l.submit("job", 50)
	}
	e := l.s.Estimate(l.next-1, l.now)
	if want := n / 2 * time.Minute; !e.Known || (e.Likely.Sub(l.now)-want).Abs() > want/20 {
		t.Errorf("behind %d jobs of a minute on two devices: it waits %v, want about %v", n, e.Likely.Sub(l.now), want)
	}
}

// TestEstimateOfAging: under an endless flow of better jobs, aging bounds the wait.
func TestEstimateOfAging(t *testing.T) {
	for _, tt := range []struct {
		aging *events.Aging
		most  time.Duration
	}{{&events.Aging{Within: 4 * 3600, Bound: 100}, 4 * time.Hour}, {nil, 0}} {
		l := newLine(2)
		l.fold(events.SchedulingPolicySet{Aging: tt.aging})
		for range 300 { // two come while one ends
			l.submit("urgent", 100)
			l.submit("urgent", 100)
			l.turn(func() time.Duration { return 10 * time.Minute }, func(events.JobID) {})
		}
		e := l.s.Estimate(l.submit("job", 0), l.now)
		wait := e.Likely.Sub(l.now)
		if tt.most > 0 && (wait < tt.most/2 || wait > tt.most) || tt.most == 0 && wait < 24*time.Hour {
			t.Errorf("aging %+v: it waits %v: %+v", tt.aging, wait, e)
		}
	}
}

// TestEstimateUnderCap: a free device is nothing to a job whose user holds as many as the policy lets it.
func TestEstimateUnderCap(t *testing.T) {
	t.Parallel()
	l := newLine(4)
	took := func() time.Duration { return 10 * time.Minute }
	for range 10 {
		l.submit("boot", 50)
		l.turn(took, func(events.JobID) {})
	}
	l.fold(events.SchedulingPolicySet{Caps: &events.Caps{Users: []events.UserCap{{User: "alice", Devices: 1}}}})
	first := l.submit("boot", 50)
	l.fold(events.JobScheduled{Job: first, Device: "q0", Worker: "w1", Lease: 1000}, events.DeviceReserved{Device: "q0", Job: first, Lease: 1000},
		events.JobStarted{Job: first, Device: "q0", Worker: "w1", Lease: 1000, At: l.now})
	for i, want := range []time.Duration{10 * time.Minute, 20 * time.Minute} {
		id := l.submit("boot", 50)
		e := l.s.Estimate(id, l.now)
		if off := e.Likely.Sub(l.now) - want; !e.Known || off.Abs() > time.Minute {
			t.Errorf("behind %d of its user: %+v, want %v from %v", i+1, e, want, l.now)
		}
	}
	l.fold(events.SchedulingPolicySet{})
	if e := l.s.Estimate(l.next-1, l.now); e.Likely.Sub(l.now) > time.Minute {
		t.Errorf("without a cap: %+v, want at once, at %v", e, l.now)
	}
}
