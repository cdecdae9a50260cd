package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
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

func newSession(in Inputs) *Session {
	s := &Session{
		ID: in.ID, Job: in.Job, Device: in.Device, Dispatcher: in.Dispatcher, EnvDUT: in.EnvDUT,
		Log: in.Log, Now: in.Now,
		shared: &shared{
			version: in.Version, dir: in.Dir, services: in.Services, protocols: in.Protocols, job: context.Background(),
			tests:    map[string]testNeeds{},
			values:   map[string]map[string]any{},
			consoles: map[string]*connection.Connection{},
			keyboard: in.Keyboard,
			steps:    map[*Step]*progress{},
		},
	}
	s.shared.env = append(append([]string(nil), in.Env...), "LAVA_JOB_ID="+in.ID)
	for _, secret := range in.Job.Get("secrets").Pairs() {
		s.shared.env = append(s.shared.env, secret.Key+"="+secret.Value.Text())
	}
	return s
}

// at returns the session as a step sees it.
func (s *Session) at(step *Step) *Session {
	own := *s
	own.Step = step
	return &own
}

// Block returns the parameters of the step's block.
func (s *Session) Block() Data { return s.Step.Block }

// Namespace returns the step's namespace.
func (s *Session) Namespace() string { return s.Step.Namespace }

