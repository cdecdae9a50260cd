package lab

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"strata/events"
)

// deviceFacts is every fact that can change device q1: those about it and those about its jobs.
// Job 1 is a user's, job 2 a health check; 7 is the lease of the job that holds the device.
func deviceFacts() map[string]events.Event {
	return map[string]events.Event{
		"added":             events.DeviceAdded{Device: "q1", DeviceType: "bbb", Health: events.Bad},
		"configured":        events.DeviceConfigured{Device: "q1", Dictionary: "new"},
		"moved":             events.DeviceMoved{Device: "q1", Worker: "w2"},
		"tagged":            events.DeviceTagged{Device: "q1", Tag: "usb"},
		"tagged again":      events.DeviceTagged{Device: "q1", Tag: "ssd"},
		"untagged":          events.DeviceUntagged{Device: "q1", Tag: "ssd"},
		"untagged in vain":  events.DeviceUntagged{Device: "q1", Tag: "usb"},
		"tag removed":       events.TagRemoved{Tag: "ssd"},
		"set Maintenance":   events.DeviceHealthSet{Device: "q1", Health: events.Maintenance},
		"changed":           events.DeviceHealthChanged{Device: "q1", From: events.Good, To: events.Bad},
		"changed, too late": events.DeviceHealthChanged{Device: "q1", From: events.Unknown, To: events.Good},
		"described":         events.DeviceDescribed{Device: "q1", Owner: "alice"},
		"permitted":         events.PermissionsSet{Kind: events.Device, Name: "q1"},
		"imported":          events.ObjectImported{Kind: events.Device, Name: "q1"},
		"check carried":     events.DeviceCheckCarried{Device: "q1", At: noon},
		"reserved":          events.DeviceReserved{Device: "q1", Job: 1, Lease: 8},
		"reserved, check":   events.DeviceReserved{Device: "q1", Job: 2, Lease: 8},
		"reserved, stale":   events.DeviceReserved{Device: "q1", Job: 1, Lease: 7},
		"released":          events.DeviceReleased{Device: "q1", Job: 1, Lease: 7},
		"released, due":     events.DeviceReleased{Device: "q1", Job: 1, Lease: 7, CheckDue: true},
		"released, stale":   events.DeviceReleased{Device: "q1", Job: 1, Lease: 6},
		"check released":    events.DeviceReleased{Device: "q1", Job: 2, Lease: 7},
		"check requested":   events.HealthCheckRequested{Device: "q1", Job: 2},
		"taken in hand":     events.DeviceHeld{Device: "q1", Lease: 8, By: "alice", Until: noon},
		"held on":           events.DeviceHeld{Device: "q1", Lease: 7, By: "alice", Until: noon},
		"let go":            events.DeviceLetGo{Device: "q1", Lease: 7},
		"let go, stale":     events.DeviceLetGo{Device: "q1", Lease: 6},
		"removed":           events.DeviceRemoved{Device: "q1"},
		"job started":       events.JobStarted{Job: 1, Device: "q1", Lease: 7, At: noon},
		"job finished":      events.JobFinished{Job: 1, Device: "q1", Lease: 7, Health: events.Incomplete, ErrorType: events.BugError},
		"check finished":    events.JobFinished{Job: 2, Device: "q1", Lease: 7, Health: events.Incomplete},
		"job returned":      events.JobReturned{Job: 1, Device: "q1", Lease: 7},
		"check returned":    events.JobReturned{Job: 2, Device: "q1", Lease: 7},
		"check rejected":    events.JobRejected{Job: 2},
		"check withdrawn":   events.JobWithdrawn{Job: 2},
		"check submitted":   events.JobSubmitted{Job: 2, HealthCheck: true, Device: "q1"},
		"job submitted":     events.JobSubmitted{Job: 1, Device: "q1"},
	}
}

// deviceStates gives each state that a device can be in.
func deviceStates() map[string]Device {
	base := Device{Name: "q1", Seq: 5, Type: "qemu", Worker: "w1", Tags: []events.TagName{"ssd"}, Version: 1,
		Health: events.Good, State: DeviceIdle, Lease: 7}
	held := func(state DeviceState, job events.JobID, checking bool) Device {
		d := base
		d.State, d.Job, d.Checking = state, job, checking
		return d
	}
	gated := func(c Check) Device { d := base; d.Check = c; return d }
	inHand := held(DeviceReserved, 0, false)
	inHand.Hold = &Hold{By: "alice", Until: noon}
	return map[string]Device{
		"idle":                 base,
		"idle, check due":      gated(Check{Due: true}),
		"idle, check waits":    gated(Check{Job: 2}),
		"idle, check rejected": gated(Check{Job: 2, Failed: InvalidCheck}),
		"reserved":             held(DeviceReserved, 1, false),
		"reserved, check":      held(DeviceReserved, 2, true),
		"running":              held(DeviceRunning, 1, false),
		"running, check":       held(DeviceRunning, 2, true),
		"in hand":              inHand,
	}
}

