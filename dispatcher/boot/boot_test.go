package boot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/output"
	"strata/events"
)

func TestMain(m *testing.M) { dispatchertest.Main(m) }

// The kernel's reports on recorded consoles are found, with their kind and their text.
func TestKernelReports(t *testing.T) {
	shared := sharedDir(t)
	const (
		panicked = "Kernel panic - not syncing"
		fine     = ""
	)
	many := make([]string, 134)
	tests := []struct {
		file  string
		kinds []string // of the findings; an empty text stands for any
		fails string   // what the error begins with after its time stamp; "" for a login that passes
	}{
		{"corpus/kernel-consoles/kernel-1.txt", nil, fine},
		{"corpus/kernel-consoles/kernel-4.txt", []string{"oops", "panic"}, panicked},
		{"corpus/kernel-consoles/kernel-kasan.txt", []string{"kasan"}, fine},
		{"corpus/kernel-consoles/kernel-oops.txt", []string{"oops"}, fine},
		{"corpus/kernel-consoles/kernel-many-errors.txt", []string{"oops", "bug", "oops", "bug"}, fine},
		{"corpus/kernel-consoles/kernel-lkft.txt", many, fine},
		{"corpus/kernel-consoles/kernel-panic.txt", []string{"panic"}, panicked},
		{"consoles/kernel-warn.log", []string{"warning"}, fine},
		{"consoles/kernel-bug.log", []string{"bug"}, fine},
		{"consoles/kernel-list-corruption.log", []string{"bug"}, fine},
		{"consoles/kernel-oops.log", []string{"bug", "oops"}, fine},
		{"consoles/kernel-softlockup.log", []string{"bug", "bug", "bug"}, fine},
		{"consoles/kernel-panic.log", []string{"panic"}, panicked},
		{"consoles/kernel-panic-sysrq.log", []string{"panic"}, panicked},
		{"consoles/kernel-panic-on-oops.log", []string{"bug", "oops", "panic"}, panicked},
		{"consoles/kernel-panic-reboot.log", []string{"panic"}, panicked}, // its end never comes
		{"consoles/kernel-vfs-panic.log", []string{"panic"}, panicked},
		{"consoles/kernel-init-exit.log", []string{"panic"}, panicked},
		{"consoles/arm64-bug.log", []string{"oops", "warning"}, fine},
		{"consoles/arm64-oops.log", []string{"oops"}, fine},
		{"consoles/arm64-warn.log", []string{"warning"}, fine},
		{"consoles/arm64-stack-overflow.log", []string{"panic"}, panicked},
		{"consoles/armhf-panic-sysrq.log", []string{"panic"}, panicked},
		{"consoles/kernel-hung-task.log", nil, fine},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			t.Parallel()
			script := "print Linux version 6.1\nfile " + filepath.Join(shared, tt.file) + "\nprint \nprompt the-end-of-it: \nhang\n"
			log, verdict := run(t, script, "prompts: ['the-end-of-it: ']")
			kinds := findingsOf(t, log)
			if len(kinds) != len(tt.kinds) || tt.file != "corpus/kernel-consoles/kernel-lkft.txt" && !slices.Equal(kinds, tt.kinds) {
				t.Errorf("findings: %d %q, want %d %q", len(kinds), kinds, len(tt.kinds), tt.kinds)
			}
			if tt.fails == "" && verdict.Health != events.Complete {
				t.Errorf("verdict: %+v, want Complete", verdict)
			}
			if tt.file == "consoles/kernel-panic-reboot.log" && verdict.Error != tt.fails {
				t.Errorf("error of a panic without an end: %q, want %q and no more", verdict.Error, tt.fails)
			}
			if tt.fails != "" && (verdict.ErrorType != events.JobError || !strings.Contains(verdict.Error, tt.fails)) {
				t.Errorf("verdict: %+v, want a JobError with %q", verdict, tt.fails)
			}
		})
	}
}

// A kernel that reports without end is listened to, and the result lists a part.
func TestEndlessReports(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "console")
	if err := os.WriteFile(file, []byte(strings.Repeat("[ 1.0] Unhandled fault at 0\r\n", 1500)), 0o644); err != nil {
		t.Fatal(err)
	}
	log, verdict := run(t, "print Linux version 6.1\nfile "+file+"\nprint \nprompt the-end-of-it: \nhang\n", "prompts: ['the-end-of-it: ']")
	if verdict.Health != events.Complete {
		t.Errorf("verdict: %+v, want Complete", verdict)
	}
	if kinds := findingsOf(t, log); len(kinds) != 200 {
		t.Errorf("%d findings in the result, want the first 200", len(kinds))
	}
}

