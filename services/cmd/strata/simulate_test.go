package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"strata/services/api"
	"strata/services/cmd/simulation"
)

// TestSimulate tries a lab that is made up, twice, and one whose facts are in a file.
func TestSimulate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	policy := write(t, w.dir, "policy.yaml", "fair_share: {half_life: 1d, users: {alice: 2}}\n")
	args := []string{"simulate", "--devices", "10", "--types", "2", "--workers", "2", "--days", "2", "--jobs", "200", "--seed", "7",
		"--users", "alice=1,bob=1", "--policy", policy, "--kill", "w1@20h+2h"}
	status, text := w.strata(t, args...)
	for _, want := range []string{"10 devices on 2 workers", "200 jobs submitted", "MEDIAN", "user alice", "USED BY JOBS", "Jain's index"} {
		if status != 0 || !strings.Contains(text, want) {
			t.Errorf("strata simulate: status %d, %q is not in\n%s", status, want, text)
		}
	}
	args = append(args, "--json")
	_, one := w.strata(t, args...)
	_, two := w.strata(t, args...)
	var r simulation.Report
	if err := json.Unmarshal([]byte(one), &r); err != nil || one != two {
		t.Fatalf("two calls: error %v, equal bytes: %v\n%s", err, one == two, one)
	}
	if r.Jobs.Submitted != 200 || len(r.Fairness.Users) != 2 || r.Fairness.Users[0].Weight+r.Fairness.Users[1].Weight != 3 {
		t.Errorf("report %+v", r)
	}
	status, text = w.strata(t, "simulate", "--devices", "6", "--types", "2", "--days", "4", "--load", "1", "--multinode", "0.5", "--rule", "lava", "--drain")
	if want := "are held by jobs that wait for others"; status != 0 || !strings.Contains(text, want) {
		t.Errorf("by LAVA's rule: status %d, %q is not in\n%s", status, want, text)
	}
	status, text = w.strata(t, "simulate", "--devices", "10", "--days", "3", "--estimates", "1", "--retries", "1", "--infra", "0.2")
	for _, want := range []string{"jobs that had to wait: half of them wrong by less than", "tried again"} {
		if status != 0 || !strings.Contains(text, want) || strings.Contains(text, " 0 tried again") {
			t.Errorf("with estimates and attempts: status %d, %q is not in\n%s", status, want, text)
		}
	}
	facts := `{"seq":1,"name":"worker.registered","time":"2026-01-05T00:00:00Z","data":{"worker":"w1","by":"local"}}
{"seq":2,"name":"worker.went-online","time":"2026-01-05T00:00:00Z","data":{"worker":"w1","version":"x","at":"2026-01-05T00:00:00Z"}}
{"seq":3,"name":"device.added","time":"2026-01-05T00:00:00Z","data":{"device":"q1","device_type":"qemu","worker":"w1","health":"Good","by":"local"}}
{"seq":4,"name":"device.configured","time":"2026-01-05T00:00:00Z","data":{"device":"q1","dictionary":` + quoted(t, "demo/device.yaml") + `,"by":"local"}}
{"seq":5,"name":"job.submitted","time":"2026-01-05T00:01:00Z","data":{"job":1,"user":"alice","name":"boot","at":"2026-01-05T00:01:00Z","device_type":"qemu","job_timeout":60}}
{"seq":6,"name":"job.submitted","time":"2026-01-05T00:01:00Z","data":{"job":2,"user":"alice","name":"boot","at":"2026-01-05T00:01:00Z","device_type":"qemu","job_timeout":60}}
`
	for more, want := range map[string]float64{"": 600, "qemu=1": 0} {
		var out bytes.Buffer
		a := w.app(&out)
		a.in = strings.NewReader(facts)
		args := []string{"simulate", "--facts", "-", "--drain", "--json"}
		if more != "" {
			args = append(args, "--more", more)
		}
		if status := a.run(t.Context(), args); status != 0 {
			t.Fatalf("%v: status %d, %s", args, status, out.String())
		}
		var r simulation.Report
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Jobs.Complete != 2 || r.Waits[0].Max != want {
			t.Errorf("%v: %+v, the second job waits %v s, want %v", args, r.Jobs, r.Waits[0].Max, want)
		}
	}
}

