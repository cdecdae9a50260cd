package api

import (
	"time"

	"strata/events"
)

// Job is what the api tells of one job.
// REST v1, the CLI's --json and the web read it by these names; REST v0.2 and XML-RPC make LAVA's of them. Times are UTC.
// A field that the source of an answer does not know (a list knows less than jobs.show) is left out.
type Job struct {
	Job         events.JobID          `json:"job"`
	Display     string                `json:"display"`          // "42", or "40.1" of a multinode job
	State       string                `json:"state"`            // Submitted, Scheduling, Scheduled, Running, Canceling, Finished, or Rejected
	Health      events.JobHealth      `json:"health,omitempty"` // of a finished job
	User        events.UserName       `json:"user"`
	Name        string                `json:"name,omitempty"`
	DeviceType  events.DeviceTypeName `json:"device_type,omitempty"`
	Device      events.DeviceName     `json:"device,omitempty"`
	Worker      events.WorkerName     `json:"worker,omitempty"`
	Priority    int                   `json:"priority"`
	HealthCheck bool                  `json:"health_check,omitempty"`
	Tags        []events.TagName      `json:"tags,omitempty"`
	// The lease tells which of several orders for one job is meant; 0: it never had a device.
	Lease      events.Lease     `json:"lease,omitempty"`
	Submitted  time.Time        `json:"submitted"`
	Started    *time.Time       `json:"started,omitempty"`
	Ended      *time.Time       `json:"ended,omitempty"`
	ErrorType  events.ErrorType `json:"error_type,omitempty"`
	Error      string           `json:"error,omitempty"`         // why it ended as it did
	CanceledBy events.UserName  `json:"canceled_by,omitempty"`   // who asked for its end
	CancelWhy  string           `json:"cancel_reason,omitempty"` // and what he said of it
	// Places are of the definition's text as it was submitted, lines and columns from 1.
	Problems []events.Problem  `json:"problems,omitempty"` // of a rejected definition
	Why      string            `json:"why,omitempty"`      // why it waits, where it does
	Lines    uint64            `json:"lines,omitempty"`    // log lines, once all have been read
	Missing  uint64            `json:"missing,omitempty"`  // of these, lines that never came
	Cases    uint64            `json:"cases,omitempty"`    // test cases, once all have been read
	Complete bool              `json:"output_complete"`    // all output has been read
	Metadata map[string]string `json:"metadata,omitempty"`
	RetryOf  events.JobID      `json:"retry_of,omitempty"` // of a further attempt: the first one
	// A job is a first attempt (RetriedAs may follow) or a further one (RetryOf); there are two at
	// most.
	Retrying   bool         `json:"retrying,omitempty"`    // it ended by the lab's fault, and a further attempt is to come
	RetriedAs  events.JobID `json:"retried_as,omitempty"`  // the further attempt
	NotRetried string       `json:"not_retried,omitempty"` // why there is none although it was allowed
	Role       string       `json:"role,omitempty"`        // in its multinode group
	Parts      []Part       `json:"parts,omitempty"`       // of jobs.show, of a multinode job: the whole group, in order
	Judgement  *Judgement   `json:"judgement,omitempty"`   // what its end means, once it was judged
	Attempts   []Attempt    `json:"attempts,omitempty"`    // of jobs.show, where there are several: all, the first one first
	Favourite  bool         `json:"favourite,omitempty"`   // of jobs.show: it is one of the caller's own
}

// Part is one job of a multinode group.
type Part struct {
	Job        events.JobID          `json:"job"`
	Display    string                `json:"display"` // "41.2"
	Role       string                `json:"role"`
	State      string                `json:"state"`
	Health     events.JobHealth      `json:"health,omitempty"`
	Essential  bool                  `json:"essential,omitempty"` // its failure ends the others
	Guest      bool                  `json:"guest,omitempty"`     // runs on its host role's device and takes none
	HostRole   string                `json:"host_role,omitempty"`
	DeviceType events.DeviceTypeName `json:"device_type,omitempty"`
	Device     events.DeviceName     `json:"device,omitempty"`
	ErrorType  events.ErrorType      `json:"error_type,omitempty"`
	Error      string                `json:"error,omitempty"`
}

