package lab

import (
	"slices"

	"strata/events"
)

// Matching finds a device for each part of a group, all different, and no more of one worker than that has
// room for. It is a flow from the parts over devices to their workers: a part that finds all it could have
// taken moves others, so parts are served wherever any choice serves them, and the time hangs on the number
// of parts by that of devices, not on how many choices there are.
//
// The same parts and devices give the same choice. The zero Matching is not usable; see [NewMatching].
type Matching struct {
	fits   [][]*Device
	room   func(*Device) (n int, limited bool)
	chosen []*Device
	holder map[events.DeviceName]int // part that has it
	used   map[events.WorkerName]int

	// What the last search has gone through. Of one that failed: the parts that compete, what they compete
	// for, and the workers that have no more room.
	seenPart   []bool
	seenDevice map[events.DeviceName]*Device
	seenWorker map[events.WorkerName]bool
}

// NewMatching returns a matching in which no part has a device yet. fits are the devices that each part
// could have, best first. room says how many more devices may be had of a device's worker, before any part
// has one; a device that is not limited counts for none.
func NewMatching(fits [][]*Device, room func(*Device) (n int, limited bool)) *Matching {
	return &Matching{fits: fits, room: room, chosen: make([]*Device, len(fits)),
		holder: map[events.DeviceName]int{}, used: map[events.WorkerName]int{}}
}

// All serves all parts, those with the fewest devices first, and returns the device of each; nil where no
// choice serves all of them.
func (m *Matching) All() []*Device {
	order := make([]int, len(m.fits))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(m.fits[a]) - len(m.fits[b]) })
	for _, part := range order {
		if !m.Serve(part) {
			return nil
		}
	}
	for i, part := range order {
		m.improve(part, order[:i])
	}
	return m.chosen
}

// improve gives a part the best of its devices that leaves one for each other part, while those before it
// keep theirs: who moved for others may come back, and the first choice goes to the first part.
func (m *Matching) improve(part int, before []int) {
	was := m.chosen[part]
	for _, d := range m.fits[part] {
		if d == was {
			return
		}
		m.begin()
		for _, p := range before {
			m.seenPart[p], m.seenDevice[m.chosen[p].Name] = true, m.chosen[p]
		}
		if m.seenDevice[d.Name] != nil {
			continue
		}
		m.seenPart[part] = true
		m.give(part, nil)
		if m.try(part, d) {
			return
		}
		m.give(part, was)
	}
}

// give sets a part's device without a search; nil takes it away.
func (m *Matching) give(part int, d *Device) {
	count := 1
	of := d
	if of == nil {
		of, count = m.chosen[part], -1
		delete(m.holder, of.Name)
	} else {
		m.holder[d.Name] = part
	}
	m.chosen[part] = d
	if _, limited := m.room(of); limited {
		m.used[of.Worker] += count
	}
}

// Serve finds a device for a part that has none, moving others where that helps; false where nothing does.
func (m *Matching) Serve(part int) bool {
	m.begin()
	return m.take(part)
}

// begin forgets the last search.
func (m *Matching) begin() {
	m.seenPart = make([]bool, len(m.fits))
	m.seenDevice, m.seenWorker = map[events.DeviceName]*Device{}, map[events.WorkerName]bool{}
}

// Served says that a part has a device.
func (m *Matching) Served(part int) bool { return m.chosen[part] != nil }

// Short says of the last search, which failed, whether a part was among those that compete.
func (m *Matching) Short(part int) bool { return m.seenPart[part] }

// Contested says of the last search, which failed, whether the parts compete for a device.
func (m *Matching) Contested(d *Device) bool { return m.seenDevice[d.Name] != nil }

// Full says of the last search, which failed, whether it was for want of room at a worker.
func (m *Matching) Full(w events.WorkerName) bool { return m.seenWorker[w] }

// take gives a part a device, its own being somebody else's now.
func (m *Matching) take(part int) bool {
	if m.seenPart[part] {
		return false
	}
	m.seenPart[part] = true
	for _, d := range m.fits[part] {
		if m.seenDevice[d.Name] == nil && m.try(part, d) {
			return true
		}
	}
	return false
}

// try gives a part that device, from whoever has it, or with room that is made at its worker.
func (m *Matching) try(part int, d *Device) bool {
	m.seenDevice[d.Name] = d
	of, held := m.holder[d.Name]
	if held && !m.take(of) || !held && !m.use(d) {
		return false
	}
	m.holder[d.Name], m.chosen[part] = part, d
	return true
}

// use makes room for a device at its worker; where that is full, by moving a part to another worker.
func (m *Matching) use(d *Device) bool {
	most, limited := m.room(d)
	if !limited {
		return true
	}
	if m.used[d.Worker] < most {
		m.used[d.Worker]++
		return true
	}
	if m.seenWorker[d.Worker] {
		return false
	}
	m.seenWorker[d.Worker] = true
	for part, has := range m.chosen {
		if has == nil || has.Worker != d.Worker || m.seenDevice[has.Name] != nil {
			continue
		}
		if _, counts := m.room(has); !counts {
			continue
		}
		m.seenDevice[has.Name] = has
		if m.take(part) {
			delete(m.holder, has.Name)
			return true
		}
	}
	return false
}
