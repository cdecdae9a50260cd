package lavaworker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/schemas/order"
	"strata/services/api"
	"strata/services/api/lavaworker"
)

const far events.WorkerName = "far1.example.com"

// testLab is a lab whose part of dispatch the test plays, and a worker of LAVA, which it plays too.
type testLab struct {
	*eventtest.Broker
	t     *testing.T
	in    api.Inside
	dir   string // of the stand-ins
	url   string // of the interface
	token string // of the far worker
	stop  func() // ends the service; its jobs' processes go on

	mu      sync.Mutex
	reports []order.Report
}

func start(t *testing.T) *testLab {
	t.Helper()
	l := &testLab{Broker: eventtest.StartWith(t, eventtest.Options{TCP: true}), t: t, dir: t.TempDir()}
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan api.Inside, 1)
	l.run("api", func(ctx context.Context) error {
		return api.Run(ctx, api.Deps{Log: l.Log.As("api"), Now: time.Now, Logger: slog.New(slog.DiscardHandler), Key: key, Ready: func(in api.Inside) { ready <- in }})
	})
	select {
	case l.in = <-ready:
	case <-time.After(eventtest.Patience):
		t.Fatal("the api does not answer")
	}
	var w api.Worker
	l.verb("workers.register", api.WorkerRequest{Worker: far}, &w)
	l.token = w.Token
	js := l.Log.JetStream()
	if _, err := js.CreateConsumer(t.Context(), stream.Work, jetstream.ConsumerConfig{Durable: events.EscapeToken(string(far)),
		FilterSubject: access.WorkSubject(far), AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second}); err != nil {
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
		_ = m.Ack() // a report that comes twice is the same
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hearing.Stop)
	l.serve()
	return l
}

// run runs a service until the test ends; stop ends it before.
func (l *testLab) run(name string, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("%s: %v", name, err)
		}
	})
	l.t.Cleanup(stop)
	return stop
}

// serve answers LAVA's workers.
func (l *testLab) serve() {
	w := lavaworker.New(lavaworker.Deps{Servers: l.URL, Dir: l.dir, Command: []string{os.Args[0], "lava-job"}, Build: "test",
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, After: time.After})
	mux := http.NewServeMux()
	w.Mount(mux, l.in)
	server := httptest.NewServer(mux)
	l.url = server.URL
	stopRun := l.run("lavaworkers", w.Run)
	l.stop = sync.OnceFunc(func() { server.Close(); stopRun() })
	l.t.Cleanup(l.stop)
}

func (l *testLab) verb(verb string, in, out any) {
	l.t.Helper()
	if err := l.in.Call(l.t.Context(), api.Caller{User: access.Local}, verb, in, out); err != nil {
		l.t.Fatalf("%s %+v: %v", verb, in, err)
	}
}

// ask sends a request below the interface.
func (l *testLab) ask(method, path, token string, form url.Values) (int, string) {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.url+"/scheduler/internal/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		l.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		r.Header.Set("LAVA-Token", token)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return reply.StatusCode, strings.TrimSpace(string(body))
}

// wants asks and fails where the answer is another.
func (l *testLab) wants(status int, says, method, path, token string, form url.Values) {
	l.t.Helper()
	if code, body := l.ask(method, path, token, form); code != status || !strings.Contains(body, says) {
		l.t.Errorf("%s %s %v: got %d %s, want %d with %s", method, path, form, code, body, status, says)
	}
}

// listed is a job in the answer to a ping.
type listed struct {
	ID    uint64
	Token string
}

// ping asks what is to be done, as the far worker does.
func (l *testLab) ping() (out struct{ Cancel, Running, Start []listed }) {
	l.t.Helper()
	code, body := l.ask("GET", "workers/"+string(far)+"/?version=2023.01", l.token, nil)
	if err := json.Unmarshal([]byte(body), &out); err != nil || code != 200 {
		l.t.Fatalf("ping: %d %s (%v)", code, body, err)
	}
	return out
}

// until pings until something holds.
func (l *testLab) until(what string, holds func() bool) {
	l.t.Helper()
	deadline := time.After(eventtest.Patience)
	for tick := time.NewTicker(20 * time.Millisecond); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			l.mu.Lock()
			defer l.mu.Unlock()
			l.t.Fatalf("waited in vain until %s; reports were %+v", what, l.reports)
		}
	}
}

