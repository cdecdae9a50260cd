package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/services/api"
)

// TestKillEachOnce runs one job on a real kernel with every part of the lab as a process of its own,
// and kills each of them with SIGKILL while the job is at work: every service, the worker (which is
// the parent of the job's process), the engine and the broker. The job must not notice.
func TestKillEachOnce(t *testing.T) {
	needEngine(t)
	l := startSplit(t)
	victims := l.victims()
	const between = 8 // cases that the job reports from one kill to the next
	cases := between * (len(victims) + 2)
	job := l.submit(t, cases)
	f := l.follow(t, job)
	for i, victim := range victims {
		eventually(t, fmt.Sprintf("the follower has seen case %d", between*(i+1)), func() bool { return f.seen() >= between*(i+1) })
		t.Logf("killing %s", victim)
		l.kill(t, victim)
	}
	l.verify(t, job, cases, f)
}

// TestFaults does it at random: STRATA_FAULT_ROUNDS jobs, and in each some parts of the lab killed at
// random moments. `make faults` runs it a few hundred times.
func TestFaults(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("STRATA_FAULT_ROUNDS"))
	if err != nil || rounds < 1 {
		t.Skip("SKIPPED: random faults take hours; STRATA_FAULT_ROUNDS=300 runs them, as `make faults` does")
	}
	needEngine(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	l := startSplit(t)
	victims := l.victims()
	for round := range rounds {
		const cases = 30
		job := l.submit(t, cases)
		f := l.follow(t, job)
		for range 1 + random.IntN(3) {
			victim, moment := victims[random.IntN(len(victims))], random.IntN(cases)
			eventually(t, "the job has come to the chosen moment", func() bool { return f.seen() >= moment || f.ended() })
			l.kill(t, victim)
			t.Logf("round %d: killed %s at case %d", round+1, victim, moment)
		}
		l.verify(t, job, cases, f)
	}
}

// split is a lab whose parts are processes of their own.
type split struct {
	*world
	client api.Client
	parts  map[string]*process
	args   map[string][]string
	assets string
}

// behindAPI is the services that answer behind the api's door, and so live in its process.
func behindAPI() []string { return []string{"live", "lavaworkers"} }

// processNames is the services that have processes of their own.
func processNames() []string {
	return slices.DeleteFunc(serviceNames(), func(name string) bool { return slices.Contains(behindAPI(), name) })
}

// startSplit starts a lab in parts, with one virtual device.
func startSplit(t *testing.T) *split {
	t.Helper()
	l := &split{world: newWorld(t), parts: map[string]*process{}, args: map[string][]string{}}
	l.assets = needBoot(t)
	data, sql := filepath.Join(l.dir, "lab"), freePort(t)
	bus, health := freePort(t), freePort(t)
	l.args["broker"] = []string{"up", "--services", noServices, "--data", data, "--listen-sql", "", "--listen-nats", bus, "--listen", health}
	l.args["engine"] = []string{"clickhouse", "--path", filepath.Join(l.dir, "clickhouse"), "--listen", sql}
	l.env["STRATA_CLICKHOUSE_DSN"] = "http://default@" + sql + "/strata"
	l.env["STRATA_SERVER"] = "nats://" + bus
	for _, name := range processNames() {
		l.args[name] = []string{"serve", name, "--data", data, "--monitor", "http://" + health}
	}
	l.args["api"] = append(l.args["api"], behindAPI()...)
	l.start(t, "broker")
	eventually(t, "the broker serves", func() bool {
		_, err := os.Stat(l.app(nil).readyPath())
		return err == nil
	})
	l.start(t, "engine")
	for _, name := range processNames() {
		l.start(t, name)
	}
	var w api.Worker
	eventually(t, "the api answers", func() bool { status, _ := l.strata(t, "workers"); return status == exitOK })
	l.ask(t, &w, "workers", "register", "w1")
	l.args["worker"] = []string{"worker", "--name", "w1", "--data", filepath.Join(l.dir, "worker"), "--token", w.Token}
	l.start(t, "worker")
	device := filepath.Join(l.dir, "device.yaml")
	if err := os.WriteFile(device, []byte(demoDevice), 0o600); err != nil {
		t.Fatal(err)
	}
	l.must(t, "devices", "add", "q1", "--type", "qemu", "--worker", "w1", "--dict", device, "--health", "Good")

	key, err := access.OpenKey(keyPath(data))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect("nats://"+bus, nats.Token(key.Administrator()), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	l.client = api.Client{Conn: conn, User: access.Local}
	return l
}

// victims are the parts of the lab, in the order in which they are killed.
func (l *split) victims() []string {
	return append([]string{"worker", "broker", "engine"}, processNames()...)
}

func (l *split) start(t *testing.T, part string) {
	t.Helper()
	l.parts[part] = l.spawn(t, l.args[part]...)
}

// kill ends a part as a crash would, and starts it again.
func (l *split) kill(t *testing.T, part string) {
	t.Helper()
	l.parts[part].kill()
	l.start(t, part)
}

// submit submits the demo's job with a test that reports so many cases, and waits until its
// definition has been accepted.
func (l *split) submit(t *testing.T, cases int) events.JobID {
	t.Helper()
	text := strings.ReplaceAll(demoJob, "${ASSETS}", "file://"+l.assets)
	before, _, found := strings.Cut(text, "          steps:\n")
	if !found {
		t.Fatal("the demo's job has no steps")
	}
	text = before + "          steps:\n" +
		fmt.Sprintf("          - for i in $(seq 1 %d); do echo marker-$i-end; lava-test-case m$i --result pass; sleep 0.2; done\n", cases)
	job, err := publish(t.Context(), l.client, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// testFollower is a client that follows a job's log, whatever happens to the lab meanwhile.
type testFollower struct {
	mu      sync.Mutex
	lines   []uint64
	markers []string
	err     error
	done    chan struct{}
}

func (l *split) follow(t *testing.T, job events.JobID) *testFollower {
	t.Helper()
	f := &testFollower{done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(f.done)
		var err error
		// The first request may meet a lab that is being killed already.
		for first := true; first || errors.Is(err, api.ErrNoAPI); first = false {
			err = l.client.Log(ctx, api.LogRequest{Job: job, From: f.next(), Follow: true}, f.line)
		}
		f.mu.Lock()
		f.err = err
		f.mu.Unlock()
	}()
	t.Cleanup(func() { cancel(); <-f.done })
	return f
}

func (f *testFollower) next() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.lines))
}

