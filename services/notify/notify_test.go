package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// definition is a job with a block notify.
func definition(notify string) string {
	return "job_name: smoke\nvisibility: public\ntimeouts: {job: {minutes: 1}}\nmetadata: {branch: main, build: '7'}\nactions: []\n" + notify
}

// bench is a test's lab: facts are written as the other services would.
type bench struct {
	*eventtest.Broker
	t *testing.T
}

// submit submits a job as alice.
func (l bench) submit(notify string, change ...func(*events.JobSubmitted)) events.JobID {
	l.t.Helper()
	id := l.Submit(l.t, "alice", definition(notify))
	e := events.JobSubmitted{Job: id, Display: id.String(), User: "alice", Name: "smoke", At: time.Date(2025, 11, 23, 10, 0, 0, 0, time.UTC), DeviceType: "qemu",
		Priority: 50, JobTimeout: 60, Metadata: map[string]string{"branch": "main", "build": "7"}, Visibility: events.Visibility{Public: true},
		Source: events.Source{Sequence: uint64(id)}}
	for _, c := range change {
		c(&e)
	}
	l.Append(l.t, e)
	return id
}

// start has the job run on a device.
func (l bench) start(id events.JobID) {
	l.t.Helper()
	at := time.Date(2025, 11, 23, 10, 1, 0, 123456000, time.UTC)
	l.Append(l.t, events.JobScheduled{Job: id, Device: "q1", Worker: "w", Lease: events.Lease(id)},
		events.JobStarted{Job: id, Device: "q1", Worker: "w", Lease: events.Lease(id), At: at})
}

// say writes lines of output and results.
func (l bench) say(id events.JobID, lines []string, cases ...events.Case) (output, results uint64) {
	l.t.Helper()
	at := time.Date(2025, 11, 23, 10, 1, 5, 0, time.UTC)
	var records []events.Record
	for _, text := range lines {
		message, err := json.Marshal(text)
		if err != nil {
			l.t.Fatal(err)
		}
		records = append(records, events.Record{Time: at, Level: events.Info, Message: message})
	}
	if len(records) > 0 {
		f, err := events.NewFrame(id, events.Lease(id), 0, records)
		if err != nil {
			l.t.Fatal(err)
		}
		if output, err = stream.PublishFrame(l.t.Context(), l.Log.JetStream(), f); err != nil {
			l.t.Fatal(err)
		}
	}
	for i := range cases {
		cases[i].At = at
	}
	r := l.Append(l.t, events.ResultsRecorded{Job: id, Lease: events.Lease(id), Lines: uint64(len(lines)), Cases: cases})
	return output, r[0].Seq
}

// end ends the job, its output complete or not.
func (l bench) end(id events.JobID, e events.JobFinished, complete bool) {
	l.t.Helper()
	e.Job, e.Device, e.Worker, e.Lease, e.At = id, "q1", "w", events.Lease(id), time.Date(2025, 11, 23, 10, 2, 0, 0, time.UTC)
	l.Append(l.t, e)
	if complete {
		l.Append(l.t, events.JobOutputComplete{Job: id, Lease: events.Lease(id)})
	}
}

// finish runs a job from its start to its end.
func (l bench) finish(id events.JobID, e events.JobFinished) {
	l.start(id)
	l.end(id, e, true)
}

// serve runs the service until the test stops it.
func (l bench) serve(change ...func(*Deps)) (stop func()) {
	l.t.Helper()
	d := Deps{Log: l.Log.As(events.NotifyService), Now: time.Now, Logger: slog.New(slog.NewTextHandler(l.t.Output(), nil)), Allow: []string{"127.0.0.0/8"},
		Pause: time.Millisecond, MailDomain: "example.com"}
	for _, c := range change {
		c(&d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, d) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("Run: %v", err)
		}
	})
	l.t.Cleanup(stop)
	return stop
}

func newLab(t *testing.T) bench { return bench{eventtest.Start(t), t} }

// got is a request that a receiver has had.
type got struct {
	method, path, body string
	header             http.Header
}

// receiver takes callbacks. answer returns the status for the n-th request, from 1; nil is always 200.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	all  []got
	came chan got
}

