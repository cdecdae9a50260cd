package dispatcher

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { dispatchertest.Main(m) }

// A plan prints as text, and stays as it is.
func TestPlanText(t *testing.T) {
	j := qemuJob(t, "/assets", "", "failure_retry: 2", "overlays: {lava: true}\n        format: cpio.newc")
	j.Log, j.Now = discard(), time.Now
	plan, err := Plan(j)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/qemu-plan.txt"
	got := plan.Describe().Text()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(mustRead(t, golden)); got != want {
		t.Errorf("plan:\n%s\nwant:\n%s", got, want)
	}
}

func TestBadInputEndsTheJob(t *testing.T) {
	const device = "constants: {failure_retry: 1}\nactions: {deploy: {methods: {image: }}, boot: {methods: {minimal: }}}\n"
	tests := []struct {
		name, definition, device string
		errorType                events.ErrorType
		says                     string
	}{
		{"broken definition", "actions: [", device, events.JobError, "parse job definition: "},
		{"no actions", "job_name: x", device, events.JobError, "'actions' is missing or is no list"},
		{"broken device", "actions: []", "a: b: c", events.ConfigurationError, "parse device configuration: "},
		{"unknown deployment", "actions:\n- deploy: {to: moon}", device, events.JobError, "unknown method 'moon': allowed are avh, docker, download,"},
		{"misspelt deployment", "actions:\n- deploy: {to: tmpf}", device, events.JobError, "unknown method 'tmpf': did you mean 'tmpfs'? None of the deploy strategies accepted your job: avh: "},
		{"deployment of another device", "actions:\n- deploy: {to: usb}", device, events.JobError, "None of the deploy strategies accepted your job: avh: "},
		{"unknown boot method", "actions:\n- boot: {method: kick}", device, events.JobError, ". None of the boot strategies accepted your job: "},
		{"misspelt boot method", "actions:\n- boot: {method: grub_efi2}", device, events.JobError, "unknown method 'grub_efi2': did you mean 'grub-efi'? None of the boot strategies accepted your job: avh: "},
		{"boot method of another device", "actions:\n- boot: {method: monitor}", device, events.JobError, "None of the boot strategies accepted your job: avh: "},
		{"unknown test", "actions:\n- test: {}", device, events.JobError, "None of the test strategies accepted your job"},
		{"misspelt test", "actions:\n- test: {timeout: {minutes: 1}, definition: []}", device, events.JobError, "unknown method 'definition': did you mean 'definitions'? None of the test strategies accepted your job: docker: "},
		{"protocol of later", "protocols: {lava-lxc: {}}\nactions: []", device, events.JobError, "protocol lava-lxc is not supported"},
		{"group without a lab", "protocols: {lava-multinode: {role: a, target_group: g, group_size: 1}}\nactions: []", device, events.InfrastructureError, "Missing coordinator configuration"},
		{"no serial console", "actions:\n- boot: {method: minimal}", device, events.JobError, "Device not configured to support serial connection."},
		{"no connection program", "actions:\n- boot: {method: minimal}",
			"constants: {failure_retry: 1}\ncommands: {connect: no-such-program x}\nactions: {boot: {connections: {serial: }, methods: {minimal: }}}",
			events.InfrastructureError, "Cannot find command 'no-such-program' in $PATH"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "1")
			log, verdict := runJob(t, Job{ID: "1", Definition: []byte(tt.definition), Device: []byte(tt.device), Dir: dir})
			if verdict.Health != events.Incomplete || verdict.ErrorType != tt.errorType || !strings.Contains(verdict.Error, tt.says) {
				t.Errorf("verdict: %+v, want %s with %q", verdict, tt.errorType, tt.says)
			}
			job := dispatchertest.ResultsOf(t, log)["job"]
			if job["result"] != "fail" || job["error_type"] != string(tt.errorType) || job["error_msg"] != verdict.Error {
				t.Errorf("result of the job: %v, want what the verdict says", job)
			}
		})
	}
}

// The verdict goes further than the log, into facts that are kept for ever.
func TestVerdictHidesSecrets(t *testing.T) {
	t.Parallel()
	_, verdict := runJob(t, Job{
		ID: "1", Definition: []byte("secrets: {TOKEN: hush-hush}\nactions:\n- command: {name: a}"), Dir: filepath.Join(t.TempDir(), "1"),
		Device: []byte("constants: {failure_retry: 1}\ncommands: {users: {a: {do: 'false --token hush-hush'}}}"),
	})
	if !strings.Contains(verdict.Error, "false --token "+output.Masked) || strings.Contains(verdict.Error, "hush-hush") {
		t.Errorf("verdict: %+v, want the secret masked", verdict)
	}
}

// A job whose log cannot be written any more ends at once, by the lab's fault.
func TestLogFull(t *testing.T) {
	t.Parallel()
	n := 0
	log := output.New(output.Settings{Now: time.Now, Write: func(events.Record) error {
		if n++; n > 10 {
			return errors.New("no space left on device")
		}
		return nil
	}})
	verdict := Run(t.Context(), Job{
		ID: "1", Definition: []byte("timeouts: {job: {minutes: 10}}\nactions:\n- command: {name: wait}"),
		Device: []byte("constants: {failure_retry: 1}\ncommands: {users: {wait: {do: 'sh -c \"yes | head -1000; sleep 1000\"'}}}"),
		Dir:    filepath.Join(t.TempDir(), "1"), Log: log, Now: time.Now, Env: os.Environ(),
	})
	if verdict.ErrorType != events.InfrastructureError || !strings.Contains(verdict.Error, "no space left on device") || verdict.Lines != 10 {
		t.Errorf("verdict: %+v, want Infrastructure with the reason, and 10 lines", verdict)
	}
}

