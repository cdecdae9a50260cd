package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
	"strata/services/web/browser"
)

// TestScreens takes the pictures of docs/screens; `make screens` names their folder in STRATA_SCREENS. They are made
// of the same lab as the browser tests, so a page that looks wrong there looks wrong here.
func TestScreens(t *testing.T) {
	t.Parallel()
	into := os.Getenv("STRATA_SCREENS")
	if into == "" {
		t.Skip("SKIPPED: takes the pictures of the manual; `make screens` does")
	}
	l := newPageLab(t)
	l.world.must(t, "devices", "health", "beagle-1", "Bad", "--reason", "no console since power on, twice")
	l.world.must(t, "devices", "health", "qemu-02", "Maintenance", "--reason", "new power supply")
	l.world.must(t, "devices", "tag", "qemu-01", "kvm")
	failed := "/scheduler/job/" + l.panics(t)
	chromium := browser.Start(t)
	for _, look := range []struct {
		suffix string
		of     browser.Options
	}{
		{"", browser.Options{}},
		{"-dark", browser.Options{Dark: true}},
		{"-phone", browser.Options{Phone: true}},
	} {
		look.of.Lab, look.of.Headers = l.url, l.headers("")
		p := chromium.Open(t, look.of)
		for _, page := range []struct {
			name, path string
			all        bool // in every look, and not in light colours alone
		}{
			{"lab", "/", true},
			{"job-failed", failed, true},
			{"job-passed", "/scheduler/job/7", false},
			{"job-waits", "/scheduler/job/5", false},
			{"jobs", "/scheduler/alljobs", false},
			{"queue", "/scheduler/queue", false},
			{"device", "/scheduler/device/qemu-01", true},
			{"device-types", "/scheduler/device_types", false},
			{"submit", "/scheduler/job/1/resubmit", false},
			{"suite", "/results/1/0_smoke", false},
			{"matrix", "/results/matrix?device_type=qemu&suite=0_smoke", false},
			{"failures", "/scheduler/reports/failures?start=-1&end=0", false},
			{"utilisation", "/scheduler/reports/utilisation", false},
		} {
			if look.suffix != "" && !page.all {
				continue
			}
			if status := p.Go(page.path); status != 200 {
				t.Errorf("%s: status %d", page.path, status)
				continue
			}
			p.Await("document.fonts.status === 'loaded'")
			p.Picture(filepath.Join(into, page.name+look.suffix+".png"))
		}
	}
}

// panickyBoard is a board whose console says what a file holds, PANIC.
const panickyBoard = `constants:
  failure_retry: 1
  kernel-start-message: Linux version [0-9]
  default-shell-prompt: 'lava-test: # '
  posix: {lava_test_sh_cmd: /bin/sh, lava_test_results_dir: /lava-%s, lava_test_shell_file: ~/.bashrc}
commands:
  connect: sh -c 'cat PANIC; sleep 60'
  hard_reset: "true"
  power_off: "true"
actions:
  deploy: {connections: {serial: }, methods: {tmpfs: {}}}
  boot: {connections: {serial: }, methods: {minimal: }}
timeouts: {actions: {power-off: {seconds: 10}}}
`

// panickyJob boots it.
const panickyJob = `job_name: boot linux-next
device_type: board
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 2}, connection: {minutes: 1}}
metadata: {build: next-20261120, branch: master}
actions:
- boot: {method: minimal, prompts: ['/ # ']}
`

// panics runs a job on a board whose kernel panicked once, as it was recorded, and returns the job's number once it is judged.
func (l *pageLab) panics(t *testing.T) string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(workspace(t), "services", "judgement", "verdict", "testdata", "jobs", "panic-at-boot.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for line := range strings.Lines(string(log)) {
		var r struct {
			Level   events.Level    `json:"lvl"`
			Message json.RawMessage `json:"msg"`
		}
		var text string
		if json.Unmarshal([]byte(line), &r) == nil && r.Level == events.Target && json.Unmarshal(r.Message, &text) == nil && !strings.HasPrefix(text, "qemu-system") {
			said.WriteString(text + "\r\n")
		}
	}
	dictionary := strings.ReplaceAll(panickyBoard, "PANIC", write(t, l.world.dir, "panic.txt", said.String()))
	l.world.must(t, "devices", "add", "board-1", "--type", "board", "--worker", "w1", "--dict", write(t, l.world.dir, "board.yaml", dictionary), "--health", "Good")
	var job api.Job
	l.world.ask(t, &job, "submit", write(t, l.world.dir, "panic-job.yaml", panickyJob))
	eventually(t, "the panic is judged", func() bool {
		var j api.Job
		l.world.ask(t, &j, "show", job.Job.String())
		return j.Judgement != nil
	})
	return job.Job.String()
}
