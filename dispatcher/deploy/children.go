package deploy

import (
	"strata/dispatcher/boot"
	"strata/dispatcher/deploy/download"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// add appends children, leaving out those that are nil.
func add(step *pipeline.Step, children ...pipeline.Action) error {
	for _, child := range children {
		if child == nil {
			continue
		}
		if err := step.Add(child); err != nil {
			return err
		}
	}
	return nil
}

// testOverlay returns lava-overlay, or nil where no test of the namespace needs one.
func testOverlay(s *pipeline.Session) pipeline.Action {
	if !s.TestInfo().NeedsOverlay {
		return nil
	}
	return overlay.New()
}

// environment returns deploy-device-env, or nil where no test of the namespace asks for it.
func environment(s *pipeline.Session) pipeline.Action {
	if !s.TestInfo().NeedsDeployment {
		return nil
	}
	return deviceEnv{}
}

// powerCycle returns the actions that bring a device up for fastboot by its power supply, nil for
// one that cannot be switched.
func powerCycle(s *pipeline.Session) []pipeline.Action {
	if !s.Device.Get("commands", "hard_reset").True() {
		return nil
	}
	return []pipeline.Action{boot.Connect(), boot.Reset()}
}

// into says where a block's downloads go.
type into struct {
	dir    string
	shared bool // the files lie in dir itself
	served bool // the worker's TFTP server shows them
}

// get returns download-retry for one artefact of the block.
func (i into) get(key string, params pipeline.Data) pipeline.Action {
	return download.Retry(download.Artefact{
		Key: key, Params: params, Dir: i.dir, Shared: i.shared, Served: i.served, Then: overlays})
}

// images adds download-retry for each entry of the block's images, in the order of the block.
func (i into) images(step *pipeline.Step) error {
	list, err := pairs(step.Block.Get("images"), "images")
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := step.Add(i.get(p.Key, p.Value)); err != nil {
			return err
		}
	}
	return nil
}

// place makes the directory for a block's downloads. Each artefact has a directory of its own
// within it, unless the block says `uniquify: false`.
func place(step *pipeline.Step, s *pipeline.Session) (into, error) {
	d, err := s.Dir()
	if err != nil {
		return into{}, err
	}
	return into{dir: d, shared: !step.Block.Get("uniquify").Bool(true)}, nil
}
