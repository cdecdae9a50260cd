package projections

import (
	"context"
	"errors"
	"sync"

	"strata/events"
)

// JobPage is what the page of a job shows of the tables.
type JobPage struct {
	Job    Job
	Steps  []JobTransition // its story from its beginning
	Suites []Suite         // in the order in which they began
}

// JobPage returns a job with its steps and suites, or [ErrNotFound]. The three are asked for at once: an
// answer takes the engine mostly time to plan, of one core each. They may be some facts apart.
func (db *DB) JobPage(ctx context.Context, job events.JobID) (p JobPage, err error) {
	var group sync.WaitGroup
	var steps, suites error
	group.Go(func() { p.Steps, steps = db.JobTransitions(ctx, job) })
	group.Go(func() { p.Suites, suites = db.Suites(ctx, job) })
	p.Job, err = db.Job(ctx, job)
	group.Wait()
	if err = errors.Join(err, steps, suites); err != nil {
		return JobPage{}, err
	}
	return p, nil
}
