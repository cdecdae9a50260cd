package lab

import (
	"slices"
	"time"

	"strata/events"
)

// Obstacle is why a device is not given to a job now. The empty Obstacle is none.
type Obstacle string

// The obstacles, in the order in which they are looked for: the first one that there is is told.
const (
	WrongType     Obstacle = "wrong-type"     // the job is pinned to it, but asks for another type
	WrongWorker   Obstacle = "wrong-worker"   // the job is pinned to another worker
	MissingTags   Obstacle = "missing-tags"   // it lacks tags that the job asks for
	Avoided       Obstacle = "avoided"        // an attempt before this one failed there
	HiddenType    Obstacle = "hidden-type"    // its type is hidden, which stops all scheduling
	BadHealth     Obstacle = "health"         // its health takes no users' jobs
	NoDictionary  Obstacle = "no-dictionary"  // it has no configuration yet
	NoWorker      Obstacle = "no-worker"      // it hangs on none
	WorkerOffline Obstacle = "worker-offline" // its worker is not there
	WorkerHealth  Obstacle = "worker-health"  // its worker is in Maintenance or Retired
	Busy          Obstacle = "busy"           // another job has it
	InHand        Obstacle = "in-hand"        // a person uses its power or console
	Kept          Obstacle = "kept"           // it is kept for jobs that ask for its rare tags
	Reserved      Obstacle = "reserved"       // it is set aside, now or before the job's timeout would be over
	CheckPending  Obstacle = "check-pending"  // its health check comes first
	WorkerFull    Obstacle = "worker-full"    // its worker has as many devices in use as it may
)

// Candidate is a device of the type that a job asks for, and why it is not the job's.
type Candidate struct {
	Device   events.DeviceName   `json:"device"`
	Obstacle Obstacle            `json:"obstacle,omitempty"`
	Job      events.JobID        `json:"job,omitempty"`  // of busy: who has it
	Since    time.Time           `json:"since,omitzero"` // of busy, in-hand and worker-offline: since when
	Missing  []events.TagName    `json:"missing,omitempty"`
	Health   events.DeviceHealth `json:"health,omitempty"` // of health
	Reason   string              `json:"reason,omitempty"` // of health and check-pending; of in-hand what it is used for
	Worker   events.WorkerName   `json:"worker,omitempty"`
	Limit    int                 `json:"limit,omitempty"` // of worker-full
	// Of in-hand: whose. Of reserved: the reservation, for whom (nobody: a maintenance window), from when until when. Of
	// kept: until when if nobody asks, zero for ever.
	Reservation events.ReservationID `json:"reservation,omitempty"`
	User        events.UserName      `json:"user,omitempty"`
	Group       events.GroupName     `json:"group,omitempty"`
	From        time.Time            `json:"from,omitzero"`
	Until       time.Time            `json:"until,omitzero"`
}

// Explanation is why a job waits.
type Explanation struct {
	Job        events.JobID          `json:"job"`
	Display    string                `json:"display"`
	DeviceType events.DeviceTypeName `json:"device_type"`
	Leaving    bool                  `json:"leaving,omitempty"` // it is being withdrawn
	Capped     string                `json:"capped,omitempty"`  // its user or group holds as many devices as it may: how many
	Candidates []Candidate           `json:"candidates"`        // in order of names
	Place      int                   `json:"place"`             // 1: first of those that ask for the same devices
	Ahead      []events.JobID        `json:"ahead,omitempty"`   // who stands before it, the first [AheadShown]
	Parts      []Explanation         `json:"parts,omitempty"`   // of a group: each part that waits; it starts when all can
}

// AheadShown is how many of the jobs ahead are named.
const AheadShown = 10

// Explain says why a queued job waits, as the rules of scheduling see the lab at a time; false for a
// job that is not in the queue. It goes through the devices and the queue once.
func (s *State) Explain(id events.JobID, now time.Time) (Explanation, bool) {
	j := s.jobs[id]
	if j == nil || j.State != Submitted {
		return Explanation{}, false
	}
	v := s.view(now)
	e := v.explain(j)
	if j.Part == nil {
		return e, true
	}
	for _, p := range s.Group(j.Part.Group) {
		if p.State == Submitted && !p.Guest() {
			e.Parts = append(e.Parts, v.explain(p))
		}
	}
	return e, true
}

