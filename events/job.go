package events

import "time"

// JobHealth is how a finished job ended.
type JobHealth string

// How a job ended. Complete says that the pipeline ran to its end; failed test cases do not make a
// job Incomplete.
const (
	Complete   JobHealth = "Complete"
	Incomplete JobHealth = "Incomplete"
	Canceled   JobHealth = "Canceled"
)

// ErrorType is the class of the error that ended a job: who has to act. The words are those of
// LAVA's results (`error_type`).
type ErrorType string

// The classes of error. The empty ErrorType means that there was none.
const (
	InfrastructureError ErrorType = "Infrastructure"   // power, serial, network, worker
	ConfigurationError  ErrorType = "Configuration"    // device dictionary or lab settings
	BugError            ErrorType = "Bug"              // of Strata itself
	JobError            ErrorType = "Job"              // definition or artefacts
	TestError           ErrorType = "Test"             // a test could not be run
	CanceledError       ErrorType = "Canceled"         // canceled by a person or a signal
	MultinodeTimeout    ErrorType = "MultinodeTimeout" // a group did not start or sync in time
	UnknownError        ErrorType = "Unknown"          // failure without a class
)

// Visibility says who may see a job, as the definition asked.
type Visibility struct {
	Public bool        `json:"public,omitempty"`
	Groups []GroupName `json:"groups,omitempty"` // members of all of them; empty and not Public: the submitter only
}

// Source says where a definition's bytes are kept.
type Source struct {
	Sequence uint64 `json:"sequence"` // in SUBMISSIONS
	SHA256   string `json:"sha256"`   // of the bytes as submitted, lower-case hex
	Bytes    int    `json:"bytes"`
}

// Membership places a job in a multinode group.
type Membership struct {
	Group     string `json:"group"`  // the group's id, LAVA's target_group
	Parent    JobID  `json:"parent"` // number of part 0
	Role      string `json:"role"`
	Size      int    `json:"size"`                // parts in the group
	Essential bool   `json:"essential"`           // its end ends the others
	Guest     bool   `json:"guest"`               // runs on its host role's device over a dynamic connection; takes no device
	HostRole  string `json:"host_role,omitempty"` // of a guest: the role, of one part, whose device it runs on
}

// Attempt says of a job that it repeats another one, which ended by the lab's fault.
type Attempt struct {
	Of    JobID        `json:"of"`    // the first attempt
	N     int          `json:"n"`     // from 2
	Avoid []DeviceName `json:"avoid"` // devices that failed it, and are not to be tried again
}

// JobSubmitted records that a definition passed the gate and waits for a device.
// Written by services/submission.
type JobSubmitted struct {
	Job          JobID             `json:"job"`
	Display      string            `json:"display"` // "42", or "40.1" for a part of a multinode job
	User         UserName          `json:"user"`
	Name         string            `json:"name"` // job_name, 1–200 characters
	At           time.Time         `json:"at"`   // when the bus took the definition
	DeviceType   DeviceTypeName    `json:"device_type"`
	Device       DeviceName        `json:"device,omitempty"` // pinned to this device
	Worker       WorkerName        `json:"worker,omitempty"` // pinned to this worker
	Tags         []TagName         `json:"tags,omitempty"`   // the device must carry all of them
	Priority     int               `json:"priority"`         // 0–100, higher first
	Visibility   Visibility        `json:"visibility"`
	HealthCheck  bool              `json:"health_check,omitempty"`
	QueueTimeout Seconds           `json:"queue_timeout,omitempty"` // 0: waits for ever
	JobTimeout   Seconds           `json:"job_timeout"`             // timeouts.job, at least 1
	Metadata     map[string]string `json:"metadata,omitempty"`      // job metadata; values that are not text as JSON
	Part         *Membership       `json:"part,omitempty"`          // nil for a single-node job
	Retries      int               `json:"retries,omitempty"`       // further attempts that may follow an end which is the lab's fault: 0 or 1
	Attempt      *Attempt          `json:"attempt,omitempty"`       // nil for a first attempt
	Source       Source            `json:"source"`
}

