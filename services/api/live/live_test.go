package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
	"strata/services/api/door"
)

// site is a lab with its live doors.
type site struct {
	*eventtest.Broker
	url  string
	door http.Handler // what answers at url
	live *Live
	key  access.Key
	in   api.Inside
}

// newSite starts a lab's api and what this package adds to it, until the test ends.
func newSite(t *testing.T, s Settings) *site {
	t.Helper()
	b := eventtest.Start(t)
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	s.Now, s.Logger = time.Now, slog.New(slog.DiscardHandler)
	l := New(s)
	opened := make(chan api.Inside, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() {
		done <- api.Run(ctx, api.Deps{Log: b.Log, Now: time.Now, Logger: s.Logger, Key: key, Ready: func(in api.Inside) { opened <- in }})
	}()
	log := b.Open(t, b.Connect(t)) // here, as a test that ends meanwhile would end the goroutine and leave the clean-up waiting for it
	go func() { done <- l.Run(ctx, log) }()
	in := <-opened
	d := door.New(door.Settings{Logger: s.Logger, Now: time.Now, AtOnce: 1, Patience: eventtest.Patience})
	mux := http.NewServeMux()
	l.Mount(mux, in)
	d.Open(mux)
	server := httptest.NewServer(d)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return &site{Broker: b, url: server.URL, door: d, live: l, key: key, in: in}
}

// listening waits until so many hear LAVA's events.
func (s *site) listening(t *testing.T, n int) {
	t.Helper()
	deadline := time.Now().Add(eventtest.Patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s.live.mu.Lock()
		have, told := len(s.live.listeners), s.live.told
		s.live.mu.Unlock()
		if have == n && told {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d listen, want %d", have, n)
		}
		<-tick.C
	}
}

// get opens a stream of events.
func (s *site) get(t *testing.T, path string, header ...string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// told reads server-sent events, each as "id name data", until the stream ends or so many have come.
func told(t *testing.T, answer *http.Response, n int) (got []string) {
	t.Helper()
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("%s, %s; want a stream of events", answer.Status, kind)
	}
	var id, name, data string
	in := bufio.NewScanner(answer.Body)
	in.Buffer(nil, 1<<20)
	for (n < 0 || len(got) < n) && in.Scan() {
		switch field, value, _ := strings.Cut(in.Text(), ": "); field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = value
		case "":
			if data != "" {
				got = append(got, strings.TrimSpace(id+" "+name+" "+data))
			}
			id, name, data = "", "", ""
		}
	}
	return got
}

// say publishes lines of a job's log.
func (s *site) say(t *testing.T, job events.JobID, first uint64, levels ...events.Level) uint64 {
	t.Helper()
	var records []events.Record
	for i, level := range levels {
		records = append(records, events.Record{Level: level, Message: fmt.Appendf(nil, `"line %d"`, first+uint64(i))})
	}
	f, err := events.NewFrame(job, 5, first, records)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := stream.PublishFrame(t.Context(), s.Log.JetStream(), f)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// begin records a job that runs.
func (s *site) begin(t *testing.T, user events.UserName) events.JobID {
	t.Helper()
	job := s.Submit(t, user, "x")
	s.Append(t, events.JobSubmitted{Job: job, Display: job.String(), User: user, Name: "smoke", DeviceType: "qemu", At: noon,
		Visibility: events.Visibility{Public: true}},
		events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5},
		events.JobStarted{Job: job, Device: "q1", Worker: "w1", Lease: 5, At: noon})
	return job
}

// finish records a job's end, after so many lines, the last of them at a sequence of OUTPUT.
func (s *site) finish(t *testing.T, job events.JobID, lines, last uint64) {
	t.Helper()
	s.Append(t, events.JobFinished{Job: job, Device: "q1", Worker: "w1", Lease: 5, Health: events.Complete, At: noon, Lines: lines, LinesKnown: true},
		events.JobOutputComplete{Job: job, Lease: 5, OutputSeq: last, Lines: lines})
}

