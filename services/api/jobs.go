package api

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// visibleWithin is how long a question about a job just published waits for submission to look at
// it. After that the answer says that it is being checked.
const visibleWithin = 2 * time.Second

// listJobs answers with the jobs that are not over, newest first, and with those that are where
// asked for.
// It is `strata jobs`; where the tables are away it answers what is current and says so in Away,
// unlike jobs.find, which refuses.
func (a *api) listJobs(ctx context.Context, who caller, in JobsRequest) (Jobs, error) {
	if in.Limit < 0 || in.Limit > 1000 {
		return Jobs{}, refuse(Invalid, "limit is %d, allowed are 1 to 1000", in.Limit)
	}
	if in.Limit == 0 {
		in.Limit = 50
	}
	out := Jobs{Jobs: []Job{}}
	most := 2 * in.Limit // some may be one job with others
	a.read(func(s *lab.State) {
		// A million may wait: only those that can be among the newest are looked at closely.
		for j := range s.EachJob() {
			switch {
			case j.State == lab.Submitted:
				out.Waiting++
			case j.Run != nil && j.State != lab.Finished:
				out.Running++
			}
			if n := len(out.Jobs); n == most && j.ID < out.Jobs[n-1].Job {
				continue
			}
			v := viewJob(j)
			if in.Whole && s.Job(v.RetryOf) != nil {
				continue // shown as the job that it tries again
			}
			if in.Whole && s.Job(v.RetriedAs) != nil && !s.Can(who.user, lab.View, events.Entity{Kind: events.Job, ID: v.RetriedAs.String()}) {
				continue // as hidden as the attempt that counts
			}
			if in.Whole {
				v = wholeOf(s, v)
			}
			if in.wants(v) && s.Can(who.user, lab.View, events.Entity{Kind: events.Job, ID: j.ID.String()}) {
				at, _ := slices.BinarySearchFunc(out.Jobs, v, func(a, b Job) int { return cmp.Compare(b.Job, a.Job) })
				out.Jobs = slices.Insert(out.Jobs, at, v) // the newest first: numbers grow
				out.Jobs = out.Jobs[:min(len(out.Jobs), most)]
			}
		}
	})
	if in.All || in.State == StateFinished {
		a.addPast(ctx, who, &out, in)
	}
	if len(out.Jobs) > in.Limit {
		out.Jobs = out.Jobs[:in.Limit]
	}
	return out, nil
}

// wants reports whether a job belongs to the answer.
// A name that is both a device's and a type's means either.
func (in JobsRequest) wants(j Job) bool {
	if in.User != "" && j.User != in.User || in.State != "" && j.State != in.State {
		return false
	}
	if !in.All && in.State == "" && j.Over() {
		return false
	}
	return in.Device == "" || string(j.Device) == in.Device || string(j.DeviceType) == in.Device
}

// showJob answers with all that is known of one job.
// It reads the job's own facts from the log, so it is right without tables and also for what the
// state has forgotten. [NotFound] is the same for a hidden job and for none.
func (a *api) showJob(ctx context.Context, who caller, in JobRequest) (Job, error) {
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return Job{}, err
	}
	if err := a.mayJob(who, lab.View, in.Job); err != nil {
		return Job{}, err
	}
	j, known := viewFacts(facts)
	if !known {
		return a.unchecked(ctx, in.Job)
	}
	if j, err = a.withAttempts(ctx, who, j, in.Whole); err != nil {
		return Job{}, err
	}
	if j.Parts, err = a.groupOf(ctx, facts, math.MaxUint64, a.seesJob(who)); err != nil {
		return Job{}, err
	}
	if j.State == lab.Submitted.String() {
		a.read(func(s *lab.State) { j.Why = why(s, who, in.Job, a.now()) })
	}
	j.Favourite = favouriteOf(facts, who.user)
	// Last, for it asks the tables: all else of the answer is there without them.
	a.quote(ctx, &j)
	return j, nil
}

// jobFacts returns the facts of a job. Of one that was published this moment it waits a little for
// the first.
// No facts and no error is a definition that lies on the bus and that nobody has looked at in
// [visibleWithin]. Rights are not looked at.
func (a *api) jobFacts(ctx context.Context, id events.JobID) ([]stream.Recorded, error) {
	if id == 0 {
		return nil, refuse(Invalid, "job is missing: numbers begin at 1")
	}
	about := events.Entity{Kind: events.Job, ID: id.String()}
	facts, err := a.log.Load(ctx, about)
	if err != nil || len(facts) > 0 {
		return facts, err
	}
	// A number that was never given is no reason to wait.
	last, err := a.log.Last(ctx, stream.Submissions)
	if err != nil {
		return nil, err
	}
	if uint64(id) > last {
		return nil, noJob(id, "there is no job %d; the newest is %d", id, last)
	}
	if _, err := a.log.Submission(ctx, uint64(id)); errors.Is(err, stream.ErrNoSubmission) {
		return nil, noJob(id, "there is no job %d in the streams any more", id)
	}
	a.await(ctx, visibleWithin, func(s *lab.State) bool { return s.Seq(about) > 0 })
	return a.log.Load(ctx, about)
}

