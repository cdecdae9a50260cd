package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/dispatcher"
	"strata/dispatcher/connection"
	"strata/dispatcher/exports"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/reproduce"
	"strata/events"
	"strata/schemas/device"
	"strata/schemas/job"
	"strata/schemas/yaml"
)

// Its status is for people's scripts and bisections: 0 Complete, 1 any other end (with --fail-on-test
// a failed case too), 2 a command line that makes no sense. With --json each record of the log is a
// line, as "strata logs --json" prints it.
func (a *app) runCommand() *cobra.Command {
	var r localRun
	cmd := &cobra.Command{
		Use:   "run JOB.yaml --device DEVICE.yaml | BUNDLE.tar",
		Short: "Run a job on a device with no lab at all",
		Long: `Run a job definition on the device that a dictionary describes: no broker, no services, no
database. The log goes to standard output as it arrives; the exit status is 0 when the job is
Complete. --validate ends after the plan has been checked, and touches no device.

A bundle of ` + "`strata jobs bundle`" + ` is run again with the files that it holds, on the device that it ran on or
on yours (--device); at the end stands what differs from the recorded run. --until stops behind an
action, named or by its level (` + "`strata plan`" + ` shows both). --shell-on-failure gives you the device as it
was when the job failed: what you type goes to its console, until the end of your input (Ctrl-D);
where there is no console it is a shell in the job's directory.`,
		Example: "  strata run job.yaml --device qemu01.yaml\n  strata run job.yaml --device board.yaml --validate\n" +
			"  strata run job42.tar --device mine.yaml --until login-action --shell-on-failure",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.definition = args[0]
			if isBundle(args[0]) {
				return a.runBundle(cmd.Context(), r)
			}
			if _, err := os.Stat(args[0]); args[0] != "-" && err != nil {
				return fmt.Errorf("read job definition: %w", err)
			}
			// Read as a definition it would be refused in words that do not say what is wrong with it.
			if strings.HasSuffix(args[0], ".tar") {
				return fmt.Errorf("%s is not a bundle that `strata jobs bundle` wrote", args[0])
			}
			if r.device == "" {
				return misuse(`required flag "device" not set: the device that %s is to run on`, args[0])
			}
			return a.runLocal(cmd.Context(), r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.device, "device", "", "file with the device's dictionary, or with what it renders to")
	f.StringSliceVar(&r.types, "device-types", nil, "folders with device-type templates, with commas between them")
	f.StringVar(&r.dispatcher, "dispatcher", "", "file with the worker's configuration for jobs (dispatcher.yaml)")
	f.StringVar(&r.envDUT, "env-dut", "", "file with the environment of shells on the device")
	f.StringVar(&r.dir, "dir", "", "scratch directory, emptied first (default: a new one, removed afterwards)")
	f.StringVar(&r.exports.TFTP, "tftp", ":69", "address of the TFTP server for a job that deploys to one; where port 69 is taken, the server that has it is used")
	f.StringVar(&r.exports.TFTPDir, "tftp-dir", "", "directory of a TFTP server of this machine, to be used in place of our own")
	f.StringVar(&r.exports.Web, "web", ":8070", "address of the HTTP server for a job whose device downloads from this machine")
	f.StringVar(&r.exports.Cache.Dir, "cache", defaultCache(), "directory of downloads that jobs share; empty keeps none")
	f.BoolVar(&r.validate, "validate", false, "plan and check only")
	f.BoolVar(&r.failOnTest, "fail-on-test", false, "exit with 1 when a test case failed")
	f.StringVar(&r.until, "until", "", "stop behind this action")
	f.BoolVar(&r.shell, "shell-on-failure", false, "type at the device when the job has failed, before it is switched off")
	return cmd
}

// localRun is what `strata run` was told.
type localRun struct {
	definition, device, dispatcher, envDUT, dir string
	types                                       []string // folders of device-type templates
	until                                       string   // name or level of the last action
	validate, failOnTest, shell                 bool
	exports                                     exports.Settings

	kept *pipeline.Kept     // what a bundle has in the network's place
	seen *reproduce.Outcome // is told the log, if set
}

// cacheLimit is how many bytes of downloads are kept.
const cacheLimit = 20 << 30

// defaultCache is where a person's programs keep what they can fetch again.
func defaultCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "strata", "downloads")
}

// callersEnv is the environment of a job's commands where no lab gives it: the caller's, but for the
// settings of strata itself, which may hold a token.
// A job's commands are texts of others: they are not to find the caller's credentials by chance.
func callersEnv(env []string) []string {
	return slices.DeleteFunc(env, func(entry string) bool { return strings.HasPrefix(entry, "STRATA_") })
}

