package scheduling

import (
	"fmt"
	"slices"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// maxTries bounds the search for an assignment of a group's parts to devices. A group of ten with
// a few candidates each needs some dozens; one that needs more waits for an easier moment.
const maxTries = 10_000

// contendGroup enters a group whose parts have all been submitted. It stands at the rank of its
// best part, under the number of its first.
func (r *round) contendGroup(id string) *contender {
	parts := r.s.lab.Group(id)
	if len(parts) == 0 || len(parts) < parts[0].Part.Size {
		return nil
	}
	c := &contender{parts: parts, id: parts[0].ID}
	waits := false
	for _, p := range parts {
		if r.leaving[p.ID] || r.s.unwanted[p.ID] {
			return nil
		}
		waits = waits || p.State == lab.Submitted
		c.priority = max(c.priority, p.Priority)
	}
	if !waits {
		return nil
	}
	return c
}

// placeGroup schedules all waiting parts of a group or none; false where the batch has no room
// left for it. After JobReturned only the returned part waits, and is scheduled beside the others.
func (r *round) placeGroup(c *contender) (fits bool) {
	var waiting, guests []*lab.Job
	for _, p := range c.parts {
		switch {
		case p.State != lab.Submitted:
		case p.Guest():
			guests = append(guests, p)
		default:
			waiting = append(waiting, p)
		}
	}
	need := 2*len(waiting) + len(guests)
	if need > stream.MaxBatch-1 {
		why := fmt.Sprintf("its group has %d parts: at most %d can be scheduled at once", len(c.parts), (stream.MaxBatch-1)/2)
		for _, p := range slices.Concat(waiting, guests) {
			r.leave(r.s.queued[p.ID], why)
		}
		return !r.more
	}
	devices := r.assign(waiting)
	if devices == nil && len(waiting) > 0 {
		return true
	}
	runs := map[events.JobID]*lab.Run{} // of the parts that have a device, now or before
	for _, p := range c.parts {
		runs[p.ID] = p.Run
	}
	for i, p := range waiting {
		runs[p.ID] = &lab.Run{Worker: devices[i].Worker, Lease: events.Lease(r.s.lab.Through())}
	}
	hosts := make([]*lab.Run, len(guests))
	for i, g := range guests {
		if hosts[i] = host(g, c.parts, runs); hosts[i] == nil {
			return true
		}
	}
	if need > r.room {
		return false
	}
	for i, p := range waiting {
		r.give(p, devices[i])
	}
	for i, g := range guests {
		r.facts = append(r.facts, events.JobScheduled{Job: g.ID, Worker: hosts[i].Worker, Lease: hosts[i].Lease})
		r.room--
		r.scheduled++
	}
	return true
}

// host returns the run that a guest joins: that of the first part with its host role, or of the
// first with a device where the guest names none.
func host(g *lab.Job, parts []*lab.Job, runs map[events.JobID]*lab.Run) *lab.Run {
	for _, p := range parts {
		if !p.Guest() && runs[p.ID] != nil && (g.Part.HostRole == "" || p.Part.Role == g.Part.HostRole) {
			return runs[p.ID]
		}
	}
	return nil
}

// assign finds a device for each part, all different and within the limits of their workers; nil
// where there is none, or where the search takes too long. Parts with the fewest candidates choose
// first.
func (r *round) assign(parts []*lab.Job) []*lab.Device {
	candidates := make([][]*lab.Device, len(parts))
	order := make([]int, len(parts))
	for i, p := range parts {
		order[i] = i
		k := r.s.kind(r.s.queued[p.ID].typ)
		sh := &shape{device: p.PinDevice, worker: p.PinWorker, tags: p.Tags}
		for _, d := range k.free {
			if (sh.device == "" || sh.device == d.Name) && r.suits(d, sh) && r.open(d) {
				candidates[i] = append(candidates[i], d)
			}
		}
		slices.SortFunc(candidates[i], byChoice)
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(candidates[a]) - len(candidates[b]) })
	chosen := make([]*lab.Device, len(parts))
	tries := 0
	if !r.choose(order, candidates, chosen, &tries) {
		chosen = nil
	}
	for _, d := range chosen { // the search left its marks; give sets them again
		delete(r.taken, d.Name)
		r.extra[d.Worker]--
	}
	return chosen
}

// choose fills chosen for the parts in order, by trying; what it marks as taken stays marked where
// it succeeds.
func (r *round) choose(order []int, candidates [][]*lab.Device, chosen []*lab.Device, tries *int) bool {
	if len(order) == 0 {
		return true
	}
	for _, d := range candidates[order[0]] {
		if *tries++; *tries > maxTries {
			return false
		}
		if !r.open(d) {
			continue
		}
		r.taken[d.Name] = true
		r.extra[d.Worker]++
		chosen[order[0]] = d
		if r.choose(order[1:], candidates, chosen, tries) {
			return true
		}
		delete(r.taken, d.Name)
		r.extra[d.Worker]--
	}
	return false
}