func (f *testFollower) line(n uint64, r events.Record) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, n)
	// The shell echoes the loop itself, in which no number stands yet.
	if m := text(r.Message); r.Level == events.Target && strings.HasPrefix(m, "marker-") && strings.HasSuffix(strings.TrimSpace(m), "-end") {
		f.markers = append(f.markers, strings.TrimSpace(m))
	}
	return nil
}

// seen is the number of cases whose marker has come.
func (f *testFollower) seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.markers)
}

// ended reports whether the log has come to its end.
func (f *testFollower) ended() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// verify holds that a job ended as if nothing had happened: Complete, each line and each result
// once, in the stream, in the tables and at the follower, and its device free.
func (l *split) verify(t *testing.T, job events.JobID, cases int, f *testFollower) {
	t.Helper()
	eventually(t, "the follower has come to the log's end", f.ended)
	if f.err != nil {
		t.Fatalf("follow job %d: %v", job, f.err)
	}
	var j api.Job
	l.ask(t, &j, "show", job.String())
	if j.Health != events.Complete || !j.Complete || j.Missing != 0 {
		t.Fatalf("job %d: got %+v, want it Complete with all its output", job, j)
	}
	for i, n := range f.lines {
		if n != uint64(i) {
			t.Fatalf("job %d: the follower's line %d came where %d was due", job, n, i)
		}
	}
	if uint64(len(f.lines)) != j.Lines {
		t.Errorf("job %d: the follower got %d lines, want %d", job, len(f.lines), j.Lines)
	}
	for i, m := range f.markers {
		if want := fmt.Sprintf("marker-%d-end", i+1); m != want {
			t.Fatalf("job %d: marker %d is %q, want %q", job, i+1, m, want)
		}
	}
	var r api.Results
	l.ask(t, &r, "results", job.String(), "--suite", "0_smoke")
	if len(r.Cases) != cases || len(f.markers) != cases {
		t.Errorf("job %d: %d results and %d markers, want %d of each", job, len(r.Cases), len(f.markers), cases)
	}
	for i, e := range r.Cases {
		if want := fmt.Sprintf("m%d", i+1); e.Name != want || e.Result != events.Pass {
			t.Fatalf("job %d: result %d is %s %s, want %s pass", job, i+1, e.Name, e.Result, want)
		}
	}
	want := fmt.Sprintf("%d,%d,%d,%d", j.Lines, j.Lines, cases, cases)
	query := fmt.Sprintf("SELECT (SELECT count() FROM log_lines WHERE job = %d), (SELECT uniqExact(line) FROM log_lines WHERE job = %d), "+
		"(SELECT count() FROM test_cases WHERE job = %d AND suite = '0_smoke'), (SELECT uniqExact(name) FROM test_cases WHERE job = %d AND suite = '0_smoke')",
		job, job, job, job)
	got := ""
	eventually(t, "the tables hold each line and each result of job "+job.String()+" once: "+want, func() bool {
		_, got = l.strata(t, "sql", query, "--format", "CSV")
		return strings.TrimSpace(got) == want
	})
	eventually(t, "the device is free", func() bool {
		var d api.Device
		l.ask(t, &d, "devices", "show", "q1")
		return d.State == "Idle" && d.Health == events.Good
	})
}

// freePort returns an address of loopback that nothing listens on at the moment. Its port is below those that the system
// gives to whoever asks for any: one of them could be another test's before it is used here.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 15_000+rand.IntN(17_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// needBoot skips a test that boots a kernel where there is none, and returns the directory that has
// one; in CI it fails.
func needBoot(t *testing.T) string {
	t.Helper()
	a := &app{env: os.Getenv}
	dir, err := a.assets()
	if err != nil {
		if os.Getenv("STRATA_REQUIRE_BOOT") != "" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, no kernel is booted: %v", err)
	}
	return dir
}
