package lab

import (
	"slices"
	"time"

	"strata/events"
)

// DeviceState is whether a device is free. The words are LAVA's.
type DeviceState string

// The states of a device.
const (
	DeviceIdle     DeviceState = "Idle"
	DeviceReserved DeviceState = "Reserved" // held for a job that has not started, or in a person's hands
	DeviceRunning  DeviceState = "Running"  // a job runs on it, or has ended and health has not released it yet
)

// Device is a device of the lab.
type Device struct {
	Name          events.DeviceName     `json:"name"`
	Seq           uint64                `json:"seq"` // of the last fact about it
	Type          events.DeviceTypeName `json:"type"`
	Worker        events.WorkerName     `json:"worker,omitempty"` // empty: takes nothing
	WorkerSeq     uint64                `json:"worker_seq"`       // of the fact that hung it there
	Tags          []events.TagName      `json:"tags,omitempty"`   // in order
	Description   string                `json:"description,omitempty"`
	Dictionary    string                `json:"dictionary,omitempty"`
	Version       int                   `json:"version"`              // of the dictionary, from 1; 0: has none yet, and takes nothing
	ConfiguredSeq uint64                `json:"configured,omitempty"` // of the fact with the dictionary
	Health        events.DeviceHealth   `json:"health"`
	HealthSeq     uint64                `json:"health_seq"`              // of the fact that set or confirmed it
	HealthReason  string                `json:"health_reason,omitempty"` // as that fact gave it
	HealthBy      events.UserName       `json:"health_by,omitempty"`     // who set it; [LavaHealth] where the lab did
	State         DeviceState           `json:"state"`
	Job           events.JobID          `json:"job,omitempty"`      // that holds it; 0 when Idle
	Lease         events.Lease          `json:"lease,omitempty"`    // highest so far; the holder's unless Idle
	FaultsInRow   int                   `json:"faults,omitempty"`   // users' jobs that ended by the lab's fault since one did not, or a check or a person spoke
	Checking      bool                  `json:"checking,omitempty"` // that job is a health check
	Hold          *Hold                 `json:"hold,omitempty"`     // a person has it in hand; then it is Reserved, without a job
	IdleSince     time.Time             `json:"idle_since"`
	Check         Check                 `json:"check"`
	LastCheck     events.JobID          `json:"last_check,omitempty"`   // the last health check that finished; 0: none
	LastCheckAt   time.Time             `json:"last_check_at,omitzero"` // when that one ended, here or in the lab that it came from
	JobsSince     int                   `json:"jobs_since,omitempty"`   // started on it since, health checks not counted
	DueSeq        uint64                `json:"due_seq"`                // of the last fact that may have made a check due
	// FirstCheck spreads the first checks of devices that were imported: of those where it is not 0, at most
	// so many are checked at once. It is 0 once the device has had a check here.
	FirstCheck  int                 `json:"first_check,omitempty"`
	Hardware    string              `json:"hardware,omitempty"` // revision of the board
	Owner       events.UserName     `json:"owner,omitempty"`    // who has it on the desk
	OwnerGroup  events.GroupName    `json:"owner_group,omitempty"`
	Permissions []events.Permission `json:"permissions,omitempty"` // of groups
	Imported    map[string]string   `json:"imported,omitempty"`    // settings that the last import took, as digests
}

// Check is the gate that a device stands behind while a health check is to come: it takes nothing
// else.
type Check struct {
	Due    bool         `json:"due,omitempty"`    // said so at the last release, and not asked for yet
	Job    events.JobID `json:"job,omitempty"`    // the check that was asked for and has no device yet; 0: none
	Failed string       `json:"failed,omitempty"` // that check was refused or left the queue: the reason for Bad
}

// Reasons of [Check.Failed], and of healths that follow from it or from a device's configuration.
const (
	InvalidCheck  = "Invalid health check"
	InvalidDevice = "Invalid device configuration"
	ValidAgain    = "device configuration is valid again" // of Unknown, after InvalidDevice
)

// HasTags says that the device carries all of these tags.
func (d *Device) HasTags(tags []events.TagName) bool {
	for _, t := range tags {
		if _, ok := slices.BinarySearch(d.Tags, t); !ok {
			return false
		}
	}
	return true
}

