package health

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/lab"
	"strata/events/stream"
)

// TestCheck walks a device from Unknown through its health check to Good, with submission,
// scheduling and dispatch played by the test.
func TestCheck(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	m := start(t, b)
	b.Append(t, flat(worker(), board("q1"), checked(events.Hours, 24), []events.Event{set("q1", events.Unknown)})...)
	asked := eventtest.Await[events.HealthCheckRequested](t, b.Log, nil)
	if asked.Job == 0 || asked.Reason == "" {
		t.Fatalf("requested %+v, want a number and a reason", asked)
	}
	sub, err := b.Log.Submission(t.Context(), uint64(asked.Job))
	if err != nil {
		t.Fatal(err)
	}
	if sub.User != lab.LavaHealth || sub.Header.Get(events.HeaderPinDevice) != "q1" || string(sub.Text) != "job_name: check\n" {
		t.Errorf("submitted by %q for %q: %q, want lava-health's check for q1", sub.User, sub.Header.Get(events.HeaderPinDevice), sub.Text)
	}
	b.Append(t, heldUnder(1, asked.Job, "q1", true)...)
	b.Append(t, events.JobFinished{Job: asked.Job, Device: "q1", Lease: 1, Health: events.Complete, At: time.Now()})
	freed := eventtest.AwaitRecorded[events.DeviceReleased](t, b.Log, nil)
	changed := eventtest.AwaitRecorded[events.DeviceHealthChanged](t, b.Log, nil)
	want := events.DeviceHealthChanged{Device: "q1", From: events.Unknown, To: events.Good, Job: asked.Job,
		Reason: "health-check [" + asked.Job.String() + "] completed"}
	if changed.Event != events.Event(want) {
		t.Errorf("changed %+v, want %+v", changed.Event, want)
	}
	if freed.Seq != changed.Seq+1 || freed.Source != events.HealthService.Source() || freed.Cause == "" {
		t.Errorf("released at %d by %s because of %q, want right behind the change at %d", freed.Seq, freed.Source, freed.Cause, changed.Seq)
	}
	awaitCount(t, "released", func() uint64 { return m.Released.Load() }, 1)
	if got := m.Checks.Load(); got != 1 {
		t.Errorf("%d checks published, want 1", got)
	}
}

func TestRejectedCheck(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	start(t, b)
	b.Append(t, flat(worker(), board("q1"), checked(events.Hours, 24))...)
	asked := eventtest.Await[events.HealthCheckRequested](t, b.Log, nil)
	b.Append(t, events.JobRejected{Job: asked.Job, User: lab.LavaHealth, At: noon, Message: "Invalid definition"})
	changed := eventtest.Await[events.DeviceHealthChanged](t, b.Log, nil)
	if changed.To != events.Bad || changed.Reason != lab.InvalidCheck {
		t.Errorf("changed to %s (%s), want Bad (%s)", changed.To, changed.Reason, lab.InvalidCheck)
	}
}

// TestRestart lets a job end while the service is away, and has it find a check that it had
// published when it died before it could say so.
func TestRestart(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{FirstJob: 100}) // 1 and 2 are jobs of this story
	first := startUntil(t, b, new(Metrics))
	b.Append(t, flat(worker(), board("q1"), held(1, "q1", false))...)
	b.Append(t, events.JobFinished{Job: 1, Device: "q1", Lease: 1, Health: events.Complete, At: noon},
		events.JobOutputComplete{Job: 1, Lease: 1})
	eventtest.Await[events.DeviceReleased](t, b.Log, nil)
	first()
	if f, seq, _, err := b.Log.LoadCheckpoint(t.Context(), "health"); err != nil || f != lab.Format || seq == 0 {
		t.Fatalf("checkpoint %q at %d (%v), want %q", f, seq, err, lab.Format)
	}

	// Meanwhile job 2 ends badly on q2, and the check of q1 becomes due.
	b.Append(t, flat(board("q2"), heldUnder(9, 2, "q2", false), checked(events.Hours, 24))...)
	b.Append(t, events.JobFinished{Job: 2, Device: "q2", Lease: 9, Health: events.Incomplete, ErrorType: events.InfrastructureError, At: noon})
	b.Append(t, set("q2", events.Maintenance))

	// This is what a service does that dies between publication and fact.
	dead := newState(lab.New())
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		dead.evolve(r)
	}
	p := decide(dead, time.Now())
	if len(p.checks) != 1 || p.checks[0].device != "q1" {
		t.Fatalf("checks due: %+v, want that of q1", p.checks)
	}
	secret, err := openSecret(t.Context(), b.Log)
	if err != nil {
		t.Fatal(err)
	}
	number, err := publish(t.Context(), b.Log, secret, p.checks[0])
	if err != nil {
		t.Fatal(err)
	}

	start(t, b)
	asked := eventtest.Await[events.HealthCheckRequested](t, b.Log, nil)
	if asked.Device != "q1" || asked.Job != number {
		t.Errorf("requested %+v, want job %d, which was published before", asked, number)
	}
	freed := eventtest.Await(t, b.Log, func(e events.DeviceReleased) bool { return e.Device == "q2" })
	if freed.Job != 2 || freed.CheckDue {
		t.Errorf("released %+v, want q2 after job 2, without a check: a person wants maintenance", freed)
	}
	if last, err := b.Log.Last(t.Context(), stream.Submissions); err != nil || last != uint64(number) {
		t.Errorf("last submission %d (%v), want %d: nothing published twice", last, err, number)
	}
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		if e, ok := r.Event.(events.DeviceHealthChanged); ok {
			t.Errorf("health changed %+v, want what the person set to stay", e)
		}
	}
}

