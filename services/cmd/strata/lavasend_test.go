package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/schemas/yaml"
)

// lavaServer is the log endpoint of a LAVA server, which has its moods.
type lavaServer struct {
	mu      sync.Mutex
	moods   []func(w http.ResponseWriter, lines int) bool // answers of the next posts; false: none, take the lines
	largest int                                           // records a post; 0: any
	took    []string
	posts   int
	unknown bool
	faults  []string
}

func (l *lavaServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posts++
	if r.Method != http.MethodPost || r.URL.Path != "/lab/scheduler/internal/v1/jobs/77/logs/" || r.Header.Get("LAVA-Token") != "s3cret" {
		l.faults = append(l.faults, fmt.Sprintf("%s %s with token %q", r.Method, r.URL.Path, r.Header.Get("LAVA-Token")))
	}
	if l.unknown {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error": "Unknown job '77'"}`)
		return
	}
	index, err := strconv.Atoi(r.FormValue("index"))
	list, err2 := yaml.Parse([]byte(r.FormValue("lines")))
	if err != nil || err2 != nil || !list.Is(yaml.List) {
		l.faults = append(l.faults, fmt.Sprintf("index %q, lines: %v", r.FormValue("index"), err2))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if len(l.moods) > 0 {
		mood := l.moods[0]
		l.moods = l.moods[1:]
		if mood(w, len(list.Items)) {
			return
		}
	}
	if l.largest > 0 && len(list.Items) > l.largest {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	// As LAVA: what it has already is not taken twice.
	for i, item := range list.Items {
		if index+i == len(l.took) {
			l.took = append(l.took, item.Get("msg").Repr())
		}
	}
	fmt.Fprintf(w, `{"line_count": %d}`, len(list.Items))
}

func says(status int, body string) func(http.ResponseWriter, int) bool {
	return func(w http.ResponseWriter, _ int) bool {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return true
	}
}

// TestLavaSender sends 2,500 records to a server with all its moods: each arrives once, in order.
func TestLavaSender(t *testing.T) {
	t.Parallel()
	server := &lavaServer{largest: 350, moods: []func(http.ResponseWriter, int) bool{
		says(http.StatusBadGateway, "tired"), says(http.StatusBadGateway, "tired"), says(http.StatusOK, `{"line_count": 0}`), says(http.StatusOK, "no JSON"),
	}}
	web := httptest.NewServer(server)
	defer web.Close()
	const records = 2500
	dir := t.TempDir()
	var text strings.Builder
	for i := range records {
		fmt.Fprintf(&text, "- {\"lvl\": \"debug\", \"msg\": \"line %d\"}\n", i)
	}
	file, err := os.Open(write(t, dir, "logs.yaml", text.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	to, err := lavaLogURL(web.URL+"/lab/", "77")
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	l := &lavaSender{to: to, token: "s3cret", errs: &errs, interval: time.Hour, wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	done := make(chan struct{})
	close(done)
	if err := l.run(t.Context(), file, done); err != nil {
		t.Fatal(err)
	}
	if len(server.took) != records || server.took[0] != "'line 0'" || server.took[records-1] != "'line 2499'" || len(server.faults) > 0 {
		t.Errorf("the server has %d of %d records, faults %q", len(server.took), records, server.faults)
	}
	if got := strings.Count(errs.String(), "\n"); got != 3 || !strings.Contains(errs.String(), "502 Bad Gateway") {
		t.Errorf("said %d times, want once a kind of fault:\n%s", got, errs.String())
	}
}

// A record that the server never takes is replaced by a result that says so.
func TestLavaSenderTooBig(t *testing.T) {
	t.Parallel()
	server := &lavaServer{moods: []func(http.ResponseWriter, int) bool{says(http.StatusRequestEntityTooLarge, "")}}
	web := httptest.NewServer(server)
	defer web.Close()
	file, err := os.Open(write(t, t.TempDir(), "logs.yaml", "- {\"lvl\": \"target\", \"msg\": \"huge\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l := &lavaSender{to: web.URL + "/lab/scheduler/internal/v1/jobs/77/logs/", token: "s3cret", wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	done := make(chan struct{})
	close(done)
	if err := l.run(t.Context(), file, done); err != nil || len(server.took) != 1 || !strings.Contains(server.took[0], "log-upload") {
		t.Errorf("%v; the server has %q", err, server.took)
	}
	server.unknown = true
	again, err := os.Open(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := (&lavaSender{to: l.to, token: "s3cret", wait: l.wait}).run(t.Context(), again, done); !errors.Is(err, errUnknownJob) {
		t.Errorf("a job that is not there: %v", err)
	}
}

// TestLavaRunSends runs whole jobs against a server: one that passes, and one that is deleted there
// while its command runs.
func TestLavaRunSends(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, command string
		unknown       bool
		status        int
		want          string
	}{
		{"passes", "/bin/true", false, 0, ""},
		{"deleted", "/bin/sleep 600", true, 1, "The job was deleted on the lava-server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := &lavaServer{unknown: tt.unknown}
			web := httptest.NewServer(server)
			defer web.Close()
			dir := t.TempDir()
			job := write(t, dir, "job.yaml", "job_name: local\nvisibility: public\ntimeouts: {job: {minutes: 5}, action: {minutes: 5}}\nactions:\n- command: {name: relay}\n")
			device := write(t, dir, "device.yaml", "commands: {users: {relay: {do: "+tt.command+"}}}\nactions: {deploy: {methods: }, boot: {methods: }}\n")
			out := filepath.Join(dir, "out")
			var stderr bytes.Buffer
			a := &app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &stderr, env: func(string) string { return "" }, now: time.Now}
			args := []string{lavaRunName, "--job-id", "77", "--output-dir", out, "--device", device, "--skip-sudo-warning",
				"--url", web.URL + "/lab", "--token", "s3cret", "--job-log-interval", "0.05", job}
			if got := a.run(context.Background(), args); got != tt.status {
				t.Errorf("exit status %d, want %d\n%s", got, tt.status, stderr.String())
			}
			if got := parse(t, filepath.Join(out, "result.yaml")).Get("error_msg").TextOr(""); got != tt.want {
				t.Errorf("the job says %q, want %q", got, tt.want)
			}
			logs := parse(t, filepath.Join(out, "logs.yaml"))
			if !tt.unknown && len(server.took) != len(logs.Items) {
				t.Errorf("the server has %d records, logs.yaml %d", len(server.took), len(logs.Items))
			}
			if len(server.faults) > 0 || stderr.Len() > 0 {
				t.Errorf("faults %q, standard error %q", server.faults, stderr.String())
			}
		})
	}
}
