package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
)

// RemoveRequest asks that jobs that are over be erased: those named, or those that fit.
type RemoveRequest struct {
	Jobs      []events.JobID  `json:"jobs,omitempty"`      // named; then Before and Submitter narrow them down
	Before    *time.Time      `json:"before,omitempty"`    // that ended before then
	Submitter events.UserName `json:"submitter,omitempty"` // of this user
	LogsOnly  bool            `json:"logs_only,omitempty"` // definitions and results stay
	DryRun    bool            `json:"dry_run,omitempty"`   // tells, and does nothing
	Reason    string          `json:"reason,omitempty"`
	Limit     int             `json:"limit,omitempty"` // of jobs erased at once, the oldest first; 0 is 1000, at most 10,000
}

// Removal answers [RemoveRequest].
// Of a dry run, what would be erased; More says that a further request erases more.
type Removal struct {
	Removed []projections.Removable `json:"removed"`        // or what would be
	Kept    []projections.Removable `json:"kept,omitempty"` // fit too, and somebody keeps them
	DryRun  bool                    `json:"dry_run,omitempty"`
	More    bool                    `json:"more,omitempty"` // there are more than the limit
}

// mostRemoved is how many jobs one request erases at most.
const mostRemoved = 10_000

// removeJobs records that jobs are erased. The archive then erases texts and logs, the projector rows.
// Jobs that somebody has pinned or made a favourite stay and are told in Kept. The oldest go first,
// at most Limit of them; to ask again goes on with the next.
func (a *api) removeJobs(ctx context.Context, who caller, in RemoveRequest) (Removal, error) {
	out := Removal{Removed: []projections.Removable{}, DryRun: in.DryRun}
	switch {
	case len(in.Jobs) == 0 && in.Before == nil && in.Submitter == "":
		return out, refuse(Invalid, "say which jobs: by number, by when they ended (before) or by submitter")
	case in.Limit < 0 || in.Limit > mostRemoved:
		return out, refuse(Invalid, "limit is %d, allowed are 1 to %d", in.Limit, mostRemoved)
	// Or it would mean jobs that have not ended yet.
	case in.Before != nil && in.Before.After(a.now()):
		return out, refuse(Invalid, "before is %s, which is still to come", in.Before.Format(time.RFC3339))
	case a.history.DB == nil:
		return out, away(errNoHistory)
	}
	if in.Limit == 0 {
		in.Limit = 1000
	}
	// Before the tables are asked: who may not is told nothing of what there is.
	if err := a.mayRemove(who, in, nil); err != nil {
		return out, err
	}
	// One more than the limit tells that there are more.
	filter := projections.RemovalFilter{Before: a.now(), User: in.Submitter, LogsOnly: in.LogsOnly, Limit: in.Limit + 1}
	if in.Before != nil {
		filter.Before = *in.Before
	}
	for _, job := range in.Jobs {
		filter.Jobs = append(filter.Jobs, uint64(job))
	}
	// The tables say which jobs are kept, and which have ended. What they have not read yet could be that somebody has pinned
	// a job: nothing brings it back then.
	var through uint64
	a.read(func(s *lab.State) { through = s.Through() })
	whole := a.awaitTables(ctx, stream.Lab, through, atMostBehind)
	fit, err := a.history.DB.Removable(ctx, filter)
	if err != nil {
		return out, away(err)
	}
	if !whole {
		return out, refuse(Away, "history is behind: it may not say yet which jobs are kept; nothing was erased, ask again")
	}
	if out.More = len(fit) > in.Limit; out.More {
		fit = fit[:in.Limit]
	}
	// Once more, now that it is known whose they are: one of another's refuses all.
	if err := a.mayRemove(who, in, fit); err != nil {
		return out, err
	}
	for _, j := range fit {
		if len(j.Kept) > 0 {
			out.Kept = append(out.Kept, j)
		} else {
			out.Removed = append(out.Removed, j)
		}
	}
	if err := a.namedAreThere(ctx, who, in, fit); err != nil || in.DryRun {
		return out, err
	}
	return out, a.recordRemovals(ctx, who, in, out.Removed)
}

// mayRemove refuses jobs that the caller may not change.
// People remove their own jobs; others' superusers and who has LAVA's delete_testjob.
func (a *api) mayRemove(who caller, in RemoveRequest, fit []projections.Removable) error {
	if !lab.Covers(who.scopes, lab.Change, events.Job) {
		return notFor(who)
	}
	if a.removesAll(who) || who.user == in.Submitter {
		return nil
	}
	for _, job := range in.Jobs { // hidden ones are not there, also for who asks about several
		if err := a.mayJob(who, lab.View, job); err != nil {
			return err
		}
	}
	for _, j := range fit {
		if j.User != string(who.user) {
			return refuse(Denied, "%s may not remove job %s", who.user, j.Display)
		}
	}
	return nil
}

// removesAll says that the caller may remove others' jobs, too.
func (a *api) removesAll(who caller) (all bool) {
	a.read(func(s *lab.State) {
		all = who.superuser(s) || lab.Covers(who.scopes, lab.Administer, events.Job) && s.Permitted(who.user, "delete_testjob")
	})
	return all
}

