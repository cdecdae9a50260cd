package submission

import (
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// wanting is small with the wish to be retried.
var wanting = strings.Replace(small, "{build: 17}", "{build: 17, strata: {retry: {infrastructure: 1}}}", 1)

// twoDevices is a lab in which two devices could take the job.
func twoDevices() []events.Event {
	return append(labFacts(), events.DeviceConfigured{Device: "qemu01", Dictionary: "x", By: "local"},
		events.DeviceAdded{Device: "qemu04", DeviceType: "qemu", Worker: "w2", Health: events.Good, Tags: []events.TagName{"kvm"}, By: "local"},
		events.DeviceConfigured{Device: "qemu04", Dictionary: "x", By: "local"})
}

// failed runs a job on a device to an end by the lab's fault.
func failed(id events.JobID, device events.DeviceName, lease events.Lease) []events.Event {
	return []events.Event{
		events.JobScheduled{Job: id, Device: device, Worker: "w1", Lease: lease},
		events.DeviceReserved{Device: device, Job: id, Lease: lease},
		events.JobStarted{Job: id, Device: device, Worker: "w1", Lease: lease, At: noon},
		events.JobFinished{Job: id, Device: device, Worker: "w1", Lease: lease, At: noon, Health: events.Incomplete,
			ErrorType: events.InfrastructureError, Error: "no power"},
	}
}

// TestRetriesAllowed: the job's own word counts, then the lab's; some are never retried.
func TestRetriesAllowed(t *testing.T) {
	t.Parallel()
	said := func(n string) string { return strings.Replace(wanting, "infrastructure: 1", "infrastructure: "+n, 1) }
	check := stream.Submission{Job: 7, User: "lava-health", At: noon, Header: nats.Header{}, Text: []byte(wanting)}
	check.Header.Set(events.HeaderPinDevice, "qemu01")
	door := stream.Submission{Job: 7, User: "api", At: noon, Header: nats.Header{}, Text: []byte(wanting)}
	door.Header.Set(events.HeaderUser, "alice")
	door.Header.Set(events.HeaderPinDevice, "qemu01")
	tests := []struct {
		name     string
		s        stream.Submission
		lab, job int // retries without and with the lab's policy
	}{
		{"says nothing", submission(small), 0, 1},
		{"wants one", submission(wanting), 1, 1},
		{"wants none", submission(said("0")), 0, 0},
		{"for one device", submission(strings.Replace(small, "device_type: qemu", "device_type: qemu\ndevice: qemu01", 1)), 0, 0},
		{"for one device, by its door", door, 0, 0},
		{"health check", check, 0, 0},
		{"multinode", submission(gang), 0, 0},
	}
	for _, tt := range tests {
		for _, policy := range []bool{false, true} {
			s := folded(twoDevices()...)
			s.retry = policy
			r := newRequest(tt.s, newInbox(Deps{}).gate)
			if len(r.parts) > 0 {
				r.number([]uint64{7, 8, 9})
			}
			want := tt.lab
			if policy {
				want = tt.job
			}
			e, ok := s.decide(r, s.judge(r, ""), 0)[0].(events.JobSubmitted)
			if !ok || e.Retries != want {
				t.Errorf("%s, policy %v: %+v, want %d retries", tt.name, policy, e, want)
			}
		}
	}
}

// TestRetry lets a job fail by the lab's fault and looks at its further attempt, which gets no third.
func TestRetry(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, twoDevices()...)
	start(t, b.Log, nil)
	m := natsMsg("submit.alice", wanting)
	m.Header.Set(events.HeaderTrace, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	first := publishMsg(t, b.Conn, m)
	was := decision(t, b.Log, first).(events.JobSubmitted)
	b.Append(t, events.JobPrioritySet{Job: first, Priority: 77, By: "alice"})
	b.Append(t, failed(first, "qemu01", 5)...)

	retried := eventtest.AwaitRecorded[events.JobRetried](t, b.Log, nil)
	e := retried.Event.(events.JobRetried)
	second := eventtest.AwaitRecorded(t, b.Log, func(s events.JobSubmitted) bool { return s.Job == e.As })
	if e.Job != first || e.Attempt != 2 || second.Seq+1 != retried.Seq || retried.Actor != "alice" || second.Trace == "" {
		t.Errorf("retried %+v at %d by %q, its attempt at %d with trace %q", e, retried.Seq, retried.Actor, second.Seq, second.Trace)
	}
	got := second.Event.(events.JobSubmitted)
	want := was
	want.Job, want.Display, want.At, want.Priority, want.Source = e.As, e.As.String(), got.At, 77, got.Source
	want.Attempt = &events.Attempt{Of: first, N: 2, Avoid: []events.DeviceName{"qemu01"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("further attempt:\n got %+v\nwant %+v", got, want)
	}
	if text, err := b.Log.SubmissionText(t.Context(), got.Source.Sequence); err != nil || string(text) != wanting || got.Source.SHA256 != was.Source.SHA256 {
		t.Errorf("its text is %q (%v), want that of the first attempt", text, err)
	}
	b.Append(t, failed(e.As, "qemu04", 9)...)
	onlyAttempt(t, b, first, 1)
}

// TestRetryNowhere: without another device the end stands, and the first job says why.
func TestRetryNowhere(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, labFacts()...)
	start(t, b.Log, nil)
	first := publish(t, b.Conn, "submit.alice", wanting)
	decision(t, b.Log, first)
	b.Append(t, failed(first, "qemu01", 5)...)
	dropped := eventtest.Await[events.JobRetryDropped](t, b.Log, nil)
	if dropped.Job != first || dropped.Reason != "no other device of type qemu could take it" {
		t.Errorf("dropped %+v", dropped)
	}
	onlyAttempt(t, b, first, 0)
}

// TestRetryCrash kills an instance at each point of a retry. The next one, or another beside it, makes
// exactly one attempt.
func TestRetryCrash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		dies     func(t *testing.T, b *eventtest.Broker, first events.JobID) // what the dead one has done
		attempts int
	}{
		{"before the text is published", func(*testing.T, *eventtest.Broker, events.JobID) {}, 1},
		{"after the text is published", publishedBy, 1},
		{"after the facts are recorded", func(t *testing.T, b *eventtest.Broker, first events.JobID) {
			stop := start(t, b.Log, nil)
			eventtest.Await[events.JobRetried](t, b.Log, nil)
			stop()
			// Without its checkpoint it folds all from the beginning.
			if err := b.Log.SaveCheckpoint(t.Context(), "submission", "none.v1", 1, nil); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"the first attempt is canceled meanwhile", func(t *testing.T, b *eventtest.Broker, first events.JobID) {
			publishedBy(t, b, first)
			b.Append(t, events.JobCancelRequested{Job: first, By: "alice"})
		}, 0},
		{"the other device is gone meanwhile", func(t *testing.T, b *eventtest.Broker, first events.JobID) {
			publishedBy(t, b, first)
			b.Append(t, events.DeviceRemoved{Device: "qemu04", By: "local"})
		}, 0},
		{"the first attempt has left all but the fold", func(t *testing.T, b *eventtest.Broker, first events.JobID) {
			b.Append(t, events.DeviceReleased{Device: "qemu01", Job: first, Lease: 5}, events.JobOutputComplete{Job: first, Lease: 5})
		}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := eventtest.Start(t)
			b.Append(t, twoDevices()...)
			stop := start(t, b.Log, nil)
			first := publish(t, b.Conn, "submit.alice", wanting)
			decision(t, b.Log, first)
			stop()
			b.Append(t, failed(first, "qemu01", 5)...)
			tt.dies(t, b, first)
			for range 2 { // two at once
				start(t, b.Open(t, b.Connect(t)), nil)
			}
			onlyAttempt(t, b, first, tt.attempts)
		})
	}
}

