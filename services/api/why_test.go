package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// basics are a type, a worker that is there, and job 1 that wants a qemu.
func basics(more ...events.Event) []events.Event {
	return append([]events.Event{
		events.DeviceTypeAdded{DeviceType: "qemu"},
		events.DeviceTypeConfigured{DeviceType: "qemu", Aliases: []string{"kvm"}, HealthFrequency: 24, HealthDenominator: events.Hours},
		events.WorkerRegistered{Worker: "w1"},
		events.WorkerWentOnline{Worker: "w1", At: noon},
		events.JobSubmitted{Job: 1, Display: "1", User: "alice", Name: "x", At: noon, DeviceType: "kvm", JobTimeout: 60},
	}, more...)
}

func device(name events.DeviceName, health events.DeviceHealth, worker events.WorkerName, dictionary string) []events.Event {
	facts := []events.Event{events.DeviceAdded{Device: name, DeviceType: "qemu", Worker: worker, Health: health}}
	if dictionary != "" {
		facts = append(facts, events.DeviceConfigured{Device: name, Dictionary: dictionary})
	}
	return facts
}

func TestWhy(t *testing.T) {
	join := func(groups ...[]events.Event) (all []events.Event) {
		for _, g := range groups {
			all = append(all, g...)
		}
		return all
	}
	pinned := events.JobSubmitted{Job: 2, Display: "2", User: "alice", At: noon, DeviceType: "qemu", Device: "q9", JobTimeout: 60}
	elsewhere := events.JobSubmitted{Job: 2, Display: "2", User: "alice", At: noon, DeviceType: "qemu", Worker: "w9", JobTimeout: 60}
	tagged := events.JobSubmitted{Job: 2, Display: "2", User: "alice", At: noon, DeviceType: "qemu", Tags: []events.TagName{"usb"}, JobTimeout: 60}
	tests := []struct {
		name  string
		given []events.Event
		job   events.JobID
		want  string
	}{
		{"no device, asked for by an alias", basics(), 1, "the lab has no device of type qemu"},
		{"pinned to a device that is not there", basics(pinned), 2, "device q9 is not in the lab"},
		{"pinned to a worker without devices", basics(elsewhere), 2, "no device of type qemu hangs on worker w9"},
		{"unwell", basics(device("q1", events.Bad, "w1", "a: 1")...), 1, "the one device that fits: Bad, in Maintenance or Retired"},
		{"no worker", basics(device("q1", events.Good, "", "a: 1")...), 1, "the one device that fits: on no worker"},
		{"worker in Maintenance", join(basics(device("q1", events.Good, "w1", "a: 1")...),
			[]events.Event{events.WorkerHealthSet{Worker: "w1", Health: events.WorkerMaintenance}}), 1, "on a worker that is offline or takes no jobs"},
		{"worker offline", join(basics(device("q1", events.Good, "w1", "a: 1")...),
			[]events.Event{events.WorkerWentOffline{Worker: "w1", At: noon}}), 1, "on a worker that is offline or takes no jobs"},
		{"no dictionary", basics(device("q1", events.Good, "w1", "")...), 1, "without a dictionary"},
		{"without the tag", join(basics(tagged), device("q1", events.Good, "w1", "a: 1")), 2, "without the tags asked for"},
		{"busy, and another Bad", join(basics(device("q1", events.Good, "w1", "a: 1")...), device("q2", events.Bad, "w1", "a: 1"),
			[]events.Event{pinnedTo(3, "q1"), events.JobScheduled{Job: 3, Device: "q1", Worker: "w1", Lease: 3}, events.DeviceReserved{Device: "q1", Job: 3, Lease: 3}}),
			1, "of 2 devices that fit: 1 busy, 1 Bad, in Maintenance or Retired"},
		{"free", basics(device("q1", events.Good, "w1", "a: 1")...), 1, "free, being looked at now"},
		{"free, and its user capped", join(basics(device("q1", events.Good, "w1", "a: 1")...), device("q2", events.Good, "w1", "a: 1"),
			[]events.Event{events.SchedulingPolicySet{Caps: &events.Caps{Default: 1}}, pinnedTo(3, "q2"),
				events.JobScheduled{Job: 3, Device: "q2", Worker: "w1", Lease: 3}, events.DeviceReserved{Device: "q2", Job: 3, Lease: 3}}),
			1, "1 free, and beyond the cap, alice holds 1 device and may hold 1"},
		{"to be withdrawn", basics(events.JobCancelRequested{Job: 1, By: "alice"}), 1, "being withdrawn"},
		{"not in the queue", basics(events.JobWithdrawn{Job: 1, Reason: "canceled"}), 1, ""},
		{"unknown", basics(), 77, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := why(fold(tt.given), caller{user: lab.Local}, tt.job, noon)
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("why job %d waits: got %q, want %q", tt.job, got, tt.want)
			}
		})
	}
}

