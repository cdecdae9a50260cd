package lab

import (
	"container/heap"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"strata/events"
)

// forecast is what a job's start hangs on: the devices of the types that it, or its group, asks for, the
// jobs that wait for these, and those that will come.
type forecast struct {
	now      time.Time
	devices  []slot
	lanes    []want     // what jobs ask for
	waiting  [][]queued // by lane, in order
	own      []int      // lanes of the job, or of the parts of its group that wait
	key      float64    // where it stands
	raised   float64    // seconds after which it is raised by aging; infinite: never
	raisedTo float64    // where it stands then
	coming   []flow     // jobs to come, by type
	caps     []places   // that it is under
	group    bool
	basis    int
}

// slot is a device and when it may be free.
type slot struct {
	running []uint32 // how long jobs like the one on it took, in order; nil: it is free
	elapsed float64  // since that one got it
	limit   float64  // the longest that it may take in all
	tags    int
}

// want is what jobs ask for: the devices, as indexes, those with the fewest tags first.
type want struct {
	slots []int
	fits  []bool // by device
}

// queued is a job that waits.
type queued struct {
	key   float64 // its place; jobs that come stand between
	took  []uint32
	limit float64
}

// flow is the jobs to come for a type.
type flow struct {
	rhythm *rhythm
	most   float64 // an hour, at the most
	like   []comer // one of these, each time
	share  float64 // the part of them that matters
	took   []uint32
}

// comer is a job to come.
type comer struct {
	lane     int
	priority int
	key      float64 // behind all that stand so high
}

// left draws how long a job still takes that has run for a while: one of those that took longer, or
// where none did, a share of what it has taken.
func (d slot) left(r *rand.Rand) float64 {
	if d.running == nil {
		return 0
	}
	first, _ := slices.BinarySearch(d.running, uint32(d.elapsed))
	if longer := d.running[first:]; len(longer) > 0 {
		return max(0, float64(longer[r.IntN(len(longer))])-d.elapsed)
	}
	return min(max(d.limit-d.elapsed, 1), 1+r.Float64()*0.3*d.elapsed)
}

// draw says how long a job takes.
func draw(r *rand.Rand, took []uint32, limit float64) float64 {
	if len(took) == 0 {
		return min(limit, 600)
	}
	return float64(took[r.IntN(len(took))])
}

// busy is a heap of devices by the time at which they are free.
type busy []freeAt

type freeAt struct {
	at   float64
	slot int
}

func (b busy) Len() int           { return len(b) }
func (b busy) Less(i, j int) bool { return b[i].at < b[j].at }
func (b busy) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }
func (b *busy) Push(x any)        { *b = append(*b, x.(freeAt)) }
func (b *busy) Pop() any {
	last := len(*b) - 1
	x := (*b)[last]
	*b = (*b)[:last]
	return x
}

// course is one way in which the queue may go on.
type course struct {
	*forecast
	r     *rand.Rand
	t     float64
	busy  busy
	idle  []bool
	lanes [][]queued
	next  []float64 // when a job comes next, by flow
	key   float64
	mood  float64 // by how much more jobs come than usually
}

// limits of one course.
const (
	courseEvents = 20_000         // and four for each job that waits
	courseSpan   = 60 * 24 * 3600 // seconds
	unsure       = 0.1            // of how often jobs come: sigma, from one course to the next
)

// play lets the queue go on once and returns after how many seconds the job starts.
func (f *forecast) play(r *rand.Rand) float64 {
	c := &course{forecast: f, r: r, idle: make([]bool, len(f.devices)), key: f.key, mood: math.Exp(unsure * r.NormFloat64())}
	for i, d := range f.devices {
		c.busy = append(c.busy, freeAt{d.left(r), i})
	}
	heap.Init(&c.busy)
	for _, l := range f.waiting {
		c.lanes = append(c.lanes, slices.Clone(l))
	}
	for i := range f.coming {
		c.next = append(c.next, c.after(i, 0))
	}
	for range courseEvents + 4*f.ahead() {
		if c.step() {
			return c.t
		}
		if c.t > courseSpan {
			break
		}
	}
	return max(c.t, 1)
}

// after draws when the next job of a stream comes: by thinning, as its rate changes from hour to hour.
func (c *course) after(i int, t float64) float64 {
	s := &c.coming[i]
	most := s.most * s.share * c.mood / 3600
	if most <= 0 {
		return math.Inf(1)
	}
	for range 10_000 {
		t += c.r.ExpFloat64() / most
		if s.rhythm == nil {
			return t
		}
		rate, _ := s.rhythm.rate(hourOf(c.now.Add(time.Duration(t * float64(time.Second)))))
		if c.r.Float64()*s.most < rate {
			return t
		}
	}
	return math.Inf(1)
}

