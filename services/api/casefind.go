package api

import (
	"context"
	"errors"

	"strata/events"
	"strata/events/lab"
	"strata/projections"
)

// CaseRequest names a test case by its number in the lab, see [events.CaseNumber].
type CaseRequest struct {
	ID uint64 `json:"id"`
}

// findCase answers with the case of a number, if the caller may see its job.
// It serves LAVA's addresses /results/testcase/<id>, which name no job. Without tables it is [Away].
// The page and the YAML of a case's number ask it.
func (a *api) findCase(ctx context.Context, who caller, in CaseRequest) (projections.Case, error) {
	if a.history.DB == nil {
		return projections.Case{}, away(errNoHistory)
	}
	c, err := a.history.DB.CaseNumbered(ctx, in.ID)
	if err == nil {
		// Whoever may not see the job is told no more than of a number that was never given.
		if may := a.mayJob(who, lab.View, events.JobID(c.Job)); may == nil {
			return c, nil
		}
		err = projections.ErrNotFound
	}
	if errors.Is(err, projections.ErrNotFound) {
		return projections.Case{}, refuse(NotFound, "there is no test case %d", in.ID)
	}
	return projections.Case{}, away(err)
}
