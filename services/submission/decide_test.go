package submission

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
	"strata/schemas/job"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// small is a definition that passes; tests change a line of it.
const small = `job_name: smoke
device_type: qemu
visibility: public
priority: high
timeouts:
  job: {minutes: 15}
tags: [kvm]
metadata: {build: 17}
actions:
- deploy: {to: tmpfs}
`

// gang is a multinode definition of three parts, one of them a guest.
const gang = `job_name: gang
visibility: personal
timeouts: {job: {minutes: 15}, queue: {hours: 1}}
protocols:
  lava-multinode:
    roles:
      server: {device_type: kvm, count: 1, essential: true, tags: [kvm]}
      client: {device_type: qemu, count: 1}
      guest: {connection: ssh, count: 1, host_role: server, expect_role: client}
actions:
- deploy: {role: [server, client, guest], to: tmpfs}
`

// labFacts is a lab with two devices of a type that has an alias.
func labFacts() []events.Event {
	return []events.Event{
		events.DeviceTypeAdded{DeviceType: "qemu", By: "local"},
		events.DeviceTypeConfigured{DeviceType: "qemu", Aliases: []string{"kvm"}, HealthFrequency: 24, HealthDenominator: events.Hours, By: "local"},
		events.DeviceTypeAdded{DeviceType: "bbb", By: "local"},
		events.DeviceTypeAdded{DeviceType: "empty", By: "local"},
		events.WorkerRegistered{Worker: "w1", By: "local"},
		events.WorkerRegistered{Worker: "w2", By: "local"},
		events.TagAdded{Tag: "kvm", By: "local"},
		events.TagAdded{Tag: "usb", By: "local"},
		events.DeviceAdded{Device: "qemu01", DeviceType: "qemu", Worker: "w1", Health: events.Good, Tags: []events.TagName{"kvm"}, By: "local"},
		events.DeviceAdded{Device: "qemu02", DeviceType: "qemu", Worker: "w2", Health: events.Bad, By: "local"},
		events.DeviceAdded{Device: "qemu03", DeviceType: "qemu", Worker: "w1", Health: events.Retired, Tags: []events.TagName{"usb"}, By: "local"},
		events.DeviceAdded{Device: "bbb01", DeviceType: "bbb", Worker: "w1", Health: events.Maintenance, By: "local"},
		events.DeviceTypeAdded{DeviceType: "closed", By: "local"},
		events.DeviceAdded{Device: "closed01", DeviceType: "closed", Worker: "w1", Health: events.Good, By: "local"},
		events.PermissionsSet{Kind: events.Device, Name: "closed01", Permissions: []events.Permission{{Group: "boards", Permission: "submit_to_device"}}, By: "local"},
	}
}

func folded(facts ...events.Event) *state {
	s := newState()
	for i, e := range facts {
		s.evolve(stream.Recorded{Stream: stream.Lab, Seq: uint64(i + 1), Time: noon, Event: e})
	}
	return s
}

