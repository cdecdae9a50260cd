package lab

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"strata/events"
)

// places is what a cap leaves to those under it: a job starts when so many of their jobs are over that
// it keeps within the cap, whatever devices are free before.
type places struct {
	most    int
	holding []slot   // what has a device now
	ahead   []queued // what stands before the job
	need    int      // devices of the job, or of the parts of its group that wait
}

// caps returns the places of the caps that a job is under: of its user, of the user's group, or none.
func (g *gatherer) caps(j *Job, need int) (all []places) {
	p := g.v.Policy()
	if p.Caps == nil || j.HealthCheck {
		return nil
	}
	add := func(most int, counts func(events.UserName) bool) {
		if most > 0 {
			all = append(all, g.places(j, places{most: most, need: need}, counts))
		}
	}
	add(p.cap(j.User), func(u events.UserName) bool { return u == j.User })
	if group := p.Group(j.User); group != "" {
		add(p.groupCap(group), func(u events.UserName) bool { return p.Group(u) == group })
	}
	return all
}

// places fills in the jobs of the users that count, those ahead in their order.
func (g *gatherer) places(j *Job, p places, counts func(events.UserName) bool) places {
	own := g.v.rank(j)
	var holding, ahead []*Job
	for _, k := range g.v.jobs {
		switch {
		case k == j || k.HealthCheck || k.Guest() || !counts(k.User):
		case k.State == Submitted && k.Cancel == nil && (j.Part == nil || k.Part == nil || k.Part.Group != j.Part.Group) && g.v.rank(k).Before(own):
			ahead = append(ahead, k)
		case k.State != Submitted && k.State != Finished && k.Run != nil:
			holding = append(holding, k)
		}
	}
	byID := func(a, b *Job) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(holding, byID)
	slices.SortFunc(ahead, byID)
	took := func(k *Job) []uint32 { return g.v.durations.of(k.Name, g.v.Resolve(k.DeviceType)) }
	for _, k := range holding {
		s := slot{running: slices.Sorted(slices.Values(took(k))), elapsed: g.v.now.Sub(k.Run.ScheduledAt).Seconds(), limit: float64(k.JobTimeout)}
		if s.running == nil {
			s.running = []uint32{} // it has its device all the same
		}
		p.holding = append(p.holding, s)
	}
	for _, k := range ahead {
		p.ahead = append(p.ahead, queued{took: took(k), limit: float64(k.JobTimeout)})
	}
	return p
}

// opens draws after how many seconds the cap lets the job start.
func (p places) opens(r *rand.Rand) float64 {
	var ends []float64 // of those that hold places, in order
	hold := func(until float64) {
		i, _ := slices.BinarySearch(ends, until)
		ends = slices.Insert(ends, i, until)
	}
	for _, s := range p.holding {
		hold(s.left(r))
	}
	at := 0.0
	wait := func(need int) {
		for len(ends) > 0 && len(ends)+need > p.most {
			at = max(at, ends[0])
			ends = ends[1:]
		}
	}
	for _, k := range p.ahead {
		wait(1)
		hold(at + draw(r, k.took, k.limit))
	}
	wait(p.need)
	return at
}
