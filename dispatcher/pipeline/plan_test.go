package pipeline

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestTimeoutPrecedence(t *testing.T) {
	const device = "constants: {failure_retry: 1, boot_retry: }\nactions: {boot: {methods: {fake: }}}\n"
	tests := []struct {
		name, job, device string
		root, leaf        time.Duration
	}{
		{"built in", "timeouts: {job: {hours: 1}}\nactions:\n- boot: {}", "", 30 * time.Second, 30 * time.Second},
		{"job's action", "timeouts: {job: {hours: 1}, action: {minutes: 2}}\nactions:\n- boot: {}", "", 2 * time.Minute, 2 * time.Minute},
		{"device beats it for a name", "timeouts: {job: {hours: 1}, action: {minutes: 2}}\nactions:\n- boot: {}",
			"timeouts: {actions: {leaf: {seconds: 7}}}", 2 * time.Minute, 7 * time.Second},
		{"block beats the device", "timeouts: {job: {hours: 1}}\nactions:\n- boot: {timeout: {minutes: 3}}",
			"timeouts: {actions: {leaf: {seconds: 7}}}", 3 * time.Minute, 3 * time.Minute},
		{"attempts share the parent's", "timeouts: {job: {hours: 1}}\nactions:\n- boot: {timeout: {seconds: 20}, failure_retry: 3}", "",
			20 * time.Second, 6 * time.Second},
		{"a share of nothing is the default", "timeouts: {job: {hours: 1}}\nactions:\n- boot: {timeout: {seconds: 2}, failure_retry: 3}", "",
			2 * time.Second, 30 * time.Second},
		{"job's named beats the share", "timeouts: {job: {hours: 1}, actions: {leaf: {seconds: 9}}}\nactions:\n- boot: {timeout: {seconds: 20}, failure_retry: 3}", "",
			20 * time.Second, 9 * time.Second},
		{"block's named beats everything", "timeouts: {job: {hours: 1}, actions: {leaf: {seconds: 9}}}\nactions:\n- boot: {timeouts: {leaf: {days: 1, hours: 1}}}", "",
			30 * time.Second, 25 * time.Hour},
		{"zero is the default", "timeouts: {job: {hours: 1}, action: {seconds: 0}}\nactions:\n- boot: {}", "", 30 * time.Second, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan, _, err := parse(t, tt.job, device+tt.device, again{&fake{name: "root", children: []Action{&fake{name: "leaf"}}}})
			if err != nil {
				t.Fatal(err)
			}
			root := plan.Steps[0]
			if leaf := root.Children[0]; root.Timeout != tt.root || leaf.Timeout != tt.leaf {
				t.Errorf("timeouts: root %v, leaf %v; want %v, %v", root.Timeout, leaf.Timeout, tt.root, tt.leaf)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
	}{
		{"{minutes: 2, seconds: 3}", 123 * time.Second},
		{"{minutes: 1.5}", 90 * time.Second},
		{"{seconds: 0.5}", 30 * time.Second}, // whole seconds, and none is nothing
		{"{days: 1}", 24 * time.Hour},
		{"{seconds: 0}", 30 * time.Second},
		{"{weeks: 1}", 30 * time.Second},
		{"{hours: -1}", 30 * time.Second},
		{"{days: 1000000000000}", longest},
		{"{seconds: 1.0e+300}", longest},
	}
	for _, tt := range tests {
		d, err := ReadYAML([]byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Duration(d); got != tt.want || err != nil {
			t.Errorf("duration %s: got %s, %v; want %s", tt.text, got, err, tt.want)
		}
	}
}

func TestConnectionTimeoutPrecedence(t *testing.T) {
	const device = "constants: {failure_retry: 1}\nactions: {boot: {methods: {fake: }}}\n"
	tests := []struct {
		job, device string
		want        time.Duration
	}{
		{"timeouts: {job: {hours: 1}}\nactions:\n- boot: {}", "", 30 * time.Second},
		{"timeouts: {job: {hours: 1}}\nactions:\n- boot: {connection_timeout: {seconds: 1}}", "", time.Second},
		{"timeouts: {job: {hours: 1}, connection: {seconds: 2}}\nactions:\n- boot: {connection_timeout: {seconds: 1}}", "", 2 * time.Second},
		{"timeouts: {job: {hours: 1}, connection: {seconds: 2}}\nactions:\n- boot: {}", "timeouts: {connections: {root: {seconds: 3}}}", 3 * time.Second},
		{"timeouts: {job: {hours: 1}, connections: {root: {seconds: 4}}}\nactions:\n- boot: {}", "timeouts: {connections: {root: {seconds: 3}}}", 4 * time.Second},
	}
	for _, tt := range tests {
		plan, _, err := parse(t, tt.job, device+tt.device, &fake{name: "root"})
		if err != nil {
			t.Fatal(err)
		}
		if got := plan.Steps[0].Connection; got != tt.want {
			t.Errorf("%s with device %q: %v, want %v", tt.job, tt.device, got, tt.want)
		}
	}
}

func TestAttempts(t *testing.T) {
	const methods = "actions: {boot: {methods: {fake: }}}\n"
	tests := []struct {
		name, job, device string
		want              int
		repeat            bool
	}{
		{"one", "boot: {}", "constants: {failure_retry: 1}", 1, false},
		{"block", "boot: {failure_retry: 4}", "constants: {failure_retry: 9}", 4, false},
		{"device", "boot: {}", "constants: {failure_retry: 3}", 3, false},
		{"device's boot_retry replaces it", "boot: {}", "constants: {failure_retry: 3, boot_retry: 2}", 2, false},
		{"context beats the device", "boot: {}\ncontext: {failure_retry: 5}", "constants: {failure_retry: 3}", 5, false},
		{"repeat", "boot: {repeat: 6}", "constants: {failure_retry: 3}", 6, true},
		{"no constants at all", "boot: {}", "x: y", 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan, _, err := parse(t, "timeouts: {job: {hours: 1}}\nactions:\n- "+tt.job, methods+tt.device, again{&fake{name: "root"}})
			if err != nil {
				t.Fatal(err)
			}
			if got := plan.Steps[0]; got.MaxRetries != tt.want || got.Repeat != tt.repeat {
				t.Errorf("%d attempts, repeat %v; want %d, %v", got.MaxRetries, got.Repeat, tt.want, tt.repeat)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, job, device, want string }{
		{"unknown block", "actions:\n- flash: {}", "", "Job Unknown action name 'flash'"},
		{"nobody accepts", "actions:\n- boot: {refuse: too old}", "", "Job None of the boot strategies accepted your job: fake: too old"},
		{"both kinds of retry", "actions:\n- boot: {repeat: 2, failure_retry: 2}", "", "Job a block has either failure_retry or repeat, not both"},
		{"no failure_retry in the constants", "actions:\n- boot: {}", "constants: {a: 1}\nactions: {boot: {methods: {fake: }}}",
			"Configuration Constant failure_retry does not exist in the device config 'constants' section."},
		{"job timeout", "timeouts: {job: 5}\nactions:\n- boot: {}", "", "Configuration Invalid timeout data in timeouts.job: a timeout is a mapping of days, hours, minutes or seconds, not 5"},
		{"block timeout", "actions:\n- boot: {timeout: 5m}", "", "Configuration Invalid timeout data in timeout of the block: a timeout is a mapping of days, hours, minutes or seconds, not '5m'"},
		{"named timeout", "timeouts: {actions: {root: [1]}}\nactions:\n- boot: {}", "", "Job Invalid timeout data in timeouts.actions.root: a timeout is a mapping of days, hours, minutes or seconds, not [1]"},
		{"no methods", "actions:\n- boot: {}", "actions: {boot: {}}", "Configuration the device configuration has no 'actions.boot.methods'"},
		{"no device", "actions:\n- deploy: {to: tmpfs}", "{}", `Job job "42" has no device`},
		{"no to", "actions:\n- deploy: {}", "", "Job deploy block has no 'to'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parse(t, tt.job, tt.device, again{&fake{name: "root"}})
			if err == nil || string(ClassOf(err))+" "+err.Error() != tt.want {
				t.Errorf("error: %s %v\nwant   %s", ClassOf(err), err, tt.want)
			}
		})
	}
}

// What tests need of deploy is known when deploy is planned, also across namespaces.
func TestTestInformation(t *testing.T) {
	var seen []string
	root := &fake{name: "root"}
	definition, err := ReadYAML([]byte(`{actions: [{deploy: {to: x, namespace: a, os: debian}}, {deploy: {to: x, namespace: b, os: debian}},
		{test: {namespace: b, connection-namespace: a, definitions: [1]}}, {test: {namespace: b, definitions: [2]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	device, err := ReadYAML([]byte("constants: {failure_retry: 1}\nactions: {deploy: {methods: {x: }}}"))
	if err != nil {
		t.Fatal(err)
	}
	accept := func(_, _ Data) (string, error) { return "", nil }
	plan, err := Parse(Inputs{ID: "1", Job: definition, Device: device, Now: time.Now, Methods: Methods{
		Deploy: []Method{{Accepts: accept, Action: func(Data) Action {
			return Basic{Title: "deploy", Fill: func(step *Step, s *Session) error {
				shell, err := s.Constant("lava_test_sh_cmd", "posix")
				if err != nil {
					return err
				}
				seen = append(seen, step.Namespace+" "+shell.Text())
				if !s.TestInfo().NeedsOverlay || len(s.TestBlocks()) == 0 {
					t.Errorf("namespace %s: tests %+v", step.Namespace, s.TestBlocks())
				}
				return nil
			}}
		}}},
		Test: []Method{{Accepts: accept, Action: func(Data) Action { return root },
			Test: func(Data) TestInfo { return TestInfo{NeedsOverlay: true, NeedsDeployment: true} }}},
		Finalize: func() Action { return root },
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(seen, "; "); got != "a /bin/bash; b /bin/bash" {
		t.Errorf("deploy blocks saw %q, want the deployment data of debian for both", got)
	}
	if got := plan.Steps[3].Block.Get("stage").Int(-1); got != 1 {
		t.Errorf("stage of the second test of its namespace: %d, want 1", got)
	}
}

func TestDescription(t *testing.T) {
	plan, _, err := parse(t, "timeouts: {job: {hours: 1}}\nactions:\n- boot: {failure_retry: 2}", "",
		again{&fake{name: "root", children: []Action{link{&fake{name: "leaf"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	d := plan.Describe()
	const text = "1 root (30 s, 2 attempts)\n  1.1 leaf (15 s) http://x/y\n2 finalize (30 s)\n"
	if got := d.Text(); got != text {
		t.Errorf("text:\n%s\nwant:\n%s", got, text)
	}
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"pipeline":[{"name":"root","level":"1","max_retries":2,"timeout":30,"pipeline":[` +
		`{"name":"leaf","level":"1.1","max_retries":1,"timeout":15,"url":"http://x/y"}]},{"name":"finalize","level":"2","max_retries":1,"timeout":30}]}`
	if string(raw) != want {
		t.Errorf("JSON:\n%s\nwant:\n%s", raw, want)
	}
	back, err := ReadYAML([]byte(d.YAML()))
	if err != nil {
		t.Fatal(err)
	}
	leaf := back.Get("pipeline").Items()[0].Get("pipeline").Items()[0]
	if leaf.Get("level").Python() != "'1.1'" || leaf.Get("timeout").Int(0) != 15 || leaf.Get("url").Text() != "http://x/y" || !leaf.Has("summary") {
		t.Errorf("YAML, read again: %s", leaf.Python())
	}
}

// link is an action with a URL.
type link struct{ *fake }

func (link) URL() string { return "http://x/y" }
