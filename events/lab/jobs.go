package lab

import (
	"slices"
	"time"

	"strata/events"
)

// PastJobs is the number of jobs that are over and still known by their [Past].
const PastJobs = 4096

// Past is what stays in memory of a job that is over.
type Past struct {
	ID       events.JobID     `json:"id"`
	Seq      uint64           `json:"seq"` // of its last fact
	User     events.UserName  `json:"user,omitempty"`
	Public   bool             `json:"public,omitempty"`   // everybody may see it who may see its device or type
	Rejected bool             `json:"rejected,omitempty"` // refused at the gate: it never was Submitted
	Health   events.JobHealth `json:"health,omitempty"`   // empty where Rejected
	At       time.Time        `json:"at"`                 // when it ended
	Reason   string           `json:"reason,omitempty"`   // why it ended so, where something went wrong

	// What rights on it hang on beside, see [JobRights].
	Groups []events.GroupName      `json:"groups,omitempty"`
	Device events.DeviceName       `json:"device,omitempty"`
	Type   events.DeviceTypeName   `json:"type,omitempty"`
	Hosts  []events.DeviceTypeName `json:"hosts,omitempty"`
}

// past is a ring of the jobs that left last.
type past struct {
	jobs map[events.JobID]Past
	ring []events.JobID // at most PastJobs, the oldest at next once it is full
	next int
}

func newPast() past { return past{jobs: map[events.JobID]Past{}} }

func (p *past) find(id events.JobID) (Past, bool) { j, ok := p.jobs[id]; return j, ok }

func (p *past) add(j Past) {
	if len(p.ring) < PastJobs {
		p.ring = append(p.ring, j.ID)
	} else {
		delete(p.jobs, p.ring[p.next])
		p.ring[p.next] = j.ID
		p.next = (p.next + 1) % PastJobs
	}
	p.jobs[j.ID] = j
}

// list returns what is kept, the oldest first.
func (p *past) list() []Past {
	all := make([]Past, 0, len(p.ring))
	for i := range p.ring {
		all = append(all, p.jobs[p.ring[(p.next+i)%len(p.ring)]])
	}
	return all
}

// group is a multinode job: its parts stay in memory until all of them are over, because the end
// of one may have to end the others.
type group struct {
	size  int
	parts []events.JobID // in order of their numbers
}

// Group returns the parts of a multinode job that were submitted so far, in order of their
// numbers; none where the whole group is over. It is complete when there are Part.Size of them.
func (s *State) Group(id string) []*Job {
	g := s.groups[id]
	if g == nil {
		return nil
	}
	parts := make([]*Job, len(g.parts))
	for i, p := range g.parts {
		parts[i] = s.jobs[p]
	}
	return parts
}

func (s *State) jobSeq(id events.JobID) uint64 {
	if j := s.jobs[id]; j != nil {
		return j.Seq
	}
	return s.past.jobs[id].Seq
}

// jobAgedOut forgets the last sequence of a job, in memory or just past: of the latter facts are told too,
// such as that it was erased.
func (s *State) jobAgedOut(id events.JobID) {
	if j := s.jobs[id]; j != nil {
		j.Seq = 0
	}
	if p, ok := s.past.find(id); ok {
		p.Seq = 0
		s.past.jobs[id] = p
	}
}

// evolveJob folds a fact about a job, and what it means for the device that the job holds or waits
// for.
func (s *State) evolveJob(id events.JobID, seq uint64, at time.Time, e events.Event) Changes {
	if seq <= s.jobSeq(id) {
		return Changes{}
	}
	j := s.jobs[id]
	if j == nil {
		return s.evolveAbsent(id, seq, e)
	}
	next, fits := j.After(at, e)
	next.Seq = seq
	if next.Run != nil && next.Run != j.Run {
		next.Run.Device, next.Run.Worker = keep(s, next.Run.Device), keep(s, next.Run.Worker)
	}
	s.account(j, &next, at)
	*j = next
	if !fits {
		return Changes{}
	}
	c := Changes{Job: j}
	switch e := e.(type) {
	case events.JobStarted:
		c.Devices = s.deviceAfter(e.Device, seq, at, e, j)
	case events.JobFinished:
		if d := s.devices[e.Device]; d != nil && j.Run != nil && !j.HealthCheck {
			s.durations.ran(seq, j, d.Type, at)
		}
		c.Devices = s.ended(e.Device, seq, at, e, j)
	case events.JobReturned:
		c.Devices = s.ended(e.Device, seq, at, e, j)
	case events.JobWithdrawn:
		c.Devices = s.checkEnded(j.ID, seq, at, e)
	}
	s.leave(j)
	return c
}