// runLocal runs one job in this process.
// Number 0 is no lab's.
func (a *app) runLocal(ctx context.Context, r localRun) error {
	j := dispatcher.Job{ID: "0"}
	for _, f := range []struct {
		file string
		into *[]byte
	}{{r.definition, &j.Definition}, {r.device, &j.Device}, {r.dispatcher, &j.Dispatcher}, {r.envDUT, &j.EnvDUT}} {
		text, err := a.readText(f.file)
		if err != nil {
			return err
		}
		*f.into = []byte(text)
	}
	var err error
	if j.Device, err = a.renderOwn(r, j); err != nil {
		return err
	}
	if err := checkTexts(r, j); err != nil {
		return err
	}
	return a.execute(ctx, r, j)
}

// renderOwn renders the device that the command line names, where it is a dictionary.
// The job's context takes part, as in a lab; the device is called as its file is.
func (a *app) renderOwn(r localRun, j dispatcher.Job) ([]byte, error) {
	if !device.IsTemplate(j.Device) {
		return j.Device, nil
	}
	var context *yaml.Node
	if root, err := yaml.Parse(j.Definition); err == nil { // a definition that is wrong is refused by the gate
		context = root.Get("context")
	}
	d := dictionary{file: r.device, types: r.types, name: strings.TrimSuffix(filepath.Base(r.device), templateSuffix)}
	d.kind, _ = device.TypeOf(j.Device)
	return d.renderText(string(j.Device), context)
}

// execute runs a job to its end, or to where it was to stop.
// The directory is the job's scratch; what is kept of downloads lies in --cache.
func (a *app) execute(ctx context.Context, r localRun, j dispatcher.Job) error {
	j.Version, j.Env, j.Now, j.ValidateOnly = version, callersEnv(os.Environ()), a.now, r.validate
	if r.dir == "" {
		dir, err := os.MkdirTemp("", "strata-run-")
		if err != nil {
			return fmt.Errorf("make scratch directory: %w", err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck // what stays behind is in the temporary directory
		r.dir = filepath.Join(dir, "job")
	}
	j.Dir = r.dir
	if !r.validate {
		r.exports.Worker, r.exports.After = hostname(), time.After
		r.exports.Logger = slog.New(slog.DiscardHandler) // what is missing is said by the action that misses it
		if r.exports.Cache.Limit = cacheLimit; r.exports.Cache.Dir == "" {
			r.exports.Cache.Limit = 0
		}
		offer, stop, err := exports.OneJob(ctx, j.Definition, r.dir, r.exports)
		if err != nil {
			return err
		}
		defer stop()
		j.Services = offer
	}
	j.Services.Kept = r.kept
	// A cause that is a pipeline.CanceledBy ends the job as a user's cancel does: in order, with the
	// power switched off.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	last := &lastAction{wanted: r.until, stop: cancel}
	if r.until != "" {
		j.Planned = last.planned
	}
	if r.shell {
		j.Failed = func(ctx context.Context, err error, c *connection.Connection) { a.deviceShell(ctx, err, c, r.dir) }
	}
	// The log writes one record after the other, so neither needs a lock.
	line, failed := uint64(0), 0
	j.Log = output.New(output.Settings{Now: a.now, Write: func(rec events.Record) error {
		if rec.Level == events.Results && failedCase(rec.Message) {
			failed++
		}
		if r.seen != nil {
			r.seen.Add(rec)
		}
		last.saw(rec)
		line++
		return a.printRecord(line-1, rec)
	}})
	v := dispatcher.Run(ctx, j)
	if last.unknown {
		return misuse("--until %s: the plan has no such action; `strata plan` shows them", r.until)
	}
	// To stop where it was asked to is success; an error on the way there is none.
	if last.reached && v.ErrorType == events.CanceledError {
		if !a.json {
			fmt.Fprintf(a.out, "\njob was stopped behind %s, as asked\n", r.until)
		}
		return nil
	}
	if !a.json {
		fmt.Fprintf(a.out, "\njob is %s\n", a.paint(a.out, healthColour(string(v.Health)), string(v.Health)))
	}
	switch {
	case v.Health == events.Complete && !(r.failOnTest && failed > 0):
		return nil
	case v.Error != "":
		return fmt.Errorf("%s error: %s", v.ErrorType, v.Error)
	}
	return errQuiet
}

// checkTexts refuses what a lab would refuse, with the file and the place of each problem.
// All problems are told at once, a line for each.
func checkTexts(r localRun, j dispatcher.Job) error {
	if _, err := device.Load(j.Device, nil); err != nil {
		return fmt.Errorf("%s: %w", r.device, err)
	}
	_, problems := job.NewGate(job.Rules{}).Check(j.Definition)
	var all []error
	for _, p := range problems {
		all = append(all, fmt.Errorf("%s: %w", r.definition, p))
	}
	return errors.Join(all...)
}

// failedCase reports whether a results record is that of a failed test case. The suite "lava" holds
// the pipeline's own steps, whose failure is the job's.
func failedCase(message json.RawMessage) bool {
	var c struct {
		Definition string         `json:"definition"`
		Result     events.Outcome `json:"result"`
	}
	return json.Unmarshal(message, &c) == nil && c.Definition != "lava" && c.Result == events.Fail
}
