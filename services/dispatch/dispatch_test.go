package dispatch_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/access"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/schemas/order"
	"strata/services/dispatch"
)

const config = "hostname: q1\ndevicetype: qemu\nactions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {qemu: null}}}\n"

// TestOrder walks a job's orders and reports through to its end.
func TestOrder(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run(t)
	job := l.schedule(t, "q1", 5, "job_name: x")
	o := l.next(t)
	if o.Kind != order.Start || o.Job != uint64(job) || o.Lease != 5 || o.Device != "q1" {
		t.Fatalf("first order: got %+v, want start of job %d under lease 5 on q1", o, job)
	}
	w := o.Work
	if w.Definition.Inline != "job_name: x" || w.Device.Inline != config || w.Env.Inline != "purge: true" || w.Dispatcher.Inline != "dispatcher_ip: 10.0.0.1" {
		t.Errorf("texts of the order: got %+v", *w)
	}
	p, err := l.key.Verify(w.Credential)
	if want := (access.Principal{Role: access.Job, Job: job, Lease: 5, Worker: worker}); err != nil || p != want {
		t.Errorf("credential stands for %+v (error %v), want %+v", p, err, want)
	}
	l.report(t, order.Report{Claim: order.Taken, Job: o.Job, Lease: 5})
	l.report(t, order.Report{Claim: order.Started, Job: o.Job, Lease: 5})
	started := eventtest.Await[events.JobStarted](t, l.Log, nil)
	if started.Job != job || started.Lease != 5 || started.Worker != worker || started.Device != "q1" {
		t.Errorf("started: got %+v", started)
	}
	l.Append(t, events.JobCancelRequested{Job: job, By: "alice"})
	if o := l.next(t); o.Kind != order.Cancel || o.Job != uint64(job) || o.Over || !strings.Contains(o.Reason, "alice") {
		t.Errorf("order after the request: got %+v, want cancel by alice", o)
	}
	l.report(t, order.Report{Claim: order.Finished, Job: o.Job, Lease: 5, Verdict: &order.Verdict{Result: "pass", Lines: 12}})
	done := eventtest.Await[events.JobFinished](t, l.Log, nil)
	if done.Health != events.Canceled || done.Lines != 12 || !done.LinesKnown || done.Lost {
		t.Errorf("finished: got %+v, want Canceled with 12 lines", done)
	}
	l.Append(t, events.JobOutputComplete{Job: job, Lease: 5, Lines: 12})
	if o := l.next(t); o.Kind != order.Discard || o.Job != uint64(job) || o.Lease != 5 {
		t.Errorf("order after all output was read: got %+v, want discard", o)
	}
}

// TestTrace: who follows a job by its trace finds it in the order and on every fact.
func TestTrace(t *testing.T) {
	t.Parallel()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	l := newLab(t)
	l.Append(t, events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: worker}, events.DeviceConfigured{Device: "q1", Dictionary: config})
	job := l.Submit(t, "alice", "x")
	sum := sha256.Sum256([]byte("x"))
	l.Append(t, events.JobSubmitted{Job: job, User: "alice", JobTimeout: 60,
		Source: events.Source{Sequence: uint64(job), SHA256: hex.EncodeToString(sum[:]), Bytes: 1}})
	if _, err := l.Log.AppendOne(t.Context(), stream.Draft{Trace: trace,
		Event: events.JobScheduled{Job: job, Device: "q1", Worker: worker, Lease: 5}}, nil); err != nil {
		t.Fatal(err)
	}
	l.run(t)
	if o := l.next(t); o.Work == nil || o.Work.Traceparent != trace {
		t.Errorf("order: got %+v, want one with the trace", o.Work)
	}
	l.report(t, order.Report{Claim: order.Started, Job: uint64(job), Lease: 5})
	l.report(t, order.Report{Claim: order.Finished, Job: uint64(job), Lease: 5, Verdict: &order.Verdict{Result: "pass"}})
	eventtest.Await[events.JobFinished](t, l.Log, nil)
	recorded, err := l.Log.Load(t.Context(), events.Entity{Kind: events.Job, ID: job.String()})
	if err != nil || len(recorded) != 4 {
		t.Fatalf("facts of the job: got %d, %v, want 4", len(recorded), err)
	}
	for _, r := range recorded[1:] {
		if r.Trace != trace {
			t.Errorf("%s has the trace %q, want %q", events.Name(r.Event), r.Trace, trace)
		}
	}
}