func newReceiver(t *testing.T, answer func(n int, r *http.Request) int) *receiver {
	t.Helper()
	r := &receiver{came: make(chan got, 10_000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		g := got{q.Method, q.URL.RequestURI(), string(body), q.Header.Clone()}
		r.mu.Lock()
		r.all = append(r.all, g)
		n := len(r.all)
		r.mu.Unlock()
		r.came <- g
		if answer != nil {
			w.WriteHeader(answer(n, q))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// next waits for the next request.
func (r *receiver) next(t *testing.T) got {
	t.Helper()
	select {
	case g := <-r.came:
		return g
	case <-time.After(eventtest.Patience):
		t.Fatalf("no callback came within %s", eventtest.Patience)
	}
	return got{}
}

// fields decodes a JSON body.
func (g got) fields(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(g.body), &m); err != nil {
		t.Fatalf("body is no JSON: %v\n%s", err, g.body)
	}
	return m
}

func complete() events.JobFinished { return events.JobFinished{Health: events.Complete} }

func callback(url, more string) string {
	return fmt.Sprintf("notify: {criteria: {status: finished}, callback: {url: '%s', method: POST, content-type: json%s}}\n", url, more)
}

// sent waits until a job's delivery is recorded as sent.
func (l bench) sent(id events.JobID, n int) events.NotificationSent {
	l.t.Helper()
	return eventtest.Await(l.t, l.Log, func(e events.NotificationSent) bool { return e.Job == id && e.N == n })
}

// A restart sends nothing twice, and what was not sent yet after it.
func TestRestart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := newReceiver(t, nil)
	stop := l.serve()
	one := l.submit(callback(r.URL+"/a", ""))
	l.finish(one, complete())
	l.sent(one, 1)
	stop()
	two := l.submit(callback(r.URL+"/b", ""))
	l.finish(two, complete())
	l.serve()
	if e := l.sent(two, 1); e.Answer != "200 OK" || e.Attempts != 1 {
		t.Errorf("job %d is recorded as %+v, want one attempt and the answer", two, e)
	}
	if a, b := r.next(t), r.next(t); a.path != "/a" || b.path != "/b" || len(r.came) != 0 {
		t.Errorf("came %s, %s and %d more, want /a and /b", a.path, b.path, len(r.came))
	}
	if a := r.all[0].header.Get(HeaderDelivery); a != fmt.Sprintf("%d.1", one) {
		t.Errorf("delivery is called %q, want %d.1", a, one)
	}
}

// A receiver that is down gets its callback when it is back; one that says no gets a dead letter, until somebody has it
// sent again.
func TestRetriesAndDeadLetters(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	down := newReceiver(t, func(n int, _ *http.Request) int { return map[bool]int{true: 503, false: 200}[n < 4] })
	no := newReceiver(t, func(n int, _ *http.Request) int { return map[bool]int{true: 400, false: 204}[n < 2] })
	l.serve()
	one := l.submit(callback(down.URL, ""))
	l.finish(one, complete())
	if e := l.sent(one, 1); e.Attempts != 4 {
		t.Errorf("sent after %d attempts, want 4", e.Attempts)
	}
	two := l.submit(callback(no.URL+"/path?key=hidden", ""))
	l.finish(two, complete())
	e := eventtest.Await(t, l.Log, func(e events.NotificationFailed) bool { return e.Job == two })
	if e.Attempts != 1 || e.Reason != "the receiver answered 400 Bad Request" {
		t.Errorf("dead letter %+v, want one attempt and its answer", e)
	}
	planned := eventtest.Await(t, l.Log, func(e events.NotificationPlanned) bool { return e.Job == two })
	if to := planned.Deliveries[0].To; to != no.URL {
		t.Errorf("the fact says %q, want scheme and host alone: %s", to, no.URL)
	}
	l.Append(t, events.NotificationReplayed{Job: two, Deliveries: []int{1, 9}, By: "alice", At: time.Now()})
	if e := l.sent(two, 1); e.Answer != "204 No Content" {
		t.Errorf("sent again: %+v, want 204", e)
	}
}

// A receiver that hangs holds up nobody else.
func TestQueuesAreTheirOwn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	release := make(chan struct{})
	hangs := newReceiver(t, func(int, *http.Request) int { <-release; return 200 })
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	works := newReceiver(t, nil)
	for range 30 {
		l.finish(l.submit(callback(hangs.URL, "")), complete())
	}
	l.serve()
	for range atOnce {
		hangs.next(t)
	}
	last := l.submit(callback(works.URL, ""))
	l.finish(last, complete())
	l.sent(last, 1)
	hangs.mu.Lock()
	defer hangs.mu.Unlock()
	if len(hangs.all) != atOnce {
		t.Errorf("%d requests at the one that hangs, want %d", len(hangs.all), atOnce)
	}
}

// The worker of a running job dies: one POST says whose fault it is, what there was, and that there may be more.
func TestLostWorker(t *testing.T) {
	t.Parallel()
	var ago atomic.Int64 // the facts are to be older than the service waits for output
	ago.Store(int64(PatienceLost))
	l := bench{eventtest.StartWith(t, eventtest.Options{Now: func() time.Time { return time.Now().Add(-time.Duration(ago.Load())) }}), t}
	r := newReceiver(t, nil)
	id := l.submit(callback(r.URL, ", dataset: all"))
	l.start(id)
	l.say(id, []string{"hello \"world\"", "två"}, events.Case{Suite: "0_smoke", Name: "a", Result: events.Pass})
	l.end(id, events.JobFinished{Health: events.Incomplete, ErrorType: events.InfrastructureError, Error: "worker w did not come back", Lost: true}, false)
	ago.Store(0)
	l.serve()
	l.sent(id, 1)
	m := r.next(t).fields(t)
	if m["status_string"] != "incomplete" || m["error_type"] != "Infrastructure" || m["output_complete"] != false {
		t.Errorf("status %v, error type %v, output complete %v; want incomplete, Infrastructure, false", m["status_string"], m["error_type"], m["output_complete"])
	}
	if text := fmt.Sprint(m["results"]); !strings.Contains(text, "name: a") {
		t.Errorf("results are %s, want the case so far", text)
	}
	if want := "\"msg\": \"hello \\\"world\\\"\"}\n- {\"dt\": \"2025-11-23T10:01:05.000000+00:00\", \"lvl\": \"info\", \"msg\": \"två\"}\n"; !strings.HasSuffix(m["log"].(string), want) {
		t.Errorf("log is %q, want it to end in %q", m["log"], want)
	}
	if len(r.came) != 0 {
		t.Errorf("%d more callbacks came, want one in all", len(r.came))
	}
}