// A log is followed to its end, and from where somebody was cut off.
func TestServeLog(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	job := s.begin(t, "alice")
	s.say(t, job, 0, events.Info, events.Target)
	path := "/api/v1/jobs/" + job.String() + "/log/live"
	whole, errors := s.get(t, path), s.get(t, path+"?level=error,warning&from=1")
	if first := told(t, whole, 1); len(first) != 1 || !strings.HasPrefix(first[0], job.String()+`/0 `) || !strings.Contains(first[0], `"msg":"line 0"`) {
		t.Errorf("first event %q, want line 0", first)
	}
	last := s.say(t, job, 2, events.Error, events.Debug)
	s.finish(t, job, 4, last)
	if rest := told(t, errors, -1); len(rest) != 2 || !strings.Contains(rest[0], `"lvl":"error"`) || rest[1] != "end {}" {
		t.Errorf("errors: %q, want one and the end", rest)
	}
	resumed := told(t, s.get(t, path, "Last-Event-ID", job.String()+"/1"), -1)
	if len(resumed) != 3 || !strings.HasPrefix(resumed[0], job.String()+"/2 ") || resumed[2] != "end {}" {
		t.Errorf("after line 1: %q, want lines 2 and 3 and the end", resumed)
	}
	for path, want := range map[string]string{
		path + "?from=x":                  "parameter from is",
		path + "?follow=maybe":            "parameter follow is",
		path + "?level=loud":              "levels are [debug info",
		"/api/v1/jobs/zero/log/live":      "not a job number",
		"/api/v1/jobs/9999/log/live":      "no job 9999",
		"/api/v1/events/live?entity=moon": "write job/42",
		"/api/v1/events/live?from=-1":     "parameter from is",
	} {
		answer := s.get(t, path)
		var text bytes.Buffer
		_, _ = text.ReadFrom(answer.Body)
		if answer.StatusCode/100 != 4 || !strings.Contains(text.String(), want) {
			t.Errorf("%s: %s %s, want 4xx with %q", path, answer.Status, text.String(), want)
		}
	}
}

// The log of a job that was retried goes on with that of the attempt, also for who comes back late.
func TestServeLogOfAttempts(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	first, second := s.Submit(t, "alice", "x"), s.Submit(t, "alice", "x")
	s.Append(t, events.JobSubmitted{Job: first, Display: first.String(), User: "alice", DeviceType: "qemu", At: noon, Retries: 1},
		events.JobScheduled{Job: first, Device: "q1", Worker: "w1", Lease: 5},
		events.JobStarted{Job: first, Device: "q1", Worker: "w1", Lease: 5, At: noon},
		events.JobFinished{Job: first, Device: "q1", Worker: "w1", Lease: 5, Health: events.Incomplete, ErrorType: events.InfrastructureError, At: noon, Lines: 2, LinesKnown: true},
		events.JobOutputComplete{Job: first, Lease: 5, OutputSeq: s.say(t, first, 0, events.Info, events.Info), Lines: 2})
	s.Append(t, events.JobSubmitted{Job: second, Display: second.String(), User: "alice", DeviceType: "qemu", At: noon, Attempt: &events.Attempt{Of: first, N: 2}},
		events.JobRetried{Job: first, As: second, Attempt: 2},
		events.JobScheduled{Job: second, Device: "q1", Worker: "w1", Lease: 5},
		events.JobStarted{Job: second, Device: "q1", Worker: "w1", Lease: 5, At: noon})
	s.finish(t, second, 1, s.say(t, second, 0, events.Info))
	path := "/api/v1/jobs/" + first.String() + "/log/live"
	got := told(t, s.get(t, path, "Last-Event-ID", first.String()+"/0"), -1)
	if len(got) != 3 || !strings.HasPrefix(got[0], first.String()+"/1 ") || !strings.HasPrefix(got[1], second.String()+"/0 ") {
		t.Errorf("after line 0 of the first attempt: %q, want its line 1 and the second attempt", got)
	}
}

func TestServeFacts(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	job := s.begin(t, "alice")
	answer := s.get(t, "/api/v1/events/live?entity=job/"+job.String())
	got := told(t, answer, 3)
	if len(got) != 3 || !strings.Contains(got[0], " job.submitted {") || !strings.Contains(got[2], " job.started {") {
		t.Fatalf("facts of job %d: %q", job, got)
	}
	seq, _, _ := strings.Cut(got[2], " ")
	s.Append(t, events.JobAnnotated{Job: job, Comment: "odd", By: "alice"})
	after := told(t, s.get(t, "/api/v1/events/live", "Last-Event-ID", seq), 1)
	if len(after) != 1 || !strings.Contains(after[0], " job.annotated {") {
		t.Errorf("after fact %s: %q, want the annotation", seq, after)
	}
}

