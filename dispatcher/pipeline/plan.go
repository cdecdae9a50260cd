package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
)

// Plan is a job ready to be validated and run.
type Plan struct {
	Steps   []*Step       // the roots, one a block and finalize at the end
	Timeout time.Duration // of the whole job

	session *Session
	cleaned bool
}

// Inputs are what a plan is made of.
type Inputs struct {
	ID         string
	Version    string // of the dispatcher, for the log
	Job        Data
	Device     Data
	Dispatcher Data
	EnvDUT     string
	Env        []string // environment of the worker's commands, as in os.Environ; secrets are added
	Dir        string   // the job's scratch directory; made afresh, and removed at the end
	Log        *output.Logger
	Now        func() time.Time
	Methods    Methods
	Services   Services // what the worker has beside the devices
	Protocols  []Protocol
	Keyboard   *connection.Keyboard // that people may take over; nil: they cannot
}

// common is the namespace of blocks that name none.
const common = "common"

// planner makes a plan.
type planner struct {
	in      Inputs
	session *Session
}

// Parse plans a job. Its errors have a class and end the job before validation. Planning may make
// directories in the job's scratch directory, and so asks for it to be there. A panic while planning
// is an error of class Bug.
func Parse(in Inputs) (plan *Plan, err error) {
	total := defaultTimeout
	if d := in.Job.Get("timeouts", "job"); !d.IsNull() {
		var err error
		if total, err = Duration(d); err != nil {
			return nil, Blamef(Configuration, "Invalid timeout data in timeouts.job: %w", err)
		}
	}
	p := &planner{in: in, session: newSession(in)}
	defer func() {
		if r := recover(); r != nil {
			plan, err = nil, p.session.bug("plan the job", r)
		}
	}()
	plan = &Plan{Timeout: total, session: p.session}
	blocks, err := p.blocks()
	if err != nil {
		return nil, err
	}
	stages := map[string]int{}
	for _, b := range blocks {
		b.data = p.prepare(b, stages)
		a, err := p.choose(b)
		if err != nil {
			return nil, err
		}
		if err := p.addRoot(plan, a, b.kind, b.data); err != nil {
			return nil, err
		}
		if b.kind == "test" && b.test.NeedsOverlay {
			stages[namespaceOf(b.data)]++
		}
	}
	if err := p.addRoot(plan, in.Methods.Finalize(), "finalize", Data{}); err != nil {
		return nil, err
	}
	return plan, nil
}

// block is one entry of the definition's actions.
type block struct {
	kind string
	data Data
	test TestInfo // of a test block
}

// blocks lists the definition's blocks and notes what the tests need of their namespaces: deploy
// and boot, which come first, ask for it.
func (p *planner) blocks() ([]block, error) {
	var blocks []block
	for _, entry := range p.in.Job.Get("actions").Items() {
		for _, pair := range entry.Pairs() {
			b := block{kind: pair.Key, data: pair.Value}
			switch b.kind {
			case "deploy", "boot", "command":
			case "test":
				m, err := p.method(b)
				if err != nil {
					return nil, err
				}
				if m.Test != nil {
					b.test = m.Test(b.data)
				}
				p.session.shared.need(b)
			default:
				return nil, Blamef(Job, "Unknown action name '%s'", b.kind)
			}
			blocks = append(blocks, b)
		}
	}
	return blocks, nil
}

// prepare adds to a block's parameters what its actions find there besides the block itself.
func (p *planner) prepare(b block, stages map[string]int) Data {
	data := b.data
	for _, pair := range p.in.Job.Get("protocols").Pairs() {
		data = data.With(pair.Key, pair.Value) // a multinode block carries lava-multinode
	}
	if data.Get("namespace").IsNull() {
		data = data.With("namespace", Of(common))
	}
	if b.kind == "test" {
		data = data.With("stage", Of(stages[namespaceOf(data)]))
	}
	return data
}

// choose returns the root action for a block.
func (p *planner) choose(b block) (Action, error) {
	if b.kind == "command" {
		return p.in.Methods.Command(b.data), nil
	}
	m, err := p.method(b)
	if err != nil {
		return nil, err
	}
	return m.Action(b.data), nil
}

// method asks the methods of a kind and returns the willing one of the highest priority.
func (p *planner) method(b block) (Method, error) {
	var table []Method
	switch b.kind {
	case "deploy":
		table = p.in.Methods.Deploy
		if err := p.deployable(b.data); err != nil {
			return Method{}, err
		}
	case "boot":
		table = p.in.Methods.Boot
		if err := p.bootable(b.data); err != nil {
			return Method{}, err
		}
	case "test":
		table = p.in.Methods.Test
	}
	var best *Method
	var refusals []string
	for i := range table {
		refusal, err := table[i].Accepts(p.in.Device, b.data)
		switch {
		case err != nil:
			return Method{}, err
		case refusal != "":
			refusals = append(refusals, table[i].Name+": "+refusal)
		case best == nil || table[i].Priority > best.Priority:
			best = &table[i]
		}
	}
	if best == nil {
		return Method{}, Blamef(Job, "%sNone of the %s strategies accepted your job: %s", unknown(b, table), b.kind, strings.Join(refusals, "; "))
	}
	return *best, nil
}

