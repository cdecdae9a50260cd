package lab

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"strata/events"
)

// TestOwesRetry holds each class of error and each thing that keeps a job from being retried.
func TestOwesRetry(t *testing.T) {
	ended := func(change func(*Job)) *Job {
		j := &Job{ID: 1, State: Finished, Retries: 1, Run: &Run{Device: "q1"},
			End: &End{Health: events.Incomplete, ErrorType: events.InfrastructureError}}
		change(j)
		return j
	}
	tests := []struct {
		name   string
		change func(*Job)
		want   bool
	}{
		{"as it is", func(*Job) {}, true},
		{"worker lost", func(j *Job) { j.End.Lost = true }, true},
		{"nobody asked for it", func(j *Job) { j.Retries = 0 }, false},
		{"not over", func(j *Job) { j.State, j.End = Running, nil }, false},
		{"complete", func(j *Job) { j.End.Health = events.Complete }, false},
		{"canceled while it ran", func(j *Job) { j.End.Health = events.Canceled }, false},
		{"canceled since", func(j *Job) { j.Cancel = &Cancel{By: "bob"} }, false},
		{"a further attempt itself", func(j *Job) { j.Attempt = &events.Attempt{Of: 7, N: 2} }, false},
		{"retried", func(j *Job) { j.RetriedAs = 9 }, false},
		{"dropped", func(j *Job) { j.NotRetried = "no device" }, false},
		{"erased", func(j *Job) { j.Removed = true }, false},
	}
	for class, faults := range map[events.ErrorType]bool{
		events.InfrastructureError: true, events.ConfigurationError: true, events.BugError: true,
		events.JobError: false, events.TestError: false, events.CanceledError: false,
		events.MultinodeTimeout: false, events.UnknownError: false, "": false,
	} {
		if got := LabsFault(class); got != faults {
			t.Errorf("%q is the lab's fault: %v, want %v", class, got, faults)
		}
		if got := ended(func(j *Job) { j.End.ErrorType = class }).OwesRetry(); got != faults {
			t.Errorf("job that ended with %q owes a retry: %v, want %v", class, got, faults)
		}
	}
	for _, tt := range tests {
		if got := ended(tt.change).OwesRetry(); got != tt.want {
			t.Errorf("%s: owes a retry: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestElsewhere(t *testing.T) {
	base := func() []events.Event {
		return []events.Event{events.WorkerRegistered{Worker: "w1"}, events.WorkerRegistered{Worker: "w2"},
			events.DeviceTypeAdded{DeviceType: "qemu"}, events.DeviceTypeConfigured{DeviceType: "qemu", Aliases: []string{"vm"}},
			events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1", Health: events.Good},
			events.DeviceConfigured{Device: "q1"},
			events.DeviceAdded{Device: "q2", DeviceType: "qemu", Worker: "w2", Health: events.Good, Tags: []events.TagName{"kvm"}},
			events.DeviceConfigured{Device: "q2"}}
	}
	with := func(change func(*Job)) Job {
		j := Job{DeviceType: "vm", User: "alice", Run: &Run{Device: "q1"}}
		change(&j)
		return j
	}
	tests := []struct {
		name  string
		job   Job
		also  []events.Event
		never string // part of the reason; "": there is a device
	}{
		{"another device", with(func(*Job) {}), nil, ""},
		{"with its tags", with(func(j *Job) { j.Tags = []events.TagName{"kvm"} }), nil, ""},
		{"Unknown", with(func(*Job) {}), []events.Event{events.DeviceHealthSet{Device: "q2", Health: events.Unknown}}, ""},
		{"other tags", with(func(j *Job) { j.Tags = []events.TagName{"ssd"} }), nil, "no other device of type qemu"},
		{"failed on the other one", with(func(j *Job) { j.Run.Device = "q2" }), []events.Event{events.DeviceHealthSet{Device: "q1", Health: events.Bad}}, "no other"},
		{"pinned", with(func(j *Job) { j.PinDevice = "q1" }), nil, "for device q1 alone"},
		{"pinned to the worker", with(func(j *Job) { j.PinWorker = "w1" }), nil, "no other"},
		{"in maintenance", with(func(*Job) {}), []events.Event{events.DeviceHealthSet{Device: "q2", Health: events.Maintenance}}, "no other"},
		{"on a retired worker", with(func(*Job) {}), []events.Event{events.WorkerHealthSet{Worker: "w2", Health: events.WorkerRetired}}, "no other"},
		{"on no worker", with(func(*Job) {}), []events.Event{events.DeviceMoved{Device: "q2"}}, "no other"},
	}
	for _, tt := range tests {
		s := New()
		fold(s, append(base(), tt.also...)...)
		got := s.Elsewhere(&tt.job)
		if (got == "") != (tt.never == "") || !strings.Contains(got, tt.never) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.never)
		}
	}
}

// TestChainLeavesTogether: the first attempt stays while the second one goes on, over a checkpoint too.
func TestChainLeavesTogether(t *testing.T) {
	s := New()
	end := func(id events.JobID, l events.Lease, class events.ErrorType) []events.Event {
		device := events.DeviceName(fmt.Sprint("q", id))
		return []events.Event{events.DeviceAdded{Device: device, DeviceType: "qemu"},
			events.JobScheduled{Job: id, Device: device, Lease: l}, events.DeviceReserved{Device: device, Job: id, Lease: l},
			events.JobStarted{Job: id, Device: device, Lease: l}, events.JobFinished{Job: id, Device: device, Lease: l, Health: events.Incomplete, ErrorType: class},
			events.DeviceReleased{Device: device, Job: id, Lease: l}, events.JobOutputComplete{Job: id, Lease: l}}
	}
	fold(s, submitOnce(1))
	fold(s, end(1, 3, events.InfrastructureError)...)
	if j := s.Job(1); j == nil || !j.OwesRetry() {
		t.Fatalf("job 1 after its end: %+v, want it to owe a retry", j)
	}
	second := submitOnce(9)
	second.Attempt = &events.Attempt{Of: 1, N: 2, Avoid: []events.DeviceName{"q1"}}
	fold(s, second, events.JobRetried{Job: 1, As: 9, Attempt: 2})
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(Format, data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Job(1), s.Job(1)) || !reflect.DeepEqual(again.Job(9), s.Job(9)) {
		t.Errorf("after a checkpoint: %+v and %+v, want %+v and %+v", again.Job(1), again.Job(9), s.Job(1), s.Job(9))
	}
	for _, s := range []*State{s, again} {
		if j := s.Job(1); j == nil || j.RetriedAs != 9 || !s.Job(9).Avoids("q1") || s.Job(9).Avoids("q2") {
			t.Fatalf("chain: %+v and %+v, want 1 retried as 9, which avoids q1", j, s.Job(9))
		}
		fold(s, end(9, 50, events.InfrastructureError)...)
		if s.JobCount() != 0 {
			t.Errorf("%d jobs after the last attempt, want none: the chain ends with it", s.JobCount())
		}
	}
}

// TestFaultsInRow counts ends by the lab's fault, and says so from the second on.
func TestFaultsInRow(t *testing.T) {
	s := New()
	fold(s, events.DeviceAdded{Device: "q1", DeviceType: "qemu", Health: events.Good})
	run := func(id events.JobID, health events.JobHealth, class events.ErrorType) string {
		l := events.Lease(id)
		fold(s, submit(id), events.JobScheduled{Job: id, Device: "q1", Lease: l}, events.DeviceReserved{Device: "q1", Job: id, Lease: l},
			events.JobFinished{Job: id, Device: "q1", Lease: l, Health: health, ErrorType: class})
		to, reason, said := AfterJob(s.Device("q1"), s.Job(id))
		if said {
			fold(s, events.DeviceHealthChanged{Device: "q1", From: s.Device("q1").Health, To: to, Reason: reason})
		}
		fold(s, events.DeviceReleased{Device: "q1", Job: id, Lease: l}, events.JobOutputComplete{Job: id, Lease: l})
		return reason
	}
	for i, step := range []struct {
		health events.JobHealth
		class  events.ErrorType
		reason string
	}{
		{events.Incomplete, events.InfrastructureError, "Infrastructure error after [1]"},
		{events.Incomplete, events.BugError, "Infrastructure error after [2], 2 in a row"},
		{events.Canceled, events.CanceledError, ""}, // says nothing of the device
		{events.Incomplete, events.ConfigurationError, "Infrastructure error after [4], 3 in a row"},
		{events.Incomplete, events.TestError, ""},
		{events.Incomplete, events.InfrastructureError, "Infrastructure error after [6]"},
		{events.Complete, "", ""},
		{events.Incomplete, events.InfrastructureError, "Infrastructure error after [8]"},
	} {
		if got := run(events.JobID(i+1), step.health, step.class); got != step.reason {
			t.Errorf("step %d, %s %s: %q, want %q", i+1, step.health, step.class, got, step.reason)
		}
	}
	fold(s, events.DeviceHealthSet{Device: "q1", Health: events.Good, By: "admin"})
	if got := run(9, events.Incomplete, events.InfrastructureError); got != "Infrastructure error after [9]" {
		t.Errorf("after a person spoke: %q, want the count to begin anew", got)
	}
}
