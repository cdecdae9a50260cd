package lab

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"strata/events"
)

// What the lab remembers of how long jobs took, and how often they came, to say when a job that waits
// will start. All of it is bounded, and part of the checkpoint.
const (
	durationSamples = 32   // of a kind of job, the newest
	durationKinds   = 2000 // kinds of job; the one that was heard of longest ago goes
	arrivalSamples  = 128  // of a device type
)

// jobKind is what jobs have in common that take about as long: their name, and what they run on. The
// empty name stands for all jobs of a device type.
type jobKind struct {
	name string
	typ  events.DeviceTypeName
}

// samples are seconds, the oldest first.
type samples struct {
	seq     uint64 // of the last fact that added one
	seconds []uint32
}

func (d *samples) add(seq uint64, seconds uint32) {
	d.seq = seq
	if len(d.seconds) == durationSamples {
		copy(d.seconds, d.seconds[1:])
		d.seconds = d.seconds[:durationSamples-1]
	}
	d.seconds = append(d.seconds, seconds)
}

// arrival is a job's coming.
type arrival struct {
	At       time.Time        `json:"at"`
	Priority int              `json:"priority"`
	Tags     []events.TagName `json:"tags,omitempty"`
}

// durations is what was measured.
type durations struct {
	kinds    map[jobKind]*samples
	arrivals map[events.DeviceTypeName][]arrival // the oldest first
	rhythms  map[events.DeviceTypeName]*rhythm
}

func newDurations() durations {
	return durations{kinds: map[jobKind]*samples{}, arrivals: map[events.DeviceTypeName][]arrival{},
		rhythms: map[events.DeviceTypeName]*rhythm{}}
}

// ran notes how long a job held its device: from the moment that it was given to it. What comes
// between two jobs is part of what the next one waits for.
func (m *durations) ran(seq uint64, j *Job, typ events.DeviceTypeName, until time.Time) {
	held := until.Sub(j.Run.ScheduledAt)
	if held < 0 || held > 30*24*time.Hour {
		return
	}
	seconds := uint32(held.Round(time.Second) / time.Second)
	for _, k := range []jobKind{{j.Name, typ}, {"", typ}} {
		d := m.kinds[k]
		if d == nil {
			d = &samples{}
			m.kinds[k] = d
			m.shrink()
		}
		d.add(seq, seconds)
	}
}

// shrink forgets the kind that was heard of longest ago, where there are too many.
func (m *durations) shrink() {
	if len(m.kinds) <= durationKinds {
		return
	}
	var oldest jobKind
	seq := ^uint64(0)
	for k, d := range m.kinds {
		if k.name != "" && d.seq < seq && d.seq != 0 {
			oldest, seq = k, d.seq
		}
	}
	delete(m.kinds, oldest)
}

// came notes that a job was submitted.
func (m *durations) came(typ events.DeviceTypeName, at time.Time, priority int, tags []events.TagName) {
	if m.rhythms[typ] == nil {
		m.rhythms[typ] = &rhythm{}
	}
	m.rhythms[typ].came(at)
	all := m.arrivals[typ]
	if len(all) == arrivalSamples {
		copy(all, all[1:])
		all = all[:arrivalSamples-1]
	}
	m.arrivals[typ] = append(all, arrival{at, priority, tags})
}

// of returns how long jobs of a kind took, or those of the device type where too few are known.
func (m *durations) of(name string, typ events.DeviceTypeName) []uint32 {
	own := m.kinds[jobKind{name, typ}]
	if own != nil && len(own.seconds) >= 3 {
		return own.seconds
	}
	if all := m.kinds[jobKind{"", typ}]; all != nil {
		return all.seconds
	}
	return nil
}

// durationSnap is a kind in a checkpoint.
type durationSnap struct {
	Name    string                `json:"name,omitempty"`
	Type    events.DeviceTypeName `json:"type"`
	Seq     uint64                `json:"seq"`
	Seconds []uint32              `json:"seconds"`
}

type arrivalSnap struct {
	Type events.DeviceTypeName `json:"type"`
	Came []arrival             `json:"came"`
	// Of checkpoints before there were rhythms: none.
	Rhythm *rhythm `json:"rhythm,omitempty"`
}

func (m *durations) snap() (kinds []durationSnap, arrivals []arrivalSnap) {
	for k, d := range m.kinds {
		kinds = append(kinds, durationSnap{k.name, k.typ, d.seq, d.seconds})
	}
	slices.SortFunc(kinds, func(a, b durationSnap) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	for _, typ := range slices.Sorted(maps.Keys(m.arrivals)) {
		arrivals = append(arrivals, arrivalSnap{typ, m.arrivals[typ], m.rhythms[typ]})
	}
	return kinds, arrivals
}

func (m *durations) restore(kinds []durationSnap, arrivals []arrivalSnap) {
	for _, k := range kinds {
		m.kinds[jobKind{k.Name, k.Type}] = &samples{k.Seq, k.Seconds}
	}
	for _, a := range arrivals {
		m.arrivals[a.Type] = a.Came
		if a.Rhythm != nil {
			m.rhythms[a.Type] = a.Rhythm
		}
	}
}
