package deploy

import (
	"context"

	"strata/dispatcher/pipeline"
)

// tmpfs brings images to the worker, for an emulator that boots them from there, or for tools that
// write them to a board.
type tmpfs struct{}

// Name returns deployimages.
func (*tmpfs) Name() string { return "deployimages" }

// Description says what the action does.
func (*tmpfs) Description() string { return "deploy images" }

// Populate adds the overlay and the downloads.
func (*tmpfs) Populate(step *pipeline.Step, s *pipeline.Session) error {
	where, err := place(step, s)
	if err != nil {
		return err
	}
	if err := add(step, testOverlay(s), environment(s)); err != nil {
		return err
	}
	if step.Block.Has("uefi") {
		if err := addFirmware(step, s); err != nil {
			return err
		}
	}
	if err := where.images(step); err != nil {
		return err
	}
	if !s.TestInfo().NeedsOverlay {
		return nil
	}
	return step.Add(guest{})
}

// Run runs the children.
func (*tmpfs) Run(ctx context.Context, s *pipeline.Session) error { return s.RunChildren(ctx) }
