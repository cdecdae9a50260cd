package scheduling

import (
	"container/heap"
	"maps"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
)

// contender is the best job of a lane, or a group, in the race for devices.
type contender struct {
	rank       lab.Rank
	lane       *lane         // nil for a group
	head       *entry        // the job that stands now
	ranked     *cursor       // of the lane
	aging      *cursor       // of the lane, where some job in it may have been raised
	candidates []*lab.Device // of the lane's shape, best first; those before were taken or are forbidden
	parts      []*lab.Job    // of a group
}

// race is a heap of contenders by their ranks.
type race []*contender

func (r race) Len() int           { return len(r) }
func (r race) Less(i, j int) bool { return r[i].rank.Before(r[j].rank) }
func (r race) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *race) Push(x any)        { *r = append(*r, x.(*contender)) }
func (r *race) Pop() any {
	last := len(*r) - 1
	c := (*r)[last]
	(*r)[last] = nil
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
		if k == nil || len(k.free) == 0 && len(k.groups) == 0 {
			continue
		}
		for g := range k.groups {
			groups[g] = true
		}
		if len(k.free) == 0 {
			continue
		}
		for _, sh := range k.shapes {
			field = append(field, r.contend(k, sh)...)
		}
	}
	for g := range groups {
		if c := r.contendGroup(g); c != nil {
			field = append(field, c)
		}
	}
	heap.Init(&field) // jobs are numbered, so no two contenders are equal: map order is gone
	for len(field) > 0 {
		fits, stays := r.place(field[0])
		switch {
		case !fits:
			r.more = true
			return
		case stays:
			heap.Fix(&field, 0)
		default:
			heap.Pop(&field)
		}
	}
}

// contend enters the lanes of a shape with its candidates, the best one first.
func (r *round) contend(k *kind, sh *shape) (all []*contender) {
	var candidates []*lab.Device
	if sh.device != "" {
		if d := k.free[sh.device]; d != nil && r.suits(d, sh) {
			candidates = []*lab.Device{d}
		}
	} else {
		for _, d := range k.free {
			if r.suits(d, sh) && r.open(d) {
				candidates = append(candidates, d)
			}
		}
		slices.SortFunc(candidates, byChoice(r.s.rareTags(k.name)))
	}
	if len(candidates) == 0 {
		return nil
	}
	for _, ln := range sh.lanes {
		c := &contender{lane: ln, candidates: candidates, ranked: ln.ranked.cursor()}
		if oldest := ln.aging; oldest.Len() > 0 {
			first := oldest.entries[0].job
			if r.s.lab.Policy().Raises(first.Priority, first.SubmittedAt, r.now) {
				c.aging = oldest.cursor()
			}
		}
		if r.stand(c) {
			all = append(all, c)
		}
	}
	return all
}

// stand puts a contender at the rank of its best job that stays; false where there is none.
func (r *round) stand(c *contender) bool {
	c.head = r.next(c.ranked)
	if c.head == nil {
		return false
	}
	c.rank = r.standings.Rank(c.head.job)
	if c.aging == nil {
		return true
	}
	if old := r.next(c.aging); old != nil {
		if rank := r.standings.Rank(old.job); rank.Before(c.rank) {
			c.head, c.rank = old, rank
		}
	}
	return true
}

// next returns the first entry of a cursor that the round is not done with.
func (r *round) next(c *cursor) *entry {
	for e := c.peek(); e != nil; e = c.peek() {
		if !r.leaving[e.job.ID] {
			return e
		}
		c.pass()
	}
	return nil
}

// suits says that a free device may be given to jobs of a shape, whoever submitted them; reservations
// are not looked at.
func (r *round) suits(d *lab.Device, sh *shape) bool {
	if sh.worker != "" && d.Worker != sh.worker || !d.HasTags(sh.tags) || slices.Contains(sh.avoid, d.Name) {
		return false
	}
	if sh.check {
		_, checks := lab.Takes(d, r.s.lab.DeviceType(d.Type), r.now)
		return checks
	}
	if sh.device == "" {
		if _, kept := r.s.lab.KeptUntil(d, sh.tags, r.s.rareTags(d.Type), r.now); kept {
			return false
		}
	}
	if len(r.reservations(d)) > 0 {
		return lab.TakesFrom(d, r.s.lab.DeviceType(d.Type)) // permits asks again, by the user
	}
	jobs, _ := lab.Takes(d, r.s.lab.DeviceType(d.Type), r.now)
	return jobs
}

// reservations are those of a device that are not over.
func (r *round) reservations(d *lab.Device) []*lab.Reservation {
	all, known := r.reserved[d.Name]
	if !known {
		all = r.s.lab.ReservationsOf(d, r.now)
		r.reserved[d.Name] = all
	}
	return all
}

// permits says that the reservations of a device let a job start on it. A job may start where its
// user holds the device, though a health check is due: that waits.
func (r *round) permits(d *lab.Device, j *lab.Job) bool {
	of := r.reservations(d)
	if len(of) == 0 {
		return true
	}
	if r.s.lab.Forbids(j, of, r.now) != nil {
		return false
	}
	if j.HealthCheck || r.s.lab.Holder(j.User, d, r.now) != nil {
		return true
	}
	jobs, _ := lab.Takes(d, r.s.lab.DeviceType(d.Type), r.now)
	return jobs
}

// byChoice orders candidates: fewest rare tags, then fewest tags, then idle for longest, then by name.
func byChoice(rare []events.TagName) func(a, b *lab.Device) int {
	count := func(d *lab.Device) (n int) {
		for _, t := range d.Tags {
			if slices.Contains(rare, t) {
				n++
			}
		}
		return n
	}
	return func(a, b *lab.Device) int {
		if len(rare) > 0 {
			if n := count(a) - count(b); n != 0 {
				return n
			}
		}
		if n := len(a.Tags) - len(b.Tags); n != 0 {
			return n
		}
		if n := a.IdleSince.Compare(b.IdleSince); n != 0 {
			return n
		}
		return strings.Compare(string(a.Name), string(b.Name))
	}
}

// place gives the contender's job its device. It does not fit where the batch is full; it stays in the
// race where another job of the contender stands now, or its rank has changed.
func (r *round) place(c *contender) (fits, stays bool) {
	if rank := r.rank(c); c.rank.Before(rank) {
		c.rank = rank // a device for another job of the user or group has made its share larger
		return true, true
	}
	if c.lane == nil {
		return r.placeGroup(c), false
	}
	j := c.head.job
	if _, capped := r.standings.Capped(j, 1); capped {
		return true, false // with caps, all jobs of a lane are one user's
	}
	for len(c.candidates) > 0 && !(r.open(c.candidates[0]) && r.permits(c.candidates[0], j)) {
		c.candidates = c.candidates[1:]
	}
	if len(c.candidates) == 0 {
		return true, false
	}
	if r.room < 2 {
		return false, false
	}
	r.give(j, c.candidates[0])
	c.candidates = c.candidates[1:]
	return true, r.stand(c)
}

// rank returns where a contender stands now. A group stands at the rank of its best part, under the
// number of its first.
func (r *round) rank(c *contender) lab.Rank {
	if c.lane != nil {
		return r.standings.Rank(c.head.job)
	}
	best := r.standings.Rank(c.parts[0])
	for _, p := range c.parts[1:] {
		if rank := r.standings.Rank(p); rank.Before(best) {
			best = rank
		}
	}
	best.Job = c.parts[0].ID
	return best
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
	r.leaving[j.ID] = true
	r.standings.Give(j)
}
