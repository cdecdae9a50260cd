package lavarpc

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/projections"
	"strata/services/api"
	"strata/services/api/lava"
	"strata/services/api/xmlrpc"
)

// lavacli asks these alone for jobs; parameters stand in LAVA's order, for it passes them by place.
func jobMethods() []method {
	return []method{
		{name: "scheduler.jobs.submit", params: "definition", signed: true, call: submit,
			about: "Submits a job definition, YAML. Returns the job's number, or a list such as ['41.0', '41.1'] for the parts of a multinode job."},
		{name: "scheduler.jobs.resubmit", params: "job_id", signed: true, call: resubmit,
			about: "Submits the definition of a job again, that of a multinode job as a whole. Returns as submit does."},
		{name: "scheduler.jobs.cancel", params: "job_id", signed: true, call: cancel,
			about: "Asks for the end of a job. Returns True, also where the job is over already."},
		{name: "scheduler.jobs.validate", params: "definition strict=false", call: validate,
			about: "Holds a definition to the schemas. Returns an empty dictionary, or path and msg of the first thing that is wrong; strict refuses keys that no method knows."},
		{name: "scheduler.jobs.definition", params: "job_id", call: definition,
			about: "Returns the definition of a job as it was submitted, that of a multinode job as a whole."},
		{name: "scheduler.jobs.configuration", params: "job_id", call: configuration,
			about: "Returns what a job was started with, a list of five texts: definition, device, dispatcher, env and env-dut; None for one that there is not."},
		{name: "scheduler.jobs.list", params: "state=nil health=nil start=0 limit=25 since=0 verbose=false duration_at_least=nil", call: listJobs,
			about: "Lists jobs, the newest first, at most 100: those of a state and a health, that ended in the last minutes (since), that ran for so many minutes."},
		{name: "scheduler.jobs.queue", params: "device_types=nil start=0 limit=25", call: queue,
			about: "Lists the jobs that wait for a device, the newest first, at most 100."},
		{name: "scheduler.jobs.logs", params: "job_id start=0 end=nil", call: logs,
			about: "Returns whether the job's log is complete, and its lines from start up to, not including, end, as YAML."},
		{name: "scheduler.jobs.show", params: "job_id", call: showJob,
			about: "Returns what is known of a job."},
	}
}

// show returns the job that is the first argument.
// It is for what rows do not tell: whether output is complete, and the attempts.
func (c call) show() (api.Job, error) {
	id, err := c.job()
	if err != nil {
		return api.Job{}, err
	}
	var j api.Job
	err = c.ask("jobs.show", jobRef{Job: id, Whole: true}, &j)
	return j, c.jobError(id, err)
}

// row returns the same job as lists have it.
// Answers that have a job's columns are made of it, so that a list and a job never differ.
func (c call) row() (projections.SelectedJob, error) {
	var row projections.SelectedJob
	id, err := c.job()
	if err != nil {
		return row, err
	}
	err = c.ask("jobs.row", jobRef{Job: id, Whole: true}, &row)
	return row, c.jobError(id, err)
}

// showJob answers 404, and 403 where the caller may not see the job. Any state that lavacli does not know
// would make "jobs wait" wait for ever: it looks for the text Finished.
func showJob(c call) (any, error) {
	j, err := c.row()
	if err != nil {
		return nil, err
	}
	// lavacli fails on a struct that lacks one of these members. Times are dateTime or nil here and texts
	// in verbose lists: it prints each as LAVA sends it.
	return xmlrpc.Struct{
		{Name: "id", Value: shown(events.JobID(j.Job.Job), j.Display)},
		{Name: "description", Value: j.Name},              // job_name of the definition
		{Name: "device", Value: orNil(j.Device)},          // the one it got; nil in the queue
		{Name: "device_type", Value: orNil(j.DeviceType)}, // as it was asked for; nil of a guest
		{Name: "health_check", Value: j.HealthCheck},
		{Name: "pipeline", Value: true}, // of a time when LAVA had other jobs, too
		{Name: "health", Value: healthOf(j)},
		{Name: "state", Value: stateOf(j)},
		{Name: "submitter", Value: j.User},
		{Name: "submit_time", Value: j.SubmittedAt.UTC()},
		{Name: "start_time", Value: momentOrNil(began(j))},
		{Name: "end_time", Value: momentOrNil(j.EndedAt)},
		{Name: "tags", Value: list(j.Tags)}, // that the device must carry
		{Name: "visibility", Value: visibility(j)},
		{Name: "failure_comment", Value: orNil(j.Comment)}, // a person's
		{Name: "error_msg", Value: orNil(j.Error)},         // of the result lava/job, or why it left the queue
		{Name: "error_type", Value: orNil(j.ErrorType)},    // Infrastructure, Configuration, Bug, Job, Test, Canceled and so on
	}, nil
}

