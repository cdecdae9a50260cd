package boot

import (
	"context"
	"fmt"

	"strata/dispatcher/pipeline"
)

// expectShell is expect-shell-connection: it makes sure that a shell prompt is there.
type expectShell struct{}

// Name returns the action's name.
func (expectShell) Name() string { return "expect-shell-connection" }

// Description says what the action does.
func (expectShell) Description() string { return "wait for a shell prompt" }

// Run types an empty line and waits for a prompt.
func (expectShell) Run(ctx context.Context, s *pipeline.Session) error {
	c := s.Console()
	if c == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "there is no connection to expect a shell on")
	}
	s.SetPrompts(c, s.Block().Get("prompts").Texts())
	s.Log.Debug("Forcing a shell prompt, looking for %s", pipeline.ReprList(c.Prompts))
	if err := s.SendLine(ctx, c, ""); err != nil {
		return err
	}
	_, err := s.WaitForced(ctx, c)
	return err
}

// exportEnv is export-device-env: it gives the device's shell the variables of env-dut.
type exportEnv struct{}

// Name returns the action's name.
func (exportEnv) Name() string { return "export-device-env" }

// Description says what the action does.
func (exportEnv) Description() string { return "export the lab's variables in the device's shell" }

// Run types the exports.
func (exportEnv) Run(ctx context.Context, s *pipeline.Session) error {
	c := s.Console()
	if c == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "there is no connection to export variables on")
	}
	var lines []string
	file, hasFile := pipeline.Get(s, pipeline.ShellFile)
	if env, ok := pipeline.Get(s, pipeline.TargetEnv); ok && hasFile {
		for _, p := range env {
			lines = append(lines, fmt.Sprintf(`echo export %s=\'%s\' >> %s`, p.Key, p.Value.Text(), file))
		}
		lines = append(lines, ". "+file)
	}
	for _, p := range s.Dynamic() {
		lines = append(lines, fmt.Sprintf("export %s='%s'", p.Key, p.Value.Text()))
	}
	for _, line := range lines {
		if err := s.SendLine(ctx, c, line); err != nil {
			return err
		}
		if _, err := s.Wait(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
