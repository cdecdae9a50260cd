package job

import (
	"strings"
	"testing"
)

// base is a definition that passes; tests change a line of it.
const base = `job_name: smoke test
device_type: qemu
visibility: public
priority: medium
timeouts:
  job: {minutes: 15}
  action: {minutes: 5}
  actions:
    lava-test-shell: {seconds: 30, skip: true}
context: {arch: amd64, extra_options: [-smp, 2]}
metadata: {source: git, 1: one}
actions:
- deploy:
    to: tmpfs
    images: {kernel: {url: "https://example.com/bzImage"}}
- boot:
    method: qemu
    prompts: ["/ #"]
    auto_login: {login_prompt: "login:", username: root}
- test:
    definitions:
    - repository: https://example.com/tests.git
      from: git
      path: smoke.yaml
      name: smoke.1
- test:
    monitors:
    - {name: boot, start: a, end: b, pattern: c}
- test:
    interactive:
    - name: shell
      prompts: ["=> "]
      script:
      - command: help
        successes: [{message: ok}]
- command:
    name: relay
notify:
  criteria: {status: finished}
  recipients:
  - to: {method: email, email: a@example.com}
`

func TestGateAccepts(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, from, to string }{
		{"base", "", ""},
		{"zero timeout", "{minutes: 15}", "{minutes: 0}"},
		{"negative timeout", "{minutes: 15}", "{minutes: -1}"},
		{"timeout without unit", "{minutes: 15}", "{}"},
		{"boolean is an int", "priority: medium", "priority: yes"},
		{"priority beyond the range is not the gate's", "priority: medium", "priority: 1000"},
		{"octal priority", "priority: medium", "priority: 010"},
		{"no visibility at all", "visibility: public", "visibility: {}"},
		{"groups", "visibility: public", "visibility: {group: [a, b]}"},
		{"personal", "visibility: public", "visibility: personal"},
		{"unknown key in an action", "to: tmpfs", "to: tmpfs\n    no-such-key: 1"},
		{"unknown method", "method: qemu", "method: no-such-method"},
		{"malformed tftp resource", "to: tmpfs", "to: tftp\n    kernel: 3"},
		{"nonsense in repeat", "to: tmpfs", "to: tmpfs\n    repeat: often"},
		{"nonsense in timeouts of an action", "to: tmpfs", "to: tmpfs\n    timeouts: never"},
		{"role as text", "to: tmpfs", "to: tmpfs\n    role: server"},
		{"unknown key in notify", "criteria: {status: finished}", "criteria: {status: finished, x: 1}\n  y: 2"},
		{"callback", "criteria: {status: finished}", "criteria: {status: all}\n  callback: {url: 'http://x', header: h}"},
		{"job_name of 200 characters", "smoke test", strings.Repeat("ü", 200)},
		{"boolean in context", "arch: amd64", "no_kvm: True"},
		{"inline definition", "repository: https://example.com/tests.git", "repository: {metadata: {name: x}, run: {steps: [ls]}}"},
		{"services", "monitors:\n    - {name: boot, start: a, end: b, pattern: c}", "services:\n    - {name: a, from: git, repository: r, path: p}"},
		{"several kinds in one action", "- boot:\n", "  boot:\n"},
		{"null command in a script", "command: help", "command:"},
		{"reboot_to_fastboot", "priority: medium", "reboot_to_fastboot: no"},
		{"revision of a deep clone", "name: smoke.1", "name: smoke.1\n      revision: abc\n      shallow: no"},
		{"the device's owner", "method: email, email: a@example.com", "method: email, user: '{LAVA_DEVICE_OWNER}'"},
		{"last key wins", "priority: medium", "priority: nonsense\npriority: low"},
		{"merge key", "timeouts:\n  job: {minutes: 15}", "timeouts:\n  <<: {job: {minutes: 15}}"},
	}
	gate := NewGate(Rules{})
	for _, tt := range tests {
		d, problems := gate.Check([]byte(change(t, base, tt.from, tt.to)))
		if problems != nil {
			t.Errorf("%s: %v, want no problem", tt.name, problems[0])
		} else if d.DeviceType != "qemu" {
			t.Errorf("%s: device type %q", tt.name, d.DeviceType)
		}
	}
}

