package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

// noon is the clock of facts; nothing in the api hangs on it.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestDeviceStory(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	ctx := t.Context()

	var w api.Worker
	call(t, c, "workers.register", api.WorkerRequest{Worker: "lab1.example.com"}, &w)
	if !strings.HasPrefix(w.Token, "strata1_") || w.State != "Offline" {
		t.Errorf("register lab1: got %+v, want a token and Offline", w)
	}
	var again api.Worker
	call(t, c, "workers.register", api.WorkerRequest{Worker: "lab1.example.com"}, &again)
	if again.Token != w.Token {
		t.Error("register lab1 again: got another token, want the same")
	}

	err := c.Call(ctx, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Worker: "nowhere"}, nil)
	if !api.HasCode(err, api.NotFound) || !strings.Contains(err.Error(), "strata workers register nowhere") {
		t.Errorf("add a device to an unknown worker: got %v, want not-found and what to do", err)
	}

	var d api.Device
	call(t, c, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Worker: "lab1.example.com",
		Dictionary: "a: 1", Tags: []events.TagName{"kvm"}}, &d)
	if d.State != "Idle" || d.Health != events.Unknown || d.Dictionary != "a: 1" || d.Version != 1 {
		t.Errorf("add q1: got %+v, want it Idle, Unknown, with its dictionary", d)
	}
	if err := c.Call(ctx, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu"}, nil); !api.HasCode(err, api.Conflict) {
		t.Errorf("add q1 again: got %v, want a conflict", err)
	}
	call(t, c, "devices.health", api.DeviceRequest{Device: "q1", Health: events.Good, Reason: "looked at it"}, &d)
	call(t, c, "devices.tag", api.DeviceRequest{Device: "q1", Tag: "usb"}, &d)
	call(t, c, "devices.untag", api.DeviceRequest{Device: "q1", Tag: "kvm"}, &d)
	call(t, c, "devices.configure", api.DeviceRequest{Device: "q1", Dictionary: "a: 2"}, &d)
	if d.Health != events.Good || len(d.Tags) != 1 || d.Tags[0] != "usb" || d.Version != 2 || d.HealthReason != "looked at it" {
		t.Errorf("q1 after changes: got %+v", d)
	}

	var types []api.DeviceType
	call(t, c, "device-types.list", struct{}{}, &types)
	if len(types) != 1 || types[0].DeviceType != "qemu" || types[0].Devices["Good"] != 1 {
		t.Errorf("device types: got %+v, want qemu with one Good device", types)
	}
	if err := c.Call(ctx, "device-types.remove", api.DeviceType{DeviceType: "qemu"}, nil); !api.HasCode(err, api.Conflict) {
		t.Errorf("remove a type with a device: got %v, want a conflict", err)
	}
	call(t, c, "devices.remove", api.DeviceRequest{Device: "q1"}, nil)
	call(t, c, "workers.remove", api.WorkerRequest{Worker: "lab1.example.com"}, nil)
	if err := c.Call(ctx, "workers.show", api.WorkerRequest{Worker: "lab1.example.com"}, nil); !api.HasCode(err, api.NotFound) {
		t.Errorf("show lab1 after its removal: got %v, want not-found", err)
	}
	call(t, c, "device-types.remove", api.DeviceType{DeviceType: "qemu"}, nil)

	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		if r.Source != "services/api" || r.Actor != access.Local {
			t.Errorf("fact %d, %s: written by %s for %q, want services/api for local", r.Seq, events.Name(r.Event), r.Source, r.Actor)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	tests := []struct {
		verb string
		in   any
		code api.Code
		want string
	}{
		{"jobs.fly", struct{}{}, api.Invalid, `no verb "jobs.fly"`},
		{"jobs.show", map[string]any{"jbo": 1}, api.Invalid, `unknown field "jbo"`},
		{"jobs.show", api.JobRequest{}, api.Invalid, "numbers begin at 1"},
		{"jobs.show", api.JobRequest{Job: 7}, api.NotFound, "no job 7; the newest is 0"},
		{"jobs.list", api.JobsRequest{Limit: 2000}, api.Invalid, "1 to 1000"},
		{"jobs.priority", api.PriorityRequest{Job: 1, Priority: 101}, api.Invalid, "0 to 100"},
		{"devices.show", api.DeviceRequest{Device: "q9"}, api.NotFound, "no device q9"},
		{"devices.add", api.DeviceRequest{Device: "a/b", DeviceType: "qemu"}, api.Invalid, "slash"},
		{"devices.add", api.DeviceRequest{Device: "q1"}, api.Invalid, "device_type is missing"},
		{"devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Health: "Fine"}, api.Invalid, "allowed are Good"},
		{"workers.health", api.WorkerRequest{Worker: "w", Health: "Fine"}, api.Invalid, "allowed are Active"},
		{"device-types.configure", api.DeviceType{DeviceType: "q", HealthDenominator: "days"}, api.Invalid, "hours or jobs"},
		{"device-types.configure", api.DeviceType{DeviceType: "q", Template: "a\n{% if %}"}, api.Invalid, "q.jinja2:2: want a value"},
		{"devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu", Dictionary: "{% extends 'none.jinja2' %}"}, api.Invalid, `q1.jinja2:1: template "none.jinja2"`},
		{"devices.config", api.ConfigRequest{Name: "q9"}, api.NotFound, "no device q9"},
		{"device-types.config", api.ConfigRequest{Name: "q9"}, api.NotFound, "no device type q9"},
		{"jobs.inputs", api.JobRequest{Job: 7}, api.NotFound, "no job 7; the newest is 0"},
	}
	for _, tt := range tests {
		err := c.Call(t.Context(), tt.verb, tt.in, nil)
		if !api.HasCode(err, tt.code) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: got %v, want %s with %q", tt.verb, tt.in, err, tt.code, tt.want)
		}
	}
	err := c.Stream(t.Context(), "sql", api.SQLRequest{Query: "SELECT 1"}, func(*nats.Msg) error { return nil })
	if !api.HasCode(err, api.Away) {
		t.Errorf("sql without ClickHouse: got %v, want it away", err)
	}
}

