package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// playedScript is a worker whose devices are played.
const playedScript = `
device_type: panda
devices: [panda-1]
jobs:
- name: passes
  console: [{say: Starting kernel}, {result: {suite: 0_smoke, case: boot, measurement: 7.5, units: s}}]
`

// playedJob is a job for it.
const playedJob = `job_name: rehearse
device_type: panda
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 2}}
actions:
- boot: {method: qemu, media: tmpfs, prompts: ['# ']}
`

// pastLab is a lab with some history, whose worker is a process of its own and knows its address.
type pastLab struct {
	*world
	up     *process
	args   []string
	data   string
	answer map[string]string // to questions about finished jobs
}

// questions are asked of a lab before and after it was made anew.
func questions() [][]string {
	var all [][]string
	for _, job := range []string{"1", "2", "3"} {
		all = append(all, []string{"show", job, "--json"}, []string{"events", "job/" + job, "--json"})
		if job != "2" {
			all = append(all, []string{"logs", job}, []string{"results", job, "--json"})
		}
	}
	// The past is folded from the first fact on, wherever it lies.
	all = append(all, []string{"devices", "--at", "6", "--json"}, []string{"show", "1", "--at", "8", "--json"})
	return append(all, []string{"jobs", "--all", "--json"}, []string{"device-types", "--json"},
		[]string{"sql", "--format", "JSONEachRow", "SELECT * FROM test_cases WHERE job < 4 ORDER BY job, seq, n"},
		[]string{"sql", "--format", "JSONEachRow", "SELECT * FROM log_lines WHERE job < 4 ORDER BY job, line"},
		[]string{"sql", "--format", "JSONEachRow", "SELECT * FROM events WHERE kind = 'job' AND toUInt64OrZero(entity) < 4 ORDER BY stream, seq"})
}

func newPastLab(t *testing.T, flags ...string) *pastLab {
	t.Helper()
	needEngine(t)
	w := newWorld(t)
	l := &pastLab{world: w, data: filepath.Join(w.dir, "lab"), answer: map[string]string{}}
	l.args = append([]string{"--listen-nats", freePort(t)}, flags...)
	l.up, _ = w.up(t, append(l.args, "--data", l.data)...)
	script := write(t, w.dir, "rehearsal.yaml", playedScript)
	worker := []string{"worker", "--simulate", script, "--register", "--name", "w1", "--data", filepath.Join(w.dir, "worker"), "--server", "nats://" + l.args[1]}
	w.spawn(t, worker...)
	write(t, w.dir, "job.yaml", playedJob)
	write(t, w.dir, "bad.yaml", "nonsense: 1\n")
	l.online(t)
	l.finish(t, "1")
	w.strata(t, "submit", filepath.Join(w.dir, "bad.yaml"))
	l.finish(t, "3")
	eventually(t, "the tables have it all", func() bool {
		// The verdict is the last that is said of a job; the device is idle before it.
		_, text := l.strata(t, "sql", "--format", "CSV", `SELECT (SELECT count() FROM events WHERE type = 'job.judged') = 2
			AND (SELECT count() FROM events WHERE type = 'device.released') = 2 AND (SELECT count() FROM jobs WHERE complete) = 2
			AND (SELECT count() FROM log_lines) = (SELECT sum(lines) FROM jobs) AND (SELECT count() FROM test_cases) = (SELECT sum(cases) FROM jobs)`)
		return text == "1\n"
	})
	for _, q := range questions() {
		l.answer[strings.Join(q, " ")] = l.must(t, q...)
	}
	return l
}

// online waits for the worker and its device.
func (l *pastLab) online(t *testing.T) {
	t.Helper()
	eventually(t, "the worker is online with its device", func() bool {
		var workers []api.Worker
		var devices []api.Device
		l.ask(t, &workers, "workers")
		l.ask(t, &devices, "devices")
		return len(workers) == 1 && workers[0].State == "Online" && len(devices) == 1
	})
}

// finish submits a job, which has to get that number and to end well.
func (l *pastLab) finish(t *testing.T, number string) {
	t.Helper()
	if text := l.must(t, "submit", filepath.Join(l.dir, "job.yaml")); !regexp.MustCompile(`\b` + number + `\b`).MatchString(text) {
		t.Fatalf("submit: got %q, want job %s", text, number)
	}
	eventually(t, "job "+number+" is over and all read", func() bool {
		var j api.Job
		l.ask(t, &j, "show", number)
		return j.State == "Finished" && j.Complete && j.Health == events.Complete
	})
}

// same asks the questions again.
func (l *pastLab) same(t *testing.T) {
	t.Helper()
	for _, q := range questions() {
		want := l.answer[strings.Join(q, " ")]
		got := ""
		if q[0] == "sql" || q[0] == "jobs" { // the tables are made again
			eventually(t, strings.Join(q, " ")+" is answered", func() bool { _, got = l.strata(t, q...); return got == want })
			continue
		}
		if got = l.must(t, q...); got != want {
			t.Errorf("strata %s:\n got %s\nwant %s", strings.Join(q, " "), got, want)
		}
	}
}

