package lab

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"strata/events"
)

// State is the lab after the facts that it was given. The zero State is not usable; see [New].
type State struct {
	through   uint64 // sequence of the last fact that was followed
	rounds    uint64 // of the last RoundDecided
	jobs      map[events.JobID]*Job
	groups    map[string]*group
	past      past
	devices   map[events.DeviceName]*Device
	types     map[events.DeviceTypeName]*DeviceType
	aliases   map[string]events.DeviceTypeName
	workers   map[events.WorkerName]*Worker
	tags      map[events.TagName]*Tag
	gone      map[events.Entity]uint64             // last fact of what was removed, or never was there
	checks    map[events.JobID][]events.DeviceName // devices that wait for this health check
	durations durations
	names     map[string]string // one copy of each name that many jobs repeat
	rules     rules
	queries   map[events.QueryID]*Query
	charts    map[events.ChartID]*Chart
	issues    issues
	notices   map[noticeKey]*Notice
	people    people
}

// New returns the lab before its first fact.
func New() *State {
	return &State{
		jobs:      map[events.JobID]*Job{},
		groups:    map[string]*group{},
		past:      newPast(),
		devices:   map[events.DeviceName]*Device{},
		types:     map[events.DeviceTypeName]*DeviceType{},
		aliases:   map[string]events.DeviceTypeName{},
		workers:   map[events.WorkerName]*Worker{},
		tags:      map[events.TagName]*Tag{},
		gone:      map[events.Entity]uint64{},
		checks:    map[events.JobID][]events.DeviceName{},
		durations: newDurations(),
		names:     map[string]string{},
		rules:     newRules(),
		queries:   map[events.QueryID]*Query{},
		charts:    map[events.ChartID]*Chart{},
		notices:   map[noticeKey]*Notice{},
		people:    newPeople(),
	}
}

// Changes names what a fact changed, so that an index on top looks at nothing else. A fact about a
// worker, device type or tag is named by itself; what follows from it for devices is not listed,
// but for tags.
type Changes struct {
	Job     *Job      // as it is now; it may just have left the state. nil: no job changed
	Devices []*Device // as they are now; one that was removed is no longer in the state
}

// Evolve folds the fact at sequence seq of LAB, written at the given time. Facts come in order of
// their sequence; one that was folded before changes nothing.
func (s *State) Evolve(seq uint64, at time.Time, e events.Event) Changes {
	c := s.Anticipate(seq, at, e)
	s.through = max(s.through, seq)
	return c
}

// Anticipate folds a fact that the caller has just appended itself, before the log brings it: facts
// of others may stand between it and the last one that was read, so [State.Through] stays.
func (s *State) Anticipate(seq uint64, at time.Time, e events.Event) Changes {
	if id, ok := jobOf(e); ok {
		return s.evolveJob(id, seq, at, e)
	}
	about := e.About()
	if about.Kind == events.Result || seq <= s.Seq(about) {
		return Changes{}
	}
	switch about.Kind {
	case events.Device:
		return s.evolveDevice(events.DeviceName(about.ID), seq, at, e)
	case events.Worker:
		s.evolveWorker(events.WorkerName(about.ID), seq, at, e)
	case events.DeviceType:
		s.evolveType(events.DeviceTypeName(about.ID), seq, e)
	case events.Tag:
		return s.evolveTag(events.TagName(about.ID), seq, e)
	case events.Scheduling:
		s.rounds = seq
	case events.Policy:
		s.evolvePolicy(seq, at, e)
	case events.Reservation:
		s.evolveReservation(seq, at, e)
	case events.Query:
		s.evolveQuery(seq, at, e)
	case events.Chart:
		s.evolveChart(seq, at, e)
	case events.KnownIssues:
		s.evolveIssues(seq, e)
	case events.Notification:
		s.evolveNotice(at, e)
	case events.User:
		s.evolveUser(events.UserName(about.ID), seq, at, e)
	case events.Group:
		s.evolveGroup(events.GroupName(about.ID), seq, e)
	case events.Lab:
		s.gone[about] = seq // the lab has no other place for it
		if opened, ok := e.(events.LabOpened); ok {
			s.people.open = opened.Open
		}
	}
	return Changes{}
}

// Through is the sequence of LAB up to which the state has read: a lease for what is decided now.
func (s *State) Through() uint64 { return s.through }

// Seq returns the sequence of the last fact about an entity, 0 where none was seen: what the next
// append expects. It is 0 too for a job that is past for so long that no [Past] is left.
func (s *State) Seq(about events.Entity) uint64 {
	switch about.Kind {
	case events.Job:
		id, err := jobNumber(about.ID)
		if err != nil {
			return 0
		}
		return s.jobSeq(id)
	case events.Device:
		if d := s.devices[events.DeviceName(about.ID)]; d != nil {
			return d.Seq
		}
	case events.DeviceType:
		if t := s.types[events.DeviceTypeName(about.ID)]; t != nil {
			return t.Seq
		}
	case events.Worker:
		if w := s.workers[events.WorkerName(about.ID)]; w != nil {
			return w.Seq
		}
	case events.Tag:
		if t := s.tags[events.TagName(about.ID)]; t != nil {
			return t.Seq
		}
	case events.Scheduling:
		return s.rounds
	case events.Policy:
		return s.rules.policy.Seq
	case events.KnownIssues:
		return s.issues.seq
	case events.Reservation:
		if r := s.rules.reservation(about.ID); r != nil {
			return r.Seq
		}
	case events.Query:
		if q := s.query(about.ID); q != nil {
			return q.Seq
		}
	case events.Chart:
		if c := s.chart(about.ID); c != nil {
			return c.Seq
		}
	case events.User:
		if u := s.User(events.UserName(about.ID)); u != nil {
			return u.Seq
		}
	case events.Group:
		if g := s.UserGroup(events.GroupName(about.ID)); g != nil {
			return g.Seq
		}
	}
	return s.gone[about]
}

