package acceptance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// atLoader stops a board at its U-Boot and types there.
const atLoader = `
job_name: at the boot loader
device_type: vboard
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 2}, connection: {minutes: 1}, actions: {bootloader-interrupt: {seconds: @PATIENCE@}}}
actions:
- boot: {method: bootloader, bootloader: u-boot, commands: [], prompts: ['=> ']}
- test:
    timeout: {seconds: @PATIENCE@}
    interactive:
    - name: console
      prompts: ['=> ']
      script:
      - {name: version, command: version, successes: [{message: 'U-Boot 20\d\d\.\d\d'}]}
      - {name: line, command: 'echo @LINE@', successes: [{message: '\n@LINE@\r'}]}
      - {name: wait, command: sleep @SLEEP@}
`

// What a board does wrong while it is at its boot loader: the job ends with the right class of error,
// within the time it was given, keeps what was tested before, and leaves the board without power.
func TestBoardAtItsLoader(t *testing.T) {
	t.Parallel()
	const (
		// Longer than the board's input buffer of 16 characters, which is emptied slowly.
		long = "0123456789012345678901234567890123456789"
		both = "version:pass line:pass"
	)
	tests := []struct {
		name        string
		fault, then []string // from the beginning, and once the board sleeps
		line, delay string
		slow        int // characters a second that the board takes
		patience    string
		class       events.ErrorType
		says, cases string // the error's text, or one of the log's; the results
	}{
		{name: "no fault", says: "U-Boot 20", cases: both + " wait:pass"},
		{name: "the line is dead", fault: []string{"mute"}, patience: "4", class: events.InfrastructureError,
			says: "bootloader-interrupt timed out after"},
		{name: "every third character is lost", fault: []string{"lose", "3"}, patience: "4", class: events.InfrastructureError,
			says: "bootloader-interrupt timed out after"},
		{name: "the power switch is stuck", fault: []string{"stuck"}, class: events.InfrastructureError, says: "Unable to reboot: "},
		{name: "the power switch sticks later", then: []string{"stuck"}, says: "power switch does not answer", cases: both + " wait:pass"},
		{name: "the console is dropped", then: []string{"cut"}, class: events.InfrastructureError, says: "Connection closed", cases: both},
		{name: "the board hangs", then: []string{"freeze"}, patience: "8", class: events.TestError,
			says: "lava-test-interactive timed out after", cases: both},
		{name: "noise", then: []string{"inject", `\x00\xff\xfe noise \r\n`}, says: "\ufffd noise ", cases: both + " wait:pass"},
		{name: "a slow board loses what is typed", line: long, slow: 20, patience: "8", class: events.TestError,
			says: "lava-test-interactive timed out after", cases: "version:pass"},
		{name: "a slow board is typed at slowly", line: long, slow: 2000, delay: "40", says: "with 40 millisecond of delay", cases: both + " wait:pass"},
	}
	boards := map[string]virtualBoard{}
	for i, tt := range tests {
		b := virtualUBoot(t)
		b.In = tt.slow
		boards[fmt.Sprint("b", i)] = b
	}
	r := newRack(t, boards)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprint("b", i)
			values := r.values(name)
			values["LINE"], values["PATIENCE"] = cmp.Or(tt.line, "as-it-should"), cmp.Or(tt.patience, "60")
			values["DELAY"], values["SLEEP"] = cmp.Or(tt.delay, "0"), "2"
			if tt.then != nil && tt.class != "" {
				values["SLEEP"] = "1000"
			}
			if tt.fault != nil {
				r.do(t, append([]string{"fault", name}, tt.fault...)...)
			}
			if tt.then != nil {
				r.when(t, name, "sleep", append([]string{"fault", name}, tt.then...)...)
			}
			got := run(t, job{definition: atLoader, device: text(t, "testdata/vboard-device.yaml"), values: values})
			if tt.class == "" {
				got.wantComplete(t)
			} else {
				got.wantError(t, tt.class, tt.says)
			}
			got.wantText(t, tt.says)
			if cases := got.cases(t, "0_console"); cases != tt.cases {
				t.Errorf("the cases are %q, want %q\n%s", cases, tt.cases, got.text())
			}
			if status := r.do(t, "status", name); (status == "off") != !strings.Contains(tt.name, "switch sticks later") {
				t.Errorf("the board is %s in the end", status)
			}
		})
	}
}