// step lets the next thing happen; true where the job has started.
func (c *course) step() bool {
	soonest := -1
	at := math.Inf(1)
	for i, t := range c.next {
		if t < at {
			soonest, at = i, t
		}
	}
	if len(c.busy) == 0 && soonest < 0 {
		c.t = courseSpan + 1
		return false
	}
	if c.key > c.raisedTo && at > c.raised && (len(c.busy) == 0 || c.busy[0].at > c.raised) {
		c.key = c.raisedTo
	}
	if len(c.busy) > 0 && c.busy[0].at <= at {
		d := heap.Pop(&c.busy).(freeAt)
		c.t = d.at
		c.idle[d.slot] = true
		return c.freed(d.slot)
	}
	c.t = at
	s := &c.coming[soonest]
	c.next[soonest] = c.after(soonest, at)
	k := s.like[c.r.IntN(len(s.like))]
	if c.key < k.key && !c.group {
		return false // it comes behind
	}
	e := queued{k.key, s.took, 3600}
	for _, i := range c.forecast.lanes[k.lane].slots {
		if c.idle[i] {
			c.take(i, e)
			return false
		}
	}
	l := c.lanes[k.lane]
	at2, _ := slices.BinarySearchFunc(l, e.key, func(o queued, key float64) int {
		if o.key <= key {
			return -1
		}
		return 1
	})
	c.lanes[k.lane] = slices.Insert(l, at2, e)
	return false
}

// take gives a device to a job.
func (c *course) take(slot int, e queued) {
	c.idle[slot] = false
	heap.Push(&c.busy, freeAt{c.t + draw(c.r, e.took, e.limit), slot})
}

// freed gives a device that became free to who stands first; true where that is the job.
func (c *course) freed(slot int) bool {
	best := -1
	for l := range c.lanes {
		if len(c.lanes[l]) > 0 && c.forecast.lanes[l].fits[slot] && (best < 0 || c.lanes[l][0].key < c.lanes[best][0].key) {
			best = l
		}
	}
	if (best < 0 || c.lanes[best][0].key > c.key) && c.starts() {
		return true
	}
	if best >= 0 {
		e := c.lanes[best][0]
		c.lanes[best] = c.lanes[best][1:]
		c.take(slot, e)
	}
	return false
}

// starts says that there is an idle device for the job, or one for each part of its group.
func (c *course) starts() bool {
	var used []int
	for _, l := range c.own {
		i := slices.IndexFunc(c.forecast.lanes[l].slots, func(i int) bool { return c.idle[i] && !slices.Contains(used, i) })
		if i < 0 {
			return false
		}
		used = append(used, c.forecast.lanes[l].slots[i])
	}
	return true
}

// forecast gathers what a job's start hangs on; nil where no device can take it.
func (v *view) forecast(j *Job) *forecast {
	g := &gatherer{v: v, f: &forecast{now: v.now, raised: math.Inf(1)}, lanes: map[shape]int{}, index: map[*Device]int{}, types: map[events.DeviceTypeName]bool{}}
	parts := []*Job{j}
	if j.Part != nil {
		g.f.group, parts = true, nil
		for _, p := range v.Group(j.Part.Group) {
			if p.State == Submitted && !p.Guest() {
				parts = append(parts, p)
			}
		}
	}
	for _, p := range parts {
		g.types[v.Resolve(p.DeviceType)] = true
	}
	for d := range v.Devices() {
		if g.types[d.Type] {
			g.device(d)
		}
	}
	for _, p := range parts {
		l := g.lane(p)
		if len(g.f.lanes[l].slots) == 0 {
			return nil
		}
		g.f.own = append(g.f.own, l)
		g.f.basis += len(v.durations.of(p.Name, v.Resolve(p.DeviceType)))
	}
	g.queue(j)
	g.comers(j)
	g.f.caps = g.caps(j, len(parts))
	return g.f
}

// gatherer makes a forecast.
type gatherer struct {
	v     *view
	f     *forecast
	lanes map[shape]int
	index map[*Device]int // of devices that can be had
	types map[events.DeviceTypeName]bool
	prios []int // of those that stand, in order
}

// device adds one that can be had, now or after what it does.
func (g *gatherer) device(d *Device) {
	v := g.v
	like := &Job{DeviceType: d.Type, PinDevice: d.Name, State: Submitted}
	s := slot{tags: len(d.Tags)}
	switch c := v.candidate(like, d); c.Obstacle {
	case "", Kept, WorkerFull, WrongType: // free, if not for every job
	case Busy:
		k := v.jobs[d.Job]
		if k == nil || k.Run == nil {
			return
		}
		s.running, s.elapsed, s.limit = slices.Sorted(slices.Values(v.durations.of(k.Name, d.Type))), v.now.Sub(k.Run.ScheduledAt).Seconds(), float64(k.JobTimeout)
		if s.running == nil {
			s.running = []uint32{}
		}
	case CheckPending:
		s.running = slices.Sorted(slices.Values(v.durations.of("", d.Type)))
	default:
		return
	}
	g.index[d] = len(g.f.devices)
	g.f.devices = append(g.f.devices, s)
}