// TestJobVisibleAtOnce asks for a job before and after submission has looked at it.
func TestJobVisibleAtOnce(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "job_name: x\n")
	var j api.Job
	call(t, c, "jobs.show", api.JobRequest{Job: job}, &j)
	if j.State != "Submitted" || j.User != "alice" || !strings.Contains(j.Why, "not been checked") {
		t.Errorf("job %d unchecked: got %+v, want Submitted by alice, being checked", job, j)
	}
	b.Append(t, submitted(job))
	call(t, c, "jobs.show", api.JobRequest{Job: job}, &j)
	if j.Name != "smoke" || !strings.Contains(j.Why, "no device of type qemu") {
		t.Errorf("job %d submitted: got %+v, want its name and why it waits", job, j)
	}
	call(t, c, "jobs.priority", api.PriorityRequest{Job: job, Priority: 80}, &j)
	call(t, c, "jobs.cancel", api.JobRequest{Job: job, Reason: "typo"}, &j)
	if j.Priority != 80 || j.State != "Submitted" {
		t.Errorf("job %d: got %+v, want priority 80 and still in the queue until scheduling withdraws it", job, j)
	}
	b.Append(t, events.JobWithdrawn{Job: job, Reason: "canceled by alice"})
	call(t, c, "jobs.show", api.JobRequest{Job: job}, &j)
	if j.State != "Finished" || j.Health != events.Canceled || j.Error != "canceled by alice" {
		t.Errorf("job %d withdrawn: got %+v, want Finished, Canceled", job, j)
	}
	if err := c.Call(t.Context(), "jobs.cancel", api.JobRequest{Job: job}, nil); !api.HasCode(err, api.Conflict) {
		t.Errorf("cancel job %d twice: got %v, want a conflict", job, err)
	}
}

func TestRejectedJob(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "nonsense")
	b.Append(t, events.JobRejected{Job: job, User: "alice", At: noon, Message: "extra keys not allowed",
		Problems: []events.Problem{{Message: "extra keys not allowed", Path: "data['x']", Line: 3, Column: 1}}})
	var j api.Job
	call(t, c, "jobs.show", api.JobRequest{Job: job}, &j)
	if j.State != api.StateRejected || !j.Over() || len(j.Problems) != 1 || j.Problems[0].Line != 3 {
		t.Errorf("job %d: got %+v, want it Rejected with line 3", job, j)
	}
	if lines := readLog(t, c, api.LogRequest{Job: job, Follow: true}); len(lines) != 0 {
		t.Errorf("log of a rejected job: got %q, want nothing, at once", lines)
	}
}