// visibility says who sees a job. A personal one is LAVA's for the group that is called like its submitter.
// The groups are a set and sorted, to be the same text each time.
func visibility(j projections.SelectedJob) string {
	switch {
	case len(j.Groups) > 0:
		return "Group (" + strings.Join(slices.Sorted(slices.Values(j.Groups)), ", ") + ")"
	case j.Public:
		return "Public"
	}
	return "Group (" + j.User + ")"
}

// stateOf is a job's state; a refused definition is over.
// LAVA gives no number to a definition that it refuses. Here it has one, and a client that waits for it
// ("lavacli jobs wait" polls until the state is Finished) must come to an end.
func stateOf(j projections.SelectedJob) string {
	if j.Rejected || j.State == api.StateRejected {
		return api.StateFinished
	}
	return j.State
}

// The empty health is of a job that is not over; LAVA's word for that is Unknown.
func healthOf(j projections.SelectedJob) string {
	if j.Health == "" {
		return "Unknown"
	}
	return j.Health
}

// jobStates and jobHealths are the words that lists are asked with, in any case.
func jobStates() []string {
	return []string{"Submitted", "Scheduling", "Scheduled", "Running", "Canceling", "Finished"}
}

// In the order of LAVA's numbers for them, from 0.
func jobHealths() []string { return []string{"Unknown", "Complete", "Incomplete", "Canceled"} }

// word returns a word of a list whatever its case.
func word(text string, words []string) (string, bool) {
	i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, text) })
	if i < 0 {
		return "", false
	}
	return words[i], true
}

// page reads start and limit of a list.
// A start below 0 is 0; a limit above the method's bound is the bound, without a word, as in LAVA.
func (c call) page(start, limit int, most int64) (offset, size int, err error) {
	from, err := c.number(start, 0)
	if err != nil {
		return 0, 0, err
	}
	n, err := c.number(limit, 25)
	if err != nil {
		return 0, 0, err
	}
	if n < 0 || from > 1<<31 {
		return 0, 0, fault(http.StatusBadRequest, "Bad request: start and limit are %d and %d, expected numbers from 0", from, n)
	}
	return int(max(from, 0)), int(min(n, most)), nil
}

// find returns jobs, of a list without any where none are wanted.
func (c call) find(in api.FindJobs) ([]projections.SelectedJob, error) {
	// No rows to LAVA; to the api 0 is its default of 50.
	if in.Limit == 0 {
		return nil, nil
	}
	in.Whole = true // these clients know no attempts
	var out api.FoundJobs
	err := c.ask("jobs.find", in, &out)
	return out.Jobs, err
}

// Without a value it is met by no job: a queue of no types is empty.
func exact(field string, values ...string) projections.JobTerm {
	return projections.JobTerm{Field: field, Op: projections.TermIn, Values: values}
}

// listJobs answers the newest first, at most 100, without those that the caller may not see: a page that
// is not full is the last one. A word that is no state or health is a 400 in LAVA's sentence.
func listJobs(c call) (any, error) {
	var state, health string
	if err := c.all(&state, &health); err != nil {
		return nil, err
	}
	in := api.FindJobs{}
	for _, f := range []struct {
		field, text string
		words       []string
	}{{"state", state, jobStates()}, {"health", health, jobHealths()}} {
		if f.text == "" {
			continue
		}
		// "finished" and "FINISHED" are taken: lavacli sends what was typed.
		w, ok := word(f.text, f.words)
		if !ok {
			return nil, fault(http.StatusBadRequest, "Invalid %s '%s'", f.field, f.text)
		}
		in.Terms = append(in.Terms, exact(f.field, w))
	}
	var err error
	if in.Offset, in.Limit, err = c.page(2, 3, 100); err != nil {
		return nil, err
	}
	since, err := c.span(4)
	if err != nil {
		return nil, err
	}
	if since > 0 {
		// Jobs that have not ended have no end_time, so "since" leaves them out, whatever their state.
		in.Terms = append(in.Terms, projections.JobTerm{Field: "end_time", Op: projections.TermGTE, Values: []string{c.h.Now().Add(-since).UTC().Format(time.RFC3339Nano)}})
	}
	verbose, err := c.flag(5)
	if err != nil {
		return nil, err
	}
	least, err := c.span(6)
	if err != nil {
		return nil, err
	}
	jobs, err := c.longest(in, least)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, j := range jobs {
		out = append(out, jobLine(j, verbose))
	}
	return out, nil
}

// span returns an argument that is a number of minutes; nil is none.
// Negative numbers are refused: LAVA looks into the future with them and answers nothing.
func (c call) span(i int) (time.Duration, error) {
	n, err := c.number(i, 0)
	if err != nil {
		return 0, err
	}
	d, err := minutes(n)
	if err != nil {
		return 0, c.wrong(i, "a number of minutes")
	}
	return d, nil
}