// lane returns that of a job.
func (g *gatherer) lane(j *Job) int {
	sh := g.v.shapeOf(j)
	if l, known := g.lanes[sh]; known {
		return l
	}
	w := want{fits: make([]bool, len(g.f.devices))}
	rare := g.v.rareTags(g.v.Resolve(j.DeviceType))
	for d := range g.v.Devices() {
		i, had := g.index[d]
		if !had || !g.v.couldTake(j, d) {
			continue
		}
		if until, kept := g.v.KeptUntil(d, j.Tags, rare, g.v.now); kept && j.PinDevice == "" && (until.IsZero() || until.Sub(g.v.now) > time.Hour) {
			continue
		}
		w.slots, w.fits[i] = append(w.slots, i), true
	}
	slices.SortStableFunc(w.slots, func(a, b int) int { return g.f.devices[a].tags - g.f.devices[b].tags })
	g.lanes[sh] = len(g.f.lanes)
	g.f.lanes = append(g.f.lanes, w)
	g.f.waiting = append(g.f.waiting, nil)
	return g.lanes[sh]
}

// queue puts the jobs that wait into their lanes: those ahead, and for a group, which holds nothing
// while it waits, those behind as well. Other groups hold nothing either.
func (g *gatherer) queue(j *Job) {
	type ranked struct {
		job  *Job
		rank Rank
	}
	own := g.v.rank(j)
	var all []ranked
	for _, k := range g.v.jobs {
		if k.State != Submitted || k == j || k.Cancel != nil || k.Part != nil || !g.types[g.v.Resolve(k.DeviceType)] {
			continue
		}
		if rank := g.v.rank(k); g.f.group || rank.Before(own) {
			all = append(all, ranked{k, rank})
		}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		if a.rank.Before(b.rank) {
			return -1
		}
		return 1
	})
	g.f.key = float64(len(all))
	for i, k := range all {
		if g.f.key > float64(i) && !k.rank.Before(own) {
			g.f.key = float64(i) - 0.25
		}
		g.prios = append(g.prios, k.rank.Priority)
		if k.rank.Check {
			g.prios[i] = math.MaxInt
		}
		if l := g.lane(k.job); len(g.f.lanes[l].slots) > 0 {
			g.f.waiting[l] = append(g.f.waiting[l], queued{float64(i), g.v.durations.of(k.job.Name, g.v.Resolve(k.job.DeviceType)), float64(k.job.JobTimeout)})
		}
	}
	p := g.v.Policy()
	g.f.raisedTo = g.f.key
	if p.Aging != nil && j.Priority < p.Aging.Bound && !p.Aged(j.SubmittedAt, g.v.now) {
		g.f.raised = j.SubmittedAt.Add(time.Duration(p.Aging.Within) * time.Second / 2).Sub(g.v.now).Seconds()
		g.f.raisedTo = min(g.f.key, g.behind(p.Aging.Bound+1))
	}
}

// behind is the place behind all that stand with a priority or higher.
func (g *gatherer) behind(priority int) float64 {
	i := 0
	for i < len(g.prios) && g.prios[i] >= priority {
		i++
	}
	return float64(i) - 0.5
}

// comers says who will come: jobs like those that came lately, as often as they come at such hours.
func (g *gatherer) comers(j *Job) {
	m, own := &g.v.durations, g.v.rank(j)
	for _, typ := range sortedKeys(g.types) {
		came := m.arrivals[typ]
		s := flow{took: m.of("", typ)}
		g.f.basis += len(s.took)
		for _, a := range came {
			if !g.f.group && a.Priority <= own.Priority {
				continue
			}
			l := g.lane(&Job{DeviceType: typ, Tags: a.Tags})
			if len(g.f.lanes[l].slots) > 0 {
				s.like = append(s.like, comer{l, a.Priority, g.behind(a.Priority)})
			}
		}
		if len(came) < 2 || len(s.like) == 0 {
			continue
		}
		s.share = float64(len(s.like)) / float64(len(came))
		s.most = float64(len(came)) / max(1, g.v.now.Sub(came[0].At).Hours())
		if r := m.rhythms[typ]; r != nil {
			if _, known := r.rate(0); known {
				s.rhythm, s.most = r, 0
				for h := range int64(week) {
					rate, _ := r.rate(h)
					s.most = max(s.most, rate)
				}
			}
		}
		g.f.coming = append(g.f.coming, s)
	}
}

// ahead counts the jobs that wait.
func (f *forecast) ahead() (n int) {
	for _, l := range f.waiting {
		n += len(l)
	}
	return n
}

func sortedKeys(types map[events.DeviceTypeName]bool) []events.DeviceTypeName {
	return slices.Sorted(maps.Keys(types))
}