// TestVerdicts goes through what a finish report becomes.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		verdict   order.Verdict
		health    events.JobHealth
		errorType events.ErrorType
	}{
		{order.Verdict{Result: "pass"}, events.Complete, ""},
		{order.Verdict{Result: "fail", ErrorType: "Infrastructure", Error: "no power"}, events.Incomplete, events.InfrastructureError},
		{order.Verdict{Result: "fail", ErrorType: "Weather"}, events.Incomplete, events.UnknownError},
		{order.Verdict{Result: "fail"}, events.Incomplete, events.UnknownError},
	}
	l := newLab(t)
	l.run(t)
	for i, tt := range tests {
		lease := events.Lease(i + 1)
		job := l.schedule(t, "q1", lease, "x")
		l.report(t, order.Report{Claim: order.Started, Job: uint64(job), Lease: uint64(lease)})
		l.report(t, order.Report{Claim: order.Finished, Job: uint64(job), Lease: uint64(lease), Verdict: &tt.verdict})
		done := eventtest.Await(t, l.Log, func(e events.JobFinished) bool { return e.Job == job })
		if done.Health != tt.health || done.ErrorType != tt.errorType || done.Error != tt.verdict.Error {
			t.Errorf("%+v: got %s, %q, %q; want %s, %q", tt.verdict, done.Health, done.ErrorType, done.Error, tt.health, tt.errorType)
		}
		l.Append(t, events.DeviceReleased{Device: "q1", Job: job, Lease: lease})
	}
}

// TestRestart restarts dispatch between all steps. Orders are sent once, reports believed once.
func TestRestart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	job := l.schedule(t, "q1", 5, "x")
	for range 3 {
		stop := l.run(t)
		eventually(t, "the order is sent", func() bool { return l.count(t, stream.Work) == 1 })
		stop()
	}
	for range 3 { // the worker did not hear that it was heard
		l.report(t, order.Report{Claim: order.Started, Job: uint64(job), Lease: 5})
		l.report(t, order.Report{Claim: order.Finished, Job: uint64(job), Lease: 5, Verdict: &order.Verdict{Result: "pass"}})
		stop := l.run(t)
		eventually(t, "the reports are settled", func() bool { return l.count(t, stream.Reports) == 0 })
		stop()
	}
	if n := l.count(t, stream.Work); n != 1 {
		t.Errorf("orders: got %d, want 1", n)
	}
	wantFacts[events.JobStarted](t, l, 1)
	wantFacts[events.JobFinished](t, l, 1)
	wantFacts[events.ReportRefused](t, l, 0)
}

// TestTwoAtOnce runs two dispatches on one log, which meet at every order and report.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run(t)
	l.run(t)
	const jobs = 20
	for i := range jobs {
		l.schedule(t, events.DeviceName(fmt.Sprintf("d%d", i)), events.Lease(i+1), "x")
	}
	seen := map[uint64]bool{}
	for len(seen) < jobs {
		o := l.next(t)
		if seen[o.Job] {
			t.Errorf("job %d: a second order", o.Job)
		}
		seen[o.Job] = true
		l.report(t, order.Report{Claim: order.Started, Job: o.Job, Lease: o.Lease})
		l.report(t, order.Report{Claim: order.Finished, Job: o.Job, Lease: o.Lease, Verdict: &order.Verdict{Result: "pass"}})
	}
	for job := range seen {
		eventtest.Await(t, l.Log, func(e events.JobFinished) bool { return uint64(e.Job) == job })
	}
	eventually(t, "the reports are settled", func() bool { return l.count(t, stream.Reports) == 0 })
	wantFacts[events.JobFinished](t, l, jobs)
	wantFacts[events.ReportRefused](t, l, 0)

	// Both see the worker come and go, and both would say so.
	for round := range 5 {
		session := fmt.Sprint("s", round)
		l.clock.advance(time.Second)
		l.present(t, session, "")
		l.hold(t, session)
		eventually(t, "the worker is online", func() bool { return len(facts[events.WorkerWentOnline](t, l)) == round+1 })
		l.clock.advance(20 * time.Second)
		l.Append(t, events.TagAdded{Tag: events.TagName(session)}) // wakes both
		eventually(t, "the worker is offline", func() bool { return len(facts[events.WorkerWentOffline](t, l)) > round })
		wantFacts[events.WorkerWentOffline](t, l, round+1)
	}
}

