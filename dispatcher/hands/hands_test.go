package hands_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/hands"
	"strata/dispatcher/pipeline"
)

// bench is a board of shell scripts: `relay` switches its power and writes what it then says to a file, `line` is
// its serial line, which shows that file and answers what is typed.
type bench struct {
	hands.Board
	dir  string
	mu   sync.Mutex
	told []string
}

// newBench builds a board whose dictionary is given, with @DIR@ for its directory.
func newBench(t *testing.T, dictionary string) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir()}
	for name, text := range map[string]string{
		"said":  "",
		"relay": "echo \"$1\" >>@DIR@/calls\ncase \"$1\" in\nstuck) echo the switch does not answer; exit 3;;\nboot) printf 'U-Boot 2026.04\\r\\nHit any key to stop autoboot: 3' >>@DIR@/said;;\nesac\n",
		"line":  "echo connected\ntail -n +1 -f @DIR@/said &\nwhile read -r typed; do printf '\\r\\ngot %s\\r\\n=> ' \"$typed\" >>@DIR@/said; done\n",
	} {
		script := "#!/bin/sh\n" + strings.ReplaceAll(text, "@DIR@", b.dir)
		if text == "" {
			script = ""
		}
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	device, err := pipeline.ReadYAML([]byte(strings.ReplaceAll(dictionary, "@DIR@", b.dir)))
	if err != nil {
		t.Fatal(err)
	}
	b.Board = hands.Board{Device: device, Env: os.Environ(), Now: time.Now, Say: func(text string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.told = append(b.told, text)
	}}
	return b
}

// calls lists what the power switch was asked for.
func (b *bench) calls(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

const whole = `
commands: {connect: '@DIR@/line', power_off: '@DIR@/relay off', power_on: '@DIR@/relay on', hard_reset: '@DIR@/relay boot', pre_os_command: '@DIR@/relay os'}
constants: {u-boot: {interrupt-prompt: Hit any key to stop autoboot, interrupt-character: x}}
actions: {boot: {methods: {minimal: , u-boot: {parameters: {bootloader_prompt: '=> '}}}}}
`

// A check tells the faults of a board apart, each at its own step with what it saw, and leaves the board
// without power.
func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, old, new string // what the dictionary has instead of what
		steps          string
		says, saw      string // of the last step
		calls          string
		prompts        []string
	}{
		{name: "well", steps: "programs console power_off pre_os_command power_on hard_reset output prompt",
			says: `u-boot was stopped at "Hit any key to stop autoboot" and asks with "=> "`, calls: "off os on boot off"},
		{name: "another prompt is asked for", prompts: []string{`U-Boot \d+`}, steps: "programs console power_off pre_os_command power_on hard_reset output prompt",
			says: `the console showed "U-Boot 2026"`, calls: "off os on boot off"},
		{name: "a program is missing", old: "@DIR@/line", new: "@DIR@/nothing", steps: "programs",
			says: "commands.connect names the program @DIR@/nothing, which is not on this worker", calls: "off"},
		{name: "the console command ends", old: "@DIR@/line", new: "sh -c \"echo Connection refused; exit 1\"", steps: "programs console",
			says: `ended at once`, saw: "Connection refused", calls: "off"},
		{name: "there is no console", old: "connect:", new: "unconnected:", steps: "programs console", says: "has no commands.connect", calls: "off"},
		{name: "the power is stuck", old: "relay on", new: "relay stuck", steps: "programs console power_off pre_os_command power_on",
			says: "the switch does not answer", calls: "off os stuck off"},
		{name: "the line is silent", old: "relay boot", new: "relay nothing", steps: "programs console power_off pre_os_command power_on hard_reset output",
			says: "nothing came on the console within 500ms after hard_reset", calls: "off os on nothing off"},
		{name: "the countdown is spelled otherwise", old: "interrupt-prompt: Hit", new: "interrupt-prompt: Press", steps: "programs console power_off pre_os_command power_on hard_reset output prompt",
			says: `never showed "Press any key to stop autoboot" (constants.u-boot.interrupt-prompt)`, saw: "Hit any key", calls: "off os on boot off"},
		{name: "the prompt is spelled otherwise", old: "'=> '", new: "'U-Boot> '", steps: "programs console power_off pre_os_command power_on hard_reset output prompt",
			says: `never asked with "U-Boot> "`, saw: "got x", calls: "off os on boot off"},
		{name: "nothing to wait for", old: "{u-boot: {interrupt", new: "{uboot: {interrupt", steps: "programs console power_off pre_os_command power_on hard_reset output prompt",
			says: `never showed "=> " (actions.boot.methods.u-boot.parameters.bootloader_prompt)`, saw: "Hit any key", calls: "off os on boot off"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dictionary := whole
			if tt.old != "" {
				if dictionary = strings.Replace(whole, tt.old, tt.new, 1); dictionary == whole {
					t.Fatalf("the dictionary has no %q", tt.old)
				}
			}
			b := newBench(t, dictionary)
			patience := hands.Patience{Prompt: time.Minute, Silence: time.Minute, Prompts: tt.prompts}
			if tt.new != "" { // what is waited for in vain
				patience.Prompt = 15 * time.Second // what does come has to have come by then
			}
			if strings.Contains(tt.name, "silent") {
				patience.Silence = 500 * time.Millisecond
			}
			var names []string
			var last hands.Step
			err := hands.Check(t.Context(), b.Board, patience, func(s hands.Step) {
				names, last = append(names, s.Name), s
			})
			bad := tt.new != ""
			if (err != nil) != bad || last.OK == bad {
				t.Errorf("the check ended with %v and %+v, want a failure: %v", err, last, bad)
			}
			if got := strings.Join(names, " "); got != tt.steps {
				t.Errorf("steps %q, want %q: %+v", got, tt.steps, last)
			}
			if says := strings.ReplaceAll(tt.says, "@DIR@", b.dir); !strings.Contains(last.Says, says) || !strings.Contains(last.Saw, tt.saw) || bad && last.Hint == "" && tt.saw != "" {
				t.Errorf("the last step says %q and saw %q (%s), want %q and %q", last.Says, last.Saw, last.Hint, says, tt.saw)
			}
			if got := b.calls(t); got != tt.calls {
				t.Errorf("the power switch was asked for %q, want %q", got, tt.calls)
			}
		})
	}
}

