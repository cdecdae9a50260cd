package simulation

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// TestYear lets a lab of a hundred devices live for a year, and holds what came of it to what was
// put in.
func TestYear(t *testing.T) {
	t.Parallel()
	s := Default()
	s.Days, s.Jobs = 365, 100_000
	r := simulate(t, s)
	j := r.Jobs
	if j.Submitted != 100_000 || j.Submitted != j.Started+j.Withdrawn+j.Waiting || j.Started != j.Complete+j.Incomplete+j.Canceled+j.Running {
		t.Errorf("jobs do not add up: %+v", j)
	}
	if failed := float64(j.Incomplete) / float64(j.Started); math.Abs(failed-s.Failing-s.Infra) > 0.01 {
		t.Errorf("%.3f of the jobs failed, want about %.3f", failed, s.Failing+s.Infra)
	}
	// Each device is checked once a day, or as soon after as its job lets it.
	if most := 366 * 100 * 1.1; j.Checks < 250*100 || float64(j.Checks) > most {
		t.Errorf("%d health checks of 100 devices in a year of one a day", j.Checks)
	}
	if u := r.Utilisation[0]; u.Devices != 100 || math.Abs(u.Jobs-s.Load) > 0.03 {
		t.Errorf("devices are used to %.3f, asked for is %.2f", u.Jobs, s.Load)
	}
	low, high := waitsOf(t, r, "priority", "0"), waitsOf(t, r, "priority", "100")
	if low.P90 <= high.P90 {
		t.Errorf("priority 0 waits %v (p90), priority 100 %v: the higher should wait less", low.P90, high.P90)
	}
}

// TestSameBytes: a seed gives one report, another seed another one.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	report := func(seed uint64) []byte {
		s := Default()
		s.Seed, s.Days, s.Devices, s.Workers = seed, 7, 40, 3
		s.Deaths = []Death{{Worker: "w2", At: s.Start.Add(50 * time.Hour), Back: s.Start.Add(60 * time.Hour)}}
		text, err := json.Marshal(simulate(t, s))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	one := report(1)
	if again := report(1); !bytes.Equal(one, again) {
		t.Errorf("one seed, two reports:\n%s\n%s", one, again)
	}
	if bytes.Equal(one, report(2)) {
		t.Errorf("two seeds, one report:\n%s", one)
	}
}

// TestDeath kills the one worker of a lab in the middle of its work.
func TestDeath(t *testing.T) {
	t.Parallel()
	s := Default()
	s.Days, s.Devices, s.Types, s.Workers, s.Bad, s.Gangs = 3, 6, 1, 1, 0, 0
	died, back := s.Start.Add(40*time.Hour), s.Start.Add(50*time.Hour)
	s.Deaths = []Death{{Worker: "w1", At: died, Back: back}}
	sc := scenario(t, s)
	sim := New(sc)
	lostJobs, offline, again := 0, time.Time{}, 0
	sim.Watch = func(r stream.Recorded) {
		switch e := r.Event.(type) {
		case events.WorkerWentOffline:
			offline = r.Time
		case events.JobScheduled:
			if r.Time.After(offline) && !offline.IsZero() && r.Time.Before(back) {
				t.Errorf("job %d scheduled at %s on a worker that is Offline since %s", e.Job, r.Time, offline)
			}
			if !r.Time.Before(back) {
				again++
			}
		case events.JobFinished:
			if e.Lost {
				lostJobs++
				if e.ErrorType != events.InfrastructureError || r.Time.Sub(died) != lostAfter {
					t.Errorf("lost job ended at %s as %s, want %s after the death, Infrastructure", r.Time, e.ErrorType, lostAfter)
				}
			} else if r.Time.After(died) && r.Time.Before(back) {
				t.Errorf("job %d ended at %s as if its worker lived", e.Job, r.Time)
			}
		}
	}
	r, err := sim.Run()
	if err != nil {
		t.Fatal(err)
	}
	if offline.Sub(died) != presence || lostJobs == 0 || again == 0 || r.Jobs.Lost == 0 {
		t.Errorf("offline at %s, %d jobs lost (report: %d), %d scheduled after its return", offline, lostJobs, r.Jobs.Lost, again)
	}
}

// TestDrain goes on until nobody waits.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := Default()
	s.Days, s.Devices, s.Types, s.Workers, s.Load = 2, 10, 2, 1, 1.3
	if r := simulate(t, s); r.Jobs.Waiting == 0 || r.Waits[0].Waiting != r.Jobs.Waiting || r.Waits[0].Oldest <= 0 || !r.Until.Equal(s.Start.Add(48*time.Hour)) {
		t.Errorf("under a load of 1.3 nobody waits at the end: %+v, %+v", r.Jobs, r.Waits[0])
	}
	s.Drain = true
	if r := simulate(t, s); r.Jobs.Waiting != 0 || r.Jobs.Running != 0 || r.Jobs.Started != r.Jobs.Submitted {
		t.Errorf("after draining: %+v", r.Jobs)
	}
}

