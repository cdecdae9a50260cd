package pipeline

import (
	"context"
	"errors"
	"fmt"
)

// Cleanup tidies up after the job, once: after success, failure, cancellation or a failed
// validation. It goes on when an action's part of it fails, and then returns an Infrastructure
// error, which stands for the job's end whatever ended it before: the device is in an unknown
// state. Only without errors are the job's directories removed.
func (p *Plan) Cleanup(ctx context.Context) error {
	s := p.session
	if p.cleaned {
		s.Log.Debug("Cleanup already called, skipping")
		return nil
	}
	limit := min(p.Timeout, cleanupTimeout)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s.part(ctx)
	s.Log.Info("Cleaning after the job")
	var failed error
	for _, step := range p.Steps {
		if err := s.cleanupStep(ctx, step); err != nil {
			s.Log.Error("Failed to clean after action '%s': %s", step.Name(), err)
			failed = err
		}
	}
	s.CloseConsoles()
	if failed != nil {
		var canceled CanceledBy
		if errors.As(context.Cause(ctx), &canceled) {
			return Blame(Canceled, canceled)
		}
		return Blamef(Infrastructure, "Failed to clean after job")
	}
	p.cleaned = true
	if err := s.removeDirs(); err != nil {
		return Blame(Infrastructure, err)
	}
	return nil
}

// cleanupStep cleans after a step and everything below it.
func (s *Session) cleanupStep(ctx context.Context, step *Step) error {
	own := s.at(step)
	var failed error
	if c, ok := step.Action.(Cleaner); ok {
		if err := own.cleanOnce(ctx, c); err != nil {
			failed = err
		}
	}
	for _, child := range step.Children {
		if err := s.cleanupStep(ctx, child); err != nil {
			s.Log.Error("Failed to clean after action '%s': %s", child.Name(), err)
			failed = err
		}
	}
	if failed != nil {
		return Blame(Infrastructure, fmt.Errorf("clean after action '%s': %w", step.Name(), failed))
	}
	return nil
}

func (s *Session) cleanOnce(ctx context.Context, c Cleaner) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return c.Cleanup(ctx, s)
}
