package projections

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"strata/events"
)

// jobRow is a row of job_state: what one fact knows of a job. Groups of columns that a later fact can
// change begin with the sequence.
type jobRow struct {
	Job          uint64       `ch:"job"`
	Seq          uint64       `ch:"seq"`
	Display      string       `ch:"display"`
	User         string       `ch:"user"`
	Name         string       `ch:"name"`
	SubmittedAt  time.Time    `ch:"submitted_at"`
	DeviceType   string       `ch:"device_type"`
	PinDevice    string       `ch:"pin_device"`
	PinWorker    string       `ch:"pin_worker"`
	Tags         []string     `ch:"tags"`
	Public       uint8        `ch:"public"`
	Groups       []string     `ch:"groups"`
	HealthCheck  uint8        `ch:"health_check"`
	QueueTimeout uint64       `ch:"queue_timeout"`
	JobTimeout   uint64       `ch:"job_timeout"`
	Metadata     [][]any      `ch:"metadata"`
	GroupID      string       `ch:"group_id"`
	Parent       uint64       `ch:"parent"`
	Role         string       `ch:"role"`
	SourceSHA256 string       `ch:"source_sha256"`
	SourceBytes  uint64       `ch:"source_bytes"`
	Rejected     string       `ch:"rejected"`
	Priority     jobPriority  `ch:"priority"`
	State        latestString `ch:"state"`
	Run          jobRun       `ch:"run"`
	Started      jobStart     `ch:"started"`
	Cancel       jobCancel    `ch:"cancel"`
	Ended        jobEnd       `ch:"ended"`
	Output       jobOutput    `ch:"output"`
	Retried      jobRetry     `ch:"retried"`
	Note         jobNote      `ch:"note"`
	Removed      uint8        `ch:"removed"`
}

// Groups of columns of a job that change together.
type (
	latestString struct {
		Seq   uint64 `ch:"seq"`
		Value string `ch:"value"`
	}
	jobPriority struct {
		Seq   uint64 `ch:"seq"`
		Value int32  `ch:"value"`
	}
	jobRun struct {
		Seq         uint64    `ch:"seq"`
		Device      string    `ch:"device"`
		Worker      string    `ch:"worker"`
		Lease       uint64    `ch:"lease"`
		ScheduledAt time.Time `ch:"scheduled_at"`
	}
	jobStart struct {
		Seq uint64    `ch:"seq"`
		At  time.Time `ch:"at"`
	}
	jobCancel struct {
		Seq    uint64    `ch:"seq"`
		At     time.Time `ch:"at"`
		By     string    `ch:"by"`
		Reason string    `ch:"reason"`
	}
	jobEnd struct {
		Seq       uint64    `ch:"seq"`
		Health    string    `ch:"health"`
		ErrorType string    `ch:"error_type"`
		Error     string    `ch:"error"`
		At        time.Time `ch:"at"`
		Lost      uint8     `ch:"lost"`
	}
	jobOutput struct {
		Seq     uint64 `ch:"seq"`
		Lines   uint64 `ch:"lines"`
		Bytes   uint64 `ch:"bytes"`
		Cases   uint64 `ch:"cases"`
		Missing uint64 `ch:"missing"`
	}
	jobRetry struct {
		Seq     uint64 `ch:"seq"`
		Job     uint64 `ch:"job"`
		Attempt uint32 `ch:"attempt"`
	}
	jobNote struct {
		Seq     uint64   `ch:"seq"`
		Tags    []string `ch:"tags"`
		Comment string   `ch:"comment"`
		By      string   `ch:"by"`
	}
)

// newJobRow returns a row that says nothing but that there was a fact.
func newJobRow(job events.JobID, seq uint64) jobRow {
	never := utc(time.Time{})
	return jobRow{
		Job: uint64(job), Seq: seq, SubmittedAt: never,
		Run: jobRun{ScheduledAt: never}, Started: jobStart{At: never}, Cancel: jobCancel{At: never}, Ended: jobEnd{At: never},
	}
}

