package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/projections/sql"
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
		r.Removed = bit(!e.LogsOnly)
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
	id, err := strconv.ParseUint(f.Event.About().ID, 10, 64)
	if err != nil { // JobID.String writes a number
		return nil
	}
	r := jobTransitionRow{Job: id, Seq: f.Seq, Time: utc(f.Time), Event: events.Name(f.Event), Actor: string(f.Actor)}
	run := func(device events.DeviceName, worker events.WorkerName, lease events.Lease) {
		r.Device, r.Worker, r.Lease = string(device), string(worker), uint64(lease)
	}
	switch e := f.Event.(type) {
	case events.JobSubmitted:
		r.State = "Submitted"
	case events.JobRejected:
		r.State, r.Health, r.Reason = "Finished", string(events.Incomplete), problems(e)
	case events.DefinitionSplit:
		r.Reason = fmt.Sprintf("into %d parts", len(e.Parts))
	case events.JobScheduled:
		r.State = "Scheduled"
		run(e.Device, e.Worker, e.Lease)
	case events.JobWithdrawn:
		r.State, r.Health, r.Reason = "Finished", string(events.Canceled), e.Reason
	case events.JobStarted:
		r.State = "Running"
		run(e.Device, e.Worker, e.Lease)
	case events.JobFinished:
		r.State, r.Health, r.Reason = "Finished", string(e.Health), e.Error
		run(e.Device, e.Worker, e.Lease)
	case events.JobReturned:
		r.State, r.Reason = "Submitted", e.Reason
		run(e.Device, e.Worker, e.Lease)
	case events.JobCancelCascaded:
		r.Reason = e.Reason
	case events.JobRetried:
		r.Reason = fmt.Sprintf("attempt %d is job %d", e.Attempt, e.As)
	case events.JobRetryDropped:
		r.Reason = e.Reason
	case events.ReportRefused:
		r.Reason = e.Claim + ": " + e.Reason
		run("", e.Worker, e.Lease)
	case events.JobOutputEnded:
		run("", e.Worker, e.Lease)
	case events.JobPrioritySet:
		r.Reason = fmt.Sprintf("priority %d", e.Priority)
	case events.JobAnnotated:
		r.Reason = e.Comment
	case events.JobCancelRequested:
		r.Reason = e.Reason
	case events.JobRemoved:
		r.Reason = e.Reason
	case events.JobOutputComplete:
		r.Lease, r.Reason = uint64(e.Lease), e.Reason
	case events.JobJudged:
		r.Reason = strings.TrimSuffix(string(e.Verdict)+": "+string(e.Cause), ": ")
	}
	return []jobTransitionRow{r}
}

// ErrNotFound reports that the tables have nothing of what was asked for, by its name or number. A
// job that was submitted a moment ago may not have come yet.
var ErrNotFound = errors.New("not in the tables")

// Job is a job as the view jobs has it; docs/tables.md tells each column.
type Job struct {
	Job          uint64            `ch:"job" json:"job"`
	Display      string            `ch:"display" json:"display"`
	User         string            `ch:"user" json:"user"`
	Name         string            `ch:"name" json:"name"`
	State        string            `ch:"state" json:"state"`
	Health       string            `ch:"health" json:"health"`
	SubmittedAt  time.Time         `ch:"submitted_at" json:"submitted_at"`
	ScheduledAt  *time.Time        `ch:"scheduled_at" json:"scheduled_at,omitempty"`
	StartedAt    *time.Time        `ch:"started_at" json:"started_at,omitempty"`
	EndedAt      *time.Time        `ch:"ended_at" json:"ended_at,omitempty"`
	DeviceType   string            `ch:"device_type" json:"device_type"`
	Device       string            `ch:"device" json:"device,omitempty"`
	Worker       string            `ch:"worker" json:"worker,omitempty"`
	Priority     int32             `ch:"priority" json:"priority"`
	Tags         []string          `ch:"tags" json:"tags,omitempty"`
	Public       bool              `ch:"public" json:"public"`
	Groups       []string          `ch:"groups" json:"groups,omitempty"`
	HealthCheck  bool              `ch:"health_check" json:"health_check"`
	ErrorType    string            `ch:"error_type" json:"error_type,omitempty"`
	Error        string            `ch:"error" json:"error,omitempty"`
	Rejected     bool              `ch:"rejected" json:"rejected,omitempty"`
	Metadata     map[string]string `ch:"metadata" json:"metadata,omitempty"`
	Parent       uint64            `ch:"parent" json:"parent,omitempty"`
	Role         string            `ch:"role" json:"role,omitempty"`
	RetriedAs    uint64            `ch:"retried_as" json:"retried_as,omitempty"` // the attempt after this one
	Complete     bool              `ch:"complete" json:"complete"`               // all output and results have been read
	Lines        uint64            `ch:"lines" json:"lines"`                     // of the log, once Complete
	Cases        uint64            `ch:"cases" json:"cases"`                     // test cases, once Complete
	MissingLines uint64            `ch:"missing_lines" json:"missing_lines,omitempty"`
	FailureTags  []string          `ch:"failure_tags" json:"failure_tags,omitempty"`
	Comment      string            `ch:"comment" json:"comment,omitempty"`
	Removed      bool              `ch:"removed" json:"removed,omitempty"`
}

