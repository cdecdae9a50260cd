package device

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/schemas/job"
	"strata/schemas/yaml"
)

// qemu is a configuration as a template renders it: with empty keys and one that stands twice.
const qemu = `hostname: qemu01
devicetype: qemu
character_delays: {boot: 5, test: }
commands:
  connections:
    uart1: {connect: telnet localhost 7002}
    uart0:
      connect: telnet localhost 7001
      tags: [primary, telnet]
  hard_reset: /usr/bin/pdu reset
  power_on: [/usr/bin/pdu on, sleep 1]
  power_off: /usr/bin/pdu on
  power_off: /usr/bin/pdu off
  soft_reboot:
  users:
    relay: {do: [a, b], undo: c}
constants:
  posix: {lava_test_sh_cmd: /bin/sh}
  failure_retry: 2
environment: {A: b}
actions:
  deploy: {methods: {tmpfs: , image: }}
  boot:
    methods:
      qemu: {parameters: {command: qemu-system-x86_64}}
timeouts:
  actions: {apply-overlay-image: {minutes: 2}, odd-one: }
  connections: {lava-test-shell: {seconds: 10}}
`

func TestLoad(t *testing.T) {
	t.Parallel()
	d, err := Load([]byte(qemu), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Commands{
		Connections: []Connection{{"uart1", "telnet localhost 7002", nil}, {"uart0", "telnet localhost 7001", []string{"primary", "telnet"}}},
		HardReset:   []string{"/usr/bin/pdu reset"}, PowerOn: []string{"/usr/bin/pdu on", "sleep 1"}, PowerOff: []string{"/usr/bin/pdu off"},
		Users: map[string]UserCommand{"relay": {[]string{"a", "b"}, []string{"c"}}},
	}
	if !reflect.DeepEqual(d.Commands, want) {
		t.Errorf("commands:\n got %+v\nwant %+v", d.Commands, want)
	}
	if c, ok := d.Primary(); !ok || c.Name != "uart0" {
		t.Errorf("primary console %+v, %v, want uart0", c, ok)
	}
	if d.Hostname != "qemu01" || d.Type != "qemu" || d.Delays != (Delays{Boot: 5}) || d.Environment.Get("A").TextOr("") != "b" {
		t.Errorf("device %+v", d)
	}
	if got := d.Constant("x", "posix", "lava_test_sh_cmd"); got != "/bin/sh" {
		t.Errorf("shell %q", got)
	}
	if a, b, c := d.Constant("x", "failure_retry"), d.Constant("x", "posix"), d.Constant("x", "none"); a != "2" || b != "x" || c != "x" {
		t.Errorf("constants %q %q %q", a, b, c)
	}
	if got := d.Methods(job.Deploy); !reflect.DeepEqual(got, []string{"tmpfs", "image"}) {
		t.Errorf("deploy methods %q", got)
	}
	if d.Method(job.Deploy, "tmpfs") == nil || d.Method(job.Deploy, "tftp") != nil || d.Method(job.Boot, "qemu").Get("parameters", "command") == nil {
		t.Error("methods are not where they stand")
	}
	if d.Timeouts["apply-overlay-image"].Length != 2*time.Minute || d.Timeouts["odd-one"].Length != job.DefaultTimeout || d.ConnectionTimeouts["lava-test-shell"].Length != 10*time.Second {
		t.Errorf("timeouts %v %v", d.Timeouts, d.ConnectionTimeouts)
	}
}

func TestPrimaryConsole(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"commands: {connect: telnet a 1}":                "telnet a 1",
		"commands: {}":                                   "",
		"commands: {connections: {uart0: {connect: x}}}": "",
		"commands: {connections: {a: {connect: x}, b: {connect: y, tags: [primary]}}}": "y",
	} {
		d, err := Load([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := d.Primary(); c.Connect != want || ok != (want != "") {
			t.Errorf("%s: primary console %+v, %v, want %q", text, c, ok, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text   string
		path   string
		line   int
		column int
	}{
		{"- a", "", 1, 1},
		{"hostname: x\nhost: y", "host", 2, 1},
		{"commands: x", "commands", 1, 11},
		{"commands:\n  power_on: {a: b}", "commands.power_on", 2, 13},
		{"commands:\n  power_on: ''", "commands.power_on", 2, 13},
		{"commands:\n  hard_reset: [a, 3]", "commands.hard_reset", 2, 19},
		{"commands:\n  connections: {uart0: telnet}", "commands.connections.uart0", 2, 24},
		{"commands:\n  users: {a: {undo: b}}", "commands.users.a", 2, 14},
		{"commands:\n  users: {a: {do: []}}", "commands.users.a.do", 2, 19},
		{"timeouts: {actions: {a_b: {minutes: 1}}}", "timeouts.actions.a_b", 1, 22},
		{"timeouts: {connections: {a: 5}}", "timeouts.connections.a", 1, 29},
		{"character_delays: {boot: fast}", "character_delays.boot", 1, 26},
		{"actions: {boot: {methods: [qemu]}}", "actions.boot.methods", 1, 27},
		{"constants: 3", "constants", 1, 12},
		{"actions: {deploy: {methods: {ssh: {host: a}}}}\ncommands: {power_on: b}", "commands.power_on", 2, 22},
	}
	for _, tt := range tests {
		_, err := Load([]byte(tt.text), nil)
		var p *Problem
		if !errors.As(err, &p) || p.Path != tt.path || p.Line != tt.line || p.Column != tt.column {
			t.Errorf("Load(%q) = %v, want a fault of %q at %d:%d", tt.text, err, tt.path, tt.line, tt.column)
		}
	}
	var bad *yaml.Error
	if _, err := Load([]byte("a: b: c"), nil); !errors.As(err, &bad) {
		t.Errorf("Load of no YAML = %v", err)
	}
	for _, text := range []string{"{% extends 'qemu.jinja2' %}\n{% set memory = 512 %}\n", "hostname: {{ name }}\n"} {
		if _, err := Load([]byte(text), nil); !errors.Is(err, ErrTemplate) {
			t.Errorf("Load(%q) = %v, want ErrTemplate", text, err)
		}
	}
}

// TestRendered loads the configurations that LAVA rendered of its sample devices.
func TestRendered(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(corpus(t), "rendered", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("rendered devices: %d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Load(text, nil)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		} else if len(d.Methods(job.Boot))+len(d.Methods(job.Deploy)) == 0 {
			t.Errorf("%s: no methods", filepath.Base(file))
		}
	}
}

// corpus returns the folder of recorded devices: below STRATA_CORPUS, or beside the repository.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("STRATA_CORPUS")
	if dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		at := strings.LastIndex(wd, string(filepath.Separator)+"schemas"+string(filepath.Separator))
		dir = filepath.Join(filepath.Dir(wd[:at]), "shared")
	}
	for _, candidate := range []string{filepath.Join(dir, "corpus"), dir} {
		if _, err := os.Stat(filepath.Join(candidate, "rendered")); err == nil {
			return candidate
		}
	}
	t.Skipf("SKIPPED: no corpus at %q; set STRATA_CORPUS to the folder that holds it", dir)
	return ""
}
