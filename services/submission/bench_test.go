package submission

import (
	"sync"
	"testing"

	"strata/events"
	"strata/events/eventtest"
)

// BenchmarkSubmit publishes from eight clients, each of which waits for its acknowledgement, until
// JobSubmitted is recorded for all: go test -bench Submit -benchtime 5000x. The broker syncs every
// write and shares the process.
func BenchmarkSubmit(b *testing.B) {
	const clients = 8
	broker := eventtest.StartWith(b, eventtest.Options{TCP: true})
	broker.Append(b, labFacts()...)
	start(b, broker.Log, nil)
	decision(b, broker.Log, publish(b, broker.Conn, "submit.alice", small))

	b.ResetTimer()
	var group sync.WaitGroup
	last := make([]events.JobID, clients)
	for c := range clients {
		nc := broker.Connect(b)
		group.Go(func() {
			for i := c; i < b.N; i += clients {
				last[c] = publish(b, nc, "submit.alice", small)
			}
		})
	}
	group.Wait()
	published := b.Elapsed()
	highest := events.JobID(0)
	for _, number := range last {
		highest = max(highest, number)
	}
	decision(b, broker.Log, highest) // they are decided in order
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submissions/s")
	b.ReportMetric(float64(b.N)/published.Seconds(), "published/s")
	b.ReportMetric(0, "ns/op")
}