// TestFollowLog follows a job from before its first line to its completion, through a frame that
// comes twice.
func TestFollowLog(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "x")
	b.Append(t, submitted(job))
	b.Append(t, events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5})

	lines := make(chan []string, 1)
	go func() { lines <- readLog(t, c, api.LogRequest{Job: job, From: 1, Follow: true}) }()
	frame(t, b, job, 0, "zero", "one")
	frame(t, b, job, 0, "zero", "one")
	last := frame(t, b, job, 2, "two")
	b.Append(t,
		events.JobStarted{Job: job, Device: "q1", Worker: "w1", Lease: 5, At: noon},
		events.JobFinished{Job: job, Device: "q1", Worker: "w1", Lease: 5, Health: events.Complete, At: noon, Lines: 3, LinesKnown: true},
		events.JobOutputComplete{Job: job, Lease: 5, OutputSeq: last, Lines: 3, Cases: 1})
	select {
	case got := <-lines:
		if fmt.Sprint(got) != "[1:one 2:two]" {
			t.Errorf("follow job %d from line 1: got %v, want [1:one 2:two]", job, got)
		}
	case <-time.After(eventtest.Patience):
		t.Fatalf("following job %d did not end with its output", job)
	}
	// Not followed, it ends where the log ends; also once the job has left every state.
	if got := readLog(t, c, api.LogRequest{Job: job}); fmt.Sprint(got) != "[0:zero 1:one 2:two]" {
		t.Errorf("read job %d: got %v, want three lines", job, got)
	}
}

// TestSlowCallerHoldsUpNobody leaves one reader of a long log unread while another reads it whole.
func TestSlowCallerHoldsUpNobody(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "x")
	b.Append(t, submitted(job), events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5})
	const frames = 200
	for i := range frames {
		frame(t, b, job, uint64(i), fmt.Sprintf("line %d", i))
	}
	stuck, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := make(chan int, 1)
	go func() {
		n := 0
		_ = c.Stream(t.Context(), "jobs.log", api.LogRequest{Job: job}, func(*nats.Msg) error {
			n++
			once.Do(func() { close(stuck); <-release })
			return nil
		})
		slow <- n
	}()
	<-stuck
	if got := readLog(t, c, api.LogRequest{Job: job}); len(got) != frames {
		t.Errorf("quick reader beside a stuck one: got %d lines, want %d", len(got), frames)
	}
	close(release)
	if n := <-slow; n != frames {
		t.Errorf("slow reader: got %d frames once it went on, want %d: it loses nothing", n, frames)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "x")
	b.Append(t, submitted(job), events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5})
	b.Append(t, events.ResultsRecorded{Job: job, Lease: 5, Lines: 4, Cases: []events.Case{{Suite: "lava", Name: "validate", Result: events.Pass, At: noon}}})
	b.Append(t, events.ResultsRecorded{Job: job, Lease: 5, FirstLine: 4, Lines: 2, Cases: []events.Case{{Suite: "0_smoke", Name: "uname", Result: events.Fail, At: noon}}})
	var r api.Results
	call(t, c, "jobs.results", api.JobRequest{Job: job}, &r)
	if len(r.Cases) != 2 || r.Cases[1].Name != "uname" || r.Complete {
		t.Errorf("results of job %d: got %+v, want two cases, not complete", job, r)
	}
}

// TestFollowEvents follows one job's facts to its end, among others' facts.
func TestFollowEvents(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job, other := publish(t, b, "x"), publish(t, b, "y")
	b.Append(t, submitted(job), submitted(other))
	got := make(chan []string, 1)
	first := make(chan struct{})
	go func() {
		var names []string
		err := c.Stream(t.Context(), "events", api.EventsRequest{Entity: "job/" + job.String(), Follow: true, Until: "job.withdrawn"},
			func(m *nats.Msg) error {
				var f api.Fact
				if err := json.Unmarshal(m.Data, &f); err != nil {
					return err
				}
				if names == nil {
					close(first)
				}
				names = append(names, f.Name)
				return nil
			})
		if err != nil {
			names = append(names, err.Error())
		}
		got <- names
	}()
	<-first
	b.Append(t, events.JobPrioritySet{Job: other, Priority: 1, By: "bob"}, events.JobCancelRequested{Job: job, By: "bob"},
		events.JobWithdrawn{Job: job, Reason: "canceled by bob"})
	if names := <-got; fmt.Sprint(names) != "[job.submitted job.cancel-requested job.withdrawn]" {
		t.Errorf("facts of job %d: got %v", job, names)
	}
}