// send gives an order, as dispatch does.
func (l *testLab) send(o order.Order) {
	l.t.Helper()
	o.Version = order.Version
	if o.Kind == order.Start {
		o.Work = &order.Work{Display: fmt.Sprint(o.Job), Credential: "any", Definition: order.Text{Inline: "job_name: x"}, Device: order.Text{Inline: "a: 1"},
			Env: order.Text{Inline: "purge: true"}}
	}
	body, err := json.Marshal(o)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.Log.JetStream().Publish(l.t.Context(), access.WorkSubject(far), body); err != nil {
		l.t.Fatal(err)
	}
}

// begin starts a job up to where its dispatcher runs, and returns its token.
func (l *testLab) begin(job uint64) (token string) {
	l.t.Helper()
	l.send(order.Order{Kind: order.Start, Job: job, Lease: job + 7, Device: "q1"})
	l.until(fmt.Sprintf("job %d is to be started", job), func() bool {
		for _, j := range l.ping().Start {
			if j.ID == job {
				token = j.Token
			}
		}
		return token != ""
	})
	l.wants(200, `"definition":"job_name: x"`, "GET", fmt.Sprintf("jobs/%d/", job), token, nil)
	l.wants(200, "{}", "POST", fmt.Sprintf("jobs/%d/", job), token, url.Values{"state": {"RUNNING"}})
	if p := l.ping(); len(p.Running) != 1 || p.Running[0] != (listed{job, token}) || len(p.Start) != 0 {
		l.t.Errorf("after RUNNING: %+v, want job %d running", p, job)
	}
	return token
}

// finished returns the report of a job's end.
func (l *testLab) finished(job uint64) (v order.Verdict) {
	l.t.Helper()
	l.until(fmt.Sprintf("job %d is reported as finished", job), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, r := range l.reports {
			if r.Job == job && r.Claim == order.Finished {
				v = *r.Verdict
				return true
			}
		}
		return false
	})
	return v
}

// Who asks without the right credential learns nothing, in LAVA's words.
func TestStrangers(t *testing.T) {
	t.Parallel()
	l := start(t)
	worker := "workers/" + string(far) + "/"
	l.verb("users.add", api.UserRequest{User: "ann"}, nil)
	var ann api.Token
	l.verb("tokens.issue", api.TokenRequest{User: "ann"}, &ann)
	superuser := true
	l.verb("users.add", api.UserRequest{User: "root", Superuser: &superuser}, nil)
	var root api.Token
	l.verb("tokens.issue", api.TokenRequest{User: "root"}, &root)
	for _, tt := range []struct {
		status       int
		says         string
		method, path string
		token        string
		form         url.Values
	}{
		{404, `{"error":"Unknown worker 'nobody'"}`, "GET", "workers/nobody/?version=2026.07", "x", nil},
		{404, `{"error":"Unknown worker 'nobody'"}`, "GET", "workers/nobody/", "", nil},
		{400, `Invalid 'token'`, "GET", worker, "x", nil},
		{400, `Missing 'token'`, "GET", worker, "", nil},
		{400, `Missing 'token'`, "GET", worker + "?version=2026.07", "", nil},
		{400, `Missing 'version'`, "GET", worker, l.token, nil},
		{400, `Invalid 'token'`, "GET", worker + "?version=2026.07", "x", nil},
		{409, `Version mismatch '2019.10' vs '`, "GET", worker + "?version=2019.10", l.token, nil},
		{409, `Version mismatch '2020.08.1' vs '`, "GET", worker + "?version=2020.08.1", l.token, nil},
		{200, `{"cancel":[],"running":[],"start":[]}`, "GET", worker + "?version=2020.09", l.token, nil},
		{200, `"start":[]`, "GET", worker + "?version=2023.01-2%2Bdeb12u1", l.token, nil},
		{200, `"start":[]`, "GET", worker + "?version=devel", l.token, nil},
		{400, `Missing 'name'`, "POST", "workers/", "", url.Values{"username": {"ann"}}},
		{403, `Auto registration is disabled`, "POST", "workers/", "", url.Values{"name": {"far2"}}},
		{403, `Unknown user ann`, "POST", "workers/", "", url.Values{"name": {"far2"}, "username": {"ann"}, "password": {"wrong"}}},
		{403, `Unknown user bob`, "POST", "workers/", "", url.Values{"name": {"far2"}, "username": {"bob"}, "password": {ann.Value}}},
		{403, `Worker '` + string(far) + `' already registered`, "POST", "workers/", "", url.Values{"name": {string(far)}, "username": {"ann"}, "password": {ann.Value}}},
		{403, `may not be registered by ann`, "POST", "workers/", "", url.Values{"name": {"far2"}, "username": {"ann"}, "password": {ann.Value}}},
		{200, `"name":"far2"`, "POST", "workers/", "", url.Values{"name": {"far2"}, "username": {"root"}, "password": {root.Value}}},
		{200, l.token, "POST", "workers/", "", url.Values{"name": {string(far)}, "username": {"root"}, "password": {root.Value}}},
		{403, `POST is forbidden for such url`, "POST", worker, l.token, url.Values{}},
		{404, `{"error":"Unknown job '42'"}`, "GET", "jobs/42/", l.token, nil},
		{404, `{"error":"Unknown job 'x'"}`, "POST", "jobs/x/logs/", l.token, url.Values{}},
	} {
		l.wants(tt.status, tt.says, tt.method, tt.path, tt.token, tt.form)
	}
}

