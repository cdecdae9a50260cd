package main

import (
	"context"
	"errors"
	"sync"

	"strata/events"
	"strata/services/api"
)

// splitFact names the fact that says which parts a multinode job has.
const splitFact = "definition.split"

// speaker says whose line one is, where several jobs speak at once.
// With --json its fields stand in each line of the log; of a job alone there are none.
type speaker struct {
	Part string `json:"part,omitempty"` // such as 41.1
	Role string `json:"role,omitempty"`
}

// chorus shows several jobs at once: the parts of a group, as they become known.
type chorus struct {
	app    *app
	client api.Client
	how    followed
	print  sync.Mutex // one line is printed at a time

	mu    sync.Mutex
	parts map[events.JobID]bool // that are followed
	err   error                 // why the following of one ended
	ctx   context.Context       // of all of it: a part is followed on when the one that named it is over
	stop  context.CancelFunc
	group sync.WaitGroup
}

// follow follows a job, and every other part of its group, until all are over.
// One part's error ends the following of all: what is shown must not silently lack one of them. The
// jobs themselves go on.
func (g *chorus) follow(ctx context.Context, job events.JobID) error {
	g.ctx, g.stop = context.WithCancel(ctx)
	defer g.stop()
	err := g.followOne(g.ctx, job, speaker{})
	if err == nil {
		err = g.join(job, nil) // the fact may still be on its way
	}
	if err != nil {
		g.stop()
	}
	g.group.Wait()
	// Ours was canceled because another's failed: that one is the reason to tell.
	if err != nil && g.err != nil && errors.Is(err, context.Canceled) {
		return g.err
	}
	return errors.Join(err, g.err)
}

// join follows the parts of a group that are not followed yet, and names the first, which was followed
// before it was known to be one.
func (g *chorus) join(job events.JobID, first *follower) error {
	var whole api.Job
	if err := g.client.Call(g.ctx, "jobs.show", api.JobRequest{Job: job}, &whole); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, part := range whole.Parts {
		as := speaker{part.Display, part.Role}
		if part.Job == job && first != nil {
			g.print.Lock()
			first.as = as
			g.print.Unlock()
		}
		// Each part's facts name all the others, so the same ones are met again and again.
		if g.parts[part.Job] {
			continue
		}
		g.parts[part.Job] = true
		g.group.Go(func() {
			if err := g.followOne(g.ctx, part.Job, as); err != nil {
				g.mu.Lock()
				defer g.mu.Unlock()
				if g.err == nil {
					g.err = err
				}
				g.stop()
			}
		})
	}
	return nil
}

// followOne follows one job with all its attempts, or one part of a multinode job.
func (g *chorus) followOne(ctx context.Context, job events.JobID, as speaker) error {
	// Where the lab fails a job and tries it again, what people want to see goes on in another job.
	for job != 0 {
		if err := g.followAttempt(ctx, job, as); err != nil {
			return err
		}
		next, err := g.app.nextAttempt(ctx, g.client, job)
		if err != nil {
			return err
		}
		job = next
	}
	return nil
}

// logs prints the logs of all parts of a group as they come.
// The lines of one part come in order; between parts the order is that of arrival.
func (g *chorus) logs(ctx context.Context, parts []api.Part, in api.LogRequest, show func(as speaker, line uint64, r events.Record) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(parts))
	for i, part := range parts {
		in.Job = part.Job
		of := in
		g.group.Go(func() {
			errs[i] = g.client.Log(ctx, of, func(n uint64, r events.Record) error {
				g.print.Lock()
				defer g.print.Unlock()
				return show(speaker{part.Display, part.Role}, n, r)
			})
			if errs[i] != nil {
				stop()
			}
		})
	}
	g.group.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}