// jobRows says what a fact tells of a job as it stands.
func jobRows(f fact) []jobRow {
	if f.Event == nil {
		return nil
	}
	about := f.Event.About()
	if about.Kind != events.Job {
		return nil
	}
	var r jobRow
	switch e := f.Event.(type) {
	case events.JobSubmitted:
		r = submittedRow(e, f.Seq)
	case events.JobRejected:
		r = newJobRow(e.Job, f.Seq)
		r.Display, r.User, r.SubmittedAt = e.Job.String(), string(e.User), utc(e.At)
		r.SourceSHA256, r.SourceBytes = e.Source.SHA256, uint64(e.Source.Bytes)
		r.Rejected = e.Message
		r.State = latestString{f.Seq, "Finished"}
		r.Ended = jobEnd{Seq: f.Seq, Health: string(events.Incomplete), ErrorType: string(events.JobError), Error: problems(e), At: utc(e.At)}
	case events.JobScheduled:
		r = newJobRow(e.Job, f.Seq)
		r.State = latestString{f.Seq, "Scheduled"}
		r.Run = jobRun{f.Seq, string(e.Device), string(e.Worker), uint64(e.Lease), utc(f.Time)}
	case events.JobWithdrawn:
		r = newJobRow(e.Job, f.Seq)
		r.State = latestString{f.Seq, "Finished"}
		r.Ended = jobEnd{Seq: f.Seq, Health: string(events.Canceled), ErrorType: string(events.CanceledError), Error: e.Reason, At: utc(f.Time)}
	case events.JobStarted:
		r = newJobRow(e.Job, f.Seq)
		r.State = latestString{f.Seq, "Running"}
		r.Started = jobStart{f.Seq, utc(e.At)}
	case events.JobFinished:
		r = newJobRow(e.Job, f.Seq)
		r.State = latestString{f.Seq, "Finished"}
		r.Ended = jobEnd{f.Seq, string(e.Health), string(e.ErrorType), e.Error, utc(e.At), bit(e.Lost)}
	case events.JobReturned:
		r = newJobRow(e.Job, f.Seq)
		r.State = latestString{f.Seq, "Submitted"}
		r.Run = jobRun{Seq: f.Seq, ScheduledAt: utc(time.Time{})} // it has no device any more
	case events.JobCancelRequested:
		r = newJobRow(e.Job, f.Seq)
		r.Cancel = jobCancel{f.Seq, utc(f.Time), string(e.By), e.Reason}
	case events.JobCancelCascaded:
		r = newJobRow(e.Job, f.Seq)
		r.Cancel = jobCancel{Seq: f.Seq, At: utc(f.Time), Reason: e.Reason}
	case events.JobRetried:
		r = newJobRow(e.Job, f.Seq)
		r.Retried = jobRetry{f.Seq, uint64(e.As), uint32(e.Attempt)}
	case events.JobPrioritySet:
		r = newJobRow(e.Job, f.Seq)
		r.Priority = jobPriority{f.Seq, int32(e.Priority)}
	case events.JobAnnotated:
		r = newJobRow(e.Job, f.Seq)
		r.Note = jobNote{f.Seq, e.Tags, e.Comment, string(e.By)}
	case events.JobRemoved:
		r = newJobRow(e.Job, f.Seq)
		r.Removed = 1
	case events.JobOutputComplete:
		r = newJobRow(e.Job, f.Seq)
		r.Output = jobOutput{f.Seq, e.Lines, e.Bytes, e.Cases, e.Missing}
	default: // of the others a job as it stands keeps nothing
		return nil
	}
	return []jobRow{r}
}

func submittedRow(e events.JobSubmitted, seq uint64) jobRow {
	r := newJobRow(e.Job, seq)
	r.Display, r.User, r.Name, r.SubmittedAt = e.Display, string(e.User), e.Name, utc(e.At)
	r.DeviceType, r.PinDevice, r.PinWorker = string(e.DeviceType), string(e.Device), string(e.Worker)
	r.Tags, r.Public, r.Groups = texts(e.Tags), bit(e.Visibility.Public), texts(e.Visibility.Groups)
	r.HealthCheck, r.QueueTimeout, r.JobTimeout = bit(e.HealthCheck), uint64(e.QueueTimeout), uint64(e.JobTimeout)
	for _, k := range slices.Sorted(maps.Keys(e.Metadata)) { // a map has no order, a row must have one
		r.Metadata = append(r.Metadata, []any{k, e.Metadata[k]})
	}
	if e.Part != nil {
		r.GroupID, r.Parent, r.Role = e.Part.Group, uint64(e.Part.Parent), e.Part.Role
	}
	r.SourceSHA256, r.SourceBytes = e.Source.SHA256, uint64(e.Source.Bytes)
	r.Priority = jobPriority{seq, int32(e.Priority)}
	r.State = latestString{seq, "Submitted"}
	return r
}

