package lab

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"strata/events"
)

// Estimate is when a job that waits is likely to start, from how long jobs like those before it took.
type Estimate struct {
	Known    bool      `json:"known"`             // false: no device can take it as things stand, or nothing was measured
	Earliest time.Time `json:"earliest,omitzero"` // nine of ten starts lie between
	Likely   time.Time `json:"likely,omitzero"`   // as many before as after
	Latest   time.Time `json:"latest,omitzero"`
	Basis    int       `json:"basis"` // measured durations that it rests on
}

// How far an estimate goes.
const (
	estimateRuns  = 120
	estimateJobs  = 60_000 // jobs placed in all runs together: bounds the time to some ten milliseconds
	estimateLeast = 9      // runs, however long the queue
)

// Estimate says when a queued job is likely to start. It plays the queue forward many times: jobs that
// run end after what such jobs took, those ahead take devices in their order, and more urgent ones
// come as often as they lately did. The same lab at the same time gives the same answer.
func (s *State) Estimate(id events.JobID, now time.Time) Estimate {
	j := s.jobs[id]
	if j == nil || j.State != Submitted {
		return Estimate{}
	}
	f := s.view(now).forecast(j)
	if f == nil {
		return Estimate{}
	}
	runs := max(estimateLeast, min(estimateRuns, estimateJobs/(1+len(f.ahead))))
	r := rand.New(rand.NewPCG(uint64(id), uint64(now.Unix())))
	var starts []float64
	for range runs {
		starts = append(starts, f.play(r))
	}
	slices.Sort(starts)
	at := func(share float64) time.Time {
		return now.Add(time.Duration(starts[int(share*float64(len(starts)-1)+0.5)] * float64(time.Second)))
	}
	return Estimate{Known: true, Earliest: at(0.03), Likely: at(0.5), Latest: at(0.97), Basis: f.basis}
}

// forecast is what a job's start hangs on.
type forecast struct {
	devices []slot // that the job, or one ahead of it, can take
	ahead   []want // in order
	own     want
	rate    float64  // more urgent jobs a second, for the job's devices
	urgent  []uint32 // how long such jobs take
	basis   int
}

// slot is a device and when it may be free.
type slot struct {
	running []uint32 // how long jobs like the one on it took; nil: it is free
	elapsed float64  // since that one got it
	limit   float64  // the longest that it may take in all
}

// want is a job and the devices that it could take, as indexes.
type want struct {
	slots []int
	took  []uint32
	limit float64
}

// draw says how long a job takes.
func draw(r *rand.Rand, took []uint32, limit float64) float64 {
	if len(took) == 0 {
		return min(limit, 600)
	}
	return float64(took[r.IntN(len(took))])
}

// left draws how long a job still takes that has run for a while: one of those that took longer, or
// where none did, a share of what it has taken.
func (d slot) left(r *rand.Rand) float64 {
	if d.running == nil {
		return 0
	}
	first, _ := slices.BinarySearch(d.running, uint32(d.elapsed))
	if longer := d.running[first:]; len(longer) > 0 {
		return float64(longer[r.IntN(len(longer))]) - d.elapsed
	}
	return min(max(d.limit-d.elapsed, 1), 1+r.Float64()*0.3*d.elapsed)
}

// forecast gathers what a job's start hangs on; nil where no device can take it.
func (v *view) forecast(j *Job) *forecast {
	f := &forecast{}
	index := map[*Device]int{}
	slotOf := func(d *Device) (int, bool) {
		if i, known := index[d]; known {
			return i, i >= 0
		}
		index[d] = -1
		d0 := slot{}
		switch c := v.candidate(j, d); c.Obstacle {
		case "", MissingTags, WrongWorker, WrongType, Avoided, Kept, WorkerFull: // free, if not for this job
		case Busy:
			k := v.jobs[d.Job]
			if k == nil || k.Run == nil {
				return 0, false
			}
			d0 = slot{slices.Sorted(slices.Values(v.durations.of(k.Name, d.Type))), v.now.Sub(k.Run.ScheduledAt).Seconds(), float64(k.JobTimeout)}
			if d0.running == nil {
				d0.running = []uint32{}
			}
		case CheckPending:
			d0 = slot{running: slices.Sorted(slices.Values(v.durations.of("", d.Type)))}
		default:
			return 0, false
		}
		index[d] = len(f.devices)
		f.devices = append(f.devices, d0)
		return index[d], true
	}
	wantOf := func(k *Job) want {
		w := want{took: v.durations.of(k.Name, v.Resolve(k.DeviceType)), limit: float64(k.JobTimeout)}
		for d := range v.Devices() {
			if !v.couldTake(k, d) {
				continue
			}
			if i, usable := slotOf(d); usable {
				w.slots = append(w.slots, i)
			}
		}
		return w
	}
	f.own = wantOf(j)
	if len(f.own.slots) == 0 {
		return nil
	}
	shapes := map[shape][]int{}
	for _, k := range v.ahead(j) {
		sh := v.shapeOf(k)
		slots, known := shapes[sh]
		w := want{slots: slots, took: v.durations.of(k.Name, v.Resolve(k.DeviceType)), limit: float64(k.JobTimeout)}
		if !known {
			w = wantOf(k)
			shapes[sh] = w.slots
		}
		if len(w.slots) > 0 {
			f.ahead = append(f.ahead, w)
		}
	}
	typ := v.Resolve(j.DeviceType)
	f.urgent = v.durations.of("", typ)
	f.basis = len(f.own.took) + len(f.urgent)
	f.rate = v.durations.rate(typ, j.Priority, v.now)
	return f
}

// rate is how many jobs a second came lately for a device type that stand before one of a priority,
// though they come after it.
func (m *durations) rate(typ events.DeviceTypeName, priority int, now time.Time) float64 {
	all := m.arrivals[typ]
	if len(all) < 2 {
		return 0
	}
	n := 0
	for _, a := range all {
		if a.Priority > priority {
			n++
		}
	}
	return float64(n) / max(1, now.Sub(all[0].At).Seconds())
}

// play plays the queue forward once and returns after how many seconds the job starts.
func (f *forecast) play(r *rand.Rand) float64 {
	free := make([]float64, len(f.devices))
	for i, d := range f.devices {
		free[i] = d.left(r)
	}
	for _, w := range f.ahead {
		i := soonest(free, w.slots)
		free[i] += draw(r, w.took, w.limit)
	}
	comes := math.Inf(1)
	if f.rate > 0 {
		comes = r.ExpFloat64() / f.rate
	}
	for range 10_000 { // who always comes last waits long enough by then
		i := soonest(free, f.own.slots)
		if comes > free[i] {
			return free[i]
		}
		free[i] = max(free[i], comes) + draw(r, f.urgent, 3600)
		comes += r.ExpFloat64() / f.rate
	}
	return free[soonest(free, f.own.slots)]
}

// soonest returns the slot that is free first.
func soonest(free []float64, slots []int) int {
	best := slots[0]
	for _, i := range slots[1:] {
		if free[i] < free[best] {
			best = i
		}
	}
	return best
}