// TestRefused shows that a refused job waits again, and that its worker is not asked again at once.
func TestRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run(t)
	l.present(t, "s1", "")
	l.hold(t, "s1")
	eventtest.Await[events.WorkerWentOnline](t, l.Log, nil)
	job := l.schedule(t, "q1", 5, "x")
	l.next(t)
	l.report(t, order.Report{Claim: order.Refused, Job: uint64(job), Lease: 5, Reason: "free space is low"})
	if back := eventtest.Await[events.JobReturned](t, l.Log, nil); back.Job != job || back.Lease != 5 || !strings.Contains(back.Reason, "free space") {
		t.Errorf("returned: got %+v", back)
	}
	if off := eventtest.Await[events.WorkerWentOffline](t, l.Log, nil); !strings.Contains(off.Reason, "free space") {
		t.Errorf("worker: went offline because %q, want the free space", off.Reason)
	}
	l.clock.advance(time.Second)
	l.present(t, "s1", "")
	eventually(t, "the worker is online again", func() bool { return len(facts[events.WorkerWentOnline](t, l)) == 2 })
}

// TestLost follows a worker that stays away beyond the limit, with one job running, one to be
// canceled; and its return.
func TestLost(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run(t)
	l.present(t, "s1", "")
	l.hold(t, "s1")
	online := eventtest.Await[events.WorkerWentOnline](t, l.Log, nil)
	if online.Worker != worker || online.Version != "1.0" {
		t.Errorf("online: got %+v", online)
	}
	running, canceling := l.schedule(t, "q1", 5, "x"), l.schedule(t, "q2", 6, "x")
	for lease, job := range map[uint64]events.JobID{5: running, 6: canceling} {
		l.report(t, order.Report{Claim: order.Started, Job: uint64(job), Lease: lease})
		eventtest.Await(t, l.Log, func(e events.JobStarted) bool { return e.Job == job })
	}
	l.Append(t, events.JobCancelRequested{Job: canceling, By: "alice"})

	l.clock.advance(20 * time.Second)
	l.poke(t)
	if off := eventtest.Await[events.WorkerWentOffline](t, l.Log, nil); off.Reason != "no sign for 15s" {
		t.Errorf("offline: reason is %q, want no sign for 15s", off.Reason)
	}
	l.clock.advance(9 * time.Minute)
	l.poke(t)
	wantFacts[events.JobFinished](t, l, 0)
	l.clock.advance(2 * time.Minute)
	l.poke(t)
	for job, health := range map[events.JobID]events.JobHealth{running: events.Incomplete, canceling: events.Canceled} {
		end := eventtest.Await(t, l.Log, func(e events.JobFinished) bool { return e.Job == job })
		if end.Health != health || end.ErrorType != events.InfrastructureError || !end.Lost || end.LinesKnown {
			t.Errorf("end of job %d: got %+v, want %s, Infrastructure, lost", job, end, health)
		}
	}

	// It comes back, and still runs the first.
	l.present(t, "s2", "")
	l.hold(t, "s2", order.Held{Job: uint64(running), Lease: 5, Device: "q1", Runs: true})
	eventually(t, "the worker is told to let go", func() bool {
		o := l.next(t)
		return o.Kind == order.Cancel && o.Over && o.Job == uint64(running) && o.Lease == 5
	})
	l.report(t, order.Report{Claim: order.Finished, Job: uint64(running), Lease: 5, Verdict: &order.Verdict{Result: "pass", Lines: 9}})
	refused := eventtest.Await[events.ReportRefused](t, l.Log, nil)
	if refused.Claim != "finished" || refused.Job != running || refused.Lease != 5 || !strings.Contains(refused.Reason, "lease 5 is over") {
		t.Errorf("refused: got %+v", refused)
	}
	wantFacts[events.WorkerWentOnline](t, l, 1) // not before it has let go
	l.report(t, order.Report{Claim: order.SpoolEmpty, Job: uint64(running), Lease: 5, Lines: 9})
	if ended := eventtest.Await[events.JobOutputEnded](t, l.Log, nil); ended.Job != running || ended.Lines != 9 {
		t.Errorf("output ended: got %+v, want 9 lines of job %d", ended, running)
	}
	l.hold(t, "s2", order.Held{Job: uint64(running), Lease: 5, Device: "q1"})
	eventually(t, "the worker is online again", func() bool { return len(facts[events.WorkerWentOnline](t, l)) == 2 })
	l.report(t, order.Report{Claim: order.Finished, Job: uint64(running), Lease: 5, Verdict: &order.Verdict{Result: "pass", Lines: 9}})
	l.report(t, order.Report{Claim: order.SpoolEmpty, Job: uint64(running), Lease: 5, Lines: 9})
	eventually(t, "the reports are settled", func() bool { return l.count(t, stream.Reports) == 0 })
	wantFacts[events.ReportRefused](t, l, 1)
	wantFacts[events.JobOutputEnded](t, l, 1)
}

