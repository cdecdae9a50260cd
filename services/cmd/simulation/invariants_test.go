package simulation

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// TestInvariants lets labs live in which everything happens at once, and holds each fact and each
// moment of rest to the ten invariants of a lab (numbered as in the failures). The books are kept
// from the facts alone: neither the fold nor a rule of the lab is asked.
func TestInvariants(t *testing.T) {
	t.Parallel()
	var all books
	for seed := range uint64(24) {
		b, sim := lived(t, seed, false)
		for _, broken := range b.broken {
			t.Errorf("seed %d: %s", seed, broken)
		}
		all.compared += b.compared
		all.repeated += b.repeated
		all.gangs += b.gangs
		c := sim.Report().Jobs
		all.counts.Started += c.Started
		all.counts.Lost += c.Lost
		all.counts.Retried += c.Retried
		all.counts.Withdrawn += c.Withdrawn
		all.counts.Canceled += c.Canceled
		all.counts.Checks += c.Checks
	}
	// A lab in which nothing happens breaks nothing.
	c := all.counts
	if c.Started < 3000 || c.Lost < 20 || c.Retried < 100 || c.Withdrawn < 200 || c.Canceled < 20 || c.Checks < 300 ||
		all.gangs < 200 || all.compared < 10_000 || all.repeated < 100 {
		t.Errorf("too little happened to show anything: %+v, %d parts of groups started, %d jobs were rightly passed over, %d ends were repeated",
			c, all.gangs, all.compared, all.repeated)
	}
}

// TestInvariantsBreak: the books notice what is wrong. By LAVA's rule parts of a group get their
// devices one by one, and nobody looks at a device's reservations.
func TestInvariantsBreak(t *testing.T) {
	t.Parallel()
	b, _ := lived(t, 2, true)
	if len(b.broken) == 0 || !slices.ContainsFunc(b.broken, func(s string) bool { return s[:12] == "invariant 7:" }) {
		t.Errorf("by LAVA's rule the books find %q, want parts that start apart", b.broken)
	}
}

// lived is what the books of a turbulent lab say at its end.
func lived(t *testing.T, seed uint64, lava bool) (*books, *Simulation) {
	t.Helper()
	s, w := turbulent(seed)
	s.LAVA = lava
	sc := scenario(t, s)
	w.base, sc.Next = sc.Next, w.next
	sim := New(sc)
	b := &books{sim: sim, jobs: map[events.JobID]*jobBook{}, waiting: map[events.JobID]*jobBook{},
		devices: map[events.DeviceName]*deviceBook{}, workers: map[events.WorkerName]*workerBook{}, groups: map[string][]*jobBook{}}
	sim.Watch = b.note
	for {
		ran, err := sim.Step()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !ran || len(b.broken) > 5 {
			return b, sim
		}
		b.rest()
	}
}

// books are an account of a lab that is kept from its facts.
type books struct {
	sim     *Simulation
	jobs    map[events.JobID]*jobBook
	waiting map[events.JobID]*jobBook
	devices map[events.DeviceName]*deviceBook
	workers map[events.WorkerName]*workerBook
	groups  map[string][]*jobBook
	policy  events.SchedulingPolicySet
	rules   bool // a policy or reservation was ever made
	rounds  int
	begun   []string // groups of which a part got a device since the last rest
	broken  []string

	compared, repeated, gangs int
	counts                    Counts
}

type jobBook struct {
	events.JobSubmitted // with the priority as it is
	given               bool
	round               int // in which it got its device
	at                  time.Time
	device              events.DeviceName
	started             time.Time
	over, unwanted      bool // unwanted: its cancel was asked for while it waited
}

type deviceBook struct {
	events.DeviceAdded // with worker, health and tags as they are
	job                events.JobID
	reserved           bool // until it is released
}

type workerBook struct {
	online, active bool
	limit          int
}

func (b *books) breach(invariant int, format string, a ...any) {
	b.broken = append(b.broken, fmt.Sprintf("invariant %d: ", invariant)+fmt.Sprintf(format, a...))
}