// view is the lab at one moment, with what is reckoned once for many jobs.
type view struct {
	*State
	now       time.Time
	standings *Standings
	held      map[events.WorkerName]int // devices that hold a job
	rare      map[events.DeviceTypeName][]events.TagName
	reserved  map[events.DeviceName][]*Reservation
	groups    map[string]Rank
}

func (s *State) view(now time.Time) *view {
	v := &view{State: s, now: now, standings: s.Standings(now), held: map[events.WorkerName]int{},
		rare: map[events.DeviceTypeName][]events.TagName{}, reserved: map[events.DeviceName][]*Reservation{}, groups: map[string]Rank{}}
	for _, d := range s.devices {
		if d.State != DeviceIdle {
			v.held[d.Worker]++
		}
	}
	return v
}

// rank is where a job stands; a part of a group stands where its best part does, under the number of
// the first.
func (v *view) rank(j *Job) Rank {
	if j.Part == nil {
		return v.standings.Rank(j)
	}
	best, known := v.groups[j.Part.Group]
	if known {
		return best
	}
	parts := v.Group(j.Part.Group)
	best = v.standings.Rank(parts[0])
	for _, p := range parts[1:] {
		if r := v.standings.Rank(p); r.Before(best) {
			best = r
		}
	}
	best.Job = parts[0].ID
	v.groups[j.Part.Group] = best
	return best
}

func (v *view) rareTags(typ events.DeviceTypeName) []events.TagName {
	tags, known := v.rare[typ]
	if !known {
		tags = v.RareTags(typ)
		v.rare[typ] = tags
	}
	return tags
}

func (v *view) reservations(d *Device) []*Reservation {
	all, known := v.reserved[d.Name]
	if !known {
		all = v.ReservationsOf(d, v.now)
		v.reserved[d.Name] = all
	}
	return all
}

// explain looks at one job.
func (v *view) explain(j *Job) Explanation {
	e := Explanation{Job: j.ID, Display: j.Display, DeviceType: v.Resolve(j.DeviceType), Leaving: j.Cancel != nil, Place: 1}
	e.Capped, _ = v.standings.Capped(j, 1)
	for d := range v.Devices() {
		if v.fitsType(j, d) {
			e.Candidates = append(e.Candidates, v.candidate(j, d))
		}
	}
	n, first := v.ahead(j)
	e.Place += n
	for _, k := range first {
		e.Ahead = append(e.Ahead, k.ID)
	}
	return e
}

// fitsType says that a device is of the kind that a job asks for, or the very one.
func (s *State) fitsType(j *Job, d *Device) bool {
	if j.PinDevice != "" {
		return d.Name == j.PinDevice
	}
	return d.Type == s.Resolve(j.DeviceType)
}

// couldTake says that a device could be given to a job some day as both are set up now.
func (s *State) couldTake(j *Job, d *Device) bool {
	return !j.Avoids(d.Name) && s.fitsType(j, d) && d.Type == s.Resolve(j.DeviceType) && (j.PinWorker == "" || d.Worker == j.PinWorker) && d.HasTags(j.Tags)
}

// candidate says why a device is not the job's.
func (v *view) candidate(j *Job, d *Device) Candidate {
	c := Candidate{Device: d.Name, Worker: d.Worker}
	w, t := v.workers[d.Worker], v.types[d.Type]
	switch {
	case d.Type != v.Resolve(j.DeviceType):
		c.Obstacle = WrongType
	case j.PinWorker != "" && d.Worker != j.PinWorker:
		c.Obstacle = WrongWorker
	case !d.HasTags(j.Tags):
		c.Obstacle = MissingTags
		for _, tag := range j.Tags {
			if !d.HasTags([]events.TagName{tag}) {
				c.Missing = append(c.Missing, tag)
			}
		}
	case j.Avoids(d.Name):
		c.Obstacle = Avoided
	case !t.Shown():
		c.Obstacle = HiddenType
	case !mayCheck(d.Health) || d.Health == events.Looping && !j.HealthCheck:
		c.Obstacle, c.Health, c.Reason = BadHealth, d.Health, d.HealthReason
	case d.Version == 0:
		c.Obstacle = NoDictionary
	case w == nil:
		c.Obstacle = NoWorker
	case w.State != Online:
		c.Obstacle, c.Since = WorkerOffline, w.StateAt
	case w.Health != events.WorkerActive:
		c.Obstacle, c.Reason = WorkerHealth, string(w.Health)
	case d.Hold != nil:
		c.Obstacle, c.User, c.Since, c.Reason = InHand, d.Hold.By, d.Hold.Since, string(d.Hold.Use)
	case d.State != DeviceIdle:
		c.Obstacle, c.Job = Busy, d.Job
		if k := v.jobs[d.Job]; k != nil && k.Run != nil {
			c.Since = k.Run.ScheduledAt
		}
	default:
		v.freeCandidate(j, d, &c)
	}
	return c
}

