package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// bootOnly is a job that shows whether its device is there.
const bootOnly = `
job_name: boot
device_type: shell
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 3}, connection: {minutes: 2}}
metadata: {strata: {retry: {infrastructure: 1}}}
actions:
- boot: {method: minimal, prompts: ['shell:# ']}
`

// TestAttempts submits a job to a lab of two devices, one of which has a broken console: who follows the
// job sees it fail there, and pass on the other one.
func TestAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--listen-sql", "", "--worker", "w1")
	console := "env PS1='shell:# ' bash --norc --noprofile -i"
	for name, connect := range map[string]string{"sh1": "false", "sh2": console} {
		dict := write(t, w.dir, name+".yaml", strings.NewReplacer(console, connect, "@ROOT@", "/tmp").Replace(shellDevice))
		w.must(t, "devices", "add", name, "--type", "shell", "--worker", "w1", "--dict", dict, "--health", "Maintenance")
	}
	// Both free in one moment, or the job might begin on the sound one.
	w.must(t, "workers", "health", "w1", "Maintenance")
	for _, name := range []string{"sh1", "sh2"} {
		w.must(t, "devices", "health", name, "Good")
	}
	w.must(t, "devices", "tag", "sh2", "sound") // the fewest tags are given away first
	file := write(t, w.dir, "boot.yaml", bootOnly)
	first := regexp.MustCompile(`\d+`).FindString(w.must(t, "submit", file))
	w.must(t, "workers", "health", "w1", "Active")

	text := w.must(t, "logs", first, "--follow")
	var one, two api.Job
	w.ask(t, &one, "show", first)
	if one.Health != events.Incomplete || one.Device != "sh1" || one.ErrorType != events.InfrastructureError || one.RetriedAs == 0 {
		t.Fatalf("first attempt: %+v, want it to fail on sh1 by the lab's fault and to be retried\n%s", one, lastOf(text))
	}
	second := one.RetriedAs.String()
	if !strings.Contains(text, "the log of job "+second+" follows") {
		t.Errorf("followed log does not go on with job %s:\n%s", second, lastOf(text))
	}
	w.ask(t, &two, "show", second)
	if two.Health != events.Complete || two.Device != "sh2" || two.RetryOf != one.Job {
		t.Errorf("second attempt: %+v, want it Complete on sh2", two)
	}
	for _, want := range []string{"1 of 2: job " + first + " Finished Incomplete on sh1", "2 of 2: job " + second + " Finished Complete on sh2"} {
		if shown := w.must(t, "show", first); !strings.Contains(shown, want) {
			t.Errorf("strata show %s: no %q in\n%s", first, want, shown)
		}
	}
	if shown := w.must(t, "results", first); !strings.Contains(shown, "`strata results "+second+"`") {
		t.Errorf("strata results %s does not name the attempt that counts:\n%s", first, shown)
	}

	var whole api.Job
	w.ask(t, &whole, "show", first, "--whole")
	if whole.Job != one.Job || whole.Health != events.Complete || whole.Device != "sh2" {
		t.Errorf("strata show %s --whole: %+v, want one job that is Complete", first, whole)
	}
	if shown := w.must(t, "results", first, "--whole"); !strings.Contains(shown, "pass") || strings.Contains(shown, "again") {
		t.Errorf("strata results %s --whole:\n%s", first, shown)
	}
	saved := filepath.Join(t.TempDir(), "results.xml")
	w.must(t, "results", first, "--whole", "-o", saved)
	if text, err := os.ReadFile(saved); err != nil || !strings.Contains(string(text), `<testsuite `) || strings.Contains(string(text), "<failure") {
		t.Errorf("strata results %s --whole -o results.xml: %v\n%s", first, err, text)
	}
	if tap := w.must(t, "results", first, "--suite", "lava", "--format", "tap"); !strings.HasPrefix(tap, "TAP version 13\n") || !strings.Contains(tap, " job\n") {
		t.Errorf("strata results %s --format tap:\n%s", first, tap)
	}

	// A lab whose last sound device has gone says why there is no further attempt.
	w.must(t, "devices", "health", "sh2", "Maintenance")
	w.must(t, "devices", "health", "sh1", "Good")
	status, text := w.strata(t, "submit", file, "--follow")
	if status != exitFailed || !strings.Contains(text, "is Incomplete") || !strings.Contains(text, "no other device of type shell could take it") {
		t.Errorf("submit --follow with one device: status %d, said\n%s", status, lastOf(text))
	}
	eventually(t, "sh1 is free again, and taken first", func() bool { return w.device(t, "sh1").State == "Idle" })
	w.must(t, "devices", "health", "sh2", "Good")
	followed := w.must(t, "submit", file, "--follow")
	if !regexp.MustCompile(`(?s)job \d+ finished: Incomplete.*job \d+ gets device sh2.*job \d+ is Complete`).MatchString(followed) {
		t.Errorf("submit --follow of a job that the lab fails once:\n%s", lastOf(followed))
	}
}

// TestNumbered holds how lists name attempts.
func TestNumbered(t *testing.T) {
	for want, j := range map[string]api.Job{
		"42":             {Display: "42"},
		"42 (again: 45)": {Display: "42", RetriedAs: 45},
		"45 (42 again)":  {Display: "45", RetryOf: 42},
	} {
		if got := numbered(j); got != want {
			t.Errorf("job %+v is listed as %q, want %q", j, got, want)
		}
	}
}
