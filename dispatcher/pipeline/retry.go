package pipeline

import (
	"context"
	"time"
)

// attempt runs the step's action: once, or as often as a retry action may. end is when the step's
// time is up.
func (s *Session) attempt(ctx context.Context, end time.Time) error {
	if err := s.requests(ctx); err != nil {
		return err
	}
	if _, ok := s.Step.Action.(Retrier); !ok {
		return s.once(ctx)
	}
	step, failures, start := s.Step, 0, s.Now()
	var latest error
	for i := 1; ; i++ {
		err := s.once(ctx)
		if err == nil {
			err = ctx.Err()
		}
		err = s.expired(ctx, err, step.Name(), s.timeoutClass(), start)
		last := i >= step.MaxRetries
		if err == nil {
			switch {
			case !step.Repeat:
				return nil
			case last && failures > 0:
				// What counts is the number of passes, not of those that failed.
				return Blamef(ClassOf(latest), "%d retries out of %d failed for %s", step.MaxRetries, step.MaxRetries, step.Name())
			case last:
				return nil
			}
			s.again(step)
			continue
		}
		if !ClassOf(err).retried() {
			return err
		}
		failures, latest = failures+1, err
		s.Log.Error("%s failed: %d of %d attempts. '%s'", step.Name(), i, step.MaxRetries, err)
		if err := s.cleanAttempt(ctx); err != nil {
			return err
		}
		if last {
			return err
		}
		if s.Now().Add(step.RetryPause).After(end) {
			return Blamef(ClassOf(err), "No time left for remaining %d retries. You should either increase block timeout "+
				"or decrease named action timeout. %d retries out of %d failed for %s",
				step.MaxRetries-i, i, step.MaxRetries, step.Name())
		}
		if err := Sleep(ctx, step.RetryPause); err != nil {
			return err
		}
		s.again(step)
		s.Log.Warning("Retrying: %s %s (timeout %s)", step.Level, step.Name(), Clock(step.Timeout))
	}
}

// cleanAttempt cleans after a failed attempt. The time of the step may be up, and that must not
// keep its actions from tidying up; only the end of the job does, because then the device must be
// switched off soon. What was not cleaned is, after that, when the job is cleaned after.
func (s *Session) cleanAttempt(ctx context.Context) error {
	// Not ctx: where its time was up first, it does not tell of a cancel any more.
	job := s.shared.job
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	defer context.AfterFunc(job, cancel)()
	err := s.cleanupStep(ctx, s.Step)
	if job.Err() != nil {
		return s.expired(job, job.Err(), s.Step.Name(), Canceled, s.Now())
	}
	return err
}

// again clears what the last attempt left in a step and below it.
func (s *Session) again(step *Step) {
	s.shared.forget(step)
	s.shared.progress(step).ran = true
}

// Sleep waits for d, or until ctx ends: then it returns ctx's error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
