package submission

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// TestPublish submits with nothing but a NATS client: the acknowledgement's sequence is the job's
// number, the text stays as it is, and the facts follow.
func TestPublish(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{FirstJob: 1001})
	b.Append(t, labFacts()...)
	start(t, b.Log, nil)
	client := b.Connect(t)

	good := publish(t, client, "submit.alice", small)
	if good != 1001 {
		t.Errorf("the first job's number is %d, want 1001", good)
	}
	submitted := eventtest.Await(t, b.Log, func(e events.JobSubmitted) bool { return e.Job == good })
	if submitted.User != "alice" || submitted.DeviceType != "qemu" || submitted.Source.Sequence != uint64(good) {
		t.Errorf("submitted %+v", submitted)
	}
	text, err := b.Log.SubmissionText(t.Context(), submitted.Source.Sequence)
	if err != nil || string(text) != small {
		t.Errorf("kept text %q, %v, want what was published", text, err)
	}

	bad := publish(t, client, "submit.a=2Eb=40c", strings.Replace(small, "priority: high", "priority: urgent", 1))
	rejected := eventtest.Await(t, b.Log, func(e events.JobRejected) bool { return e.Job == bad })
	want := []events.Problem{{Message: "not a valid value for dictionary value @ data['priority']", Path: "data['priority']", Line: 4, Column: 11}}
	if rejected.User != "a.b@c" || rejected.Message != want[0].Message || !reflect.DeepEqual(rejected.Problems, want) {
		t.Errorf("rejected %+v, want %+v", rejected, want)
	}

	// The same message id again: the same number, and one decision.
	m := nats.NewMsg("submit.alice")
	m.Header.Set(nats.MsgIdHdr, "alice/build-17")
	m.Data = []byte(small)
	first, again := publishMsg(t, client, m), publishMsg(t, client, m)
	if first != again {
		t.Errorf("sent twice with one id: numbers %d and %d", first, again)
	}
	eventtest.Await(t, b.Log, func(e events.JobSubmitted) bool { return e.Job == first })

	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		if e, ok := r.Event.(events.JobSubmitted); ok && e.Job == good && (r.Actor != "alice" || r.Cause != "SUBMISSIONS/1001") {
			t.Errorf("fact by %q because of %q, want alice and SUBMISSIONS/1001", r.Actor, r.Cause)
		}
	}
}