// note enters a fact.
func (b *books) note(r stream.Recorded) {
	switch e := r.Event.(type) {
	case events.RoundDecided:
		b.rounds++
	case events.SchedulingPolicySet:
		b.policy, b.rules = e, true
	case events.ReservationMade:
		b.rules = true
	case events.JobSubmitted:
		j := &jobBook{JobSubmitted: e}
		b.jobs[e.Job], b.waiting[e.Job] = j, j
		if e.Part != nil {
			b.groups[e.Part.Group] = append(b.groups[e.Part.Group], j)
		}
	case events.JobScheduled:
		b.given(e, r.Time)
	case events.JobStarted:
		j := b.jobs[e.Job]
		if j.over || !j.given {
			b.breach(3, "job %d started, though it is over: %v, has a device: %v", e.Job, j.over, j.given)
		}
		j.started = e.At
	case events.JobWithdrawn:
		j := b.jobs[e.Job]
		if j.over || j.given {
			b.breach(4, "job %d left the queue, though it is over: %v, has %q", e.Job, j.over, j.device)
		}
		j.over = true
		delete(b.waiting, e.Job)
	case events.JobFinished:
		b.ended(e)
	case events.JobCancelRequested:
		b.unwanted(e.Job)
	case events.JobCancelCascaded:
		b.unwanted(e.Job)
	case events.JobPrioritySet:
		b.jobs[e.Job].Priority = e.Priority
	default:
		b.noteLab(r.Event)
	}
}

// noteLab enters a fact about a device or a worker.
func (b *books) noteLab(e events.Event) {
	switch e := e.(type) {
	case events.DeviceAdded:
		b.devices[e.Device] = &deviceBook{DeviceAdded: e}
	case events.DeviceReleased:
		b.devices[e.Device].reserved = false
	case events.DeviceHealthSet:
		b.devices[e.Device].Health = e.Health
	case events.DeviceHealthChanged:
		d := b.devices[e.Device]
		if e.Job != 0 && (d.Health == events.Maintenance || d.Health == events.Retired) {
			b.breach(8, "%s was set to %s, and job %d made it %s", e.Device, d.Health, e.Job, e.To)
		}
		d.Health = e.To
	case events.DeviceMoved:
		b.devices[e.Device].Worker = e.Worker
	case events.DeviceTagged:
		if d := b.devices[e.Device]; !slices.Contains(d.Tags, e.Tag) {
			d.Tags = append(slices.Clone(d.Tags), e.Tag)
		}
	case events.DeviceUntagged:
		d := b.devices[e.Device]
		d.Tags = slices.DeleteFunc(slices.Clone(d.Tags), func(t events.TagName) bool { return t == e.Tag })
	case events.WorkerRegistered:
		b.workers[e.Worker] = &workerBook{active: true}
	case events.WorkerConfigured:
		b.workers[e.Worker].limit = e.JobLimit
	case events.WorkerWentOnline:
		b.workers[e.Worker].online = true
	case events.WorkerWentOffline:
		b.workers[e.Worker].online = false
	case events.WorkerHealthSet:
		b.workers[e.Worker].active = e.Health == events.WorkerActive
	}
}

func (b *books) unwanted(id events.JobID) {
	if j := b.jobs[id]; !j.given {
		j.unwanted = true
	}
}

// given enters that a job got its device.
func (b *books) given(e events.JobScheduled, at time.Time) {
	j := b.jobs[e.Job]
	switch {
	case j.over:
		b.breach(3, "job %d, which is over, got %s", e.Job, e.Device)
	case j.unwanted:
		b.breach(4, "job %d was canceled while it waited, and got %s", e.Job, e.Device)
	case j.given:
		b.breach(1, "job %d has %s and got %s", e.Job, j.device, e.Device)
	}
	j.given, j.round, j.at, j.device = true, b.rounds, at, e.Device
	delete(b.waiting, e.Job)
	if j.Part != nil {
		b.begun = append(b.begun, j.Part.Group)
	}
	if e.Device == "" {
		return // a guest
	}
	d := b.devices[e.Device]
	if d.job != 0 {
		b.breach(1, "%s has job %d and got job %d", e.Device, d.job, e.Job)
	}
	w := b.workers[d.Worker]
	allowed := []events.DeviceHealth{events.Good, events.Unknown}
	if j.HealthCheck {
		allowed = append(allowed, events.Looping)
	}
	if !slices.Contains(allowed, d.Health) || !w.online || !w.active {
		b.breach(8, "job %d (a check: %v) got %s, which is %s on %s: %+v", e.Job, j.HealthCheck, e.Device, d.Health, d.Worker, w)
	}
	d.job, d.reserved = e.Job, true
	if n := b.reserved(d.Worker); w.limit > 0 && n > w.limit {
		b.breach(9, "with job %d, %s has %d devices reserved, its limit is %d", e.Job, d.Worker, n, w.limit)
	}
	b.order(j, d)
}