// scanned is how many of the newest jobs are looked at for those that ran long.
const scanned = 10_000

// longest leaves of a list those that ran, or have been running, for at least so long.
func (c call) longest(in api.FindJobs, least time.Duration) ([]projections.SelectedJob, error) {
	if least == 0 {
		return c.find(in)
	}
	offset, limit := in.Offset, in.Limit
	in.Offset, in.Limit = 0, scanned
	// How long jobs ran is no column, so they are gone through, the newest first, within [scanned].
	in.Terms = append(in.Terms, projections.JobTerm{Field: "start_time", Op: projections.TermIsNull, Values: []string{"false"}})
	all, err := c.find(in)
	if err != nil {
		return nil, err
	}
	now := c.h.Now()
	all = slices.DeleteFunc(all, func(j projections.SelectedJob) bool {
		end := now
		if j.EndedAt != nil {
			end = *j.EndedAt
		}
		return j.StartedAt == nil || end.Sub(*j.StartedAt) < least
	})
	all = all[min(offset, len(all)):]
	return all[:min(limit, len(all))], nil
}

// momentText is a time as verbose lists have it, nil for none.
// Python's str of a time, with the zone: "2026-11-23 04:05:06.123456+00:00".
func momentText(t *time.Time) any {
	if t == nil {
		return nil
	}
	return lava.Moment(t)
}

// id is the number, or text for a part of a group: lavacli prints it with %s.
func jobLine(j projections.SelectedJob, verbose bool) xmlrpc.Struct {
	s := xmlrpc.Struct{
		{Name: "id", Value: shown(events.JobID(j.Job.Job), j.Display)},
		{Name: "description", Value: j.Name},
		{Name: "device_type", Value: orNil(j.DeviceType)},
		{Name: "health", Value: healthOf(j)},
		{Name: "state", Value: stateOf(j)},
		// Without verbose these are all that "lavacli jobs list" reads; a missing one ends it.
		{Name: "submitter", Value: j.User},
	}
	if verbose {
		s = append(s, xmlrpc.Struct{
			{Name: "actual_device", Value: orNil(j.Device)}, // nil before it has one
			{Name: "start_time", Value: momentText(began(j))},
			{Name: "end_time", Value: momentText(j.EndedAt)},
			{Name: "error_msg", Value: orNil(j.Error)},
			{Name: "error_type", Value: orNil(j.ErrorType)},
		}...)
	}
	return s
}

// LAVA's fails where a part of a group without a device of its own waits; its type is nil here.
func queue(c call) (any, error) {
	in := api.FindJobs{Terms: []projections.JobTerm{exact("state", "Submitted")}}
	types, err := c.texts(0)
	if err != nil {
		return nil, err
	}
	if c.args[0] != nil { // an empty list asks for the jobs of no type
		in.Terms = append(in.Terms, exact("device_type", types...))
	}
	if in.Offset, in.Limit, err = c.page(1, 2, 100); err != nil {
		return nil, err
	}
	jobs, err := c.find(in)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, j := range jobs {
		out = append(out, xmlrpc.Struct{
			{Name: "id", Value: shown(events.JobID(j.Job.Job), j.Display)},
			{Name: "description", Value: j.Name},
			{Name: "requested_device_type", Value: orNil(j.DeviceType)}, // a type, or an alias of one
			{Name: "submitter", Value: j.User},
		})
	}
	return out, nil
}

// "lavacli jobs logs" asks again from the line after the last one, every 5 s, until the first member is
// true, and then asks for the job: so it must not be true before the last line can be had, and must become
// true for every job that is over.
func logs(c call) (any, error) {
	j, err := c.show()
	if err != nil {
		return nil, err
	}
	start, err := c.number(1, 0)
	if err != nil {
		return nil, err
	}
	end, err := c.number(2, -1)
	if err != nil {
		return nil, err
	}
	text, through, err := c.readLog(j, uint64(max(start, 0)), end)
	if err != nil {
		return nil, err
	}
	finished := through && logged(j, c.h.Now())
	if len(text) > 0 {
		return []any{finished, text}, nil
	}
	// No line of a log that there is, is an empty text; of none, a list of none. Which of the two is told by its first line.
	if start > 0 || end == 0 {
		if first, _, err := c.readLog(j, 0, 1); err != nil || len(first) > 0 {
			return []any{finished, text}, err
		}
	}
	text = []byte("[]")
	return []any{finished, text}, nil
}

// logged tells whether a job's log is complete: whether a client that follows it need not ask again. What
// a lost worker still has is not waited for: it may come a day later.
// A job without a lease was never given to a worker and has no log. A job that is about to be tried again
// is not over to these clients.
func logged(j api.Job, now time.Time) bool {
	return j.Over() && !j.Retrying && (j.Complete || j.Lease == 0 || j.Ended != nil && now.Sub(*j.Ended) > 2*time.Minute)
}
