package scheduling

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
)

// TestInvariants lets a small lab live through random histories, with dispatch and health played by
// the test, and holds each state and each decision to what must be true of every lab.
func TestInvariants(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(seed)
			for range 400 {
				w.happen()
				d := decide(w.s, w.now)
				checkShape(t, w.s, d)
				w.checkDecision(t, d)
				fold(w.s, d.facts)
				if !d.more {
					w.s.settle()
				}
				w.checkState(t)
				w.checkIndex(t)
			}
			if w.scheduled == 0 {
				t.Error("no job was ever scheduled")
			}
		})
	}
}

// world is a lab in a test: it makes facts up.
type world struct {
	r         *rand.Rand
	s         *state
	now       time.Time
	nextJob   events.JobID
	scheduled int
	rules     bool // people set policies and reserve devices
}

func newWorld(seed uint64) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 7)), now: noon, nextJob: 1, rules: seed%2 == 1}
	w.s = after(worker("w1", 0), worker("w2", 2), worker("w3", 1), checked("bbb"),
		events.DeviceTypeAdded{DeviceType: "qemu"}, events.DeviceTypeAdded{DeviceType: "rpi"})
	for i := range 9 {
		d := device(events.DeviceName(fmt.Sprint("q", i)), w.typ(), w.worker())
		more(w.s, d)
		if i%3 == 0 {
			more(w.s, events.DeviceTagged{Device: events.DeviceName(fmt.Sprint("q", i)), Tag: "ssd"})
		}
	}
	return w
}

func (w *world) typ() events.DeviceTypeName {
	return []events.DeviceTypeName{"qemu", "bbb", "rpi"}[w.r.IntN(3)]
}

func (w *world) worker() events.WorkerName {
	return []events.WorkerName{"w1", "w2", "w3"}[w.r.IntN(3)]
}

func (w *world) device() events.DeviceName { return events.DeviceName(fmt.Sprint("q", w.r.IntN(9))) }

