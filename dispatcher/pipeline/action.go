package pipeline

import "context"

// Action is one step of a pipeline.
type Action interface {
	// Name is how users meet the action in logs, results and timeouts: lower case with dashes.
	Name() string
	// Run does the work. ctx ends at the action's timeout or when the job is canceled; Run then
	// returns ctx's error, wrapped or not. A parent calls s.RunChildren where its children are due.
	Run(ctx context.Context, s *Session) error
}

// Parent is an action with children.
type Parent interface {
	// Populate adds the children with step.Add while the job is planned. The step has its level,
	// parameters and timeouts already. It may use the session's data, not its console.
	Populate(step *Step, s *Session) error
}

// Retrier is a Parent whose children are all run again when one of them fails, as often as the
// job, the device or the block says. The planner does the repeating: Run makes one attempt.
type Retrier interface{ Retries() }

// Validator checks an action before the job starts. Problems of the definition are recorded with
// s.Invalid, which lets the other actions be checked too; a returned error of class Job counts as
// one more such problem, any other class ends the validation.
type Validator interface {
	Validate(ctx context.Context, s *Session) error
}

// Cleaner tidies up after an action: at the end of the job, and after each failed attempt of a
// retry action above it. It must be able to run twice, and without Run having run.
type Cleaner interface {
	Cleanup(ctx context.Context, s *Session) error
}

// Blamer says which class an action's own timeout has. Without it: Job.
type Blamer interface{ TimeoutClass() Class }

// CommandBlamer says which class a failing command of an action has. Without it: Job.
type CommandBlamer interface{ CommandClass() Class }

// Downloader says what an action downloads; the plan shows it.
type Downloader interface{ URL() string }

// Describer says in a few words what an action does; the plan shows it.
type Describer interface{ Description() string }

// Group is an action that is nothing but its children.
type Group struct {
	Title string // its name
	About string // its description
	Fill  func(step *Step, s *Session) error
}

// Name returns the title.
func (g Group) Name() string { return g.Title }

// Description returns what the group is about.
func (g Group) Description() string { return g.About }

// Populate adds the children.
func (g Group) Populate(step *Step, s *Session) error { return g.Fill(step, s) }

// Run runs the children.
func (g Group) Run(ctx context.Context, s *Session) error { return s.RunChildren(ctx) }

// Retry is a Group that is tried again when it fails.
type Retry struct{ Group }

// Retries marks the group as a Retrier.
func (Retry) Retries() {}
