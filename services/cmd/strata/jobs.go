package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// --json prints one api.Jobs, .jobs newest first; .away is set where ClickHouse could not be asked, so
// that a script can tell a short list from a whole one. The status is 0 then, too.
func (a *app) jobsCommand() *cobra.Command {
	var at string
	var in api.JobsRequest
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List jobs",
		Long: `List the jobs that wait or run, newest first. --all adds those that are over, which come from
ClickHouse; where that is away the list says so and shows what is current. With --whole a job that the
lab has failed and that was tried again is one line under its first number, and runs until the last
attempt ends.`,
		Example: "  strata jobs\n  strata jobs --all --user alice --limit 20\n  strata jobs --json | jq -r '.jobs[].job'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.State != "" && !slices.Contains(jobStates, in.State) {
				return misuse("--state %s: allowed are %s", in.State, strings.Join(jobStates, ", "))
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			var out api.Jobs
			if err := a.callAt(cmd.Context(), c, at, "jobs.list", in, &out); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(out)
			}
			var rows [][]string
			for _, j := range out.Jobs {
				rows = append(rows, []string{numbered(j), a.paint(a.out, healthColour(string(j.Health)), status(j)), string(j.User),
					or(string(j.DeviceType)), or(string(j.Device)), fmt.Sprint(j.Priority), when(j.Submitted, a.now()), j.Name})
			}
			if err := a.table([]string{"JOB", "STATE", "USER", "TYPE", "DEVICE", "PRIO", "SUBMITTED", "NAME"}, rows); err != nil {
				return err
			}
			switch {
			case len(out.Jobs) > 0 || out.Away != "":
			// Nothing was filtered by, so nothing at all is current.
			case in == (api.JobsRequest{Limit: in.Limit, Whole: in.Whole}):
				a.say("no job waits or runs; --all adds those that are over")
			default:
				a.say("no job is like that")
			}
			if out.Away != "" {
				fmt.Fprintf(a.err, "strata: finished jobs are missing: %s\n", out.Away)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&in.All, "all", "a", false, "jobs that are over too")
	f.StringVar((*string)(&in.User), "user", "", "jobs of this user only")
	f.StringVar(&in.State, "state", "", "jobs in this state only: "+strings.Join(jobStates, ", "))
	f.StringVar(&in.Device, "device", "", "jobs of this device or device type only")
	f.IntVar(&in.Limit, "limit", 50, "at most so many")
	f.BoolVar(&in.Whole, "whole", false, "jobs that were tried again as one job each")
	atFlag(cmd, &at)
	cmd.AddCommand(a.bundleCommand(), a.jobsRmCommand(), a.jobsPinCommand(), a.jobsFavouriteCommand())
	return cmd
}

// jobStates are the states that people ask for by name.
// Those of LAVA but Scheduling, which no job of this lab is ever in.
var jobStates = []string{"Submitted", "Scheduled", "Running", "Canceling", api.StateFinished}

// status is a job's state in one word: how it ended, once it has.
func status(j api.Job) string {
	if j.State == api.StateFinished {
		return string(j.Health)
	}
	return j.State
}

// --json prints one api.Job. The status is 0 however the job ended: what it came to is .health.
func (a *app) showCommand() *cobra.Command {
	var at string
	var whole bool
	cmd := &cobra.Command{
		Use:   "show JOB",
		Short: "Show one job",
		Long: `Show all that the lab knows of one job: where it stands, why it waits, on which device it ran, and
how it ended. Of a multinode job all parts are listed: 41 is the first of them, as is 41.0.

A job that the lab has failed and that was tried again is shown with all its attempts. --whole shows
them as one job: it runs until the last attempt ends, and ends as that does.`,
		Example: "  strata show 42\n  strata show 42 --whole\n  strata show 41.2\n  strata show 42 --json | jq -r .health",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := a.jobOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			var j api.Job
			if err := a.callAt(cmd.Context(), c, at, "jobs.show", api.JobRequest{Job: job, Whole: whole}, &j); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(j)
			}
			a.printJob(j)
			return nil
		},
	}
	atFlag(cmd, &at)
	cmd.Flags().BoolVar(&whole, "whole", false, "a job that was tried again as one job")
	cmd.MarkFlagsMutuallyExclusive("whole", "at")
	return cmd
}