// TestNewLabIsKnown: what was added before a job was published is known when it is decided.
func TestNewLabIsKnown(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	start(t, b.Log, nil)
	for i := range 20 {
		kind := events.DeviceTypeName(fmt.Sprintf("type%d", i))
		b.Append(t, events.DeviceTypeAdded{DeviceType: kind, By: "local"},
			events.DeviceAdded{Device: events.DeviceName(kind) + "-01", DeviceType: kind, Health: events.Good, By: "local"})
		text := strings.Replace(strings.Replace(small, "qemu", string(kind), 1), "tags: [kvm]\n", "", 1)
		number := publish(t, b.Conn, "submit.alice", text)
		if d := decision(t, b.Log, number); reflect.TypeOf(d) != reflect.TypeFor[events.JobSubmitted]() {
			t.Fatalf("job for a device type that was just added: %+v", d)
		}
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	var mu sync.Mutex
	reason := "the lab's disk is nearly full: 12 MiB free"
	start(t, b.Log, func(d *Deps) {
		d.Refuse = func() string { mu.Lock(); defer mu.Unlock(); return reason }
	})
	refused := publish(t, b.Conn, "submit.alice", small)
	if e := decision(t, b.Log, refused).(events.JobRejected); e.Message != reason {
		t.Errorf("rejected with %q, want %q", e.Message, reason)
	}
	// A refused health check would make its device Bad, for a reason that is not the device's.
	check := natsMsg("submit.lava-health", "job_name: check\nvisibility: public\nactions: []\n")
	check.Header.Set(events.HeaderPinDevice, "qemu01")
	if e, ok := decision(t, b.Log, publishMsg(t, b.Conn, check)).(events.JobSubmitted); !ok || !e.HealthCheck {
		t.Error("a health check is refused for want of space")
	}
	mu.Lock()
	reason = ""
	mu.Unlock()
	if _, ok := decision(t, b.Log, publish(t, b.Conn, "submit.alice", small)).(events.JobSubmitted); !ok {
		t.Error("submissions are refused when there is room again")
	}
}

// TestMultinode splits a definition and finds every part's text by its fact.
func TestMultinode(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	parent := publish(t, b.Conn, "submit.alice", gang)
	behind := publish(t, b.Conn, "submit.alice", small) // waits behind it and must not be forgotten
	start(t, b.Log, nil)
	split := eventtest.Await(t, b.Log, func(e events.DefinitionSplit) bool { return e.Job == parent })
	if len(split.Parts) != 3 || split.Parts[0] != parent || split.Parts[1] <= behind {
		t.Fatalf("split into %d", split.Parts)
	}
	for n, number := range split.Parts {
		e := decision(t, b.Log, number).(events.JobSubmitted)
		text, err := b.Log.SubmissionText(t.Context(), e.Source.Sequence)
		if err != nil || len(text) != e.Source.Bytes || !strings.Contains(string(text), fmt.Sprintf("sub_id: %d\n", n)) {
			t.Errorf("part %d: text %q, %v", n, text, err)
		}
		if e.Display != fmt.Sprintf("%d.%d", parent, n) || e.Part.Group != split.Group {
			t.Errorf("part %d: %+v", n, e)
		}
	}
	decision(t, b.Log, behind)
	counted(t, b.Log, 4)
}

// TestRestartInTheMiddle: the parts' texts are there, the facts are not. Nothing is published again.
func TestRestartInTheMiddle(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	parent := publish(t, b.Conn, "submit.alice", gang)
	s, err := b.Log.Submission(t.Context(), uint64(parent))
	if err != nil {
		t.Fatal(err)
	}
	r := newRequest(s, newInbox(Deps{}).gate)
	published, err := publishParts(t.Context(), b.Log, r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := publishParts(t.Context(), b.Log, r)
	if err != nil || !reflect.DeepEqual(again, published) {
		t.Fatalf("published again as %d, %v, want %d", again, err, published)
	}
	start(t, b.Log, nil)
	split := eventtest.Await[events.DefinitionSplit](t, b.Log, nil)
	if want := []events.JobID{parent, events.JobID(published[1]), events.JobID(published[2])}; !reflect.DeepEqual(split.Parts, want) {
		t.Errorf("split into %d, want %d", split.Parts, want)
	}
	if last, err := b.Log.Last(t.Context(), stream.Submissions); err != nil || last != published[2] {
		t.Errorf("last submission %d, %v, want %d: texts were published again", last, err, published[2])
	}
}

// TestRestart: an instance that starts anew decides what is left, and nothing twice; with a
// checkpoint it goes on from there.
func TestRestart(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	const rounds, each = 3, 30
	for range rounds {
		var last events.JobID
		for i := range each {
			switch i % 10 {
			case 3:
				last = publish(t, b.Conn, "submit.alice", gang)
			case 7:
				last = publish(t, b.Conn, "submit.alice", "job_name: x")
			default:
				last = publish(t, b.Conn, "submit.alice", small)
			}
		}
		stop := start(t, b.Log, nil)
		decision(t, b.Log, last)
		stop() // saves a checkpoint
	}
	format, seq, _, err := b.Log.LoadCheckpoint(t.Context(), "submission")
	if err != nil || format != "submission.v2" || seq == 0 {
		t.Errorf("checkpoint %q at %d, %v", format, seq, err)
	}
	// Of ten, one is a gang of three and one is rejected.
	counted(t, b.Log, rounds*each/10*(8+3+1))
}

// TestConflict runs two instances over the same submissions: each is decided once, in order.
func TestConflict(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	// Somebody wants the end of a job that is not decided yet: its first fact is not ours.
	b.Append(t, events.JobCancelRequested{Job: 5, By: "alice"})
	counts := new(Counts)
	for range 2 {
		own := b.Open(t, b.Connect(t))
		start(t, own, func(d *Deps) { d.Counts = counts })
	}
	var last events.JobID
	for i := range 300 {
		text := small
		if i%50 == 9 {
			text = gang
		}
		last = publish(t, b.Conn, "submit.alice", text)
	}
	decision(t, b.Log, last)
	decision(t, b.Log, 5)
	counted(t, b.Log, 294+6*3)
	t.Logf("%d batches were lost to the other instance", counts.Conflicts.Load())
}

// TestConflictForced puts another's decision between reading and recording.
func TestConflictForced(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	first := publish(t, b.Conn, "submit.alice", small)
	second := publish(t, b.Conn, "submit.alice", small)
	counts := new(Counts)
	other := events.JobRejected{Job: first, User: "alice", At: noon, Message: "decided by another instance"}
	once := sync.OnceFunc(func() { b.Append(t, other) })
	start(t, b.Log, func(d *Deps) {
		d.Counts = counts
		d.Refuse = func() string { once(); return "" } // is asked just before deciding
	})
	if e := decision(t, b.Log, second); e.About().ID != second.String() {
		t.Errorf("decision %+v", e)
	}
	if e, ok := decision(t, b.Log, first).(events.JobRejected); !ok || e.Message != other.Message {
		t.Errorf("job %d: %+v, want the other's decision", first, e)
	}
	counted(t, b.Log, 2)
	if counts.Conflicts.Load() == 0 {
		t.Error("no batch was lost")
	}
}

// TestBrokerRestart: submissions that came before the broker went away are decided after.
func TestBrokerRestart(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	start(t, b.Log, nil)
	decision(t, b.Log, publish(t, b.Conn, "submit.alice", small))
	b.Restart(t)
	client := b.Connect(t)
	decision(t, b.Log, publish(t, client, "submit.alice", small))
	counted(t, b.Log, 2)
}

// start runs an instance until the test ends, or stop is called.
func start(t testing.TB, l *stream.Log, change func(*Deps)) (stop func()) {
	t.Helper()
	d := Deps{Log: l.As(events.SubmissionService), Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, d) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func publish(t testing.TB, nc *nats.Conn, subject, text string) events.JobID {
	t.Helper()
	return publishMsg(t, nc, &nats.Msg{Subject: subject, Data: []byte(text)})
}

func publishMsg(t testing.TB, nc *nats.Conn, m *nats.Msg) events.JobID {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ack, err := js.PublishMsg(ctx, m)
	if err != nil {
		t.Fatalf("publish to %s: %v", m.Subject, err)
	}
	return events.JobID(ack.Sequence)
}

// decision waits for the fact that decides a job.
func decision(t testing.TB, l *stream.Log, number events.JobID) events.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	var found events.Event
	err := l.Follow(ctx, stream.Lab, 1, func(r stream.Recorded) error {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			if e.Job == number {
				found = e
			}
		case events.JobRejected:
			if e.Job == number {
				found = e
			}
		}
		if found != nil {
			return errFound
		}
		return nil
	})
	if found == nil {
		t.Fatalf("job %d is not decided: %v", number, err)
	}
	return found
}

var errFound = fmt.Errorf("found")

// counted checks that so many jobs are decided, each once, and submissions in order.
func counted(t testing.TB, l *stream.Log, want int) {
	t.Helper()
	seen, last := map[events.JobID]bool{}, events.JobID(0)
	for _, r := range eventtest.Facts(t, l, stream.Lab) {
		var number events.JobID
		part := false
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			number, part = e.Job, e.Part != nil && e.Part.Parent != e.Job
		case events.JobRejected:
			number = e.Job
		default:
			continue
		}
		if seen[number] {
			t.Errorf("job %d is decided twice", number)
		}
		if seen[number] = true; part {
			continue
		}
		if number < last {
			t.Errorf("job %d is decided after %d", number, last)
		}
		last = number
	}
	if len(seen) != want {
		t.Errorf("%d jobs are decided, want %d", len(seen), want)
	}
}