// inShell boots a board to its shell, fetches the tests over its network and runs them.
const inShell = `
job_name: in a shell
device_type: vboard
visibility: public
timeouts: {job: {minutes: 10}, action: {minutes: 4}, connection: {minutes: 2}}
actions:
- deploy: {to: overlay, os: oe}
- boot:
    method: minimal
    prompts: ['/ # ']
    failure_retry: 2
    transfer_overlay: {download_command: cd /tmp; wget, unpack_command: tar -C / -xzf}
- test:
    timeout: {seconds: @PATIENCE@}
    definitions:
    - from: inline
      name: smoke
      path: smoke.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke}
        run:
          steps:
          - lava-test-case before --shell true
          - echo now @SLEEP@; sleep @SLEEP@
          - for i in 1 2 3 4 5 6 7 8 9; do lava-test-case number-$i --result pass --measurement $i --units pieces; done
          - sleep @SLEEP@
          - lava-test-case after --shell true
`

// What a board does wrong while it boots a system and runs tests in its shell.
func TestBoardInItsShell(t *testing.T) {
	t.Parallel()
	const all = "after:pass before:pass number-1:pass number-2:pass number-3:pass number-4:pass number-5:pass number-6:pass " +
		"number-7:pass number-8:pass number-9:pass"
	tests := []struct {
		name, at    string   // what the board prints
		then        []string // when it has
		over        string   // what it prints when no more characters are lost
		slow        bool     // the board's line: 115200 baud, and an input buffer of 16 characters
		rest        bool     // for `make test-all`
		patience    string   // in seconds, of the tests
		class       events.ErrorType
		says, cases string
	}{
		{name: "the console is dropped at boot", at: "Linux version", then: []string{"cut"}, says: "Retrying: 2 minimal-boot", cases: all},
		{name: "the console is dropped in a test", at: "now 1000", then: []string{"cut"}, class: events.InfrastructureError, says: "Connection closed",
			cases: "before:pass"},
		{name: "the board hangs in a test", at: "now 1000", then: []string{"freeze"}, patience: "16", class: events.TestError,
			says: "lava-test-shell timed out after", cases: "before:pass"},
		{name: "a flood", rest: true, at: "now 3", then: []string{"flood", "2000"}, says: "noise line 2000 of 2000", cases: all},
		// Until one of the lines about the last number is whole.
		{name: "characters are lost", at: "now 3", then: []string{"lose", "331"}, over: "number-9", says: "read from the device", cases: all},
		{name: "a slow line", rest: true, slow: true, says: "with 30 millisecond of delay", cases: all},
	}
	boards := map[string]virtualBoard{}
	for i, tt := range tests {
		b := virtualLinux(t)
		if tt.slow {
			b.Out, b.In = 11520, 2000
		}
		boards[fmt.Sprint("b", i)] = b
	}
	r := newRack(t, boards)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.rest {
				dispatchertest.Slow(t)
			}
			name := fmt.Sprint("b", i)
			values := r.values(name)
			values["PATIENCE"], values["SLEEP"] = cmp.Or(tt.patience, "120"), "1"
			if tt.slow {
				values["DELAY"] = "30"
			}
			if _, seconds, ok := strings.Cut(tt.at, "now "); ok {
				values["SLEEP"] = seconds
			}
			if tt.then != nil {
				r.when(t, name, tt.at, append([]string{"fault", name}, tt.then...)...)
			}
			if tt.over != "" {
				r.when(t, name, tt.over, "fault", name, "lose", "0")
			}
			got := run(t, job{definition: inShell, device: text(t, "testdata/vboard-device.yaml"), values: values,
				dispatcher: "{}", web: "127.0.0.1:0"})
			if tt.class == "" {
				got.wantComplete(t)
			} else {
				got.wantError(t, tt.class, tt.says)
			}
			got.wantText(t, tt.says)
			cases := strings.Fields(got.cases(t, "0_smoke"))
			slices.Sort(cases) // those that were read from the device come last
			if cases := strings.Join(cases, " "); cases != tt.cases {
				t.Errorf("the cases are %q, want %q\n%s", cases, tt.cases, got.text())
			}
			if status := r.do(t, "status", name); status != "off" {
				t.Errorf("the board is %s in the end", status)
			}
		})
	}
}
