package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/dispatcher/worker"
	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/schemas/order"
)

// testLab stands for the lab on the other side of the bus: it sends orders and hears reports.
type testLab struct {
	*eventtest.Broker
	dir string // of the worker

	mu      sync.Mutex
	reports []order.Report
	came    chan struct{} // closed and replaced when a report comes
}

const name events.WorkerName = "w1.example.com"

func newLab(t *testing.T) *testLab {
	t.Helper()
	l := &testLab{Broker: eventtest.StartWith(t, eventtest.Options{TCP: true}), dir: t.TempDir(), came: make(chan struct{})}
	js := l.Log.JetStream()
	// An order that is not acknowledged by then comes again, and is answered again: a busy machine has to have the time.
	_, err := js.CreateConsumer(t.Context(), stream.Work, jetstream.ConsumerConfig{Durable: events.EscapeToken(string(name)),
		FilterSubject: access.WorkSubject(name), AckPolicy: jetstream.AckExplicitPolicy, AckWait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.CreateConsumer(t.Context(), stream.Reports, jetstream.ConsumerConfig{Durable: "lab", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	hearing, err := c.Consume(func(m jetstream.Msg) {
		r, err := order.DecodeReport(m.Data())
		if err != nil {
			t.Errorf("report %s: %v", m.Data(), err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.reports = append(l.reports, r)
		close(l.came)
		l.came = make(chan struct{})
		m.Ack()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hearing.Stop)
	return l
}

// clock is a clock that a test moves. Whoever waits on it looks again every few milliseconds of
// real time, which is allowed: waking early changes nothing.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	return time.After(min(d, 20*time.Millisecond))
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// work runs a worker inside the test; stop ends it in an orderly way and leaves its jobs alone.
func (l *testLab) work(t *testing.T, change func(*worker.Deps)) (stop func()) {
	t.Helper()
	c := newClock()
	d := worker.Deps{Name: name, Servers: l.URL, Token: "any", StateDir: l.dir, Command: []string{os.Args[0], "job"},
		Build: "test", Now: c.Now, After: c.After, Logger: slog.New(slog.DiscardHandler)}
	if testing.Verbose() {
		d.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if change != nil {
		change(&d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx, d) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// send sends an order. Its definition is a script of TestMain's job.
func (l *testLab) send(t *testing.T, o order.Order, script ...string) {
	t.Helper()
	o.Version = order.Version
	if o.Kind == order.Start {
		o.Work = &order.Work{Display: fmt.Sprint(o.Job), Credential: "any", Definition: order.Text{Inline: strings.Join(script, "\n")}}
	}
	l.publish(t, o)
}

func (l *testLab) publish(t *testing.T, o order.Order) {
	t.Helper()
	body, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Log.JetStream().Publish(t.Context(), access.WorkSubject(name), body); err != nil {
		t.Fatal(err)
	}
}

func start(job, lease uint64, device string) order.Order {
	return order.Order{Kind: order.Start, Job: job, Lease: lease, Device: device}
}

// await returns the first report of a claim about a job and lease.
func (l *testLab) await(t *testing.T, claim order.Claim, job, lease uint64) order.Report {
	t.Helper()
	return l.awaitWhere(t, fmt.Sprintf("%s of job %d, lease %d", claim, job, lease), func(r order.Report) bool {
		return r.Claim == claim && r.Job == job && r.Lease == lease
	})
}

func (l *testLab) awaitWhere(t *testing.T, what string, match func(order.Report) bool) order.Report {
	t.Helper()
	deadline := time.After(eventtest.Patience)
	for {
		l.mu.Lock()
		came := l.came
		for _, r := range l.reports {
			if match(r) {
				l.mu.Unlock()
				return r
			}
		}
		l.mu.Unlock()
		select {
		case <-came:
		case <-deadline:
			t.Fatalf("await %s: none within %s; reports were:\n%s", what, eventtest.Patience, l.story())
		}
	}
}

// claims returns the claims that were made of a job, in order.
func (l *testLab) claims(job uint64) []order.Claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []order.Claim
	for _, r := range l.reports {
		if r.Job == job {
			all = append(all, r.Claim)
		}
	}
	return all
}

func (l *testLab) story() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, r := range l.reports {
		fmt.Fprintf(&b, "%+v\n", r)
	}
	return b.String()
}

// lines returns the texts of a job's output, in order and without gaps.
func (l *testLab) lines(t *testing.T, job events.JobID) []string {
	t.Helper()
	var all []string
	err := l.Log.ReadOutput(t.Context(), stream.OutputReader{Job: job, ToEnd: true, Frame: func(f stream.OutputFrame) error {
		records, err := f.Records()
		for _, r := range records {
			var text string
			if err := json.Unmarshal(r.Message, &text); err != nil {
				return err
			}
			all = append(all, text)
		}
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// awaitLine waits until a job has said a line.
func (l *testLab) awaitLine(t *testing.T, job events.JobID, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	found := false
	err := l.Log.ReadOutput(ctx, stream.OutputReader{Job: job, Frame: func(f stream.OutputFrame) error {
		if strings.Contains(string(f.Body), `"`+want+`"`) {
			found = true
			cancel()
		}
		return nil
	}})
	if !found {
		t.Fatalf("job %d did not say %q within %s: %v", job, want, eventtest.Patience, err)
	}
}

// jobDir is where the worker keeps a job.
func (l *testLab) jobDir(job, lease uint64) string {
	return filepath.Join(l.dir, "jobs", fmt.Sprintf("%d-%d", job, lease))
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	deadline := time.After(eventtest.Patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %s", what, eventtest.Patience)
		}
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