// Problem is one thing that is wrong with a definition.
type Problem struct {
	Message string `json:"message"`          // as LAVA words it where clients match on it
	Path    string `json:"path,omitempty"`   // such as data['timeouts']['job']
	Line    int    `json:"line,omitempty"`   // from 1; 0 where unknown
	Column  int    `json:"column,omitempty"` // from 1
}

// JobRejected records that a definition was refused at the gate. It is the first and last fact of
// its number. Written by services/submission.
type JobRejected struct {
	Job      JobID     `json:"job"`
	User     UserName  `json:"user"`
	At       time.Time `json:"at"`
	Message  string    `json:"message"` // what a client shows
	Problems []Problem `json:"problems,omitempty"`
	Source   Source    `json:"source"`
}

// DefinitionSplit records into which jobs a multinode definition was split. Written by
// services/submission.
type DefinitionSplit struct {
	Job   JobID   `json:"job"` // the submission, which is also part 0
	Group string  `json:"group"`
	Parts []JobID `json:"parts"` // in order of n; Parts[0] == Job
}

// RoundDecided opens a batch of scheduling. It stands on one subject for all schedulers, so that
// a round that did not know of another one is refused whole. Written by services/scheduling.
type RoundDecided struct {
	Scheduler string `json:"scheduler"` // which instance
	Through   uint64 `json:"through"`   // the LAB sequence up to which it had read
	Scheduled int    `json:"scheduled"` // jobs given a device in this batch
}

// JobScheduled records that the scheduler gave a waiting job its device. DeviceReserved stands in
// the same batch. Written by services/scheduling.
type JobScheduled struct {
	Job    JobID      `json:"job"`
	Device DeviceName `json:"device,omitempty"` // empty for a guest
	Worker WorkerName `json:"worker"`           // the worker that the device hangs on
	Lease  Lease      `json:"lease"`
}

// JobWithdrawn records that a job left the queue without a device: it is Finished, Canceled.
// Written by services/scheduling.
type JobWithdrawn struct {
	Job    JobID    `json:"job"`
	Reason string   `json:"reason"`       // such as "canceled by alice", "queue timeout after 2h0m0s"
	By     UserName `json:"by,omitempty"` // who asked, where a person did
}

// JobStarted records that a worker runs the job's process. Written by services/dispatch.
type JobStarted struct {
	Job    JobID      `json:"job"`
	Device DeviceName `json:"device,omitempty"`
	Worker WorkerName `json:"worker"`
	Lease  Lease      `json:"lease"`
	At     time.Time  `json:"at"` // the worker's clock, kept between JobScheduled and this fact
}

// JobFinished records the end of a job that had a device. It never changes a device's health: what
// the end says of the device is decided by services/health. Written by services/dispatch.
type JobFinished struct {
	Job        JobID      `json:"job"`
	Device     DeviceName `json:"device,omitempty"`
	Worker     WorkerName `json:"worker"`
	Lease      Lease      `json:"lease"`
	Health     JobHealth  `json:"health"`
	ErrorType  ErrorType  `json:"error_type,omitempty"`
	Error      string     `json:"error,omitempty"` // the sentence users see
	At         time.Time  `json:"at"`
	Lines      uint64     `json:"lines"`          // log lines the worker says it sent; meaningful if LinesKnown
	LinesKnown bool       `json:"lines_known"`    // false where dispatch ended the job without the worker
	Lost       bool       `json:"lost,omitempty"` // ended by dispatch: the worker did not come back in time
}

// JobReturned records that an order was never started: the job is Submitted again with its place
// in the queue. Written by services/dispatch.
type JobReturned struct {
	Job    JobID      `json:"job"`
	Device DeviceName `json:"device,omitempty"`
	Worker WorkerName `json:"worker"`
	Lease  Lease      `json:"lease"`
	Reason string     `json:"reason"`
}

// JobCancelCascaded records that a job must end because of another in its group. Written by
// services/dispatch.
type JobCancelCascaded struct {
	Job    JobID  `json:"job"`
	From   JobID  `json:"from"`
	Reason string `json:"reason"`
}

// JobRetried records on a job's first attempt that a further attempt was submitted. It stands behind
// that one's JobSubmitted in the same batch. Written by services/submission.
type JobRetried struct {
	Job     JobID `json:"job"` // the first attempt
	As      JobID `json:"as"`
	Attempt int   `json:"attempt"` // from 2
}

