package job

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"strata/schemas/yaml"
)

func TestRead(t *testing.T) {
	t.Parallel()
	d, err := Read([]byte(`
job_name: x
device_type: qemu
priority: high
visibility: {group: [a, b]}
tags: [kvm, 3]
timeouts:
  job: {hours: 1, minutes: 30}
  action: {}
  connection: {seconds: 0}
  queue: {days: 40000000}
  actions: {lava-test-shell: {seconds: -1, skip: yes}}
actions:
- deploy: {to: tmpfs, namespace: host, timeout: {minutes: 2}, failure_retry: 3, failure_retry_interval: 5}
  boot: {method: qemu, connection-namespace: host, repeat: 2, timeouts: {auto-login-action: {minutes: 1}}}
- test: {interactive: [], role: guest}
- command: {name: relay, role: [a, b], protocols: {lava-multinode: []}}
`))
	if err != nil {
		t.Fatal(err)
	}
	wantTimeouts := Timeouts{
		Job: &Timeout{Length: 90 * time.Minute}, Action: &Timeout{Length: DefaultTimeout}, Connection: &Timeout{Length: DefaultTimeout},
		Queue:   &Timeout{Length: 100 * 365 * 24 * time.Hour},
		Actions: map[string]Timeout{"lava-test-shell": {Length: -time.Second, Skip: true}},
	}
	if !reflect.DeepEqual(d.Timeouts, wantTimeouts) {
		t.Errorf("timeouts %+v, want %+v", d.Timeouts, wantTimeouts)
	}
	if d.Priority != 100 || !reflect.DeepEqual(d.Visibility.Groups, []string{"a", "b"}) || !reflect.DeepEqual(d.Tags, []string{"kvm", "3"}) {
		t.Errorf("priority %d, groups %q, tags %q", d.Priority, d.Visibility.Groups, d.Tags)
	}
	type action struct {
		kind              Kind
		method, namespace string
		repeat, retry     int
		interval          time.Duration
		roles             []string
	}
	want := []action{
		{Deploy, "tmpfs", "host", 0, 3, 5 * time.Second, nil},
		{Boot, "qemu", "common", 2, 0, 0, nil},
		{Test, Interactive, "common", 0, 0, 0, []string{"guest"}},
		{Command, "relay", "common", 0, 0, 0, []string{"a", "b"}},
	}
	var got []action
	for _, a := range d.Actions {
		got = append(got, action{a.Kind, a.Method, a.Namespace, a.Repeat, a.FailureRetry, a.RetryInterval, a.Roles})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("actions:\n got %+v\nwant %+v", got, want)
	}
	if d.Actions[1].Timeouts["auto-login-action"].Length != time.Minute || d.Actions[1].ConnectionNamespace != "host" || d.Actions[3].Protocols == nil {
		t.Errorf("boot %+v, command %+v", d.Actions[1], d.Actions[3])
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text    string
		message string
		line    int
	}{
		{"- a", "expected a dictionary", 1},
		{"actions: 3", "expected a list @ data['actions']", 1},
		{"actions:\n- reboot: {}", "extra keys not allowed @ data['actions'][0]['reboot']", 2},
		{"actions:\n- boot: qemu", "expected a dictionary @ data['actions'][0]['boot']", 2},
		{"actions:\n- boot:\n    timeout: 5", "invalid timeout: expected a mapping such as {minutes: 5} @ data['actions'][0]['boot']['timeout']", 3},
		{"actions:\n- boot:\n    timeouts:\n      a: {minutes: x}", "expected int @ data['actions'][0]['boot']['timeouts']['a']['minutes']", 4},
		{"actions:\n- boot:\n    repeat: often", "expected int for dictionary value @ data['actions'][0]['boot']['repeat']", 3},
		{"priority: urgent", "not a valid value for dictionary value @ data['priority']", 1},
		{"timeouts:\n  actions: 3", "expected a dictionary @ data['timeouts']['actions']", 2},
	}
	for _, tt := range tests {
		_, err := Read([]byte(tt.text))
		var p *Problem
		if !errors.As(err, &p) || p.Message != tt.message || p.Line != tt.line {
			t.Errorf("Read(%q) = %v, want %q in line %d", tt.text, err, tt.message, tt.line)
		}
	}
	var bad *yaml.Error
	if _, err := Read([]byte("a: b: c")); !errors.As(err, &bad) || bad.Line != 1 {
		t.Errorf("Read of no YAML = %v", err)
	}
}

func TestMetadataTexts(t *testing.T) {
	t.Parallel()
	d := pass(t, change(t, base, "metadata: {source: git, 1: one}",
		"metadata: {source: git, 1: one, yes: no, n: ~, f: 1.0, d: 2024-01-02, l: [1, true, {a: 0x10}], o: 010}"))
	want := map[string]string{"source": "git", "1": "one", "true": "false", "n": "null", "f": "1.0", "d": "2024-01-02",
		"l": `["1","true",{"a":"16"}]`, "o": "8"}
	// 1 and true are one key in Python; the first of them stays.
	delete(want, "true")
	want["1"] = "false"
	if got := d.MetadataTexts(); !reflect.DeepEqual(got, want) {
		t.Errorf("metadata:\n got %q\nwant %q", got, want)
	}
}

func TestCheckPriority(t *testing.T) {
	t.Parallel()
	for text, message := range map[string]string{
		"low": "", "0": "", "100": "", "yes": "",
		"101": "Invalid job priority: 101. Should be in [0, 100]", "-1": "Invalid job priority: -1. Should be in [0, 100]",
		"99999999999999999999": "Invalid job priority: 99999999999999999999. Should be in [0, 100]",
	} {
		p := pass(t, change(t, base, "priority: medium", "priority: "+text)).CheckPriority()
		switch {
		case message == "" && p != nil, message != "" && (p == nil || p.Message != message || p.Line != 4):
			t.Errorf("priority %s: %v, want %q in line 4", text, p, message)
		}
	}
}
