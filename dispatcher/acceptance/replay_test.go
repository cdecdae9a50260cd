package acceptance

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// recorded are consoles that show a kernel that fails. At the login kinds are those of the table that
// users know; in a test each line counts for itself, so that there may be more.
var recorded = []struct {
	file   string
	kinds  []string // of the findings in the result of the login
	fatal  string   // what the job's error says, "" for a login that goes on
	inTest []string // kinds that are named in the log of a test, without doubles
}{
	{"kernel-panic", []string{"panic"}, "Kernel panic - not syncing: labcrash: panic on purpose", []string{"panic"}},
	{"kernel-panic-sysrq", []string{"panic"}, "Kernel panic - not syncing: sysrq triggered crash", []string{"panic"}},
	{"kernel-panic-reboot", []string{"panic"}, "Kernel panic - not syncing", []string{"panic"}},
	{"kernel-panic-on-oops", []string{"bug", "oops", "panic"}, "Fatal exception", []string{"bug", "oops", "panic"}},
	{"kernel-oops", []string{"bug", "oops"}, "", []string{"bug", "oops"}},
	{"kernel-quiet-oops", []string{"bug", "oops"}, "", []string{"bug", "oops"}},
	{"kernel-bug", []string{"bug"}, "", []string{"bug", "invalid opcode"}},
	{"kernel-list-corruption", []string{"bug"}, "", []string{"list corruption", "bug", "invalid opcode"}},
	{"kernel-warn", []string{"warning"}, "", []string{"warning"}},
	{"kernel-quiet-warn", nil, "", nil}, // it prints nothing
	{"kernel-stack-overflow", []string{"bug", "panic"}, "Fatal exception in interrupt", []string{"bug", "panic"}},
	{"kernel-softlockup", []string{"bug", "bug", "bug"}, "", []string{"bug"}},
	{"kernel-softlockup-panic", []string{"bug", "panic"}, "softlockup: hung tasks", []string{"bug", "panic"}},
	{"kernel-hung-task", nil, "", []string{"hung task"}},
	{"kernel-hung-panic", []string{"panic"}, "hung_task: blocked tasks", []string{"hung task", "panic"}},
	{"kernel-rcu-stall", nil, "", []string{"rcu stall"}},
	{"kernel-hardlockup", nil, "", nil}, // it prints nothing
	{"kernel-vfs-panic", []string{"panic"}, "VFS: Unable to mount root fs", []string{"panic"}},
	{"kernel-vfs-panic-reboot", []string{"panic"}, "Kernel panic - not syncing", []string{"panic"}},
	{"kernel-no-init", []string{"panic"}, "VFS: Unable to mount root fs", []string{"panic"}},
	{"kernel-init-exit", []string{"panic"}, "Attempted to kill init! exitcode=0x00000700", []string{"panic"}},
	{"kernel-early-death", []string{"panic"}, "System is deadlocked on memory", []string{"panic"}},
	{"kernel-oom-panic", []string{"panic"}, "compulsory panic_on_oom is enabled", []string{"panic"}},
	{"guest-oom-kill", nil, "", []string{"out of memory"}},
	{"kernel-reboot-loop", []string{"panic"}, "Kernel panic - not syncing", []string{"panic"}},
	{"guest-reset-in-test", nil, "", nil},
	{"kernel-hang-in-userspace", nil, "", nil},
	{"arm64-panic-sysrq", []string{"panic"}, "sysrq triggered crash", []string{"panic"}},
	{"arm64-oops", []string{"oops"}, "", []string{"oops"}},
	{"arm64-bug", []string{"oops", "warning"}, "", []string{"bug", "oops", "warning"}},
	{"arm64-warn", []string{"warning"}, "", []string{"warning"}},
	{"arm64-stack-overflow", []string{"panic"}, "kernel stack overflow", []string{"panic"}},
	{"armhf-panic-sysrq", []string{"panic"}, "sysrq triggered crash", []string{"panic"}},
	{"riscv64-panic-sysrq", []string{"panic"}, "sysrq triggered crash", []string{"panic"}},
	{"uboot-x86-vfs-panic", []string{"panic"}, "Kernel panic - not syncing", []string{"panic"}},
	{"uboot-arm64-wrong-dtb-earlycon", []string{"panic"}, "Kernel panic - not syncing", []string{"panic"}},
	{"orangepi-rcu-stall", []string{"DUT_has_reset"}, "U-Boot SPL 2023.01", []string{"rcu stall", "bug"}}, // its first line is a boot loader's
}

