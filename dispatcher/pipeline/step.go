package pipeline

import "time"

// Step is an action with its place in the plan. Everything in it is fixed while planning.
type Step struct {
	Action      Action
	Level       string // "2.1"; roots have no dot
	Section     string // "deploy", "boot", "test", "command" or "finalize"
	Namespace   string // of its block; "common" where the block names none
	Block       Data   // the parameters of the block, perhaps changed for this branch of the tree
	Timeout     time.Duration
	Connection  time.Duration // the limit of a wait that has none of its own
	SkipTimeout bool          // a test that runs out of time does not end the job
	MaxRetries  int           // attempts of a Retrier, 1 for others
	Repeat      bool          // MaxRetries counts repetitions, failed or not
	RetryPause  time.Duration // between attempts
	CharDelay   time.Duration // to pause after each character typed
	Parent      *Step
	Children    []*Step

	planner *planner
}

// Name returns the action's name.
func (s *Step) Name() string { return s.Action.Name() }

// Root says whether the step stands at the top of the plan.
func (s *Step) Root() bool { return s.Parent == nil }

// Add appends a child and populates it. It is for use in Populate only.
func (s *Step) Add(a Action) error { return s.AddWith(a, s.Block) }

// AddWith is Add for a branch whose block parameters differ from the parent's.
func (s *Step) AddWith(a Action, block Data) error { return s.planner.add(s, a, block) }
