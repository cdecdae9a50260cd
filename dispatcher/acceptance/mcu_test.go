package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// A microcontroller's firmware prints the report of its own tests; monitors make results of it. The
// firmware never ends, so that QEMU must be ended, however the report ends.
func TestMicrocontroller(t *testing.T) {
	t.Parallel()
	site := serve(t, firmware(t))
	const (
		ends   = "PROJECT EXECUTION (SUCCESSFUL|FAILED)"
		passed = "test_add:pass test_sleep:pass test_memory:pass "
		silent = "err: lava test monitoring has timed out"
		ended  = "ok: end string found, lava test monitoring stopped"
	)
	tests := []struct{ name, variant, end, patience, cases, says string }{
		{"passes", "pass", ends, "60", passed + "test_odd:pass", ended},
		{"fails", "fail", ends, "60", passed + "test_odd:fail", ended},
		{"crashes, and the end says so", "fault", "'PROJECT EXECUTION|FATAL ERROR'", "60", passed + "test_odd:fail", ended},
		{"hangs", "hang", ends, "4", passed + "test_odd:fail", silent},
		{"resets itself for ever", "loop", ends, "60", passed + "test_odd:pass", ended},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, job{
				definition: text(t, "testdata/mcu-job.yaml"), device: text(t, "testdata/mcu-device.yaml"),
				values: map[string]string{"SITE": site, "VARIANT": tt.variant, "START": "Booting lab firmware", "END": tt.end,
					"PATIENCE": tt.patience},
			})
			got.wantComplete(t)
			if cases := got.cases(t, "lab-suite"); cases != tt.cases {
				t.Errorf("the cases are %s, want %s\n%s", cases, tt.cases, got.text())
			}
			// What was measured, as it was printed: the case has a result of its own.
			if m := got.result(t, "lab-suite/test_add")["measurement"]; !strings.HasPrefix(fmt.Sprint(m), "0.0") {
				t.Errorf("test_add took %v", m)
			}
			got.wantText(t, "ok: start string found, lava test monitoring started", tt.says)
			wantNoProcess(t)
		})
	}
}

// Firmware that says something else, or nothing, ends the job: it is not the one that was asked for.
func TestMicrocontrollerOfAnotherKind(t *testing.T) {
	t.Parallel()
	got := run(t, job{
		definition: text(t, "testdata/mcu-job.yaml"), device: text(t, "testdata/mcu-device.yaml"),
		values: map[string]string{"SITE": serve(t, firmware(t)), "VARIANT": "pass", "START": "Booting another firmware", "END": "never",
			"PATIENCE": "4"},
	})
	got.wantError(t, events.JobError, "wait for prompt timed out")
	if cases, want := got.cases(t, "lab-suite"), "test_add:fail test_memory:fail test_odd:fail test_sleep:fail"; cases != want {
		t.Errorf("the cases are %s, want %s: what was expected and never came", cases, want)
	}
	wantNoProcess(t)
}

// firmware builds the images of $STRATA_CORPUS/devices/baremetal and returns their folder.
func firmware(t *testing.T) string {
	t.Helper()
	dispatchertest.Boots(t)
	source := filepath.Join(dispatchertest.Corpus(t, "devices/baremetal"), "devices/baremetal")
	dispatchertest.Need(t, "qemu-system-arm:qemu-system-arm", "arm-none-eabi-gcc:gcc-arm-none-eabi")
	dir := t.TempDir()
	if out, err := exec.Command("sh", filepath.Join(source, "build.sh"), dir).CombinedOutput(); err != nil {
		t.Fatalf("build the firmware: %v\n%s", err, out)
	}
	return dir
}

// cases returns the results of a suite in the order in which they came: "name:result name:result".
func (o outcome) cases(t *testing.T, suite string) string {
	t.Helper()
	var out []string
	for _, r := range o.log {
		for name, m := range dispatchertest.ResultsOf(t, []events.Record{r}) {
			if m["definition"] == suite {
				out = append(out, fmt.Sprintf("%s:%v", name, m["result"]))
			}
		}
	}
	return strings.Join(out, " ")
}

// wantNoProcess says which programs of this machine still run with one of the test's own files among
// their arguments.
func wantNoProcess(t *testing.T) {
	t.Helper()
	own := filepath.Dir(t.TempDir()) + "/"
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatalf("no processes in /proc: %v", err)
	}
	for _, line := range lines {
		argv, err := os.ReadFile(line)
		if err == nil && strings.Contains(string(argv), own) { // an error: it has ended meanwhile
			t.Errorf("%q still runs", strings.ReplaceAll(string(argv), "\x00", " "))
		}
	}
}
