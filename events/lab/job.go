package lab

import (
	"fmt"
	"time"

	"strata/events"
)

// JobState is where a job stands. The numbers are LAVA's.
type JobState uint8

// The states of a job.
const (
	Submitted  JobState = iota // waits for a device
	Scheduling                 // LAVA's for a part that holds a device and waits for its group; not entered here, a group is scheduled at once
	Scheduled                  // has a device; its order is on the way
	Running                    // its process runs
	Canceling                  // is to end; waits for the worker
	Finished                   // over
)

var jobStates = [...]string{"Submitted", "Scheduling", "Scheduled", "Running", "Canceling", "Finished"}

// String returns the state's name as LAVA writes it, such as "Submitted".
func (s JobState) String() string { return jobStates[s] }

// MarshalText writes the state's name.
func (s JobState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *JobState) UnmarshalText(text []byte) error {
	for i, name := range jobStates {
		if name == string(text) {
			*s = JobState(i)
			return nil
		}
	}
	return fmt.Errorf("job state %q: want one of %v", text, jobStates)
}

// Job is a job that is not over yet.
type Job struct {
	ID           events.JobID          `json:"id"`
	Seq          uint64                `json:"seq"` // of its last fact
	Display      string                `json:"display"`
	User         events.UserName       `json:"user"`
	Name         string                `json:"name"`
	SubmittedAt  time.Time             `json:"submitted_at"`
	DeviceType   events.DeviceTypeName `json:"device_type,omitempty"` // as asked for; may be an alias
	PinDevice    events.DeviceName     `json:"pin_device,omitempty"`
	PinWorker    events.WorkerName     `json:"pin_worker,omitempty"`
	Tags         []events.TagName      `json:"tags,omitempty"`
	Priority     int                   `json:"priority"`
	Visibility   events.Visibility     `json:"visibility"`
	HealthCheck  bool                  `json:"health_check,omitempty"`
	QueueTimeout events.Seconds        `json:"queue_timeout,omitempty"`
	JobTimeout   events.Seconds        `json:"job_timeout"`
	Part         *events.Membership    `json:"part,omitempty"`
	Source       events.Source         `json:"source"`
	State        JobState              `json:"state"`
	Cancel       *Cancel               `json:"cancel,omitempty"`      // who wants it to end; nil: nobody
	Run          *Run                  `json:"run,omitempty"`         // nil while it has no device
	End          *End                  `json:"end,omitempty"`         // nil until Finished
	Retries      int                   `json:"retries,omitempty"`     // attempts that may follow this one, see [Job.OwesRetry]
	Attempt      *events.Attempt       `json:"attempt,omitempty"`     // nil for a first attempt
	RetriedAs    events.JobID          `json:"retried_as,omitempty"`  // the attempt that follows; 0: none
	NotRetried   string                `json:"not_retried,omitempty"` // why none follows although one might
	Removed      bool                  `json:"removed,omitempty"`     // its definition, output and results were erased
}

// Cancel is the wish that a job end.
type Cancel struct {
	At     time.Time       `json:"at"`
	By     events.UserName `json:"by,omitempty"`
	From   events.JobID    `json:"from,omitempty"` // the part of its group that ended it
	Reason string          `json:"reason,omitempty"`
}

// Run is what a job has while and after it holds a device.
type Run struct {
	Device         events.DeviceName `json:"device,omitempty"` // empty for a guest
	Worker         events.WorkerName `json:"worker"`
	Lease          events.Lease      `json:"lease"`
	ScheduledAt    time.Time         `json:"scheduled_at"`
	StartedAt      time.Time         `json:"started_at,omitzero"` // zero: the worker has not started it
	Released       bool              `json:"released,omitempty"`  // the device is free again
	OutputComplete bool              `json:"output_complete,omitempty"`
}