// Attempt is one of the jobs that a job became because the lab failed it.
type Attempt struct {
	Job       events.JobID      `json:"job"`
	State     string            `json:"state"`
	Health    events.JobHealth  `json:"health,omitempty"`
	Device    events.DeviceName `json:"device,omitempty"`
	ErrorType events.ErrorType  `json:"error_type,omitempty"`
	Error     string            `json:"error,omitempty"`
}

// Over reports whether the job has come to its end.
func (j Job) Over() bool { return j.State == StateFinished || j.State == StateRejected }

// The states that commands ask for by name.
const (
	StateFinished = "Finished"
	StateRejected = "Rejected"
)

// JobRequest names a job; most verbs of jobs take it. As JSON, here and wherever a request names a job,
// the job may also be a text as people write it: "42", or "41.2" for a part of a multinode job.
// An unknown field is refused, also in the verbs that take only some of these.
type JobRequest struct {
	Job    events.JobID `json:"job"`
	Reason string       `json:"reason,omitempty"` // of cancel
	// Whole asks for a job that was retried as if it were one: see asOne. It counts for jobs.show and
	// jobs.results.
	Whole bool `json:"whole,omitempty"`
}

// JobsRequest asks for a list of jobs, newest first.
// Device and Whole are the lab's own; LAVA's filters go by [FindJobs].
type JobsRequest struct {
	All    bool            `json:"all,omitempty"`  // those that are over too, from ClickHouse
	User   events.UserName `json:"user,omitempty"` // of this user only
	State  string          `json:"state,omitempty"`
	Device string          `json:"device,omitempty"` // on this device, or of this device type
	Limit  int             `json:"limit,omitempty"`  // at most so many; 0 is 50, 1000 the most
	Whole  bool            `json:"whole,omitempty"`  // a job and its further attempts as one job, under the first number
}

// Jobs answers JobsRequest.
type Jobs struct {
	Jobs []Job `json:"jobs"`
	// Both count jobs of everybody, seen or not.
	Waiting int    `json:"waiting"`        // jobs in the queue, whatever was asked for
	Running int    `json:"running"`        // jobs that hold a device
	Away    string `json:"away,omitempty"` // why finished jobs are missing, where they are
}

// PriorityRequest gives a waiting job another place in the queue.
// LAVA's words are numbers, too: low is 0, medium 50, high 100.
type PriorityRequest struct {
	Job      events.JobID `json:"job"`
	Priority int          `json:"priority"` // 0–100
}

// LogRequest opens a job's log. The messages are frames: their bodies hold records as JSON, one a
// line, and the header strata-first-line the number of the first.
// Levels are for the doors to filter by: frames come as the job sent them.
type LogRequest struct {
	Job    events.JobID `json:"job"`
	From   uint64       `json:"from,omitempty"`   // first line, from 0
	Follow bool         `json:"follow,omitempty"` // go on until the job's output is complete
	// Whole asks for the log of the last attempt of a job that was retried. With Follow it goes on with the
	// log of each attempt that comes; frames name their job.
	Whole bool `json:"whole,omitempty"`
	// Resumed says that From is a line of this very job, whose log the caller has read so far: with Whole the rest of it
	// comes before those of the attempts that followed. Else From is a line of the last attempt.
	Resumed bool `json:"resumed,omitempty"`
	// Newest takes a follower who cannot keep up to the newest lines, where he would else read on from the
	// store, ever later. The numbers of lines tell what he was spared.
	Newest bool `json:"newest,omitempty"`
}

// Results answers JobRequest for results.
type Results struct {
	Job      events.JobID  `json:"job"`
	Cases    []events.Case `json:"cases"`
	Complete bool          `json:"complete"` // all output has been read, nothing will be added
	// RetriedAs is the attempt that followed the one whose results these are; 0: none.
	RetriedAs events.JobID `json:"retried_as,omitempty"`
	Problems  []string     `json:"problems,omitempty"`
}

// EventsRequest opens the facts of the lab, or of one entity of it.
// Facts come in order of their sequences, each once; those that the caller may not see are missing without a sign.
type EventsRequest struct {
	Entity string `json:"entity,omitempty"` // such as "job/42" or "device/qemu01"; empty: all of them
	From   uint64 `json:"from,omitempty"`   // first sequence of LAB; 0: the last hundred
	Follow bool   `json:"follow,omitempty"`
	// Until ends the flow after a fact of this name about the entity, such as "job.finished".
	Until string `json:"until,omitempty"`
}

