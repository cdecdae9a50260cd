package lab_test

import (
	"fmt"
	"time"

	"strata/events"
	"strata/events/lab"
)

// A service folds the facts that it reads and asks the state what stands where.
func Example() {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := lab.New()
	for i, e := range []events.Event{
		events.DeviceAdded{Device: "qemu-1", DeviceType: "qemu", Worker: "lab1", Health: events.Good},
		events.JobSubmitted{Job: 42, User: "alice", At: at, DeviceType: "qemu"},
		events.JobScheduled{Job: 42, Device: "qemu-1", Worker: "lab1", Lease: 2},
		events.DeviceReserved{Device: "qemu-1", Job: 42, Lease: 2},
		events.JobStarted{Job: 42, Device: "qemu-1", Worker: "lab1", Lease: 2, At: at},
	} {
		s.Evolve(uint64(i+1), at, e)
	}
	job, device := s.Job(42), s.Device("qemu-1")
	fmt.Println(job.State, "on", job.Run.Device)
	fmt.Println(device.State, device.Health)
	fmt.Println("next expectation for the job:", s.Seq(events.JobSubmitted{Job: 42}.About()))
	// Output:
	// Running on qemu-1
	// Running Good
	// next expectation for the job: 5
}
