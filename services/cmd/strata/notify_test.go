package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"strata/services/api"
)

// TestNotify has a lab call a program when a job has ended, tell its result, and call it again by command.
func TestNotify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	came := make(chan map[string]any, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		text, _ := io.ReadAll(r.Body)
		if json.Unmarshal(text, &body) == nil && r.Header.Get("Strata-Signature") != "" && r.Header.Get("Authorization") == "hush" {
			came <- body
		}
	}))
	t.Cleanup(receiver.Close)
	tokens, secret := write(t, w.dir, "tokens.yaml", "local: {ci: hush}\n"), write(t, w.dir, "secret", "s3cret\n")
	config := write(t, w.dir, "strata.yaml", "notify: {allow: [127.0.0.1], tokens_file: "+tokens+", secret_file: "+secret+"}\n")
	w.up(t, "--first-job", "1", "--config", config)
	script := write(t, w.dir, "script.yaml", `
device_type: panda
devices: [panda-1]
jobs:
- {name: passes, console: [{say: this one is played}, {result: {suite: 0_smoke, case: boot}}]}
`)
	w.spawn(t, "worker", "--simulate", script, "--register", "--name", "rehearsal", "--data", filepath.Join(w.dir, "worker"))
	job := write(t, w.dir, "job.yaml", `job_name: rehearse
device_type: panda
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 2}}
notify:
  criteria: {status: finished}
  recipients: [{to: {method: email, email: a@example.com}}]
  callback: {url: "`+receiver.URL+`/{ID}", method: POST, dataset: all, content-type: json, token: ci}
actions:
- boot: {method: qemu, media: tmpfs, prompts: ['# ']}
`)
	var devices []api.Device
	eventually(t, "the device is there", func() bool {
		w.ask(t, &devices, "devices")
		return len(devices) == 1
	})
	w.must(t, "submit", job, "--follow")
	eventually(t, "the callback comes", func() bool { return len(came) > 0 })
	body := <-came
	results, _ := body["results"].(map[string]any)
	log, _ := body["log"].(string)
	if body["id"] != 1.0 || body["health_string"] != "Complete" || body["output_complete"] != true || results["0_smoke"] == nil || !strings.Contains(log, "this one is played") {
		t.Errorf("callback of job 1: %v, want a complete job with its results and log", body)
	}
	var all []api.Notice
	eventually(t, "the callback is sent and the mail a dead letter", func() bool {
		w.ask(t, &all, "notify", "list", "1")
		return len(all) == 2 && all[0].State == api.NoticeSent && all[1].State == api.NoticeDead
	})
	if text := w.must(t, "notify", "dead"); !strings.Contains(text, "sends no mail") || strings.Contains(text, receiver.URL) {
		t.Errorf("strata notify dead: %q, want the mail and why", text)
	}
	if text := w.must(t, "notify", "replay", "1", "1"); !strings.Contains(text, "1 go out again") {
		t.Errorf("strata notify replay 1 1: %q", text)
	}
	eventually(t, "the callback comes again", func() bool { return len(came) > 0 })
	for _, wrong := range [][]string{{"notify", "replay"}, {"notify", "replay", "1", "x"}, {"notify", "replay", "1", "--dead"}} {
		if status, text := w.strata(t, wrong...); status != exitMisuse {
			t.Errorf("strata %s: status %d (%s), want %d", strings.Join(wrong, " "), status, text, exitMisuse)
		}
	}
}
