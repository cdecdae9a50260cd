package api_test

import (
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

// busy gives device d of worker w1 a job that runs.
func busy(t *testing.T, b *eventtest.Broker, d events.DeviceName, lease events.Lease) events.JobID {
	t.Helper()
	job := publish(t, b, "x")
	b.Append(t, submitted(job), events.JobScheduled{Job: job, Device: d, Worker: "w1", Lease: lease},
		events.DeviceReserved{Device: d, Job: job, Lease: lease})
	b.Append(t, events.JobStarted{Job: job, Device: d, Worker: "w1", Lease: lease})
	return job
}

// TestRetiredCancels: a device that is retired loses its job, whoever retired it; in any other health the job
// goes on, and a device that is Bad is not touched by its worker's retirement.
func TestRetiredCancels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		before events.DeviceHealth
		verb   string
		in     any
		reason string // of the cancel; "": the job goes on
	}{
		{"device in maintenance", events.Good, "devices.health", api.DeviceRequest{Device: "q1", Health: "maintenance", Reason: "cable"}, ""},
		{"device bad", events.Good, "devices.health", api.DeviceRequest{Device: "q1", Health: events.Bad}, ""},
		{"device retired", events.Good, "devices.health", api.DeviceRequest{Device: "q1", Health: "RETIRED", Reason: "burnt"}, "device q1 was retired: burnt"},
		{"worker in maintenance", events.Good, "workers.health", api.WorkerRequest{Worker: "w1", Health: events.WorkerMaintenance}, ""},
		{"worker retired", events.Good, "workers.health", api.WorkerRequest{Worker: "w1", Health: "retired"}, "worker w1 was retired"},
		{"worker retired, device bad", events.Bad, "workers.health", api.WorkerRequest{Worker: "w1", Health: events.WorkerRetired}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, c := start(t)
			call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
			call(t, c, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Worker: "w1", Dictionary: "a: 1"}, nil)
			job := busy(t, b, "q1", 5)
			call(t, c, "devices.health", api.DeviceRequest{Device: "q1", Health: tt.before}, nil)
			call(t, c, tt.verb, tt.in, nil)
			call(t, c, tt.verb, tt.in, nil) // once more asks for no second end
			var got []events.JobCancelRequested
			for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
				if e, ok := r.Event.(events.JobCancelRequested); ok {
					got = append(got, e)
				}
			}
			if tt.reason == "" && len(got) != 0 {
				t.Errorf("cancels: got %+v, want the job to go on", got)
			}
			if tt.reason != "" && (len(got) != 1 || got[0].Job != job || got[0].Reason != tt.reason || got[0].By != "local") {
				t.Errorf("cancels: got %+v, want one of job %d by local: %s", got, job, tt.reason)
			}
		})
	}
}

// TestWorkerFiles refuses files that no job could be run with, and names file, line and what is allowed.
func TestWorkerFiles(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	long := strings.Repeat("d", 201)
	tests := []struct {
		name string
		in   api.WorkerRequest
		want string // "": taken
	}{
		{"no YAML", api.WorkerRequest{Dispatcher: new("a: b: c")}, "dispatcher.yaml: "},
		{"a list", api.WorkerRequest{Dispatcher: new("- a")}, "dispatcher.yaml: line 1: is a list, want a mapping"},
		{"a key of somebody else", api.WorkerRequest{Dispatcher: new("dispatcher_ip: 10.0.0.1\nours: 1\n")}, ""},
		{"a key of somebody else in env.yaml", api.WorkerRequest{Env: new("purge: true\nours: {A: b}\n")}, ""},
		{"purge is no truth", api.WorkerRequest{Env: new("purge: maybe\n")}, "env.yaml: line 1: purge is 'maybe', want true or false"},
		{"removes is no list", api.WorkerRequest{EnvDUT: new("removes: A\n")}, "env-dut.yaml: line 1: removes is a string, want a list of names"},
		{"overrides is no mapping", api.WorkerRequest{EnvDUT: new("overrides: [A]\n")}, "env-dut.yaml: line 1: overrides is a list, want a mapping"},
		{"a value that is no text", api.WorkerRequest{Env: new("overrides:\n  A: [b]\n")}, "env.yaml: line 2: overrides: A is a list, want a text"},
		{"a name that is none", api.WorkerRequest{Env: new("overrides:\n  A=B: c\n")}, `env.yaml: line 2: overrides: "A=B" cannot be the name of a variable`},
		{"as LAVA ships it", api.WorkerRequest{Env: new("# comments only\n")}, ""},
		{"all that is allowed", api.WorkerRequest{Env: new("purge: yes\nremoves: [A]\noverrides: {B: 1}\n")}, ""},
		{"taken away", api.WorkerRequest{Env: new("")}, ""},
		{"too much to say", api.WorkerRequest{Description: &long}, "description is longer than 200 characters"},
	}
	for _, tt := range tests {
		tt.in.Worker = "w1"
		err := c.Call(t.Context(), "workers.configure", tt.in, nil)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v, want it taken", tt.name, err)
		case tt.want != "" && (!api.HasCode(err, api.Invalid) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want it to say %q", tt.name, err, tt.want)
		}
	}
}