func TestLogin(t *testing.T) {
	const login = "auto_login: {login_prompt: 'login:', username: root, password_prompt: 'Password:', password: pw, login_commands: ['sudo su', id]}"
	tests := []struct {
		name, script, block string
		errorType           events.ErrorType
		says                string // in the error, or typed where there is none
	}{
		{"name and password", "print Linux version 6\nprompt board login: \nwait root\nprompt Password: \nwait pw\n" +
			"prompt sh# \nwait sudo su\nprompt sh# \nwait id\nprompt sh# \nhang", "prompts: ['sh# ']\n    " + login, "", "sudo su"},
		{"a command without an end", "print Linux version 6\nprompt board login: \nwait root\nprompt Password: \nwait pw\n" +
			"prompt sh# \nwait sudo su\nhang", "prompts: ['sh# ']\n    " + login, events.JobError, "wait for prompt timed out"},
		{"login incorrect", "print Linux version 6\nprompt board login: \nwait root\nprompt Password: \nwait pw\nprint Login incorrect\nhang",
			"prompts: ['sh# ']\n    " + login, events.JobError, "Login incorrect"},
		{"no password prompt", "print Linux version 6\nprompt board login: \nwait root\nprint Login timed out after 60 seconds\nhang",
			"prompts: ['sh# ']\n    " + login, events.JobError, "Password prompt not matched"},
		{"prompt as a text", "print Linux version 6\nprompt sh# \nhang", "prompts: 'sh# '", "", ""},
		{"failure message", "print Linux version 6\nprint FATAL: no disk 7\nhang",
			"prompts: ['sh# ']\n    failure_message: 'FATAL: .* \\d'", events.JobError, "Matched job-specific failure message: 'FATAL: no disk 7'"},
		{"kernel messages ignored", "print Linux version 6\nprint BUG: bad thing\nprompt sh# \nhang",
			"prompts: ['sh# ']\n    ignore_kernel_messages: true", "", ""},
		{"another first line", "print hello from grub\nprompt sh# \nhang",
			"prompts: ['sh# ']\n    parameters: {kernel-start-message: 'hello .*grub'}", "", ""},
		{"no first line wanted", "prompt sh# \nhang", "prompts: ['sh# ']\n    parameters: {kernel-start-message: ''}", "", ""},
		{"console closed", "print Linux version 6\n", "prompts: ['sh# ']", events.InfrastructureError, "Connection closed"},
		{"bad pattern", "print Linux version 6\nhang", "prompts: ['(sh']", events.TestError, "Invalid regular expression '(sh'"},
		{"device started again", "print Linux version 6\nprint U-Boot SPL 2023.01 (x)\nhang", "prompts: ['sh# ']", events.JobError, "U-Boot SPL 2023.01 (x)"},
		{"no prompts", "hang", "timeout: {minutes: 1}", "", ""},
		{"empty prompts", "hang", "prompts: []", events.JobError, "Value for 'prompts' cannot be empty"},
		{"an empty prompt", "hang", "prompts: ['']", events.JobError, "Items of 'prompts' can't be empty"},
		{"no user name", "hang", "prompts: ['sh# ']\n    auto_login: {login_prompt: 'login:'}", events.JobError, "'username' is mandatory for auto_login"},
		{"empty login prompt", "hang", "prompts: ['sh# ']\n    auto_login: {login_prompt: '', username: u}", events.JobError, "Value for 'login_prompt' cannot be empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := job(t, tt.script, tt.block, "hard_reset: /bin/true, power_off: /bin/true")
			if !strings.Contains(tt.says, "wait for prompt timed out") { // what comes in the end may take long on a busy machine
				j.Definition = bytes.Replace(j.Definition, []byte("connection: {seconds: 2}"), []byte("connection: {minutes: 1}"), 1)
			}
			log, verdict := runJob(t, j)
			if verdict.ErrorType != tt.errorType {
				t.Fatalf("verdict: %+v, want error type %q", verdict, tt.errorType)
			}
			if tt.errorType != "" && !strings.Contains(verdict.Error, tt.says) {
				t.Errorf("error: %q, want %q in it", verdict.Error, tt.says)
			}
			if tt.errorType == "" && tt.says != "" && !slices.Contains(texts(log, events.Input), tt.says) {
				t.Errorf("typed: %q, want %q among it", texts(log, events.Input), tt.says)
			}
		})
	}
}

// A prompt that kernel messages cut in two is asked for again.
func TestForcedPrompt(t *testing.T) {
	t.Parallel()
	log, verdict := run(t, "print Linux version 6\nprompt sh[   12.3] usb 1-1: new device# \nwait ^#$\nprompt sh# \nhang",
		"prompts: ['sh# ']\n    timeout: {seconds: 4}")
	if verdict.Health != events.Complete {
		t.Errorf("verdict: %+v, want Complete", verdict)
	}
	if typed := texts(log, events.Input); len(typed) == 0 || typed[0] != "#" {
		t.Errorf("typed: %q, want the check character", typed)
	}
}

