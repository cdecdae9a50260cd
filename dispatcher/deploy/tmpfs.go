package deploy

import (
	"context"

	"strata/dispatcher/deploy/download"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// tmpfs brings images to the worker, for an emulator that boots them from there.
type tmpfs struct{}

// Name returns deployimages.
func (*tmpfs) Name() string { return "deployimages" }

// Description says what the action does.
func (*tmpfs) Description() string { return "deploy images" }

// Populate adds the overlay and the downloads.
func (*tmpfs) Populate(step *pipeline.Step, s *pipeline.Session) error {
	dir, err := s.Dir()
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	info := s.TestInfo()
	var children []pipeline.Action
	if info.NeedsOverlay {
		children = append(children, overlay.New())
	}
	if info.NeedsDeployment {
		children = append(children, deviceEnv{})
	}
	if step.Block.Has("uefi") {
		// The emulator is given a directory of firmware, not a file.
		firmware, err := s.Dir()
		if err != nil {
			return pipeline.Blame(pipeline.Infrastructure, err)
		}
		pipeline.Put(s, pipeline.UEFI, firmware)
		children = append(children, download.Retry(download.Artefact{
			Key: "uefi", Params: step.Block.Get("uefi"), Dir: firmware, Shared: true}))
	}
	images, err := pairs(step.Block.Get("images"), "images")
	if err != nil {
		return err
	}
	for _, p := range images {
		children = append(children, download.Retry(download.Artefact{
			Key: p.Key, Params: p.Value, Dir: dir, Then: overlays}))
	}
	if info.NeedsOverlay {
		children = append(children, guest{})
	}
	for _, child := range children {
		if err := step.Add(child); err != nil {
			return err
		}
	}
	return nil
}

// Run runs the children.
func (*tmpfs) Run(ctx context.Context, s *pipeline.Session) error { return s.RunChildren(ctx) }