// TestWorkerVersions: each change of a worker's settings is a version with its author, in order, also after a
// worker of the same name was there before.
func TestWorkerVersions(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	configure := func(ip, reason string) {
		t.Helper()
		call(t, c, "workers.configure", api.WorkerRequest{Worker: "w1", Dispatcher: new("dispatcher_ip: " + ip + "\n"), Reason: reason}, nil)
	}
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	configure("10.9.9.9", "of another machine")
	call(t, c, "workers.remove", api.WorkerRequest{Worker: "w1"}, nil)
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	configure("10.0.0.1", "first")
	configure("10.0.0.2", "second NIC")
	var got api.Config
	call(t, c, "workers.config", api.ConfigRequest{Name: "w1", Texts: []int{1, 2}}, &got)
	if len(got.Versions) != 2 {
		t.Fatalf("versions: got %+v, want 2", got.Versions)
	}
	for i, want := range []struct{ comment, ip string }{{"first", "10.0.0.1"}, {"second NIC", "10.0.0.2"}} {
		v := got.Versions[i]
		if v.Version != i+1 || v.Comment != want.comment || v.By != "local" || !strings.Contains(v.Text, "--- dispatcher.yaml\ndispatcher_ip: "+want.ip+"\n") {
			t.Errorf("version %d: got %+v, want %q by local with %s", i+1, v, want.comment, want.ip)
		}
	}
	var w api.Worker
	call(t, c, "workers.show", api.WorkerRequest{Worker: "w1"}, &w)
	if w.Configured != 2 || w.Dispatcher != "dispatcher_ip: 10.0.0.2\n" {
		t.Errorf("shown: version %d, dispatcher.yaml %q, want the second", w.Configured, w.Dispatcher)
	}
	if err := c.Call(t.Context(), "workers.config", api.ConfigRequest{Name: "w9"}, nil); !api.HasCode(err, api.NotFound) {
		t.Errorf("versions of an unknown worker: got %v, want not-found", err)
	}
}

// TestWorkerToken: a token stays the same until it is rotated, or its worker is removed and registered anew.
func TestWorkerToken(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	var seen []string
	token := func(verb string, in api.WorkerRequest) string {
		t.Helper()
		in.Worker = "w1"
		var w api.Worker
		call(t, c, verb, in, &w)
		if w.Token == "" {
			t.Fatalf("%s: no token", verb)
		}
		return w.Token
	}
	seen = append(seen, token("workers.register", api.WorkerRequest{}))
	if again := token("workers.register", api.WorkerRequest{}); again != seen[0] {
		t.Error("registered again: another token, want the same")
	}
	seen = append(seen, token("workers.token", api.WorkerRequest{Rotate: true, Reason: "leaked"}))
	if again := token("workers.token", api.WorkerRequest{}); again != seen[1] {
		t.Error("asked again after a rotation: another token, want the same")
	}
	call(t, c, "workers.remove", api.WorkerRequest{Worker: "w1"}, nil)
	if err := c.Call(t.Context(), "workers.token", api.WorkerRequest{Worker: "w1", Rotate: true}, nil); !api.HasCode(err, api.NotFound) {
		t.Errorf("rotate the token of a worker that is gone: got %v, want not-found", err)
	}
	seen = append(seen, token("workers.register", api.WorkerRequest{}))
	if seen[0] == seen[1] || seen[1] == seen[2] || seen[0] == seen[2] {
		t.Error("two of the three tokens are the same")
	}
}

// TestRemoveByForce: a worker that is online, has more devices than one batch of facts holds, and runs a job
// is refused in peace and goes by force, with its devices left on no worker.
func TestRemoveByForce(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	b.Append(t, events.WorkerWentOnline{Worker: "w1", Version: "1"})
	const n = stream.MaxBatch + 20
	var facts []events.Event
	for i := range n {
		facts = append(facts, events.DeviceAdded{Device: events.DeviceName("q" + events.JobID(i).String()), DeviceType: "qemu", Worker: "w1"})
	}
	b.Append(t, facts[:stream.MaxBatch]...)
	b.Append(t, facts[stream.MaxBatch:]...)
	busy(t, b, "q7", 5)
	if err := c.Call(t.Context(), "workers.remove", api.WorkerRequest{Worker: "w1"}, nil); !api.HasCode(err, api.Conflict) {
		t.Errorf("remove: got %v, want it refused", err)
	}
	call(t, c, "workers.remove", api.WorkerRequest{Worker: "w1", Force: true, Reason: "stolen"}, nil)
	var workers []api.Worker
	var devices []api.Device
	call(t, c, "workers.list", struct{}{}, &workers)
	call(t, c, "devices.list", struct{}{}, &devices)
	if len(workers) != 0 || len(devices) != n {
		t.Fatalf("%d workers and %d devices, want none and %d", len(workers), len(devices), n)
	}
	for _, d := range devices {
		if d.Worker != "" {
			t.Errorf("device %s hangs on %s, want it on none", d.Device, d.Worker)
		}
	}
	gone := eventtest.Await[events.WorkerRemoved](t, b.Log, nil)
	if gone.Reason != "stolen" || gone.By != "local" {
		t.Errorf("removed: got %+v, want the reason and who", gone)
	}
}
