package scheduling

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Load is a lab to measure decisions in.
type Load struct {
	Devices int // over ten types; one in four has a tag
	Queued  int // jobs that wait; one in ten wants the tag, one in fifty is pinned
	Rounds  int // decisions to measure; before each a job ends and another is submitted
	Users   int // who submit, one as much as another; 0: one
	// Policy is set before anything happens; nil: none is.
	Policy *events.SchedulingPolicySet
}

// Figures is what a decision costs under a [Load], without the broker.
type Figures struct {
	Decisions     int
	P50, P99, Max time.Duration
	Fold          time.Duration // mean of folding the facts between two decisions, index included
	Scheduled     int
	Start         time.Duration // making the index over the whole lab, as after a restart
	JobBytes      int           // memory that a queued job takes, in the lab and in the index
}

// Restart is what it takes to start with a [Load] from a checkpoint.
type Restart struct {
	Bytes int           // of the checkpoint
	Took  time.Duration // from its bytes in memory to the index
}

// MeasureRestart makes a lab as [Measure] does, writes its checkpoint and loads it.
func MeasureRestart(now func() time.Time, load Load) (Restart, error) {
	m := furnished(load)
	was := &scheduler{s: newState(m.l, "measure")}
	data, err := was.save()
	if err != nil {
		return Restart{}, err
	}
	m.l, was.s = nil, nil // a process that starts has no other lab in memory
	runtime.GC()
	start := now()
	is := &scheduler{}
	if err := is.load(format, data); err != nil {
		return Restart{}, err
	}
	return Restart{len(data), now().Sub(start)}, nil
}

// heapBytes is what the process holds in memory, garbage not counted.
func heapBytes() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Measure makes a busy lab and decides in it, by a clock that counts real time. Equal loads make
// equal labs.
func Measure(now func() time.Time, load Load) Figures {
	few := load
	few.Queued = 0
	before := heapBytes()
	empty := furnished(few)
	index := newState(empty.l, "measure")
	devices := heapBytes() - before
	runtime.KeepAlive(index)
	empty, index = nil, nil
	before = heapBytes()
	m := furnished(load)
	start := now()
	m.s = newState(m.l, "measure")
	f := Figures{Start: now().Sub(start)}
	f.JobBytes = max(0, heapBytes()-before-devices) / max(1, load.Queued)
	for {
		d := decide(m.s, m.at)
		m.fold(d.facts)
		if !d.more {
			break
		}
	}
	m.s.settle()
	var took []time.Duration
	var folding time.Duration
	for range load.Rounds {
		before := now()
		m.turnOver(load)
		between := now()
		d := decide(m.s, m.at)
		took = append(took, now().Sub(between))
		folding += between.Sub(before)
		f.Scheduled += len(d.facts) / 2
		m.fold(d.facts)
		m.s.settle()
	}
	slices.Sort(took)
	f.Decisions = len(took)
	if len(took) > 0 {
		f.P50, f.P99, f.Max = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
		f.Fold = folding / time.Duration(len(took))
	}
	return f
}

// measured is the lab under measurement.
type measured struct {
	r    *rand.Rand
	at   time.Time
	l    *lab.State
	s    *state
	jobs events.JobID
	busy []events.DeviceName
}

func (m *measured) fold(facts []events.Event) {
	for _, f := range facts {
		m.at = m.at.Add(time.Millisecond)
		if m.s == nil {
			m.l.Evolve(m.l.Through()+1, m.at, f)
			continue
		}
		m.s.evolve(stream.Recorded{Seq: m.l.Through() + 1, Time: m.at, Event: f})
		if e, ok := f.(events.DeviceReserved); ok {
			m.busy = append(m.busy, e.Device)
		}
	}
}

func furnished(load Load) *measured {
	m := &measured{r: rand.New(rand.NewPCG(1, 2)), at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), l: lab.New()}
	if load.Policy != nil {
		m.fold([]events.Event{*load.Policy})
	}
	m.furnish(load)
	return m
}

// furnish folds devices and the queue.
func (m *measured) furnish(load Load) {
	m.fold([]events.Event{events.WorkerRegistered{Worker: "w1"}, events.WorkerWentOnline{Worker: "w1"}})
	for i := range load.Devices {
		d := events.DeviceAdded{Device: events.DeviceName("d" + strconv.Itoa(i)), DeviceType: typeOf(i), Worker: "w1", Health: events.Good}
		if i%4 == 0 {
			d.Tags = []events.TagName{"ssd"}
		}
		m.fold([]events.Event{d, events.DeviceConfigured{Device: d.Device, Dictionary: "x"}})
	}
	for range load.Queued {
		m.submit(load)
	}
}

func typeOf(i int) events.DeviceTypeName {
	return events.DeviceTypeName(fmt.Sprintf("type-%d", i%10))
}

func (m *measured) submit(load Load) {
	m.jobs++
	e := events.JobSubmitted{Job: m.jobs, Display: m.jobs.String(), User: events.UserName(fmt.Sprint("user", m.r.IntN(max(1, load.Users)))),
		Name: fmt.Sprint("boot and smoke test ", m.jobs), At: m.at, Source: events.Source{Sequence: uint64(m.jobs), Bytes: 2000,
			SHA256: fmt.Sprintf("%064x", uint64(m.jobs))}, DeviceType: typeOf(m.r.IntN(10)),
		Priority: m.r.IntN(101), JobTimeout: 600, QueueTimeout: 1_000_000}
	switch {
	case m.r.IntN(10) == 0:
		e.Tags = []events.TagName{"ssd"}
	case m.r.IntN(45) == 0 && load.Devices > 0:
		i := m.r.IntN(load.Devices)
		e.Device, e.DeviceType = events.DeviceName("d"+strconv.Itoa(i)), typeOf(i)
	}
	m.fold([]events.Event{e})
}

// turnOver ends the job of some device, releases the device, and submits another job.
func (m *measured) turnOver(load Load) {
	m.submit(Load{Devices: len(m.busy), Users: load.Users})
	if len(m.busy) == 0 {
		return
	}
	i := m.r.IntN(len(m.busy))
	name := m.busy[i]
	m.busy[i] = m.busy[len(m.busy)-1]
	m.busy = m.busy[:len(m.busy)-1]
	d := m.l.Device(name)
	m.fold([]events.Event{
		events.JobStarted{Job: d.Job, Device: name, Worker: "w1", Lease: d.Lease, At: m.at},
		events.JobFinished{Job: d.Job, Device: name, Worker: "w1", Lease: d.Lease, Health: events.Complete, At: m.at},
		events.JobOutputComplete{Job: d.Job, Lease: d.Lease},
		events.DeviceReleased{Device: name, Job: d.Job, Lease: d.Lease}})
}