// TestSimulatePast replays what a running lab has had: asked for by --past, and printed by "strata events".
func TestSimulatePast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--worker", "", "--listen-sql", "")
	w.spawn(t, "worker", "--simulate", "1", "--register", "--name", "rehearsal", "--data", filepath.Join(w.dir, "worker"))
	eventually(t, "the worker is online", func() bool {
		var workers []api.Worker
		w.ask(t, &workers, "workers")
		return len(workers) == 1 && workers[0].State == "Online"
	})
	job := write(t, w.dir, "job.yaml", `job_name: rehearse
device_type: sim
visibility: public
timeouts: {job: {minutes: 5}, action: {minutes: 2}}
actions:
- boot: {method: qemu, media: tmpfs, prompts: ['# ']}
`)
	for n := range 3 {
		w.must(t, "submit", job)
		var shown api.Job
		eventually(t, "a job is over", func() bool {
			w.ask(t, &shown, "show", strconv.Itoa(n+1))
			return shown.State == "Finished"
		})
	}
	var past, facts, more, dead simulation.Report
	w.ask(t, &past, "simulate", "--past", "--drain")
	if past.Jobs.Complete != 3 || past.Devices != 1 || past.Workers != 1 {
		t.Errorf("the lab's past, simulated: %+v, want three jobs on a device", past)
	}
	file := write(t, w.dir, "facts.ndjson", w.must(t, "events", "--from", "1", "--json"))
	w.ask(t, &facts, "simulate", "--facts", file, "--drain")
	// The last job's output may have become complete in between, so not all has to be equal.
	if facts.Jobs != past.Jobs || !reflect.DeepEqual(facts.Waits, past.Waits) || !reflect.DeepEqual(facts.Fairness, past.Fairness) {
		t.Errorf("from the facts that it prints: %+v\nfrom itself: %+v", facts, past)
	}
	w.ask(t, &more, "simulate", "--past", "--drain", "--more", "sim=2")
	if more.Devices != 3 || more.Jobs.Complete != 3 {
		t.Errorf("with two devices more: %+v", more)
	}
	w.ask(t, &dead, "simulate", "--past", "--kill", "rehearsal@0s")
	if dead.Jobs.Complete != 0 || dead.Jobs.Submitted != 3 {
		t.Errorf("with its worker dead from the first: %+v", dead.Jobs)
	}
	if status, text := w.strata(t, "simulate", "--past", "--kill", "nobody@1h"); status != exitFailed || !strings.Contains(text, "the facts tell of the workers [rehearsal]") {
		t.Errorf("kill nobody: status %d, %s", status, text)
	}
}

// TestSimulateMisuse: what cannot be simulated is refused, and said how.
func TestSimulateMisuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	policy := write(t, w.dir, "policy.yaml", "fair_shares: {}\n")
	heavy := write(t, w.dir, "heavy.yaml", "fair_share: {users: {alice: -2}}\n")
	// Two devices are a lab too, though there are more types and workers usually.
	if status, text := w.strata(t, "simulate", "--devices", "2", "--jobs", "20", "--days", "1"); status != exitOK {
		t.Errorf("strata simulate of two devices: status %d, %s", status, text)
	}
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"--devices 0", 2, "devices 0"},
		{"--start monday", 2, "--start"},
		{"--users alice=-1", 2, "--users"},
		{"--priorities high=1", 2, "--priorities"},
		{"--kill w1", 2, "--kill"},
		{"--kill w9@1h", 2, "the workers are w1 to w5"},
		{"--more qemu=4", 2, "--more"},
		{"--facts - --devices 4", 2, "--devices"},
		{"--facts - --past", 2, "facts past"},
		{"--check-hours -1", 2, "check hours -1"},
		{"--infra 1.5", 2, "infra 1.5: a part from 0 to 1"},
		{"--days NaN", 2, "days NaN"},
		{"--facts -", 1, "there are none"},
		{"--facts nowhere.ndjson", 1, "nowhere.ndjson"},
		{"--policy " + policy, 1, "fair_shares"},
		{"--policy " + heavy, 1, "-2"},
		{"--devices 2 --types 3", 2, "types 3"},
		{"--rule best", 2, "strata or lava"},
		{"--rule lava --policy " + policy, 2, "knows no --policy"},
		{"--estimates -1", 2, "--estimates -1"},
		{"--retries 2", 2, "retries 2"},
		{"--facts - --retries 1", 2, "--retries"},
	} {
		if status, text := w.strata(t, append([]string{"simulate"}, strings.Fields(tt.args)...)...); status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("strata simulate %s: status %d, %q; want %d and %q", tt.args, status, text, tt.status, tt.want)
		}
	}
}

// quoted returns a file's text as a JSON string.
func quoted(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