// JobRetryDropped records that a job which was to be retried is not, and its end stands. Written by
// services/submission.
type JobRetryDropped struct {
	Job    JobID  `json:"job"`    // the first attempt
	Reason string `json:"reason"` // such as "no other device of type qemu could take it"
}

// ReportRefused records a claim of a worker that dispatch did not believe. Written by
// services/dispatch.
type ReportRefused struct {
	Job    JobID      `json:"job"`
	Worker WorkerName `json:"worker"`
	Lease  Lease      `json:"lease"`
	Claim  string     `json:"claim"`  // such as "finished"
	Reason string     `json:"reason"` // such as "lease 812 is over, 901 holds the device"
}

// JobOutputEnded records that no more output of a lease will come: the worker says that the broker
// has all of its spool. It is written only where JobFinished could not say how many lines there are.
// Written by services/dispatch.
type JobOutputEnded struct {
	Job    JobID      `json:"job"`
	Worker WorkerName `json:"worker"`
	Lease  Lease      `json:"lease"`
	Lines  uint64     `json:"lines"` // in the spool, all acknowledged by the broker
}

// JobPrioritySet records a new place in the queue. Written by services/api.
type JobPrioritySet struct {
	Job      JobID    `json:"job"`
	Priority int      `json:"priority"` // 0–100
	By       UserName `json:"by"`
}

// JobAnnotated records a person's judgement of a finished job. Written by services/api.
type JobAnnotated struct {
	Job     JobID    `json:"job"`
	Tags    []string `json:"tags,omitempty"` // failure tags
	Comment string   `json:"comment,omitempty"`
	By      UserName `json:"by"`
}

// JobCancelRequested records that a person asked for a job's end. Written by services/api.
type JobCancelRequested struct {
	Job    JobID    `json:"job"`
	By     UserName `json:"by"`
	Reason string   `json:"reason,omitempty"`
}

// JobRemoved records that a job's definition, output and results were erased, or its output alone.
// Facts stay. Written by services/api.
type JobRemoved struct {
	Job      JobID    `json:"job"`
	By       UserName `json:"by"`
	Reason   string   `json:"reason,omitempty"`
	LogsOnly bool     `json:"logs_only,omitempty"` // definition and results stay
}

// JobFilesErased records that the bytes of files that a job's tests gave were erased, by the lab's rule of
// how long they are kept. Their names and digests stay, and so does the rest of the log. Written by
// services/archive.
type JobFilesErased struct {
	Job   JobID  `json:"job"`
	Files uint64 `json:"files"`
	Bytes uint64 `json:"bytes"` // of all of them, equal ones counted once
	After int64  `json:"after"` // what the rule said: seconds after the job's end
}

func (e JobSubmitted) About() Entity       { return aboutJob(e.Job) }
func (e JobRejected) About() Entity        { return aboutJob(e.Job) }
func (e DefinitionSplit) About() Entity    { return aboutJob(e.Job) }
func (e RoundDecided) About() Entity       { return Entity{Kind: Scheduling} }
func (e JobScheduled) About() Entity       { return aboutJob(e.Job) }
func (e JobWithdrawn) About() Entity       { return aboutJob(e.Job) }
func (e JobStarted) About() Entity         { return aboutJob(e.Job) }
func (e JobFinished) About() Entity        { return aboutJob(e.Job) }
func (e JobReturned) About() Entity        { return aboutJob(e.Job) }
func (e JobCancelCascaded) About() Entity  { return aboutJob(e.Job) }
func (e JobRetried) About() Entity         { return aboutJob(e.Job) }
func (e JobRetryDropped) About() Entity    { return aboutJob(e.Job) }
func (e ReportRefused) About() Entity      { return aboutJob(e.Job) }
func (e JobOutputEnded) About() Entity     { return aboutJob(e.Job) }
func (e JobPrioritySet) About() Entity     { return aboutJob(e.Job) }
func (e JobAnnotated) About() Entity       { return aboutJob(e.Job) }
func (e JobCancelRequested) About() Entity { return aboutJob(e.Job) }
func (e JobRemoved) About() Entity         { return aboutJob(e.Job) }
func (e JobFilesErased) About() Entity     { return aboutJob(e.Job) }
