package api_test

import (
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

// TestWorkerStory changes a worker's settings one at a time; each fact holds all of them.
func TestWorkerStory(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	describe, limit, env := "under the desk", 2, "A: 1\n"
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1", Description: &describe}, nil)
	var w api.Worker
	call(t, c, "workers.configure", api.WorkerRequest{Worker: "w1", JobLimit: &limit}, &w)
	if w.JobLimit != 2 || w.Description != describe {
		t.Errorf("limit set: got %+v, want 2 and the description kept", w)
	}
	call(t, c, "workers.configure", api.WorkerRequest{Worker: "w1", Env: &env}, &w)
	call(t, c, "workers.configure", api.WorkerRequest{Worker: "w1", Env: &env}, &w) // nothing new
	last := eventtest.Await(t, b.Log, func(e events.WorkerConfigured) bool { return e.Env == env })
	if last.JobLimit != 2 || last.Description != describe {
		t.Errorf("environment set: the fact is %+v, want all settings in it", last)
	}
	configured := 0
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		if _, ok := r.Event.(events.WorkerConfigured); ok {
			configured++
		}
	}
	if configured != 2 {
		t.Errorf("facts of settings: got %d, want 2: one that changes nothing is none", configured)
	}
	call(t, c, "workers.health", api.WorkerRequest{Worker: "w1", Health: events.WorkerMaintenance, Reason: "update"}, &w)
	if w.Health != events.WorkerMaintenance {
		t.Errorf("health set: got %s, want Maintenance", w.Health)
	}
	wrong := -1
	if err := c.Call(t.Context(), "workers.configure", api.WorkerRequest{Worker: "w1", JobLimit: &wrong}, nil); !api.HasCode(err, api.Invalid) {
		t.Errorf("job limit -1: got %v, want it refused", err)
	}
	if err := c.Call(t.Context(), "workers.token", api.WorkerRequest{Worker: "w2"}, nil); !api.HasCode(err, api.NotFound) {
		t.Errorf("token of an unknown worker: got %v, want not-found", err)
	}
}

// TestBusyThingsStay refuses to move or remove what a job holds, and names that job.
func TestBusyThingsStay(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	call(t, c, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Worker: "w1", Dictionary: "a: 1"}, nil)
	job := publish(t, b, "x")
	b.Append(t, submitted(job), events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5},
		events.DeviceReserved{Device: "q1", Job: job, Lease: 5})
	for verb, in := range map[string]any{
		"devices.remove": api.DeviceRequest{Device: "q1"},
		"devices.move":   api.DeviceRequest{Device: "q1"},
		"workers.remove": api.WorkerRequest{Worker: "w1"},
	} {
		err := c.Call(t.Context(), verb, in, nil)
		if !api.HasCode(err, api.Conflict) || !strings.Contains(err.Error(), "job "+job.String()) {
			t.Errorf("%s while job %d holds it: got %v, want a conflict that names the job", verb, job, err)
		}
	}
	var d api.Device
	call(t, c, "devices.show", api.DeviceRequest{Device: "q1"}, &d)
	if d.State != "Reserved" || d.Job != job {
		t.Errorf("q1: got %s for job %d, want Reserved for %d", d.State, d.Job, job)
	}
	var s api.Status
	call(t, c, "status", struct{}{}, &s)
	if s.Running != 1 || s.Devices != 1 || s.Workers != 1 || !strings.Contains(s.History, "no ClickHouse") {
		t.Errorf("status: got %+v, want one of each, and no ClickHouse", s)
	}
}

// TestDeviceTypeStory configures a type, finds it by its alias and counts what waits for it.
func TestDeviceTypeStory(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	var d api.DeviceType
	call(t, c, "device-types.configure", api.DeviceType{DeviceType: "qemu", Aliases: []string{"kvm"}, Description: "a PC", HealthCheck: "job_name: check\nvisibility: public\n"}, &d)
	if d.HealthFrequency != 24 || d.HealthDenominator != events.Hours {
		t.Errorf("qemu: got every %d %s, want LAVA's 24 hours", d.HealthFrequency, d.HealthDenominator)
	}
	call(t, c, "device-types.show", api.DeviceType{DeviceType: "kvm"}, &d)
	if d.DeviceType != "qemu" || d.HealthCheck == "" {
		t.Errorf("kvm: got %+v, want qemu with its check", d)
	}
	b.Append(t, submitted(publish(t, b, "x")), submitted(publish(t, b, "y")))
	var all []api.DeviceType
	call(t, c, "device-types.list", struct{}{}, &all)
	if len(all) != 1 || all[0].Waiting != 2 || all[0].HealthCheck != "" {
		t.Errorf("device types: got %+v, want qemu with two jobs waiting, without long texts", all)
	}
	call(t, c, "tags.add", api.TagRequest{Tag: "usb", Description: "has USB"}, nil)
	var tags []api.TagRequest
	call(t, c, "tags.list", struct{}{}, &tags)
	if len(tags) != 1 || tags[0].Description != "has USB" {
		t.Errorf("tags: got %+v, want usb", tags)
	}
	call(t, c, "tags.remove", api.TagRequest{Tag: "usb"}, nil)
	if err := c.Call(t.Context(), "tags.remove", api.TagRequest{Tag: "usb"}, nil); !api.HasCode(err, api.NotFound) {
		t.Errorf("remove a tag twice: got %v, want not-found", err)
	}
}

// TestListJobs filters by state, user and device, newest first, and says what is missing.
func TestListJobs(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	var jobs []events.JobID
	for i := range 4 {
		s := submitted(publish(t, b, "x"))
		s.User = events.UserName([]string{"alice", "bob"}[i%2])
		b.Append(t, s)
		jobs = append(jobs, s.Job)
	}
	b.Append(t, events.JobScheduled{Job: jobs[0], Device: "q1", Worker: "w1", Lease: 5},
		events.JobScheduled{Job: jobs[1], Device: "q2", Worker: "w1", Lease: 6})
	tests := []struct {
		in   api.JobsRequest
		want []events.JobID
	}{
		{api.JobsRequest{}, []events.JobID{jobs[3], jobs[2], jobs[1], jobs[0]}},
		{api.JobsRequest{Limit: 1}, []events.JobID{jobs[3]}},
		{api.JobsRequest{User: "bob"}, []events.JobID{jobs[3], jobs[1]}},
		{api.JobsRequest{State: "Scheduled"}, []events.JobID{jobs[1], jobs[0]}},
		{api.JobsRequest{Device: "q2"}, []events.JobID{jobs[1]}},
		{api.JobsRequest{Device: "qemu", User: "alice"}, []events.JobID{jobs[2], jobs[0]}},
		{api.JobsRequest{Device: "none"}, nil},
	}
	for _, tt := range tests {
		var out api.Jobs
		call(t, c, "jobs.list", tt.in, &out)
		var got []events.JobID
		for _, j := range out.Jobs {
			got = append(got, j.Job)
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || out.Waiting != 2 || out.Running != 2 {
			t.Errorf("jobs %+v: got %v, %d waiting, %d running; want %v, 2, 2", tt.in, got, out.Waiting, out.Running, tt.want)
		}
	}
	var all api.Jobs
	call(t, c, "jobs.list", api.JobsRequest{All: true}, &all)
	if len(all.Jobs) != 4 || all.Away == "" {
		t.Errorf("all jobs without ClickHouse: got %d, away %q; want 4 and why the rest is missing", len(all.Jobs), all.Away)
	}
}
