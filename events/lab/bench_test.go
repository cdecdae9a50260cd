package lab

import (
	"fmt"
	"testing"

	"strata/events"
)

// BenchmarkFold folds the life of jobs, seven facts each, on a thousand devices.
func BenchmarkFold(b *testing.B) {
	s := New()
	for d := range 1000 {
		fold(s, events.DeviceAdded{Device: events.DeviceName(fmt.Sprint("d", d)), DeviceType: "qemu"})
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		id, device := events.JobID(n+1), events.DeviceName(fmt.Sprint("d", n%1000))
		lease := events.Lease(s.Through())
		fold(s, submit(id), events.JobScheduled{Job: id, Device: device, Lease: lease},
			events.DeviceReserved{Device: device, Job: id, Lease: lease},
			events.JobStarted{Job: id, Device: device, Lease: lease},
			events.JobFinished{Job: id, Device: device, Lease: lease, Health: events.Complete},
			events.DeviceReleased{Device: device, Job: id, Lease: lease},
			events.JobOutputComplete{Job: id, Lease: lease})
	}
	if s.JobCount() != 0 {
		b.Fatalf("%d jobs stay in memory, want none", s.JobCount())
	}
}

// BenchmarkCheckpoint saves and loads a lab with 100,000 queued jobs.
func BenchmarkCheckpoint(b *testing.B) {
	s := New()
	for id := events.JobID(1); id <= 100_000; id++ {
		fold(s, submit(id))
	}
	data, err := s.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Encode(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(data)), "bytes")
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := Decode(Format, data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