// Sizes of a page.
const (
	defaultLimit = 50
	maxLimit     = 10_000
)

func limit(asked int) uint64 {
	if asked <= 0 {
		return defaultLimit
	}
	return uint64(min(asked, maxLimit))
}

// JobFilter says which jobs are wanted; an empty field wants any. Removed jobs are left out.
type JobFilter struct {
	Viewer       Viewer // jobs that they may not see are left out
	User         events.UserName
	DeviceType   events.DeviceTypeName // asked for
	Device       events.DeviceName     // given
	Worker       events.WorkerName     // given
	States       []string              // such as Submitted, Running; one of them
	Healths      []string              // such as Complete, Unknown; one of them
	Name         string                // part of the job's name, in any case
	HealthChecks *bool                 // only them, or none of them
	Rejected     bool                  // refused definitions too
	Since        time.Time             // submitted then or later
	Before       events.JobID          // jobs with a smaller number: the next page begins where this one ended
	Limit        int                   // of a page; 0 is 50, at most 10,000
}

// where returns the filter as a condition on the view jobs.
func (f JobFilter) where() (condition string, values []any) {
	seen := seenBy(f.Viewer)
	where, values := seen.where, seen.values
	bind := func(condition, name string, value any) {
		where = append(where, condition)
		values = append(values, clickhouse.Named(name, value))
	}
	if f.User != "" {
		bind("user = {user:String}", "user", string(f.User))
	}
	if f.DeviceType != "" {
		bind("device_type = {device_type:String}", "device_type", string(f.DeviceType))
	}
	if f.Name != "" {
		bind("positionCaseInsensitiveUTF8(name, {name:String}) > 0", "name", f.Name)
	}
	if f.HealthChecks != nil {
		where = append(where, fmt.Sprintf("health_check = %t", *f.HealthChecks))
	}
	if !f.Since.IsZero() {
		bind("submitted_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')", "since", f.Since.UnixMicro())
	}
	if f.Before != 0 {
		bind("job < {before:UInt64}", "before", uint64(f.Before))
	}
	if f.Device != "" {
		bind("device = {device:String}", "device", string(f.Device))
	}
	if f.Worker != "" {
		bind("worker = {worker:String}", "worker", string(f.Worker))
	}
	if len(f.States) > 0 {
		bind("state IN {states:Array(String)}", "states", f.States)
	}
	if len(f.Healths) > 0 {
		bind("health IN {healths:Array(String)}", "healths", f.Healths)
	}
	if !f.Rejected {
		where = append(where, "NOT rejected")
	}
	return strings.Join(where, " AND "), values
}

// selectJobs selects some columns of jobs.
func selectJobs(columns []string, where string) string {
	names := strings.Join(columns, ", ")
	return "SELECT " + names + " FROM " + sql.Jobs(names, where) + " WHERE " + where
}

