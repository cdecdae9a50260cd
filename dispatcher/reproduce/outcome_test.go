package reproduce

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// logOf returns a log of lines "level message", where a message in braces is JSON.
func logOf(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		level, message, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(message, "{") {
			message = fmt.Sprintf("%q", message)
		}
		fmt.Fprintf(&b, `{"dt":"2026-11-22T12:00:00Z","lvl":%q,"msg":%s}`+"\n", level, message)
	}
	return b.String()
}

// died is the log of a job whose first attempt hangs and whose second one panics.
func died() string {
	return logOf(
		"info lava-dispatcher, installed at version: 2026.11",
		"debug inputs of the job: definition sha256 "+strings.Repeat("d", 64)+", device sha256 "+strings.Repeat("e", 64),
		`results {"definition":"lava","case":"http-download","level":"1.1.1","duration":"0.10","result":"pass","extra":{"label":"kernel","size":7,"sha256sum":"aa"}}`,
		`results {"definition":"lava","case":"git-repo-action","level":"1.2.1","duration":"0.10","result":"pass","extra":{"commit":"c1","repository":"r","path":"p"}}`,
		"exception connect-device timed out", "debug end: 2.1 connect-device (duration 00:00:01) [common]",
		"exception connect-device timed out", "info end: 2 minimal-boot (duration 00:00:01) [common]",
		"target [    1.5] Kernel panic - not syncing: at ffff888001234567",
		"target ---[ end Kernel panic - not syncing: at ffff888001234567 ]---",
		"exception Kernel panic", "debug end: 2.3.1 login-action (duration 00:00:01) [common]",
		`results {"definition":"lava","case":"login-action","level":"2.3.1","duration":"1.00","result":"fail","extra":{"fail":"x"}}`,
		"exception Kernel panic", "debug end: 2.3 auto-login-action (duration 00:00:01) [common]",
		"exception Kernel panic", "info end: 2 minimal-boot (duration 00:00:01) [common]",
		"debug end: 4.1 power-off (duration 00:00:01) [common]",
		`results {"definition":"0_smoke","case":"ping","result":"pass"}`, `results {"definition":"0_smoke","case":"ping","result":"fail"}`,
		`results {"definition":"lava","case":"job","result":"fail","error_msg":"panic at 12.5","error_type":"Job"}`)
}

func TestRead(t *testing.T) {
	t.Parallel()
	got, err := Read(strings.NewReader(died()))
	if err != nil {
		t.Fatal(err)
	}
	got.threw, got.level = false, ""
	want := Outcome{Result: "fail", ErrorType: "Job", Error: "panic at 12.5", Action: "login-action", Version: "2026.11",
		Findings:  []string{"Kernel panic - not syncing: at ffff888001234567"},
		Cases:     []Case{{"0_smoke", "ping", "pass"}, {"0_smoke", "ping", "fail"}},
		Artefacts: []Fetched{{"1.1.1", "kernel", Digest{"aa", 7}}}, Commits: []Commit{{"1.2.1", "r", "p", "c1"}},
		Inputs: map[string]string{"definition": strings.Repeat("d", 64), "device": strings.Repeat("e", 64)}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("outcome:\n got %+v\nwant %+v", got, want)
	}
	if _, err := Read(strings.NewReader("{}\nnonsense\n")); err == nil || !strings.Contains(err.Error(), "log, line 2") {
		t.Errorf("a log that is none: %v", err)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	read := func(log string) Outcome {
		t.Helper()
		o, err := Read(strings.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	recorded := read(died())
	tests := []struct {
		name  string
		here  string
		until bool
		want  []string // lines that differ
	}{
		{"the same, at other addresses and times", strings.NewReplacer("ffff888001234567", "ffff88800abcdef0", "12.5", "13.75").Replace(died()), false, nil},
		{"another action and finding", strings.NewReplacer("login-action (", "expect-shell-connection (", "panic - not syncing: at", "panic - not syncing: VFS").Replace(died()), false,
			[]string{"failed action: recorded login-action, here expect-shell-connection", "findings: "}},
		{"passes", logOf(`results {"definition":"lava","case":"job","result":"pass"}`), false,
			[]string{"verdict: recorded fail, Job, here pass", "failed action: recorded login-action, here none", "error: ", "findings: ",
				"case 0_smoke/ping: recorded pass, here none", "case 0_smoke/ping: recorded fail, here none", "dispatcher: recorded 2026.11, here none"}},
		{"another kernel and commit", strings.NewReplacer(`"aa"`, `"ab"`, `"c1"`, `"c2"`).Replace(died()), false,
			[]string{"artefact kernel: recorded aa, here ab", "tests of r: recorded c1, here c2"}},
		{"stopped early", logOf("info lava-dispatcher, installed at version: 2026.11"), true, nil},
		{"a case more", died() + logOf(`results {"definition":"0_smoke","case":"pong","result":"pass"}`), false, []string{"case 0_smoke/pong: recorded none, here pass"}},
	}
	for _, tt := range tests {
		var got []string
		for _, d := range Compare(recorded, read(tt.here), tt.until) {
			if !d.Same {
				got = append(got, strings.TrimPrefix(d.String(), "differs  "))
			}
		}
		ok := len(got) == len(tt.want)
		for i := range tt.want {
			ok = ok && strings.HasPrefix(got[i], tt.want[i])
		}
		if !ok {
			t.Errorf("%s: differs\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	r, err := NewRedactor([]byte("secrets: {A: hunter22, B: hunter22long, C: x}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"a: hunter22long and hunter22\n":                      "a: (secret) and (secret)\n",
		"headers: {PRIVATE-TOKEN: abc, Accept: text}\n":       "headers: {PRIVATE-TOKEN: (secret), Accept: text}\n",
		"callback:\n  token: 'it''s'\n  url: http://a/b\n":    "callback:\n  token: '(secret)'\n  url: http://a/b\n",
		"secrets: {A: 1}\npasswords: [a, b]\n":                "secrets: {A: 1}\npasswords: [a, b]\n",
		"tokens:\n  name: b\n":                                "tokens:\n  name: b\n",
		"url: https://bob:pw123@host/x.git\n":                 "url: https://bob:(secret)@host/x.git\n",
		"hard_reset: ipmitool -H a -U u -P topsecret power\n": "hard_reset: ipmitool -H a -U u -P (secret) power\n",
		"power_on: ['pdu --password=topsecret on']\n":         "power_on: ['pdu --password=(secret) on']\n",
		"prompts: ['Password:', 'root@host:']\n":              "prompts: ['Password:', 'root@host:']\n",
		"a: 1\n":                                              "a: 1\n",
	} {
		if got, err := r.YAML("t", text); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
	// What was found in a configuration is taken out of the log, which shows the commands that had it.
	if got := r.Line("log", "Calling: ['ipmitool', '-P', 'topsecret']"); got != "Calling: ['ipmitool', '-P', '(secret)']" {
		t.Errorf("log: %q", got)
	}
	if r.Count["log"] != 1 || r.Count["t"] < 7 {
		t.Errorf("counted %v", r.Count)
	}
}