// Fact is one message of a flow of events.
// It is told by every door in this form, and is what `strata events --json` prints.
type Fact struct {
	Seq    uint64          `json:"seq"`    // in LAB
	Name   string          `json:"name"`   // such as "job.scheduled"
	Entity string          `json:"entity"` // such as "job/42"
	Time   time.Time       `json:"time"`
	Source string          `json:"source"` // such as "services/scheduling"
	Actor  events.UserName `json:"actor,omitempty"`
	From   string          `json:"from,omitempty"` // by which door and from where the actor asked
	Cause  string          `json:"cause,omitempty"`
	Data   any             `json:"data"` // the fact itself; see docs/events.md
}

// Device is what the api tells of a device.
// Whoever may see the device sees all of it; of what holds it, what [api.seenJob] shows.
type Device struct {
	Device       events.DeviceName     `json:"device"`
	DeviceType   events.DeviceTypeName `json:"device_type"`
	Worker       events.WorkerName     `json:"worker,omitempty"`
	State        string                `json:"state"` // Idle, Reserved, Running
	Health       events.DeviceHealth   `json:"health"`
	HealthReason string                `json:"health_reason,omitempty"` // why it is so, where that was said
	HealthBy     events.UserName       `json:"health_by,omitempty"`     // who set it; lava-health where the lab did
	Job          events.JobID          `json:"job,omitempty"`           // that holds it
	JobDisplay   string                `json:"job_display,omitempty"`   // the same as people call it, such as 41.2
	HeldBy       events.UserName       `json:"held_by,omitempty"`       // who has it in hand; it is Reserved then, without a job
	HeldFor      events.HandsUse       `json:"held_for,omitempty"`      // what for
	HeldUntil    *time.Time            `json:"held_until,omitempty"`    // when that ends by itself
	Tags         []events.TagName      `json:"tags,omitempty"`
	Description  string                `json:"description,omitempty"`
	Version      int                   `json:"version"`              // of its dictionary, from 1; 0: has none
	Dictionary   string                `json:"dictionary,omitempty"` // of show only
	Hardware     string                `json:"hardware,omitempty"`   // revision of the board
	Owner        events.UserName       `json:"owner,omitempty"`      // who has it on the desk
	OwnerGroup   events.GroupName      `json:"owner_group,omitempty"`
	Permissions  []events.Permission   `json:"permissions,omitempty"`    // of groups
	LastCheck    *time.Time            `json:"last_check,omitempty"`     // when its last health check was submitted
	LastCheckJob events.JobID          `json:"last_check_job,omitempty"` // the last health check that ended
	Notes        []string              `json:"notes,omitempty"`          // of add only: what somebody may not have meant
}

// DeviceRequest names a device, and says what is wanted of it.
type DeviceRequest struct {
	Device      events.DeviceName     `json:"device"`
	DeviceType  events.DeviceTypeName `json:"device_type,omitempty"` // of add
	Worker      events.WorkerName     `json:"worker,omitempty"`      // of add and move; "" of move: on none
	Dictionary  string                `json:"dictionary,omitempty"`  // of add and configure
	Tags        []events.TagName      `json:"tags,omitempty"`        // of add
	Tag         events.TagName        `json:"tag,omitempty"`         // of tag and untag
	Health      events.DeviceHealth   `json:"health,omitempty"`      // of add and health
	Description string                `json:"description,omitempty"` // of add
	Reason      string                `json:"reason,omitempty"`
}

// DeviceType is what the api tells of a device type, and what its configuration sets.
// The health_frequency counts hours or jobs, as the denominator says; 0 of a request means 24.
type DeviceType struct {
	DeviceType        events.DeviceTypeName `json:"device_type"`
	Description       string                `json:"description,omitempty"`
	Architecture      string                `json:"architecture,omitempty"`
	Aliases           []string              `json:"aliases,omitempty"`
	Hidden            bool                  `json:"hidden,omitempty"`
	HealthFrequency   int                   `json:"health_frequency,omitempty"`
	HealthDenominator events.Denominator    `json:"health_denominator,omitempty"`
	HealthDisabled    bool                  `json:"health_disabled,omitempty"`
	HealthCheck       string                `json:"health_check,omitempty"`
	Template          string                `json:"template,omitempty"`
	Permissions       []events.Permission   `json:"permissions,omitempty"` // of groups; not set by configuration
	Devices           map[string]int        `json:"devices,omitempty"`     // number of devices by health
	Waiting           int                   `json:"waiting,omitempty"`     // jobs in the queue
	Notes             []string              `json:"notes,omitempty"`       // of configure only: what of the settings says nothing
}