// End is how a job ended.
type End struct {
	Health     events.JobHealth `json:"health"`
	At         time.Time        `json:"at"`                   // as the fact says, by the worker's clock where a worker said so
	RecordedAt time.Time        `json:"recorded_at,omitzero"` // when that was recorded
	ErrorType  events.ErrorType `json:"error_type,omitempty"`
	Error      string           `json:"error,omitempty"` // the sentence users see; for a job that left the queue, why
	Lines      uint64           `json:"lines,omitempty"`
	LinesKnown bool             `json:"lines_known,omitempty"`
	Lost       bool             `json:"lost,omitempty"` // its worker did not come back
}

// Guest says that the job runs on the device of its host role and takes none itself.
func (j *Job) Guest() bool { return j.Part != nil && j.Part.Guest }

// Health is how the job ended, empty while it has not.
func (j *Job) Health() events.JobHealth {
	if j.End == nil {
		return ""
	}
	return j.End.Health
}

// QueueDeadline is when the job leaves the queue by itself; zero where it waits for ever, as health
// checks do: LAVA's never queue.
func (j *Job) QueueDeadline() time.Time {
	if j.QueueTimeout <= 0 || j.HealthCheck {
		return time.Time{}
	}
	return j.SubmittedAt.Add(time.Duration(j.QueueTimeout) * time.Second)
}

// over says that no fact can matter to anybody but historians.
func (j *Job) over() bool {
	return j.State == Finished &&
		(j.Run == nil || j.Run.OutputComplete && (j.Run.Device == "" || j.Run.Released))
}

// submitted is the job after its first fact.
func (s *State) submitted(e events.JobSubmitted) *Job {
	j := &Job{
		ID: e.Job, Display: e.Display, User: keep(s, e.User), Name: e.Name, SubmittedAt: e.At,
		DeviceType: keep(s, e.DeviceType), PinDevice: keep(s, e.Device), PinWorker: keep(s, e.Worker),
		Priority: e.Priority, Visibility: e.Visibility, HealthCheck: e.HealthCheck,
		QueueTimeout: e.QueueTimeout, JobTimeout: e.JobTimeout, Part: e.Part, Source: e.Source,
		Retries: e.Retries, Attempt: e.Attempt,
	}
	for _, t := range e.Tags {
		j.Tags = append(j.Tags, keep(s, t))
	}
	return j
}

// After returns the job after a fact about it, and whether the fact fitted: one that does not
// leaves it as it is. A fact that carries a lease fits only the run of that lease.
func (j Job) After(at time.Time, e events.Event) (Job, bool) {
	switch e := e.(type) {
	case events.JobScheduled:
		if j.State != Submitted && j.State != Scheduling {
			return j, false
		}
		j.State = Scheduled
		if j.Cancel != nil {
			j.State = Canceling // the wish is older than the device
		}
		j.Run = &Run{Device: e.Device, Worker: e.Worker, Lease: e.Lease, ScheduledAt: at}
	case events.JobWithdrawn:
		if j.State != Submitted && j.State != Scheduling {
			return j, false
		}
		j.State = Finished
		j.End = &End{Health: events.Canceled, At: at, RecordedAt: at, ErrorType: events.CanceledError, Error: e.Reason}
	case events.JobStarted:
		if !j.holds(e.Lease) || !j.Run.StartedAt.IsZero() {
			return j, false
		}
		if j.State == Scheduled {
			j.State = Running
		}
		run := *j.Run
		run.StartedAt = e.At
		j.Run = &run
	case events.JobFinished:
		return j.finish(at, e)
	case events.JobReturned:
		if !j.holds(e.Lease) || !j.Run.StartedAt.IsZero() {
			return j, false
		}
		j.State, j.Run = Submitted, nil // a wish to cancel stays: it leaves from the queue
	case events.JobCancelRequested:
		return j.cancel(Cancel{At: at, By: e.By, Reason: e.Reason})
	case events.JobCancelCascaded:
		return j.cancel(Cancel{At: at, From: e.From, Reason: e.Reason})
	case events.JobRemoved:
		if !e.LogsOnly {
			j, _ = j.cancel(Cancel{At: at, By: e.By, Reason: e.Reason}) // without a definition it cannot go on
			j.Removed = true
		}
	case events.JobPrioritySet:
		j.Priority = e.Priority
	case events.JobRetried:
		if !j.OwesRetry() {
			return j, false
		}
		j.RetriedAs = e.As
	case events.JobRetryDropped:
		if !j.OwesRetry() {
			return j, false
		}
		j.NotRetried = e.Reason
	case events.JobOutputComplete:
		if j.Run == nil || j.Run.Lease != e.Lease || j.Run.OutputComplete {
			return j, false
		}
		run := *j.Run
		run.OutputComplete = true
		j.Run = &run
	case events.JobOutputEnded:
		if j.State != Finished || j.Run == nil || j.Run.Lease != e.Lease || j.End.LinesKnown {
			return j, false
		}
		end := *j.End
		end.Lines, end.LinesKnown = e.Lines, true
		j.End = &end
	case events.DeviceReleased:
		if j.State != Finished || j.Run == nil || j.Run.Lease != e.Lease || j.Run.Released {
			return j, false
		}
		run := *j.Run
		run.Released = true
		j.Run = &run
	default: // JobSubmitted again, JobRejected, JobAnnotated, JobPinned, JobFavoured, JobJudged, DefinitionSplit, ReportRefused
		return j, false
	}
	return j, true
}