func (b *books) reserved(w events.WorkerName) (n int) {
	for _, d := range b.devices {
		if d.Worker == w && d.reserved {
			n++
		}
	}
	return n
}

// order holds that no job that waits should have had the device.
func (b *books) order(got *jobBook, d *deviceBook) {
	if got.Part != nil || got.HealthCheck {
		return
	}
	for _, k := range b.waiting {
		if k.Part != nil || k.HealthCheck || k.unwanted || !k.wants(d) || !b.comparable(k, got) {
			continue
		}
		b.compared++
		if k.Priority > got.Priority {
			b.breach(6, "%s went to job %d of priority %d before job %d of %d", d.Device, got.Job, got.Priority, k.Job, k.Priority)
		}
		if k.Priority == got.Priority && k.Job < got.Job && k.Attempt == nil && got.Attempt == nil {
			b.breach(5, "%s went to job %d before job %d, both of priority %d", d.Device, got.Job, k.Job, k.Priority)
		}
	}
}

// wants says that a device is what a job asks for.
func (j *jobBook) wants(d *deviceBook) bool {
	for _, tag := range j.Tags {
		if !slices.Contains(d.Tags, tag) {
			return false
		}
	}
	return j.DeviceType == d.DeviceType && (j.Device == "" || j.Device == d.Device) && (j.Worker == "" || j.Worker == d.Worker) &&
		(j.Attempt == nil || !slices.Contains(j.Attempt.Avoid, d.Device))
}

// comparable says that nothing but priority and number orders two jobs: with rules set, that is so for
// jobs of one user that ask alike, and aging may lift the lower one to its bound.
func (b *books) comparable(k, got *jobBook) bool {
	if !b.rules {
		return true
	}
	alike := k.User == got.User && k.JobTimeout <= got.JobTimeout && slices.Equal(k.Tags, got.Tags) && k.Device == got.Device
	a := b.policy.Aging
	return alike && (a == nil || k.Priority == got.Priority || k.Priority > a.Bound)
}

// ended enters the end of a job.
func (b *books) ended(e events.JobFinished) {
	j := b.jobs[e.Job]
	if j.over || !j.given || e.Health == "" || e.At.Before(j.started) {
		b.breach(3, "job %d ended %s at %s; it is over: %v, started %s", e.Job, e.Health, e.At, j.over, j.started)
	}
	j.over = true
	if d := b.devices[e.Device]; d != nil {
		d.job = 0
	}
	if e.Job%16 == 0 && e.Job < firstCheck {
		b.repeat(e)
	}
}

// repeat holds that an end which is told again, and differently, changes nothing.
func (b *books) repeat(e events.JobFinished) {
	data, err := b.sim.Lab().Encode()
	if err != nil {
		b.breach(10, "%v", err)
		return
	}
	again, err := lab.Decode(lab.Format, data)
	if err != nil {
		b.breach(10, "%v", err)
		return
	}
	b.repeated++
	look := func() []any {
		j, d := again.Job(e.Job), again.Device(e.Device)
		if d == nil {
			d = &lab.Device{}
		}
		return []any{j.State, *j.End, *j.Run, d.State, d.Health, d.Job, d.JobsSince, again.UseOf(j.User)}
	}
	once := look()
	e.Health, e.ErrorType, e.Error, e.At = events.Incomplete, events.BugError, "said again", e.At.Add(time.Hour)
	for range 3 {
		again.Evolve(again.Through()+1, e.At, e)
	}
	if now := look(); !reflect.DeepEqual(once, now) {
		b.breach(10, "job %d's end told again makes of %+v %+v", e.Job, once, now)
	}
}

// rest holds a moment of rest: what belongs together has happened together.
func (b *books) rest() {
	for _, g := range b.begun {
		b.gangs++
		for _, p := range b.groups[g] {
			first := b.groups[g][0]
			if !p.given || p.round != first.round || !p.at.Equal(first.at) {
				b.breach(7, "of group %s, job %d has a device: %v, in round %d at %s; job %d: %v, in round %d at %s",
					g, first.Job, first.given, first.round, first.at, p.Job, p.given, p.round, p.at)
			}
		}
	}
	b.begun = b.begun[:0]
	for d := range b.sim.Lab().Devices() {
		if idle, none := d.State == lab.DeviceIdle, b.devices[d.Name].job == 0; idle != none {
			b.breach(2, "%s is %s, its job by the books is %d", d.Name, d.State, b.devices[d.Name].job)
		}
	}
}