// TestRace lets two instances of the api change the same device at once; each change is recorded
// once, and none is lost.
func TestRace(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	serve(t, b)
	call(t, c, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu"}, nil)
	const each = 10
	var group sync.WaitGroup
	for g := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range each {
				tag := events.TagName(fmt.Sprintf("t%d-%d", g, i))
				if err := c.Call(t.Context(), "devices.tag", api.DeviceRequest{Device: "q1", Tag: tag}, nil); err != nil {
					t.Errorf("tag %s: %v", tag, err)
				}
			}
		}()
	}
	group.Wait()
	tagged := map[events.TagName]int{}
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		if e, ok := r.Event.(events.DeviceTagged); ok {
			tagged[e.Tag]++
		}
	}
	if len(tagged) != 4*each {
		t.Errorf("tags of q1: got %d, want %d", len(tagged), 4*each)
	}
	for tag, n := range tagged {
		if n != 1 {
			t.Errorf("tag %s was recorded %d times, want once", tag, n)
		}
	}
}

// TestRestart answers from a new process what the last one knew.
func TestRestart(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	call(t, c, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu"}, nil)
	b.Restart(t)
	serve(t, b)
	var d api.Device
	call(t, c, "devices.show", api.DeviceRequest{Device: "q1"}, &d)
	if d.DeviceType != "qemu" {
		t.Errorf("q1 after a restart: got %+v, want it there", d)
	}
}

// start runs the api on a broker of its own, and returns a client of it: alice, who is let in as
// local people are.
func start(t *testing.T) (*eventtest.Broker, api.Client) {
	t.Helper()
	b := eventtest.Start(t)
	serve(t, b)
	return b, api.Client{Conn: b.Connect(t), User: access.Local}
}

// serve runs one instance of the api until the test ends, and waits until it answers.
func serve(t *testing.T, b *eventtest.Broker) { serveWith(t, b, api.History{}) }

// serveWith is serve with tables.
func serveWith(t *testing.T, b *eventtest.Broker, history api.History) {
	t.Helper()
	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- api.Run(ctx, api.Deps{Log: b.Log, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler), Key: key, History: history})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("api: %v", err)
		}
	})
	c := api.Client{Conn: b.Connect(t), User: access.Local}
	deadline, stop := context.WithTimeout(t.Context(), eventtest.Patience)
	defer stop()
	for c.Call(deadline, "status", struct{}{}, nil) != nil {
		if deadline.Err() != nil {
			t.Fatal("the api does not answer")
		}
	}
}

func call(t *testing.T, c api.Client, verb string, in, out any) {
	t.Helper()
	if err := c.Call(t.Context(), verb, in, out); err != nil {
		t.Fatalf("%s %+v: %v", verb, in, err)
	}
}

// readLog returns a log as number:text.
func readLog(t *testing.T, c api.Client, in api.LogRequest) (lines []string) {
	t.Helper()
	err := c.Log(t.Context(), in, func(line uint64, r events.Record) error {
		var s string
		if err := json.Unmarshal(r.Message, &s); err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%d:%s", line, s))
		return nil
	})
	if err != nil {
		t.Errorf("log of job %d: %v", in.Job, err)
	}
	return lines
}

// publish puts a definition of alice's onto the bus and returns its number.
func publish(t *testing.T, b *eventtest.Broker, text string) events.JobID {
	t.Helper()
	ack, err := b.Log.JetStream().Publish(t.Context(), "submit.alice", []byte(text))
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	return events.JobID(ack.Sequence)
}

func submitted(job events.JobID) events.JobSubmitted {
	return events.JobSubmitted{Job: job, Display: job.String(), User: "alice", Name: "smoke", At: noon, DeviceType: "qemu",
		JobTimeout: 60, Priority: 50, Source: events.Source{Sequence: uint64(job)}}
}

// frame sends lines of a job's output and returns their sequence in OUTPUT.
func frame(t *testing.T, b *eventtest.Broker, job events.JobID, first uint64, lines ...string) uint64 {
	t.Helper()
	var records []events.Record
	for _, l := range lines {
		msg, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, events.Record{Time: noon, Level: events.Target, Message: msg})
	}
	f, err := events.NewFrame(job, 5, first, records)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := stream.PublishFrame(t.Context(), b.Log.JetStream(), f)
	if err != nil {
		t.Fatalf("publish frame: %v", err)
	}
	return seq
}

