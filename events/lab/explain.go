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
	HiddenType    Obstacle = "hidden-type"    // its type is hidden, which stops all scheduling
	BadHealth     Obstacle = "health"         // its health takes no users' jobs
	NoDictionary  Obstacle = "no-dictionary"  // it has no configuration yet
	NoWorker      Obstacle = "no-worker"      // it hangs on none
	WorkerOffline Obstacle = "worker-offline" // its worker is not there
	WorkerHealth  Obstacle = "worker-health"  // its worker is in Maintenance or Retired
	Busy          Obstacle = "busy"           // another job has it
	CheckPending  Obstacle = "check-pending"  // its health check comes first
	WorkerFull    Obstacle = "worker-full"    // its worker has as many devices in use as it may
)

// Candidate is a device of the type that a job asks for, and why it is not the job's.
type Candidate struct {
	Device   events.DeviceName   `json:"device"`
	Obstacle Obstacle            `json:"obstacle,omitempty"`
	Job      events.JobID        `json:"job,omitempty"`  // of busy: who has it
	Since    time.Time           `json:"since,omitzero"` // of busy: since when; of worker-offline too
	Missing  []events.TagName    `json:"missing,omitempty"`
	Health   events.DeviceHealth `json:"health,omitempty"` // of health
	Reason   string              `json:"reason,omitempty"` // of health and check-pending
	Worker   events.WorkerName   `json:"worker,omitempty"`
	Limit    int                 `json:"limit,omitempty"` // of worker-full
}

// Explanation is why a job waits.
type Explanation struct {
	Job        events.JobID          `json:"job"`
	Display    string                `json:"display"`
	DeviceType events.DeviceTypeName `json:"device_type"`
	Leaving    bool                  `json:"leaving,omitempty"` // it is being withdrawn
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
	e := s.explain(j, now, s.held())
	if j.Part == nil {
		return e, true
	}
	for _, p := range s.Group(j.Part.Group) {
		if p.State == Submitted && !p.Guest() {
			e.Parts = append(e.Parts, s.explain(p, now, s.held()))
		}
	}
	return e, true
}

// explain looks at one job. held is how many devices of each worker hold a job.
func (s *State) explain(j *Job, now time.Time, held map[events.WorkerName]int) Explanation {
	e := Explanation{Job: j.ID, Display: j.Display, DeviceType: s.Resolve(j.DeviceType), Leaving: j.Cancel != nil, Place: 1}
	for d := range s.Devices() {
		if s.fitsType(j, d) {
			e.Candidates = append(e.Candidates, s.candidate(j, d, now, held))
		}
	}
	for _, k := range s.ahead(j) {
		e.Place++
		if len(e.Ahead) < AheadShown {
			e.Ahead = append(e.Ahead, k.ID)
		}
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
	return s.fitsType(j, d) && d.Type == s.Resolve(j.DeviceType) && (j.PinWorker == "" || d.Worker == j.PinWorker) && d.HasTags(j.Tags)
}

// candidate says why a device is not the job's.
func (s *State) candidate(j *Job, d *Device, now time.Time, held map[events.WorkerName]int) Candidate {
	c := Candidate{Device: d.Name, Worker: d.Worker}
	w, t := s.workers[d.Worker], s.types[d.Type]
	jobs, checks := Takes(d, t, now)
	switch {
	case d.Type != s.Resolve(j.DeviceType):
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
	case d.State != DeviceIdle:
		c.Obstacle, c.Job = Busy, d.Job
		if k := s.jobs[d.Job]; k != nil && k.Run != nil {
			c.Since = k.Run.ScheduledAt
		}
	case !jobs && !j.HealthCheck || !checks:
		c.Obstacle, c.Job = CheckPending, d.Check.Job
		c.Reason, _ = CheckDue(d, t, now)
	case w.JobLimit > 0 && held[d.Worker] >= w.JobLimit:
		c.Obstacle, c.Limit = WorkerFull, w.JobLimit
	}
	return c
}

// held counts the devices of each worker that hold a job.
func (s *State) held() map[events.WorkerName]int {
	n := map[events.WorkerName]int{}
	for _, d := range s.devices {
		if d.State != DeviceIdle {
			n[d.Worker]++
		}
	}
	return n
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
	return k
}

// Before says that job a is given a device before job b where both could take it: health checks first,
// then higher priority, then the lower number.
func Before(a, b *Job) bool {
	if a.HealthCheck != b.HealthCheck {
		return a.HealthCheck
	}
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	return a.ID < b.ID
}

// ahead returns the queued jobs that stand before a job and could take one of its devices, the first
// one first.
func (s *State) ahead(j *Job) []*Job {
	var own []*Device
	for _, d := range s.devices {
		if s.couldTake(j, d) {
			own = append(own, d)
		}
	}
	shared := map[shape]bool{}
	var ahead []*Job
	for _, k := range s.jobs {
		if k.State != Submitted || k == j || k.Cancel != nil || k.Guest() || !Before(k, j) {
			continue
		}
		sh := s.shapeOf(k)
		meets, known := shared[sh]
		if !known {
			meets = slices.ContainsFunc(own, func(d *Device) bool { return s.couldTake(k, d) })
			shared[sh] = meets
		}
		if meets {
			ahead = append(ahead, k)
		}
	}
	slices.SortFunc(ahead, func(a, b *Job) int {
		if Before(a, b) {
			return -1
		}
		return 1
	})
	return ahead
}