// dial connects a websocket to LAVA's events.
func (s *site) dial(t *testing.T, header http.Header) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), s.url+"/ws/", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func hear(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	_, text, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestServeLAVA(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{Prefix: "org.lab"})
	s.Append(t, events.WorkerRegistered{Worker: "w1", By: "alice"}, events.WorkerRegistered{Worker: "w2", By: "alice"})
	registered := eventtest.Facts(t, s.Log, stream.Lab)
	token := func(w events.WorkerName, fact int) http.Header {
		return http.Header{"Lava-Host": {string(w)}, "Lava-Token": {s.key.Token(access.Principal{Role: access.Worker, Worker: w, Serial: registered[fact].Seq})}}
	}
	s.listening(t, 0)
	local, worker, other := s.dial(t, nil), s.dial(t, token("w1", 0)), s.dial(t, token("w2", 1))
	s.listening(t, 3)
	job := s.begin(t, "alice")
	var parts []string
	if err := json.Unmarshal([]byte(hear(t, local)), &parts); err != nil || len(parts) != 5 || parts[0] != "org.lab.testjob" || parts[3] != "alice" ||
		!strings.Contains(parts[4], `"state":"Submitted","job":`+job.String()) {
		t.Errorf("heard %q (%v), want a submitted job in five texts", parts, err)
	}
	if got := hear(t, worker); !strings.Contains(got, `\"state\":\"Scheduled\"`) {
		t.Errorf("the worker heard first %s, want that a job was scheduled on it", got)
	}
	s.Append(t, events.JobSubmitted{Job: 900, Display: "900", User: "alice", Name: "later", DeviceType: "qemu", At: noon},
		events.JobScheduled{Job: 900, Device: "q2", Worker: "w2", Lease: 6})
	if got := hear(t, other); !strings.Contains(got, `\"job\":900`) {
		t.Errorf("the other worker heard %s, want its own job alone", got)
	}
	for _, tt := range []struct {
		header http.Header
		want   string
	}{
		{http.Header{"Authorization": {"Bearer x"}}, `{"error":"Only Basic authentication is supported"}`},
		{http.Header{"Authorization": {"Basic"}}, `{"error":"Invalid basic authentication"}`},
		{http.Header{"Authorization": {"Basic YTpi"}}, `{"error":"Unknown user"}`},
		{http.Header{"Lava-Host": {"w9"}, "Lava-Token": {"x"}}, `{"error":"Unknown worker"}`},
		{http.Header{"Lava-Host": {"w1"}, "Lava-Token": {"x"}}, `{"error":"Invalid worker token"}`},
		{http.Header{"Lava-Host": {"w1"}, "Lava-Token": token("w2", 1)["Lava-Token"]}, `{"error":"Invalid worker token"}`},
	} {
		c := s.dial(t, tt.header)
		if got := hear(t, c); got != tt.want {
			t.Errorf("%v: heard %s, want %s", tt.header, got, tt.want)
		}
		if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("%v: %v, want the connection closed", tt.header, err)
		}
	}
	if answer := s.get(t, "/ws/v1/healthz"); answer.StatusCode != http.StatusOK {
		t.Errorf("/ws/v1/healthz: %s", answer.Status)
	}
}

// A worker that listens is cut off once its token is another, or it is gone, and none but it.
func TestCutWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	registered := s.Append(t, events.WorkerRegistered{Worker: "w1"}, events.WorkerRegistered{Worker: "w2"})
	header := func(w events.WorkerName, serial uint64) http.Header {
		return http.Header{"Lava-Host": {string(w)}, "Lava-Token": {s.key.Token(access.Principal{Role: access.Worker, Worker: w, Serial: serial})}}
	}
	w1, w2 := s.dial(t, header("w1", registered[0].Seq)), s.dial(t, header("w2", registered[1].Seq))
	s.listening(t, 2)
	rotated := s.Append(t, events.WorkerTokenRotated{Worker: "w1", By: "local"})
	if _, _, err := w1.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("a worker whose token was rotated: %v, want the connection closed", err)
	}
	again := s.dial(t, header("w1", rotated[0].Seq))
	s.listening(t, 2)
	s.Append(t, events.WorkerTokenTaken{Worker: "w1", SHA256: "0", By: "local"})
	if _, _, err := again.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("a worker that has brought another token: %v, want the connection closed", err)
	}
	s.listening(t, 1)
	s.Append(t, events.WorkerRemoved{Worker: "w2", By: "local"})
	if _, _, err := w2.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("a worker that was removed: %v, want the connection closed", err)
	}
}

