package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// quickJob ends within a moment: it runs a command of its device and needs no board.
const quickJob = `job_name: quick
device_type: quick
priority: medium
visibility: public
timeouts:
  job: {minutes: 5}
  action: {minutes: 2}
  connection: {minutes: 1}
actions:
- command:
    name: hello
`

// quickDevice is the device of quickJob.
const quickDevice = `constants:
  failure_retry: 1
commands:
  users:
    hello:
      do: echo hello
actions: {deploy: {methods: {}}, boot: {methods: {}}}
`

// TestClickHouseStopped stops the engine while fifty jobs are submitted and end. Everything that is
// current goes on; what needs history says at once that it is away; the tables catch up alone.
func TestClickHouseStopped(t *testing.T) {
	t.Parallel()
	needEngine(t)
	w := newWorld(t)
	address := freePort(t)
	engineArgs := []string{"clickhouse", "--path", filepath.Join(w.dir, "clickhouse"), "--listen", address}
	engine := w.spawn(t, engineArgs...)
	w.env["STRATA_CLICKHOUSE_DSN"] = "http://default@" + address + "/strata"
	w.up(t, "--worker", "w1")
	const devices = 4
	file := w.quickDevices(t, devices)
	eventually(t, "the tables are there", func() bool {
		status, _ := w.strata(t, "sql", "SELECT count() FROM jobs")
		return status == exitOK
	})

	engine.kill()
	const jobs = 50
	for range jobs {
		w.must(t, "submit", file)
	}
	if status, text := w.strata(t, "sql", "SELECT 1"); status != exitFailed || !strings.Contains(text, "away") {
		t.Errorf("sql while the engine is stopped: status %d, said %q; want that history is away", status, text)
	}
	var listed api.Jobs
	w.ask(t, &listed, "jobs", "--all")
	if listed.Away == "" {
		t.Error("jobs --all while the engine is stopped: does not say that finished jobs are missing")
	}
	if status, text := w.strata(t, "submit", file, "--follow"); status != exitOK || !strings.Contains(text, "hello") {
		t.Errorf("follow a job while the engine is stopped: status %d, said %q; want it Complete, with its log", status, text)
	}
	// A job that waits for a device is canceled meanwhile.
	for i := range devices {
		w.must(t, "devices", "health", fmt.Sprintf("q%d", i), "Maintenance")
	}
	var waiting api.Job
	w.ask(t, &waiting, "submit", file)
	w.must(t, "cancel", waiting.Job.String())
	eventually(t, "the waiting job is canceled", func() bool {
		var j api.Job
		w.ask(t, &j, "show", waiting.Job.String())
		return j.Health == events.Canceled
	})
	eventually(t, "all jobs are over and all devices idle", func() bool {
		var open api.Jobs
		w.ask(t, &open, "jobs")
		return open.Waiting == 0 && open.Running == 0
	})

	w.spawn(t, engineArgs...)
	want := fmt.Sprintf("%d,%d", jobs+1, jobs+1)
	eventually(t, "the tables have caught up: "+want, func() bool {
		_, got := w.strata(t, "sql", "SELECT countIf(health = 'Complete'), countIf(health = 'Complete' AND complete) FROM jobs", "--format", "CSV")
		return strings.TrimSpace(got) == want
	})
	listed = api.Jobs{}
	w.ask(t, &listed, "jobs", "--all", "--limit", "200")
	if listed.Away != "" || len(listed.Jobs) != jobs+2 {
		t.Errorf("jobs --all once the engine is back: %d jobs, away %q; want %d and none", len(listed.Jobs), listed.Away, jobs+2)
	}
}

// quickDevices adds devices that run quickJob to worker w1, and returns a file with that job.
func (w *world) quickDevices(t *testing.T, n int) string {
	t.Helper()
	device, file := filepath.Join(w.dir, "quick-device.yaml"), filepath.Join(w.dir, "quick-job.yaml")
	for path, text := range map[string]string{device: quickDevice, file: quickJob} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		w.must(t, "devices", "add", fmt.Sprintf("q%d", i), "--type", "quick", "--worker", "w1", "--dict", device, "--health", "Good")
	}
	return file
}
