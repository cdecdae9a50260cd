package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// TestJudge judges files with no lab.
func TestJudge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	console := filepath.Join(w.dir, "console.log")
	if err := os.WriteFile(console, []byte("[    0.000000] Linux version 6.6.0\r\n[    2.000000] Kernel panic - not syncing: \x1b[2J\x1b]0;owned\ax\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(workspace(t), "services", "judgement", "verdict", "testdata", "jobs", "power-stuck.jsonl")
	text := w.must(t, "judge", console, log)
	for _, want := range []string{"test (what was tested): kernel-panic", "line 2: [    2.000000] Kernel panic - not syncing: x", "infra (the lab): power", "next: Try the power commands"} {
		if !strings.Contains(text, want) {
			t.Errorf("strata judge said %q; want %q in it", text, want)
		}
	}
	var j judgedFile
	if err := json.Unmarshal([]byte(w.must(t, "judge", log, "--json")), &j); err != nil || j.Verdict != events.VerdictInfra || j.Line != 27 || j.Kind != "log" || j.Action != "pdu-reboot" {
		t.Errorf("strata judge --json: %+v, %v; want the power's fault in line 27", j, err)
	}
	if status, text := w.strata(t, "judge", filepath.Join(w.dir, "none")); status != exitFailed || !strings.Contains(text, "none") {
		t.Errorf("a file that is not there: status %d, said %q", status, text)
	}
}

// TestJudgedJobs shows what the lab says of jobs that ended, and how two of them differ.
func TestJudgedJobs(t *testing.T) {
	t.Parallel()
	needEngine(t)
	w := newWorld(t)
	w.up(t, "--first-job", "1")
	w.must(t, "known-issues", "add", "--title", "the script is slow", "--log", "played", "--url", "https://bugs.example.com/1")
	if text := w.must(t, "known-issues"); !strings.Contains(text, "the script is slow") || !strings.Contains(text, "log played") {
		t.Errorf("strata known-issues: %q, want the one that was added", text)
	}
	if status, text := w.strata(t, "known-issues", "add", "--title", "x"); status != exitFailed || !strings.Contains(text, "both missing") {
		t.Errorf("an issue without a pattern: status %d, said %q", status, text)
	}
	if status, _ := w.strata(t, "history", "nothing"); status != exitMisuse {
		t.Errorf("history of no case: status %d, want %d", status, exitMisuse)
	}
	script := write(t, w.dir, "script.yaml", `
device_type: panda
devices: [panda-1]
jobs:
- {name: passes, console: [{say: this one is played}, {result: {suite: 0_smoke, case: boot, measurement: 7.5, units: s}}]}
`)
	w.spawn(t, "worker", "--simulate", script, "--register", "--name", "rehearsal", "--data", filepath.Join(w.dir, "worker"))
	job := write(t, w.dir, "job.yaml", `job_name: rehearse
device_type: panda
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 2}}
actions:
- boot: {method: qemu, media: tmpfs, prompts: ['# ']}
`)
	var devices []api.Device
	eventually(t, "the device is there", func() bool {
		w.ask(t, &devices, "devices")
		return len(devices) == 1
	})
	for n := 1; n <= 2; n++ {
		w.must(t, "submit", job, "--follow")
		eventually(t, "the tables have the job with its verdict", func() bool { // by which the next one is judged
			_, text := w.strata(t, "sql", "--format", "CSV", `SELECT (SELECT count() FROM events WHERE type = 'job.judged'), (SELECT count() FROM jobs WHERE complete),
				(SELECT count() FROM test_cases WHERE suite = '0_smoke')`)
			return text == fmt.Sprintf("%[1]d,%[1]d,%[1]d\n", n)
		})
	}
	var j api.Job
	eventually(t, "job 2 is judged", func() bool {
		w.ask(t, &j, "show", "2")
		return j.Judgement != nil
	})
	if j.Judgement.Verdict != events.VerdictPass || j.Judgement.Baseline != 1 || j.Judgement.HistoryAway {
		t.Errorf("job 2 is judged %+v, want pass, compared with job 1", j.Judgement)
	}
	if text := w.must(t, "show", "2"); !strings.Contains(text, "pass (all is well)") {
		t.Errorf("strata show: %q, want the verdict in it", text)
	}
	var c api.Comparison
	w.ask(t, &c, "compare", "1", "2")
	if c.Before.Job != 1 || c.After.Verdict != events.VerdictPass || c.Same == 0 || c.Counts["regression"] != 0 {
		t.Errorf("strata compare 1 2: %+v, want two jobs alike", c)
	}
	var h api.CaseHistory
	w.ask(t, &h, "history", "0_smoke/boot", "--device-type", "panda")
	if len(h.Runs) != 2 || h.Runs[0].Result != events.Pass || h.Flaky || h.Units != "s" {
		t.Errorf("strata history 0_smoke/boot: %+v, want two that passed", h)
	}
	if len(j.Judgement.Issues) != 1 || j.Judgement.Issues[0].Line == nil {
		t.Errorf("known issues of job 2: %+v, want the one, with its line", j.Judgement.Issues)
	}
	w.must(t, "known-issues", "rm", "1", "--reason", "fixed")
}

// TestPrintJudgement holds that the evidence, which a board's console wrote, commands no terminal, and that the
// first job of its kind is compared with none.
func TestPrintJudgement(t *testing.T) {
	evidence := uint64(7)
	j := api.Judgement{Text: "\x1b[2Jpanic\x07"}
	j.Verdict, j.Cause, j.Evidence = events.VerdictTest, "kernel-panic", &evidence
	j.Counts.FirstFailed = 2
	a := &app{out: io.Discard, env: func(string) string { return "" }}
	for _, tt := range []struct {
		baseline events.JobID
		changes  string
	}{{0, "2 failed at their first run"}, {41, "2 failed at their first run, since job 41"}} {
		j.Baseline = tt.baseline
		said := map[string]string{}
		a.printJudgement(&j, func(name, value string) { said[name] = value })
		if said["evidence"] != "line 7: panic" || said["changes"] != tt.changes {
			t.Errorf("after job %d: evidence %q, changes %q; want the plain line 7, and %q", tt.baseline, said["evidence"], said["changes"], tt.changes)
		}
	}
}
