package boot

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/schemas/python"
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

// unpack is overlay-unpack: it fetches the overlay onto a running system and unpacks it at /.
type unpack struct{}

// Name returns the action's name.
func (*unpack) Name() string { return "overlay-unpack" }

// Description says what the action does.
func (*unpack) Description() string { return "fetch the overlay onto the device and unpack it" }

// Validate checks what the block says about the transfer.
func (*unpack) Validate(_ context.Context, s *pipeline.Session) error {
	transfer := s.Block().Get("transfer_overlay")
	if method := transfer.Get("transfer_method").TextOr("http"); method != "http" {
		s.Invalid("Unsupported 'transfer_method' %s: this version knows http", python.Quote(method))
	}
	for _, key := range []string{"download_command", "unpack_command"} {
		if transfer.Get(key).Text() == "" {
			s.Invalid("Missing or empty '%s' in 'transfer_overlay'", key)
		}
	}
	return nil
}

// Run types the commands. The overlay is named as the worker's web server exports it: by its path
// below the directory that holds the jobs' directories.
func (*unpack) Run(ctx context.Context, s *pipeline.Session) error {
	c := s.Console()
	if c == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "there is no connection to transfer the overlay over")
	}
	file, ok := pipeline.Get(s, pipeline.OverlayFile)
	if !ok {
		s.Log.Debug("No overlay to transfer")
		return nil
	}
	ip, err := s.DispatcherIP("http")
	if err != nil {
		return err
	}
	below, err := filepath.Rel(filepath.Dir(s.JobDir()), file)
	if err != nil || strings.HasPrefix(below, "..") {
		return pipeline.Blamef(pipeline.Configuration, "the overlay %s is not below the job's directory", file)
	}
	transfer, name := s.Block().Get("transfer_overlay"), path.Base(file)
	if err := s.SendLine(ctx, c, "rm "+name); err != nil {
		return err
	}
	if _, err := s.Expect(ctx, c, c.Prompts); err != nil {
		return err
	}
	fetch := fmt.Sprintf("%s http://%s/tmp/%s", transfer.Get("download_command").Text(), ip, below)
	if err := s.Checked(ctx, c, fetch, s.Remaining(ctx)); err != nil {
		return err
	}
	return s.Checked(ctx, c, transfer.Get("unpack_command").Text()+" "+name, s.Remaining(ctx))
}
