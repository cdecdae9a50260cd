package test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/feedback"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// newShell returns lava-test-retry with lava-test-shell in it.
func newShell(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{Title: "lava-test-retry", About: "Retry wrapper for lava-test-shell",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error { return step.Add(&shell{}) }}}
}

// shell is lava-test-shell.
type shell struct {
	expected map[string]*expectation // by suite, where the job has a list; made when first asked for
}

// Name returns lava-test-shell.
func (*shell) Name() string { return "lava-test-shell" }

// Description says what the action does.
func (*shell) Description() string { return "Executing lava-test-runner" }

// TimeoutClass is that of tests, which a job may skip.
func (*shell) TimeoutClass() pipeline.Class { return pipeline.TestTimeout }

// Validate checks what the job says of its definitions.
func (*shell) Validate(_ context.Context, s *pipeline.Session) error {
	items := s.Block().Get("definitions").Items()
	if len(items) == 0 {
		s.Invalid("No test definitions specified")
	}
	for _, d := range items {
		if d.Get("name").Text() == "" {
			s.Invalid("Test definition name is missing")
		}
	}
	return nil
}

// Run starts the runner and listens until it ends.
func (a *shell) Run(ctx context.Context, s *pipeline.Session) error {
	a.expected = nil // a new attempt expects everything again
	if s.Step.SkipTimeout {
		s.Log.Info("The timeout has 'skip' enabled. If this test action block times out, the job will continue at the next action block.")
	}
	namespace := s.Namespace()
	if other := s.Block().Get("connection-namespace"); !other.IsNull() {
		namespace = other.Text()
		s.Log.Debug("Using connection namespace: %s", namespace)
	}
	s.Log.Debug("Using namespace: %s", namespace)
	console := s.Console()
	if console == nil {
		return pipeline.Blamef(pipeline.Job, "No connection to the DUT")
	}
	if _, ok := pipeline.GetFrom(s, namespace, pipeline.ResultsDir); !ok {
		return pipeline.Blamef(pipeline.Job, "Nothing to run. Maybe the 'deploy' stage is missing, otherwise this is a bug which should be reported.")
	}
	return a.over(ctx, s, console, namespace)
}

// over runs the tests of the block over a shell. namespace is the one that was deployed for.
func (a *shell) over(ctx context.Context, s *pipeline.Session, console *connection.Connection, namespace string) error {
	// The stage counts the blocks that have definitions, as the overlay's directories do.
	_, stage, ok := overlay.Find(s.TestBlocks(), s.Block())
	if !ok {
		stage = s.Block().Get("stage").Int(0)
	}
	if err := a.start(ctx, s, console, namespace, stage); err != nil {
		return err
	}
	runs, _ := pipeline.GetFrom(s, namespace, overlay.Tests)
	marks, err := compileMarks()
	if err != nil {
		return err
	}
	hear, err := feedback.Limit(s.Job)
	if err != nil {
		return err
	}
	root, _ := pipeline.GetFrom(s, namespace, pipeline.ResultsDir)
	l := &listener{
		root: root, s: s, console: console, action: a, stage: stage, runs: runs, marks: marks,
		poll: min(s.Step.Timeout, s.Step.Connection), hear: hear,
	}
	l.door, _ = pipeline.GetFrom(s, namespace, overlay.Door)
	l.shared, _ = pipeline.GetFrom(s, namespace, overlay.Left)
	s.Log.Info("Test shell timeout: %ds (minimum of the action and connection timeout)", int(l.poll/time.Second))
	return watched(ctx, s, console, l.listen)
}

// checkLimit is how long sourcing the environment may take.
const checkLimit = 15 * time.Second

// start types what comes before the tests.
func (a *shell) start(ctx context.Context, s *pipeline.Session, c *connection.Connection, from string, stage int) error {
	// A comment makes any shell print a prompt, and tells whether one is there.
	if err := s.SendLine(ctx, c, c.CheckChar); err != nil {
		return err
	}
	if _, err := s.Wait(ctx, c); err != nil {
		return err
	}
	root, _ := pipeline.GetFrom(s, from, pipeline.ResultsDir)
	s.Log.Debug("Using %s", root)
	// What the boot method wants typed first, such as mounting the drive with the overlay. Their exit
	// status is not asked for: a failure shows in the next step.
	commands, _ := pipeline.GetFrom(s, from, pipeline.PreCommands)
	interpreter, _ := pipeline.GetFrom(s, from, pipeline.TestShell)
	for _, command := range append(append([]string(nil), commands...), "export SHELL="+interpreter) {
		if err := typeLine(ctx, s, c, command); err != nil {
			return err
		}
	}
	if err := s.Checked(ctx, c, ". "+path.Join(root, "environment"), checkLimit); err != nil {
		return err
	}
	if _, err := s.Expect(ctx, c, c.Prompts); err != nil {
		return err
	}
	return s.SendLine(ctx, c, path.Join(root, "bin", "lava-test-runner")+" "+path.Join(root, strconv.Itoa(stage)))
}

// typeLine types a command and waits for the prompt, no longer than the connection's timeout.
func typeLine(ctx context.Context, s *pipeline.Session, c *connection.Connection, command string) error {
	if err := s.SendLine(ctx, c, command); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.Step.Connection)
	defer cancel()
	_, err := s.Expect(limited, c, c.Prompts)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return pipeline.Blamef(pipeline.Job, "wait for prompt timed out")
	}
	return err
}

// lost gives an error of the console its class: nobody is there any more, or time is up. A bad
// regular expression is the test's fault.
func lost(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, connection.ErrClosed):
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	return pipeline.Blame(pipeline.Infrastructure, fmt.Errorf("talk to the device: %w", err))
}

// Cleanup reports the cases that the job expects and no run has reported. What belongs to a run that
// never began is reported by each clean-up, as LAVA does.
func (a *shell) Cleanup(_ context.Context, s *pipeline.Session) error {
	names, _, _ := overlay.Find(s.TestBlocks(), s.Block())
	for _, name := range names {
		if e := a.list(s, name); e != nil && !(e.begun && e.done) {
			e.report(s, name, "")
		}
	}
	return nil
}

// list returns the job's list of expected cases for a suite, nil where the job has none.
func (a *shell) list(s *pipeline.Session, suite string) *expectation {
	if a.expected == nil {
		a.expected = map[string]*expectation{}
		names, _, _ := overlay.Find(s.TestBlocks(), s.Block())
		for i, d := range s.Block().Get("definitions").Items() {
			if i < len(names) && !d.Get("expected").IsNull() {
				a.expected[names[i]] = expect(d.Get("expected").Texts())
			}
		}
	}
	return a.expected[suite]
}
