package worker_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"strata/dispatcher/worker"
	"strata/events"
	"strata/events/access"
	"strata/events/stream"
	"strata/schemas/order"
)

// TestOtherVersion sends a start that this worker cannot read. The lab must hear so, or the job waits for
// ever; what binds the worker is its answer, also where the same lease comes again in words it knows.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	o := start(42, 7, "q1")
	o.Version = order.Version + 1
	o.Work = &order.Work{Display: "42", Credential: "any"}
	l.publish(t, o)
	if r := l.await(t, order.Refused, 42, 7); !strings.Contains(r.Reason, "version is 2, this worker knows 1") || r.Device != "q1" {
		t.Errorf("refused: got %q for device %q, want both versions and q1", r.Reason, r.Device)
	}
	l.send(t, start(42, 7, "q1"), "say hello")
	l.send(t, order.Order{Kind: order.Tell})
	l.awaitWhere(t, "an answer after that", func(r order.Report) bool { return r.Claim == order.Holding && len(r.Held) == 0 })
	if got := l.claims(42); slices.Contains(got, order.Taken) {
		t.Errorf("claims: got %v, want only refusals", got)
	}
}

// TestOtherVersionOfAKnownJob sends the same for a job that runs: it is not refused, it is there.
func TestOtherVersionOfAKnownJob(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	l.send(t, start(42, 7, "q1"), "await never")
	l.await(t, order.Started, 42, 7)
	o := start(42, 7, "q1")
	o.Version = order.Version + 1
	l.publish(t, o)
	l.send(t, order.Order{Kind: order.Cancel, Job: 42, Lease: 7, Device: "q1", Reason: "enough"})
	l.await(t, order.Finished, 42, 7)
	want := []order.Claim{order.Taken, order.Started, order.Started, order.Finished}
	if got := l.claims(42); len(got) < 4 || !slices.Equal(got[:4], want) {
		t.Errorf("claims: got %v, want %v", got, want)
	}
}

// TestUnreadableOrders sends what is no order at all: it is dropped, and those behind it are served.
func TestUnreadableOrders(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.work(t, nil)
	for _, text := range []string{"start", `{"version":2,"kind":"dance","job":1,"lease":1}`, `{"version":2,"kind":"start"}`} {
		if _, err := l.Log.JetStream().Publish(t.Context(), access.WorkSubject(name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	l.send(t, start(42, 7, "q1"), "say hello")
	l.await(t, order.Finished, 42, 7)
	if got := l.claims(1); len(got) > 0 {
		t.Errorf("claims of an order of an unknown kind: got %v, want none", got)
	}
}

// TestMissingText sends an order whose definition was removed before the worker came to read it, and
// one whose definition was replaced.
func TestMissingText(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	kv, err := l.Log.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: order.Texts})
	if err != nil {
		t.Fatal(err)
	}
	replaced := access.TextKey(name, 43, 8, "definition")
	if _, err := kv.Put(t.Context(), replaced, []byte("say something else")); err != nil {
		t.Fatal(err)
	}
	l.work(t, nil)
	for _, job := range []uint64{42, 43} {
		lease := job - 35
		o := start(job, lease, "q1")
		o.Version = order.Version
		o.Work = &order.Work{Credential: "any", Definition: order.Text{Key: access.TextKey(name, events.JobID(job), events.Lease(lease), "definition"), SHA256: "00"}}
		l.publish(t, o)
		if r := l.await(t, order.Refused, job, lease); !strings.Contains(r.Reason, o.Work.Definition.Key) {
			t.Errorf("refused: got %q, want the key %s of what is missing", r.Reason, o.Work.Definition.Key)
		}
	}
	// Nothing of them waits any more: an order that cannot be done must not come for ever.
	eventually(t, "no order waits", func() bool {
		c, err := l.Log.JetStream().Consumer(t.Context(), stream.Work, events.EscapeToken(string(name)))
		if err != nil {
			return false
		}
		info, err := c.Info(t.Context())
		return err == nil && info.NumAckPending == 0 && info.NumPending == 0
	})
}

// TestNoWayToTheBus: a worker that is not let in, or finds nobody, says so once and tries on.
func TestNoWayToTheBus(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	log := new(lockedBuffer)
	l.work(t, func(d *worker.Deps) {
		d.Servers, d.Logger = "nats://127.0.0.1:1", slog.New(slog.NewTextHandler(log, nil))
	})
	eventually(t, "the log says why", func() bool { return strings.Contains(log.String(), "no way to the bus") })
	if text := log.String(); strings.Count(text, "no way") > 2 || !strings.Contains(text, "nats: no servers available") && !strings.Contains(text, "127.0.0.1:1") {
		t.Errorf("the log says %q, want each cause once", text)
	}
}
