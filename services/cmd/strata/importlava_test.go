package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
	"strata/services/api"
	"strata/services/cmd/lava/lavatest"
)

// fourHealths is a LAVA server with a Good, a Bad, a Maintenance and a Retired device on one worker. Their
// health check ran a moment ago.
func fourHealths(worker string) *lavatest.Lab {
	return &lavatest.Lab{
		User: "admin", Token: "secret",
		Lists: map[string][]lavatest.Row{
			"devicetypes": {lavatest.Kind("quick", lavatest.Row{"description": "ends at once", "aliases": []string{"fast"}})},
			"tags":        {{"id": 1, "name": "usb", "description": "a stick"}},
			"workers":     {{"hostname": worker, "health": "Active", "description": nil, "job_limit": 0}},
			"devices": {
				lavatest.Board("d-good", "quick", worker, "Good", lavatest.Row{"last_health_report_job": 41, "tags": []int{1}}),
				lavatest.Board("d-bad", "quick", worker, "Bad", lavatest.Row{"last_health_report_job": 41, "physical_owner": 3}),
				lavatest.Board("d-maint", "quick", worker, "Maintenance", lavatest.Row{"description": "left"}),
				lavatest.Board("d-retired", "quick", worker, "Retired", nil),
			},
			"permissions/devices": {{"id": 1, "group": "kernel", "permission": "submit_to_device", "device": "d-bad"}}, "permissions/devicetypes": {},
		},
		Files: map[string]string{
			"devicetypes/quick/template/": quickDevice, "devicetypes/quick/health_check/": quickJob,
			"devices/d-good/dictionary/": "{% extends 'quick.jinja2' %}\n", "devices/d-bad/dictionary/": "{% extends 'quick.jinja2' %}\n{# 2 #}\n",
			"devices/d-maint/dictionary/": "{% extends 'quick.jinja2' %}\n", "devices/d-retired/dictionary/": "{% extends 'quick.jinja2' %}\n",
			"jobs/41/": `{"submit_time": "2199-01-31T10:00:00Z"}`,
		},
		Pages: map[string]string{
			"d-bad":   lavatest.Page(`<a href="mailto:a@example.com">alice</a>`, "Good → Bad (broken psu)"),
			"d-maint": lavatest.Page("...", "Good → Maintenance (new cable)", "Bad → Good"),
		},
	}
}

// TestImportLava moves a LAVA server's lab by its interfaces: it is equal afterwards, jobs run on the Good
// device only, and a second run changes nothing.
func TestImportLava(t *testing.T) {
	t.Parallel()
	l := fourHealths("w1")
	url := l.Start(t)
	w := newWorld(t)
	w.up(t, "--listen-sql", "", "--worker", "w1")
	args := []string{"import", "lava", "--url", url, "--token-file", write(t, w.dir, "token", "secret\n")}
	for _, more := range []string{"--dry-run", "--reason=moving"} {
		text := w.must(t, append(args, more)...)
		for _, want := range []string{"added     devicetype quick", "added     tag usb", "added     device d-bad (quick, Bad)", "6 changes: 7 things read, 0 settings kept, 0 not taken, 0 invalid, 0 refused"} {
			if !strings.Contains(text, want) {
				t.Errorf("import %s: no %q in\n%s", more, want, text)
			}
		}
	}
	for name, want := range map[string]api.Device{
		"d-good":    {Health: events.Good},
		"d-bad":     {Health: events.Bad, HealthReason: "broken psu", Owner: "alice"},
		"d-maint":   {Health: events.Maintenance, HealthReason: "new cable", Description: "left"},
		"d-retired": {Health: events.Retired},
	} {
		var d api.Device
		w.ask(t, &d, "devices", "show", name)
		if d.DeviceType != "quick" || d.Worker != "w1" || d.Health != want.Health || d.HealthReason != want.HealthReason || d.Owner != want.Owner ||
			d.Description != want.Description || d.Dictionary != l.Files["devices/"+name+"/dictionary/"] {
			t.Errorf("%s: %+v, want it as in LAVA: %+v", name, d, want)
		}
	}
	if text := w.must(t, args...); !strings.HasPrefix(text, "0 changes: ") {
		t.Errorf("second run: %q, want 0 changes", text)
	}
	w.onlyOn(t, "d-good", "d-bad", "d-maint", "d-retired")
	if text := w.must(t, args...); !strings.HasPrefix(text, "0 changes: ") {
		t.Errorf("run after jobs: %q, want 0 changes", text)
	}
	// What changes there comes along; what has changed here is told and stays.
	l.Change(func() { l.Lists["devices"][2]["description"] = "right" })
	w.must(t, "devices", "health", "d-bad", "Maintenance", "--reason", "mine")
	text := w.must(t, args...)
	for _, want := range []string{"changed   device d-maint description: left → right", "kept      device d-bad health: here Maintenance, mine, there Bad, broken psu: changed here", "1 change: "} {
		if !strings.Contains(text, want) {
			t.Errorf("third run: no %q in\n%s", want, text)
		}
	}
	// The lab as it was before all this had no devices.
	var before []api.Device
	if w.ask(t, &before, "devices", "--at", "1"); len(before) != 0 {
		t.Errorf("devices at fact 1: %+v, want none", before)
	}
	if status, text := w.strata(t, "devices", "--at", "999999"); status != exitFailed || !strings.Contains(text, "there is no fact 999999 yet") {
		t.Errorf("devices at a fact to come: %d, %q", status, text)
	}
}

