package deploy

import (
	"context"

	"strata/dispatcher/boot"
	"strata/dispatcher/deploy/download"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// task is an action of a deploy method, written as a table of what it does: most of them are one
// small step. What is nil is not done, except that a task without run runs its children.
type task struct {
	name, about string
	timeout     pipeline.Class // of its time-out; "" for Job
	command     pipeline.Class // of its commands' failures; "" for Job

	fill     func(step *pipeline.Step, s *pipeline.Session) error // adds the children
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

// Populate adds the children.
func (t task) Populate(step *pipeline.Step, s *pipeline.Session) error {
	if t.fill == nil {
		return nil
	}
	return t.fill(step, s)
}

// Validate checks the block.
func (t task) Validate(ctx context.Context, s *pipeline.Session) error {
	if t.validate == nil {
		return nil
	}
	return t.validate(ctx, s)
}

// Run does the work.
func (t task) Run(ctx context.Context, s *pipeline.Session) error {
	if t.run == nil {
		return s.RunChildren(ctx)
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

// retried is a task whose children are tried again.
type retried struct{ task }

// Retries marks the task as a Retrier.
func (retried) Retries() {}

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
