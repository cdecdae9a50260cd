package main

import (
	"context"
	"fmt"
	"strings"

	"strata/events"
	"strata/services/api"
)

// nextAttempt waits until it is known whether a job that is over is tried again, and returns the job
// that does it, or 0.
// It is asked without a pause: the api itself holds back its answer while the lab has not decided.
func (a *app) nextAttempt(ctx context.Context, c api.Client, job events.JobID) (events.JobID, error) {
	for {
		var j api.Job
		// The api answers once it is known, or after a moment.
		if err := c.Call(ctx, "jobs.show", api.JobRequest{Job: job}, &j); err != nil {
			return 0, err
		}
		if !j.Retrying {
			return j.RetriedAs, nil
		}
	}
}

// numbered is how a list names a job: with the attempt before or after it, where there is one.
func numbered(j api.Job) string {
	switch {
	case j.RetryOf != 0:
		return fmt.Sprintf("%s (%d again)", j.Display, j.RetryOf)
	case j.RetriedAs != 0:
		return fmt.Sprintf("%s (again: %d)", j.Display, j.RetriedAs)
	}
	return j.Display
}

// printAttempts writes the attempts of a job that has several, or why it has no other.
func (a *app) printAttempts(j api.Job, line func(name, value string)) {
	switch {
	case j.Retrying:
		line("retry", "the lab failed it; a further attempt is to come")
	case j.NotRetried != "":
		line("retry", "none: "+j.NotRetried)
	}
	for i, at := range j.Attempts {
		text := strings.TrimSpace(fmt.Sprintf("%d of %d: job %d %s %s", i+1, len(j.Attempts), at.Job, at.State, at.Health))
		if at.Device != "" {
			text += " on " + string(at.Device)
		}
		if at.Error != "" {
			text += fmt.Sprintf(" (%s: %s)", at.ErrorType, at.Error)
		}
		line("attempt", text)
	}
}
