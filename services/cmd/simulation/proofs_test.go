package simulation

import (
	"fmt"
	"math"
	"testing"
	"time"

	"strata/events"
	"strata/events/stream"
)

// seeds are those that the proofs are run with: what is promised must not hang on one.
var seeds = []uint64{1, 2, 3}

// TestShares: where two users always have jobs waiting, weights of 2:1 give device time of 2:1 ± 5 %;
// without shares it is as they submit.
func TestShares(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds {
		s := Saturated(seed)
		if got := ratio(t, simulate(t, s), "alice", "bob"); math.Abs(got/2-1) > 0.05 {
			t.Errorf("seed %d: weights 2:1 give device time %.3f:1, want 2:1 ± 5 %%", seed, got)
		}
		s.Policy = nil
		if got := ratio(t, simulate(t, s), "alice", "bob"); math.Abs(got-1) > 0.1 {
			t.Errorf("seed %d: without shares device time is %.3f:1, who submit alike should get alike", seed, got)
		}
	}
}

// TestGroupShares: a group's weight is for all its users together, whose own weights share it out.
func TestGroupShares(t *testing.T) {
	t.Parallel()
	s := Saturated(1)
	s.Users = []User{{"alice", 1}, {"bob", 1}, {"carol", 2}}
	s.Load = 3
	s.Policy = &events.SchedulingPolicySet{
		FairShare: &events.FairShare{HalfLife: 7 * 24 * 3600, DefaultWeight: 1, Users: []events.UserWeight{{User: "alice", Weight: 3}},
			Groups: []events.GroupWeight{{Group: "kernel", Weight: 2}}},
		Groups: []events.GroupUsers{{Group: "kernel", Users: []events.UserName{"alice", "bob"}}}}
	r := simulate(t, s)
	if got := ratio(t, r, "alice", "bob"); math.Abs(got/3-1) > 0.05 {
		t.Errorf("within the group weights 3:1 give %.3f:1", got)
	}
	both := shareOf(t, r, "alice") + shareOf(t, r, "bob")
	if got := both / shareOf(t, r, "carol"); math.Abs(got/2-1) > 0.05 {
		t.Errorf("a group of weight 2 gets %.3f times the device time of a user of weight 1", got)
	}
}

// TestAging: under an endless flow at priority 100 every job of priority 0 starts within the configured
// time; without aging they would not.
func TestAging(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds {
		s := Flooded(seed)
		within := float64(s.Policy.Aging.Within)
		w := waitsOf(t, simulate(t, s), "priority", "0")
		if w.Jobs < 20 || w.Max > within || w.Oldest > within {
			t.Errorf("seed %d: %d jobs of priority 0 waited up to %v s and still do for %v s, want at most %v", seed, w.Jobs, w.Max, w.Oldest, within)
		}
		s.Policy = nil
		if w := waitsOf(t, simulate(t, s), "priority", "0"); max(w.Max, w.Oldest) < 4*within {
			t.Errorf("seed %d: without aging no job of priority 0 waited longer than %v s: the flow is none", seed, max(w.Max, w.Oldest))
		}
	}
}

// TestAgingBound: aging raises at most to its bound: jobs above it never wait for raised ones.
func TestAgingBound(t *testing.T) {
	t.Parallel()
	s := Flooded(1)
	s.Priorities = []Weighted[int]{{0, 5}, {100, 5}}
	s.Policy = nil
	plain := simulate(t, s)
	s.Policy = &events.SchedulingPolicySet{Aging: &events.Aging{Within: 3600, Bound: 90}}
	aged := simulate(t, s)
	if got, want := waitsOf(t, aged, "priority", "100"), waitsOf(t, plain, "priority", "100"); got != want {
		t.Errorf("with a bound of 90, jobs of priority 100 wait %+v, without aging %+v", got, want)
	}
}

// TestRareTags: with the protection of rare tags, jobs that ask for one wait no longer than where nobody
// else uses the lab, + 10 %; without it they do.
func TestRareTags(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds {
		s := Tagged(seed)
		alone := taggedWait(t, s, true)
		protected := taggedWait(t, s, false)
		s.Policy = nil
		bare := taggedWait(t, s, false)
		if alone < 60 || protected > 1.1*alone {
			t.Errorf("seed %d: tagged jobs wait %.0f s in the mean, alone in the lab %.0f s: want at most 10 %% more", seed, protected, alone)
		}
		if bare < 1.5*alone {
			t.Errorf("seed %d: without protection tagged jobs wait %.0f s, alone %.0f s: the load is none", seed, bare, alone)
		}
	}
}

