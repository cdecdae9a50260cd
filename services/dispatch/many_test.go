package dispatch_test

import (
	"fmt"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/schemas/order"
)

// TestManyShortJobs starts more jobs together than orders are made at a time, one of them impossible. All
// get their own order; and though each one's reports lie side by side, its start is recorded before its end.
func TestManyShortJobs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Append(t, events.DeviceAdded{Device: "bad", DeviceType: "qemu", Worker: worker}, events.DeviceConfigured{Device: "bad", Dictionary: "colour: red"})
	const jobs = 20
	texts := map[uint64]string{}
	var impossible events.JobID
	for i := range jobs {
		if i == 3 {
			impossible = l.schedule(t, "bad", 5, "x")
			continue
		}
		text := fmt.Sprintf("job_name: number %d", i)
		texts[uint64(l.schedule(t, events.DeviceName(fmt.Sprintf("q%d", i)), 5, text))] = text
	}
	l.run(t)
	var came []order.Order
	for range jobs - 1 {
		o := l.next(t)
		if o.Kind != order.Start || texts[o.Job] == "" || o.Work.Definition.Inline != texts[o.Job] {
			t.Fatalf("order: got %s of job %d, want one start for each job, with its own text", o.Kind, o.Job)
		}
		delete(texts, o.Job)
		came = append(came, o)
	}
	for _, o := range came {
		l.report(t, order.Report{Claim: order.Taken, Job: o.Job, Lease: 5})
		l.report(t, order.Report{Claim: order.Started, Job: o.Job, Lease: 5})
		l.report(t, order.Report{Claim: order.Finished, Job: o.Job, Lease: 5, Verdict: &order.Verdict{Result: "pass"}})
		l.report(t, order.Report{Claim: order.SpoolEmpty, Job: o.Job, Lease: 5})
	}
	for _, o := range came {
		end := eventtest.Await(t, l.Log, func(e events.JobFinished) bool { return uint64(e.Job) == o.Job })
		if end.Health != events.Complete {
			t.Errorf("job %d: got %+v, want it Complete", o.Job, end)
		}
	}
	begun := map[events.JobID]bool{}
	for _, r := range eventtest.Facts(t, l.Log, "LAB") {
		switch e := r.Event.(type) {
		case events.JobStarted:
			begun[e.Job] = true
		case events.JobFinished:
			if begun[e.Job] == (e.Job == impossible) {
				t.Errorf("job %d: end is recorded, start before it: %v", e.Job, begun[e.Job])
			}
		case events.ReportRefused:
			t.Errorf("a report was refused: %+v", e)
		}
	}
	wantFacts[events.JobStarted](t, l, jobs-1)
	wantFacts[events.JobFinished](t, l, jobs)
}
