package dispatcher

import (
	"context"

	"strata/dispatcher/feedback"
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
	return step.Add(feedback.Read(true, true))
}

// Run runs the children. What goes wrong is logged, and that is all: the job has ended. A job that
// is canceled now still has its device switched off.
func (f *finalize) Run(ctx context.Context, s *pipeline.Session) error {
	f.ran = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Step.Timeout)
	defer cancel()
	s.TakeKeyboard()
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
