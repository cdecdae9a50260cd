package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/output"
	"strata/events"
)

func TestUserCommand(t *testing.T) {
	tests := []struct {
		name, device, block string
		errorType           events.ErrorType
		says                string   // in the error
		files               []string // that the commands left
		log                 []string // lines that must be there
	}{
		{"do and undo", "users: {relay: {do: touch @/on, undo: touch @/off}}", "name: relay", "", "", []string{"off", "on"},
			[]string{"Running user command 'relay'", "Running cleanup for user command 'relay'", "Returned 0 in 0 seconds"}},
		{"several commands", "users: {relay: {do: [touch @/a, 'touch \"@/b c\"']}}", "name: relay", "", "", []string{"a", "b c"}, nil},
		{"no shell", "users: {relay: {do: 'touch @/a;b @/$HOME'}}", "name: relay", "", "", []string{"$HOME", "a;b"}, nil},
		{"built in", "hard_reset: touch @/reset", "name: hard_reset", "", "", []string{"reset"}, nil},
		{"usb gadget", "power_off: []", "name: usbg_ms_commands_disable", "", "", []string{"gadget-off"}, nil},
		{"no services", "power_off: []", "name: stop_test_services", "", "", nil, []string{"Running user command 'stop_test_services'"}},
		{"a daemon is left behind", "users: {a: {do: \"sh -c 'sleep 15 & exit 0'\"}}", "name: a", "", "", nil, nil},
		{"failing", "users: {relay: {do: [touch @/a, /bin/false, touch @/b], undo: touch @/undone}}", "name: relay",
			events.InfrastructureError, "Unable to run: '/bin/false' failed", []string{"a", "undone"}, []string{"Unable to run: ['/bin/false']"}},
		{"failing undo", "users: {relay: {do: touch @/a, undo: /bin/false}}", "name: relay",
			events.InfrastructureError, "Failed to clean after job", []string{"a"}, nil},
		{"unknown", "users: {relay: {do: touch @/a}}", "name: other", events.JobError, "Unknown user command 'other'", nil, nil},
		{"none configured", "hard_reset: /bin/true", "name: relay", events.JobError, "Device has no configured user commands", nil, nil},
		{"built in, not there", "users: {relay: {do: touch @/a}}", "name: power_on", events.JobError, "Command 'power_on' not defined for this device", nil, nil},
		{"wrong dictionary", "users: {relay: {do: {a: b}}}", "name: relay", events.ConfigurationError, "User command 'relay'", nil, nil},
		{"an empty command", "users: {relay: {do: ['']}}", "name: relay", events.ConfigurationError, "User command 'relay'", nil, nil},
		{"an open quote", "users: {relay: {do: \"touch 'x\"}}", "name: relay", events.ConfigurationError, "a quote that is not closed", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log, verdict := run(t, dir, tt.device, "- command: {"+tt.block+"}")
			if verdict.ErrorType != tt.errorType || !strings.Contains(verdict.Error, tt.says) {
				t.Errorf("verdict: %+v, want %q with %q", verdict, tt.errorType, tt.says)
			}
			var files []string
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				files = append(files, e.Name())
			}
			if !slices.Equal(files, tt.files) {
				t.Errorf("files: %q, want %q", files, tt.files)
			}
			for _, line := range tt.log {
				if !slices.Contains(log, line) {
					t.Errorf("%q is not in the log: %q", line, log)
				}
			}
		})
	}
}

// A device is switched off at the end, and a failure of that ends no job.
func TestPowerOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, verdict := run(t, dir, "users: {a: {do: /bin/true}}, power_off: [touch @/off, /bin/false]", "- command: {name: a}")
	if verdict.Health != events.Complete {
		t.Errorf("verdict: %+v, want Complete: finalize fails no job", verdict)
	}
	if _, err := os.Stat(filepath.Join(dir, "off")); err != nil {
		t.Errorf("power_off did not run: %v", err)
	}
	for _, line := range []string{"Unable to power-off: '/bin/false' failed", "Failed to run 'finalize': Unable to power-off: '/bin/false' failed"} {
		if !slices.Contains(log, line) {
			t.Errorf("%q is not in the log: %q", line, log)
		}
	}
}

func run(t *testing.T, dir, commands, blocks string) ([]string, dispatcher.Verdict) {
	t.Helper()
	var log []string
	verdict := dispatcher.Run(t.Context(), dispatcher.Job{
		ID: "3", Now: time.Now, Dir: filepath.Join(t.TempDir(), "3"), Env: os.Environ(),
		Definition: []byte("timeouts: {job: {minutes: 5}, action: {minutes: 1}}\nactions:\n" + blocks + "\n"),
		Device:     []byte("constants: {failure_retry: 1}\nactions: {deploy: {methods: {usbg-ms: {enable: [], disable: ['touch " + dir + "/gadget-off']}}}}\ncommands: {" + strings.ReplaceAll(commands, "@", dir) + "}\n"),
		Log: output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
			var text string
			if json.Unmarshal(r.Message, &text) == nil {
				log = append(log, text)
			}
			return nil
		}}),
	})
	return log, verdict
}