// always fits in every state, and what it changes is told by the field tests below.
var always = []string{"configured", "moved", "tagged", "untagged", "tag removed", "set Maintenance", "changed", "described", "permitted", "imported", "check carried"}

// deviceTable gives the facts that fit in each state beside those that always do, and the state
// and gate that they lead to.
func deviceTable() map[string]map[string]string {
	free := func(gate string) map[string]string {
		return map[string]string{
			"reserved": "Reserved 1" + gate, "reserved, check": "Reserved 2 checking",
			"check requested": "Idle waits 2", "check submitted": "Idle waits 2", "taken in hand": "Reserved" + gate,
		}
	}
	waiting := free(" waits 2")
	delete(waiting, "check submitted")
	waiting["check rejected"], waiting["check withdrawn"] = "Idle failed 2", "Idle failed 2"
	refused := free(" failed 2")
	delete(refused, "check submitted")
	refused["check rejected"], refused["check withdrawn"] = "Idle failed 2", "Idle failed 2"
	return map[string]map[string]string{
		"idle":                 free(""),
		"idle, check due":      free(" due"),
		"idle, check waits":    waiting,
		"idle, check rejected": refused,
		"reserved": {"job started": "Running 1", "released": "Idle", "released, due": "Idle due",
			"check submitted": "Reserved 1 waits 2", "job finished": "Reserved 1"},
		"running": {"job finished": "Running 1", "released": "Idle", "released, due": "Idle due", "check submitted": "Running 1 waits 2"},
		"reserved, check": {"check finished": "Reserved 2 checking", "check released": "Idle",
			"check returned": "Reserved 2 checking waits 2", "check submitted": "Reserved 2 checking waits 2"},
		"in hand": {"held on": "Reserved", "let go": "Idle", "check submitted": "Reserved waits 2"},
		"running, check": {"check finished": "Running 2 checking", "check released": "Idle",
			"check returned": "Running 2 checking waits 2", "check submitted": "Running 2 checking waits 2"},
	}
}

func TestDeviceTransitions(t *testing.T) {
	table := deviceTable()
	jobs := map[events.JobID]*Job{1: {ID: 1}, 2: {ID: 2, HealthCheck: true, SubmittedAt: noon}}
	for state, d := range deviceStates() {
		for name, fact := range deviceFacts() {
			t.Run(state+"/"+name, func(t *testing.T) {
				j := jobs[1]
				if id, ok := jobOf(fact); ok {
					j = jobs[id]
				} else if r, ok := fact.(events.DeviceReserved); ok {
					j = jobs[r.Job]
				}
				got, fits := d.After(9, noon, fact, j)
				want, listed := table[state][name]
				if wantFits := listed || slices.Contains(always, name); fits != wantFits {
					t.Fatalf("%s after %q: fits %v, want %v", state, name, fits, wantFits)
				}
				if !fits && !reflect.DeepEqual(got, d) {
					t.Errorf("%s after %q, which does not fit: %+v, want no change", state, name, got)
				}
				if listed && posture(got) != want {
					t.Errorf("%s after %q: %q, want %q", state, name, posture(got), want)
				}
				if slices.Contains(always, name) && (got.State != d.State || got.Job != d.Job || got.Lease != d.Lease) {
					t.Errorf("%s after %q: %s, want the same holder", state, name, posture(got))
				}
				if _, isJob := jobOf(fact); isJob && got.Health != d.Health {
					t.Errorf("%s after %q: health %s, want only facts of health to change it", state, name, got.Health)
				}
			})
		}
	}
}

// TestEveryDeviceFact holds the table above to the catalogue.
func TestEveryDeviceFact(t *testing.T) {
	inTable := map[reflect.Type]bool{}
	for _, f := range deviceFacts() {
		inTable[reflect.TypeOf(f)] = true
	}
	for _, entry := range events.Catalogue() {
		e := reflect.New(entry.Type).Elem().Interface().(events.Event)
		if e.About().Kind == events.Device && !inTable[entry.Type] {
			t.Errorf("%s is about a device and missing in the transition table", entry.Name)
		}
	}
}