// TestBackupAndRestore backs up a lab that runs, loses it, and goes on with what was restored: the same
// worker, answers byte for byte, the next number.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "lab.yaml", "jobs: {queue_timeout: 1h}\n")
	l := newPastLab(t, "--config", file)
	dir := filepath.Join(l.dir, "backup")
	text := l.must(t, "backup", dir)
	if !regexp.MustCompile(`LAB to sequence \d+, RESULTS to sequence \d+, SUBMISSIONS to sequence 3\n`).MatchString(text) {
		t.Errorf("backup said %q; want the sequences", text)
	}
	if status, text := l.strata(t, "backup", dir); status != exitFailed || !strings.Contains(text, "is not empty") {
		t.Errorf("a second backup into the same directory: status %d, %q", status, text)
	}
	if status, text := l.strata(t, "backup", dir+"2", "--key", filepath.Join(dir+"2", "key")); status != exitMisuse || !strings.Contains(text, "apart") {
		t.Errorf("a backup with its key in it: status %d, %q", status, text)
	}
	// What is done after the backup is lost, and the worker remembers its leases.
	l.finish(t, "4")
	l.finish(t, "5")
	l.up.kill()

	anew := filepath.Join(l.dir, "anew")
	l.refuseCut(t, dir, anew)
	if status, text := l.strata(t, "restore", dir, "--data", l.data); status != exitFailed || !strings.Contains(text, "is not empty") {
		t.Errorf("restore over a lab: status %d, %q", status, text)
	}
	if text := l.must(t, "restore", dir, "--data", anew); !strings.Contains(text, "the next job has number 4") {
		t.Errorf("restore said %q; want the next number", text)
	}
	l.args[len(l.args)-1] = filepath.Join(anew, configName)
	l.world.up(t, append(l.args, "--data", anew)...)
	l.same(t)
	l.online(t)
	l.finish(t, "4")
	var verified struct{ Findings []any }
	l.ask(t, &verified, "archive", "verify")
	if len(verified.Findings) > 0 {
		t.Errorf("archive of the restored lab: %v", verified.Findings)
	}
	if text := l.must(t, "events", "lab", "--json"); !strings.Contains(text, "lab.restored") {
		t.Errorf("strata events lab: got %q, want the restore", text)
	}
}

// refuseCut holds that a backup which is not whole is refused, and leaves nothing.
func (l *pastLab) refuseCut(t *testing.T, dir, data string) {
	t.Helper()
	var manifest struct{ Files []struct{ Name string } }
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	if err != nil || len(manifest.Files) < 8 {
		t.Fatalf("manifest: %v with %d files", err, len(manifest.Files))
	}
	refused := func(name string, harm func(path string) error) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		was, err := os.ReadFile(path)
		if err == nil {
			err = harm(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		if status, said := l.strata(t, "restore", dir, "--data", data); status != exitFailed || !strings.Contains(said, filepath.Base(name)) {
			t.Errorf("restore with a broken %s: status %d, said %q; want it refused and named", name, status, said)
		}
		if err := os.WriteFile(path, was, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range manifest.Files {
		refused(f.Name, func(path string) error { return os.Truncate(path, 3) })
	}
	refused("manifest.json", os.Remove)
	refused("manifest.json", func(path string) error { return os.Truncate(path, int64(len(text)/2)) })
	key := filepath.Base(dir) + ".key"
	refused("../"+key, os.Remove)
	refused("../"+key, func(path string) error { return os.WriteFile(path, []byte("another\n"), 0o600) })
	for _, left := range []string{data, data + ".restoring"} {
		if _, err := os.Stat(left); err == nil {
			t.Errorf("a refused restore left %s", left)
		}
	}
}

// TestRestoreFromArchiveAlone makes a lab of the archive's directory.
func TestRestoreFromArchiveAlone(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "lab.yaml", "archive: {age: 1ms}\n")
	l := newPastLab(t, "--config", file)
	var status struct {
		Streams map[string]struct{ Last, Archived uint64 }
	}
	l.up.stop(t)
	_, _ = l.world.up(t, append(l.args, "--data", l.data)...) // it archives what there is as it starts
	eventually(t, "everything is archived", func() bool {
		if code, text := l.strata(t, "archive", "status", "--json"); code != exitOK || json.Unmarshal([]byte(text), &status) != nil {
			return false
		}
		return status.Streams["SUBMISSIONS"].Archived == 3 && status.Streams["LAB"].Archived+4 > status.Streams["LAB"].Last
	})
	old := filepath.Join(l.data, "archive")
	if text := l.must(t, "archive", "verify", "--path", old); !strings.Contains(text, "is whole") {
		t.Errorf("archive verify: %q", text)
	}
	anew, key := filepath.Join(l.dir, "anew"), filepath.Join(l.data, "key")
	if status, text := l.strata(t, "archive", "restore", filepath.Join(l.dir, "none"), "--data", anew); status != exitFailed || !strings.Contains(text, "no archive") {
		t.Errorf("restore from nothing: status %d, %q", status, text)
	}
	l.must(t, "archive", "restore", old, "--data", anew, "--key", key)
	second := &pastLab{world: newWorldOn(l.world), answer: l.answer}
	second.world.up(t, "--data", anew)
	second.same(t)

	names, err := filepath.Glob(filepath.Join(old, "LAB", "*.zst"))
	if err != nil || len(names) == 0 {
		t.Fatalf("segments: %v, %v", names, err)
	}
	if err := os.Truncate(names[0], 40); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"archive", "verify", "--path", old}, {"archive", "restore", old, "--data", anew + "2"}} {
		if status, text := l.strata(t, args...); status != exitFailed || !strings.Contains(text, filepath.Base(names[0])) {
			t.Errorf("strata %s with a cut segment: status %d, said %q; want it named", strings.Join(args, " "), status, text)
		}
	}
}
