package api_test

import (
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// TestInputs asks what a job ran with after all of it has changed.
func TestInputs(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	definition := "job_name: x\ncontext: {arch: arm64}\n"
	job := publish(t, b, definition)
	s := submitted(job)
	s.Source = events.Source{Sequence: uint64(job)}
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	first := "url_rules: {private: deny}\n"
	call(t, c, "workers.configure", api.WorkerRequest{Worker: "w1", Dispatcher: &first}, nil)
	template := func(text string) {
		call(t, c, "device-types.configure", api.DeviceType{DeviceType: "board", Template: text}, nil)
	}
	template("hostname: {{ scheduled_device_name }}\ndevicetype: {{ scheduled_device_type }}\nusb_filesystem_label: {{ arch }}{{ label }}\n")
	call(t, c, "devices.add", api.DeviceRequest{Device: "b1", DeviceType: "board", Worker: "w1",
		Dictionary: "{% extends 'board.jinja2' %}{% set label = 'then' %}"}, nil)
	b.Append(t, s)
	if err := c.Call(t.Context(), "jobs.inputs", api.JobRequest{Job: job}, nil); !api.HasCode(err, api.Conflict) || !strings.Contains(err.Error(), "has had no device") {
		t.Errorf("inputs of a job that waits: %v", err)
	}
	b.Append(t, events.JobScheduled{Job: job, Device: "b1", Worker: "w1", Lease: 1})
	template("hostname: now\n")
	call(t, c, "devices.configure", api.DeviceRequest{Device: "b1", Dictionary: "{% extends 'board.jinja2' %}{% set label = 'now' %}"}, nil)
	second := ""
	call(t, c, "workers.configure", api.WorkerRequest{Worker: "w1", Dispatcher: &second}, nil)

	var in api.Inputs
	call(t, c, "jobs.inputs", api.JobRequest{Job: job}, &in)
	if in.Definition != definition || in.Config != "hostname: b1\ndevicetype: board\nusb_filesystem_label: arm64then" || in.Dispatcher != first || in.Worker != "w1" {
		t.Errorf("inputs: %+v", in)
	}
}