// Who asks twice ends the cleanup too.
func TestCancelAgain(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	again := make(chan struct{})
	log := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		switch text := string(r.Message); {
		case strings.Contains(text, "Running user command"):
			cancel(pipeline.CanceledBy{Text: "canceled by alice: wrong image"})
		case strings.Contains(text, "Running cleanup for user command"):
			close(again)
		}
		return nil
	}})
	verdict := Run(ctx, Job{
		ID: "1", Definition: []byte("timeouts: {job: {minutes: 10}}\nactions:\n- command: {name: wait}"),
		Device: []byte("constants: {failure_retry: 1}\ncommands: {users: {wait: {do: sleep 1000, undo: sleep 1000}}}"),
		Dir:    filepath.Join(t.TempDir(), "1"), Log: log, Now: time.Now, Env: os.Environ(), Again: again,
	})
	if verdict.Health != events.Canceled || verdict.Error != againText {
		t.Errorf("verdict: %+v, want Canceled: %s", verdict, againText)
	}
}

// A console that goes on talking at the end of a job is listened to for a time, and the log says so
// once.
func TestFinalizeListensQuietly(t *testing.T) {
	t.Parallel()
	log, verdict := runJob(t, Job{
		ID: "1", Definition: []byte("timeouts: {job: {minutes: 10}}\nactions:\n- boot: {method: minimal, reset: false}"),
		Dir: filepath.Join(t.TempDir(), "1"), Env: os.Environ(),
		Device: []byte("constants: {failure_retry: 1, boot_retry: , default-shell-prompt: x}\n" +
			"commands: {connect: 'sh -c \"while :; do echo drip; sleep 0.05; done\"'}\n" +
			"actions: {boot: {connections: {serial: }, methods: {minimal: }}}"),
	})
	if verdict.Health != events.Complete {
		t.Fatalf("verdict: %+v", verdict)
	}
	text := dispatchertest.TextOf(log)
	if n := strings.Count(text, "Listened to connection for namespace 'common' for up to 1s"); n != 1 {
		t.Errorf("%d lines about listening, want 1:\n%s", n, text)
	}
	if strings.Count(text, "drip") < 3 {
		t.Errorf("what the console said is missing:\n%s", text)
	}
}

// TestEndWaitsForNobody ends a job while a person has its console: the device is switched off all the same.
func TestEndWaitsForNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	taken, off := filepath.Join(dir, "taken"), filepath.Join(dir, "off")
	said := make(chan string, 1000)
	log := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error { said <- string(r.Message); return nil }})
	k := connection.NewKeyboard(log)
	ended := make(chan Verdict, 1)
	go func() {
		ended <- Run(t.Context(), Job{
			ID: "1", Definition: []byte("timeouts: {job: {minutes: 10}}\nactions:\n- boot: {method: minimal, reset: false}\n- command: {name: wait}"),
			Dir: filepath.Join(dir, "1"), Env: os.Environ(), Log: log, Now: time.Now, Keyboard: k,
			Device: []byte("constants: {failure_retry: 1, boot_retry: , default-shell-prompt: x}\n" +
				"commands: {connect: cat, power_off: touch " + off + ", users: {wait: {do: 'sh -c \"while [ ! -e " + taken + " ]; do sleep 0.05; done\"'}}}\n" +
				"actions: {boot: {connections: {serial: }, methods: {minimal: }}}"),
		})
	}()
	text := ""
	for done := false; !done; {
		select {
		case line := <-said:
			text += line + "\n"
			if strings.Contains(line, "Running user command") {
				if err := k.Take("a", "alice"); err != nil {
					t.Error(err)
				}
				if err := os.WriteFile(taken, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		case v := <-ended:
			done = true
			if v.Health != events.Complete {
				t.Errorf("verdict: %+v", v)
			}
		}
	}
	close(said)
	for line := range said {
		text += line + "\n"
	}
	if _, err := os.Stat(off); err != nil || !strings.Contains(text, "the job has its console again: the job ends") {
		t.Errorf("switched off: %v; the log:\n%s", err, text)
	}
}

func TestValidateOnly(t *testing.T) {
	t.Parallel()
	planned := false
	log, verdict := runJob(t, Job{
		ID: "1", Definition: []byte("actions:\n- command: {name: a}"), Dir: filepath.Join(t.TempDir(), "1"),
		Device:       []byte("constants: {failure_retry: 1}\ncommands: {users: {a: {do: /bin/false}}, power_off: /bin/false}"),
		ValidateOnly: true, Planned: func(d pipeline.Description) { planned = len(d.Pipeline) == 2 },
	})
	if verdict.Health != events.Complete || !planned {
		t.Errorf("verdict: %+v, planned %v", verdict, planned)
	}
	if text := dispatchertest.TextOf(log); strings.Contains(text, "Calling: ") {
		t.Errorf("a command ran:\n%s", text)
	}
}

// qemuJob is a job for a kernel in QEMU.
func qemuJob(t *testing.T, assets, command, login, overlay string) Job {
	t.Helper()
	definition := strings.NewReplacer("@ASSETS@", assets, "@APPEND@", command, "@LOGIN@", login, "@OVERLAY@", overlay).
		Replace(string(mustRead(t, "testdata/qemu-job.yaml")))
	return Job{
		ID: "42", Definition: []byte(definition), Device: mustRead(t, "testdata/qemu-device.yaml"),
		Dispatcher: []byte("dispatcher_ip: 127.0.0.1\n"),
		Dir:        filepath.Join(t.TempDir(), "42"), Env: os.Environ(),
	}
}
