package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/projections"
	"strata/services/api"
	"strata/services/api/rest"
)

// noon is the clock of the lab.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// tested is a lab whose REST is asked.
type tested struct {
	*eventtest.Broker
	t      *testing.T
	url    string
	inside api.Inside
	db     *projections.DB
}

// start runs an api with tables behind REST. Who asks without a token is the machine's own user.
func start(t *testing.T) *tested {
	t.Helper()
	l := &tested{Broker: eventtest.Start(t), t: t}
	var err error
	if l.db, err = projections.Open(engine.Database(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.db.Close() })
	l.run("projector", func(ctx context.Context) error {
		return projections.NewProjector(projections.Settings{DB: l.db, Log: l.Log, Age: time.Millisecond}).Run(ctx)
	})
	l.until("there are tables", func() bool {
		_, err := l.db.CountSelected(t.Context(), projections.JobSelection{})
		return err == nil
	})
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan api.Inside, 1)
	l.run("api", func(ctx context.Context) error {
		return api.Run(ctx, api.Deps{Log: l.Log, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler), Key: key,
			History: api.History{DB: l.db}, Ready: func(in api.Inside) { ready <- in }})
	})
	select {
	case l.inside = <-ready:
	case <-time.After(eventtest.Patience):
		t.Fatal("the api does not answer")
	}
	l.url = l.serve(rest.Deps{EventSocket: "tcp://127.0.0.1:5580", Patience: eventtest.Patience})
	return l
}

// serve opens a listener of REST and returns its address.
func (l *tested) serve(d rest.Deps) string {
	d.Lab, d.Now, d.Logger = l.inside, func() time.Time { return noon }, slog.New(slog.DiscardHandler)
	server := httptest.NewServer(rest.New(d))
	l.t.Cleanup(server.Close)
	return server.URL
}

// until waits for something.
func (l *tested) until(what string, holds func() bool) {
	l.t.Helper()
	deadline, stop := context.WithTimeout(l.t.Context(), eventtest.Patience)
	defer stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.Done():
			l.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// folded waits until the api has read every fact that was appended.
func (l *tested) folded() {
	l.t.Helper()
	last, err := l.Log.Last(l.t.Context(), stream.Lab)
	if err != nil {
		l.t.Fatal(err)
	}
	l.until("the api has read all facts", func() bool {
		var h api.LabHealth
		l.verb("health", struct{}{}, &h)
		return h.Sequence >= last
	})
}

// run runs a service until the test ends.
func (l *tested) run(name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(l.t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("%s: %v", name, err)
		}
	})
}

// answered is what a request was answered.
type answered struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; a body that is no text is sent as JSON.
func (l *tested) ask(method, path string, body any, header ...string) answered {
	l.t.Helper()
	var in io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case string:
		in, kind = strings.NewReader(b), "text/plain"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			l.t.Fatal(err)
		}
		in, kind = strings.NewReader(string(text)), "application/json"
	}
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.url+path, in)
	if err != nil {
		l.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	// Some clients follow no redirects, so there must be none.
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	reply, err := client.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		l.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answered{reply.StatusCode, reply.Header, string(text)}
}

// wants sends a request and fails where the answer is another.
func (l *tested) wants(method, path string, body any, status int, contains ...string) answered {
	l.t.Helper()
	a := l.ask(method, path, body)
	if a.status != status {
		l.t.Errorf("%s %s %v: got %d %s, want %d", method, path, body, a.status, a.body, status)
	}
	for _, c := range contains {
		if !strings.Contains(a.body, c) {
			l.t.Errorf("%s %s %v: got %s, want %s in it", method, path, body, a.body, c)
		}
	}
	return a
}

// listed is a page of rows.
type listed struct {
	Count    int
	Next     *string
	Previous *string
	Results  []map[string]any
}

