package projections

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/lab"
	"strata/events/stream"
)

// The tables put together column by column what the lab's fold knows: over random lives of jobs and
// devices both say the same.
func TestTablesAgreeWithTheFold(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	broker.Append(t, lives(rand.New(rand.NewPCG(3, 26)))...)
	fold, jobs := lab.New(), map[events.JobID]lab.Job{}
	last := uint64(0)
	for _, r := range eventtest.Facts(t, broker.Log, stream.Lab) {
		if c := fold.Evolve(r.Seq, r.Time, r.Event); c.Job != nil {
			jobs[c.Job.ID] = *c.Job // the fold forgets jobs that are over
		}
		last = r.Seq
	}
	_, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, last)
	stop()

	list, err := db.Jobs(t.Context(), JobFilter{Viewer: Viewer{All: true}, Limit: maxLimit})
	if err != nil || len(list) != len(jobs) {
		t.Fatalf("%d jobs in the tables, %v; the fold has %d", len(list), err, len(jobs))
	}
	for _, got := range list {
		want := jobs[events.JobID(got.Job)]
		wantHealth, device := string(want.Health()), events.DeviceName("")
		if wantHealth == "" {
			wantHealth = "Unknown"
		}
		if want.Run != nil {
			device = want.Run.Device
		}
		if got.State != want.State.String() || got.Health != wantHealth || got.Device != string(device) || int(got.Priority) != want.Priority {
			t.Errorf("job %d: tables say %s %s on %q, priority %d; the fold %s %s on %q, %d", got.Job,
				got.State, got.Health, got.Device, got.Priority, want.State, wantHealth, device, want.Priority)
		}
	}
	for d := range fold.Devices() {
		tags := []string{}
		for _, tag := range d.Tags {
			tags = append(tags, string(tag))
		}
		want := fmt.Sprintf("%s %d %s %s %v", d.State, d.Job, d.Health, d.Worker, tags)
		got := text(t, db, "SELECT state, job, health, worker, tags FROM devices WHERE NOT removed AND device = '"+string(d.Name)+"'")
		if got != want {
			t.Errorf("device %s: tables say %s; the fold %s", d.Name, got, want)
		}
	}
	if got := text(t, db, "SELECT count() FROM devices WHERE removed"); got != "1" {
		t.Errorf("%s devices are removed; want 1", got)
	}
}

// lives returns facts of three devices and forty jobs, in an order in which they may happen.
func lives(r *rand.Rand) []events.Event {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	devices := []events.DeviceName{"d0", "d1", "d2"}
	facts := []events.Event{events.WorkerRegistered{Worker: "w", By: "a"}, events.TagAdded{Tag: "t0", By: "a"}, events.TagAdded{Tag: "t1", By: "a"}}
	for _, d := range append(devices, "gone") {
		facts = append(facts, events.DeviceAdded{Device: d, DeviceType: "qemu", Worker: "w", Health: events.Good, Tags: []events.TagName{"t1", "t0"}, By: "a"})
	}
	facts = append(facts, events.DeviceRemoved{Device: "gone", By: "a"})
	free := slices.Clone(devices)
	var paths [][]events.Event // what each job still has to live through; the next fact first
	add := func(e ...events.Event) { facts = append(facts, e...) }
	next := events.JobID(1)
	for next <= 40 || len(paths) > 0 {
		switch n := r.IntN(10); {
		case n < 3 && next <= 40:
			add(events.JobSubmitted{Job: next, Display: next.String(), User: "u", At: at, DeviceType: "qemu", Priority: r.IntN(100), JobTimeout: 60})
			if r.IntN(4) == 0 {
				add(events.JobPrioritySet{Job: next, Priority: r.IntN(100), By: "u"})
			}
			switch {
			case r.IntN(6) == 0:
				add(events.JobCancelRequested{Job: next, By: "u"}, events.JobWithdrawn{Job: next, Reason: "canceled", By: "u"})
			case len(free) > 0 && r.IntN(5) > 0: // else it waits for ever
				d := free[0]
				free = free[1:]
				paths = append(paths, life(r, next, d, events.Lease(len(facts)), at))
			}
			next++
		case n < 9 && len(paths) > 0:
			i := r.IntN(len(paths))
			add(paths[i][0])
			if e, ok := paths[i][0].(events.DeviceReleased); ok {
				free = append(free, e.Device)
			}
			if paths[i] = paths[i][1:]; len(paths[i]) == 0 {
				paths = slices.Delete(paths, i, i+1)
			}
		case n == 9:
			d := devices[r.IntN(len(devices))]
			switch tag := events.TagName(fmt.Sprint("t", r.IntN(2))); r.IntN(4) {
			case 0:
				add(events.DeviceTagged{Device: d, Tag: tag, By: "a"})
			case 1:
				add(events.DeviceUntagged{Device: d, Tag: tag, By: "a"})
			case 2:
				add(events.DeviceHealthSet{Device: d, Health: events.Maintenance, By: "a"})
			case 3:
				add(events.TagRemoved{Tag: tag, By: "a"}, events.TagAdded{Tag: tag, By: "a"})
			}
		}
	}
	return facts
}

// life returns a job's facts from the device on; some stop before their end.
func life(r *rand.Rand, job events.JobID, d events.DeviceName, lease events.Lease, at time.Time) []events.Event {
	path := []events.Event{events.JobScheduled{Job: job, Device: d, Worker: "w", Lease: lease}, events.DeviceReserved{Device: d, Job: job, Lease: lease}}
	if r.IntN(6) == 0 {
		return append(path, events.JobReturned{Job: job, Device: d, Worker: "w", Lease: lease, Reason: "no answer"},
			events.DeviceReleased{Device: d, Job: job, Lease: lease})
	}
	canceled := r.IntN(4) == 0
	if canceled && r.IntN(2) == 0 {
		path = append(path, events.JobCancelRequested{Job: job, By: "u"})
	}
	path = append(path, events.JobStarted{Job: job, Device: d, Worker: "w", Lease: lease, At: at})
	if canceled {
		path = append(path, events.JobCancelRequested{Job: job, By: "u", Reason: "again"})
	}
	if r.IntN(12) == 0 {
		return path // runs for ever, and keeps its device
	}
	health := []events.JobHealth{events.Complete, events.Incomplete}[r.IntN(2)]
	path = append(path, events.JobFinished{Job: job, Device: d, Worker: "w", Lease: lease, Health: health, At: at.Add(time.Minute)})
	if r.IntN(3) == 0 {
		path = append(path, events.DeviceHealthChanged{Device: d, From: events.Good, To: events.Bad, Reason: "test", Job: job})
	}
	return append(path, events.DeviceReleased{Device: d, Job: job, Lease: lease})
}