func TestGateRefuses(t *testing.T) {
	t.Parallel()
	gate := NewGate(Rules{})
	for _, tt := range refusals {
		text := change(t, base, tt.from, tt.to)
		_, problems := gate.Check([]byte(text))
		if len(problems) == 0 {
			t.Errorf("%q → %q: passes, want %q", tt.from, tt.to, tt.message)
			continue
		}
		p := problems[0]
		if p.Message != tt.message || p.Line != tt.line || p.Column != tt.column {
			t.Errorf("%q → %q:\n got %q at %d:%d\nwant %q at %d:%d", tt.from, tt.to,
				p.Message, p.Line, p.Column, tt.message, tt.line, tt.column)
		}
		if _, path, _ := strings.Cut(p.Message, " @ "); path != p.Path {
			t.Errorf("%q: path %q, want that of the message", p.Message, p.Path)
		}
	}
}

// TestGateTellsAll: the first problem is LAVA's, the others follow in order.
func TestGateTellsAll(t *testing.T) {
	t.Parallel()
	text := change(t, change(t, base, "priority: medium", "priority: urgent\nx: 1"), "job_name: smoke test\n", "")
	_, problems := NewGate(Rules{}).Check([]byte(text))
	want := []string{
		"not a valid value for dictionary value @ data['priority']",
		"extra keys not allowed @ data['x']",
		"required key not provided @ data['job_name']",
	}
	if got := messages(problems); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("problems:\n got %q\nwant %q", got, want)
	}
	_, problems = NewGate(Rules{}).Check([]byte(change(t, base, "monitors:\n    - {name: boot, start: a, end: b, pattern: c}", "interactive: none")))
	want = []string{
		"required key not provided @ data['actions'][3]['test']['monitors']",
		"expected a list for dictionary value @ data['actions'][3]['test']['interactive']",
	}
	if got := messages(problems); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("problems of a test:\n got %q\nwant %q", got, want)
	}
}

func TestGateRules(t *testing.T) {
	t.Parallel()
	gate := NewGate(Rules{
		ExtraContext: []string{"my_lab"},
		User:         func(name string) bool { return name == "alice" },
		Query: func(user, name string) (string, bool) {
			return map[string]string{"nightly": "testjob", "suites": "testsuite"}[name], user == "alice" && name != "none"
		},
	})
	tests := []struct{ from, to, message string }{
		{"arch: amd64", "my_lab: 1", ""},
		{"email: a@example.com", "user: alice", ""},
		{"email: a@example.com", "user: bob", "'bob' is not an existing user in LAVA."},
		{"criteria: {status: finished}", "criteria: {status: all}\n  compare: {query: {username: alice, name: nightly}}", ""},
		{"criteria: {status: finished}", "criteria: {status: all}\n  compare: {query: {username: alice, name: suites}}", "Only TestJob queries allowed."},
		{"criteria: {status: finished}", "criteria: {status: all}\n  compare: {query: {username: alice, name: none}}", "Query ~alice/none does not exist"},
	}
	for _, tt := range tests {
		_, problems := gate.Check([]byte(change(t, base, tt.from, tt.to)))
		if got := strings.Join(messages(problems), "; "); got != tt.message {
			t.Errorf("%q: got %q, want %q", tt.to, got, tt.message)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(base)
	f.Add(multinode)
	for _, tt := range refusals {
		f.Add(tt.to)
	}
	gate := NewGate(Rules{})
	f.Fuzz(func(t *testing.T, text string) {
		d, problems := gate.Check([]byte(text))
		if (d == nil) == (problems == nil) {
			t.Fatalf("definition %v and problems %v", d, problems)
		}
		for _, p := range problems {
			if p.Message == "" || p.Line < 0 {
				t.Fatalf("problem %+v says nothing", p)
			}
		}
		if d != nil && d.Multinode() {
			d.Split("group")
		}
	})
}

func messages(problems []*Problem) (list []string) {
	for _, p := range problems {
		list = append(list, p.Message)
	}
	return list
}

// change replaces what must stand once in text.
func change(t testing.TB, text, from, to string) string {
	t.Helper()
	if from == "" {
		return text + to
	}
	if strings.Count(text, from) < 1 {
		t.Fatalf("%q is not in the definition", from)
	}
	return strings.Replace(text, from, to, 1)
}