// ended folds the end of a job's run into its device and names that device, changed or not: it
// waits to be released.
func (s *State) ended(name events.DeviceName, seq uint64, at time.Time, e events.Event, j *Job) []*Device {
	s.deviceAfter(name, seq, at, e, j)
	if d := s.devices[name]; d != nil {
		return []*Device{d}
	}
	return nil
}

// evolveAbsent folds a fact about a job that is not in memory: it begins, is refused, or is past.
func (s *State) evolveAbsent(id events.JobID, seq uint64, e events.Event) Changes {
	if p, ok := s.past.find(id); ok {
		p.Seq = seq
		s.past.jobs[id] = p
		return Changes{}
	}
	switch e := e.(type) {
	case events.JobSubmitted:
		j := s.submitted(e)
		j.Seq = seq
		s.jobs[id] = j
		s.join(j)
		s.want(j, j.SubmittedAt)
		if !j.HealthCheck {
			s.durations.came(s.Resolve(j.DeviceType), j.SubmittedAt, j.Priority, j.Tags)
		}
		c := Changes{Job: j}
		if j.HealthCheck {
			c.Devices = s.deviceAfter(j.PinDevice, seq, e.At, e, j)
		}
		return c
	case events.JobRejected:
		s.past.add(Past{ID: id, Seq: seq, User: keep(s, e.User), Rejected: true, At: e.At, Reason: e.Message})
		return Changes{Devices: s.checkEnded(id, seq, e.At, e)}
	}
	return Changes{}
}

// join makes a job part of its group.
func (s *State) join(j *Job) {
	if j.Part == nil {
		return
	}
	g := s.groups[j.Part.Group]
	if g == nil {
		g = &group{size: j.Part.Size}
		s.groups[j.Part.Group] = g
	}
	g.parts = append(g.parts, j.ID)
	slices.Sort(g.parts)
}

// leave forgets a job that is over, or its group once all parts are.
func (s *State) leave(j *Job) {
	if !j.over() {
		return
	}
	if j.Part == nil {
		if j.OwesRetry() || s.jobs[j.RetriedAs] != nil {
			return // its further attempt is a part of its story
		}
		s.forget(j)
		if j.Attempt != nil && s.jobs[j.Attempt.Of] != nil {
			s.leave(s.jobs[j.Attempt.Of])
		}
		return
	}
	g := s.groups[j.Part.Group]
	if len(g.parts) < g.size {
		return
	}
	for _, id := range g.parts {
		if !s.jobs[id].over() {
			return
		}
	}
	all := s.Group(j.Part.Group)
	for _, part := range all {
		s.remember(part)
	}
	for _, part := range all {
		delete(s.jobs, part.ID)
	}
	delete(s.groups, j.Part.Group)
}

func (s *State) forget(j *Job) {
	s.remember(j)
	delete(s.jobs, j.ID)
}

// remember keeps of a job what is asked for when it is over. The other parts of its group are still there.
func (s *State) remember(j *Job) {
	r := s.rightsOf(j)
	s.past.add(Past{ID: j.ID, Seq: j.Seq, User: j.User, Public: j.Visibility.Public, Health: j.End.Health, At: j.End.At, Reason: j.End.Error,
		Groups: r.Groups, Device: r.Device, Type: r.Type, Hosts: r.Hosts})
}