// Jobs lists jobs, the newest first.
func (db *DB) Jobs(ctx context.Context, f JobFilter) ([]Job, error) {
	stands, values := f.where()
	values = append(values, clickhouse.Named("limit", limit(f.Limit)))
	// The numbers first, by the few columns that the conditions need; then whole rows of one page.
	list, err := all[Job](ctx, db, selectJobs(columns[Job](), "job IN (SELECT job FROM "+sql.Jobs(stands)+" WHERE "+stands+" ORDER BY job DESC LIMIT {limit:UInt64})")+" ORDER BY job DESC", values...)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return list, nil
}

// CountJobs counts the jobs that a filter wants, without regard to Before and Limit.
func (db *DB) CountJobs(ctx context.Context, f JobFilter) (uint64, error) {
	f.Before = 0
	stands, values := f.where()
	type counted struct {
		Jobs uint64 `ch:"jobs"`
	}
	rows, err := all[counted](ctx, db, "SELECT count() AS jobs FROM "+sql.Jobs(stands)+" WHERE "+stands, values...)
	if err != nil {
		return 0, fmt.Errorf("count jobs: %w", err)
	}
	return rows[0].Jobs, nil
}

// Job returns one job, rejected and removed ones too, or [ErrNotFound].
func (db *DB) Job(ctx context.Context, job events.JobID) (Job, error) {
	rows, err := all[Job](ctx, db, selectJobs(columns[Job](), "job = {job:UInt64}"),
		clickhouse.Named("job", uint64(job)))
	if err != nil {
		return Job{}, fmt.Errorf("show job %d: %w", job, err)
	}
	if len(rows) == 0 {
		return Job{}, fmt.Errorf("show job %d: %w", job, ErrNotFound)
	}
	return rows[0], nil
}

// JobTransition is one step of a job's story, a row of job_transitions.
type JobTransition struct {
	Seq    uint64    `ch:"seq" json:"seq"`
	Time   time.Time `ch:"time" json:"time"`
	Event  string    `ch:"event" json:"event"`
	State  string    `ch:"state" json:"state,omitempty"`
	Health string    `ch:"health" json:"health,omitempty"`
	Device string    `ch:"device" json:"device,omitempty"`
	Worker string    `ch:"worker" json:"worker,omitempty"`
	Lease  uint64    `ch:"lease" json:"lease,omitempty"`
	Reason string    `ch:"reason" json:"reason,omitempty"`
	Actor  string    `ch:"actor" json:"actor,omitempty"`
}

// JobTransitions tells a job's story from its beginning.
func (db *DB) JobTransitions(ctx context.Context, job events.JobID) ([]JobTransition, error) {
	list, err := all[JobTransition](ctx, db, "SELECT "+strings.Join(columns[JobTransition](), ", ")+
		" FROM job_transitions WHERE job = {job:UInt64} ORDER BY seq, n", clickhouse.Named("job", uint64(job)))
	if err != nil {
		return nil, fmt.Errorf("tell the story of job %d: %w", job, err)
	}
	return list, nil
}

// DeviceTransition is one step of a device's story, a row of device_transitions.
type DeviceTransition struct {
	Seq    uint64    `ch:"seq" json:"seq"`
	Time   time.Time `ch:"time" json:"time"`
	Event  string    `ch:"event" json:"event"`
	State  string    `ch:"state" json:"state,omitempty"`
	Health string    `ch:"health" json:"health,omitempty"`
	Job    uint64    `ch:"job" json:"job,omitempty"`
	Worker string    `ch:"worker" json:"worker,omitempty"`
	Reason string    `ch:"reason" json:"reason,omitempty"`
	Actor  string    `ch:"actor" json:"actor,omitempty"`
}

// DeviceTransitions tells a device's story from its latest step back; at most 10,000 steps.
func (db *DB) DeviceTransitions(ctx context.Context, device events.DeviceName, steps int) ([]DeviceTransition, error) {
	list, err := all[DeviceTransition](ctx, db, "SELECT "+strings.Join(columns[DeviceTransition](), ", ")+
		" FROM device_transitions WHERE device = {device:String} ORDER BY seq DESC, n DESC LIMIT {limit:UInt64}",
		clickhouse.Named("device", string(device)), clickhouse.Named("limit", limit(steps)))
	if err != nil {
		return nil, fmt.Errorf("tell the story of device %s: %w", device, err)
	}
	return list, nil
}
