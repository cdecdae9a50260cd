package scheduling

import (
	"maps"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// state is the lab with the index of the queue over it. The index holds only what can be scheduled:
// jobs that wait, devices that are free.
type state struct {
	lab       *lab.State
	scheduler string // which instance this is
	queued    map[events.JobID]*entry
	deadlines *pile
	unwanted  map[events.JobID]bool // queued jobs that have to leave
	kinds     map[events.DeviceTypeName]*kind
	places    map[events.DeviceName]place
	onWorker  map[events.WorkerName]map[events.DeviceName]bool
	held      map[events.WorkerName]int // devices of the worker that hold a job
	touched   map[events.DeviceTypeName]bool
	keeps     map[events.DeviceTypeName]bool // types to look at again next time, though nothing touches them
	split     split                          // what the lanes of the queue tell apart
	clock     time.Time                      // up to when the turns of time have touched their types
}

// kind is a device type in the index.
type kind struct {
	name    events.DeviceTypeName
	shapes  map[string]*shape // those that jobs wait in
	free    map[events.DeviceName]*lab.Device
	devices map[events.DeviceName]bool
	groups  map[string]int // multinode groups with parts of this type in the queue, and how many
	rare    []events.TagName
	counted bool // rare is that of the devices as they are
}

// place is where a device was when it was indexed.
type place struct {
	typ     events.DeviceTypeName
	worker  events.WorkerName
	held    bool
	tags    []events.TagName
	retired bool
}

// newState returns the index over a lab; everything in it counts as just changed.
func newState(l *lab.State, scheduler string) *state {
	s := &state{
		lab: l, scheduler: scheduler,
		queued:    make(map[events.JobID]*entry, l.JobCount()),
		deadlines: byDeadline(),
		unwanted:  map[events.JobID]bool{},
		kinds:     map[events.DeviceTypeName]*kind{},
		places:    map[events.DeviceName]place{},
		onWorker:  map[events.WorkerName]map[events.DeviceName]bool{},
		held:      map[events.WorkerName]int{},
		touched:   map[events.DeviceTypeName]bool{},
		keeps:     map[events.DeviceTypeName]bool{},
		split:     splitOf(l),
	}
	for d := range l.Devices() {
		s.indexDevice(d)
	}
	for j := range l.Jobs() {
		s.indexJob(j, "")
	}
	return s
}

// evolve folds a fact that the log brought.
func (s *state) evolve(r stream.Recorded) {
	s.index(r, s.lab.Evolve)
}

// anticipate folds a fact that this scheduler has just recorded, ahead of the log: the next
// decision must not give the device again.
func (s *state) anticipate(r stream.Recorded) {
	s.index(r, s.lab.Anticipate)
}

// index folds a fact by one of the two ways and renews the index where the fact changed something.
func (s *state) index(r stream.Recorded, fold func(uint64, time.Time, events.Event) lab.Changes) {
	var aliases []string
	about := r.Event.About()
	ended := s.lab.Reservation(reservationOf(r.Event))
	if about.Kind == events.DeviceType {
		aliases = s.aliases(events.DeviceTypeName(about.ID))
	}
	c := fold(r.Seq, r.Time, r.Event)
	if c.Job != nil {
		s.indexJob(c.Job, r.Trace)
	}
	for _, d := range c.Devices {
		s.indexDevice(d)
	}
	if s.lab.Policy().Caps != nil && isEnd(r.Event) {
		s.touchCapped()
	}
	switch about.Kind {
	case events.Policy:
		s.newPolicy()
	case events.Reservation:
		s.touchReserved(ended)
		s.touchReserved(s.lab.Reservation(reservationOf(r.Event)))
		s.resplit(splitOf(s.lab))
	case events.Worker:
		for d := range s.onWorker[events.WorkerName(about.ID)] {
			s.indexDevice(s.lab.Device(d))
		}
	case events.DeviceType:
		typ := events.DeviceTypeName(about.ID)
		for d := range s.kind(typ).devices {
			s.indexDevice(s.lab.Device(d))
		}
		if !slices.Equal(aliases, s.aliases(typ)) {
			s.resolveAgain()
		}
	}
}

func (s *state) aliases(typ events.DeviceTypeName) []string {
	if t := s.lab.DeviceType(typ); t != nil {
		return t.Aliases
	}
	return nil
}

// resolveAgain moves the jobs whose alias means another type now. It goes through the whole queue:
// aliases change a few times in a lab's life.
func (s *state) resolveAgain() {
	for _, id := range slices.Sorted(maps.Keys(s.queued)) {
		if e := s.queued[id]; e.typ != s.lab.Resolve(e.job.DeviceType) {
			s.drop(e)
			s.indexJob(e.job, e.trace)
		}
	}
}

func (s *state) kind(typ events.DeviceTypeName) *kind {
	k := s.kinds[typ]
	if k == nil {
		k = &kind{name: typ, shapes: map[string]*shape{}, free: map[events.DeviceName]*lab.Device{},
			devices: map[events.DeviceName]bool{}, groups: map[string]int{}}
		s.kinds[typ] = k
	}
	return k
}

// indexJob puts a job in the queue, moves it there, or takes it out.
func (s *state) indexJob(j *lab.Job, trace string) {
	e := s.queued[j.ID]
	switch {
	case j.State != lab.Submitted:
		if e != nil {
			s.drop(e)
		}
	case e == nil:
		s.enqueue(j, trace)
	case e.priority != j.Priority:
		s.drop(e)
		s.enqueue(j, e.trace)
	}
	if j.State == lab.Submitted && (j.Cancel != nil || orphan(s.lab, j) != "") {
		s.unwanted[j.ID] = true
	}
	if j.Part != nil {
		s.indexGroup(j)
	}
}

// orphan says why a health check has nothing to check any more, "" where it has.
func orphan(l *lab.State, j *lab.Job) string {
	if !j.HealthCheck {
		return ""
	}
	switch d := l.Device(j.PinDevice); {
	case d == nil:
		return "its device is no longer in the lab"
	case d.Health == events.Retired:
		return "its device is Retired"
	}
	return ""
}

// indexChecks makes the queued health checks of a device leave where there is nothing to check any
// more, and stay where there is again.
func (s *state) indexChecks(d *lab.Device) {
	sh := s.kind(d.Type).shapes[shapeKey(&lab.Job{HealthCheck: true, PinDevice: d.Name})]
	if sh == nil {
		return
	}
	for _, ln := range sh.lanes {
		for _, e := range ln.ranked.entries {
			if e.job.Cancel != nil || orphan(s.lab, e.job) != "" {
				s.unwanted[e.job.ID] = true
			} else {
				delete(s.unwanted, e.job.ID)
			}
		}
	}
}

// indexGroup makes the queued parts of a group leave once one of its parts is over or to be
// canceled: the group can never run.
func (s *state) indexGroup(j *lab.Job) {
	parts := s.lab.Group(j.Part.Group)
	if ender(parts) == nil {
		return
	}
	for _, p := range parts {
		if p.State == lab.Submitted {
			s.unwanted[p.ID] = true
		}
	}
}

// ender returns the part of a group that ends the others, nil where there is none.
func ender(parts []*lab.Job) *lab.Job {
	for _, p := range parts {
		if p.State == lab.Finished || p.Cancel != nil {
			return p
		}
	}
	return nil
}

func (s *state) enqueue(j *lab.Job, trace string) {
	e := &entry{job: j, typ: s.lab.Resolve(j.DeviceType), priority: j.Priority,
		deadline: j.QueueDeadline(), trace: trace}
	s.queued[j.ID] = e
	if !e.deadline.IsZero() {
		s.deadlines.add(e)
	}
	k := s.kind(e.typ)
	s.touched[e.typ] = true
	if j.Part != nil {
		k.groups[j.Part.Group]++
		return
	}
	s.lane(k, j).add(e, s.lab.Policy())
}

// drop takes a job out of the queue.
func (s *state) drop(e *entry) {
	delete(s.queued, e.job.ID)
	delete(s.unwanted, e.job.ID)
	if !e.deadline.IsZero() {
		s.deadlines.remove(e)
	}
	k := s.kind(e.typ)
	if e.lane == nil {
		if k.groups[e.job.Part.Group]--; k.groups[e.job.Part.Group] == 0 {
			delete(k.groups, e.job.Part.Group)
		}
		return
	}
	k.remove(e)
}

// indexDevice says anew where a device is, whether it holds a job and whether it is free.
func (s *state) indexDevice(d *lab.Device) {
	gone := s.lab.Device(d.Name) != d
	s.indexChecks(d)
	was, known := s.places[d.Name]
	if known {
		s.unplace(d, was)
	}
	if gone {
		s.recount(was.typ)
		delete(s.places, d.Name)
		return
	}
	is := place{d.Type, d.Worker, d.State != lab.DeviceIdle, d.Tags, d.Health == events.Retired}
	if !known || was.typ != is.typ || was.retired != is.retired || !slices.Equal(was.tags, is.tags) {
		s.recount(was.typ)
		s.recount(is.typ)
	}
	s.places[d.Name] = is
	k := s.kind(d.Type)
	k.devices[d.Name] = true
	if s.onWorker[d.Worker] == nil {
		s.onWorker[d.Worker] = map[events.DeviceName]bool{}
	}
	s.onWorker[d.Worker][d.Name] = true
	if is.held {
		s.held[d.Worker]++
	}
	if was.held && (!is.held || was.worker != is.worker) {
		s.touchWorker(was.worker)
	}
	w := s.lab.Worker(d.Worker)
	if !w.Usable() {
		return
	}
	// Whether it takes users' jobs too hangs on the time; what takes neither is not free.
	if _, checks := lab.Takes(d, s.lab.DeviceType(d.Type), d.IdleSince); checks {
		k.free[d.Name] = d
		s.touched[d.Type] = true
	}
}

// unplace takes a device out of the index.
func (s *state) unplace(d *lab.Device, was place) {
	k := s.kind(was.typ)
	delete(k.free, d.Name)
	delete(k.devices, d.Name)
	delete(s.onWorker[was.worker], d.Name)
	if was.held {
		s.held[was.worker]--
	}
}

// touchWorker marks the types that may use a place that became free under a worker's limit.
func (s *state) touchWorker(name events.WorkerName) {
	if w := s.lab.Worker(name); w == nil || w.JobLimit == 0 {
		return
	}
	for d := range s.onWorker[name] {
		s.touched[s.places[d].typ] = true
	}
}

// keep notes that a round has kept a device back for a group, and with it a place under its worker's
// limit. What ends that may be a fact about devices of other types, so these are looked at again next time.
func (s *state) keep(d *lab.Device) {
	s.keeps[d.Type] = true
	if w := s.lab.Worker(d.Worker); w != nil && w.JobLimit > 0 {
		for other := range s.onWorker[d.Worker] {
			s.keeps[s.places[other].typ] = true
		}
	}
}

// settle says that everything that was possible has been decided.
func (s *state) settle() {
	clear(s.touched)
	s.touched, s.keeps = s.keeps, s.touched
}
