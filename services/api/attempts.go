package api

import (
	"context"
	"slices"

	"strata/events"
	"strata/events/lab"
)

// A job that ended by the lab's fault may have been retried as another job. Commands show each attempt
// as the job that it is, and name the others. Whoever knows only the number that was submitted, such as a
// client of LAVA, asks for the whole: one job under the first number, which runs until its last attempt
// ends and then has that one's end, results and log. Only this file knows how that is put together.

// attempt shows a job by its facts, without those it is retried as.
// The zero Job, without an error, says that its facts tell nothing. Rights are the caller's business to have checked: attempts
// of one submission are the same user's, with the same visibility.
func (a *api) attempt(ctx context.Context, id events.JobID) (Job, error) {
	facts, err := a.jobFacts(ctx, id)
	if err != nil {
		return Job{}, err
	}
	j, _ := viewFacts(facts)
	return j, nil
}

// withAttempts adds the attempts to a job that has several, and makes one job of them where whole is
// asked for. Of a job that is about to be retried it waits a little for that. An attempt that the caller may not see is
// told by its number alone, as the facts of the other name it.
// The wait is [visibleWithin]; afterwards the job is shown as Retrying, which clients take for Running.
func (a *api) withAttempts(ctx context.Context, who caller, j Job, whole bool) (Job, error) {
	if j.Retrying {
		a.await(ctx, visibleWithin, func(s *lab.State) bool { return settled(s, j.Job) })
		var err error
		if j, err = a.attempt(ctx, j.Job); err != nil {
			return Job{}, err
		}
	}
	if whole && j.RetryOf == 0 && j.RetriedAs != 0 {
		if err := a.mayAttempt(who, j.Job, j.RetriedAs); err != nil {
			return Job{}, err
		}
	}
	first, last := j, j
	var err error
	switch {
	// There are two attempts at most, so the other one is either the first or the last.
	case j.RetryOf != 0 && a.mayJob(who, lab.View, j.RetryOf) == nil:
		first, err = a.attempt(ctx, j.RetryOf)
	case j.RetriedAs != 0 && a.mayJob(who, lab.View, j.RetriedAs) == nil:
		last, err = a.attempt(ctx, j.RetriedAs)
	}
	if err != nil {
		return Job{}, err
	}
	if first.Job != last.Job {
		j.Attempts = []Attempt{viewAttempt(first), viewAttempt(last)}
	}
	if whole && j.RetryOf == 0 {
		return asOne(j, last), nil
	}
	return j, nil
}

// viewAttempt shows a job as one among its attempts.
func viewAttempt(j Job) Attempt {
	return Attempt{Job: j.Job, State: j.State, Health: j.Health, Device: j.Device, ErrorType: j.ErrorType, Error: j.Error}
}

// asOne shows a job and its last attempt, which may be the job itself, as one job.
func asOne(first, last Job) Job {
	if last.Job == first.Job && !first.Retrying {
		return first
	}
	// The later attempt's end, device and log, under the first one's number and times: what LAVA would have of a job that simply
	// took longer.
	one := last
	one.Job, one.Display, one.Submitted, one.Attempts = first.Job, first.Display, first.Submitted, first.Attempts
	one.RetryOf, one.RetriedAs, one.Retrying = 0, first.RetriedAs, first.Retrying
	if first.Started != nil {
		one.Started = first.Started
	}
	if last.Over() && !first.Retrying {
		return one
	}
	// It has run once, so it runs: for its submitter the further attempt's wait is a part of that.
	if one.State != lab.Canceling.String() {
		one.State = lab.Running.String()
	}
	one.Health, one.Ended, one.ErrorType, one.Error, one.Complete = "", nil, "", "", false
	one.Lines, one.Missing, one.Cases = 0, 0, 0
	return one
}

// wholeOf shows a first attempt and the one after it, where there is one, as one job.
// The state keeps a first attempt for as long as the further one is in it.
func wholeOf(s *lab.State, first Job) Job {
	if last := s.Job(first.RetriedAs); last != nil {
		return asOne(first, viewJob(last))
	}
	return asOne(first, first)
}

// foldAttempts makes one job of each job in a list and its further attempt, which may lie outside the list.
// It costs a look at the log for each retried job whose further attempt is on another page.
func (a *api) foldAttempts(ctx context.Context, who caller, in JobsRequest, jobs []Job) []Job {
	at := map[events.JobID]int{}
	for i, j := range jobs {
		at[j.Job] = i
	}
	gone := map[events.JobID]bool{}
	for i, j := range jobs {
		if j.RetriedAs == 0 || !j.Over() {
			continue // one that is not over is one job already
		}
		if a.mayAttempt(who, j.Job, j.RetriedAs) != nil {
			gone[j.Job] = true
			continue
		}
		// On this page it is removed, wherever it stands: its number is none of its submitter's.
		n, listed := at[j.RetriedAs]
		var last Job
		if listed {
			last = jobs[n]
		} else if late, err := a.attempt(ctx, j.RetriedAs); err == nil && late.Job != 0 {
			last = late
		} else {
			continue // its facts have aged out: the first attempt is all that can be told
		}
		gone[j.RetriedAs] = true
		if jobs[i] = asOne(j, last); !in.wants(jobs[i]) {
			gone[j.Job] = true // on another device than was asked for
		}
	}
	return slices.DeleteFunc(jobs, func(j Job) bool { return gone[j.Job] })
}

// nextAttempt waits until it is known whether a job that is over gets a further attempt, and returns it,
// or 0.
// It has no limit of its own: the follower of a log, who calls it, waits until its flow ends.
func (a *api) nextAttempt(ctx context.Context, id events.JobID) (events.JobID, error) {
	for {
		a.mu.RLock()
		known, changed := settled(a.state, id), a.changed
		a.mu.RUnlock()
		// From the log, for the state may have forgotten the first attempt by now.
		if known {
			j, err := a.attempt(ctx, id)
			return j.RetriedAs, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// settled says that a job is over and not about to be retried.
// One that the state does not know any more is settled: it keeps a job for as long as that owes a retry.
func settled(s *lab.State, id events.JobID) bool {
	j := s.Job(id)
	return j == nil || j.State == lab.Finished && !j.OwesRetry()
}