// TestConflict has a person set a device's health between the fold and the batch.
func TestConflict(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	h := &service{s: newState(lab.New()), Deps: Deps{Log: b.Log.As(events.HealthService),
		Logger: slog.New(slog.DiscardHandler), Metrics: new(Metrics)}}
	read := func() {
		t.Helper()
		err := b.Log.ReadAll(t.Context(), stream.Lab, h.s.lab.Through()+1, func(r stream.Recorded) error {
			h.s.evolve(r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.Append(t, flat(worker(), board("q1"), held(1, "q1", false))...)
	b.Append(t, events.JobFinished{Job: 1, Device: "q1", Lease: 1, Health: events.Incomplete, ErrorType: events.BugError, At: noon})
	read()
	b.Append(t, set("q1", events.Maintenance))
	wake, err := h.act(t.Context(), noon)
	if err != nil || wake.IsZero() || h.Metrics.Conflicts.Load() != 1 {
		t.Fatalf("act: wake %v, %v, %d conflicts, want another try after 1", wake, err, h.Metrics.Conflicts.Load())
	}
	read()
	if _, err := h.act(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	d := h.s.lab.Device("q1")
	if d.State != lab.DeviceIdle || d.Health != events.Maintenance {
		t.Errorf("device %s and %s, want Idle and Maintenance", d.State, d.Health)
	}
	if got := h.Metrics.Changed.Load(); got != 0 {
		t.Errorf("%d healths changed, want none", got)
	}
}

// TestConflictAfterPublication has the fact about a published check refused; the check is named
// later under the number that it has.
func TestConflictAfterPublication(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	h := &service{s: newState(lab.New()), Deps: Deps{Log: b.Log.As(events.HealthService),
		Logger: slog.New(slog.DiscardHandler), Metrics: new(Metrics)}}
	b.Append(t, flat(worker(), board("q1"), checked(events.Hours, 24))...)
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		h.s.evolve(r)
	}
	late := b.Append(t, events.DeviceTagged{Device: "q1", Tag: "ssd"}, set("q1", events.Unknown))
	if _, err := h.act(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	number := h.s.asked["q1"]
	if number == 0 || h.Metrics.Conflicts.Load() != 1 {
		t.Fatalf("asked for job %d after %d conflicts, want a job and 1", number, h.Metrics.Conflicts.Load())
	}
	rejected := b.Append(t, events.JobRejected{Job: number, User: lab.LavaHealth, At: noon})
	for _, r := range append(late, rejected...) {
		h.s.evolve(r)
	}
	if _, err := h.act(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if got := h.Metrics.Checks.Load(); got != 1 {
		t.Errorf("%d checks published, want 1", got)
	}
	if d := h.s.lab.Device("q1"); d.Health != events.Bad || d.HealthReason != lab.InvalidCheck {
		t.Errorf("device %s (%s), want Bad (%s)", d.Health, d.HealthReason, lab.InvalidCheck)
	}
}

// TestForeignMessageUnderTheChecksID has a user publish under the message id of a check before the
// check is published.
func TestForeignMessageUnderTheChecksID(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	secret, err := openSecret(t.Context(), b.Log)
	if err != nil {
		t.Fatal(err)
	}
	r := request{device: "q1", definition: "job_name: check\n", due: 7}
	if a, b := messageID(secret, r), messageID([]byte("another lab's"), r); a == b {
		t.Errorf("message id %s does not hang on the lab's secret", a)
	}
	ack, err := b.Log.JetStream().Publish(t.Context(), "submit.mallory", []byte("nonsense"), jetstream.WithMsgID(messageID(secret, r)))
	if err != nil {
		t.Fatal(err)
	}
	number, err := publish(t.Context(), b.Log, secret, r)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := b.Log.Submission(t.Context(), uint64(number))
	if err != nil {
		t.Fatal(err)
	}
	if uint64(number) == ack.Sequence || sub.User != lab.LavaHealth || string(sub.Text) != r.definition {
		t.Errorf("check is job %d of %q: %q, want one of lava-health after %d", number, sub.User, sub.Text, ack.Sequence)
	}
	if again, err := openSecret(t.Context(), b.Log); err != nil || string(again) != string(secret) || len(secret) == 0 {
		t.Errorf("secret opened again: %q, %v, want %q", again, err, secret)
	}
}

// start runs the service until the test ends.
func start(t *testing.T, b *eventtest.Broker) *Metrics {
	m := new(Metrics)
	startUntil(t, b, m)
	return m
}

// startUntil runs the service until the test ends or the returned function is called.
func startUntil(t *testing.T, b *eventtest.Broker, m *Metrics) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Deps{Log: b.Log.As(events.HealthService), Logger: slog.New(slog.DiscardHandler), Metrics: m})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// awaitCount waits until a counter, which is raised behind the fact, has reached what it should.
func awaitCount(t *testing.T, what string, count func() uint64, want uint64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(eventtest.Patience)
	for count() != want {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %d, want %d", what, count(), want)
		}
	}
}

func flat(lists ...[]events.Event) (all []events.Event) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