// TestAskAround shows that a worker whose report was settled by a dispatch that died is asked again.
func TestAskAround(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	stop := l.run(t)
	l.hold(t, "s1")
	eventually(t, "the report is settled", func() bool { return l.count(t, stream.Reports) == 0 })
	stop()
	l.run(t)
	l.present(t, "s1", "")
	if o := l.next(t); o.Kind != order.Tell {
		t.Fatalf("order: got %+v, want tell", o)
	}
	l.hold(t, "s1")
	eventtest.Await[events.WorkerWentOnline](t, l.Log, nil)
}

// TestLateClaim shows that a claim about a job that has long left memory is judged by its history.
func TestLateClaim(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	job := l.schedule(t, "q1", 5, "x")
	l.Append(t, events.JobStarted{Job: job, Device: "q1", Worker: worker, Lease: 5},
		events.JobFinished{Job: job, Device: "q1", Worker: worker, Lease: 5, Health: events.Incomplete, Lost: true},
		events.DeviceReleased{Device: "q1", Job: job, Lease: 5}, events.JobOutputComplete{Job: job, Lease: 5})
	l.run(t)
	for range 2 {
		l.report(t, order.Report{Claim: order.Finished, Job: uint64(job), Lease: 5, Verdict: &order.Verdict{Result: "pass"}})
	}
	l.report(t, order.Report{Claim: order.Finished, Job: 999, Lease: 5, Verdict: &order.Verdict{Result: "pass"}}) // never was
	eventually(t, "the reports are settled", func() bool { return l.count(t, stream.Reports) == 0 })
	wantFacts[events.ReportRefused](t, l, 1)
	// What it still holds of the job may go.
	l.hold(t, "s1", order.Held{Job: uint64(job), Lease: 5, Device: "q1"})
	if o := l.next(t); o.Kind != order.Discard || o.Job != uint64(job) || o.Lease != 5 {
		t.Errorf("order: got %+v, want discard of job %d", o, job)
	}
}

// TestForgetful follows a worker that has lost its disk: what it does not know is asked for, and ended
// or given back only on its answer.
func TestForgetful(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run(t)
	ran, waits := l.schedule(t, "q1", 5, "x"), l.schedule(t, "q2", 6, "x")
	l.next(t)
	l.next(t)
	l.report(t, order.Report{Claim: order.Started, Job: uint64(ran), Lease: 5})
	eventtest.Await[events.JobStarted](t, l.Log, nil)
	l.hold(t, "s1")
	asked := map[uint64]uint64{}
	for range 2 {
		o := l.next(t)
		if o.Kind != order.Check {
			t.Fatalf("order: got %+v, want check", o)
		}
		asked[o.Job] = o.Lease
	}
	if asked[uint64(ran)] != 5 || asked[uint64(waits)] != 6 {
		t.Fatalf("checked: got %v, want jobs %d and %d", asked, ran, waits)
	}
	wantFacts[events.JobFinished](t, l, 0)
	for job, lease := range asked {
		l.report(t, order.Report{Claim: order.Unknown, Job: job, Lease: lease})
	}
	if end := eventtest.Await[events.JobFinished](t, l.Log, nil); end.Job != ran || !end.Lost || end.Health != events.Incomplete {
		t.Errorf("the job that ran: got %+v, want lost", end)
	}
	if back := eventtest.Await[events.JobReturned](t, l.Log, nil); back.Job != waits {
		t.Errorf("the job that waited: got %+v, want it back in the queue", back)
	}
}

