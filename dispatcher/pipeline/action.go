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

// Basic is an action written as a table of what it does, for the many that are one small step or
// nothing but their children. What is nil is not done, except that without Do the children run.
type Basic struct {
	Title, About string // its name and description
	Late         Class  // whom its time-out is blamed on; "" for Job
	Broken       Class  // whom a failing command of it is blamed on; "" for Job

	Fill  func(step *Step, s *Session) error          // adds the children: see Parent
	Check func(ctx context.Context, s *Session) error // see Validator
	Do    func(ctx context.Context, s *Session) error
	Tidy  func(ctx context.Context, s *Session) error // see Cleaner
}

// Name returns the title.
func (b Basic) Name() string { return b.Title }

// Description returns what the action is about.
func (b Basic) Description() string { return b.About }

// TimeoutClass returns whom a time-out is blamed on.
func (b Basic) TimeoutClass() Class { return orJob(b.Late) }

// CommandClass returns whom a failing command is blamed on.
func (b Basic) CommandClass() Class { return orJob(b.Broken) }

func orJob(class Class) Class {
	if class == "" {
		return Job
	}
	return class
}

// Populate adds the children.
func (b Basic) Populate(step *Step, s *Session) error {
	if b.Fill == nil {
		return nil
	}
	return b.Fill(step, s)
}

// Validate checks the step.
func (b Basic) Validate(ctx context.Context, s *Session) error {
	if b.Check == nil {
		return nil
	}
	return b.Check(ctx, s)
}

// Run does the work.
func (b Basic) Run(ctx context.Context, s *Session) error {
	if b.Do == nil {
		return s.RunChildren(ctx)
	}
	return b.Do(ctx, s)
}

// Cleanup tidies up.
func (b Basic) Cleanup(ctx context.Context, s *Session) error {
	if b.Tidy == nil {
		return nil
	}
	return b.Tidy(ctx, s)
}

// Retry is a Basic action whose children are tried again when it fails.
type Retry struct{ Basic }

// Retries marks the action as a Retrier.
func (Retry) Retries() {}