// namedAreThere tells of jobs that were named and cannot be erased, why. Whose they are comes before what state they are in.
func (a *api) namedAreThere(ctx context.Context, who caller, in RemoveRequest, fit []projections.Removable) error {
	if in.Before != nil || in.Submitter != "" {
		return nil // they narrow down: what does not fit is no mistake
	}
	found := map[uint64]projections.Removable{}
	for _, j := range fit {
		found[j.Job] = j
	}
	for _, job := range in.Jobs {
		j, ok := found[uint64(job)]
		// Named by number, a job that is kept is a contradiction worth telling; of bulk removals it
		// is left out.
		if ok && len(j.Kept) > 0 {
			return refuse(Conflict, "job %s is %s: it stays", j.Display, j.Kept[0])
		}
		if ok {
			continue
		}
		facts, err := a.jobFacts(ctx, job)
		if err != nil {
			return err
		}
		if silent, erased := removed(facts); erased || silent && in.LogsOnly {
			return refuse(Conflict, "job %d is erased already", job)
		}
		v, known := viewFacts(facts)
		if !known {
			return noJob(job, "there is no job %d", job)
		}
		if v.User != who.user && !a.removesAll(who) {
			return refuse(Denied, "%s may not remove job %s", who.user, v.Display)
		}
		return refuse(Conflict, "job %s is %s, and only jobs that are over and all read can be erased: cancel it first, or wait", v.Display, v.State)
	}
	return nil
}

// recordRemovals records a removal for each job, as many at once as a batch holds.
// A removal is final for every reader, so facts of one batch need no condition but their order.
func (a *api) recordRemovals(ctx context.Context, who caller, in RemoveRequest, jobs []projections.Removable) error {
	for len(jobs) > 0 {
		n := min(len(jobs), stream.MaxBatch)
		var facts []events.Event
		for _, j := range jobs[:n] {
			facts = append(facts, events.JobRemoved{Job: events.JobID(j.Job), By: who.user, Reason: in.Reason, LogsOnly: in.LogsOnly})
		}
		if err := a.record(ctx, who, func(*lab.State) ([]events.Event, error) { return facts, nil }); err != nil {
			return fmt.Errorf("erase jobs from %d on: %w", jobs[0].Job, err)
		}
		jobs = jobs[n:]
	}
	return nil
}

// removed tells of a job's facts whether its log is erased, and whether all of it is.
func removed(facts []stream.Recorded) (log, all bool) {
	for _, r := range facts {
		if e, ok := r.Event.(events.JobRemoved); ok {
			log, all = true, all || !e.LogsOnly
		}
	}
	return log, all
}

// KeepRequest asks that a job be kept, or no longer.
type KeepRequest struct {
	Job    events.JobID `json:"job"`
	Off    bool         `json:"off,omitempty"`
	Reason string       `json:"reason,omitempty"` // of a pin
}

// pinJob keeps a job for everybody.
// `strata jobs pin` asks it; a favourite does the same by a click.
func (a *api) pinJob(ctx context.Context, who caller, in KeepRequest) (none, error) {
	return none{}, a.keepJob(ctx, who, in, lab.Change, events.JobPinned{Job: in.Job, Pinned: !in.Off, By: who.user, Reason: in.Reason})
}

// favourJob keeps a job among the caller's favourites.
// LAVA's button of a job's page, and REST's, ask it.
// A user has at most mostFavourites, [Conflict] beyond. The tables count them, which may be a moment behind; while they are
// away nobody counts.
func (a *api) favourJob(ctx context.Context, who caller, in KeepRequest) (none, error) {
	if !in.Off && a.history.DB != nil {
		has, err := a.history.DB.Favourites(ctx, who.user)
		if err == nil && len(has) >= mostFavourites && !slices.Contains(has, in.Job) {
			return none{}, refuse(Conflict, "%s has %d favourites, more are not allowed: take one back", who.user, mostFavourites)
		}
	}
	return none{}, a.keepJob(ctx, who, in, lab.View, events.JobFavoured{Job: in.Job, Favourite: !in.Off, By: who.user})
}

// keepJob records such a fact of a job that is there.
// What is kept is out of reach of the lab's rules of retention and of bulk removals.
func (a *api) keepJob(ctx context.Context, who caller, in KeepRequest, verb lab.Verb, fact events.Event) error {
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return err
	}
	if err := a.mayJob(who, verb, in.Job); err != nil {
		return err
	}
	if err := covered(who, lab.Change, events.Job); err != nil { // who may see a job may keep it, but not with a token to look
		return err
	}
	if _, known := viewFacts(facts); !known {
		return noJob(in.Job, "there is no job %d", in.Job)
	}
	if _, erased := removed(facts); erased && !in.Off {
		return refuse(Conflict, "job %d is erased: there is nothing to keep", in.Job)
	}
	return a.record(ctx, who, func(*lab.State) ([]events.Event, error) { return []events.Event{fact}, nil })
}
