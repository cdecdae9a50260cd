package boot

import (
	"context"
	"os/exec"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// task is an action of a boot method written as a table of what it does, for the many that are one
// small step. What is nil is not done.
type task struct {
	name, about string
	timeout     pipeline.Class // of its time-out; "" for Job
	command     pipeline.Class // of its commands' failures; "" for Job

	validate func(ctx context.Context, s *pipeline.Session) error
	run      func(ctx context.Context, s *pipeline.Session) error
	clean    func(ctx context.Context, s *pipeline.Session) error
}

// Name returns the action's name.
func (t task) Name() string { return t.name }

// Description says what the action does.
func (t task) Description() string { return t.about }

// TimeoutClass returns whom a time-out is blamed on.
func (t task) TimeoutClass() pipeline.Class { return orJob(t.timeout) }

// CommandClass returns whom a failing command is blamed on.
func (t task) CommandClass() pipeline.Class { return orJob(t.command) }

func orJob(class pipeline.Class) pipeline.Class {
	if class == "" {
		return pipeline.Job
	}
	return class
}

// Validate checks the step.
func (t task) Validate(ctx context.Context, s *pipeline.Session) error {
	if t.validate == nil {
		return nil
	}
	return t.validate(ctx, s)
}

// Run does the work.
func (t task) Run(ctx context.Context, s *pipeline.Session) error {
	if t.run == nil {
		return nil
	}
	return t.run(ctx, s)
}

// Cleanup tidies up.
func (t task) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if t.clean == nil {
		return nil
	}
	return t.clean(ctx, s)
}

// group returns an action that is its children.
func group(name, about string, fill func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action) pipeline.Group {
	return pipeline.Group{Title: name, About: about, Fill: func(step *pipeline.Step, s *pipeline.Session) error {
		return addAll(step, fill(step, s))
	}}
}

// retried returns an action whose children are tried again.
func retried(name, about string, fill func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action) pipeline.Action {
	return pipeline.Retry{Group: group(name, about, fill)}
}

// tool returns an Infrastructure error where the worker does not have a program.
func tool(name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Cannot find command '%s' in $PATH", name)
	}
	return nil
}

// parametersOf returns the parameters of a boot method of the device.
func parametersOf(s *pipeline.Session, method string) pipeline.Data {
	return s.Device.Get("actions", "boot", "methods", method, "parameters")
}

// waitPath is wait-device-path: it waits until a device node is there.
func waitPath(path func(s *pipeline.Session) string) pipeline.Action {
	return task{name: "wait-device-path", about: "wait for a device node", timeout: pipeline.Infrastructure,
		validate: func(_ context.Context, s *pipeline.Session) error {
			if path(s) == "" {
				s.Invalid("wait-device-path: the device dictionary names no device node to wait for")
			}
			return nil
		},
		run: func(ctx context.Context, s *pipeline.Session) error {
			s.Log.Debug("Waiting for %s", path(s))
			return usb.WaitPath(ctx, path(s))
		},
	}
}

// switched says whether the device's power can be cycled.
func switched(s *pipeline.Session) bool { return s.Device.Get("commands", "hard_reset").True() }
