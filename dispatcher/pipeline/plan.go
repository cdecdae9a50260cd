package pipeline

import (
	"context"
	"time"

	"strata/dispatcher/output"
)

// Plan is a job ready to be validated and run.
type Plan struct {
	Steps   []*Step
	Timeout time.Duration // of the whole job

	session *Session
}

// Inputs are what a plan is made of.
type Inputs struct {
	ID         string
	Job        Data
	Device     Data
	Dispatcher Data
	EnvDUT     string
	Dir        string // the job's scratch directory; made, and removed at the end
	Log        *output.Logger
	Now        func() time.Time
	Methods    Methods
}

// Parse plans a job. Its errors have a class and end the job before validation.
func Parse(in Inputs) (*Plan, error) { return nil, nil }

// Validate checks the plan: `start: 0 validate` to the result of case "validate".
func (p *Plan) Validate(ctx context.Context) error { return nil }

// Run carries the plan out, without Validate and Cleanup.
func (p *Plan) Run(ctx context.Context) error { return nil }

// Cleanup tidies up after the job, once.
func (p *Plan) Cleanup(ctx context.Context) error { return nil }

type planner struct{}

func (p *planner) add(parent *Step, a Action, block Data) error { return nil }

// shared is the state of a job that its steps share.
type shared struct {
	dir    string
	tests  map[string]testNeeds
	values map[string]map[string]any
}

type testNeeds struct{ info TestInfo }

func (s *shared) put(namespace, key string, value any) {
	if s.values[namespace] == nil {
		s.values[namespace] = map[string]any{}
	}
	s.values[namespace][key] = value
}
