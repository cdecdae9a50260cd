package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/projections/engine"
	"strata/services/api"
)

// TestNamesOfLabs refuses names that would look odd on pages, before anything is started.
func TestNamesOfLabs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, says := range map[string]string{"": "has 0 characters; allowed are 1 to 40", strings.Repeat("x", 41): "has 41 characters", "a\nb": "allowed is one line of text"} {
		if status, text := w.strata(t, "up", "--name", name); status != exitMisuse || !strings.Contains(text, says) || !strings.Contains(text, "--name") {
			t.Errorf("strata up --name %q: status %d, %q; want %d and %q", name, status, text, exitMisuse, says)
		}
	}
}

// firstPage is what the lab's administrator gets at its first page.
func firstPage(t *testing.T, r ready) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", r.HTTP+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Token "+r.Token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(all)
}

// TestUp starts a lab, looks at it as its user does, and starts it again on its directory.
func TestUp(t *testing.T) {
	t.Parallel()
	needEngine(t)
	w := newWorld(t)
	p, r := w.up(t, "--first-job", "7000", "--worker", "w1", "--name", "Kernel <lab>")
	// Nobody waited: what says that it is up has pages.
	if status, text := firstPage(t, r); status != http.StatusOK || !strings.Contains(text, "<title>Lab · Kernel &lt;lab&gt;</title>") || !strings.Contains(text, "<h1>Kernel &lt;lab&gt;</h1>") {
		t.Errorf("the first page: status %d, %.800s; want 200 and the lab's name as title and head", status, text)
	}

	if !strings.HasPrefix(r.NATS, "nats://127.0.0.1:") || !strings.HasPrefix(r.HTTP, "http://127.0.0.1:") || !strings.HasPrefix(r.SQL, "http://127.0.0.1:") {
		t.Errorf("--ready file: got %+v, want three addresses", r)
	}
	var h healthReport
	get(t, r.HTTP+"/healthz", &h)
	if h.Status != "ok" || len(h.Services) < len(services()) {
		t.Errorf("/healthz: got %+v, want every service running", h)
	}
	if text := string(body(t, r.HTTP+"/metrics")); !strings.Contains(text, "for who has a token") {
		t.Errorf("/metrics for a program on this machine without a token: %.200s; want it refused", text)
	}
	for _, want := range []string{`strata_stream_lag{service="scheduling"}`, `strata_append_conflicts_total{service="api"}`,
		`strata_append_batch_size_bucket{service="submission"`, "strata_queue_jobs", "strata_scheduling_decision_seconds_bucket",
		`strata_projector_lag{stream="LAB"}`, "go_goroutines"} {
		eventually(t, "/metrics has "+want, func() bool { return strings.Contains(string(bodyAs(t, r.HTTP+"/metrics", r.Token)), want) })
	}

	// Found without --server, by the note that up left.
	w.must(t, "devices", "add", "q1", "--type", "qemu", "--worker", "w1", "--health", "Maintenance", "--tag", "kvm")
	if text := w.must(t, "devices"); !strings.Contains(text, "Maintenance") || !strings.Contains(text, "kvm") {
		t.Errorf("strata devices: got %q, want q1 in Maintenance with its tag", text)
	}
	eventually(t, "worker w1 is online", func() bool {
		var workers []api.Worker
		w.ask(t, &workers, "workers")
		return len(workers) == 1 && workers[0].State == "Online"
	})
	eventually(t, "ClickHouse has the device", func() bool {
		_, text := w.strata(t, "sql", "SELECT device, health FROM devices", "--format", "CSV")
		return strings.Contains(text, `"q1","Maintenance"`)
	})
	for token, want := range map[string]int{"": http.StatusForbidden, strings.TrimSpace(w.must(t, "tokens", "add", "--scope", "view")): http.StatusOK} {
		eventually(t, fmt.Sprintf("the SQL door answers token %q with %d", token, want), func() bool { return askDoor(t, r.SQL, token) == want })
	}

	// Nothing but a NATS client is needed to submit; the receipt is the job's number.
	conn, err := nats.Connect(r.NATS, nats.Token(r.Token), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reply, err := conn.Request("submit.local", []byte("nonsense: 1\n"), patience)
	if err != nil {
		t.Fatalf("request on submit.local: %v", err)
	}
	var ack struct {
		Seq uint64 `json:"seq"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil || ack.Seq != 7000 {
		t.Errorf("receipt: got %s, want sequence 7000, as --first-job says", reply.Data)
	}
	var j api.Job
	eventually(t, "job 7000 is looked at", func() bool {
		w.ask(t, &j, "show", "7000")
		return j.State == api.StateRejected
	})
	if len(j.Problems) == 0 {
		t.Errorf("job 7000: got %+v, want it Rejected with its problems", j)
	}
	var all api.Jobs
	eventually(t, "strata jobs --all has job 7000, which is over", func() bool {
		all = api.Jobs{}
		w.ask(t, &all, "jobs", "--all")
		return len(all.Jobs) == 1 && all.Jobs[0].Job == 7000
	})

	if status, text := newWorldOn(w).strata(t, "up", "--data", r.Data, "--listen-nats", "127.0.0.1:0"); status != exitFailed ||
		!strings.Contains(text, "another strata runs on") {
		t.Errorf("a second up on the same directory: status %d, said %q; want a refusal", status, text)
	}
	p.stop(t)
	if status, text := w.strata(t, "jobs"); status != exitFailed || !strings.Contains(text, "no lab found") {
		t.Errorf("after up has ended: status %d, said %q; want that there is no lab", status, text)
	}
	_, r = w.up(t, "--first-job", "7000")
	var devices []api.Device
	w.ask(t, &devices, "devices", "--server", r.NATS)
	if len(devices) != 1 || devices[0].Device != "q1" {
		t.Errorf("devices after a restart: got %+v, want q1", devices)
	}
}

// TestUpWithoutClickHouse goes on with what is current and says at once what is away.
func TestUpWithoutClickHouse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--listen-sql", "")
	w.must(t, "workers", "register", "w1")
	if status, text := w.strata(t, "sql", "SELECT 1"); status != exitFailed || !strings.Contains(text, "history is away") {
		t.Errorf("sql without ClickHouse: status %d, said %q; want that history is away", status, text)
	}
	var jobs api.Jobs
	w.ask(t, &jobs, "jobs", "--all")
	if jobs.Away == "" {
		t.Error("jobs --all without ClickHouse: does not say that finished jobs are missing")
	}
}

// TestSubmitRefused reports a definition's fault with its place, whether it is followed or not.
func TestSubmitRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--listen-sql", "")
	file := filepath.Join(w.dir, "bad.yaml")
	if err := os.WriteFile(file, []byte("job_name: x\ndevice_type: qemu\nbogus: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"submit", file}, {"submit", file, "--follow"}} {
		if status, text := w.strata(t, args...); status != exitFailed || !strings.Contains(text, "was rejected") {
			t.Errorf("strata %s: status %d, said %q; want 1 and the rejection", strings.Join(args, " "), status, text)
		}
	}
}

// newWorldOn returns another user's view of the same machine.
func newWorldOn(w *world) *world {
	other := &world{dir: w.dir, env: map[string]string{}}
	for name, value := range w.env {
		other.env[name] = value
	}
	other.env["XDG_RUNTIME_DIR"] = filepath.Join(w.dir, "run2")
	return other
}

// needEngine skips a test that asks ClickHouse where its library is not installed; in CI it fails.
func needEngine(t *testing.T) {
	t.Helper()
	if _, err := engine.Library(); err != nil {
		if os.Getenv("STRATA_REQUIRE_CLICKHOUSE") != "" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, ClickHouse is not tested: %v", err)
	}
}

func body(t *testing.T, url string) []byte {
	t.Helper()
	return bodyAs(t, url, "")
}

// bodyAs is body for the bearer of a token.
func bodyAs(t *testing.T, url, token string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	return text
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	if err := json.Unmarshal(body(t, url), into); err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
}

// askDoor asks the SQL door as curl -u does, without a token where it is empty, and returns the status.
func askDoor(t *testing.T, address, token string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("SELECT count() FROM devices"))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.SetBasicAuth("default", token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
