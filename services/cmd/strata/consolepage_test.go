package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/services/api"
	"strata/services/web/browser"
)

// waitsForever is a job that waits for a prompt which its console does not show by itself.
const waitsForever = `
job_name: waits
device_type: shell
visibility: public
timeouts: {job: {minutes: 10}, action: {minutes: 8}, connection: {minutes: 8}}
actions:
- boot: {method: minimal, prompts: ['healed-4[2]']}
`

// TestConsoleFromPage has somebody take over the console of a job that hangs, mend what it waits for by typing, and
// give it back: the job passes, and its log says who did what.
func TestConsoleFromPage(t *testing.T) {
	t.Parallel()
	chromium := browser.Start(t)
	w := newWorld(t)
	_, r := w.up(t, "--listen-sql", "", "--worker", "w1")
	token, err := os.ReadFile(filepath.Join(r.Data, "administrator"))
	if err != nil {
		t.Fatal(err)
	}
	dict := write(t, w.dir, "sh1.yaml", strings.NewReplacer("@ROOT@", "/tmp").Replace(shellDevice))
	w.must(t, "devices", "add", "sh1", "--type", "shell", "--worker", "w1", "--dict", dict, "--health", "Good")
	w.must(t, "submit", write(t, w.dir, "waits.yaml", waitsForever))
	// Once the job has its console, it can be taken.
	eventually(t, "the job waits at its console", func() bool {
		_, text := w.strata(t, "logs", "1")
		return strings.Contains(text, "Setting prompt string to")
	})
	p := chromium.Open(t, browser.Options{Lab: r.HTTP, Headers: map[string]string{"Authorization": "Token " + strings.TrimSpace(string(token))}})
	if status := p.Go("/scheduler/job/1/log"); status != 200 {
		t.Fatalf("the log's page: status %d", status)
	}
	p.Await("document.querySelector('log-view')?.source?.events")
	p.Click(browser.Button("Take over the console"))
	p.See("You have the console", "local has taken over the console")
	p.Fill("#lv-line", "echo looked-$((20+2))")
	p.Do("#lv-line", "press", nil, "Enter")
	p.See("looked-22")
	p.Examine()
	p.Click(browser.Button("Give it back"))
	p.See("the job has its console again: local has given it back")
	p.Click(browser.Button("Take over the console"))
	p.Fill("#lv-line", "echo healed-$((40+2))")
	p.Do("#lv-line", "press", nil, "Enter")
	p.Await("document.querySelector('log-view').done")
	if text := w.must(t, "show", "1"); !strings.Contains(text, "Complete") {
		t.Errorf("the job that was helped: %s", text)
	}
	for _, complaint := range p.Complaints() {
		t.Errorf("the browser complains: %s", complaint)
	}
}

// TestDeviceConsoleFromPage has somebody open the console of a device that runs no job, type on it, switch its power beside it, and leave
// it; somebody else may do so while he has it reserved, and not before.
func TestDeviceConsoleFromPage(t *testing.T) {
	t.Parallel()
	chromium := browser.Start(t)
	w := newWorld(t)
	_, r := w.up(t, "--listen-sql", "", "--worker", "w1")
	token, err := os.ReadFile(filepath.Join(r.Data, "administrator"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "said"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dict := write(t, w.dir, "bench.yaml", strings.ReplaceAll(handsDevice, "@DIR@", dir))
	w.must(t, "devices", "add", "b1", "--type", "bench", "--worker", "w1", "--dict", dict, "--health", "Good")
	eventually(t, "the worker is there", func() bool {
		status, _ := w.strata(t, "devices", "power", "b1", "on")
		return status == exitOK
	})
	p := chromium.Open(t, browser.Options{Lab: r.HTTP, Headers: map[string]string{"Authorization": "Token " + strings.TrimSpace(string(token))}})
	p.Go("/scheduler/device/b1")
	p.Click(browser.Link("Console and power"))
	p.Click(browser.Button("Open the console"))
	p.See("You have the console")
	p.Fill("#lv-line", "looked")
	p.Do("#lv-line", "press", nil, "Enter")
	p.See("got looked")
	p.Click(browser.Button("Reset")) // beside the console, which stays
	p.See("Hit any key", "Done.", "You have the console")
	p.Examine()
	p.Click(browser.Button("Leave it"))
	p.See("The console is closed.", "got looked")
	eventually(t, "jobs may have the device again", func() bool { return w.device(t, "b1").HeldBy == "" })
	for _, complaint := range p.Complaints() {
		t.Errorf("the browser complains: %s", complaint)
	}
	if text := w.must(t, "events", "device/b1"); !strings.Contains(text, "device.held") || !strings.Contains(text, "device.let-go") {
		t.Errorf("what the device's story says of it: %s", text)
	}
	w.must(t, "users", "add", "alice")
	c, done, err := w.app(&bytes.Buffer{}).client()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	var issued api.Token
	if err := c.Call(t.Context(), "tokens.issue", api.TokenRequest{User: "alice"}, &issued); err != nil {
		t.Fatal(err)
	}
	alice := chromium.Open(t, browser.Options{Lab: r.HTTP, Headers: map[string]string{"Authorization": "Token " + issued.Value}})
	if status := alice.Go("/scheduler/device/b1/hands"); status != 403 {
		t.Errorf("the page by hand for who may not: status %d, want 403", status)
	}
	w.must(t, "reservations", "add", "b1", "--user", "alice", "--for", "1h")
	alice.Complaints() // of the refusal
	alice.Go("/scheduler/device/b1")
	alice.Click(browser.Link("Console and power"))
	alice.Click(browser.Button("Open the console"))
	alice.See("You have the console")
}