// TestRights holds that people see their own jobs and public ones, change their own, and administer
// nothing; and that a request's trace goes on with its facts.
func TestRights(t *testing.T) {
	t.Parallel()
	b, local := start(t)
	call(t, local, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu"}, nil)
	hidden, public := publish(t, b, "x"), publish(t, b, "y")
	open := submitted(public)
	open.Visibility.Public = true
	b.Append(t, submitted(hidden), open)
	// The broker lets nobody publish as somebody else; here there are no such rights.
	alice, bob := api.Client{Conn: local.Conn, User: "alice"}, api.Client{Conn: local.Conn, User: "bob"}
	tests := []struct {
		who  api.Client
		verb string
		in   any
		code api.Code // "" for allowed
	}{
		{alice, "jobs.show", api.JobRequest{Job: hidden}, ""},
		{bob, "jobs.show", api.JobRequest{Job: hidden}, api.NotFound},
		{bob, "jobs.results", api.JobRequest{Job: hidden}, api.NotFound},
		{bob, "jobs.show", api.JobRequest{Job: public}, ""},
		{bob, "jobs.cancel", api.JobRequest{Job: public}, api.Denied},
		{bob, "jobs.priority", api.PriorityRequest{Job: public, Priority: 1}, api.Denied},
		{alice, "jobs.priority", api.PriorityRequest{Job: hidden, Priority: 1}, ""},
		{bob, "devices.show", api.DeviceRequest{Device: "q1"}, ""},
		{bob, "devices.health", api.DeviceRequest{Device: "q1", Health: events.Good}, api.Denied},
		{bob, "workers.register", api.WorkerRequest{Worker: "w9"}, api.Denied},
		{bob, "workers.token", api.WorkerRequest{Worker: "w9"}, api.Denied},
	}
	for _, tt := range tests {
		err := tt.who.Call(t.Context(), tt.verb, tt.in, nil)
		if (tt.code == "") != (err == nil) || tt.code != "" && !api.HasCode(err, tt.code) {
			t.Errorf("%s asks %s %+v: got %v, want %q", tt.who.User, tt.verb, tt.in, err, tt.code)
		}
	}
	if err := bob.Log(t.Context(), api.LogRequest{Job: hidden}, nil); !api.HasCode(err, api.NotFound) {
		t.Errorf("bob reads the log of alice's job: got %v, want that there is none", err)
	}
	if err := bob.Stream(t.Context(), "events", api.EventsRequest{Entity: fmt.Sprintf("job/%d", hidden), Follow: true}, nil); !api.HasCode(err, api.NotFound) {
		t.Errorf("bob follows alice's job: got %v, want that there is none", err)
	}
	if err := bob.Stream(t.Context(), "sql", api.SQLRequest{Query: "SELECT 1"}, nil); !api.HasCode(err, api.Away) {
		t.Errorf("bob asks the tables: got %v, want them away", err)
	}
	err := bob.Stream(t.Context(), "events", api.EventsRequest{From: 1}, func(m *nats.Msg) error {
		if strings.Contains(string(m.Data), fmt.Sprintf(`"entity":"job/%d"`, hidden)) {
			t.Errorf("bob sees a fact of alice's job: %s", m.Data)
		}
		return nil
	})
	if err != nil {
		t.Errorf("bob follows events: %v", err)
	}
	var listed api.Jobs
	call(t, bob, "jobs.list", api.JobsRequest{}, &listed)
	if len(listed.Jobs) != 1 || listed.Jobs[0].Job != public {
		t.Errorf("jobs that bob sees: got %+v, want the public one", listed.Jobs)
	}

	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	m := nats.NewMsg("api.alice.jobs.cancel")
	m.Header.Set(events.HeaderTrace, trace)
	m.Data = []byte(fmt.Sprintf(`{"job":%d}`, hidden))
	if _, err := local.Conn.RequestMsgWithContext(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	facts := eventtest.Facts(t, b.Log, stream.Lab)
	if last := facts[len(facts)-1]; last.Trace != trace || last.Actor != "alice" {
		t.Errorf("fact of a traced request: trace %q, actor %q; want %q and alice", last.Trace, last.Actor, trace)
	}
}