// After returns the device after a fact about it or about its job j (nil where that has left), and
// whether the fact fitted: one that does not leaves the device as it is. The first fact of a device
// is not among them, see [NewDevice].
func (d Device) After(seq uint64, at time.Time, e events.Event, j *Job) (Device, bool) {
	switch e := e.(type) {
	case events.DeviceConfigured:
		d.Dictionary, d.ConfiguredSeq = e.Dictionary, seq
		d.Version++
	case events.DeviceMoved:
		d.Worker, d.WorkerSeq = e.Worker, seq
	case events.DeviceTagged:
		return d.tag(e.Tag)
	case events.DeviceUntagged:
		return d.untag(e.Tag)
	case events.TagRemoved:
		return d.untag(e.Tag)
	case events.DeviceDescribed:
		d.Description, d.Hardware, d.Owner, d.OwnerGroup = e.Description, e.Hardware, e.Owner, e.OwnerGroup
	case events.PermissionsSet:
		d.Permissions = e.Permissions
	case events.ObjectImported:
		d.Imported = e.Settings
	case events.DeviceCheckCarried:
		if e.At.After(d.LastCheckAt) {
			d.LastCheck, d.LastCheckAt, d.JobsSince = 0, e.At, e.JobsSince
		}
		d.FirstCheck, d.DueSeq = e.AtOnce, seq
	case events.DeviceHealthSet:
		d = d.setHealth(e.Health, seq, e.Reason, e.By)
		d.Check.Due = false // the rules say anew whether one is
		if d.Check.Failed != "" {
			d.Check = Check{}
		}
	case events.DeviceHealthChanged:
		// Decided about another health: a person has set one since, and that stands.
		if e.From != d.Health {
			return d, false
		}
		d = d.setHealth(e.To, seq, e.Reason, LavaHealth)
		if !mayCheck(d.Health) {
			d.Check.Due = false
		}
		if d.Check.Failed != "" {
			d.Check = Check{}
		}
	case events.DeviceReserved:
		if d.State != DeviceIdle || e.Lease <= d.Lease {
			return d, false
		}
		d.State, d.Job, d.Lease, d.Checking = DeviceReserved, e.Job, e.Lease, j != nil && j.HealthCheck
		if d.Checking || d.Check.Job == e.Job {
			d.Check = Check{}
		}
	case events.DeviceReleased:
		if d.State == DeviceIdle || d.Hold != nil || d.Job != e.Job || d.Lease != e.Lease {
			return d, false
		}
		d.State, d.Job, d.Checking, d.IdleSince, d.DueSeq = DeviceIdle, 0, false, at, seq
		d.Check.Due = e.CheckDue && mayCheck(d.Health)
	case events.DeviceHeld, events.DeviceLetGo:
		return d.afterHands(seq, at, e)
	case events.HealthCheckRequested:
		if d.State != DeviceIdle {
			return d, false
		}
		if e.Job == 0 {
			d.Check.Due = true
		} else {
			d.Check = Check{Job: e.Job}
		}
	default:
		return d.afterJob(e, j)
	}
	return d, true
}

// afterJob folds what happened to a job that holds the device or is its health check.
func (d Device) afterJob(e events.Event, j *Job) (Device, bool) {
	switch e := e.(type) {
	case events.JobSubmitted:
		if !e.HealthCheck || d.Check.Job != 0 {
			return d, false
		}
		d.Check = Check{Job: e.Job}
	case events.JobRejected:
		if d.Check.Job != e.Job {
			return d, false
		}
		d.Check.Failed = InvalidCheck
	case events.JobWithdrawn:
		if d.Check.Job != e.Job {
			return d, false
		}
		d.Check.Failed = checkReason(e.Job, "canceled")
	case events.JobStarted:
		if d.State != DeviceReserved || d.Job != e.Job || d.Lease != e.Lease {
			return d, false
		}
		d.State = DeviceRunning
		if !d.Checking {
			d.JobsSince++
		}
	case events.JobFinished:
		if counted, fits := d.countFault(e, j); fits {
			return counted, true
		}
		if !d.Checking || j == nil || d.Job != e.Job || d.Lease != e.Lease {
			return d, false
		}
		// LAVA counts from its submission, so that a check that takes long comes back too soon.
		d.LastCheck, d.LastCheckAt, d.JobsSince, d.FirstCheck = j.ID, e.At, 0, 0
	case events.JobReturned:
		if !d.Checking || d.Job != e.Job || d.Lease != e.Lease {
			return d, false
		}
		d.Check = Check{Job: e.Job} // the check waits again, and so does the device for it
	default: // DeviceAdded again, facts of others
		return d, false
	}
	return d, true
}

func (d Device) setHealth(h events.DeviceHealth, seq uint64, reason string, by events.UserName) Device {
	d.Health, d.HealthSeq, d.DueSeq, d.HealthReason, d.HealthBy = h, seq, seq, reason, by
	if h != events.Unknown {
		d.FaultsInRow = 0 // a check or a person has spoken
	}
	return d
}

