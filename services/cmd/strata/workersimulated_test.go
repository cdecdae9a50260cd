package main

import (
	"path/filepath"
	"strings"
	"testing"

	"strata/services/api"
)

// TestPlayedWorker runs jobs in a lab whose devices are played, from registration to results, and shows
// that the worker may be started again.
func TestPlayedWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--worker", "")
	script := write(t, w.dir, "rehearsal.yaml", `
device_type: panda
devices: [panda-1, panda-2]
jobs:
- name: passes
  devices: [panda-1]
  console: [{say: Starting kernel}, {result: {suite: 0_smoke, case: boot, measurement: 7.5, units: s}}]
- {name: gone, devices: [panda-2], end: fail, error_type: Infrastructure, error: the console is silent}
`)
	args := []string{"worker", "--simulate", script, "--register", "--name", "rehearsal", "--data", filepath.Join(w.dir, "worker")}
	first := w.spawn(t, args...)
	eventually(t, "the worker is online with two devices", func() bool {
		var workers []api.Worker
		var devices []api.Device
		w.ask(t, &workers, "workers")
		w.ask(t, &devices, "devices")
		return len(workers) == 1 && workers[0].State == "Online" && len(devices) == 2
	})
	job := write(t, w.dir, "job.yaml", `job_name: rehearse
device_type: panda
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 2}}
actions:
- boot: {method: qemu, media: tmpfs, prompts: ['# ']}
`)
	w.must(t, "submit", job)
	w.must(t, "submit", job)
	var shown [2]api.Job
	for i, number := range []string{"1", "2"} {
		eventually(t, "job "+number+" is over", func() bool {
			w.ask(t, &shown[i], "show", number)
			return shown[i].State == "Finished"
		})
		good := shown[i].Device == "panda-1"
		if good != (shown[i].Health == "Complete") || !good && !strings.Contains(shown[i].Error, "the console is silent") {
			t.Errorf("job %s on %s: %s, %q; want it as the script has it", number, shown[i].Device, shown[i].Health, shown[i].Error)
		}
	}
	first.stop(t)
	w.spawn(t, args...) // the devices are there: that is no error
	w.must(t, "submit", job)
	eventually(t, "a job ends after the worker was started again", func() bool {
		w.ask(t, &shown[0], "show", "3")
		return shown[0].State == "Finished"
	})
}

// TestPlayedWorkerRefuses holds that a wrong script is told of before anything is done.
func TestPlayedWorkerRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		arg    string
		status int
		want   string
	}{
		{"0", exitMisuse, "from 1 to"}, {"-4", exitMisuse, "from 1 to"}, {filepath.Join(w.dir, "none.yaml"), exitFailed, "none.yaml"},
		{write(t, w.dir, "bad.yaml", "devices: 2\njobs: [{name: a, end: explode}]"), exitFailed, "line 2"},
	} {
		if status, text := w.strata(t, "worker", "--simulate", tt.arg); status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("worker --simulate %s: status %d, said %q; want %d and %q", tt.arg, status, text, tt.status, tt.want)
		}
	}
}