// AgedOut forgets the last sequence of an entity whose facts are no longer in the stream, because
// they were archived: the next append expects 0. Callers know it from the log, after a conflict.
func (s *State) AgedOut(about events.Entity) {
	switch about.Kind {
	case events.Job:
		if id, err := jobNumber(about.ID); err == nil {
			s.jobAgedOut(id)
		}
	case events.Device:
		if d := s.devices[events.DeviceName(about.ID)]; d != nil {
			d.Seq = 0
		}
	case events.DeviceType:
		if t := s.types[events.DeviceTypeName(about.ID)]; t != nil {
			t.Seq = 0
		}
	case events.Worker:
		if w := s.workers[events.WorkerName(about.ID)]; w != nil {
			w.Seq = 0
		}
	case events.Tag:
		if t := s.tags[events.TagName(about.ID)]; t != nil {
			t.Seq = 0
		}
	case events.Scheduling:
		s.rounds = 0
	case events.Policy:
		s.rules.policy.Seq = 0
	case events.KnownIssues:
		s.issues.seq = 0
	case events.Reservation:
		if r := s.rules.reservation(about.ID); r != nil {
			r.Seq = 0
		}
	case events.Query:
		if q := s.query(about.ID); q != nil {
			q.Seq = 0
		}
	case events.Chart:
		if c := s.chart(about.ID); c != nil {
			c.Seq = 0
		}
	case events.User:
		if u := s.User(events.UserName(about.ID)); u != nil {
			u.Seq = 0
		}
	case events.Group:
		if g := s.UserGroup(events.GroupName(about.ID)); g != nil {
			g.Seq = 0
		}
	}
	delete(s.gone, about)
}

// Job returns a job that is not over yet, nil where it is over or was never there; see [State.Past].
func (s *State) Job(id events.JobID) *Job { return s.jobs[id] }

// Past returns what is left of a job that is over. It keeps the last [PastJobs] of them.
func (s *State) Past(id events.JobID) (Past, bool) { return s.past.find(id) }

// Jobs goes through the jobs in memory in order of their numbers.
func (s *State) Jobs() iter.Seq[*Job] {
	return func(yield func(*Job) bool) {
		// Not by [sorted]: with a million jobs, looking up each again costs more than sorting them.
		type entry struct {
			id  events.JobID
			job *Job
		}
		all := make([]entry, 0, len(s.jobs))
		for id, j := range s.jobs {
			all = append(all, entry{id, j})
		}
		slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
		for _, e := range all {
			if !yield(e.job) {
				return
			}
		}
	}
}

// EachJob goes through the jobs in memory in no order, for who counts them or looks for a few: to put a million in
// order takes longer.
func (s *State) EachJob() iter.Seq[*Job] { return maps.Values(s.jobs) }

// JobCount is the number of jobs in memory: queued, running, and finished ones whose output or
// device is not settled yet.
func (s *State) JobCount() int { return len(s.jobs) }

// Device returns a device, nil where there is none of that name.
func (s *State) Device(name events.DeviceName) *Device { return s.devices[name] }

// Devices goes through the devices in order of their names.
func (s *State) Devices() iter.Seq[*Device] { return sorted(s.devices) }

// DeviceType returns a device type by its own name, nil where there is none; see [State.Resolve].
func (s *State) DeviceType(name events.DeviceTypeName) *DeviceType { return s.types[name] }

// DeviceTypes goes through the device types in order of their names.
func (s *State) DeviceTypes() iter.Seq[*DeviceType] { return sorted(s.types) }

// Resolve returns the device type that a job asks for by this name: aliases are looked up first. A
// name that is neither an alias nor a type comes back as it is.
func (s *State) Resolve(name events.DeviceTypeName) events.DeviceTypeName {
	if t, ok := s.aliases[string(name)]; ok {
		return t
	}
	return name
}

// Worker returns a worker, nil where there is none of that name.
func (s *State) Worker(name events.WorkerName) *Worker { return s.workers[name] }

// Workers goes through the workers in order of their names.
func (s *State) Workers() iter.Seq[*Worker] { return sorted(s.workers) }

// Tag returns a tag, nil where there is none of that name.
func (s *State) Tag(name events.TagName) *Tag { return s.tags[name] }

// Tags goes through the tags in order of their names.
func (s *State) Tags() iter.Seq[*Tag] { return sorted(s.tags) }

// jobNumber reads the id of a job's entity.
func jobNumber(id string) (events.JobID, error) {
	n, err := strconv.ParseUint(id, 10, 64)
	return events.JobID(n), err
}

// keep returns name in the one copy that all entities share.
func keep[N ~string](s *State, name N) N {
	if name == "" {
		return ""
	}
	if k, ok := s.names[string(name)]; ok {
		return N(k)
	}
	s.names[string(name)] = string(name)
	return name
}

// sorted goes through a map's values in order of their keys: no decision may hang on map order.
func sorted[K interface {
	~uint64 | ~string
}, V any](m map[K]V) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(m[k]) {
				return
			}
		}
	}
}
