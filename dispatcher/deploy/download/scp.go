package download

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"strata/dispatcher/pipeline"
)

// scpDownload copies a file from a host that the worker may log in to with its own keys.
type scpDownload struct{ fetch }

func newSCP(f fetch) pipeline.Action { return scpDownload{f} }

// Name returns scp-download.
func (scpDownload) Name() string { return "scp-download" }

// Description says what the action does.
func (scpDownload) Description() string { return "copy the file by ssh" }

// Validate asks for the file's size.
func (d scpDownload) Validate(ctx context.Context, s *pipeline.Session) error {
	d.check(s)
	if d.host == "" || strings.HasPrefix(d.host, "-") {
		s.Invalid("'%s' names no host", d.url)
		return nil
	}
	if err := d.allowed(ctx, s); err != nil {
		return err
	}
	if _, err := d.size(ctx, s); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.Invalid("Resource unavailable at '%s' (%s)", d.url, err)
	}
	return nil
}

func (d scpDownload) size(ctx context.Context, s *pipeline.Session) (int64, error) {
	text, err := answer(ctx, s, "ssh", "-o", "BatchMode=yes", "--", d.host, "stat", "-c", "%s", quoted(d.path))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(text), 10, 64)
}

// Run copies the file.
func (d scpDownload) Run(ctx context.Context, s *pipeline.Session) error {
	if err := d.allowed(ctx, s); err != nil {
		return err
	}
	size, err := d.size(ctx, s)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to download '%s': %w", d.url, err)
	}
	return d.piped(ctx, s, size, s.Env(), "ssh", "-o", "BatchMode=yes", "--", d.host, "cat", quoted(d.path))
}

// quoted quotes a path for the shell at the other end.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// answer returns what a program prints. Its error has what the program printed as errors.
func answer(ctx context.Context, s *pipeline.Session, argv ...string) (string, error) {
	return printed(ctx, s.Env(), argv...)
}

func printed(ctx context.Context, env []string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	out, err := cmd.Output()
	var exited *exec.ExitError
	if errors.As(err, &exited) && len(exited.Stderr) > 0 {
		return "", errors.New(strings.TrimSpace(string(exited.Stderr)))
	}
	return string(out), err
}

// piped saves what a program prints.
func (f fetch) piped(ctx context.Context, s *pipeline.Session, size int64, env []string, argv ...string) error {
	s.Log.Info("downloading %s", f.url)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	var errText strings.Builder
	cmd.Stderr = &errText
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to download '%s': %w", f.url, err)
	}
	saved := f.save(ctx, s, out, size)
	_, _ = io.Copy(io.Discard, out) // or the program waits for a reader for ever
	if err := cmd.Wait(); err != nil && ctx.Err() == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to download '%s': %w: %s", f.url, err, strings.TrimSpace(errText.String()))
	}
	return saved
}
