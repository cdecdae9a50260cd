package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// With --json each record is a line: {"line": N, …} with the fields of the record, of several parts
// with part and role. Lines count from 0, as --from does. A log that is complete ends the command with
// status 0, however the job ended.
func (a *app) logsCommand() *cobra.Command {
	var in api.LogRequest
	var levels []string
	cmd := &cobra.Command{
		Use:   "logs JOB",
		Short: "Show a job's log",
		Long: `Show what a job logged: what the console said (target), what was typed (input), results, and the
dispatcher's own lines. --follow goes on until all output has arrived, of the next attempt too where
the lab has failed the job and tries it again. Of a multinode job it shows all parts as they speak, each
line with the part's number and role; 41.1 is one part alone, and so is 41 without --follow, the first.

The levels are debug, info, warning, error, exception, input, target, feedback, results, event.`,
		Example: `  strata logs 42
  strata logs 42 --follow --level target,results
  strata logs 42 --from 1200 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := a.jobOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			wanted, err := parseLevels(levels)
			if err != nil {
				return err
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			in.Job = job
			shown := false
			show := func(as speaker, n uint64, r events.Record) error {
				if len(wanted) > 0 && !slices.Contains(wanted, r.Level) {
					return nil
				}
				shown = true
				return a.printRecordOf(as, n, r)
			}
			if in.Follow && !strings.Contains(args[0], ".") {
				var whole api.Job
				if err := c.Call(cmd.Context(), "jobs.show", api.JobRequest{Job: job}, &whole); err != nil {
					return explain(err)
				}
				if len(whole.Parts) > 0 {
					return explain((&chorus{app: a, client: c}).logs(cmd.Context(), whole.Parts, in, show))
				}
			}
			for in.Job != 0 && err == nil {
				err = c.Log(cmd.Context(), in, func(n uint64, r events.Record) error { return show(speaker{}, n, r) })
				if err != nil || !in.Follow {
					break
				}
				// --from was meant for the log that was asked for, not for the next attempt's.
				in.From = 0
				if in.Job, err = a.nextAttempt(cmd.Context(), c, in.Job); in.Job != 0 {
					a.say("the lab failed the job, and it is tried again: the log of job %d follows", in.Job)
				}
			}
			if errors.Is(err, api.ErrInterrupted) {
				return fmt.Errorf("%w; ask again with --from to go on", err)
			}
			if err == nil && !shown {
				a.say("no such lines; `strata show %d` says how far the job came", job)
			}
			return explain(err)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&in.Follow, "follow", "f", false, "go on until the job's output is complete")
	f.Uint64Var(&in.From, "from", 0, "first line, counted from 0")
	f.StringSliceVar(&levels, "level", nil, "only these levels, with commas between them")
	return cmd
}

// parseLevels checks the words of --level.
func parseLevels(words []string) ([]events.Level, error) {
	all := []events.Level{events.Debug, events.Info, events.Warning, events.Error, events.Exception,
		events.Input, events.Target, events.Feedback, events.Results, events.EventText, events.FileData}
	var wanted []events.Level
	for _, w := range words {
		l := events.Level(strings.TrimSpace(w))
		if !slices.Contains(all, l) {
			return nil, misuse("--level %s: allowed are %s", w, strings.ReplaceAll(join(all), " ", ", "))
		}
		wanted = append(wanted, l)
	}
	return wanted, nil
}