// Namespaces returns the names of the namespaces that have a console, sorted.
func (s *Session) Namespaces() []string {
	var names []string
	for name := range s.shared.consoles {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// TestInfo returns what the tests of the step's namespace need, together.
func (s *Session) TestInfo() TestInfo { return s.shared.tests[s.Step.Namespace].info }

// TestBlocks returns the test blocks whose definitions go into overlays of the step's namespace,
// in the order of the job: those of the namespace and those that use its connection.
func (s *Session) TestBlocks() []Data { return s.shared.tests[s.Step.Namespace].blocks }

// Started says whether the job passed validation and began to run.
func (s *Session) Started() bool { return s.shared.started }

// Ran says whether the step began to run.
func (s *Session) Ran() bool { return s.shared.progress(s.Step).ran }

// Env returns the environment for the worker's commands: what the worker gave, LAVA_JOB_ID and
// the job's secrets.
func (s *Session) Env() []string { return s.shared.env }

// Console returns the connection of the step's namespace, or of its block's connection-namespace
// where it has one; nil where there is none.
func (s *Session) Console() *connection.Connection {
	return s.shared.consoles[s.Block().Get("connection-namespace").TextOr(s.Namespace())]
}

// ConsoleOf returns the connection of a namespace, nil where there is none.
func (s *Session) ConsoleOf(namespace string) *connection.Connection {
	return s.shared.consoles[namespace]
}

// Current returns the connection that was set last in any namespace; nil where there is none.
func (s *Session) Current() *connection.Connection { return s.shared.current }

// SetConsole makes c the connection of the step's namespace. nil forgets it.
func (s *Session) SetConsole(c *connection.Connection) {
	s.shared.current = c
	if k := s.shared.keyboard; k != nil {
		k.Use(c)
		if c != nil {
			c.Keyboard = k
		}
	}
	if c == nil {
		delete(s.shared.consoles, s.Namespace())
		return
	}
	s.shared.consoles[s.Namespace()] = c
}

// SetConsoleOf makes c the connection of another namespace: one that nobody looks at, but whose
// output is logged as feedback.
func (s *Session) SetConsoleOf(namespace string, c *connection.Connection) {
	s.shared.consoles[namespace] = c
}

// TakeKeyboard takes the consoles' keyboard back from whoever types beside the job, for good: a job at its end waits for
// nobody, or its device would stay on while somebody forgets a window.
func (s *Session) TakeKeyboard() {
	if k := s.shared.keyboard; k != nil {
		k.Close()
	}
}

// CloseConsoles ends every connection of the job. A job's last act, for what is still open.
func (s *Session) CloseConsoles() {
	for name, c := range s.shared.consoles {
		if err := c.Close(); err != nil {
			s.Log.Warning("close the console of namespace '%s': %s", name, err)
		}
	}
}

// Result sets an entry of the result that follows the step's end line. Steps that set none have no
// result unless they fail.
func (s *Session) Result(key string, value any) {
	p := s.shared.progress(s.Step)
	p.results = p.results.Set(key, value)
}

// Fail records an error of the step that does not end it: its result will be fail.
func (s *Session) Fail(format string, args ...any) {
	p := s.shared.progress(s.Step)
	p.errors = append(p.errors, fmt.Sprintf(format, args...))
}

// Errors returns what Fail recorded in the step's current attempt.
func (s *Session) Errors() []string { return s.shared.progress(s.Step).errors }

// Invalid records a problem of the definition while validating.
func (s *Session) Invalid(format string, args ...any) {
	s.shared.invalid = append(s.shared.invalid, fmt.Sprintf(format, args...))
}

// Constant looks a setting up in the job's context, then in the block's deployment data, then in
// the device's constants (under prefix unless that is ""). A missing one is a Configuration error.
// It is meant for failure_retry, boot_retry, lava_test_results_dir, lava_test_sh_cmd and
// lava_test_shell_file; other constants come from DeviceConstant.
func (s *Session) Constant(key, prefix string) (Data, error) {
	if v, ok := s.Job.Get("context").Lookup(key); ok {
		return v, nil
	}
	if s.Step != nil {
		if v, ok := s.Block().Get("deployment_data").Lookup(key); ok {
			return v, nil
		}
	}
	return s.DeviceConstant(key, prefix)
}

// DeviceConstant looks a setting up in the device's constants only.
func (s *Session) DeviceConstant(key, prefix string) (Data, error) {
	constants := s.Device.Get("constants")
	if prefix != "" {
		constants = constants.Get(prefix)
	}
	v, ok := constants.Lookup(key)
	if !ok {
		where := key
		if prefix != "" {
			where = prefix + "," + key
		}
		return Data{}, Blamef(Configuration, "Constant %s does not exist in the device config 'constants' section.", where)
	}
	return v, nil
}

// SetDynamic gives the device a variable that a shell on it will have exported (export-device-env).
func (s *Session) SetDynamic(key, value string) {
	s.shared.dynamic = Data{s.shared.dynamic}.With(key, Of(value)).Pairs()
}

// Dynamic returns the variables set by SetDynamic, in order.
func (s *Session) Dynamic() []Pair { return s.shared.dynamic }

// SetEnvironment adds a variable to the job's environment, which overlays made later export to tests.
func (s *Session) SetEnvironment(key, value string) {
	s.shared.environ = Data{s.shared.environ}.With(key, Of(value)).Pairs()
}

// Environment returns the variables that tests get: the job's own (of its part in a multinode group
// where it is one), and those set by SetEnvironment.
func (s *Session) Environment() Data {
	env := s.Job.Get("environment")
	if own := s.Job.Get("protocols", "lava-multinode", "environment"); !own.IsNull() {
		env = own
	}
	for _, p := range s.shared.environ {
		env = env.With(p.Key, p.Value)
	}
	return env
}

// Dir makes a new directory of the job's for the step, named <action>-<random>, mode 0755. It is
// removed at the end of the job.
func (s *Session) Dir() (string, error) { return s.makeDir(s.shared.dir) }

// DirUnder is Dir below another root, such as a TFTP server's, in a directory of the job's number;
// it is removed at the end too.
func (s *Session) DirUnder(root string) (string, error) {
	base := filepath.Join(root, s.Dispatcher.Get("prefix").Text()+s.ID)
	known := false
	for _, dir := range s.shared.overrides {
		known = known || dir == base
	}
	if !known {
		s.shared.overrides = append(s.shared.overrides, base)
	}
	return s.makeDir(base)
}

func (s *Session) makeDir(base string) (string, error) {
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", Blamef(Infrastructure, "make the job's directory: %w", err)
	}
	dir, err := os.MkdirTemp(base, s.Step.Name()+"-")
	if err == nil {
		// A web or TFTP server of another user reads it, whatever our umask is.
		err = errors.Join(os.Chmod(base, 0o755), os.Chmod(dir, 0o755))
	}
	if err != nil {
		return "", Blamef(Infrastructure, "make a directory of the job: %w", err)
	}
	return dir, nil
}

// JobDir returns the job's scratch directory.
func (s *Session) JobDir() string { return s.shared.dir }

// Remaining returns the time until ctx ends, 0 if it has.
func (s *Session) Remaining(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(end.Sub(s.Now()), 0)
}

// removeDirs removes the job's directories, those outside first.
func (s *Session) removeDirs() error {
	for _, dir := range s.shared.overrides {
		s.Log.Info("Removing override tmp directory at %s", dir)
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	if s.shared.dir == "" || strings.Trim(s.shared.dir, "/") == "" {
		return nil
	}
	s.Log.Info("Removing root tmp directory at %s", s.shared.dir)
	if err := os.RemoveAll(s.shared.dir); err != nil {
		return fmt.Errorf("remove %s: %w", s.shared.dir, err)
	}
	return nil
}