func TestSoftReboot(t *testing.T) {
	t.Parallel()
	script := "wait ^restart now$\nprint The system is going down for reboot NOW\nprint Linux version 6\nprompt sh# \nhang"
	log, verdict := runOn(t, script, "prompts: ['sh# ']\n    soft_reboot: [restart now]", "")
	if verdict.Health != events.Complete {
		t.Errorf("verdict: %+v, want Complete", verdict)
	}
	if got := texts(log, events.Debug); !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "start: 1.2.1 send-reboot-commands") }) {
		t.Errorf("the device without hard_reset was not rebooted over its console")
	}
}

// A canceled job ends at once, says why, and its device is switched off.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	marker := filepath.Join(t.TempDir(), "off")
	j := job(t, "print Linux version 6\nhang", "prompts: ['sh# ']", "hard_reset: /bin/true, power_off: touch "+marker)
	var log []events.Record
	j.Log = output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		log = append(log, r)
		if strings.Contains(string(r.Message), "Parsing kernel messages") {
			cancel()
		}
		return nil
	}})
	verdict := dispatcher.Run(ctx, j)
	if verdict.Health != events.Canceled || verdict.ErrorType != events.CanceledError || verdict.Error != "The job was canceled" {
		t.Errorf("verdict: %+v, want Canceled: The job was canceled", verdict)
	}
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("the device was not switched off: %v", err)
	}
}

const device = `
hostname: board01
devicetype: board
constants:
  posix: {lava_test_sh_cmd: /bin/sh, lava_test_results_dir: /lava-%%s, lava_test_shell_file: ~/.bashrc}
  shutdown-message: 'The system is going down for reboot NOW'
  kernel-start-message: 'Linux version [0-9]'
  default-shell-prompt: 'lava-test: # '
  spawn_maxread: '4092'
  failure_retry: 1
  boot_retry:
commands: {connect: '%s', %s}
parameters: {}
actions:
  deploy: {methods: {}, connections: {serial: }}
  boot: {connections: {serial: }, methods: {minimal: }}
timeouts: {actions: {}, connections: {}}
`

func job(t *testing.T, script, block, power string) dispatcher.Job {
	t.Helper()
	return dispatcher.Job{
		ID: "7", Now: time.Now, Dir: filepath.Join(t.TempDir(), "7"), Env: os.Environ(),
		Definition: []byte("timeouts: {job: {minutes: 5}, action: {minutes: 1}, connection: {seconds: 2}}\n" +
			"actions:\n- boot:\n    method: minimal\n    " + block + "\n"),
		Device: fmt.Appendf(nil, device, dispatchertest.Console(t, script), power),
	}
}

func run(t *testing.T, script, block string) ([]events.Record, dispatcher.Verdict) {
	t.Helper()
	return runOn(t, script, block, "hard_reset: /bin/true, power_off: /bin/true")
}

func runOn(t *testing.T, script, block, power string) ([]events.Record, dispatcher.Verdict) {
	t.Helper()
	return runJob(t, job(t, script, block, power))
}

func runJob(t *testing.T, j dispatcher.Job) ([]events.Record, dispatcher.Verdict) {
	t.Helper()
	var log []events.Record
	j.Log = output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		log = append(log, r)
		return nil
	}})
	return log, dispatcher.Run(t.Context(), j)
}

// findingsOf returns the kinds of the findings in the result kernel-messages.
func findingsOf(t *testing.T, log []events.Record) []string {
	t.Helper()
	var kinds []string
	for _, r := range log {
		var m struct {
			Case  string
			Extra struct {
				Extra []struct{ Kind, Message string }
			}
		}
		if r.Level != events.Results || json.Unmarshal(r.Message, &m) != nil || m.Case != "kernel-messages" {
			continue
		}
		for _, f := range m.Extra.Extra {
			kinds = append(kinds, f.Kind)
			if f.Kind == "panic" && !strings.Contains(f.Message, "not syncing: ") {
				t.Errorf("text of a panic: %q, want the reason in it", f.Message)
			}
			if strings.HasSuffix(f.Message, "\r") || f.Message == "" {
				t.Errorf("text of a finding: %q", f.Message)
			}
		}
	}
	return kinds
}

func texts(log []events.Record, level events.Level) []string {
	var out []string
	for _, r := range log {
		var text string
		if r.Level == level && json.Unmarshal(r.Message, &text) == nil {
			out = append(out, text)
		}
	}
	return out
}

// sharedDir returns the folder of recorded data, or skips the test.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("STRATA_CORPUS")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for root != "/" {
			if _, err := os.Stat(filepath.Join(root, "go.work")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared")
	}
	if _, err := os.Stat(filepath.Join(dir, "corpus")); err != nil {
		t.Skipf("SKIPPED: no recorded data in %s; set STRATA_CORPUS", dir)
	}
	return dir
}