// Every recorded crash is found at the login, with its kind and its text, and ends the job if the kernel
// cannot go on.
func TestRecordedCrashesAtLogin(t *testing.T) {
	corpus := dispatchertest.Corpus(t, "consoles")
	for _, r := range recorded {
		t.Run(r.file, func(t *testing.T) {
			t.Parallel()
			got := run(t, consoleJob(t, "print Linux version 6.1\nfile "+filepath.Join(corpus, "consoles", r.file+".log")+
				"\nprint \nprompt the-end-of-it: \nwait ^$\nprompt the-end-of-it: \n", ""))
			if kinds := got.findings(t, "kernel-messages"); !slices.Equal(kinds, r.kinds) {
				t.Errorf("findings: %q, want %q", kinds, r.kinds)
			}
			if r.fatal == "" {
				got.wantComplete(t)
			} else {
				got.wantError(t, events.JobError, r.fatal)
			}
		})
	}
}

// The same is named in the log when it comes in the middle of a test, with what the kernel says. It ends no test by itself.
func TestRecordedCrashesInTest(t *testing.T) {
	corpus := dispatchertest.Corpus(t, "consoles")
	for _, r := range recorded {
		t.Run(r.file, func(t *testing.T) {
			t.Parallel()
			got := run(t, consoleJob(t, playInShell("file "+filepath.Join(corpus, "consoles", r.file+".log"), "print ",
				"print <LAVA_TEST_RUNNER EXIT>"), smoke))
			got.wantComplete(t)
			kinds, evidence := got.named(t, "lava-test-shell")
			if r.file == "guest-reset-in-test" && !slices.Contains(kinds, "DUT_has_reset") {
				t.Error("nobody noticed that the device has started again")
			}
			kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "DUT_has_reset" }) // recordings begin with a start
			if !slices.Equal(kinds, r.inTest) {
				t.Errorf("kinds: %q with %q, want %q", kinds, evidence, r.inTest)
			}
			for i, line := range evidence {
				if strings.TrimSpace(line) == "" {
					t.Errorf("no evidence for finding %d", i)
				}
			}
		})
	}
}

// A machine that is gone after a panic in a test was ended by the job, and not by the lab.
func TestPanicInTestEndsMachine(t *testing.T) {
	t.Parallel()
	corpus := dispatchertest.Corpus(t, "consoles")
	got := run(t, consoleJob(t, playInShell("file "+filepath.Join(corpus, "consoles/kernel-panic-sysrq.log")), smoke))
	got.wantError(t, events.JobError, "Connection closed after: Kernel panic - not syncing: sysrq triggered crash")
	if kinds := got.findings(t, "lava-test-shell"); !slices.Contains(kinds, "panic") {
		t.Errorf("findings of the test: %q, want the panic", kinds)
	}
}

// smoke is a test block.
const smoke = `
- test:
    definitions:
    - from: inline
      name: smoke
      path: inline/smoke.yaml
      repository:
        metadata: {format: Lava-Test Test Definition 1.0, name: smoke}
        run: {steps: [lava-test-case crash --result pass]}
`

// playInShell is the script of a console that boots, logs in, starts the tests and then plays lines.
func playInShell(lines ...string) string {
	return strings.Join(append([]string{
		"print Linux version 6.1", "prompt the-end-of-it: ",
		"wait ^$", "prompt the-end-of-it: ",
		"wait ^#", "prompt the-end-of-it: ",
		"wait ^export SHELL=", "prompt the-end-of-it: ",
		"wait environment", "print <LAVA_SIGNAL_RETRUNCODE 0>", "prompt the-end-of-it: ",
		"wait lava-test-runner",
	}, lines...), "\n") + "\n"
}

// findings returns the kinds of what a step's result lists.
func (o outcome) findings(t *testing.T, step string) (kinds []string) {
	t.Helper()
	extra, _ := o.result(t, step)["extra"].(map[string]any)
	list, _ := extra["extra"].([]any)
	for _, item := range list {
		f, _ := item.(map[string]any)
		kind, _ := f["kind"].(string)
		if message, _ := f["message"].(string); strings.TrimSpace(message) == "" {
			t.Errorf("a finding of kind %q without its text", kind)
		}
		kinds = append(kinds, kind)
	}
	return kinds
}

// consoleJob logs in at a console that plays a script, and runs a test there where steps has its part
// of the job.
func consoleJob(t *testing.T, script, steps string) job {
	t.Helper()
	return job{
		definition: text(t, "testdata/console-job.yaml") + steps,
		device:     text(t, "testdata/console-device.yaml"),
		values:     map[string]string{"CONSOLE": dispatchertest.Console(t, script)},
	}
}

// named returns the kinds of findings that a step's lines in the log name, without doubles, and what
// the kernel said of the first of each.
func (o outcome) named(t *testing.T, step string) (kinds, evidence []string) {
	t.Helper()
	for _, r := range o.log {
		var line string
		if json.Unmarshal(r.Message, &line) != nil {
			continue
		}
		rest, ok := strings.CutPrefix(line, step+" kernel '")
		kind, said, _ := strings.Cut(rest, "': ")
		if ok && !slices.Contains(kinds, kind) {
			kinds, evidence = append(kinds, kind), append(evidence, said)
		}
	}
	return kinds, evidence
}