// TestCancel ends a job that runs and one that waits, as people do.
func TestCancel(t *testing.T) {
	t.Parallel()
	begin := Default().Start
	job := func(id events.JobID) Input {
		return Input{begin, events.JobSubmitted{Job: id, Display: id.String(), User: "alice", Name: "job-01", At: begin, DeviceType: "qemu", JobTimeout: 3600}}
	}
	cancel := func(id events.JobID, after time.Duration) Input {
		return Input{begin.Add(after), events.JobCancelRequested{Job: id, By: "alice"}}
	}
	sim := New(scripted(begin, append(bench("w1", "q1"), job(1), job(2), job(3),
		cancel(1, time.Minute), cancel(2, time.Minute), cancel(1, time.Hour), cancel(9, time.Hour))))
	r, err := sim.Run()
	if err != nil {
		t.Fatal(err)
	}
	if r.Jobs.Canceled != 1 || r.Jobs.Withdrawn != 1 || r.Jobs.Complete != 1 || r.Jobs.Waiting+r.Jobs.Running != 0 {
		t.Errorf("jobs %+v, want one canceled, one withdrawn, one complete", r.Jobs)
	}
	if w := waitsOf(t, r, "all", ""); w.Max != (time.Minute + canceling).Seconds() {
		t.Errorf("the third job waited %v s, want until the first was canceled and over", w.Max)
	}
}

// TestRefusals: what cannot be made up is refused by name.
func TestRefusals(t *testing.T) {
	for name, spoil := range map[string]func(*Synthetic){
		"days":       func(s *Synthetic) { s.Days = 0 },
		"devices":    func(s *Synthetic) { s.Devices = 0 },
		"types":      func(s *Synthetic) { s.Types = 101 },
		"workers":    func(s *Synthetic) { s.Workers = 0 },
		"job limit":  func(s *Synthetic) { s.Limit = -1 },
		"jobs":       func(s *Synthetic) { s.Jobs = -1 },
		"load":       func(s *Synthetic) { s.Load = math.Inf(1) },
		"median":     func(s *Synthetic) { s.Median = 0 },
		"spread":     func(s *Synthetic) { s.Spread = math.NaN() },
		"multinode":  func(s *Synthetic) { s.Gangs = 2 },
		"infra":      func(s *Synthetic) { s.Infra = math.NaN() },
		"days NaN":   func(s *Synthetic) { s.Days = math.NaN() },
		"load NaN":   func(s *Synthetic) { s.Load = math.NaN() },
		"check hour": func(s *Synthetic) { s.CheckHours = -1 },
		"users":      func(s *Synthetic) { s.Users = nil },
		`user "bob"`: func(s *Synthetic) { s.Users = []User{{"bob", 0}} },
	} {
		s := Default()
		spoil(&s)
		if _, err := s.Scenario(); err == nil || !bytes.HasPrefix([]byte(err.Error()), []byte(name)) {
			t.Errorf("%s: error %v, want one that begins with it", name, err)
		}
	}
}

func scenario(t *testing.T, s Synthetic) Scenario {
	t.Helper()
	sc, err := s.Scenario()
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func simulate(t *testing.T, s Synthetic) Report {
	t.Helper()
	r, err := New(scenario(t, s)).Run()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func waitsOf(t *testing.T, r Report, of, name string) Waits {
	t.Helper()
	for _, w := range r.Waits {
		if w.Of == of && w.Name == name {
			return w
		}
	}
	t.Fatalf("the report has no waits of %s %q", of, name)
	return Waits{}
}

// bench is a worker with devices of the type qemu, without health checks.
func bench(w events.WorkerName, devices ...events.DeviceName) []Input {
	begin := Default().Start
	facts := []events.Event{events.WorkerRegistered{Worker: w}, events.WorkerWentOnline{Worker: w, At: begin}}
	for _, d := range devices {
		facts = append(facts, events.DeviceAdded{Device: d, DeviceType: "qemu", Worker: w, Health: events.Good},
			events.DeviceConfigured{Device: d, Dictionary: dictionary})
	}
	var in []Input
	for _, f := range facts {
		in = append(in, Input{begin, f})
	}
	return in
}

// scripted is a day in which that happens, where each job takes ten minutes.
func scripted(begin time.Time, in []Input) Scenario {
	return Scenario{Start: begin, End: begin.Add(24 * time.Hour),
		Next: func() (next Input, ok bool) {
			if len(in) == 0 {
				return next, false
			}
			next, in = in[0], in[1:]
			return next, true
		},
		Outcome: func(*lab.Job, events.DeviceName) Outcome {
			return Outcome{Duration: 10 * time.Minute, Health: events.Complete}
		}}
}