// A job from its start to its end: what it is made of, its lines, each once however often they are sent, its verdict.
// The service is started again in between, and another job's token opens nothing.
func TestJob(t *testing.T) {
	t.Parallel()
	l := start(t)
	token := l.begin(42)
	at := "jobs/42/"
	lines := func(index int, texts ...string) url.Values {
		var b strings.Builder
		for _, s := range texts {
			fmt.Fprintf(&b, "- {\"dt\": \"2026-07-01T12:00:00.000001\", \"lvl\": \"info\", \"msg\": %q}\n", s)
		}
		return url.Values{"lines": {b.String()}, "index": {fmt.Sprint(index)}}
	}
	l.wants(200, `{"line_count":2}`, "POST", at+"logs/", token, lines(0, "zero", "one"))
	l.wants(404, `Unknown job '42'`, "POST", at+"logs/", "wrong", lines(2, "stranger"))
	l.wants(404, `Unknown job '42'`, "GET", at, l.token, nil) // the worker's is none for the job
	l.wants(400, `Missing 'lines'`, "POST", at+"logs/", token, url.Values{"index": {"0"}})
	l.wants(400, `Missing 'index'`, "POST", at+"logs/", token, url.Values{"lines": {"- a"}})
	l.wants(400, `Invalid 'index'`, "POST", at+"logs/", token, url.Values{"lines": {"- a"}, "index": {"x"}})
	l.wants(400, `Invalid state 'FLYING'`, "POST", at, token, url.Values{"state": {"FLYING"}})
	l.wants(400, `Not handled state 'SUBMITTED'`, "POST", at, token, url.Values{"state": {"SUBMITTED"}})
	l.wants(400, `Invalid health 'maybe'`, "POST", at, token, url.Values{"state": {"FINISHED"}, "result": {"maybe"}})

	l.stop()
	l.serve()
	l.until("the job is listed by the new service", func() bool { p := l.ping(); return len(p.Running) == 1 && p.Running[0].Token == token })
	l.wants(200, `{"line_count":3}`, "POST", at+"logs/", token, lines(0, "zero", "one", "two")) // the answer was lost
	l.wants(200, `{"line_count":1}`, "POST", at+"logs/", token, lines(1, "one"))
	l.wants(200, "{}", "POST", at, token, url.Values{"state": {"FINISHED"}, "result": {"pass"}})
	if v := l.finished(42); v.Result != "pass" || v.Lines != 3 {
		t.Errorf("verdict %+v, want pass with 3 lines", v)
	}
	if p := l.ping(); len(p.Start)+len(p.Running)+len(p.Cancel) != 0 {
		t.Errorf("afterwards: %+v, want nothing to do", p)
	}
	l.until("its dispatcher is told that there is no such job", func() bool { code, _ := l.ask("GET", at, token, nil); return code == 404 })
}

// A job that is canceled is listed as such until its dispatcher says that it is over.
func TestCancel(t *testing.T) {
	t.Parallel()
	l := start(t)
	token := l.begin(42)
	l.send(order.Order{Kind: order.Cancel, Job: 42, Lease: 49, Reason: "wrong image"})
	l.until("the far worker is told to cancel", func() bool { p := l.ping(); return len(p.Cancel) == 1 && p.Cancel[0] == (listed{42, token}) })
	l.wants(200, "{}", "POST", "jobs/42/", token, url.Values{"state": {"FINISHED"}, "result": {"fail"}, "error_type": {"Canceled"}, "errors": {"canceled"}})
	if v := l.finished(42); v.Result != "fail" || v.ErrorType != "Canceled" {
		t.Errorf("verdict %+v, want that it was canceled", v)
	}
}
