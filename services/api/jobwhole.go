package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"strata/events"
	"strata/events/lab"
	"strata/projections"
)

// Lists for those who know no attempts: of a job that was tried again only the last attempt is listed, and it bears
// the number of the first. So each page and each count needs one row of a job.

// ofLastAttempts makes conditions on jobs conditions on their last attempts: a job that is asked for by its number is
// found by that of its further attempt.
func (a *api) ofLastAttempts(ctx context.Context, terms []projections.JobTerm) ([]projections.JobTerm, error) {
	out := slices.Clone(terms)
	for i, t := range out {
		if t.Field != "id" || t.Not || t.Op != projections.TermExact && t.Op != projections.TermIn {
			continue
		}
		for _, v := range t.Values {
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				continue // Check has let it pass, so it is no number of a job
			}
			as, err := a.triedAgainAs(ctx, events.JobID(n))
			if err != nil {
				return nil, err
			}
			if as != 0 {
				out[i].Values, out[i].Op = append(slices.Clone(out[i].Values), as.String()), projections.TermIn
			}
		}
	}
	return append(out, projections.JobTerm{Field: "retried", Op: projections.TermExact, Values: []string{"false"}}), nil
}

// triedAgainAs returns the further attempt of a job, 0 for none.
func (a *api) triedAgainAs(ctx context.Context, id events.JobID) (as events.JobID, err error) {
	known := false
	a.read(func(s *lab.State) {
		if j := s.Job(id); j != nil {
			as, known = j.RetriedAs, true
		}
	})
	if known {
		return as, nil
	}
	facts, err := a.log.Load(ctx, events.Entity{Kind: events.Job, ID: id.String()})
	for _, f := range facts {
		if e, ok := f.Event.(events.JobRetried); ok {
			as = e.As
		}
	}
	return as, err
}

// whileTried shows a job whose further attempt is due or not over as one that runs: it has run once, so for its
// submitter what follows is a part of that.
func whileTried(j *lab.Job, row *projections.SelectedJob) {
	waits := j.Attempt != nil && (j.State == lab.Submitted || j.State == lab.Scheduled)
	if !waits && !j.OwesRetry() {
		return
	}
	row.State, row.Health, row.EndedAt, row.ErrorType, row.Error = lab.Running.String(), "Unknown", nil, "", ""
}

// asFirst gives further attempts on a page the number and the beginning of the first ones.
func (a *api) asFirst(ctx context.Context, rows []projections.SelectedJob) error {
	firsts := map[uint64]uint64{}
	var unknown []uint64
	a.read(func(s *lab.State) {
		for i := range rows {
			n := rows[i].Job.Job
			if j := s.Job(events.JobID(n)); j == nil {
				unknown = append(unknown, n)
			} else if j.Attempt != nil {
				firsts[n] = uint64(j.Attempt.Of)
				whileTried(j, &rows[i])
			}
		}
	})
	if len(unknown) > 0 && a.history.DB != nil {
		told, err := a.history.DB.FirstAttempts(ctx, unknown)
		if err != nil {
			return away(err)
		}
		for n, first := range told {
			firsts[n] = first
		}
	}
	for i := range rows {
		first, ok := firsts[rows[i].Job.Job]
		if !ok {
			continue
		}
		row, known, err := a.rowByFacts(ctx, events.JobID(first))
		if err != nil {
			return fmt.Errorf("first attempt of job %d: %w", rows[i].Job.Job, err)
		}
		rows[i].Job.Job, rows[i].Display = first, strconv.FormatUint(first, 10)
		if known { // else its facts have aged out
			rows[i].Display, rows[i].SubmittedAt, rows[i].StartedAt = row.Display, row.SubmittedAt, row.StartedAt
			rows[i].FailureTags, rows[i].Comment = row.FailureTags, row.Comment
		}
	}
	return nil
}
