package power_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
	"strata/events"
)

// Each action runs the device's command for it, says so, and blames the lab when it fails.
func TestActions(t *testing.T) {
	dispatchertest.Programs(t, "*fail*) exit 3;;", "relay")
	tests := []struct {
		name     string
		action   pipeline.Action
		commands string // of the device; "" for none at all
		calls    []string
		result   string // in the log; "" for no result
		class    pipeline.Class
		says     string
	}{
		{
			name:     "reset",
			action:   power.Reset(),
			commands: "hard_reset: relay cycle 1",
			calls:    []string{"relay cycle 1"},
			result:   `"case":"pdu-reboot"`,
		},
		{
			name:     "reset in several steps",
			action:   power.Reset(),
			commands: "hard_reset: [relay off, 'relay on \"port 1\"']",
			calls:    []string{"relay off", "relay on port 1"},
			result:   `"extra":{"status":"success"}`,
		},
		{
			name:     "reset that fails",
			action:   power.Reset(),
			commands: "hard_reset: [relay fail, relay on]",
			calls:    []string{"relay fail"},
			class:    pipeline.Infrastructure,
			says:     "Unable to reboot: 'relay fail' failed",
		},
		{
			name:     "reset without a command",
			action:   power.Reset(),
			commands: "power_off: relay off",
			class:    pipeline.Configuration,
			says:     "the device has no 'hard_reset'",
		},
		{
			name:     "reset with an open quote",
			action:   power.Reset(),
			commands: "hard_reset: \"relay 'x\"",
			class:    pipeline.Configuration,
			says:     "a quote that is not closed",
		},
		{
			name:     "off",
			action:   power.Off(),
			commands: "power_off: relay off",
			calls:    []string{"relay off"},
			result:   `"status":"success"`,
		},
		{
			name:     "off without a command",
			action:   power.Off(),
			commands: "power_on: relay on",
			result:   `"status":"success"`,
		},
		{
			name:   "off without commands",
			action: power.Off(),
		},
		{
			name:     "off that fails",
			action:   power.Off(),
			commands: "power_off: relay fail",
			calls:    []string{"relay fail"},
			class:    pipeline.Infrastructure,
			says:     "Unable to power-off: 'relay fail' failed",
		},
		{
			name:     "on",
			action:   power.On(),
			commands: "power_on: relay on, pre_power_command: relay usb",
			calls:    []string{"relay usb", "relay on"},
			result:   `"success":"power-on"`,
		},
		{
			name:     "on without a command",
			action:   power.On(),
			commands: "pre_power_command: relay usb",
			calls:    []string{"relay usb"},
		},
		{
			name:     "on whose preparation fails",
			action:   power.On(),
			commands: "power_on: relay on, pre_power_command: relay fail",
			calls:    []string{"relay fail"},
			class:    pipeline.Infrastructure,
			says:     "Unable to power-on: 'relay fail' failed",
		},
		{
			name:     "before the power",
			action:   power.PrePower(),
			commands: "pre_power_command: relay usb",
			calls:    []string{"relay usb"},
			result:   `"success":"pre-power-command"`,
		},
		{
			name:     "before the power, a failure",
			action:   power.PrePower(),
			commands: "pre_power_command: relay fail",
			calls:    []string{"relay fail"},
			class:    pipeline.Infrastructure,
			says:     "Unable to run pre-power: 'relay fail' failed",
		},
		{
			name:     "before the system, without a command",
			action:   power.PreOS(),
			commands: "power_on: relay on",
			result:   `"success":"pre-os-command"`,
		},
		{
			name:     "before the system, a failure",
			action:   power.PreOS(),
			commands: "pre_os_command: [relay a, relay fail]",
			calls:    []string{"relay a", "relay fail"},
			class:    pipeline.Infrastructure,
			says:     "Unable to run pre-os: 'relay fail' failed",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			read := func(text string) pipeline.Data {
				d, err := pipeline.ReadYAML([]byte(text))
				if err != nil {
					t.Fatalf("%v in %s", err, text)
				}
				return d
			}
			device := "{constants: {failure_retry: 1}}"
			if tt.commands != "" {
				device = "{constants: {failure_retry: 1}, commands: {" + tt.commands + "}}"
			}
			record := dispatchertest.NewCalls(t)
			var log []events.Record
			p, err := pipeline.Parse(pipeline.Inputs{
				ID: "5", Dir: filepath.Join(t.TempDir(), "5"), Now: time.Now, Env: append(os.Environ(), record.Env()),
				Job:    read("{timeouts: {job: {minutes: 5}, action: {minutes: 1}}, actions: [{command: {}}]}"),
				Device: read(device),
				Log: output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
					log = append(log, r)
					return nil
				}}),
				Methods: pipeline.Methods{
					Command:  func(pipeline.Data) pipeline.Action { return tt.action },
					Finalize: func() pipeline.Action { return pipeline.Basic{Title: "finalize"} },
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Run(t.Context())
			if pipeline.ClassOf(err) != tt.class || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error: %q %v, want %q with %q", pipeline.ClassOf(err), err, tt.class, tt.says)
			}
			text := dispatchertest.TextOf(log)
			if tt.class == "" && (tt.result == "" && strings.Contains(text, `"result":`) || !strings.Contains(text, tt.result)) {
				t.Errorf("the result is not %q: %s", tt.result, text)
			}
			if got := record.List(t); !slices.Equal(got, append([]string{}, tt.calls...)) {
				t.Errorf("calls: %q, want %q", got, tt.calls)
			}
		})
	}
}
