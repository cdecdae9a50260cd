package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 2, 10, 100} {
		b.Run(fmt.Sprintf("facts=%d", n), func(b *testing.B) {
			broker := eventtest.Start(b)
			drafts := make([]stream.Draft, n)
			for i := range drafts {
				drafts[i] = stream.Draft{Event: events.JobRemoved{Job: events.JobID(i)}}
			}
			seqs := make(map[events.Entity]uint64)
			for b.Loop() {
				recorded, err := broker.Log.Append(b.Context(), drafts, func(e events.Entity) uint64 { return seqs[e] })
				if err != nil {
					b.Fatal(err)
				}
				for _, r := range recorded {
					seqs[r.Event.About()] = r.Seq
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "facts/s")
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	broker := eventtest.Start(b)
	const facts = 50_000
	var all []events.Event
	for i := range facts {
		all = append(all, events.JobScheduled{Job: events.JobID(i % 5000), Device: "qemu01", Worker: "lab1.example.com", Lease: events.Lease(i)})
	}
	broker.Append(b, all...)
	for b.Loop() {
		n := 0
		if err := broker.Log.ReadAll(b.Context(), stream.Lab, 1, func(stream.Recorded) error { n++; return nil }); err != nil || n != facts {
			b.Fatalf("read %d facts, %v", n, err)
		}
	}
	b.ReportMetric(float64(b.N*facts)/b.Elapsed().Seconds(), "facts/s")
}

func BenchmarkLoad(b *testing.B) {
	broker := eventtest.Start(b)
	var all []events.Event
	for i := range 20 * 100 {
		all = append(all, events.JobRemoved{Job: events.JobID(i % 100)})
	}
	broker.Append(b, all...)
	for b.Loop() {
		if got, err := broker.Log.Load(b.Context(), events.JobRemoved{Job: 7}.About()); err != nil || len(got) != 20 {
			b.Fatalf("loaded %d facts, %v", len(got), err)
		}
	}
}

// BenchmarkOutput publishes frames as a chatty job does, one in flight, and reads them back.
func BenchmarkOutput(b *testing.B) {
	records := make([]events.Record, 400)
	for i := range records {
		records[i] = events.Record{Time: time.Now(), Level: events.Target, Message: fmt.Appendf(nil, "%q", "[    1.234567] "+strings.Repeat("x", 60))}
	}
	broker := eventtest.Start(b)
	first := uint64(0)
	for b.Loop() {
		f, err := events.NewFrame(1, 1, first, records)
		if err == nil {
			_, err = stream.PublishFrame(b.Context(), broker.Log.JetStream(), f)
		}
		if err != nil {
			b.Fatal(err)
		}
		first = f.End()
	}
	b.ReportMetric(float64(first)/b.Elapsed().Seconds(), "lines/s")
	start, lines := time.Now(), uint64(0)
	err := broker.Log.ReadOutput(b.Context(), stream.OutputReader{ToEnd: true, Frame: func(f stream.OutputFrame) error { lines += f.Count; return nil }})
	if err != nil || lines != first {
		b.Fatalf("read %d lines of %d, %v", lines, first, err)
	}
	b.ReportMetric(float64(lines)/time.Since(start).Seconds(), "read-lines/s")
}
