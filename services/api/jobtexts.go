package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
	"strata/schemas/yaml"
)

// JobsNamed asks about several jobs by their numbers.
// Numbers of the bus; parts of groups by theirs.
type JobsNamed struct {
	Jobs []events.JobID `json:"jobs"` // at most 10,000
}

// JobTexts are the definitions of a job as LAVA keeps them. They are empty where the texts are not kept any
// more.
// LAVA keeps three texts of a job, and its interfaces tell all of them apart.
type JobTexts struct {
	Job        events.JobID `json:"job"`
	Definition string       `json:"definition"` // its own, as PyYAML dumps it: keys sorted, without comments
	Original   string       `json:"original"`   // as submitted; of a part of a group the same as Definition
	Multinode  string       `json:"multinode"`  // of a part: the whole group's, as submitted
	// The answer ends here, as it has 64 MiB: the jobs that were named after this one are to be asked for again.
	Cut bool `json:"cut,omitempty"`
}

// size is what texts cost in memory.
func (t JobTexts) size() int { return len(t.Definition) + len(t.Original) + len(t.Multinode) + 100 }

// textsAtOnce is how many jobs' texts are read at the same time for one request.
const textsAtOnce = 8

// jobTexts answers with the texts of jobs, in the order in which they were asked for. Jobs that the caller
// may not see, or that there are not, are left out. The answer ends with the job that brings it to maxAnswer.
// REST's list of jobs asks it for a page, as LAVA's rows have the definition in them.
func (a *api) jobTexts(ctx context.Context, who caller, in JobsNamed) ([]JobTexts, error) {
	if len(in.Jobs) > most {
		return nil, &Error{Code: Invalid, Field: "jobs", Message: fmt.Sprintf("%d jobs are named, at most %d are allowed", len(in.Jobs), most)}
	}
	return textsWithin(maxAnswer, in.Jobs, func(id events.JobID) (JobTexts, error) { return a.textsOf(ctx, who, id) })
}

// textsWithin reads texts of jobs until there are so many bytes of them.
func textsWithin(room int, ids []events.JobID, read func(events.JobID) (JobTexts, error)) ([]JobTexts, error) {
	out, bytes := []JobTexts{}, 0
	for jobs := range slices.Chunk(ids, textsAtOnce) {
		all, failed := make([]JobTexts, len(jobs)), make([]error, len(jobs))
		var group sync.WaitGroup
		for i, id := range jobs {
			group.Go(func() { all[i], failed[i] = read(id) })
		}
		group.Wait()
		for i, t := range all {
			if failed[i] != nil && !HasCode(failed[i], NotFound) && !HasCode(failed[i], Denied) {
				return nil, failed[i]
			}
			if failed[i] != nil {
				continue
			}
			if bytes += t.size(); bytes >= room {
				t.Cut = true
				return append(out, t), nil
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// textsOf returns the texts of one job; the error is [Denied] or [NotFound] where the caller may
// not see it.
// A text never changes, so it is kept by its job's number; rights are asked each time.
func (a *api) textsOf(ctx context.Context, who caller, id events.JobID) (JobTexts, error) {
	t, ok, turn := a.texts.get(id)
	if ok {
		return t, a.mayJob(who, lab.View, id)
	}
	facts, err := a.jobFacts(ctx, id)
	if err != nil {
		return JobTexts{}, err
	}
	j, known := jobOfFacts(facts)
	if !known {
		if _, err := a.uncheckedRow(ctx, who, id); err != nil {
			return JobTexts{}, err
		}
		j.Source.Sequence = uint64(id) // nobody has looked at it
	} else if err := a.mayJob(who, lab.View, id); err != nil {
		return JobTexts{}, err
	}
	t.Job = id
	text, err := a.kept(ctx, cmp.Or(j.Source.Sequence, uint64(id)))
	if err != nil || text == "" {
		return t, err
	}
	t.Original, t.Definition = text, text
	// LAVA's server loads what was submitted and dumps it again; clients compare with that.
	if root, err := yaml.Parse([]byte(text)); err == nil {
		t.Definition = yaml.Dump(root)
	}
	if j.Part != nil {
		// A part has no text of its own that anybody submitted.
		t.Original = t.Definition
		t.Multinode, err = a.kept(ctx, uint64(j.Part.Parent))
	}
	if gone, _ := removed(facts); err == nil && known && !gone {
		a.texts.put(id, t, t.size(), turn)
	}
	return t, err
}

// kept returns a definition by its number, "" where it is not kept any more.
// An error is the broker's or the archive's; a text that was erased is none.
func (a *api) kept(ctx context.Context, number uint64) (string, error) {
	text, err := a.log.SubmissionText(ctx, number)
	if errors.Is(err, stream.ErrNoSubmission) {
		return "", nil
	}
	return string(text), err
}

// jobRow answers with one job as lists have it: a job that was retried as one with its last attempt, a
// definition that nobody has looked at as Submitted, one that was refused as Finished.
func (a *api) jobRow(ctx context.Context, who caller, in JobRequest) (projections.SelectedJob, error) {
	facts, err := a.jobFacts(ctx, in.Job)
	if err != nil {
		return projections.SelectedJob{}, err
	}
	j, known := jobOfFacts(facts)
	if !known {
		return a.uncheckedRow(ctx, who, in.Job)
	}
	if err := a.mayJob(who, lab.View, in.Job); err != nil {
		return projections.SelectedJob{}, err
	}
	var row projections.SelectedJob
	a.read(func(s *lab.State) { row, _ = rowOfFacts(s, facts) })
	if row.Removed {
		return row, refuse(NotFound, "job %s was erased; strata events job/%d tells by whom", j.Display, in.Job)
	}
	if !in.Whole || row.RetriedAs == 0 && !j.OwesRetry() {
		return row, nil
	}
	first, _ := viewFacts(facts)
	whole, err := a.withAttempts(ctx, who, first, true)
	if err != nil {
		return row, err
	}
	row.State, row.Health, row.Device, row.Worker = whole.State, string(whole.Health), string(whole.Device), string(whole.Worker)
	if row.Health == "" {
		row.Health = "Unknown"
	}
	row.StartedAt, row.EndedAt, row.ErrorType, row.Error, row.Complete = whole.Started, whole.Ended, string(whole.ErrorType), whole.Error, whole.Complete
	return row, nil
}

// uncheckedRow shows a definition that lies on the bus.
func (a *api) uncheckedRow(ctx context.Context, who caller, id events.JobID) (projections.SelectedJob, error) {
	j, err := a.unchecked(ctx, id)
	if err != nil {
		return projections.SelectedJob{}, err
	}
	// Before submission has looked at it nobody knows how visible it is to be: it is its submitter's
	// alone.
	all := false
	a.read(func(s *lab.State) { all = who.superuser(s) })
	if !all && (who.user == "" || who.user != j.User) {
		e := refuse(Denied, "%s may not view job %d", who.user, id)
		e.hides = notSeen(id.String(), who)
		return projections.SelectedJob{}, e
	}
	return projections.SelectedJob{Job: projections.Job{Job: uint64(id), Display: j.Display, User: string(j.User), State: j.State,
		Health: "Unknown", SubmittedAt: j.Submitted, Metadata: map[string]string{}}}, nil
}