// onlyOn runs jobs for the devices' type and holds that one device takes them all.
func (w *world) onlyOn(t *testing.T, takes string, others ...string) {
	t.Helper()
	file := write(t, w.dir, "quick.yaml", quickJob)
	for range 3 {
		var j api.Job
		w.ask(t, &j, "submit", file)
		number := j.Job.String()
		eventually(t, "job "+number+" is over", func() bool {
			w.ask(t, &j, "show", number)
			return j.Over()
		})
		if string(j.Device) != takes || j.Health != events.Complete {
			t.Errorf("job %s: %s on %s, want it Complete on %s", number, j.Health, j.Device, takes)
		}
	}
	for _, name := range others {
		if text := w.must(t, "events", "device/"+name); strings.Contains(text, "device.reserved") || strings.Contains(text, "health-check.requested") {
			t.Errorf("%s was given something:\n%s", name, text)
		}
	}
}

// TestImportLavaFiles moves a LAVA server's lab by its files: nothing is powered on.
func TestImportLavaFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--listen-sql", "", "--worker", "w1")
	dir := map[string]string{}
	for _, name := range []string{"types", "devices", "checks"} {
		dir[name] = filepath.Join(w.dir, name)
		if err := os.Mkdir(dir[name], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir["types"], "quick.jinja2", quickDevice)
	write(t, dir["checks"], "quick.yaml", quickJob)
	write(t, dir["devices"], "q-01.jinja2", "{% extends 'quick.jinja2' %}\n")
	write(t, dir["devices"], "q-02.jinja2", "{% set sync_to_lava = {'device_type': 'quick', 'worker': 'w2', 'tags': ['usb']} %}{% extends 'quick.jinja2' %}\n")
	write(t, dir["devices"], "q-03.jinja2", "{% extends 'nowhere.jinja2' %}\n")
	args := []string{"import", "lava", "--device-types", dir["types"], "--devices", dir["devices"], "--health-checks", dir["checks"], "--worker", "w1"}
	for _, more := range []string{"--dry-run", "--force"} {
		text := w.must(t, append(args, more)...)
		for _, want := range []string{"added     device q-01 (quick, Maintenance)", "added     worker w2", `invalid   device q-03: render dictionary of q-03: q-03.jinja2:1: template "nowhere.jinja2"`, "6 changes: "} {
			if !strings.Contains(text, want) {
				t.Errorf("import %s: no %q in\n%s", more, want, text)
			}
		}
	}
	var all []api.Device
	w.ask(t, &all, "devices")
	for _, d := range all {
		if d.Health != events.Maintenance || d.HealthReason != "imported" {
			t.Errorf("%s is %s (%s), want Maintenance, imported", d.Device, d.Health, d.HealthReason)
		}
	}
	var kind api.DeviceType
	w.ask(t, &kind, "device-types", "show", "quick")
	if len(all) != 3 || all[1].Worker != "w2" || fmt.Sprint(all[1].Tags) != "[usb]" || kind.HealthCheck != quickJob {
		t.Errorf("devices %+v, type %+v", all, kind)
	}
	// A person takes one into service; another import does not take it out again.
	w.must(t, "devices", "health", "q-01", "Unknown")
	eventually(t, "q-01 has passed its first check", func() bool {
		var d api.Device
		w.ask(t, &d, "devices", "show", "q-01")
		return d.Health == events.Good
	})
	if text := w.must(t, args...); !strings.Contains(text, "0 changes: ") {
		t.Errorf("second run: %q, want 0 changes", text)
	}
	write(t, dir["devices"], "q-04.jinja2", "\xff")
	for want, args := range map[string][]string{
		"q-04.jinja2 is not text in UTF-8": args,
		"say either --url, or folders":     {"import", "lava", "--url", "http://x", "--devices", "x"},
		"say what to read":                 {"import", "lava"},
		"--url needs --token-file":         {"import", "lava", "--url", "http://x"},
		"does not hold a token":            {"import", "lava", "--url", "http://x", "--token-file", write(t, w.dir, "empty", "\n")},
		"--checks-at-once -1":              {"import", "lava", "--url", "http://x", "--checks-at-once", "-1"},
	} {
		if status, text := w.strata(t, args...); status == exitOK || !strings.Contains(text, want) {
			t.Errorf("strata %s: status %d, no %q in %s", strings.Join(args, " "), status, want, text)
		}
	}
}