// anyJob returns a job in memory that is so, nil where there is none.
func (w *world) anyJob(so func(*lab.Job) bool) *lab.Job {
	var all []*lab.Job
	for j := range w.s.lab.Jobs() {
		if so(j) {
			all = append(all, j)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[w.r.IntN(len(all))]
}

// happen makes one thing happen that can happen in a lab.
func (w *world) happen() {
	w.now = w.now.Add(time.Duration(w.r.IntN(30)) * time.Second)
	if w.rules && w.r.IntN(12) == 0 {
		w.layDown()
		return
	}
	switch w.r.IntN(12) {
	case 0, 1, 2:
		w.submit()
	case 3:
		if w.r.IntN(3) == 0 {
			w.submitGroup()
		}
	case 4, 5, 6:
		w.work()
	case 7, 8:
		w.release()
	case 9:
		if j := w.anyJob(func(j *lab.Job) bool { return j.State != lab.Finished }); j != nil && w.r.IntN(3) == 0 {
			more(w.s, events.JobCancelRequested{Job: j.ID, By: "bob"})
		} else if j != nil {
			more(w.s, events.JobPrioritySet{Job: j.ID, Priority: w.r.IntN(101)})
		}
	case 10:
		h := []events.DeviceHealth{events.Good, events.Good, events.Unknown, events.Bad, events.Maintenance, events.Looping}
		more(w.s, events.DeviceHealthSet{Device: w.device(), Health: h[w.r.IntN(len(h))]})
	case 11:
		w.rearrange()
	}
}

func (w *world) submit() {
	e := job(w.nextJob, typ(w.typ()), prio(w.r.IntN(3)*10), by(w.user()), runs(events.Seconds(1+w.r.IntN(900))))
	w.nextJob++
	e.At = w.now
	switch w.r.IntN(7) {
	case 6:
		e.Attempt = &events.Attempt{Of: 1, N: 2, Avoid: []events.DeviceName{w.device()}}
	case 0:
		e.Tags = []events.TagName{"ssd"}
	case 1:
		e.Device = w.device()
		e.DeviceType = w.s.lab.Device(e.Device).Type
		e.HealthCheck = w.r.IntN(2) == 0
	case 2:
		e.Worker = w.worker()
	case 3:
		e.QueueTimeout = events.Seconds(1 + w.r.IntN(200))
	}
	more(w.s, e)
}

func (w *world) submitGroup() {
	group, size := fmt.Sprint("g", w.nextJob), 2+w.r.IntN(3)
	parent := w.nextJob
	for i := range size {
		e := part(w.nextJob, size, typ(w.typ()), role("client"), by("carol"))
		e.Part.Group, e.Part.Parent, e.At = group, parent, w.now
		if i == 0 {
			e.Part.Role = "server"
		} else if w.r.IntN(4) == 0 {
			e.DeviceType, e.Part.Guest, e.Part.HostRole = "", true, "server"
		}
		w.nextJob++
		more(w.s, e)
	}
}

// work plays dispatch: a job starts, ends or comes back.
func (w *world) work() {
	j := w.anyJob(func(j *lab.Job) bool { return j.Run != nil && j.State != lab.Finished })
	if j == nil {
		return
	}
	run := *j.Run
	switch {
	case run.StartedAt.IsZero() && w.r.IntN(5) == 0:
		more(w.s, events.JobReturned{Job: j.ID, Device: run.Device, Worker: run.Worker, Lease: run.Lease})
	case run.StartedAt.IsZero() && w.r.IntN(2) == 0:
		more(w.s, events.JobStarted{Job: j.ID, Device: run.Device, Worker: run.Worker, Lease: run.Lease, At: w.now})
	default:
		more(w.s, events.JobFinished{Job: j.ID, Device: run.Device, Worker: run.Worker, Lease: run.Lease, Health: events.Complete, At: w.now},
			events.JobOutputComplete{Job: j.ID, Lease: run.Lease})
	}
}

// release plays health: devices whose job has ended are released.
func (w *world) release() {
	for d := range w.s.lab.Devices() {
		j := w.s.lab.Job(d.Job)
		if d.State != lab.DeviceIdle && (j == nil || j.State == lab.Finished || j.Run == nil || j.Run.Lease != d.Lease) {
			more(w.s, events.DeviceReleased{Device: d.Name, Job: d.Job, Lease: d.Lease, CheckDue: w.r.IntN(4) == 0})
		}
	}
}

// rearrange changes workers, devices and types.
func (w *world) rearrange() {
	changes := []events.Event{
		events.WorkerWentOffline{Worker: w.worker()}, events.WorkerWentOnline{Worker: w.worker()},
		events.WorkerWentOnline{Worker: "w1"}, events.WorkerWentOnline{Worker: "w2"},
		events.DeviceMoved{Device: w.device(), Worker: w.worker()}, events.DeviceTagged{Device: w.device(), Tag: "ssd"},
		events.DeviceUntagged{Device: w.device(), Tag: "ssd"}, events.TagRemoved{Tag: "ssd"},
		events.DeviceTypeAdded{DeviceType: "rpi"},
		events.DeviceTypeConfigured{DeviceType: "rpi", Hidden: w.r.IntN(2) == 0, Aliases: []string{"qemu"}[:w.r.IntN(2)]},
		events.WorkerConfigured{Worker: "w2", JobLimit: w.r.IntN(4)},
		events.HealthCheckRequested{Device: w.device(), Job: w.nextJob + 1000},
	}
	more(w.s, changes[w.r.IntN(len(changes))])
}

// checkDecision holds a decision to the rules of who may get what, and in which order.
func (w *world) checkDecision(t *testing.T, d decision) {
	t.Helper()
	l := w.s.lab
	given := map[events.DeviceName]*lab.Job{}
	groups := map[string]int{}
	for _, f := range d.facts {
		e, ok := f.(events.JobScheduled)
		if !ok {
			continue
		}
		w.scheduled++
		j := l.Job(e.Job)
		if j.Part != nil {
			groups[j.Part.Group]++
		}
		if j.Guest() {
			continue
		}
		dev := l.Device(e.Device)
		if given[dev.Name] != nil {
			t.Fatalf("%s given to jobs %d and %d", dev.Name, given[dev.Name].ID, j.ID)
		}
		given[dev.Name] = j
		jobs, checks := lab.Takes(dev, l.DeviceType(dev.Type), w.now)
		switch {
		case dev.State != lab.DeviceIdle || !l.Worker(dev.Worker).Usable():
			t.Fatalf("job %d given %s, which is %s on a worker that is %+v", j.ID, dev.Name, dev.State, l.Worker(dev.Worker))
		case j.HealthCheck && !checks || !j.HealthCheck && !jobs && l.Holder(j.User, dev, w.now) == nil:
			t.Fatalf("job %d (check: %v) given %s, which takes jobs %v, checks %v", j.ID, j.HealthCheck, dev.Name, jobs, checks)
		case !matches(l, j, dev):
			t.Fatalf("job %+v given %+v, which does not match", j, dev)
		case j.Cancel != nil:
			t.Fatalf("job %d scheduled, though %s wants it canceled", j.ID, j.Cancel.By)
		}
	}
	for g, n := range groups {
		for _, p := range l.Group(g) {
			if p.State == lab.Submitted {
				n--
			}
		}
		if n != 0 {
			t.Fatalf("group %s is scheduled in part", g)
		}
	}
	w.checkRules(t, given)
	w.checkOrder(t, d, given)
}

// checkOrder: no job that got a device was preferred to a better one that could have had it.
func (w *world) checkOrder(t *testing.T, d decision, given map[events.DeviceName]*lab.Job) {
	t.Helper()
	left := map[events.JobID]bool{}
	for _, f := range d.facts {
		switch f := f.(type) {
		case events.JobScheduled:
			left[f.Job] = true
		case events.JobWithdrawn:
			left[f.Job] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		got, dev := given[name], w.s.lab.Device(name)
		for j := range w.s.lab.Jobs() {
			if j.State != lab.Submitted || left[j.ID] || j.Part != nil || got.Part != nil || j.HealthCheck || !matches(w.s.lab, j, dev) {
				continue
			}
			if !w.better(j, got, dev) {
				continue
			}
			if !got.HealthCheck && (j.Priority > got.Priority || j.Priority == got.Priority && j.ID < got.ID) {
				t.Fatalf("%s given to job %d (priority %d) before job %d (priority %d)", name, got.ID, got.Priority, j.ID, j.Priority)
			}
		}
	}
}

func matches(l *lab.State, j *lab.Job, d *lab.Device) bool {
	return l.Resolve(j.DeviceType) == d.Type && (j.PinDevice == "" || j.PinDevice == d.Name) &&
		(j.PinWorker == "" || j.PinWorker == d.Worker) && d.HasTags(j.Tags) && !j.Avoids(d.Name)
}

// checkState holds the lab to the invariants of its jobs and devices.
func (w *world) checkState(t *testing.T) {
	t.Helper()
	held := map[events.DeviceName]events.JobID{}
	for j := range w.s.lab.Jobs() {
		if j.Run == nil || j.Run.Device == "" || j.State == lab.Finished {
			continue
		}
		if other := held[j.Run.Device]; other != 0 {
			t.Fatalf("%s held by jobs %d and %d", j.Run.Device, other, j.ID)
		}
		held[j.Run.Device] = j.ID
		if d := w.s.lab.Device(j.Run.Device); d.Job != j.ID || d.Lease != j.Run.Lease {
			t.Fatalf("job %d holds %s under %d, the device says %d under %d", j.ID, d.Name, j.Run.Lease, d.Job, d.Lease)
		}
	}
	busy := map[events.WorkerName]int{}
	for d := range w.s.lab.Devices() {
		if d.State != lab.DeviceIdle {
			busy[d.Worker]++
		}
	}
	for wk := range w.s.lab.Workers() {
		if busy[wk.Name] != w.s.held[wk.Name] {
			t.Fatalf("worker %s holds %d devices, the index says %d", wk.Name, busy[wk.Name], w.s.held[wk.Name])
		}
	}
}

// checkIndex holds the index to the lab: an index that was grown fact by fact decides as one that
// is made anew, which looks at everything.
func (w *world) checkIndex(t *testing.T) {
	t.Helper()
	grown, anew := decide(w.s, w.now), decide(newState(w.s.lab, "test"), w.now)
	if g, a := brief(grown.facts), brief(anew.facts); g != a || !grown.wake.Equal(anew.wake) {
		t.Fatalf("the index decides %q, wake %v; made anew %q, wake %v", g, grown.wake, a, anew.wake)
	}
}