func submission(text string) stream.Submission {
	return stream.Submission{Job: 7, User: "alice", At: noon, Header: nats.Header{}, Text: []byte(text)}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to string
		message  string // empty: becomes a job
		line     int
	}{
		{"", "", "", 0},
		{"device_type: qemu", "device_type: kvm", "", 0},
		{"device_type: qemu\n", "", "required key not provided @ data['device_type']", 1},
		{"device_type: qemu", "device_type: foo", "Device type 'foo' is unavailable.", 2},
		{"device_type: qemu", "device_type: empty", "No devices of type empty are available.", 2},
		{"device_type: qemu\n", "device_type: qemu\ndevice: nope\n", "Device 'nope' does not exist.", 3},
		{"device_type: qemu\n", "device_type: qemu\nworker: nope\n", "Worker 'nope' does not exist.", 3},
		{"device_type: qemu\n", "device_type: qemu\ndevice: nope\nworker: nope\n", "Device 'nope' does not exist.", 3},
		{"device_type: qemu\n", "device_type: qemu\ndevice: bbb01\n", "Device 'bbb01' is not of type 'qemu'.", 3},
		{"device_type: qemu\n", "device_type: kvm\ndevice: qemu01\nworker: w2\n", "Device 'qemu01' is not attached to worker 'w2'.", 3},
		{"device_type: qemu\n", "device_type: kvm\ndevice: qemu01\nworker: w1\n", "", 0},
		{"device_type: qemu\n", "device_type: qemu\ndevice: qemu03\n", "You do not have permission to submit jobs to device 'qemu03'.", 3},
		{"device_type: qemu\n", "device_type: qemu\ndevice: qemu02\n", "Device qemu02 does not support all of the tags 'kvm'.", 8},
		{"tags: [kvm]", "device: qemu02", "", 0}, // Bad, but not retired
		{"tags: [kvm]", "tags: [kvm, foo]", "Device tag 'foo' does not exist in the database.", 7},
		{"tags: [kvm]", "tags: [kvm, usb]", "No devices of type qemu are available which have all of the tags 'kvm, usb'.", 7},
		{"priority: high", "priority: 101", "Invalid job priority: 101. Should be in [0, 100]", 4},
		{"priority: high", "priority: urgent", "not a valid value for dictionary value @ data['priority']", 4},
		{"priority: high", "x: 1", "extra keys not allowed @ data['x']", 4},
		{"actions:", "actions", "Loading job submission failed: while scanning a simple key from line 9: could not find expected ':' in line 10, column 1.", 10},
	}
	s, gate := folded(labFacts()...), job.NewGate(job.Rules{})
	for _, tt := range tests {
		if !strings.Contains(small, tt.from) {
			t.Fatalf("%q is not in the definition", tt.from)
		}
		r := newRequest(submission(strings.Replace(small, tt.from, tt.to, 1)), gate)
		check(t, tt.to, s.judge(r, ""), tt.message, tt.line)
	}
	check(t, "disk full", s.judge(newRequest(submission(small), gate), "disk is full"), "disk is full", 0)
	large := small + "# " + strings.Repeat("x", 1<<20)
	check(t, "large", s.judge(newRequest(submission(large), gate), ""), "job definition has 1048742 bytes, more than 1048576", 0)
	anonymous := submission(small)
	anonymous.User = ""
	check(t, "no user", s.judge(newRequest(anonymous, gate), ""), "Device type 'qemu' is unavailable to user ''", 2)
}