// TestRemovable refuses to remove a worker that is in use, and says what to do about it.
func TestRemovable(t *testing.T) {
	offline := events.WorkerWentOffline{Worker: "w1", At: noon}
	tests := []struct {
		name  string
		given []events.Event
		want  string
	}{
		{"offline, another's device", append(device("q1", events.Good, "w2", ""), offline), ""},
		{"online", nil, "worker w1 is online; end its process there and wait until it is Offline first"},
		{"a device", append(device("q1", events.Good, "w1", ""), offline),
			"worker w1 has device q1; `strata devices move q1 WORKER` or `strata devices remove q1` first"},
		{"online, two devices", append(device("q2", events.Bad, "w1", ""), device("q1", events.Good, "w1", "")...),
			"worker w1 is online and has device q1 and 1 more; `strata devices move q1 WORKER` or `strata devices remove q1` first, then end its process there and wait until it is Offline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := fold(basics(tt.given...))
			err, got := removable(s, s.Worker("w1")), ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want || err != nil && !HasCode(err, Conflict) {
				t.Errorf("remove w1: got %v, want the conflict %q", err, tt.want)
			}
		})
	}
}

// TestUnextended refuses to remove a type that a template or a dictionary is built on.
func TestUnextended(t *testing.T) {
	const child = "{% extends 'kvm-base.jinja2' %}\n"
	typed := func(name events.DeviceTypeName, template string) []events.Event {
		return []events.Event{events.DeviceTypeAdded{DeviceType: name}, events.DeviceTypeConfigured{
			DeviceType: name, Template: template, HealthFrequency: 24, HealthDenominator: events.Hours}}
	}
	tests := []struct {
		name  string
		given []events.Event
		want  string
	}{
		{"nothing", typed("other", "{% extends 'base.jinja2' %}"), ""},
		{"only named", device("q1", events.Good, "", "# kvm-base\na: 1"), ""},
		{"a longer name", device("q1", events.Good, "", "{% extends 'kvm-base2.jinja2' %}"), ""},
		{"a template", typed("other", child), "the template of device type other extends kvm-base;"},
		{"a dictionary", device("q1", events.Good, "", child), "the dictionary of device q1 extends kvm-base;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err, got := unextended(fold(basics(append(typed("kvm-base", "a: 1"), tt.given...)...)), "kvm-base"), ""
			if err != nil {
				got = err.Error()
			}
			if (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) || err != nil && !HasCode(err, Conflict) {
				t.Errorf("remove kvm-base: got %v, want the conflict %q", err, tt.want)
			}
		})
	}
}

func pinnedTo(job events.JobID, d events.DeviceName) events.JobSubmitted {
	return events.JobSubmitted{Job: job, Display: job.String(), User: "alice", At: noon, DeviceType: "qemu", Device: d, JobTimeout: 60}
}

// TestViewFacts shows a job at every step of its story, by its facts alone.
func TestViewFacts(t *testing.T) {
	story := []struct {
		fact   events.Event
		state  string
		health events.JobHealth
		device events.DeviceName
	}{
		{events.JobSubmitted{Job: 1, Display: "1", User: "alice", At: noon, DeviceType: "qemu", JobTimeout: 60}, "Submitted", "", ""},
		{events.JobScheduled{Job: 1, Device: "q1", Worker: "w1", Lease: 5}, "Scheduled", "", "q1"},
		{events.JobReturned{Job: 1, Device: "q1", Worker: "w1", Lease: 5, Reason: "no space"}, "Submitted", "", ""},
		{events.JobScheduled{Job: 1, Device: "q2", Worker: "w1", Lease: 9}, "Scheduled", "", "q2"},
		{events.JobStarted{Job: 1, Device: "q2", Worker: "w1", Lease: 9, At: noon}, "Running", "", "q2"},
		{events.JobCancelRequested{Job: 1, By: "bob", Reason: "typo"}, "Canceling", "", "q2"},
		{events.JobFinished{Job: 1, Device: "q1", Worker: "w1", Lease: 5, Health: events.Complete, At: noon}, "Canceling", "", "q2"}, // of a lease that is over
		{events.JobFinished{Job: 1, Device: "q2", Worker: "w1", Lease: 9, Health: events.Complete, At: noon}, "Finished", events.Canceled, "q2"},
		{events.JobOutputComplete{Job: 1, Lease: 9, Lines: 12, Cases: 3, Missing: 2}, "Finished", events.Canceled, "q2"},
	}
	var facts []stream.Recorded
	for i, step := range story {
		facts = append(facts, stream.Recorded{Stream: stream.Lab, Seq: uint64(i + 1), Time: noon, Event: step.fact})
		j, known := viewFacts(facts)
		if !known || j.State != step.state || j.Health != step.health || j.Device != step.device {
			t.Errorf("after %T: got %s %s on %q, want %s %s on %q", step.fact, j.State, j.Health, j.Device, step.state, step.health, step.device)
		}
	}
	if j, _ := viewFacts(facts); !j.Complete || j.Lines != 12 || j.Missing != 2 || j.Cases != 3 {
		t.Errorf("at the end: got %+v, want all output, 12 lines, 2 missing, 3 cases", j)
	} else if j.CanceledBy != "bob" || j.CancelWhy != "typo" {
		t.Errorf("canceled by %q, who says %q; want bob with typo", j.CanceledBy, j.CancelWhy)
	}
	if _, known := viewFacts(nil); known {
		t.Error("a job without facts is known")
	}
}

