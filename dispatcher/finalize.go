package dispatcher

import (
	"context"
	"time"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// finalize is the last action of every job: it switches the device off and reads what the consoles
// still have to say. It never fails the job. Where the job ended early it runs as part of the
// cleanup, without a start line of its own.
type finalize struct{ ran bool }

func newFinalize() pipeline.Action { return &finalize{} }

// Name returns the action's name.
func (*finalize) Name() string { return "finalize" }

// Description says what the action does.
func (*finalize) Description() string { return "switch the device off and close its consoles" }

// Populate adds the children.
func (*finalize) Populate(step *pipeline.Step, _ *pipeline.Session) error {
	if err := step.Add(power.Off()); err != nil {
		return err
	}
	return step.Add(readFeedback{})
}

// Run runs the children. What goes wrong is logged, and that is all: the job has ended. A job that
// is canceled now still has its device switched off.
func (f *finalize) Run(ctx context.Context, s *pipeline.Session) error {
	f.ran = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Step.Timeout)
	defer cancel()
	if err := s.RunChildren(ctx); err != nil {
		s.Log.Error("Failed to run 'finalize': %s", err)
	}
	s.CloseConsoles()
	return nil
}

// Cleanup finalizes a job that started and did not come to its end. It gets its full timeout, also
// when the time for cleaning up is gone: a board must not stay on.
func (f *finalize) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if f.ran || !s.Started() {
		return nil
	}
	return f.Run(ctx, s)
}

// readFeedback is read-feedback: it reads every console until nothing comes any more, or until the
// listening time is over, and closes it.
type readFeedback struct{}

// Name returns the action's name.
func (readFeedback) Name() string { return "read-feedback" }

// Description says what the action does.
func (readFeedback) Description() string { return "read what the consoles still say" }

// Run reads.
func (readFeedback) Run(ctx context.Context, s *pipeline.Session) error {
	limit := time.Second
	if d := s.Job.Get("timeouts", "connections", "read-feedback"); !d.IsNull() {
		var err error
		if limit, err = pipeline.Duration(d); err != nil {
			return pipeline.Blamef(pipeline.Job, "timeouts.connections.read-feedback: %w", err)
		}
	}
	for _, name := range s.Namespaces() {
		c := s.ConsoleOf(name)
		end := s.Now().Add(limit)
		for came := true; came && c.Connected(); {
			left := end.Sub(s.Now())
			if left <= 0 {
				break
			}
			s.Log.Debug("Listened to connection for namespace '%s' for up to %ds", name, limit/time.Second)
			var err error
			if came, err = c.Drain(ctx, left, name); err != nil {
				break // gone, or no time: in both cases there is nothing more to read
			}
		}
		s.Log.Info("Finalising connection for namespace '%s'", name)
		if err := c.Close(); err != nil {
			s.Log.Warning("%s", err)
		}
	}
	return nil
}