// publishedBy does what an instance does that dies right after it has published the attempt's text.
func publishedBy(t *testing.T, b *eventtest.Broker, first events.JobID) {
	t.Helper()
	dead := newState()
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		dead.evolve(r)
	}
	text, err := b.Log.Submission(t.Context(), uint64(first))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there already
		if err := publishRetry(t.Context(), b.Log, dead.lab.Job(first), text); err != nil {
			t.Fatal(err)
		}
	}
}

// onlyAttempt waits until whatever becomes of a retry is recorded, and counts the attempts and their
// texts.
func onlyAttempt(t *testing.T, b *eventtest.Broker, first events.JobID, want int) {
	t.Helper()
	// Submissions are decided in order, and what is owed is looked for before each: behind the second of
	// these nothing can follow.
	for range 2 {
		decision(t, b.Log, publish(t, b.Conn, "submit.alice", small))
	}
	attempts, retried := 0, 0
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			if e.Attempt != nil {
				attempts++
			}
		case events.JobRetried:
			retried++
		}
	}
	if attempts != want || retried != want {
		t.Errorf("%d attempts and %d facts that tell of one, want %d", attempts, retried, want)
	}
	texts := 0
	last, err := b.Log.Last(t.Context(), stream.Submissions)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= last; n++ {
		if s, err := b.Log.Submission(t.Context(), n); err == nil && s.Parent == first {
			texts++
		}
	}
	if texts > 1 || texts < want {
		t.Errorf("%d texts of attempts, want %d, and never two", texts, want)
	}
}
