package boot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
)

// What login programs say.
const (
	loginIncorrect = "Login incorrect"
	loginTimedOut  = "Login timed out"
)

// autoLogin returns auto-login-action: wait for the kernel (unless the console is one on which no
// kernel starts), then login-action. Another attempt does not start the device again.
func autoLogin(kernelStarts bool) pipeline.Action {
	return &loginRetry{Retry: pipeline.Retry{Basic: pipeline.Basic{
		Title: "auto-login-action", About: "log in, watching the kernel's messages",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error { return step.Add(login{}) },
	}}, kernelStarts: kernelStarts}
}

type loginRetry struct {
	pipeline.Retry
	kernelStarts bool
	console      *connection.Connection // of the last attempt
	failed       error                  // what ended it
}

// Run makes one attempt. A machine that ended after a panic has closed its console, so that every
// further attempt finds just that: what is reported is still what happened before, and not a fault
// of the lab.
func (l *loginRetry) Run(ctx context.Context, s *pipeline.Session) error {
	c := s.Console()
	if c == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "there is no connection to log in over")
	}
	err := l.attempt(ctx, s, c)
	if errors.Is(err, connection.ErrClosed) && l.failed != nil && l.console == c {
		s.Log.Warning("The console was closed after the last attempt")
		return l.failed
	}
	l.console, l.failed = c, err
	return err
}

// attempt waits for the kernel's first line and logs in.
func (l *loginRetry) attempt(ctx context.Context, s *pipeline.Session, c *connection.Connection) error {
	start, errorMessages, err := l.startMessage(s)
	if err != nil {
		return err
	}
	if start != "" {
		s.SetPrompts(c, append([]string{start}, errorMessages...))
		m, err := wait(ctx, s, c, s.Block().Get("method").Text())
		if err != nil {
			return err
		}
		if m.Index > 0 {
			return pipeline.Blamef(pipeline.Infrastructure, "matched a bootloader error message: '%s' (%d)", errorMessages[m.Index-1], m.Index)
		}
	}
	return s.RunChildren(ctx)
}

// startMessage returns the pattern of the kernel's first line, "" for no wait, and what the boot
// loader prints when it fails.
func (l *loginRetry) startMessage(s *pipeline.Session) (string, []string, error) {
	if !l.kernelStarts {
		return "", nil, nil
	}
	method := s.Block().Get("method").Text()
	start := s.Block().Get("parameters", "kernel-start-message")
	if start.IsNull() {
		var err error
		if start, err = s.DeviceConstant("kernel-start-message", ""); err != nil {
			return "", nil, err
		}
	}
	if own := s.Device.Get("actions", "boot", "methods", method, "parameters", "boot_message"); own.True() && method != "uefi-menu" {
		// The menus' own boot_message has been seen already, by uefi-menu-selector.
		s.Log.Warning("boot_message is being deprecated in favour of kernel-start-message in constants")
		start = own
	}
	return start.Text(), s.Device.Get("constants", method, "error-messages").Texts(), nil
}

// login is login-action.
type login struct{}

// Name returns the action's name.
func (login) Name() string { return "login-action" }

// Description says what the action does.
func (login) Description() string { return "wait for a prompt and log in" }

// Validate checks the prompts and what the block says about the login.
func (login) Validate(_ context.Context, s *pipeline.Session) error {
	checkPrompts(s)
	auto, ok := s.Block().Lookup("auto_login")
	if !ok {
		return nil
	}
	if auto.Kind() != pipeline.Mapping {
		s.Invalid("'auto_login' must be a dictionary")
		return nil
	}
	if !auto.Has("login_prompt") {
		s.Invalid("'login_prompt' is mandatory for auto_login")
	} else if auto.Get("login_prompt").Text() == "" {
		s.Invalid("Value for 'login_prompt' cannot be empty")
	}
	if !auto.Has("username") {
		s.Invalid("'username' is mandatory for auto_login")
	}
	if auto.Has("password_prompt") && !auto.Has("password") {
		s.Invalid("'password' is mandatory if 'password_prompt' is used in auto_login")
	}
	if commands, ok := auto.Lookup("login_commands"); ok {
		if commands.Kind() != pipeline.List {
			s.Invalid("'login_commands' must be a list")
		} else if !commands.True() {
			s.Invalid("'login_commands' must not be empty")
		}
	}
	return nil
}