func TestDeviceFields(t *testing.T) {
	s := New()
	fold(s,
		events.TagAdded{Tag: "ssd"},
		events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1", Tags: []events.TagName{"usb", "ssd", "usb"}},
		events.DeviceConfigured{Device: "q1", Dictionary: "first"},
		events.DeviceConfigured{Device: "q1", Dictionary: "second"},
		events.DeviceTagged{Device: "q1", Tag: "hdmi"},
		events.DeviceMoved{Device: "q1", Worker: "w2"},
		events.TagRemoved{Tag: "ssd"},
		events.DeviceHealthSet{Device: "q1", Health: events.Looping, Reason: "stress"})
	want := Device{Name: "q1", Seq: 8, Type: "qemu", Worker: "w2", WorkerSeq: 6, Tags: []events.TagName{"hdmi", "usb"},
		Dictionary: "second", Version: 2, ConfiguredSeq: 4, Health: events.Looping, HealthSeq: 8, DueSeq: 8,
		HealthReason: "stress", State: DeviceIdle, IdleSince: noon}
	if got := *s.Device("q1"); !reflect.DeepEqual(got, want) {
		t.Errorf("device:\n got %+v\nwant %+v", got, want)
	}
	if s.Tag("ssd") != nil || s.Seq(events.Entity{Kind: events.Tag, ID: "ssd"}) != 7 {
		t.Errorf("tag ssd: %v at %d, want gone at 7", s.Tag("ssd"), s.Seq(events.Entity{Kind: events.Tag, ID: "ssd"}))
	}
}

func TestDeviceComesBack(t *testing.T) {
	s := New()
	about := events.Entity{Kind: events.Device, ID: "q1"}
	fold(s, events.DeviceAdded{Device: "q1"}, events.DeviceRemoved{Device: "q1"}, events.DeviceTagged{Device: "q1", Tag: "x"})
	if s.Device("q1") != nil || s.Seq(about) != 3 {
		t.Fatalf("after removal: %v at %d, want none at 3", s.Device("q1"), s.Seq(about))
	}
	fold(s, events.DeviceAdded{Device: "q1", Health: events.Good})
	if d := s.Device("q1"); d == nil || d.Health != events.Good || s.Seq(about) != 4 {
		t.Errorf("added again: %+v at %d, want Good at 4", d, s.Seq(about))
	}
	fold(s, events.DeviceReserved{Device: "q1", Job: 1, Lease: 3}, events.DeviceRemoved{Device: "q1"})
	if d := s.Device("q1"); d == nil || d.State != DeviceReserved {
		t.Errorf("removed while held: %+v, want it to stay", d)
	}
}

// A check and the fact that names it come in either order; both end at the same gate.
func TestCheckRejectedBeforeItIsNamed(t *testing.T) {
	added := events.DeviceAdded{Device: "q1"}
	rejected := events.JobRejected{Job: 4, User: LavaHealth, At: noon}
	named := events.HealthCheckRequested{Device: "q1", Job: 4}
	for _, order := range [][]events.Event{{added, rejected, named}, {added, named, rejected}} {
		s := New()
		fold(s, order...)
		if got, want := s.Device("q1").Check, (Check{Job: 4, Failed: InvalidCheck}); got != want {
			t.Errorf("gate %+v, want %+v", got, want)
		}
		fold(s, events.DeviceHealthChanged{Device: "q1", From: events.Unknown, To: events.Bad, Reason: InvalidCheck})
		if got := s.Device("q1"); got.Check != (Check{}) || got.Health != events.Bad || len(s.checks) != 0 {
			t.Errorf("after Bad: %+v, want Bad without a gate", got)
		}
	}
}

// A health check's end starts the count anew; jobs that start count, checks do not.
func TestJobsSinceCheck(t *testing.T) {
	s := New()
	fold(s, events.DeviceAdded{Device: "q1"})
	run := func(id events.JobID, check bool, at time.Time) {
		e := submit(id)
		e.HealthCheck, e.Device, e.At = check, "q1", at
		lease := events.Lease(s.Through())
		fold(s, e,
			events.JobScheduled{Job: id, Device: "q1", Lease: lease}, events.DeviceReserved{Device: "q1", Job: id, Lease: lease},
			events.JobStarted{Job: id, Device: "q1", Lease: lease},
			events.JobFinished{Job: id, Device: "q1", Lease: lease, Health: events.Complete, At: at.Add(10 * time.Minute)},
			events.DeviceReleased{Device: "q1", Job: id, Lease: lease})
	}
	run(1, false, noon)
	run(2, true, noon.Add(time.Hour))
	run(3, false, noon)
	run(4, false, noon)
	d := s.Device("q1")
	if d.LastCheck != 2 || !d.LastCheckAt.Equal(noon.Add(70*time.Minute)) || d.JobsSince != 2 {
		t.Errorf("last check %d of %v and %d jobs since, want 2, its end at 13:10, 2", d.LastCheck, d.LastCheckAt, d.JobsSince)
	}
}

// posture says who holds a device and what its gate is.
func posture(d Device) string {
	p := string(d.State)
	if d.Job != 0 {
		p += " " + d.Job.String()
	}
	if d.Checking {
		p += " checking"
	}
	if d.Check.Due {
		p += " due"
	}
	switch {
	case d.Check.Failed != "":
		p += " failed " + d.Check.Job.String()
	case d.Check.Job != 0:
		p += " waits " + d.Check.Job.String()
	}
	return p
}
