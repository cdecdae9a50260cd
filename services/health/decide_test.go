package health

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// TestJobEnds is the table of job-driven transitions: what the batch says that frees the device.
func TestJobEnds(t *testing.T) {
	const check, user = true, false
	infra, bug, conf, job := events.InfrastructureError, events.BugError, events.ConfigurationError, events.JobError
	tests := []struct {
		check  bool
		before events.DeviceHealth
		end    events.JobHealth
		class  events.ErrorType
		want   string
	}{
		{check, events.Good, events.Complete, "", "Good→Good (health-check [1] completed); released"},
		{check, events.Unknown, events.Complete, "", "Unknown→Good (health-check [1] completed); released"},
		{check, events.Bad, events.Complete, "", "Bad→Good (health-check [1] completed); released"},
		{check, events.Good, events.Incomplete, job, "Good→Bad (health-check [1] failed); released"},
		{check, events.Unknown, events.Incomplete, infra, "Unknown→Bad (health-check [1] failed); released"},
		{check, events.Bad, events.Incomplete, job, "Bad→Bad (health-check [1] failed); released"},
		{check, events.Good, events.Canceled, "", "Good→Bad (health-check [1] canceled); released"},
		{check, events.Unknown, events.Canceled, "", "Unknown→Bad (health-check [1] canceled); released"},
		{check, events.Bad, events.Canceled, "", "Bad→Bad (health-check [1] canceled); released"},
		{check, events.Looping, events.Incomplete, job, "Looping→Looping (Looping health-check [1] failed); released, due"},
		{check, events.Looping, events.Complete, "", "released, due"},
		{check, events.Looping, events.Canceled, "", "released, due"},
		{check, events.Maintenance, events.Incomplete, infra, "released"},
		{check, events.Retired, events.Complete, "", "released"},
		{user, events.Good, events.Incomplete, bug, "Good→Unknown (Infrastructure error after [1]); released, due"},
		{user, events.Good, events.Incomplete, conf, "Good→Unknown (Infrastructure error after [1]); released, due"},
		{user, events.Good, events.Incomplete, infra, "Good→Unknown (Infrastructure error after [1]); released, due"},
		{user, events.Good, events.Incomplete, job, "released, due"}, // never checked
		{user, events.Good, events.Complete, "", "released, due"},
		{user, events.Good, events.Canceled, events.CanceledError, "released, due"},
		{user, events.Maintenance, events.Incomplete, infra, "released"},
		{user, events.Retired, events.Incomplete, bug, "released"},
		{user, events.Bad, events.Incomplete, infra, "released"},
		{user, events.Looping, events.Incomplete, infra, "released, due"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("check %v, %s, %s %s", tt.check, tt.before, tt.end, tt.class), func(t *testing.T) {
			s := after(worker(), board("q1"), checked(events.Hours, 24), held(1, "q1", tt.check),
				events.DeviceHealthSet{Device: "q1", Health: tt.before, By: "bob"},
				events.JobFinished{Job: 1, Device: "q1", Lease: 1, Health: tt.end, ErrorType: tt.class, At: noon})
			p := decide(s, noon.Add(time.Minute))
			if got := brief(p); got != tt.want {
				t.Errorf("decide: %q, want %q", got, tt.want)
			}
			if again := decide(s, noon.Add(time.Minute)); !reflect.DeepEqual(again.facts, p.facts) {
				t.Errorf("decide once more: %q, want the same", brief(again))
			}
			fold(s, p.facts...)
			if d := s.lab.Device("q1"); d.State != lab.DeviceIdle {
				t.Errorf("the device is %s after that, want Idle", d.State)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	finished := events.JobFinished{Job: 1, Device: "q1", Lease: 1, Health: events.Complete, At: noon}
	passed := []any{held(1, "q1", true), finished, events.JobOutputComplete{Job: 1, Lease: 1},
		events.DeviceReleased{Device: "q1", Job: 1, Lease: 1}}
	jobs := func(n int) (all []any) {
		for i := range n {
			id, lease := events.JobID(i+2), events.Lease(i+2)
			all = append(all, heldUnder(lease, id, "q1", false), events.JobFinished{Job: id, Device: "q1", Lease: lease, Health: events.Complete, At: noon},
				events.DeviceReleased{Device: "q1", Job: id, Lease: lease})
		}
		return all
	}
	colour, configured := events.DeviceConfigured{Device: "q1", Dictionary: "colour: blue"}, events.DeviceConfigured{Device: "q1", Dictionary: dictionary}
	invalid := events.DeviceHealthChanged{Device: "q1", From: events.Good, To: events.Bad, Reason: "Invalid device configuration: colour: unknown key"}
	tests := []struct {
		name  string
		given []any
		want  string
	}{
		{"nothing happened", []any{worker(), board("q1")}, ""},
		{"running", []any{worker(), board("q1"), held(1, "q1", false)}, ""},
		{"finished, no check configured", []any{worker(), board("q1"), held(1, "q1", false), finished}, "released"},
		{"returned", []any{worker(), board("q1"), reserved(1, "q1"), events.JobReturned{Job: 1, Device: "q1", Lease: 1}}, "released"},
		{"returned and withdrawn", []any{worker(), board("q1"), reserved(1, "q1"), events.JobReturned{Job: 1, Device: "q1", Lease: 1}, events.JobWithdrawn{Job: 1}}, "released"},
		{"returned and given elsewhere", []any{worker(), board("q1"), board("q2"), reserved(1, "q1"), events.JobReturned{Job: 1, Device: "q1", Lease: 1},
			events.JobScheduled{Job: 1, Device: "q2", Worker: "w1", Lease: 2}, events.DeviceReserved{Device: "q2", Job: 1, Lease: 2}}, "released"},
		{"a check that was returned waits, no other is asked for", []any{worker(), board("q1"), checked(events.Hours, 24), check(1, "q1"),
			events.JobScheduled{Job: 1, Device: "q1", Worker: "w1", Lease: 1}, events.DeviceReserved{Device: "q1", Job: 1, Lease: 1},
			events.JobReturned{Job: 1, Device: "q1", Lease: 1}}, "released"},
		{"withdrawn needs nothing", []any{worker(), board("q1"), job(1), events.JobWithdrawn{Job: 1}}, ""},
		{"never checked", []any{worker(), board("q1"), checked(events.Hours, 24)}, "check: never checked"},
		{"unknown", []any{worker(), board("q1"), checked(events.Hours, 24), set("q1", events.Unknown)}, "check: health is Unknown"},
		{"unknown, no check", []any{worker(), board("q1"), set("q1", events.Unknown)}, ""},
		{"looping", []any{worker(), board("q1"), checked(events.Hours, 24), set("q1", events.Looping)}, "check: health is Looping"},
		{"maintenance", []any{worker(), board("q1"), checked(events.Hours, 24), set("q1", events.Maintenance)}, ""},
		{"bad", []any{worker(), board("q1"), checked(events.Hours, 24), set("q1", events.Bad)}, ""},
		{"retired", []any{worker(), board("q1"), checked(events.Hours, 24), set("q1", events.Retired)}, ""},
		{"worker away", []any{board("q1"), checked(events.Hours, 24)}, ""},
		{"worker back", []any{board("q1"), checked(events.Hours, 24), worker()}, "check: never checked"},
		{"type hidden", []any{worker(), board("q1"), checked(events.Hours, 24), events.DeviceTypeConfigured{DeviceType: "qemu", HealthCheck: "x", Hidden: true}}, ""},
		{"checks disabled", []any{worker(), board("q1"), checked(events.Hours, 24), events.DeviceTypeConfigured{DeviceType: "qemu", HealthCheck: "x", HealthDisabled: true}}, ""},
		{"not configured yet", []any{worker(), events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1"}, checked(events.Hours, 24)}, ""},
		{"checked an hour ago", []any{worker(), board("q1"), checked(events.Hours, 24), passed}, ""},
		{"checked long ago", []any{worker(), board("q1"), checked(events.Hours, 1), passed}, "check: 1 h since the last check"},
		{"two jobs of three", []any{worker(), board("q1"), checked(events.Jobs, 3), passed, jobs(2)}, ""},
		{"three jobs of three", []any{worker(), board("q1"), checked(events.Jobs, 3), passed, jobs(3)}, "check: 3 jobs since the last check"},
		{"a check is in the queue", []any{worker(), board("q1"), checked(events.Hours, 24), check(5, "q1")}, ""},
		{"a check was asked for", []any{worker(), board("q1"), checked(events.Hours, 24), events.HealthCheckRequested{Device: "q1", Job: 5}}, ""},
		{"the check was rejected", []any{worker(), board("q1"), checked(events.Hours, 24), events.HealthCheckRequested{Device: "q1", Job: 5}, events.JobRejected{Job: 5}}, "Good→Bad (Invalid health check)"},
		{"the check was rejected before it was named", []any{worker(), board("q1"), checked(events.Hours, 24), events.JobRejected{Job: 5}, events.HealthCheckRequested{Device: "q1", Job: 5}}, "Good→Bad (Invalid health check)"},
		{"rejected while in maintenance", []any{worker(), board("q1"), checked(events.Hours, 24), events.HealthCheckRequested{Device: "q1", Job: 5}, events.JobRejected{Job: 5}, set("q1", events.Maintenance)}, ""},
		{"the check left the queue", []any{worker(), board("q1"), checked(events.Hours, 24), check(5, "q1"), events.JobWithdrawn{Job: 5}}, "Good→Bad (health-check [5] canceled)"},
		{"invalid configuration", []any{worker(), board("q1"), events.DeviceConfigured{Device: "q1", Dictionary: "colour: blue"}}, "Good→Bad (Invalid device configuration: load device configuration: line 1, column 1: colour: unknown key)"},
		{"invalid configuration, worker away", []any{board("q1"), events.DeviceConfigured{Device: "q1", Dictionary: "colour: blue"}}, ""},
		{"a template that is missing", []any{worker(), board("q1"), events.DeviceConfigured{Device: "q1", Dictionary: "{% extends 'nowhere.jinja2' %}\n"}}, "Good→Bad (Invalid device configuration: render dictionary of q1: "},
		{"a template that adds what cannot be added", []any{worker(), board("q1"), checked(events.Hours, 24), template("{{ 1 + 'a' }}\n"), extends}, "Good→Bad (Invalid device configuration: render dictionary of q1: "},
		{"a template that never ends, beside a sound device", []any{worker(), board("q1"), board("q2"), checked(events.Hours, 24), template("{% extends 'qemu.jinja2' %}\n"), extends,
			held(1, "q2", false), events.JobFinished{Job: 1, Device: "q2", Lease: 1, Health: events.Complete, At: noon}}, "Good→Bad (Invalid device configuration: render dictionary of q1: "},
		{"a template", []any{worker(), board("q1"), checked(events.Hours, 24), set("q1", events.Good), template("hostname: {{ scheduled_device_name }}\n"), extends}, ""},
		{"a template that comes later", []any{worker(), board("q1"), checked(events.Hours, 24), extends, template("hostname: {{ scheduled_device_name }}\n")}, ""},
		{"a template that is broken later", []any{worker(), board("q1"), checked(events.Hours, 24), template("hostname: q1\n"), extends, template("colour: blue\n")}, "Good→Bad (Invalid device configuration: load device configuration: "},
		{"invalid configuration in maintenance", []any{worker(), board("q1"), set("q1", events.Maintenance), events.DeviceConfigured{Device: "q1", Dictionary: "colour: blue"}}, ""},
		{"configuration repaired", []any{worker(), board("q1"), events.DeviceConfigured{Device: "q1", Dictionary: "colour: blue"}, events.DeviceConfigured{Device: "q1", Dictionary: dictionary}}, ""},
		{"configuration repaired later", []any{worker(), board("q1"), colour, invalid, configured}, "Bad→Unknown (device configuration is valid again)"},
		{"configuration repaired later, worker away", []any{board("q1"), colour, invalid, configured}, "Bad→Unknown (device configuration is valid again)"},
		{"still not repaired", []any{worker(), board("q1"), colour, invalid, events.DeviceConfigured{Device: "q1", Dictionary: "colour: red"}}, ""},
		{"a template repaired later", []any{worker(), board("q1"), checked(events.Hours, 24), template("colour: blue\n"), extends, invalid, template("hostname: q1\n")}, "Bad→Unknown (device configuration is valid again)"},
		{"a template still not repaired", []any{worker(), board("q1"), checked(events.Hours, 24), template("colour: blue\n"), extends, invalid, template("colour: red\n")}, ""},
		{"repaired, but a person has said Bad", []any{worker(), board("q1"), colour, invalid, set("q1", events.Bad), configured}, ""},
		{"repaired, but a check has failed", []any{worker(), board("q1"), colour, events.DeviceHealthChanged{Device: "q1", From: events.Good, To: events.Bad, Reason: "health-check [5] failed"}, configured}, ""},
		{"worker active again", []any{worker(), board("q1"), workerHealth(events.WorkerMaintenance), workerHealth(events.WorkerActive)}, "Good→Unknown (worker going active)"},
		{"worker in maintenance", []any{worker(), board("q1"), workerHealth(events.WorkerMaintenance)}, ""},
		{"worker retired", []any{worker(), board("q1"), set("q1", events.Maintenance), workerHealth(events.WorkerRetired)}, "Maintenance→Retired (worker going retired)"},
		{"worker retired, device bad", []any{worker(), board("q1"), set("q1", events.Bad), workerHealth(events.WorkerRetired)}, ""},
		{"worker retired while a job runs", []any{worker(), board("q1"), held(1, "q1", false), workerHealth(events.WorkerRetired)}, "Good→Retired (worker going retired)"},
		{"active from retired", []any{worker(), board("q1"), workerHealth(events.WorkerRetired), set("q1", events.Good), workerHealth(events.WorkerActive)}, ""},
		{"removed", []any{worker(), board("q1"), checked(events.Hours, 24), events.DeviceRemoved{Device: "q1"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := after(tt.given...)
			p := decide(s, noon.Add(90*time.Minute))
			if got := brief(p); got != tt.want && !(strings.HasSuffix(tt.want, ": ") && strings.HasPrefix(got, tt.want)) {
				t.Errorf("decide: %q, want %q", got, tt.want)
			}
			// A service that was away while all this happened decides the same.
			if late := decide(newState(s.lab), noon.Add(90*time.Minute)); brief(late) != brief(p) {
				t.Errorf("decide after a restart: %q, want %q", brief(late), brief(p))
			}
		})
	}
}

// A device whose hours are not over is looked at again when they are, and not before.
func TestDecideWakesForChecks(t *testing.T) {
	s := after(worker(), board("q1"), checked(events.Hours, 24), held(1, "q1", true),
		events.JobFinished{Job: 1, Device: "q1", Lease: 1, Health: events.Complete, At: noon},
		events.DeviceReleased{Device: "q1", Job: 1, Lease: 1})
	p := decide(s, noon.Add(time.Hour))
	due := noon.Add(24*time.Hour + time.Nanosecond)
	if brief(p) != "" || !p.wake.Equal(due) {
		t.Fatalf("decide: %q, wake %v, want nothing until %v", brief(p), p.wake, due)
	}
	s.settle(p)
	if p = decide(s, noon.Add(2*time.Hour)); len(p.seen) != 0 || !p.wake.Equal(due) {
		t.Errorf("decide when nothing happened: looked at %v, wake %v, want nothing until %v", p.seen, p.wake, due)
	}
	if p = decide(s, due); brief(p) != "check: 24 h since the last check" {
		t.Errorf("decide at that time: %q, want the check", brief(p))
	}
}

// TestDecideRests: a check that has become due on a worker that is away wakes nobody until it is back.
func TestDecideRests(t *testing.T) {
	s := after(worker(), board("q1"), checked(events.Hours, 24), held(1, "q1", true),
		events.JobFinished{Job: 1, Device: "q1", Lease: 1, Health: events.Complete, At: noon},
		events.DeviceReleased{Device: "q1", Job: 1, Lease: 1}, events.WorkerWentOffline{Worker: "w1"})
	late := noon.Add(48 * time.Hour)
	p := decide(s, late)
	if brief(p) != "" || !p.wake.IsZero() {
		t.Fatalf("decide while the worker is away: %q, wake %v, want nothing, never", brief(p), p.wake)
	}
	s.settle(p)
	more(s, events.WorkerWentOnline{Worker: "w1"})
	if got, want := brief(decide(s, late)), "check: 24 h since the last check"; got != want {
		t.Errorf("decide when it is back: %q, want %q", got, want)
	}
}

// Many devices at once are freed in batches that the log can take.
func TestDecideFillsBatches(t *testing.T) {
	given := []any{worker()}
	const n = 120
	for i := range n {
		name, id := events.DeviceName(fmt.Sprintf("q%03d", i)), events.JobID(i+1)
		given = append(given, board(name), held(id, name, false),
			events.JobFinished{Job: id, Device: name, Lease: 1, Health: events.Incomplete, ErrorType: events.InfrastructureError, At: noon})
	}
	s := after(given...)
	freed := 0
	for {
		p := decide(s, noon)
		if len(p.facts) == 0 {
			break
		}
		if len(p.facts) > stream.MaxBatch || len(p.facts)%2 != 0 {
			t.Fatalf("batch of %d facts, want pairs, up to %d", len(p.facts), stream.MaxBatch)
		}
		freed += len(p.facts) / 2
		fold(s, p.facts...)
	}
	if freed != n {
		t.Errorf("%d devices freed, want %d", freed, n)
	}
}

// TestFailsTwice has the lab fail jobs on one device, one after the other: with a health check it
// takes nothing before that, and its count begins anew after it. Without one it goes on as Unknown, and the
// reason counts; a check that its type is given then comes first.
func TestFailsTwice(t *testing.T) {
	infra := func(id events.JobID) []any {
		return []any{heldUnder(events.Lease(id), id, "q1", false), events.JobFinished{Job: id, Device: "q1", Lease: events.Lease(id),
			Health: events.Incomplete, ErrorType: events.InfrastructureError, At: noon}}
	}
	s := after(worker(), board("q1"))
	steps := []struct {
		name  string
		given []any
		want  []string // of one plan after the other
	}{
		{"without a check", infra(1), []string{"Good→Unknown (Infrastructure error after [1]); released", ""}},
		{"again", infra(2), []string{"Unknown→Unknown (Infrastructure error after [2], 2 in a row); released", ""}},
		{"its type gets a check", []any{checked(events.Hours, 24)}, []string{"check: health is Unknown"}},
		{"which passes", []any{heldUnder(3, 3, "q1", true), events.JobFinished{Job: 3, Device: "q1", Lease: 3, Health: events.Complete, At: noon}},
			[]string{"Unknown→Good (health-check [3] completed); released", ""}},
		{"with a check", infra(4), []string{"Good→Unknown (Infrastructure error after [4]); released, due", "check: health is Unknown"}},
	}
	for _, step := range steps {
		more(s, step.given...)
		for i, want := range step.want {
			p := decide(s, noon.Add(time.Minute))
			if got := brief(p); got != want {
				t.Errorf("%s, plan %d: %q, want %q", step.name, i+1, got, want)
			}
			fold(s, p.facts...)
		}
	}
}

// brief says what a plan does.
func brief(p plan) string {
	var words []string
	for _, f := range p.facts {
		switch f := f.(type) {
		case events.DeviceHealthChanged:
			words = append(words, fmt.Sprintf("%s→%s (%s)", f.From, f.To, f.Reason))
		case events.DeviceReleased:
			words = append(words, map[bool]string{false: "released", true: "released, due"}[f.CheckDue])
		}
	}
	for _, r := range p.checks {
		words = append(words, "check: "+r.reason)
	}
	return strings.Join(words, "; ")
}

func after(given ...any) *state {
	s := newState(lab.New())
	more(s, given...)
	return s
}

func more(s *state, given ...any) {
	for _, g := range given {
		switch g := g.(type) {
		case events.Event:
			fold(s, g)
		case []events.Event:
			fold(s, g...)
		case []any:
			more(s, g...)
		}
	}
}

func fold(s *state, facts ...events.Event) {
	for _, f := range facts {
		s.evolve(stream.Recorded{Stream: stream.Lab, Seq: s.lab.Through() + 1, Time: noon, Event: f})
	}
}

// dictionary is the least that is a valid configuration.
const dictionary = "hostname: q1\n"

func worker() []events.Event {
	return []events.Event{events.WorkerRegistered{Worker: "w1"}, events.WorkerWentOnline{Worker: "w1", At: noon}}
}

func workerHealth(h events.WorkerHealth) events.Event {
	return events.WorkerHealthSet{Worker: "w1", Health: h}
}

func board(name events.DeviceName) []events.Event {
	return []events.Event{events.DeviceAdded{Device: name, DeviceType: "qemu", Worker: "w1", Health: events.Good},
		events.DeviceConfigured{Device: name, Dictionary: dictionary}}
}

// extends gives q1 a dictionary that extends the template of its type.
var extends = events.DeviceConfigured{Device: "q1", Dictionary: "{% extends 'qemu.jinja2' %}\n"}

// template gives the type a template, and no health check.
func template(text string) events.Event {
	return events.DeviceTypeConfigured{DeviceType: "qemu", Template: text}
}

func set(d events.DeviceName, h events.DeviceHealth) events.Event {
	return events.DeviceHealthSet{Device: d, Health: h, By: "bob"}
}

func checked(per events.Denominator, n int) []events.Event {
	return []events.Event{events.DeviceTypeAdded{DeviceType: "qemu"}, events.DeviceTypeConfigured{DeviceType: "qemu",
		HealthCheck: "job_name: check\n", HealthFrequency: n, HealthDenominator: per}}
}

func job(id events.JobID) events.JobSubmitted {
	return events.JobSubmitted{Job: id, User: "alice", At: noon, DeviceType: "qemu", JobTimeout: 60}
}

func check(id events.JobID, d events.DeviceName) events.JobSubmitted {
	e := job(id)
	e.User, e.Device, e.HealthCheck = lab.LavaHealth, d, true
	return e
}

func reserved(id events.JobID, d events.DeviceName) []events.Event {
	return heldUnder(1, id, d, false)[:3]
}

// held has a job running on a device under lease 1.
func held(id events.JobID, d events.DeviceName, isCheck bool) []events.Event {
	return heldUnder(1, id, d, isCheck)
}

func heldUnder(lease events.Lease, id events.JobID, d events.DeviceName, isCheck bool) []events.Event {
	e := job(id)
	if isCheck {
		e = check(id, d)
	}
	return []events.Event{e,
		events.JobScheduled{Job: id, Device: d, Worker: "w1", Lease: lease}, events.DeviceReserved{Device: d, Job: id, Lease: lease},
		events.JobStarted{Job: id, Device: d, Worker: "w1", Lease: lease, At: noon}}
}