// Who listens with a token is cut off once that is worth nothing any more.
func TestRevokedListener(t *testing.T) {
	t.Parallel()
	s := newSite(t, Settings{})
	admin := api.Caller{User: access.Local}
	var token api.Token
	if err := s.in.Call(t.Context(), admin, "users.add", api.UserRequest{User: "alice"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.in.Call(t.Context(), admin, "tokens.issue", api.TokenRequest{User: "alice"}, &token); err != nil {
		t.Fatal(err)
	}
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth("alice", token.Value)
	c := s.dial(t, r.Header)
	s.listening(t, 1)
	if err := s.in.Call(t.Context(), admin, "tokens.revoke", api.TokenRequest{Token: token.Token}, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	if _, text, err := c.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("after the token was revoked: heard %q, %v; want the connection closed", text, err)
	}
	s.listening(t, 0)
}

// Who does not read is cut off, and nobody waits for him.
func TestSlowListener(t *testing.T) {
	t.Parallel()
	l := New(Settings{Now: time.Now})
	local := visitor{caller: api.Caller{User: access.Local}}
	slow, quick := l.listen(local), l.listen(local)
	for n := range queued + 1 {
		l.mu.Lock()
		l.tell(Event{Topic: "device", about: events.Entity{Kind: events.Device, ID: fmt.Sprint(n)}})
		l.mu.Unlock()
		<-quick.queue
	}
	select {
	case <-slow.slow:
	default:
		t.Error("a listener who never read was not cut off")
	}
	if len(l.listeners) != 1 {
		t.Errorf("%d listen, want the one who reads", len(l.listeners))
	}
}

// ZeroMQ's subscribers hear of jobs and of lava-test-event, as lavacli does.
func TestZeroMQ(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import zmq").Run(); err != nil {
		t.Skipf("SKIPPED: python3-zmq is not installed: %v", err)
	}
	free, err := net.Listen("tcp", "127.81.0.1:0") // where nobody else looks for a port until the lab listens there
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	s := newSite(t, Settings{Listen: address, All: true})
	cmd := exec.CommandContext(t.Context(), python, "-u", "-c", `import sys, zmq
s = zmq.Context().socket(zmq.SUB)
s.setsockopt(zmq.SUBSCRIBE, b"org.lavasoftware")
s.connect("tcp://" + sys.argv[1])
while True:
    parts = [f.decode() for f in s.recv_multipart()]
    print(len(parts), parts[0], parts[4])`, address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	job := s.begin(t, "alice")
	lines := bufio.NewScanner(out)
	heard := make(chan struct{})
	go func() { // until he has connected
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-heard:
				tick.Stop()
				return
			case <-tick.C:
				s.live.said(stream.OutputFrame{Frame: events.Frame{Job: job}, At: noon}, 0, []byte(`"hello"`))
			}
		}
	}()
	for lines.Scan() && !strings.Contains(lines.Text(), "hello") {
	}
	close(heard)
	if want := fmt.Sprintf(`5 org.lavasoftware.event {"message":"hello","job":"%d"}`, job); lines.Text() != want {
		t.Fatalf("heard %q (%v), want %q", lines.Text(), lines.Err(), want)
	}
	s.say(t, job, 0, events.Info, events.EventText)
	s.finish(t, job, 2, 1)
	var said, finished bool
	for !(said && finished) && lines.Scan() {
		said = said || strings.Contains(lines.Text(), `"message":"line 1"`)
		finished = finished || strings.Contains(lines.Text(), `"state":"Finished"`)
	}
	if !said || !finished {
		t.Errorf("heard the text: %t, the job's end: %t (%v)", said, finished, lines.Err())
	}
}