// unchecked answers for a job that lies on the bus and that submission has not looked at.
// It does not look at rights: [api.uncheckedRow] does.
func (a *api) unchecked(ctx context.Context, id events.JobID) (Job, error) {
	s, err := a.log.Submission(ctx, uint64(id))
	if errors.Is(err, stream.ErrNoSubmission) {
		return Job{}, noJob(id, "there is no job %d", id)
	}
	if err != nil {
		return Job{}, err
	}
	if s.Parent != 0 && !strings.HasPrefix(s.Part, "r") { // the text of a further attempt becomes a job
		// The text of a part has a number, and part 0 is the job of the whole's.
		return Job{}, noJob(id, "there is no job %d: that number holds the text of a part of job %d", id, s.Parent)
	}
	return Job{Job: id, Display: id.String(), User: submitter(s), Submitted: s.At, State: lab.Submitted.String(),
		Why: "its definition has not been checked yet; is the submission service running?"}, nil
}

// cancelJob records the wish that a job end. It ends when its worker says so. Of a job that was retried
// the last attempt is meant, and where that is still to come, the wish that it does not.
// A second wish changes nothing: the first one's name and reason stand. [Conflict] says that the job
// is over.
func (a *api) cancelJob(ctx context.Context, who caller, in JobRequest) (Job, error) {
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return Job{}, err
	}
	if err := a.mayJob(who, lab.CancelJob, in.Job); err != nil {
		return Job{}, err
	}
	err = a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		j := s.Job(in.Job)
		// Clients know the number that they submitted, and mean what runs for it now.
		if j != nil && s.Job(j.RetriedAs) != nil {
			j = s.Job(j.RetriedAs)
		}
		if j == nil || j.State == lab.Finished && !j.OwesRetry() {
			v, _ := viewFacts(facts)
			return nil, refuse(Conflict, "job %s is over already", v.Display)
		}
		if j.Cancel != nil {
			return nil, nil
		}
		return []events.Event{events.JobCancelRequested{Job: j.ID, By: who.user, Reason: in.Reason}}, nil
	})
	if err != nil {
		return Job{}, err
	}
	return a.showJob(ctx, who, in)
}

// setPriority gives a waiting job another place in the queue.
// 0 to 100, as LAVA's; once the job has a device it is a [Conflict].
func (a *api) setPriority(ctx context.Context, who caller, in PriorityRequest) (Job, error) {
	if in.Priority < 0 || in.Priority > 100 {
		return Job{}, &Error{Code: Invalid, Field: "priority", Message: "priority must be a number from 0 to 100"}
	}
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return Job{}, err
	}
	if err := a.mayJob(who, lab.Change, in.Job); err != nil {
		return Job{}, err
	}
	err = a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		j := s.Job(in.Job)
		if j == nil || j.State != lab.Submitted {
			v, _ := viewFacts(facts)
			return nil, refuse(Conflict, "job %s does not wait in the queue", v.Display)
		}
		return []events.Event{events.JobPrioritySet{Job: in.Job, Priority: in.Priority, By: who.user}}, nil
	})
	if err != nil {
		return Job{}, err
	}
	return a.showJob(ctx, who, JobRequest{Job: in.Job})
}

// results answers with the test cases recorded so far.
// Cases are in the order in which they were reported. Complete says that none will be added: of a
// job that never had a device, at once.
func (a *api) results(ctx context.Context, who caller, in JobRequest) (Results, error) {
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return Results{}, err
	}
	if err := a.mayJob(who, lab.View, in.Job); err != nil {
		return Results{}, err
	}
	if _, erased := removed(facts); erased {
		return Results{}, refuse(NotFound, "job %d was erased; strata events job/%d tells by whom", in.Job, in.Job)
	}
	j, _ := viewFacts(facts)
	id := in.Job
	if in.Whole && j.RetriedAs != 0 {
		if err := a.mayAttempt(who, in.Job, j.RetriedAs); err != nil {
			return Results{}, err
		}
		id = j.RetriedAs
		if j, err = a.attempt(ctx, id); err != nil {
			return Results{}, err
		}
	}
	out := Results{Job: in.Job, Cases: []events.Case{}, Complete: j.Complete || j.Over() && j.Lease == 0, RetriedAs: j.RetriedAs}
	if in.Whole && j.Retrying {
		out.Complete = false
	}
	// Facts, not tables: a case shows as soon as ingestion has recorded it.
	recorded, err := a.log.Load(ctx, events.Entity{Kind: events.Result, ID: id.String()})
	if err != nil {
		return Results{}, err
	}
	for _, r := range recorded {
		if e, ok := r.Event.(events.ResultsRecorded); ok {
			out.Cases = append(out.Cases, e.Cases...)
			out.Problems = append(out.Problems, e.Problems...)
		}
	}
	return out, nil
}

// status answers how the lab is.
// Clients ask it to learn whether the lab is there: what does not answer is told of in its fields
// and is no error, and on the bus no rate refuses it.
func (a *api) status(ctx context.Context, who caller, _ none) (Status, error) {
	out := Status{Version: a.version, Time: a.now().UTC(), User: string(who.user), History: "up"}
	if who.user == "" {
		return out, nil // of a lab that one has not signed in to, only that it lives
	}
	if err := a.history.ping(ctx); err != nil {
		out.History = err.Error()
	}
	if a.refuse != nil {
		out.Refuses = a.refuse()
	}
	a.read(func(s *lab.State) {
		out.Sequence = s.Through()
		for j := range s.EachJob() {
			switch {
			case j.State == lab.Submitted:
				out.Waiting++
			case j.State != lab.Finished:
				out.Running++
			}
		}
		for range s.Devices() {
			out.Devices++
		}
		for w := range s.Workers() {
			out.Workers++
			if w.State == lab.Online {
				out.Online++
			}
		}
	})
	return out, nil
}