func TestJudgeMultinode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to string
		message  string
		line     int
	}{
		{"", "", "", 0},
		{"device_type: kvm", "device_type: foo", "Device type 'foo' is unavailable.", 7},
		{"client: {device_type: qemu, count: 1}", "client: {device_type: qemu, count: 3}", "Not enough devices of type qemu are currently available to user alice", 8},
		{"client: {device_type: qemu, count: 1}", "client: {device_type: qemu, count: 2, tags: [kvm]}", "Not enough devices available matching the requested tags.", 8},
		{"client: {device_type: qemu, count: 1}", "client: {device_type: closed, count: 1}", "No devices from ['closed01'] pool are currently available to user alice", 8},
		{"client: {device_type: qemu, count: 1}", "client: {device_type: qemu, count: 1, device: bbb01}", "Device 'bbb01' is not of type 'qemu'.", 8},
		{"client: {device_type: qemu, count: 1}", "client: {count: 1}", "required key not provided @ data['protocols']['lava-multinode']['roles']['client']['device_type']", 8},
		{"role: [server, client, guest]", "role: [server, client]", "no action has the role 'guest'", 9},
		{"role: [server, client, guest], ", "", "Invalid YAML - Did not find a role in action 'deploy', check for consistent use of whitespace indents.", 11},
		{"host_role: server, expect_role: client", "request: x", "connection specified without a host_role", 9},
		// The lab is asked before the definition is split, as in LAVA.
		{"device_type: kvm, count: 1", "device_type: foo, count: 2", "Device type 'foo' is unavailable.", 7},
	}
	s, gate := folded(labFacts()...), job.NewGate(job.Rules{})
	for _, tt := range tests {
		r := newRequest(submission(strings.Replace(gang, tt.from, tt.to, 1)), gate)
		check(t, tt.to, s.judge(r, ""), tt.message, tt.line)
	}
	zero := strings.ReplaceAll(gang, "count: 1", "count: 0")
	check(t, "all counts 0", s.judge(newRequest(submission(zero), gate), ""), "required key not provided @ data['device_type']", 1)
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s, gate := folded(labFacts()...), job.NewGate(job.Rules{})
	bare := "job_name: check\nvisibility: public\nactions: []\n" // without timeouts: no gate would take it
	tests := []struct {
		name     string
		user     events.UserName
		header   map[string]string
		msgID    string
		text     string
		message  string
		wantUser events.UserName
		wantPin  events.DeviceName
	}{
		{name: "a user's headers mean nothing", user: "alice", header: map[string]string{events.HeaderUser: "bob", events.HeaderPinDevice: "qemu01"}, text: small, wantUser: "alice"},
		{name: "door", user: "api", header: map[string]string{events.HeaderUser: "bob"}, text: small, wantUser: "bob"},
		{name: "door with pin", user: "api", header: map[string]string{events.HeaderUser: "bob", events.HeaderPinDevice: "qemu01"}, text: small, wantUser: "bob", wantPin: "qemu01"},
		{name: "door with wrong pin", user: "api", header: map[string]string{events.HeaderUser: "bob", events.HeaderPinDevice: "bbb01"}, text: small, message: "Device 'bbb01' is not of type 'qemu'."},
		{name: "door without user", user: "api", text: small, message: "header strata-user is missing: submit.api is for services that say for whom they submit"},
		{name: "message id", user: "alice", msgID: "alice/1", text: small, wantUser: "alice"},
		{name: "door's message id", user: "api", header: map[string]string{events.HeaderUser: "bob"}, msgID: "bob/1", text: small, wantUser: "bob"},
		{name: "another's message id", user: "alice", msgID: "bob/1", text: small, message: `Nats-Msg-Id "bob/1" does not start with "alice/": message ids of all users share one table`},
		{name: "health check", user: "lava-health", header: map[string]string{events.HeaderPinDevice: "bbb01"}, text: bare, wantUser: "lava-health", wantPin: "bbb01"},
		{name: "health check of no device", user: "lava-health", text: bare, message: "header strata-pin-device is missing: a health check is for one device"},
		{name: "health check of an unknown device", user: "lava-health", header: map[string]string{events.HeaderPinDevice: "x"}, text: bare, message: "Device 'x' does not exist."},
		{name: "health check without name", user: "lava-health", header: map[string]string{events.HeaderPinDevice: "bbb01"}, text: "visibility: public", message: "required key not provided @ data['job_name']"},
		{name: "health check without visibility", user: "lava-health", header: map[string]string{events.HeaderPinDevice: "bbb01"}, text: "job_name: x", message: "Job visibility must be specified."},
		{name: "health check with a bad priority", user: "lava-health", header: map[string]string{events.HeaderPinDevice: "bbb01"}, text: bare + "priority: -1", message: "Invalid job priority: -1. Should be in [0, 100]"},
		{name: "health check that is no YAML", user: "lava-health", header: map[string]string{events.HeaderPinDevice: "bbb01"}, text: "a: b: c", message: "Loading job submission failed: mapping values are not allowed in this context in line 1, column 5."},
	}
	for _, tt := range tests {
		sub := submission(tt.text)
		sub.User, sub.MsgID = tt.user, tt.msgID
		for k, v := range tt.header {
			sub.Header.Set(k, v)
		}
		r := newRequest(sub, gate)
		problems := s.judge(r, "")
		check(t, tt.name, problems, tt.message, -1)
		if len(problems) > 0 {
			continue
		}
		e, ok := s.decide(r, nil, 0)[0].(events.JobSubmitted)
		if !ok || e.User != tt.wantUser || e.Device != tt.wantPin || e.HealthCheck != (tt.user == "lava-health") {
			t.Errorf("%s: got %+v", tt.name, e)
		}
		if tt.name == "health check" && e.DeviceType != "bbb" {
			t.Errorf("%s: device type %q, want that of the device", tt.name, e.DeviceType)
		}
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	s, gate := folded(labFacts()...), job.NewGate(job.Rules{})
	text := strings.Replace(small, "device_type: qemu", "device_type: kvm", 1)
	r := newRequest(submission(text), gate)
	source := events.Source{Sequence: 7, SHA256: r.source.SHA256, Bytes: len(text)}
	if len(source.SHA256) != 64 {
		t.Errorf("digest %q", source.SHA256)
	}
	want := []events.Event{events.JobSubmitted{
		Job: 7, Display: "7", User: "alice", Name: "smoke", At: noon, DeviceType: "qemu", Tags: []events.TagName{"kvm"}, Priority: 100,
		Visibility: events.Visibility{Public: true}, QueueTimeout: 7200, JobTimeout: 900, Metadata: map[string]string{"build": "17"}, Source: source,
	}}
	if got := s.decide(r, nil, 2*time.Hour); !reflect.DeepEqual(got, want) {
		t.Errorf("decide:\n got %+v\nwant %+v", got, want)
	}
	for timeouts, wants := range map[string][2]events.Seconds{
		"{minutes: 15}, queue: {minutes: 5}":  {900, 300},
		"{minutes: 0}":                        {30, 0},
		"{seconds: -5}, queue: {seconds: -5}": {1, 1},
	} {
		r := newRequest(submission(strings.Replace(small, "  job: {minutes: 15}", "  {job: "+timeouts+"}", 1)), gate)
		e := s.decide(r, s.judge(r, ""), 0)[0].(events.JobSubmitted)
		if e.JobTimeout != wants[0] || e.QueueTimeout != wants[1] {
			t.Errorf("timeouts %s: job %d, queue %d, want %v", timeouts, e.JobTimeout, e.QueueTimeout, wants)
		}
	}
	r = newRequest(submission(strings.Replace(small, "priority: high", "x: 1\ny: 2", 1)), gate)
	rejected := events.JobRejected{Job: 7, User: "alice", At: noon, Message: "extra keys not allowed @ data['x']", Source: r.source,
		Problems: []events.Problem{
			{Message: "extra keys not allowed @ data['x']", Path: "data['x']", Line: 4, Column: 1},
			{Message: "extra keys not allowed @ data['y']", Path: "data['y']", Line: 5, Column: 1},
		}}
	if got := s.decide(r, s.judge(r, ""), 0); !reflect.DeepEqual(got, []events.Event{rejected}) {
		t.Errorf("decide:\n got %+v\nwant %+v", got, rejected)
	}
}

