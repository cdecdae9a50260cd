package scheduling

import (
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// decision is one batch of facts, and what is left for later.
type decision struct {
	facts []events.Event // empty, or RoundDecided and at least one more
	wake  time.Time      // when a queue timeout is over; zero: never
	more  bool           // the batch was full: decide again once it is recorded
}

// decide returns the facts to record next and when it wants to be asked again. It reads no clock,
// no network and no map order, and leaves the state as it is.
func decide(s *state, now time.Time) decision {
	r := &round{s: s, now: now, room: stream.MaxBatch - 1,
		taken: map[events.DeviceName]bool{}, extra: map[events.WorkerName]int{}, leaving: map[events.JobID]bool{}}
	r.withdraw()
	if !r.more {
		r.schedule()
	}
	d := decision{wake: r.wake(), more: r.more}
	if len(r.facts) > 0 {
		open := events.RoundDecided{Scheduler: s.scheduler, Through: s.lab.Through(), Scheduled: r.scheduled}
		d.facts = append([]events.Event{open}, r.facts...)
	}
	return d
}

// round is a decision in the making.
type round struct {
	s         *state
	now       time.Time
	room      int // facts that still fit in the batch
	facts     []events.Event
	scheduled int
	more      bool
	taken     map[events.DeviceName]bool
	extra     map[events.WorkerName]int // devices of the worker taken in this round
	leaving   map[events.JobID]bool
}

// withdraw makes jobs leave the queue: those that nobody wants any more, then those that have
// waited for too long, and with each part of a group the others.
func (r *round) withdraw() {
	for _, id := range slices.Sorted(maps.Keys(r.s.unwanted)) {
		r.leave(r.s.queued[id], "")
	}
	for c := r.s.deadlines.cursor(); c.peek() != nil && !r.now.Before(c.peek().deadline) && !r.more; c.pass() {
		e := c.peek()
		why := fmt.Sprintf("queue timeout after %v", time.Duration(e.job.QueueTimeout)*time.Second)
		r.leave(e, why)
		if e.job.Part == nil {
			continue
		}
		for _, p := range r.s.lab.Group(e.job.Part.Group) {
			if q := r.s.queued[p.ID]; q != nil {
				r.leave(q, why)
			}
		}
	}
}

// leave withdraws one job; a reason that is not given stands in the job or its group.
func (r *round) leave(e *entry, why string) {
	if r.leaving[e.job.ID] {
		return
	}
	if r.room == 0 {
		r.more = true
		return
	}
	r.leaving[e.job.ID] = true
	f := events.JobWithdrawn{Job: e.job.ID, Reason: why}
	if c := e.job.Cancel; c != nil {
		f.By, f.Reason = c.By, cancelReason(c)
	} else if reason := orphan(r.s.lab, e.job); reason != "" {
		f.Reason = reason
	} else if why == "" && e.job.Part != nil {
		if end := ender(r.s.lab.Group(e.job.Part.Group)); end != nil {
			f.Reason = fmt.Sprintf("its group cannot run: job %s is over or canceled", end.Display)
		}
	}
	r.facts = append(r.facts, f)
	r.room--
}

func cancelReason(c *lab.Cancel) string {
	why := "canceled"
	switch {
	case c.By != "":
		why += " by " + string(c.By)
	case c.From != 0:
		why += fmt.Sprintf(" with job %d of its group", c.From)
	}
	if c.Reason != "" {
		why += ": " + c.Reason
	}
	return why
}

// wake is when the next queue timeout is over.
func (r *round) wake() time.Time {
	for c := r.s.deadlines.cursor(); c.peek() != nil; c.pass() {
		if e := c.peek(); !r.leaving[e.job.ID] {
			return e.deadline
		}
	}
	return time.Time{}
}

// contender is the next job of a shape, or a group, in the race for devices.
type contender struct {
	check      bool
	priority   int
	id         events.JobID
	queue      *cursor // of a shape; nil for a group
	candidates []*lab.Device
	parts      []*lab.Job // of a group
}

// race is a heap of contenders: health checks, then higher priority, then lower number.
type race []*contender

func (r race) Len() int { return len(r) }
func (r race) Less(i, j int) bool {
	a, b := r[i], r[j]
	if a.check != b.check {
		return a.check
	}
	if a.priority != b.priority {
		return a.priority > b.priority
	}
	return a.id < b.id
}
func (r race) Swap(i, j int) { r[i], r[j] = r[j], r[i] }
func (r *race) Push(x any)   { *r = append(*r, x.(*contender)) }
func (r *race) Pop() any {
	last := len(*r) - 1
	c := (*r)[last]
	*r = (*r)[:last]
	return c
}

// schedule gives devices to the best jobs first, over all types together: a worker's limit may
// leave room for one only.
func (r *round) schedule() {
	var field race
	groups := map[string]bool{}
	for _, typ := range slices.Sorted(maps.Keys(r.s.touched)) {
		k := r.s.kinds[typ]
		if k == nil {
			continue
		}
		for g := range k.groups {
			groups[g] = true
		}
		if len(k.free) == 0 {
			continue
		}
		for _, sh := range k.shapes {
			if c := r.contend(k, sh); c != nil {
				field = append(field, c)
			}
		}
	}
	for g := range groups {
		if c := r.contendGroup(g); c != nil {
			field = append(field, c)
		}
	}
	heap.Init(&field) // jobs are numbered, so no two contenders are equal: map order is gone
	for len(field) > 0 {
		c := field[0]
		fits, again := r.place(c)
		if !fits {
			r.more = true
			return
		}
		if again {
			heap.Fix(&field, 0)
		} else {
			heap.Pop(&field)
		}
	}
}

// contend enters a shape with its candidates, the best one first; nil where there is nothing to do.
func (r *round) contend(k *kind, sh *shape) *contender {
	c := &contender{check: sh.check, queue: sh.queue.cursor()}
	if !r.stand(c) {
		return nil
	}
	if sh.device != "" {
		if d := k.free[sh.device]; d != nil && r.suits(d, sh) {
			c.candidates = []*lab.Device{d}
		}
	} else {
		for _, d := range k.free {
			if r.suits(d, sh) {
				c.candidates = append(c.candidates, d)
			}
		}
		slices.SortFunc(c.candidates, byChoice)
	}
	if len(c.candidates) == 0 {
		return nil
	}
	return c
}

// stand puts a contender at the rank of its next job that stays; false where there is none.
func (r *round) stand(c *contender) bool {
	for e := c.queue.peek(); e != nil; e = c.queue.peek() {
		if !r.leaving[e.job.ID] {
			c.priority, c.id = e.priority, e.job.ID
			return true
		}
		c.queue.pass()
	}
	return false
}

// suits says that a free device may be given to jobs of a shape.
func (r *round) suits(d *lab.Device, sh *shape) bool {
	if sh.worker != "" && d.Worker != sh.worker || !d.HasTags(sh.tags) {
		return false
	}
	jobs, checks := lab.Takes(d, r.s.lab.DeviceType(d.Type), r.now)
	return sh.check && checks || !sh.check && jobs
}

// byChoice orders candidates: fewest tags, then idle for longest, then by name.
func byChoice(a, b *lab.Device) int {
	if n := len(a.Tags) - len(b.Tags); n != 0 {
		return n
	}
	if n := a.IdleSince.Compare(b.IdleSince); n != 0 {
		return n
	}
	return strings.Compare(string(a.Name), string(b.Name))
}

// place gives the contender's job its device. It does not fit where the batch is full; again says
// that another job of the contender stands now.
func (r *round) place(c *contender) (fits, again bool) {
	if c.queue == nil {
		return r.placeGroup(c), false
	}
	for len(c.candidates) > 0 && !r.open(c.candidates[0]) {
		c.candidates = c.candidates[1:]
	}
	if len(c.candidates) == 0 {
		return true, false
	}
	if r.room < 2 {
		return false, false
	}
	r.give(c.queue.peek().job, c.candidates[0])
	c.candidates = c.candidates[1:]
	c.queue.pass()
	return true, r.stand(c)
}

// open says that a candidate has not been taken, and that its worker may hold one more.
func (r *round) open(d *lab.Device) bool {
	if r.taken[d.Name] {
		return false
	}
	w := r.s.lab.Worker(d.Worker)
	return w.JobLimit <= 0 || r.s.held[d.Worker]+r.extra[d.Worker] < w.JobLimit
}

// give schedules a job on a device.
func (r *round) give(j *lab.Job, d *lab.Device) {
	lease := events.Lease(r.s.lab.Through())
	r.facts = append(r.facts,
		events.JobScheduled{Job: j.ID, Device: d.Name, Worker: d.Worker, Lease: lease},
		events.DeviceReserved{Device: d.Name, Job: j.ID, Lease: lease})
	r.room -= 2
	r.scheduled++
	r.taken[d.Name] = true
	r.extra[d.Worker]++
}