// problems writes why a definition was refused as one text, a line a problem.
func problems(e events.JobRejected) string {
	if len(e.Problems) == 0 {
		return e.Message
	}
	var lines []string
	for _, p := range e.Problems {
		line := p.Message
		if p.Line > 0 {
			line = fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, line)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// jobTransitionRow is a row of job_transitions: one step of a job's story.
type jobTransitionRow struct {
	Job    uint64    `ch:"job"`
	Seq    uint64    `ch:"seq"`
	N      uint32    `ch:"n"`
	Time   time.Time `ch:"time"`
	State  string    `ch:"state"`
	Health string    `ch:"health"`
	Event  string    `ch:"event"`
	Device string    `ch:"device"`
	Worker string    `ch:"worker"`
	Lease  uint64    `ch:"lease"`
	Reason string    `ch:"reason"`
	Actor  string    `ch:"actor"`
}

// jobTransitionRows tells every fact about a job, also those that change no state.
func jobTransitionRows(f fact) []jobTransitionRow {
	if f.Event == nil || f.Event.About().Kind != events.Job {
		return nil
	}
	r := jobTransitionRow{Seq: f.Seq, Time: utc(f.Time), Event: events.Name(f.Event), Actor: string(f.Actor)}
	run := func(device events.DeviceName, worker events.WorkerName, lease events.Lease) {
		r.Device, r.Worker, r.Lease = string(device), string(worker), uint64(lease)
	}
	switch e := f.Event.(type) {
	case events.JobSubmitted:
		r.Job, r.State = uint64(e.Job), "Submitted"
	case events.JobRejected:
		r.Job, r.State, r.Health, r.Reason = uint64(e.Job), "Finished", string(events.Incomplete), problems(e)
	case events.DefinitionSplit:
		r.Job, r.Reason = uint64(e.Job), fmt.Sprintf("into %d parts", len(e.Parts))
	case events.JobScheduled:
		r.Job, r.State = uint64(e.Job), "Scheduled"
		run(e.Device, e.Worker, e.Lease)
	case events.JobWithdrawn:
		r.Job, r.State, r.Health, r.Reason = uint64(e.Job), "Finished", string(events.Canceled), e.Reason
	case events.JobStarted:
		r.Job, r.State = uint64(e.Job), "Running"
		run(e.Device, e.Worker, e.Lease)
	case events.JobFinished:
		r.Job, r.State, r.Health, r.Reason = uint64(e.Job), "Finished", string(e.Health), e.Error
		run(e.Device, e.Worker, e.Lease)
	case events.JobReturned:
		r.Job, r.State, r.Reason = uint64(e.Job), "Submitted", e.Reason
		run(e.Device, e.Worker, e.Lease)
	case events.JobCancelCascaded:
		r.Job, r.Reason = uint64(e.Job), e.Reason
	case events.JobRetried:
		r.Job, r.Reason = uint64(e.Job), fmt.Sprintf("attempt %d is job %d", e.Attempt, e.As)
	case events.ReportRefused:
		r.Job, r.Reason = uint64(e.Job), e.Claim+": "+e.Reason
		run("", e.Worker, e.Lease)
	case events.JobPrioritySet:
		r.Job, r.Reason = uint64(e.Job), fmt.Sprintf("priority %d", e.Priority)
	case events.JobAnnotated:
		r.Job, r.Reason = uint64(e.Job), e.Comment
	case events.JobCancelRequested:
		r.Job, r.Reason = uint64(e.Job), e.Reason
	case events.JobRemoved:
		r.Job, r.Reason = uint64(e.Job), e.Reason
	case events.JobOutputComplete:
		r.Job, r.Lease, r.Reason = uint64(e.Job), uint64(e.Lease), e.Reason
	default:
		return nil
	}
	return []jobTransitionRow{r}
}