// printJob writes a job as a list of what is known.
// A line a thing, its name first, so that grep finds it; what there is not has no line.
// Lines come in the order in which people ask: how it stands and why first, what it asked for behind
// that.
func (a *app) printJob(j api.Job) {
	line := func(name, value string) {
		if value != "" {
			texts := strings.Split(value, "\n") // a reason may have several lines
			fmt.Fprintf(a.out, "%-12s %s\n", name, strings.Join(tamed(texts), "\n"+strings.Repeat(" ", 13)))
		}
	}
	line("job", j.Display)
	line("name", j.Name)
	line("state", a.paint(a.out, healthColour(string(j.Health)), strings.TrimSpace(j.State+" "+string(j.Health))))
	line("waits", j.Why)
	if j.Error != "" {
		line("reason", strings.TrimPrefix(string(j.ErrorType)+": "+j.Error, ": "))
	}
	if j.CanceledBy != "" {
		line("canceled by", strings.TrimSuffix(string(j.CanceledBy)+": "+j.CancelWhy, ": "))
	}
	for _, p := range j.Problems {
		line("problem", problemText(p, j.Error))
	}
	a.printJudgement(j.Judgement, line)
	a.printAttempts(j, line)
	line("user", string(j.User))
	line("type", string(j.DeviceType))
	line("device", string(j.Device))
	line("worker", string(j.Worker))
	line("priority", fmt.Sprint(j.Priority))
	line("tags", join(j.Tags))
	line("submitted", when(j.Submitted, a.now()))
	if j.Started != nil {
		line("started", when(*j.Started, a.now()))
	}
	if j.Ended != nil {
		line("ended", when(*j.Ended, a.now()))
		if j.Started != nil {
			line("took", j.Ended.Sub(*j.Started).Round(time.Second).String())
		}
	}
	if j.Complete {
		line("output", fmt.Sprintf("%d lines, %d results", j.Lines, j.Cases))
		if j.Missing > 0 {
			line("missing", fmt.Sprintf("%d lines never came", j.Missing))
		}
	}
	for _, k := range sortedKeys(j.Metadata) {
		line("metadata", k+": "+j.Metadata[k])
	}
	line("role", j.Role)
	if len(j.Parts) > 0 {
		line("group", fmt.Sprintf("%d jobs", len(j.Parts)))
		_ = a.printParts(j.Parts) // fails only where standard output is gone
	}
}

// join writes names with blanks between them.
func join[S ~string](names []S) string {
	var texts []string
	for _, n := range names {
		texts = append(texts, string(n))
	}
	return strings.Join(texts, " ")
}

// Numbers are read before any job is canceled: a slip in the last must not have ended the first.
func (a *app) cancelCommand() *cobra.Command {
	var in api.JobRequest
	cmd := &cobra.Command{
		Use:   "cancel JOB…",
		Short: "End jobs",
		Long: `Ask for jobs to end. One that waits leaves the queue; one that runs is told to end, powers its
device off and finishes as Canceled. The command does not wait for that. A job that cannot be ended, such as
one that is over, is named, and the exit status is 1; the others are ended all the same.`,
		Example: "  strata cancel 42 --reason 'wrong image'",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			jobs := make([]events.JobID, len(args))
			for i, arg := range args {
				if jobs[i], err = a.jobOf(cmd.Context(), arg); err != nil {
					return err
				}
			}
			var ended error
			for _, job := range jobs {
				in.Job = job
				var j api.Job
				var refused *api.Error
				err := c.Call(cmd.Context(), "jobs.cancel", in, &j)
				if errors.As(err, &refused) { // one that is over already keeps no other from its end
					fmt.Fprintf(a.err, "strata: %v\n", err)
					ended = errQuiet
					continue
				}
				if err != nil {
					return explain(err)
				}
				if a.json {
					err = a.printJSON(j)
				} else {
					with := ""
					if len(j.Parts) > 1 {
						with = fmt.Sprintf(", and with it the %d others of its group", len(j.Parts)-1)
					}
					_, err = fmt.Fprintf(a.out, "job %s is to end%s\n", j.Display, with)
				}
				if err != nil {
					return err
				}
			}
			return ended
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why, for those who read the job later")
	return cmd
}

// problemText says what is wrong with a definition, and where. What the reason above it says already, and a path that
// is in LAVA's words, are not said again.
func problemText(p events.Problem, reason string) string {
	var parts []string
	if p.Line > 0 {
		parts = append(parts, fmt.Sprintf("line %d, column %d", p.Line, p.Column))
	}
	switch {
	case p.Message == reason && p.Line > 0:
	case p.Path == "" || strings.Contains(p.Message, p.Path):
		parts = append(parts, p.Message)
	default:
		parts = append(parts, p.Message+" ("+p.Path+")")
	}
	return strings.Join(parts, ": ")
}