// Power runs the command of the dictionary and says what it printed; what the dictionary lacks is named.
func TestPower(t *testing.T) {
	t.Parallel()
	tests := []struct {
		do                hands.Switch
		dictionary, calls string
		says              string // of the error; empty for none
		told              string
	}{
		{do: hands.Off, dictionary: whole, calls: "off", told: "Returned 0"},
		{do: hands.On, dictionary: whole, calls: "on", told: "Calling: "},
		{do: hands.Reset, dictionary: whole, calls: "boot"},
		{do: hands.Reset, dictionary: "commands: {hard_reset: ['@DIR@/relay stuck', '@DIR@/relay on']}", calls: "stuck",
			says: "it said 'the switch does not answer'", told: ">> the switch does not answer"},
		{do: hands.Off, dictionary: "commands: {power_on: '@DIR@/relay on'}", says: "no commands.power_off: it has power_on"},
		{do: hands.Off, dictionary: "{}", says: "it has no commands at all"},
		{do: "up", dictionary: whole, says: `power is "up", allowed are on, off, reset`},
	}
	for _, tt := range tests {
		t.Run(string(tt.do)+" "+tt.says, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tt.dictionary)
			err := hands.Power(t.Context(), b.Board, tt.do)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
			if got := b.calls(t); got != tt.calls {
				t.Errorf("calls %q, want %q", got, tt.calls)
			}
			if !slices.ContainsFunc(b.told, func(line string) bool { return strings.Contains(line, tt.told) }) && tt.told != "" {
				t.Errorf("told %q, want %q among it", b.told, tt.told)
			}
		})
	}
}

// A person's terminal shows what the console says, and the console gets what is typed.
func TestConsole(t *testing.T) {
	t.Parallel()
	b := newBench(t, whole)
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("too late"))
	defer cancel()
	over := errors.New("seen enough")
	var shown strings.Builder
	typed := make(chan string, 1)
	err := hands.Console(ctx, b.Board, "", typed, func(text []byte) error {
		shown.Write(text)
		switch {
		case strings.Contains(shown.String(), "got hello"):
			return over
		case strings.Contains(shown.String(), "connected") && cap(typed) > len(typed) && !strings.Contains(shown.String(), "hello"):
			typed <- "hello\n"
		}
		return nil
	})
	if !errors.Is(err, over) {
		t.Errorf("the console ended with %v after %q", err, shown.String())
	}
	ended := newBench(t, "commands: {connections: {uart0: {connect: 'echo not here'}}}")
	if err := hands.Console(ctx, ended.Board, "uart0", nil, func([]byte) error { return nil }); !errors.Is(err, connection.ErrClosed) {
		t.Errorf("a console command that ends gives %v", err)
	}
	if err := hands.Console(ctx, ended.Board, "uart1", nil, nil); err == nil || !strings.Contains(err.Error(), "no commands.connections.uart1.connect") {
		t.Errorf("a connection that is not there gives %v", err)
	}
}

// TestMain lets scripts be programs of the tests.
func TestMain(m *testing.M) { dispatchertest.Main(m) }
