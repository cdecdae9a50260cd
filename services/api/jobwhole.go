package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

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
		// Other operators on numbers (greater than, a pattern) are left as they are: they mean a
		// range of jobs, of which few were retried.
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
// It costs a read of the log for each number that the state has forgotten.
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
// row is a copy that belongs to the caller.
func whileTried(j *lab.Job, row *projections.SelectedJob) {
	waits := j.Attempt != nil && (j.State == lab.Submitted || j.State == lab.Scheduled)
	if !waits && !j.OwesRetry() {
		return
	}
	row.State, row.Health, row.EndedAt, row.ErrorType, row.Error = lab.Running.String(), "Unknown", nil, "", ""
}

// asFirst gives further attempts on a page the number and the beginning of the first ones. Through is for firstsOf.
func (a *api) asFirst(ctx context.Context, who caller, rows []projections.SelectedJob, through uint64) error {
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
	if a.history.DB != nil {
		var blocks []uint64
		for _, n := range unknown {
			blocks = append(blocks, n/blockJobs)
		}
		told, err := a.firstsOf(ctx, blocks, through)
		if err != nil {
			return away(err)
		}
		for _, n := range unknown {
			if first := told[n]; first != 0 {
				firsts[n] = first
			}
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
			rows[i].Display, rows[i].SubmittedAt = row.Display, row.SubmittedAt
		}
		if known && a.mayJob(who, lab.View, events.JobID(first)) == nil { // else it ran where the caller sees nothing
			rows[i].StartedAt = row.StartedAt
			rows[i].FailureTags, rows[i].Comment = row.FailureTags, row.Comment
		}
	}
	return nil
}

// firsts remembers, by blocks of jobs, which of them are further attempts, and of what. Hardly any is, and a job that is
// over does not become one: pages that are asked for again need not ask the tables for that again.
type firsts struct {
	mu sync.Mutex
	of map[uint64]blockFirsts
}

// blockFirsts is what tables that had read up to a fact told of a block.
// A later fact about the block (told) makes it worthless.
type blockFirsts struct {
	through uint64
	jobs    map[uint64]uint64 // of further attempts the first ones
}

// maxFirsts is how many blocks are remembered. Most of them hold nothing.
const maxFirsts = 1024

// firstsOf returns the first attempts of all further ones in some blocks, by tables that have read up to a fact; 0 where
// that is not known.
// The two locks are taken in this order, api's first, here as everywhere. Two callers may ask the
// tables for the same block; both find the same.
func (a *api) firstsOf(ctx context.Context, blocks []uint64, through uint64) (map[uint64]uint64, error) {
	out := map[uint64]uint64{}
	var missing []uint64
	a.mu.RLock()
	a.firsts.mu.Lock()
	for _, b := range blocks {
		if kept, ok := a.firsts.of[b]; ok && a.told[b] <= kept.through {
			maps.Copy(out, kept.jobs)
		} else {
			missing = append(missing, b)
		}
	}
	a.firsts.mu.Unlock()
	a.mu.RUnlock()
	if len(missing) == 0 {
		return out, nil
	}
	found := map[uint64]map[uint64]uint64{}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	told, err := a.history.DB.FirstAttempts(ctx, blockJobs, missing)
	if err != nil {
		return nil, err
	}
	for n, first := range told {
		b := n / blockJobs
		if found[b] == nil {
			found[b] = map[uint64]uint64{}
		}
		found[b][n], out[n] = first, first
	}
	if through == 0 {
		return out, nil // how old these tables are is not known
	}
	a.firsts.mu.Lock()
	defer a.firsts.mu.Unlock()
	// All at once rather than the oldest: they are asked for again within one page.
	if a.firsts.of == nil || len(a.firsts.of)+len(missing) > maxFirsts {
		a.firsts.of = map[uint64]blockFirsts{}
	}
	for _, b := range missing {
		a.firsts.of[b] = blockFirsts{through, found[b]}
	}
	return out, nil
}
