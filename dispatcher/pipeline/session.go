package pipeline

import (
	"context"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
)

// Session is what an action works with: the job's data, its log, its consoles, and what earlier
// actions left. Each step sees its own Session; all of them share the job's state. It is for use
// by one goroutine.
type Session struct {
	ID         string // the job's number as text, "42" or "40.1"
	Job        Data   // the definition
	Device     Data   // the rendered device dictionary
	Dispatcher Data   // the worker's configuration for this job (spec: dispatcher configuration keys)
	EnvDUT     string // YAML text of the environment that targets get; "" for none
	Log        *output.Logger
	Now        func() time.Time
	Step       *Step // the step that runs; nil while the top of the plan is made

	shared *shared
}

// TestInfo is what deploy and boot must know of the tests in their namespace.
type TestInfo struct {
	NeedsDeployment bool // environment files and deployment data
	NeedsOverlay    bool // an overlay with the definitions
	HasShell        bool // a shell on the device
	CharacterDelay  bool // run.sh pauses as the device's character delay for tests says
}

// Block returns the parameters of the step's block.
func (s *Session) Block() Data { return s.Step.Block }

// Namespace returns the step's namespace.
func (s *Session) Namespace() string { return s.Step.Namespace }

// TestInfo returns what the tests of the step's namespace need, together.
func (s *Session) TestInfo() TestInfo { return s.shared.tests[s.Step.Namespace].info }

// TestBlocks returns the test blocks whose definitions go into overlays of the step's namespace,
// in the order of the job: those of the namespace and those that use its connection.
func (s *Session) TestBlocks() []Data { return nil }

// RunChildren runs the step's children in order, each under its own timeout.
func (s *Session) RunChildren(ctx context.Context) error { return nil }

// Console returns the connection of the step's namespace, or of its block's connection-namespace
// where it has one; nil where there is none.
func (s *Session) Console() *connection.Connection { return nil }

// SetConsole makes c the connection of the step's namespace. nil forgets it.
func (s *Session) SetConsole(c *connection.Connection) {}

// Result sets an entry of the result that follows the step's end line. Steps that set none have no
// result unless they fail.
func (s *Session) Result(key string, value any) {}

// Fail records an error of the step that does not end it: its result will be fail.
func (s *Session) Fail(format string, args ...any) {}

// Invalid records a problem of the definition while validating.
func (s *Session) Invalid(format string, args ...any) {}

// Constant looks a setting up in the job's context, then in the namespace's deployment data, then
// in the device's constants (under prefix unless that is ""). A missing one is a Configuration
// error. It is meant for failure_retry, boot_retry, lava_test_results_dir, lava_test_sh_cmd and
// lava_test_shell_file; other constants come from DeviceConstant.
func (s *Session) Constant(key, prefix string) (Data, error) { return Data{}, nil }

// DeviceConstant looks a setting up in the device's constants only.
func (s *Session) DeviceConstant(key, prefix string) (Data, error) { return Data{}, nil }

// Dir makes a new directory of the job's for the step, named <action>-<random>, mode 0755. It is
// removed at the end of the job.
func (s *Session) Dir() (string, error) { return "", nil }

// DirUnder is Dir below another root, such as a TFTP server's; it is removed at the end too.
func (s *Session) DirUnder(root string) (string, error) { return "", nil }

// JobDir returns the job's scratch directory.
func (s *Session) JobDir() string { return s.shared.dir }

// DispatcherIP returns the worker's address for a protocol ("http", "nfs", "tftp" or "" for none),
// as targets reach it: the configured one, else the first IPv4 address of the default route's
// interface.
func (s *Session) DispatcherIP(protocol string) (string, error) { return "", nil }

// Command runs a program of the worker and logs it: `Calling: [...]`, `>> line` for each line that
// it prints, `Returned N in S seconds`. A failure has the step's CommandClass.
func (s *Session) Command(ctx context.Context, argv ...string) error { return nil }

// CommandOutput runs a program of the worker, logs it and returns what it printed. With allowFail
// a failure is not an error.
func (s *Session) CommandOutput(ctx context.Context, allowFail bool, argv ...string) (string, error) {
	return "", nil
}

// Remaining returns the time until ctx ends, 0 if it has.
func (s *Session) Remaining(ctx context.Context) time.Duration { return 0 }