func natsMsg(subject, text string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = []byte(text)
	return m
}

// TestTooOften publishes more than a user may: what is too much is rejected with words that say so, unread, while others'
// definitions, the administrator's and those that doors hand over are taken.
func TestTooOften(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	var mu sync.Mutex
	counted := map[events.UserName][]time.Time{}
	start(t, b.Log, func(d *Deps) {
		d.Admit = func(user events.UserName, at time.Time) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			if counted[user] = append(counted[user], at); len(counted[user]) > 2 {
				return 1500 * time.Millisecond
			}
			return 0
		}
	})
	client := b.Connect(t)
	var numbers []events.JobID
	for range 3 {
		numbers = append(numbers, publish(t, client, "submit.alice", small))
	}
	numbers = append(numbers, publish(t, client, "submit.alice", ": no YAML"), publish(t, client, "submit.bob", small))
	for range 3 {
		numbers = append(numbers, publish(t, client, "submit.local", small))
	}
	door := nats.NewMsg("submit.api")
	door.Header.Set(events.HeaderUser, "alice")
	door.Data = []byte(small)
	numbers = append(numbers, publishMsg(t, client, door))
	for i, number := range numbers {
		d := decision(t, b.Log, number)
		r, rejected := d.(events.JobRejected)
		if tooMany := i == 2 || i == 3; rejected != tooMany || rejected && (r.Message != "alice submits too often: the next definition is taken in 2 s" || r.User != "alice" || r.Source.SHA256 == "") {
			t.Errorf("publication %d: %+v; want it refused as too much: %t", i, d, tooMany)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(counted) != 2 || len(counted["alice"]) != 4 || len(counted["bob"]) != 1 || counted["alice"][0].IsZero() || counted["alice"][3].Before(counted["alice"][0]) {
		t.Errorf("counted %v; want four of alice and one of bob, when the broker took them", counted)
	}
}
