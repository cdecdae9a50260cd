package scheduling

import (
	"fmt"
	"maps"
	"slices"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// contendGroup enters a group whose parts have all been submitted. It stands at the rank of its
// best part, under the number of its first.
func (r *round) contendGroup(id string) *contender {
	parts := r.s.lab.Group(id)
	if len(parts) == 0 || len(parts) < parts[0].Part.Size {
		return nil
	}
	waits, some, all := false, false, true
	for _, p := range parts {
		if r.leaving[p.ID] || r.s.unwanted[p.ID] {
			return nil
		}
		if p.State != lab.Submitted {
			continue
		}
		waits = true
		if !p.Guest() {
			free := len(r.s.kind(r.s.queued[p.ID].typ).free) > 0
			some, all = some || free, all && free
		}
	}
	// One that cannot start now matters only where it keeps devices back.
	tooLarge := 2*len(parts) > stream.MaxBatch-1
	if !waits || !all && !tooLarge && !(some && r.aged(parts)) {
		return nil
	}
	c := &contender{parts: parts}
	c.rank = r.rank(c)
	return c
}

// aged says that a group has waited for so long that devices are kept back for it.
func (r *round) aged(parts []*lab.Job) bool {
	return r.s.lab.Policy().Aged(parts[0].SubmittedAt, r.now)
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
	if _, capped := r.standings.Capped(c.parts[0], len(waiting)); capped {
		return true
	}
	devices := r.assign(waiting)
	if devices == nil && len(waiting) > 0 {
		if r.aged(c.parts) {
			r.keepBack(waiting)
		}
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
		r.leaving[g.ID] = true
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
// where there is none.
func (r *round) assign(parts []*lab.Job) []*lab.Device {
	candidates := make([][]*lab.Device, len(parts))
	for i, p := range parts {
		candidates[i] = r.candidates(p)
	}
	return r.match(candidates)
}

// candidates are the free devices that a part may have, best first.
func (r *round) candidates(p *lab.Job) (all []*lab.Device) {
	k := r.s.kind(r.s.queued[p.ID].typ)
	sh := &shape{device: p.PinDevice, worker: p.PinWorker, tags: p.Tags}
	for _, d := range k.free {
		if (sh.device == "" || sh.device == d.Name) && r.suits(d, sh) && r.open(d) && r.permits(d, p) {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, byChoice(r.s.rareTags(k.name)))
	return all
}

// keepBack keeps free devices from the jobs that stand behind a group in this round: it has waited
// for long, and would never find as many devices free at once as it needs. Groups do so in the order
// of their ranks and hold nothing from one round to the next, so none waits for another in a circle.
// One that its lab cannot serve even with all devices free keeps nothing.
func (r *round) keepBack(parts []*lab.Job) {
	candidates := make([][]*lab.Device, len(parts))
	for i, p := range parts {
		candidates[i] = append(r.candidates(p), r.hopes(p)...)
	}
	for _, d := range r.match(candidates) {
		if d.State == lab.DeviceIdle {
			r.taken[d.Name] = true
			r.extra[d.Worker]++
			r.s.keep(d)
		}
	}
}

// hopes are the devices that hold a job now and may be a part's after it, in order of their names.
func (r *round) hopes(p *lab.Job) (all []*lab.Device) {
	k := r.s.kind(r.s.queued[p.ID].typ)
	for _, name := range slices.Sorted(maps.Keys(k.devices)) {
		d := r.s.lab.Device(name)
		if d.State == lab.DeviceIdle || r.taken[name] || (d.Health != events.Good && d.Health != events.Unknown) || !r.s.lab.Worker(d.Worker).Usable() ||
			(p.PinDevice != "" && p.PinDevice != name) || (p.PinWorker != "" && p.PinWorker != d.Worker) || !d.HasTags(p.Tags) {
			continue
		}
		all = append(all, d)
	}
	return all
}

// match finds a device for each part among its candidates, all different and within the limits of their
// workers; nil where no choice serves all.
func (r *round) match(candidates [][]*lab.Device) []*lab.Device {
	return lab.NewMatching(candidates, func(d *lab.Device) (int, bool) {
		w := r.s.lab.Worker(d.Worker)
		if w.JobLimit <= 0 || d.State != lab.DeviceIdle {
			return 0, false // one that is in use has its place already
		}
		return w.JobLimit - r.s.held[d.Worker] - r.extra[d.Worker], true
	}).All()
}