// TestLAVADeadlocks: two groups that want the same two devices, where the second overtakes the first
// by its priority while this holds one of them. By LAVA's rule they wait for each other for ever; here
// both run.
func TestLAVADeadlocks(t *testing.T) {
	t.Parallel()
	begin := Default().Start
	in := bench("w1", "q1", "q2")
	busy := submission(1, "job", begin)
	in = append(in, Input{begin, busy})
	in = append(in, pair(2, 0, begin.Add(time.Minute))...)
	in = append(in, pair(4, 100, begin.Add(2*time.Minute))...)
	for _, lava := range []bool{true, false} {
		sc := scripted(begin, in)
		sc.LAVA, sc.Drain = lava, true
		r, err := New(sc).Run()
		if err != nil {
			t.Fatal(err)
		}
		if lava && (r.Jobs.Complete != 1 || r.Jobs.Held != 2 || r.Jobs.Waiting != 2) {
			t.Errorf("by LAVA's rule: %+v, want two parts that hold a device and two that wait for it", r.Jobs)
		}
		if !lava && r.Jobs.Complete != 5 {
			t.Errorf("%+v, want all complete", r.Jobs)
		}
	}
}

// TestNoDeadlock: in labs with many groups none is left waiting, nor is a device ever held for the sake
// of others; by LAVA's rule most of these labs come to a standstill.
func TestNoDeadlock(t *testing.T) {
	t.Parallel()
	stuck := 0
	for seed := range uint64(10) {
		s := Ganged(seed)
		r, sim := watched(t, s, func(sim *Simulation, r stream.Recorded) {
			if _, round := r.Event.(events.RoundDecided); round && held(sim.Lab()) > 0 {
				t.Fatalf("seed %d, fact %d: a part holds its device while others of its group wait", seed, r.Seq)
			}
		})
		if r.Jobs.Waiting+r.Jobs.Running > 0 || r.Jobs.Started != r.Jobs.Submitted {
			t.Errorf("seed %d: %+v at %s, want all jobs over", seed, r.Jobs, sim.Now())
		}
		s.LAVA = true
		if r := simulate(t, s); r.Jobs.Held > 0 && r.Jobs.Waiting > 0 {
			stuck++
		}
	}
	if stuck < 5 {
		t.Errorf("by LAVA's rule %d of 10 labs came to a standstill, want most", stuck)
	}
}

// TestRetries: a job that fails by the lab's fault runs once more, on another device, where its
// definition asks for it; the time that this takes is in the report.
func TestRetries(t *testing.T) {
	t.Parallel()
	s := Default()
	s.Days, s.Devices, s.Types, s.Workers, s.Infra, s.Gangs, s.Retries, s.Drain = 4, 12, 2, 2, 0.3, 0, 1, true
	failedOn := map[events.JobID]events.DeviceName{}
	r, _ := watched(t, s, func(_ *Simulation, r stream.Recorded) {
		switch e := r.Event.(type) {
		case events.JobFinished:
			if e.ErrorType == events.InfrastructureError {
				failedOn[e.Job] = e.Device
			}
		case events.JobScheduled:
			if e.Job > firstRetry && e.Job < firstCheck && failedOn[e.Job-firstRetry] == e.Device {
				t.Errorf("job %d runs on %s again, which failed it", e.Job-firstRetry, e.Device)
			}
		}
	})
	first := r.Jobs.Submitted - r.Jobs.Retried
	if part := float64(r.Jobs.Retried) / float64(first); math.Abs(part-0.3) > 0.1 || r.Jobs.Started != r.Jobs.Submitted {
		t.Errorf("of %d jobs %d were tried again: %+v", first, r.Jobs.Retried, r.Jobs)
	}
}

// watched simulates with a look at each fact.
func watched(t *testing.T, s Synthetic, watch func(*Simulation, stream.Recorded)) (Report, *Simulation) {
	t.Helper()
	sim := New(scenario(t, s))
	sim.Watch = func(r stream.Recorded) { watch(sim, r) }
	r, err := sim.Run()
	if err != nil {
		t.Fatal(err)
	}
	return r, sim
}

// taggedWait is the mean wait of the jobs that ask for a tag, in seconds; alone, those that do not are
// left out.
func taggedWait(t *testing.T, s Synthetic, alone bool) float64 {
	t.Helper()
	w, err := MeanTaggedWait(s, alone)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func ratio(t *testing.T, r Report, a, b events.UserName) float64 {
	t.Helper()
	return shareOf(t, r, a) / shareOf(t, r, b)
}

func shareOf(t *testing.T, r Report, user events.UserName) float64 {
	t.Helper()
	for _, u := range r.Fairness.Users {
		if u.User == user {
			return u.Hours
		}
	}
	t.Fatalf("%s had no device: %+v", user, r.Fairness)
	return 0
}

func submission(id events.JobID, name string, at time.Time) events.JobSubmitted {
	return events.JobSubmitted{Job: id, Display: id.String(), User: "alice", Name: name, At: at, DeviceType: "qemu", JobTimeout: 3600}
}

// pair is a multinode job of two parts.
func pair(id events.JobID, priority int, at time.Time) (in []Input) {
	for i, role := range []string{"server", "client"} {
		e := submission(id+events.JobID(i), "pair", at)
		e.Display, e.Priority = fmt.Sprintf("%d.%d", id, i), priority
		e.Part = &events.Membership{Group: fmt.Sprint("group-", id), Parent: id, Role: role, Size: 2}
		in = append(in, Input{at, e})
	}
	return in
}