// Worker is what the api tells of a worker.
type Worker struct {
	Worker      events.WorkerName   `json:"worker"`
	State       string              `json:"state"`                  // Online, Offline
	StateReason string              `json:"state_reason,omitempty"` // why it is Offline
	Since       time.Time           `json:"since"`                  // when it came or went
	Health      events.WorkerHealth `json:"health"`
	// HealthReason and HealthBy are those of the person who set the health last.
	HealthReason string          `json:"health_reason,omitempty"`
	HealthBy     events.UserName `json:"health_by,omitempty"`
	Description  string          `json:"description,omitempty"`
	// Devices of it that may be in use at the same time; 0 is any number.
	JobLimit   int    `json:"job_limit,omitempty"`
	Version    string `json:"version,omitempty"`
	Configured int    `json:"configured,omitempty"` // version of its settings, from 1; 0: has had none
	Devices    int    `json:"devices"`
	Running    int    `json:"running"`         // devices that jobs hold
	Token      string `json:"token,omitempty"` // of register and token only

	// Of show only: its devices by name, the jobs that run on it, and its files.
	DeviceNames []events.DeviceName `json:"device_names,omitempty"`
	Jobs        []events.JobID      `json:"jobs,omitempty"`
	JobDisplays []string            `json:"job_displays,omitempty"` // the same as people call them
	// Its files go only to those who may change the worker: they may hold secrets of the lab.
	Dispatcher string `json:"dispatcher,omitempty"`
	Env        string `json:"env,omitempty"`
	EnvDUT     string `json:"env_dut,omitempty"`
}

// WorkerRequest names a worker, and says what is wanted of it.
type WorkerRequest struct {
	Worker      events.WorkerName   `json:"worker"`
	Description *string             `json:"description,omitempty"` // nil: as it is
	JobLimit    *int                `json:"job_limit,omitempty"`
	Dispatcher  *string             `json:"dispatcher,omitempty"`
	Env         *string             `json:"env,omitempty"`
	EnvDUT      *string             `json:"env_dut,omitempty"`
	Health      events.WorkerHealth `json:"health,omitempty"`
	Reason      string              `json:"reason,omitempty"`
	Force       bool                `json:"force,omitempty"`  // of remove: also one that is online, has devices or runs jobs
	Rotate      bool                `json:"rotate,omitempty"` // of token: make those before worthless
}

// TagRequest names a tag.
type TagRequest struct {
	Tag         events.TagName `json:"tag"`
	Description string         `json:"description,omitempty"`
}

// SQLRequest asks ClickHouse, read-only. The messages of the flow are the answer's bytes in order.
// Who administers the lab asks the storage itself; others see the views for analysts, and of them
// their own part.
type SQLRequest struct {
	Query  string `json:"query"`
	Format string `json:"format,omitempty"` // of ClickHouse, such as PrettyCompact, JSONEachRow, CSV
	// Kept: the answer may be one that was given less than a minute ago, if no fact and no result has been recorded
	// since. It is for queries that ask neither for the time nor for what is no fact.
	Kept bool `json:"kept,omitempty"`
}

// Status answers the question how the lab is.
// Who has no name is told version and time alone: that the lab lives.
type Status struct {
	Version  string    `json:"version"`
	Time     time.Time `json:"time"`
	Sequence uint64    `json:"sequence"` // of LAB, up to which the answer has read
	Waiting  int       `json:"waiting"`
	Running  int       `json:"running"`
	Devices  int       `json:"devices"`
	Workers  int       `json:"workers"`
	Online   int       `json:"online"`            // workers that are there
	History  string    `json:"history"`           // "up", or why ClickHouse is away
	Refuses  string    `json:"refuses,omitempty"` // why no submissions are taken, where none are
	User     string    `json:"user,omitempty"`    // whom the lab takes the caller for
}