func (p *planner) deployable(block Data) error {
	switch {
	case !p.in.Device.True():
		return Blamef(Job, "job %q has no device", p.in.ID)
	case !p.in.Device.Has("actions"):
		return Blamef(Configuration, "the device configuration has no 'actions'")
	case !block.Has("to"):
		return Blamef(Job, "deploy block has no 'to'")
	case !p.in.Device.Get("actions").Has("deploy"):
		return Blamef(Configuration, "the device configuration has no 'actions.deploy'")
	case p.in.Device.Get("actions", "deploy", "methods").Kind() != Mapping:
		return Blamef(Configuration, "the device configuration has no 'actions.deploy.methods'")
	}
	return nil
}

func (p *planner) bootable(block Data) error {
	switch {
	case !block.Has("method"):
		return Blamef(Job, "boot block has no 'method'")
	case !p.in.Device.Get("actions").Has("boot"):
		return Blamef(Configuration, "the device configuration has no 'actions.boot'")
	case p.in.Device.Get("actions", "boot", "methods").Kind() != Mapping:
		return Blamef(Configuration, "the device configuration has no 'actions.boot.methods'")
	}
	return nil
}

// addRoot appends a root action with all that is below it.
func (p *planner) addRoot(plan *Plan, a Action, section string, block Data) error {
	if section == "deploy" {
		m, err := p.method(block0(section, block))
		if err != nil {
			return err
		}
		needs := p.session.shared.tests[namespaceOf(block)].info.NeedsDeployment
		if !m.NoDeploymentData && (needs || block.Has("preseed")) {
			block = block.With("deployment_data", DeploymentData(block.Get("os").Text()))
		}
	}
	step := &Step{Action: a, Level: fmt.Sprint(len(plan.Steps) + 1), Section: section, Block: block}
	plan.Steps = append(plan.Steps, step)
	return p.complete(step)
}

func block0(kind string, data Data) block { return block{kind: kind, data: data} }

// add appends a child.
func (p *planner) add(parent *Step, a Action, block Data) error {
	step := &Step{
		Action: a, Parent: parent, Section: parent.Section, Block: block,
		Level: fmt.Sprintf("%s.%d", parent.Level, len(parent.Children)+1),
	}
	parent.Children = append(parent.Children, step)
	return p.complete(step)
}

// complete resolves everything about a step that stands in its place, and then its children.
func (p *planner) complete(step *Step) error {
	step.planner = p
	step.Namespace = namespaceOf(step.Block)
	ms := p.in.Device.Get("character_delays", step.Section).Int(0)
	step.CharDelay = time.Duration(ms) * time.Millisecond
	if err := p.attempts(step); err != nil {
		return err
	}
	if err := p.limits(step); err != nil {
		return err
	}
	if parent, ok := step.Action.(Parent); ok {
		return parent.Populate(step, p.session.at(step))
	}
	return nil
}

func namespaceOf(block Data) string { return block.Get("namespace").TextOr(common) }

// shared is the state of a job that its steps share.
type shared struct {
	version   string
	dir       string
	services  Services
	env       []string
	overrides []string // directories outside dir that are the job's
	tests     map[string]testNeeds
	values    map[string]map[string]any // by namespace and key
	consoles  map[string]*connection.Connection
	keyboard  *connection.Keyboard   // nil: nobody can type beside the job
	current   *connection.Connection // the one used last
	steps     map[*Step]*progress
	invalid   []string
	started   bool            // validation passed and the job ran
	job       context.Context // ends when the job is canceled, and not when its time is up
	dynamic   []Pair
	environ   []Pair // set by actions, for tests
	protocols []Protocol
}

// testNeeds is what the tests of a namespace ask of deploy and boot.
type testNeeds struct {
	info   TestInfo
	blocks []Data
}

// need notes a test block under its namespace, and under the one whose console it borrows.
func (s *shared) need(b block) {
	names := []string{namespaceOf(b.data)}
	if other := b.data.Get("connection-namespace"); !other.IsNull() && other.Text() != names[0] {
		names = append(names, other.Text())
	}
	for _, name := range names {
		n := s.tests[name]
		n.info.NeedsDeployment = n.info.NeedsDeployment || b.test.NeedsDeployment
		n.info.NeedsOverlay = n.info.NeedsOverlay || b.test.NeedsOverlay
		n.info.HasShell = n.info.HasShell || b.test.HasShell
		n.info.CharacterDelay = n.info.CharacterDelay || b.test.CharacterDelay
		n.blocks = append(n.blocks, b.data)
		s.tests[name] = n
	}
}

func (s *shared) put(namespace, key string, value any) {
	if s.values[namespace] == nil {
		s.values[namespace] = map[string]any{}
	}
	s.values[namespace][key] = value
}

// progress is what became of a step in its last attempt.
type progress struct {
	results output.Fields
	errors  []string
	ran     bool
}

func (s *shared) progress(step *Step) *progress {
	if s.steps[step] == nil {
		s.steps[step] = &progress{}
	}
	return s.steps[step]
}

// forget clears a step and all below it before another attempt.
func (s *shared) forget(step *Step) {
	delete(s.steps, step)
	for _, child := range step.Children {
		s.forget(child)
	}
}