// peerURL is where the peer's LAVA server listens, and peerToken its superuser's.
const peerURL = "http://127.0.0.1:8580"

var peerToken = "peer" + strings.Repeat("0", 60)

// TestImportLavaPeer does with a real LAVA server what TestImportLava does with a stand-in. It takes a
// server that runs, or starts the one that is installed.
func TestImportLavaPeer(t *testing.T) {
	t.Parallel()
	dispatchertest.Slow(t)
	w := newWorld(t)
	w.peer(t)
	healths := map[string]string{"qemu-01": "Good", "qemu-02": "Bad", "qemu-03": "Maintenance", "qemu-04": "Retired"}
	for name, health := range healths {
		body := strings.NewReader(fmt.Sprintf(`{"health": %q, "reason": "test of %s"}`, health, name))
		if _, err := askPeer(t.Context(), http.MethodPost, "/api/v0.2/devices/"+name+"/set_health/?all=true", body); err != nil {
			t.Fatal(err)
		}
	}
	w.up(t, "--listen-sql", "", "--worker", "peer-worker")
	args := []string{"import", "lava", "--url", peerURL, "--token-file", write(t, w.dir, "token", peerToken)}
	t.Log(w.must(t, args...))
	for name, health := range healths {
		var d api.Device
		w.ask(t, &d, "devices", "show", name)
		if string(d.Health) != health || d.HealthReason != "test of "+name || d.DeviceType != "qemu" || d.Worker != "peer-worker" ||
			!strings.Contains(d.Dictionary, "{% extends 'qemu.jinja2' %}") {
			t.Errorf("%s: %+v, want it %s as in LAVA", name, d, health)
		}
	}
	if text := w.must(t, args...); !strings.HasPrefix(text, "0 changes: ") {
		t.Errorf("second run: %q, want 0 changes", text)
	}
	// The job finds no such command on a QEMU device and fails: what counts is where.
	file := write(t, w.dir, "job.yaml", strings.Replace(quickJob, "device_type: quick", "device_type: qemu\ncontext: {arch: amd64}", 1))
	var j api.Job
	w.ask(t, &j, "submit", file)
	number := j.Job.String()
	eventually(t, "the job is over", func() bool {
		w.ask(t, &j, "show", number)
		return j.Over()
	})
	if j.Device != "qemu-01" {
		t.Errorf("the job ran on %q: %+v, want the Good device", j.Device, j)
	}
	for _, name := range []string{"qemu-02", "qemu-03", "qemu-04"} {
		if text := w.must(t, "events", "device/"+name); strings.Contains(text, "device.reserved") {
			t.Errorf("%s was given something:\n%s", name, text)
		}
	}
}

// peer waits for a LAVA server, which it starts, and stops at the end, where none runs.
func (w *world) peer(t *testing.T) {
	t.Helper()
	if _, err := askPeer(t.Context(), http.MethodGet, "/api/v0.2/system/version/", nil); err == nil {
		return
	}
	corpus := os.Getenv("STRATA_CORPUS")
	if corpus == "" {
		corpus = "../../../../shared"
	}
	script, err := filepath.Abs(filepath.Join(corpus, "peer", "setup-lava.sh"))
	if err == nil {
		_, err = os.Stat(script)
	}
	if err == nil {
		_, err = exec.LookPath("lava-server")
	}
	if err == nil && os.Getuid() != 0 {
		err = errors.New("only root may start it")
	}
	if err != nil {
		t.Skipf("SKIPPED: no LAVA server at %s and none that can be started (%v): peer/setup-lava.sh of STRATA_CORPUS sets one up", peerURL, err)
	}
	run := func(ctx context.Context, step ...string) error {
		cmd := exec.CommandContext(ctx, "bash", append([]string{script}, step...)...)
		cmd.Env = append(os.Environ(), "LAB="+filepath.Join(w.dir, "peer"), "NO_WORKER=1", "NO_SCHEDULER=1", "WORKERS=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %v: %w: %s", script, step, err, out)
		}
		return nil
	}
	t.Cleanup(func() {
		if err := run(context.Background(), "stop"); err != nil {
			t.Error(err)
		}
	})
	for _, step := range []string{"start", "fixtures"} {
		if err := run(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the LAVA server answers", func() bool {
		_, err := askPeer(t.Context(), http.MethodGet, "/api/v0.2/system/version/", nil)
		return err == nil
	})
}

// askPeer sends a request to the peer and returns its status.
func askPeer(ctx context.Context, method, path string, body *strings.Reader) (int, error) {
	var req *http.Request
	var err error
	if body == nil {
		req, err = http.NewRequestWithContext(ctx, method, peerURL+path, nil)
	} else {
		req, err = http.NewRequestWithContext(ctx, method, peerURL+path, body)
	}
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Token "+peerToken)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusBadRequest {
		return answer.StatusCode, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return answer.StatusCode, nil
}