// countFault counts the ends of users' jobs by the lab's fault, one after the other.
func (d Device) countFault(e events.JobFinished, j *Job) (Device, bool) {
	switch {
	case d.Checking || j == nil || d.Job != e.Job || d.Lease != e.Lease:
		return d, false
	case LabsFault(e.ErrorType):
		d.FaultsInRow++
	case d.FaultsInRow > 0 && (e.Health == events.Complete || e.ErrorType == events.JobError || e.ErrorType == events.TestError):
		d.FaultsInRow = 0 // the job got as far as its own faults
	default:
		return d, false
	}
	return d, true
}

func (d Device) tag(t events.TagName) (Device, bool) {
	i, found := slices.BinarySearch(d.Tags, t)
	if found {
		return d, false
	}
	d.Tags = slices.Insert(slices.Clone(d.Tags), i, t)
	return d, true
}

func (d Device) untag(t events.TagName) (Device, bool) {
	i, found := slices.BinarySearch(d.Tags, t)
	if !found {
		return d, false
	}
	d.Tags = slices.Delete(slices.Clone(d.Tags), i, i+1)
	return d, true
}

// NewDevice is a device after its first fact: Idle, and Unknown where the fact gives no health.
func NewDevice(seq uint64, at time.Time, e events.DeviceAdded) Device {
	d := Device{Name: e.Device, Seq: seq, Type: e.DeviceType, Worker: e.Worker, WorkerSeq: seq,
		Description: e.Description, State: DeviceIdle, IdleSince: at}
	h := e.Health
	if h == "" {
		h = events.Unknown
	}
	d = d.setHealth(h, seq, "", e.By)
	d.Tags = slices.Clone(e.Tags)
	slices.Sort(d.Tags)
	d.Tags = slices.Compact(d.Tags)
	return d
}

// evolveDevice folds a fact about a device, and what it means for its job.
func (s *State) evolveDevice(name events.DeviceName, seq uint64, at time.Time, e events.Event) Changes {
	d := s.devices[name]
	switch e := e.(type) {
	case events.DeviceAdded:
		if d == nil {
			added := NewDevice(seq, at, e)
			d = &added
			s.devices[name] = d
			delete(s.gone, e.About())
			return Changes{Devices: []*Device{d}}
		}
	case events.DeviceRemoved:
		if d != nil && d.State == DeviceIdle {
			s.waitsFor(d, 0)
			delete(s.devices, name)
			s.gone[e.About()] = seq
			return Changes{Devices: []*Device{d}}
		}
	}
	if d == nil {
		s.gone[e.About()] = seq
		return Changes{}
	}
	var j *Job
	switch e := e.(type) {
	case events.DeviceReserved:
		j = s.jobs[e.Job]
	case events.DeviceReleased:
		j = s.jobs[e.Job]
	}
	c := Changes{Devices: s.deviceAfter(name, seq, at, e, j)}
	d.Seq = seq
	switch e := e.(type) {
	case events.DeviceReleased:
		if j != nil {
			if next, fits := j.After(at, e); fits {
				*j = next
				c.Job = j
				s.leave(j)
			}
		}
	case events.HealthCheckRequested:
		// Submission may have been faster than the fact that names the check.
		if p, ok := s.past.find(e.Job); ok && p.Rejected {
			s.deviceAfter(name, seq, at, events.JobRejected{Job: e.Job}, nil)
		} else if ok {
			s.deviceAfter(name, seq, at, events.JobWithdrawn{Job: e.Job}, nil)
		}
	}
	return c
}

// deviceAfter folds a fact into a device and returns it if it changed.
func (s *State) deviceAfter(name events.DeviceName, seq uint64, at time.Time, e events.Event, j *Job) []*Device {
	d := s.devices[name]
	if d == nil {
		return nil
	}
	next, fits := d.After(seq, at, e, j)
	if !fits {
		return nil
	}
	s.waitsFor(d, next.Check.Job)
	*d = next
	return []*Device{d}
}

// waitsFor keeps the index from health checks to the devices that wait for them.
func (s *State) waitsFor(d *Device, job events.JobID) {
	if d.Check.Job == job {
		return
	}
	if old := d.Check.Job; old != 0 {
		s.checks[old] = slices.DeleteFunc(s.checks[old], func(n events.DeviceName) bool { return n == d.Name })
		if len(s.checks[old]) == 0 {
			delete(s.checks, old)
		}
	}
	if job != 0 {
		s.checks[job] = append(s.checks[job], d.Name)
	}
}

// checkEnded tells the devices that wait for a health check that it will not come.
func (s *State) checkEnded(job events.JobID, seq uint64, at time.Time, e events.Event) (changed []*Device) {
	for _, name := range slices.Clone(s.checks[job]) {
		changed = append(changed, s.deviceAfter(name, seq, at, e, nil)...)
	}
	return changed
}