// freeCandidate looks for what keeps a job from a device that is idle and fit.
func (v *view) freeCandidate(j *Job, d *Device, c *Candidate) {
	t, w := v.types[d.Type], v.workers[d.Worker]
	if !j.HealthCheck && j.PinDevice == "" {
		if until, kept := v.KeptUntil(d, j.Tags, v.rareTags(d.Type), v.now); kept {
			c.Obstacle, c.Until = Kept, until
			return
		}
	}
	of := v.reservations(d)
	if r := v.Forbids(j, of, v.now); r != nil {
		c.Obstacle, c.Reservation, c.User, c.Group, c.From, c.Until, c.Reason = Reserved, r.Reservation, r.User, r.Group, r.From, r.Until, r.Reason
		return
	}
	jobs, checks := Takes(d, t, v.now)
	if len(of) > 0 && v.Holder(j.User, d, v.now) != nil {
		jobs = TakesFrom(d, t) // the holder's job may come before a check
	}
	switch {
	case j.HealthCheck && !checks || !j.HealthCheck && !jobs:
		c.Obstacle, c.Job = CheckPending, d.Check.Job
		c.Reason, _ = CheckDue(d, t, v.now)
	case w.JobLimit > 0 && v.held[d.Worker] >= w.JobLimit:
		c.Obstacle, c.Limit = WorkerFull, w.JobLimit
	}
}

// shape is what a job asks of its device. Jobs of one shape ask for the same devices.
type shape struct {
	typ    events.DeviceTypeName
	device events.DeviceName
	worker events.WorkerName
	tags   string
}

func (s *State) shapeOf(j *Job) shape {
	k := shape{typ: s.Resolve(j.DeviceType), device: j.PinDevice, worker: j.PinWorker}
	for _, t := range j.Tags {
		k.tags += string(t) + "\x00"
	}
	if j.Attempt != nil {
		for _, d := range j.Attempt.Avoid {
			k.tags += "\x00" + string(d)
		}
	}
	return k
}

// ahead returns how many queued jobs stand before a job and could take one of its devices, and the first
// [AheadShown] of them, the first one first. Only these are put in order: of a million jobs that wait, that
// would take longer than all else.
func (v *view) ahead(j *Job) (n int, first []*Job) {
	var own []*Device
	for _, d := range v.devices {
		if v.couldTake(j, d) {
			own = append(own, d)
		}
	}
	rank := v.rank(j)
	shared := map[shape]bool{}
	ranks := make([]Rank, 0, AheadShown+1)
	for _, k := range v.jobs {
		if k.State != Submitted || k == j || k.Cancel != nil || k.Guest() {
			continue
		}
		r := v.rank(k)
		if !r.Before(rank) || k.Part != nil && j.Part != nil && k.Part.Group == j.Part.Group {
			continue
		}
		sh := v.shapeOf(k)
		meets, known := shared[sh]
		if !known {
			meets = slices.ContainsFunc(own, func(d *Device) bool { return v.couldTake(k, d) })
			shared[sh] = meets
		}
		if !meets {
			continue
		}
		n++
		at := len(first)
		for at > 0 && (r.Before(ranks[at-1]) || !ranks[at-1].Before(r) && k.ID < first[at-1].ID) { // equal ranks: of one group
			at--
		}
		if at < AheadShown {
			first, ranks = slices.Insert(first, at, k), slices.Insert(ranks, at, r)
			first, ranks = first[:min(len(first), AheadShown)], ranks[:min(len(ranks), AheadShown)]
		}
	}
	return n, first
}
