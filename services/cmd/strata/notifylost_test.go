package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"strata/events"
	"strata/services/api"
)

// callbacksTo takes callbacks: their bodies come out of the channel, with the name of the delivery.
func callbacksTo(t *testing.T) (url string, came chan map[string]any) {
	t.Helper()
	came = make(chan map[string]any, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := map[string]any{}
		text, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(text, &body)
		body["delivery"] = r.Header.Get("Strata-Delivery")
		came <- body
	}))
	t.Cleanup(s.Close)
	return s.URL, came
}

// notified is a quick job whose end is told of.
func notified(url string) string {
	return quickJob + "notify: {criteria: {status: finished}, callback: {url: '" + url + "', method: POST, content-type: json, dataset: all}}\n"
}

// TestWorkerKilledForGood kills a worker and its job's process in mid-job, as a power cut does, and nothing comes back:
// one callback says whose fault that was, and has the cases and the log so far.
func TestWorkerKilledForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url, came := callbacksTo(t)
	config := write(t, w.dir, "strata.yaml", "jobs: {worker_loss_limit: 5s}\nnotify: {allow: [127.0.0.1]}\n")
	w.up(t, "--listen-sql", "", "--config", config)
	var registered api.Worker
	w.ask(t, &registered, "workers", "register", "w1")
	worker := w.spawn(t, "worker", "--name", "w1", "--data", filepath.Join(w.dir, "worker"), "--token", registered.Token)
	script := write(t, w.dir, "a.sh", fmt.Sprintf("cut -d' ' -f5,6 /proc/$$/stat > %[1]s/pids\necho it began\nwhile [ ! -e %[1]s/gate ]; do sleep 0.1; done\n", w.dir))
	t.Cleanup(func() { write(t, w.dir, "gate", "") }) // where the test fails before it kills
	dict := write(t, w.dir, "a.yaml", strings.Replace(quickDevice, "do: echo hello", "do: sh "+script, 1))
	w.must(t, "devices", "add", "a", "--type", "quick", "--worker", "w1", "--dict", dict, "--health", "Good")
	job := w.submitTo(t, notified(url), "a")
	eventually(t, "the job is at work, and the lab has heard it", func() bool {
		return w.stateOf(t, job) == "Running" && strings.Contains(w.must(t, "logs", job.String()), "it began") && strings.Contains(w.must(t, "results", job.String()), "validate")
	})
	text, err := os.ReadFile(filepath.Join(w.dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	worker.kill()
	ours, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range strings.Fields(string(text)) { // of the script, and of the job's process, which is the first of a session
		pid, err := strconv.Atoi(group)
		if err != nil || pid <= 1 || slices.Contains(strings.Fields(string(ours)), group) || syscall.Kill(-pid, syscall.SIGKILL) != nil {
			t.Fatalf("kill process group %q of %q: %v", group, text, err)
		}
	}
	eventually(t, "the lab gives the job up", func() bool { return w.stateOf(t, job) == "Finished" })
	eventually(t, "the callback comes", func() bool { return len(came) > 0 })
	body := <-came
	results, _ := body["results"].(map[string]any)
	cases, _ := results["lava"].(string)
	log, _ := body["log"].(string)
	if body["status_string"] != "incomplete" || body["error_type"] != string(events.InfrastructureError) || body["output_complete"] != false || body["actual_device_id"] != "a" {
		t.Errorf("callback: %v, error type %v, output complete %v, device %v; want incomplete, Infrastructure, false, a",
			body["status_string"], body["error_type"], body["output_complete"], body["actual_device_id"])
	}
	if !strings.Contains(cases, "name: validate") || !strings.Contains(log, "it began") {
		t.Errorf("callback has the cases\n%s\nand the log\n%s\nwant what there was", cases, lastOf(log))
	}
	var list []api.Notice
	eventually(t, "the callback is recorded as sent", func() bool {
		w.ask(t, &list, "notify", "list", job.String())
		return len(list) == 1 && list[0].State == api.NoticeSent
	})
	if len(came) != 0 {
		t.Errorf("%d more callbacks came, want one in all", len(came))
	}
}

// TestNotifyTwice runs notify in two processes and kills one: each job is told of once, before and after.
func TestNotifyTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url, came := callbacksTo(t)
	config := write(t, w.dir, "strata.yaml", "notify: {allow: [127.0.0.1]}\n")
	others := slices.DeleteFunc(serviceNames(), func(name string) bool { return name == "notify" || name == "projector" || name == "sqldoor" })
	data := filepath.Join(w.dir, "lab")
	_, lab := w.up(t, "--listen-sql", "", "--config", config, "--data", data, "--services", strings.Join(others, ","))
	var both []*process
	for range 2 {
		both = append(both, w.spawn(t, "serve", "notify", "--data", data, "--config", config, "--server", lab.NATS, "--monitor", lab.HTTP))
	}
	eventually(t, "the api answers", func() bool { status, _ := w.strata(t, "workers"); return status == exitOK })
	w.ask(t, new(api.Worker), "workers", "register", "w1") // it never comes: jobs wait
	w.must(t, "devices", "add", "a", "--type", "quick", "--worker", "w1", "--dict", write(t, w.dir, "a.yaml", quickDevice), "--health", "Good")
	told := map[string]int{}
	tell := func() {
		t.Helper()
		job := w.submitTo(t, notified(url), "a")
		w.must(t, "cancel", job.String())
		eventually(t, "the callback is recorded as sent", func() bool {
			var list []api.Notice
			w.ask(t, &list, "notify", "list", job.String())
			return len(list) == 1 && list[0].State == api.NoticeSent
		})
		for len(came) > 0 {
			body := <-came
			if told[body["delivery"].(string)]++; body["canceled_by"] == nil || body["id"] != float64(job) {
				t.Errorf("callback of job %v, canceled by %v; want job %d and who", body["id"], body["canceled_by"], job)
			}
		}
	}
	tell()
	both[0].kill()
	tell()
	both[1].kill()
	w.spawn(t, "serve", "notify", "--data", data, "--config", config, "--server", lab.NATS, "--monitor", lab.HTTP)
	tell()
	for delivery, n := range told {
		if n != 1 {
			t.Errorf("delivery %s came %d times, want once", delivery, n)
		}
	}
	if len(told) != 3 {
		t.Errorf("%d deliveries came, want 3", len(told))
	}
}
