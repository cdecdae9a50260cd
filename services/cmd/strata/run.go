package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"strata/dispatcher"
	"strata/dispatcher/exports"
	"strata/dispatcher/output"
	"strata/events"
	"strata/schemas/device"
	"strata/schemas/job"
)

func (a *app) runCommand() *cobra.Command {
	var r localRun
	cmd := &cobra.Command{
		Use:   "run JOB.yaml --device DEVICE.yaml",
		Short: "Run a job on a device with no lab at all",
		Long: `Run a job definition on the device that a dictionary describes: no broker, no services, no
database. The log goes to standard output as it arrives; the exit status is 0 when the job is
Complete. --validate ends after the plan has been checked, and touches no device.`,
		Example: "  strata run job.yaml --device qemu01.yaml\n  strata run job.yaml --device board.yaml --validate",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.definition = args[0]
			return a.runLocal(cmd.Context(), r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.device, "device", "", "file with the device's dictionary")
	f.StringVar(&r.dispatcher, "dispatcher", "", "file with the worker's configuration for jobs (dispatcher.yaml)")
	f.StringVar(&r.envDUT, "env-dut", "", "file with the environment of shells on the device")
	f.StringVar(&r.dir, "dir", "", "scratch directory, emptied first (default: a new one, removed afterwards)")
	f.StringVar(&r.exports.TFTP, "tftp", ":69", "address of the TFTP server for a job that deploys to one; where port 69 is taken, the server that has it is used")
	f.StringVar(&r.exports.TFTPDir, "tftp-dir", "", "directory of a TFTP server of this machine, to be used in place of our own")
	f.StringVar(&r.exports.Web, "web", ":8070", "address of the HTTP server for a job whose device downloads from this machine")
	f.StringVar(&r.exports.Cache.Dir, "cache", defaultCache(), "directory of downloads that jobs share; empty keeps none")
	f.BoolVar(&r.validate, "validate", false, "plan and check only")
	f.BoolVar(&r.failOnTest, "fail-on-test", false, "exit with 1 when a test case failed")
	_ = cmd.MarkFlagRequired("device") // fails only for a flag that is not there
	return cmd
}

// localRun is what `strata run` was told.
type localRun struct {
	definition, device, dispatcher, envDUT, dir string
	validate, failOnTest                        bool
	exports                                     exports.Settings
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

// runLocal runs one job in this process.
func (a *app) runLocal(ctx context.Context, r localRun) error {
	j := dispatcher.Job{ID: "0", Version: version, Env: os.Environ(), Now: a.now, ValidateOnly: r.validate}
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
	if err := checkTexts(r, j); err != nil {
		return err
	}
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
	line, failed := uint64(0), 0
	j.Log = output.New(output.Settings{Now: a.now, Write: func(rec events.Record) error {
		if rec.Level == events.Results && failedCase(rec.Message) {
			failed++
		}
		line++
		return a.printRecord(line-1, rec)
	}})
	v := dispatcher.Run(ctx, j)
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
