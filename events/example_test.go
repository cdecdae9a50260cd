package events_test

import (
	"fmt"
	"time"

	"strata/events"
)

// A fact is encoded once, by the service that writes it, and decoded by all that fold it.
func Example() {
	fact := events.DeviceReleased{Device: "qemu01", Job: 42, Lease: 812, CheckDue: true}
	header, body, err := events.Encode(fact, events.Envelope{
		ID:     "0192f5d0-7c1e-7a5b-8f00-000000000001",
		Source: events.Writer(fact).Source(),
		Time:   time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(fact.About().Subject(), header[events.HeaderType], string(body))

	again, env, err := events.DecodeMessage(header, body)
	fmt.Println(again == fact, env.Source, err)
	// Output:
	// device.qemu01 [device.released] {"device":"qemu01","job":42,"lease":812,"check_due":true}
	// true services/health <nil>
}

// Names are kept as users write them; only subjects escape them.
func ExampleEntity_Subject() {
	worker := events.Entity{Kind: events.Worker, ID: "lab1.example.com"}
	fmt.Println(worker, worker.Subject())
	// Output: worker/lab1.example.com worker.lab1=2Eexample=2Ecom
}
