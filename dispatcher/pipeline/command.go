package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// killDelay is how long a command that was told to end may take to do so.
const killDelay = 3 * time.Second

// How much of what a command prints is kept, in bytes: of one line in the log, and of the whole where
// the whole is asked for. A program gone wrong prints without end, and must not take the worker's memory.
const (
	maxLine   = 64 << 10
	maxOutput = 1 << 20
)

// CommandError is a command that ended with a failure.
type CommandError struct {
	Argv []string
	Exit int    // 127 where the program was not found or could not be started
	Text string // what it printed, if that was asked for
}

// Error says what could not be run.
func (e *CommandError) Error() string { return "Unable to run: " + ReprList(e.Argv) }

// Command runs a program of the worker and logs it: `Calling: [...]`, `>> line` for each line that
// it prints, `Returned N in S seconds`. A failure is a *CommandError of the step's CommandClass.
// When ctx ends the program's whole group gets SIGTERM, and SIGKILL three seconds later.
func (s *Session) Command(ctx context.Context, argv ...string) error {
	s.Log.Debug("Calling: %s", ReprList(argv))
	start := s.Now()
	reader, writer := io.Pipe()
	var lines sync.WaitGroup
	lines.Go(func() { s.logLines(reader) })
	exit, err := s.exec(ctx, argv, writer)
	writer.Close() // of a pipe in memory: cannot fail
	lines.Wait()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	s.Log.Debug("Returned %d in %d seconds", exit, int(s.Now().Sub(start)/time.Second))
	if exit != 0 {
		failed := &CommandError{Argv: argv, Exit: exit}
		s.Log.Error("%s", failed)
		return Blame(s.commandClass(), failed)
	}
	return nil
}

// logLines logs what a command prints, line by line, until it ends. Of a line longer than maxLine it
// logs the beginning, and how long the line was.
func (s *Session) logLines(r io.Reader) {
	in := bufio.NewReader(r)
	var line []byte
	size := 0 // of the line, also of what is not kept
	for {
		chunk, err := in.ReadSlice('\n')
		size += len(chunk)
		line = append(line, chunk[:min(len(chunk), maxLine+1-len(line))]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == nil {
			size-- // the newline
		}
		switch {
		case size > maxLine:
			s.Log.Debug(">> %s (line of %d bytes, cut)", s.Log.Whole(string(line[:maxLine])), size)
		case len(line) > 0:
			s.Log.Debug(">> %s", strings.TrimRight(string(line), "\r\n"))
		}
		if err != nil {
			return
		}
		line, size = line[:0], 0
	}
}

// head keeps the first maxOutput bytes that are written to it, and counts all.
type head struct {
	kept bytes.Buffer
	size int
}

// Write takes everything: a command that meets a closed pipe would end otherwise than it does alone.
func (h *head) Write(p []byte) (int, error) {
	h.size += len(p)
	h.kept.Write(p[:min(len(p), maxOutput-h.kept.Len())])
	return len(p), nil
}

// CommandOutput runs a program of the worker, logs it and returns what it printed, of which it keeps
// the first MiB; the log says where there was more. With allowFail
// a failure is logged but is no error. The step's result tells its exit and the length of its
// output where it failed or might have.
func (s *Session) CommandOutput(ctx context.Context, allowFail bool, argv ...string) (string, error) {
	s.Log.Debug("%s", ReprList(argv))
	var out head
	exit, err := s.exec(ctx, argv, &out)
	text := out.kept.String()
	if out.size > len(text) {
		s.Log.Warning("The command printed %d bytes: only the first %d are kept.", out.size, len(text))
		text = s.Log.Whole(text)
	}
	if err != nil && ctx.Err() != nil {
		return text, ctx.Err()
	}
	for line := range strings.Lines(text) {
		s.Log.Debug("output: %s", strings.TrimRight(line, "\r\n"))
	}
	if allowFail || exit != 0 {
		s.Result("returncode", exit)
		s.Result("output_len", len(text))
	}
	if exit == 0 {
		if allowFail {
			s.Log.Info("Parsed command exited zero with allow_fail set, returning %d bytes.", len(text))
		}
		return text, nil
	}
	s.Log.Info("Parsed command exited %d.", exit)
	failed := &CommandError{Argv: argv, Exit: exit, Text: text}
	if allowFail {
		s.Log.Info("%s", failed)
		return text, nil
	}
	s.Result("output", text)
	s.Log.Error("%s", failed)
	return text, Blame(s.commandClass(), failed)
}

// exec runs a program with its output going to w and returns its exit status.
func (s *Session) exec(ctx context.Context, argv []string, w io.Writer) (int, error) {
	if len(argv) == 0 {
		return 127, errors.New("an empty command")
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.shared.env, w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	if cmd.Process != nil && ctx.Err() != nil {
		// Its children may have outlived it; none of them may touch the device any more.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	var exited *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState != nil:
		// It ended well, and left something running that has its output: a daemon that it started.
		return 0, nil
	case errors.As(err, &exited):
		if status, ok := exited.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return -int(status.Signal()), err
		}
		return exited.ExitCode(), err
	}
	s.Log.Error("%s", err)
	return 127, err
}