// holds says that the job has a device under that lease and is not Finished.
func (j Job) holds(l events.Lease) bool {
	return j.Run != nil && j.Run.Lease == l && j.State >= Scheduled && j.State < Finished
}

// finish ends a job that has a device. Out of Canceling it ends Canceled, whatever the worker says;
// a health that is none of the three counts as Incomplete.
func (j Job) finish(at time.Time, e events.JobFinished) (Job, bool) {
	if !j.holds(e.Lease) {
		return j, false
	}
	h := e.Health
	if h != events.Complete && h != events.Canceled {
		h = events.Incomplete
	}
	if j.State == Canceling {
		h = events.Canceled
	}
	j.State = Finished
	j.End = &End{Health: h, At: e.At, RecordedAt: at, ErrorType: e.ErrorType, Error: e.Error,
		Lines: e.Lines, LinesKnown: e.LinesKnown, Lost: e.Lost}
	return j, true
}

// cancel notes the first wish that a job end. One in the queue stays there until it is withdrawn;
// one that holds a device waits for its worker; one that is over and to be retried is not.
func (j Job) cancel(c Cancel) (Job, bool) {
	if j.Cancel != nil || j.State == Finished && !j.OwesRetry() {
		return j, false
	}
	j.Cancel = &c
	if j.State == Scheduled || j.State == Running {
		j.State = Canceling
	}
	return j, true
}

// jobOf returns the job that a fact is about, without the detour over [events.Entity], which would
// print and parse the number of each of a million facts.
func jobOf(e events.Event) (events.JobID, bool) {
	switch e := e.(type) {
	case events.JobSubmitted:
		return e.Job, true
	case events.JobRejected:
		return e.Job, true
	case events.DefinitionSplit:
		return e.Job, true
	case events.JobScheduled:
		return e.Job, true
	case events.JobWithdrawn:
		return e.Job, true
	case events.JobStarted:
		return e.Job, true
	case events.JobFinished:
		return e.Job, true
	case events.JobReturned:
		return e.Job, true
	case events.JobCancelCascaded:
		return e.Job, true
	case events.JobRetried:
		return e.Job, true
	case events.JobRetryDropped:
		return e.Job, true
	case events.JobOutputEnded:
		return e.Job, true
	case events.ReportRefused:
		return e.Job, true
	case events.JobPrioritySet:
		return e.Job, true
	case events.JobAnnotated:
		return e.Job, true
	case events.JobPinned:
		return e.Job, true
	case events.JobFavoured:
		return e.Job, true
	case events.JobCancelRequested:
		return e.Job, true
	case events.JobRemoved:
		return e.Job, true
	case events.JobFilesErased:
		return e.Job, true
	case events.JobOutputComplete:
		return e.Job, true
	case events.JobJudged:
		return e.Job, true
	}
	return 0, false
}
