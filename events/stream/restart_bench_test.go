package stream_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// BenchmarkRestart measures how long a service takes from the start of its broker to its first
// decision, in a lab of a million facts: with a checkpoint a thousand facts old, and without one.
func BenchmarkRestart(b *testing.B) {
	const total = 1_000_000
	// Filled without syncing, which is not what is measured.
	broker := eventtest.StartWith(b, eventtest.Options{Server: eventtest.Unsynced,
		Settings: func(s *stream.Settings) { s.AllowLossyBroker = true }})
	fillLab(b, broker, total)
	snapshot := bytes.Repeat([]byte(`{"job":42,"state":"Submitted","device_type":"qemu","priority":50}`+"\n"), 100_000)
	if err := broker.Log.SaveCheckpoint(b.Context(), "bench", "bench.v1", total-1000, snapshot); err != nil {
		b.Fatal(err)
	}
	for name, checkpoint := range map[string]*stream.Checkpoint{
		"checkpoint": {Format: "bench.v1", Save: func() ([]byte, error) { return snapshot, nil },
			Load: func(string, []byte) error { return nil }, Facts: 10 * total, Period: time.Hour},
		"replay": nil,
	} {
		b.Run(name, func(b *testing.B) {
			var brokerTime time.Duration
			for b.Loop() {
				start := time.Now()
				broker.Restart(b)
				brokerTime += time.Since(start)
				l := broker.Open(b, broker.Connect(b))
				ctx, cancel := context.WithCancel(b.Context())
				folded := 0
				err := l.Run(ctx, stream.Driver{Name: "bench", Checkpoint: checkpoint, Fold: func(stream.Recorded) { folded++ },
					Act: func(time.Time) (time.Time, error) { cancel(); return time.Time{}, nil }})
				if err != nil || folded < 1000 {
					b.Fatalf("folded %d facts, %v", folded, err)
				}
				if checkpoint != nil { // the orderly stop saved a newer one
					if err := l.SaveCheckpoint(b.Context(), "bench", "bench.v1", total-1000, snapshot); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(brokerTime.Seconds()/float64(b.N), "broker-s/op")
		})
	}
}

// fillLab publishes facts about 50,000 jobs without waiting for each.
func fillLab(b *testing.B, broker *eventtest.Broker, total int) {
	b.Helper()
	js, err := jetstream.New(broker.Conn, jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		b.Fatal(err)
	}
	for i := range total {
		id, err := uuid.NewV7()
		if err != nil {
			b.Fatal(err)
		}
		fact := events.JobScheduled{Job: events.JobID(i % 50_000), Device: "qemu01", Worker: "lab1.example.com", Lease: events.Lease(i)}
		header, body, err := events.Encode(fact, events.Envelope{ID: id.String(), Source: "services/scheduling", Time: time.Now()})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := js.PublishMsgAsync(message(fact.About().Subject(), header, body), jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	if last, err := broker.Log.Last(b.Context(), stream.Lab); err != nil || last != uint64(total) {
		b.Fatalf("LAB has %d facts, %v", last, err)
	}
}