// TestNotAsAnother shows that a worker cannot speak about a job that another has.
func TestNotAsAnother(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Append(t, events.WorkerRegistered{Worker: "w2"})
	l.run(t)
	job := l.schedule(t, "q1", 5, "x")
	l.reportAs(t, "w2", order.Report{Claim: order.Finished, Job: uint64(job), Lease: 5, Verdict: &order.Verdict{Result: "pass"}})
	refused := eventtest.Await[events.ReportRefused](t, l.Log, nil)
	if refused.Worker != "w2" || !strings.Contains(refused.Reason, string(worker)) {
		t.Errorf("refused: got %+v, want that the lease belongs to %s", refused, worker)
	}
	wantFacts[events.JobFinished](t, l, 0)
}

// TestImpossibleOrders goes through jobs that no worker can be handed.
func TestImpossibleOrders(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Append(t, events.DeviceAdded{Device: "bad", DeviceType: "qemu", Worker: worker}, events.DeviceConfigured{Device: "bad", Dictionary: "colour: red"})
	l.run(t)
	job := l.schedule(t, "bad", 5, "x")
	end := eventtest.Await(t, l.Log, func(e events.JobFinished) bool { return e.Job == job })
	if end.ErrorType != events.ConfigurationError || !strings.Contains(end.Error, "colour") || !end.LinesKnown {
		t.Errorf("device with an unknown key: got %+v, want Configuration that names it", end)
	}
	l.Append(t, events.JobSubmitted{Job: 500, User: "alice", JobTimeout: 60, Source: events.Source{Sequence: 500}},
		events.JobScheduled{Job: 500, Device: "q1", Worker: worker, Lease: 6})
	end = eventtest.Await(t, l.Log, func(e events.JobFinished) bool { return e.Job == 500 })
	if end.ErrorType != events.JobError || end.Health != events.Incomplete {
		t.Errorf("definition that is gone: got %+v, want Job", end)
	}
}

// TestLongText shows that what is too long for an order lies where its worker may read it.
func TestLongText(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run(t)
	text := "job_name: x\n#" + strings.Repeat("x", order.InlineLimit)
	l.schedule(t, "q1", 5, text)
	ref := l.next(t).Work.Definition
	sum := sha256.Sum256([]byte(text))
	if ref.Inline != "" || ref.Bytes != len(text) || ref.SHA256 != hex.EncodeToString(sum[:]) {
		t.Fatalf("definition: got %d bytes inline, %+v", len(ref.Inline), ref)
	}
	m, err := l.Conn.Request(access.DirectGet(ref.Key), nil, eventtest.Patience)
	if err != nil || string(m.Data) != text {
		t.Errorf("direct get of %s: got %d bytes, error %v; want the text", ref.Key, len(m.Data), err)
	}
}

const worker events.WorkerName = "lab1.example.com"

