package test

import (
	"context"

	"strata/dispatcher/pipeline"
)

// newMultinode returns the action for a block of a multinode job: a test shell over which the parts
// of the group talk to each other. It is not tried again, because the other parts would not be.
func newMultinode(block pipeline.Data) pipeline.Action {
	switch {
	case block.Has("monitors"):
		return newMonitors(block)
	case block.Has("interactive"):
		return newInteractive(block)
	}
	return &multinodeShell{}
}

// multinodeShell is multinode-test.
type multinodeShell struct{ shell }

// Name returns multinode-test.
func (*multinodeShell) Name() string { return "multinode-test" }

// Description says what the action does.
func (*multinodeShell) Description() string { return "Executing lava-test-runner in a multinode group" }

// TimeoutClass is that of tests which no job may skip: the others of the group wait.
func (*multinodeShell) TimeoutClass() pipeline.Class { return pipeline.Test }

// Run runs the shell.
// TODO: answer the group's messages, with the multinode protocol.
func (a *multinodeShell) Run(ctx context.Context, s *pipeline.Session) error {
	return a.shell.Run(ctx, s)
}