func TestDecideParts(t *testing.T) {
	t.Parallel()
	s, gate := folded(labFacts()...), job.NewGate(job.Rules{})
	r := newRequest(submission(gang), gate)
	if problems := s.judge(r, ""); problems != nil {
		t.Fatal(problems[0])
	}
	r.number([]uint64{8, 9, 10})
	facts := s.decide(r, nil, 0)
	if len(facts) != r.facts() || len(facts) != 4 {
		t.Fatalf("%d facts, foreseen %d, want 4", len(facts), r.facts())
	}
	split := facts[3].(events.DefinitionSplit)
	if !reflect.DeepEqual(split, events.DefinitionSplit{Job: 7, Group: r.group, Parts: []events.JobID{7, 9, 10}}) {
		t.Errorf("split %+v", split)
	}
	server, client, guest := facts[0].(events.JobSubmitted), facts[1].(events.JobSubmitted), facts[2].(events.JobSubmitted)
	if server.Display != "7.0" || server.Source.Sequence != 8 || server.DeviceType != "qemu" || !server.Part.Essential || len(server.Tags) != 1 || server.QueueTimeout != 3600 {
		t.Errorf("server %+v", server)
	}
	if client.Job != 9 || client.Source.Sequence != 9 || client.Source.Bytes != len(r.parts[1].text) || client.Tags != nil {
		t.Errorf("client %+v", client)
	}
	want := &events.Membership{Group: r.group, Parent: 7, Role: "guest", Size: 3, Guest: true, HostRole: "server"}
	if guest.Display != "7.2" || guest.DeviceType != "" || !reflect.DeepEqual(guest.Part, want) || guest.Visibility.Public {
		t.Errorf("guest %+v, part %+v", guest, guest.Part)
	}
	if again := newRequest(submission(gang), gate); again.group != r.group || string(again.parts[2].text) != string(r.parts[2].text) {
		t.Error("the same submission splits differently")
	}
	// Facts of parts move the position no further than their submission.
	s.evolve(stream.Recorded{Seq: 100, Event: client})
	if s.position != 0 {
		t.Errorf("position %d after part 1, want 0", s.position)
	}
	s.evolve(stream.Recorded{Seq: 101, Event: server})
	if s.position != 7 {
		t.Errorf("position %d after part 0, want 7", s.position)
	}
}

// check compares the first problem; a line of -1 is not looked at.
func check(t *testing.T, name string, problems []*job.Problem, message string, line int) {
	t.Helper()
	switch {
	case message == "" && problems != nil:
		t.Errorf("%q: %v, want no problem", name, problems[0])
	case message == "":
	case problems == nil:
		t.Errorf("%q: no problem, want %q", name, message)
	case problems[0].Message != message || line >= 0 && problems[0].Line != line:
		t.Errorf("%q:\n got %q in line %d\nwant %q in line %d", name, problems[0].Message, problems[0].Line, message, line)
	}
}

// TestSubmittedFor shows that who acts as a user, and from where, is believed of a service alone.
func TestSubmittedFor(t *testing.T) {
	header := nats.Header{events.HeaderUser: {"alice"}, events.HeaderSubmitted: {"http 192.0.2.7, root acts as alice"}}
	for user, want := range map[events.UserName][2]string{events.DoorUser: {"alice", "http 192.0.2.7, root acts as alice"}, "bob": {"bob", ""}} {
		r := newRequest(stream.Submission{Job: 1, User: user, At: noon, Text: []byte(small), Header: header}, job.NewGate(job.Rules{}))
		if string(r.user) != want[0] || r.from != want[1] {
			t.Errorf("published as %s: submitted by %q from %q, want %q from %q", user, r.user, r.from, want[0], want[1])
		}
	}
}
