package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"strata/dispatcher"
	"strata/dispatcher/exports"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/protocol"
	"strata/events"
	"strata/schemas/yaml"
)

// lavaRunName is what the binary is called, as a link, to take the place of LAVA's own.
const lavaRunName = "lava-run"

// Flags, files and status are LAVA's interface: programs that call lava-run parse them, so none may be
// renamed, and --debug is taken because they give it.
func (a *app) lavaRunCommand() *cobra.Command {
	var r lavaRun
	cmd := &cobra.Command{
		Use:   "lava-run --job-id ID --output-dir DIR --device FILE JOB",
		Short: "Run a job as LAVA's dispatcher is run",
		Long: `Run one job with the arguments, output files and exit status of LAVA's lava-run, for programs that
call it (tuxrun among them). Called through a link named lava-run the binary is this command.

The log goes to standard error, a YAML mapping a line, or with --url to a LAVA server. DIR receives logs.yaml, description.yaml and
result.yaml. The exit status is 0 where the job passed, and 1 in every other case.`,
		Example: "  ln -s strata /usr/local/bin/lava-run\n  lava-run --job-id 1 --output-dir out --device qemu.yaml job.yaml",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.definition = args[0]
			return a.lavaRun(cmd.Context(), r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.id, "job-id", "", "number of the job, a text")
	f.StringVar(&r.dir, "output-dir", "", "directory of the log and the result")
	f.BoolVar(&r.validate, "validate", false, "stop after the validation")
	f.StringVar(&r.url, "url", "", "LAVA server that takes the log, in place of standard error")
	f.StringVar(&r.jobToken, "token", "", "token of the job on that server; masked in the log")
	f.Float64Var(&r.interval, "job-log-interval", 5, "seconds between two posts of the log at most")
	f.StringVar(&r.device, "device", "", "file of the rendered device")
	f.StringVar(&r.dispatcher, "dispatcher", "", "file of the worker's configuration")
	f.StringVar(&r.envDUT, "env-dut", "", "file of the target's environment")
	f.BoolVar(&r.noSudo, "skip-sudo-warning", false, "run although the user is not root")
	f.Bool("debug", false, "not used")
	for _, name := range []string{"job-id", "output-dir", "device"} {
		_ = cmd.MarkFlagRequired(name) // fails only for a flag that is not there
	}
	return cmd
}

// lavaRun is what lava-run was told.
type lavaRun struct {
	id, dir, device, dispatcher, envDUT, definition string
	url, jobToken                                   string
	interval                                        float64 // seconds
	validate, noSudo                                bool
}

// lavaRun runs one job and leaves LAVA's files.
// A job that ran and did not pass says so in its files, and by status 1 alone.
func (a *app) lavaRun(ctx context.Context, r lavaRun) error {
	to := ""
	if r.url != "" {
		var err error
		if to, err = lavaLogURL(r.url, r.id); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 && !r.noSudo {
		return errors.New("lava-run wants root for jobs that mount or flash; --skip-sudo-warning runs it as you are")
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("make output directory: %w", err)
	}
	j := dispatcher.Job{ID: r.id, Version: version, Env: append(callersEnv(os.Environ()), "LAVA_JOB_ID="+r.id), Now: a.now,
		ValidateOnly: r.validate, Ask: protocol.ByCoordinator(protocol.CoordinatorFile)}
	for _, f := range []struct {
		file string
		into *[]byte
	}{{r.definition, &j.Definition}, {r.device, &j.Device}, {r.dispatcher, &j.Dispatcher}, {r.envDUT, &j.EnvDUT}} {
		if f.file == "" {
			continue
		}
		text, err := os.ReadFile(f.file)
		if err != nil {
			return fmt.Errorf("read the job's files: %w", err)
		}
		*f.into = text
	}
	logs, err := os.Create(filepath.Join(r.dir, "logs.yaml"))
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	defer logs.Close() // each write is checked
	w := &lavaLog{file: logs, out: a.err}
	if to != "" {
		w.out = io.Discard // the server has it
	}
	j.Log = output.New(output.Settings{Now: a.now, Write: w.write})
	j.Log.Mask(r.jobToken)
	scratch, err := os.MkdirTemp("", "lava-run-")
	if err != nil {
		return fmt.Errorf("make scratch directory: %w", err)
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // what stays behind is in the temporary directory
	j.Dir = filepath.Join(scratch, "job")
	var notKept error
	j.Planned = func(d pipeline.Description) {
		notKept = os.WriteFile(filepath.Join(r.dir, "description.yaml"), []byte(d.YAML()), 0o644)
	}
	if !r.validate {
		// LAVA's users have a TFTP server on the machine; without one ours serves the job.
		offer, stop, err := exports.OneJob(ctx, j.Definition, j.Dir, exports.Settings{Worker: hostname(), TFTP: ":69", Web: ":8070",
			Logger: slog.New(slog.DiscardHandler), After: time.After})
		if err != nil {
			return err
		}
		defer stop()
		j.Services = offer
	}
	// Not the command's own context: an interrupt has to cancel the job in its own order, power off
	// and last results, and not cut it off.
	running, again, stop := dispatcher.Signals(context.WithoutCancel(ctx))
	defer stop()
	j.Again = again
	v, err := a.runAndSend(running, j, r, to)
	if err != nil {
		return err
	}
	if err := errors.Join(notKept, writeResult(filepath.Join(r.dir, "result.yaml"), w.last)); err != nil {
		return err
	}
	if v.Health != events.Complete {
		return errQuiet
	}
	return nil
}

// runAndSend runs the job and sends its log to the server, where there is one. A job that was deleted
// there ends; a server that is away is waited for until somebody interrupts.
// The file is the queue between the two: the job never waits for the server.
func (a *app) runAndSend(ctx context.Context, j dispatcher.Job, r lavaRun, to string) (dispatcher.Verdict, error) {
	if to == "" {
		return dispatcher.Run(ctx, j), nil
	}
	file, err := os.Open(filepath.Join(r.dir, "logs.yaml"))
	if err != nil {
		return dispatcher.Verdict{}, fmt.Errorf("read log: %w", err)
	}
	defer file.Close()
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Sent to the end though the job was canceled; a second signal ends that too.
	sending, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	ended, sent := make(chan struct{}), make(chan error, 1)
	sender := &lavaSender{to: to, token: r.jobToken, errs: a.err, wait: pipeline.Sleep,
		interval: time.Duration(r.interval * float64(time.Second))}
	go func() {
		err := sender.run(sending, file, ended)
		// LAVA's own ends its job over this answer too: nobody could be shown what it does.
		if errors.Is(err, errUnknownJob) {
			stop(pipeline.CanceledBy{Text: "The job was deleted on the lava-server"})
		}
		sent <- err
	}()
	v := dispatcher.Run(running, j)
	close(ended)
	interrupted := ctx.Done()
	if ctx.Err() != nil {
		interrupted = nil // that was for the job
	}
	select {
	case err = <-sent:
	case <-interrupted:
		leave()
		err = <-sent
	case <-j.Again:
		leave()
		err = <-sent
	}
	if err != nil && !errors.Is(err, errUnknownJob) && !errors.Is(err, context.Canceled) {
		return v, err
	}
	return v, nil
}

// lavaLog writes records as LAVA does: a mapping a line on standard error, and a list in a file.
type lavaLog struct {
	file, out io.Writer
	last      json.RawMessage // message of the last results record, which is that of case "job"
}

func (w *lavaLog) write(r events.Record) error {
	if r.Level == events.FileData {
		return nil // LAVA has no such level, and its server no place for files
	}
	line, err := lavaLine(r)
	if err != nil {
		return err
	}
	if r.Level == events.Results {
		w.last = r.Message
	}
	if _, err := w.file.Write(append([]byte("- "), line...)); err != nil {
		return fmt.Errorf("write logs.yaml: %w", err)
	}
	// Whoever reads standard error may have gone; the file has the log.
	_, _ = w.out.Write(line)
	return nil
}

// lavaLine is a record as a YAML flow mapping on one line, in LAVA's order of keys. JSON is such a
// mapping once a space stands behind each colon and comma.
// LAVA's server and the programs that read lava-run's standard error parse each line by itself as
// YAML; a time has microseconds and the offset +00:00.
func lavaLine(r events.Record) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"dt": %q, "lvl": %q, "msg": `, r.Time.UTC().Format("2006-01-02T15:04:05.000000-07:00"), r.Level)
	if err := spaced(&b, r.Message); err != nil {
		return nil, fmt.Errorf("write log line: %w", err)
	}
	if r.Namespace != "" {
		name, err := json.Marshal(r.Namespace)
		if err != nil {
			return nil, fmt.Errorf("write log line: %w", err)
		}
		fmt.Fprintf(&b, `, "ns": %s`, name)
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

// spaced copies compact JSON with a space behind each colon and comma outside of texts.
// A colon without a space behind it is a part of a plain scalar in YAML; within texts nothing may
// change.
func spaced(b *bytes.Buffer, message json.RawMessage) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, message); err != nil {
		return err
	}
	text, escaped := false, false
	for _, c := range compact.Bytes() {
		b.WriteByte(c)
		switch {
		case escaped:
			escaped = false
		case text && c == '\\':
			escaped = true
		case c == '"':
			text = !text
		case !text && (c == ':' || c == ','):
			b.WriteByte(' ')
		}
	}
	return nil
}

// writeResult keeps the result of case "job".
func writeResult(path string, message json.RawMessage) error {
	node, err := yaml.Parse(message)
	if err != nil {
		return fmt.Errorf("read the job's result: %w", err)
	}
	text, err := yaml.Write(node)
	if err != nil {
		return fmt.Errorf("write result.yaml: %w", err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write result.yaml: %w", err)
	}
	return nil
}

// calledAs returns the arguments of a process, with the command in front that its name stands for.
func calledAs(args []string) []string {
	if filepath.Base(args[0]) == lavaRunName {
		return append([]string{lavaRunName}, args[1:]...)
	}
	return args[1:]
}
