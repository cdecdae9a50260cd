package api

import (
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// viewJob shows a job of the state.
// Names and times are copied, but Tags are the state's own: what it returns is encoded, never
// changed.
func viewJob(j *lab.Job) Job {
	v := Job{
		Job: j.ID, Display: j.Display, State: j.State.String(), Health: j.Health(), User: j.User, Name: j.Name,
		DeviceType: j.DeviceType, Device: j.PinDevice, Worker: j.PinWorker, Priority: j.Priority,
		HealthCheck: j.HealthCheck, Tags: j.Tags, Submitted: j.SubmittedAt,
	}
	v.Retrying, v.RetriedAs, v.NotRetried = j.OwesRetry(), j.RetriedAs, j.NotRetried
	if j.Part != nil {
		v.Role = j.Part.Role
	}
	if j.Attempt != nil {
		v.RetryOf = j.Attempt.Of
	}
	if r := j.Run; r != nil {
		// Until then Device and Worker are those that the job is pinned to.
		v.Device, v.Worker, v.Lease, v.Started, v.Complete = r.Device, r.Worker, r.Lease, moment(r.StartedAt), r.OutputComplete
	}
	if c := j.Cancel; c != nil {
		v.CanceledBy, v.CancelWhy = c.By, c.Reason
	}
	if e := j.End; e != nil {
		v.Ended, v.ErrorType, v.Error, v.Lines = moment(e.At), e.ErrorType, e.Error, e.Lines
	}
	return v
}

// viewFacts shows a job by its own facts, all of them, and reports whether there are any that say
// what it is. What a fact makes of the job is the shared fold's to say.
// facts are those of one job, in order. False is a definition without a verdict, or a group's own
// number whose facts say only that it was split.
func viewFacts(facts []stream.Recorded) (Job, bool) {
	var j lab.Job
	var v Job
	known := false
	var complete events.JobOutputComplete
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			j = submittedJob(e)
			v.Metadata, known = e.Metadata, true
		case events.JobRejected:
			return Job{Job: e.Job, Display: e.Job.String(), State: StateRejected, Health: events.Incomplete, User: e.User,
				Submitted: e.At, Ended: moment(e.At), ErrorType: events.JobError, Error: e.Message, Problems: e.Problems}, true
		case events.JobOutputComplete:
			complete = e
		case events.JobJudged:
			v.Judgement = judgedAs(e)
		}
		j, _ = j.After(r.Time, r.Event)
	}
	meta, judged := v.Metadata, v.Judgement
	v = viewJob(&j)
	v.Metadata, v.Judgement = meta, judged
	// The counts are of what ingestion has read; before that the job's own count of lines stands.
	if v.Complete {
		v.Lines, v.Missing, v.Cases = complete.Lines, complete.Missing, complete.Cases
	}
	return v, known
}

// submittedJob is a job after its first fact.
func submittedJob(e events.JobSubmitted) lab.Job {
	return lab.Job{
		ID: e.Job, Display: e.Display, User: e.User, Name: e.Name, SubmittedAt: e.At, DeviceType: e.DeviceType,
		PinDevice: e.Device, PinWorker: e.Worker, Tags: e.Tags, Priority: e.Priority, Visibility: e.Visibility,
		HealthCheck: e.HealthCheck, QueueTimeout: e.QueueTimeout, JobTimeout: e.JobTimeout, Part: e.Part, Source: e.Source,
		Retries: e.Retries, Attempt: e.Attempt,
	}
}

// jobOfFacts is a job after all of its facts, and whether there are any that say what it is.
// It is viewFacts for those who need the fold's own view of the job, such as what its rights hang
// on.
func jobOfFacts(facts []stream.Recorded) (j lab.Job, known bool) {
	for _, r := range facts {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			j, known = submittedJob(e), true
		case events.JobRejected:
			return lab.Job{ID: e.Job, Display: e.Job.String(), User: e.User, SubmittedAt: e.At, Source: e.Source}, true
		}
		j, _ = j.After(r.Time, r.Event)
	}
	return j, known
}

// moment returns t, or nil for no time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