func TestParseEntity(t *testing.T) {
	tests := []struct {
		text string
		want events.Entity
		ok   bool
	}{
		{"", events.Entity{}, true},
		{"job/42", events.Entity{Kind: events.Job, ID: "42"}, true},
		{"worker/lab1.example.com", events.Entity{Kind: events.Worker, ID: "lab1.example.com"}, true},
		{"scheduling", events.Entity{Kind: events.Scheduling}, true},
		{"scheduling/1", events.Entity{}, false},
		{"job", events.Entity{}, false},
		{"job/", events.Entity{}, false},
		{"kettle/1", events.Entity{}, false},
		{"result/1", events.Entity{}, false}, // stands in another stream
	}
	for _, tt := range tests {
		got, err := parseEntity(tt.text)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("parseEntity(%q): got %v, %v; want %v, ok %t", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"q1": true, "lab1.example.com": true, "ä": true, "": false, "a/b": false, " a": false, "a\n": false,
		".": false, "..": false, "...": true, "a b": true, "a\u200bb": false, "q1 ": false,
		"\xff": false, strings.Repeat("x", 200): true, strings.Repeat("x", 201): false,
	} {
		if err := checkName("device", name, 200); (err == nil) != ok {
			t.Errorf("checkName(%q): got %v, want ok %t", name, err, ok)
		}
	}
}

// TestFoldAttempts makes one line of a chain that the tables list as two.
func TestFoldAttempts(t *testing.T) {
	first := Job{Job: 1, Display: "1", State: StateFinished, Health: events.Incomplete, Device: "q1", Error: "no power", RetriedAs: 3}
	last := Job{Job: 3, Display: "3", State: StateFinished, Health: events.Complete, Device: "q2", RetryOf: 1}
	other := Job{Job: 2, Display: "2", State: StateFinished, Health: events.Canceled}
	tests := []struct {
		in   JobsRequest
		want string
	}{
		{JobsRequest{All: true}, "2 Canceled , 1 Complete q2"},
		{JobsRequest{All: true, Device: "q2"}, "1 Complete q2"},
		{JobsRequest{All: true, Device: "q1"}, ""},
	}
	for _, tt := range tests {
		var list []Job
		for _, j := range []Job{last, other, first} {
			if tt.in.wants(j) || tt.in.Device != "" && j.Job != 2 {
				list = append(list, j)
			}
		}
		var got []string
		for _, j := range (&api{state: lab.New()}).foldAttempts(t.Context(), caller{user: lab.Local}, tt.in, list) {
			got = append(got, fmt.Sprintf("%s %s %s", j.Display, j.Health, j.Device))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%+v: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSplitSubject(t *testing.T) {
	tests := []struct{ subject, user, verb string }{ // no verb: refused
		{"api.alice.jobs.show", "alice", "jobs.show"},
		{"api.=403fa9c0de12345678.status", "@3fa9c0de12345678", "status"},
		{"api.john=2Edoe.status", "john.doe", "status"},
		{"api.alice", "", ""},
		{"api.=.status", "", "status"}, // somebody without a name
		{"api.john=2.status", "", ""},
		{"submit.alice.x", "", ""},
	}
	for _, tt := range tests {
		u, verb, ok := splitSubject(tt.subject)
		if ok != (tt.verb != "") || fmt.Sprint(u.name) != tt.user || ok && verb != tt.verb {
			t.Errorf("splitSubject(%q): got %q, %q, %t; want %q, %q", tt.subject, u.name, verb, ok, tt.user, tt.verb)
		}
	}
}

// fold returns the lab after facts.
func fold(facts []events.Event) *lab.State {
	s := lab.New()
	for i, e := range facts {
		s.Evolve(uint64(i+1), noon, e)
	}
	return s
}