// Run waits for a prompt of the shell or of the login program, and logs in if the block says how.
func (login) Run(ctx context.Context, s *pipeline.Session) error {
	c := s.Console()
	if c == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "there is no connection to log in over")
	}
	prompts, auto := s.Block().Get("prompts").Texts(), s.Block().Get("auto_login")
	for _, p := range prompts {
		if !strings.ContainsAny(p, `\:`) {
			s.Log.Warning("The prompt '%s' is very plain: ordinary output may match it. Give one that only the real prompt matches.", p)
		}
	}
	expected, failure := slices.Clone(prompts), s.Block().Get("failure_message").Text()
	if failure != "" {
		expected = append(expected, failure)
	}
	if auto.True() {
		s.Log.Info("Waiting for the login prompt")
		expected = append(expected, auto.Get("login_prompt").Text(), loginIncorrect)
	} else {
		s.Log.Debug("No login prompt set.")
	}
	if err := waitForPrompt(ctx, s, c, expected, failure); err != nil {
		return err
	}
	if auto.True() {
		if err := logIn(ctx, s, c, auto); err != nil {
			return err
		}
	}
	s.SetPrompts(c, prompts)
	for _, command := range auto.Get("login_commands").Texts() {
		if err := s.SendLine(ctx, c, command); err != nil {
			return err
		}
		if err := waitBriefly(ctx, s, c); err != nil {
			return err
		}
	}
	return nil
}

// waitBriefly waits for the prompt after a command: a shell that is there answers within the
// connection's timeout, and one that does not must not take the time of the whole boot.
func waitBriefly(ctx context.Context, s *pipeline.Session, c *connection.Connection) error {
	limited, cancel := context.WithTimeout(ctx, s.Step.Connection)
	defer cancel()
	_, err := s.Wait(limited, c)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return pipeline.Blamef(pipeline.Job, "wait for prompt timed out")
	}
	return err
}

// waitForPrompt waits for one of the prompts and reports what the kernel said meanwhile.
func waitForPrompt(ctx context.Context, s *pipeline.Session, c *connection.Connection, expected []string, failure string) error {
	if c.Farewell == connection.Logout {
		// ssh has shown a prompt of a system that runs already, and that prompt is used up.
		s.Log.Debug("Skipping kernel messages")
		return nil
	}
	if s.Block().Get("ignore_kernel_messages").Bool(false) {
		_, err := s.ExpectForced(ctx, c, expected)
		return err
	}
	s.Log.Info("Parsing kernel messages")
	begin := s.Now()
	out, err := watch(ctx, s, c, expected, failure)
	if err != nil {
		return err
	}
	verdict := "pass"
	if out.stopped != nil {
		verdict = "fail"
	}
	s.Log.Result(output.Fields{
		{Key: "definition", Value: "lava"},
		{Key: "namespace", Value: s.Namespace()},
		{Key: "case", Value: "kernel-messages"},
		{Key: "level", Value: s.Step.Level},
		{Key: "duration", Value: pipeline.Seconds(s.Now().Sub(begin))},
		{Key: "result", Value: verdict},
		{Key: "extra", Value: output.Fields{{Key: "extra", Value: asFields(out.findings)}}},
	})
	if out.stopped != nil {
		return out.stopped
	}
	if len(out.findings) == 0 {
		s.Result("success", "No kernel warnings or errors detected.")
	} else {
		s.Result("extra", asFields(out.findings))
	}
	return nil
}

// logIn types the user's name and, where the block has a password prompt, the password.
func logIn(ctx context.Context, s *pipeline.Session, c *connection.Connection, auto pipeline.Data) error {
	prompts := s.Block().Get("prompts").Texts()
	if err := s.SendLine(ctx, c, auto.Get("username").Text()); err != nil {
		return err
	}
	if auto.Has("password_prompt") {
		s.SetPrompts(c, append(slices.Clone(prompts), auto.Get("password_prompt").Text(), loginTimedOut))
		m, err := s.WaitForced(ctx, c)
		if err != nil {
			return err
		}
		if c.Prompts[m.Index] == loginTimedOut {
			return pipeline.Blamef(pipeline.Job, "Password prompt not matched, please update the job definition with the correct one.")
		}
		if err := s.SendLine(ctx, c, auto.Get("password").Text()); err != nil {
			return err
		}
	}
	s.SetPrompts(c, append(slices.Clone(prompts), loginIncorrect, loginTimedOut))
	m, err := s.WaitForced(ctx, c)
	if err != nil {
		return err
	}
	if m.Index >= len(prompts) {
		return pipeline.Blamef(pipeline.Job, "%s", c.Prompts[m.Index])
	}
	return nil
}

// checkPrompts records what is wrong with the block's prompts.
func checkPrompts(s *pipeline.Session) {
	prompts := s.Block().Get("prompts")
	switch prompts.Kind() {
	case pipeline.Text, pipeline.List:
	case pipeline.Null:
		s.Invalid("'prompts' is mandatory for %s", s.Step.Name())
		return
	default:
		s.Invalid("'prompts' must be a list or a string")
		return
	}
	if !prompts.True() {
		s.Invalid("Value for 'prompts' cannot be empty")
		return
	}
	for _, p := range prompts.Texts() {
		if p == "" {
			s.Invalid("Items of 'prompts' can't be empty")
		}
	}
}