// testLab stands for the rest of the lab: scheduler, worker, people.
type testLab struct {
	*eventtest.Broker
	key    access.Key
	clock  *clock
	orders jetstream.Consumer
	number uint64
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newLab(t testing.TB) *testLab {
	t.Helper()
	c := &clock{now: time.Now()}
	l := &testLab{Broker: eventtest.StartWith(t, eventtest.Options{Now: c.Now}), clock: c}
	var err error
	if l.key, err = access.OpenKey(filepath.Join(t.TempDir(), "key")); err != nil {
		t.Fatal(err)
	}
	l.Append(t, events.WorkerRegistered{Worker: worker},
		events.WorkerConfigured{Worker: worker, Env: "purge: true", Dispatcher: "dispatcher_ip: 10.0.0.1"})
	return l
}

// run starts a dispatch; stop ends it and waits.
func (l *testLab) run(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	go func() {
		done <- dispatch.Run(ctx, dispatch.Deps{Log: l.Log.As(events.DispatchService), Key: l.key, Now: l.clock.Now, Logger: log,
			LostAfter: 10 * time.Minute})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("dispatch: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// schedule submits a job and gives it a device.
func (l *testLab) schedule(t testing.TB, device events.DeviceName, lease events.Lease, text string) events.JobID {
	t.Helper()
	job := l.Submit(t, "alice", text)
	sum := sha256.Sum256([]byte(text))
	all := []events.Event{
		events.JobSubmitted{Job: job, Display: job.String(), User: "alice", JobTimeout: 60,
			Source: events.Source{Sequence: uint64(job), SHA256: hex.EncodeToString(sum[:]), Bytes: len(text)}},
		events.JobScheduled{Job: job, Device: device, Worker: worker, Lease: lease},
		events.DeviceReserved{Device: device, Job: job, Lease: lease},
	}
	if device != "bad" {
		all = append([]events.Event{events.DeviceAdded{Device: device, DeviceType: "qemu", Worker: worker},
			events.DeviceConfigured{Device: device, Dictionary: config}}, all...)
	}
	l.Append(t, all...)
	return job
}

// next pulls the worker's next order, through the consumer that dispatch made.
func (l *testLab) next(t testing.TB) order.Order {
	t.Helper()
	if l.orders == nil {
		eventually(t, "dispatch makes the worker's consumer", func() bool {
			var err error
			l.orders, err = l.Log.JetStream().Consumer(t.Context(), stream.Work, events.EscapeToken(string(worker)))
			if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
				t.Fatal(err)
			}
			return err == nil
		})
	}
	m, err := l.orders.Next(jetstream.FetchMaxWait(eventtest.Patience))
	for errors.Is(err, nats.ErrNoResponders) { // the consumer is known a moment before it answers
		m, err = l.orders.Next(jetstream.FetchMaxWait(eventtest.Patience))
	}
	if err != nil {
		t.Fatalf("pull the next order: %v; recorded:\n%s", err, eventtest.Story(t, l.Log, stream.Lab))
	}
	o, err := order.Decode(m.Data())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

func (l *testLab) report(t *testing.T, r order.Report) {
	t.Helper()
	l.reportAs(t, worker, r)
}

func (l *testLab) reportAs(t *testing.T, w events.WorkerName, r order.Report) {
	t.Helper()
	l.number++
	r.Version, r.Number, r.At = order.Version, l.number, l.clock.Now().UTC().Format(time.RFC3339Nano)
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Log.JetStream().Publish(t.Context(), access.ReportSubject(w), body); err != nil {
		t.Fatal(err)
	}
}

func (l *testLab) hold(t *testing.T, session string, held ...order.Held) {
	t.Helper()
	l.report(t, order.Report{Claim: order.Holding, Session: session, Build: "1.0", Held: held})
}

func (l *testLab) present(t *testing.T, session, refuses string) {
	t.Helper()
	body, err := json.Marshal(order.Presence{Version: order.Version, Session: session, Build: "1.0", Refuses: refuses})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Log.JetStream().Publish(t.Context(), access.PresenceSubject(worker), body); err != nil {
		t.Fatal(err)
	}
}

// poke makes dispatch look at the clock, by a fact that means nothing to it, and waits until it did.
func (l *testLab) poke(t *testing.T) {
	t.Helper()
	l.report(t, order.Report{Claim: order.Taken, Job: 999, Lease: 1})
	eventually(t, "dispatch looks at its reports", func() bool { return l.count(t, stream.Reports) == 0 })
	l.report(t, order.Report{Claim: order.Taken, Job: 999, Lease: 1}) // the round before has decided
	eventually(t, "dispatch looks at its reports", func() bool { return l.count(t, stream.Reports) == 0 })
}

func (l *testLab) count(t *testing.T, name string) uint64 {
	t.Helper()
	s, err := l.Log.JetStream().Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func facts[E events.Event](t *testing.T, l *testLab) []E {
	t.Helper()
	var all []E
	for _, r := range eventtest.Facts(t, l.Log, stream.Lab) {
		if e, ok := r.Event.(E); ok {
			all = append(all, e)
		}
	}
	return all
}

func wantFacts[E events.Event](t *testing.T, l *testLab, n int) {
	t.Helper()
	if got := facts[E](t, l); len(got) != n {
		t.Errorf("%T: got %d, want %d: %+v", *new(E), len(got), n, got)
	}
}
