package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
	"strata/services/api"
)

// lavaJob asks a shell questions, one of which it cannot answer.
const lavaJob = `
job_name: by a dispatcher of LAVA
device_type: shell
timeouts: {job: {minutes: 5}, action: {minutes: 2}, connection: {minutes: 1}}
priority: medium
visibility: public
actions:
- boot: {method: minimal, prompts: ['shell:# ']}
- test:
    interactive:
    - name: ask
      prompts: ['shell:# ']
      script:
      - {name: greet, command: 'echo good-$((40+2))', successes: [{message: 'good-42'}], failures: [{message: 'bad'}]}
      - {name: wrong, command: 'echo b""ad', successes: [{message: 'good'}], failures: [{message: 'bad'}]}
`

// lavaWait waits in the shell until a file is there.
const lavaWait = `
job_name: waits
device_type: shell
timeouts: {job: {minutes: 5}, action: {minutes: 4}, connection: {minutes: 4}}
priority: medium
visibility: public
actions:
- boot: {method: minimal, prompts: ['shell:# ']}
- test:
    interactive:
    - name: wait
      prompts: ['shell:# ']
      script:
      - {name: began, command: 'echo be""gun', successes: [{message: 'begun'}]}
      - {name: saw, command: 'until [ -e @FLAG@ ]; do sleep 0.1; done; echo se""en', successes: [{message: 'seen'}]}
`

// TestLAVAWorker lets Debian's lava-worker and its dispatcher run jobs of this lab: one to its end, one while
// the lab is killed and started again, and one that is canceled.
func TestLAVAWorker(t *testing.T) {
	dispatchertest.Slow(t)
	dispatchertest.Need(t, "lava-worker:lava-dispatcher", "lava-run:lava-dispatcher")
	w := newWorld(t)
	p, r := w.up(t, "--listen-sql", "", "--first-job", ownNumbers(t, 2))
	token := strings.TrimSpace(w.must(t, "workers", "register", "far1"))
	off := filepath.Join(w.dir, "off")
	w.must(t, "workers", "configure", "far1", "--dispatcher", write(t, w.dir, "dispatcher.yaml", "dispatcher_ip: 127.0.0.1\n"))
	w.must(t, "devices", "add", "sh1", "--type", "shell", "--worker", "far1", "--health", "Good",
		"--dict", write(t, w.dir, "sh1.yaml", dispatchertest.ShellDevice("/bin/touch "+off)))
	startLAVAWorker(t, r.HTTP, "far1", token)

	status, text := w.strata(t, "submit", write(t, w.dir, "job.yaml", lavaJob), "--follow")
	if status != exitOK || !strings.Contains(text, "greet: pass") || !strings.Contains(text, "wrong: fail") {
		t.Errorf("a job on a dispatcher of LAVA: status %d\n%s", status, text)
	}
	if _, err := os.Stat(off); err != nil {
		t.Errorf("the device was not switched off by its dispatcher: %v", err)
	}

	flag := filepath.Join(w.dir, "flag")
	waits := write(t, w.dir, "waits.yaml", strings.ReplaceAll(lavaWait, "@FLAG@", flag))
	began := func() string {
		var submitted api.Job
		w.ask(t, &submitted, "submit", waits)
		job := submitted.Job.String()
		eventually(t, "the job asks its device", func() bool {
			_, text := w.strata(t, "logs", job)
			return strings.Contains(text, "began: pass")
		})
		return job
	}
	ends := func(job string) (j api.Job) {
		eventually(t, "the job ends", func() bool {
			w.ask(t, &j, "show", job)
			return j.State == api.StateFinished && j.Complete
		})
		return j
	}
	job := began()
	p.kill()
	w.up(t, "--listen-sql", "", "--listen", strings.TrimPrefix(r.HTTP, "http://"), "--listen-nats", strings.TrimPrefix(r.NATS, "nats://"))
	write(t, w.dir, "flag", "")
	if j := ends(job); j.Health != events.Complete || j.Missing != 0 {
		t.Errorf("a job during which the lab was killed: %+v, want it Complete with every line", j)
	}
	if text := w.must(t, "logs", job); strings.Count(text, "saw: pass") != 1 || strings.Count(text, "began: pass") != 1 {
		t.Errorf("its log:\n%s", text)
	}

	if err := errors.Join(os.Remove(flag), os.Remove(off)); err != nil {
		t.Fatal(err)
	}
	job = began()
	w.must(t, "cancel", job)
	if j := ends(job); j.Health != events.Canceled {
		t.Errorf("a job that was canceled: %+v", j)
	}
	if _, err := os.Stat(off); err != nil {
		t.Errorf("the device of the canceled job was not switched off: %v", err)
	}
}

// startLAVAWorker runs an unmodified lava-worker against the lab until the test ends.
func startLAVAWorker(t *testing.T, url, name, token string) {
	t.Helper()
	dir := t.TempDir()
	file := write(t, dir, "token", token)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "lava-worker", "--name", name, "--url", url, "--token-file", file, "--worker-dir", filepath.Join(dir, "worker"),
		"--ping-interval", "1", "--job-log-interval", "1", "--level", "DEBUG")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("lava-worker said:\n%s", text)
		}
	})
}