// list asks for a page and returns one field of each row.
func (l *tested) list(path, field string) (values []string, page listed) {
	l.t.Helper()
	// On a machine that is loaded the tables may be further behind than a list waits for.
	var a answered
	l.until(path+" is answered", func() bool { a = l.ask("GET", path, nil); return a.status != 503 })
	if a.status != 200 {
		l.t.Errorf("GET %s: got %d %s, want 200", path, a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &page); err != nil {
		l.t.Fatalf("%s: %v in %s", path, err, a.body)
	}
	for _, r := range page.Results {
		switch v := r[field].(type) {
		case float64:
			values = append(values, fmt.Sprintf("%.0f", v))
		default:
			values = append(values, fmt.Sprint(v))
		}
	}
	return values, page
}

// verb asks the api itself.
func (l *tested) verb(verb string, in, out any) {
	l.t.Helper()
	if err := l.inside.Call(l.t.Context(), api.Caller{User: access.Local}, verb, in, out); err != nil {
		l.t.Fatalf("%s %+v: %v", verb, in, err)
	}
}

// judge does what submission does, in a few lines: a definition that says bad is refused, one that says group
// becomes two jobs.
func (l *tested) judge() {
	l.run("submission", func(ctx context.Context) error {
		return l.Log.FollowSubmissions(ctx, 1, func(s stream.Submission, _ uint64) error {
			source := events.Source{Sequence: uint64(s.Job)}
			if s.User == events.DoorUser {
				s.User = events.UserName(s.Header.Get(events.HeaderUser))
			}
			switch text := string(s.Text); {
			case s.Parent != 0:
			case strings.Contains(text, "bad"):
				l.Append(l.t, events.JobRejected{Job: s.Job, User: s.User, At: s.At, Message: "extra keys not allowed @ data['bad']",
					Problems: []events.Problem{{Message: "extra keys not allowed @ data['bad']", Path: "data['bad']", Line: 2, Column: 1}}})
			case strings.Contains(text, "group"):
				var facts []events.Event
				for n, id := range []events.JobID{s.Job, s.Job + 1000} {
					facts = append(facts, events.JobSubmitted{Job: id, Display: fmt.Sprintf("%d.%d", s.Job, n), User: s.User, Name: "group", At: s.At, DeviceType: "qemu",
						JobTimeout: 60, Source: source, Part: &events.Membership{Group: "g", Parent: s.Job, Role: "r", Size: 2}})
				}
				l.Append(l.t, append(facts, events.DefinitionSplit{Job: s.Job, Group: "g", Parts: []events.JobID{s.Job, s.Job + 1000}})...)
			default:
				l.Append(l.t, events.JobSubmitted{Job: s.Job, Display: s.Job.String(), User: s.User, Name: "smoke", At: s.At, DeviceType: "qemu",
					JobTimeout: 60, Priority: 50, Source: source, Visibility: events.Visibility{Public: true}, Metadata: map[string]string{"build": "1"}})
			}
			return nil
		})
	})
}

// finished publishes a definition as alice, and takes its job through its life. The second one of these is job 2.
func (l *tested) finished(definition string, change func(*events.JobSubmitted)) events.JobID {
	l.t.Helper()
	id := l.publish(definition, change)
	lease := events.Lease(id)
	l.Append(l.t, events.JobScheduled{Job: id, Device: "qemu-01", Worker: "peer-worker", Lease: lease},
		events.JobStarted{Job: id, Device: "qemu-01", Worker: "peer-worker", Lease: lease, At: noon},
		events.JobFinished{Job: id, Device: "qemu-01", Worker: "peer-worker", Lease: lease, Health: events.Complete, At: noon.Add(time.Minute), LinesKnown: true})
	return id
}

// publish puts a definition onto the bus as alice, and judges it good.
func (l *tested) publish(definition string, change func(*events.JobSubmitted)) events.JobID {
	l.t.Helper()
	ack, err := l.Log.JetStream().Publish(l.t.Context(), "submit.alice", []byte(definition))
	if err != nil {
		l.t.Fatal(err)
	}
	id := events.JobID(ack.Sequence)
	e := events.JobSubmitted{Job: id, Display: id.String(), User: "alice", Name: "smoke", At: noon.Add(-time.Minute), DeviceType: "qemu", JobTimeout: 60,
		Priority: 50, Visibility: events.Visibility{Public: true}, Source: events.Source{Sequence: ack.Sequence}}
	if change != nil {
		change(&e)
	}
	l.Append(l.t, e)
	return id
}

// frame sends a job's log.
func (l *tested) frame(id events.JobID, records []events.Record) {
	l.t.Helper()
	var body []byte
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			l.t.Fatal(err)
		}
		body = append(append(body, line...), '\n')
	}
	l.frameAt(events.Frame{Job: id, Lease: events.Lease(id), Count: uint64(len(records)), Body: body})
}

// at reads a time of a recorded log.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse("2006-01-02T15:04:05.999999", text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func number(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}
