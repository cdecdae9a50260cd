package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// What is erased stays erased, so nothing is chosen by default: without numbers, an age or a submitter
// it refuses. --json prints one api.Removal.
func (a *app) jobsRmCommand() *cobra.Command {
	var in api.RemoveRequest
	var older string
	cmd := &cobra.Command{
		Use:   "rm [JOB…]",
		Short: "Erase jobs that are over",
		Long: `Erase jobs: the texts of their definitions, their logs, their results and rows, in streams, archive and
ClickHouse. What stays are the facts: that there was such a job, when it ran, how it ended, and who erased it. The
archive's chain still verifies.

Jobs are named by number, or chosen by age since their end (--older-than 90d, 52w, 36h) and submitter. Jobs that
run, pinned jobs ("strata jobs pin") and favourites stay. --logs-only erases the logs alone. --dry-run tells what
would go. At most --limit go at once, the oldest first; it says when there are more. Texts and logs are gone a
moment later, when the service archive has heard of it.`,
		Example: "  strata jobs rm 42 --reason 'a password in its log'\n  strata jobs rm --older-than 365d --logs-only --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				// All numbers are read before anything is asked: a slip in the last one erases
				// nothing.
				job, err := a.jobOf(cmd.Context(), arg)
				if err != nil {
					return err
				}
				in.Jobs = append(in.Jobs, job)
			}
			if older != "" {
				before, ok := parseAgo(older, a.now())
				if !ok {
					return misuse("--older-than %q: write a length of time such as 36h, 90d or 52w", older)
				}
				// By this machine's clock; the age is that of a job's end, not of its submission.
				in.Before = &before
			}
			if len(in.Jobs) == 0 && older == "" && in.Submitter == "" {
				return misuse("say which jobs: their numbers, --older-than or --submitter")
			}
			var out api.Removal
			return a.ask(cmd, "jobs.remove", in, &out, func() error { return a.printRemoval(out, in.LogsOnly) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&older, "older-than", "", "jobs that ended so long ago")
	f.StringVar((*string)(&in.Submitter), "submitter", "", "jobs of this user")
	f.BoolVar(&in.LogsOnly, "logs-only", false, "erase logs, and keep definitions and results")
	f.BoolVar(&in.DryRun, "dry-run", false, "tell what would be erased, and do nothing")
	f.StringVar(&in.Reason, "reason", "", "why, for the log")
	f.IntVar(&in.Limit, "limit", 1000, "at most so many at once")
	return cmd
}

// printRemoval tells what went, and what stayed.
// Jobs that stay are named with all that keeps them, as one reason taken away may leave another.
func (a *app) printRemoval(out api.Removal, logsOnly bool) error {
	var rows [][]string
	lines := uint64(0)
	for _, j := range out.Removed {
		lines += j.Lines
		rows = append(rows, []string{j.Display, j.User, when(j.Ended, a.now()), fmt.Sprint(j.Lines)})
	}
	if len(rows) > 0 {
		if err := a.table([]string{"JOB", "USER", "ENDED", "LINES"}, rows); err != nil {
			return err
		}
	}
	for _, j := range out.Kept {
		fmt.Fprintf(a.out, "job %s stays: %s\n", j.Display, strings.Join(j.Kept, ", "))
	}
	what, verb := "jobs", "erased"
	if logsOnly {
		what = "logs"
	}
	if out.DryRun {
		verb = "would be erased"
	}
	fmt.Fprintf(a.out, "%d %s %s, %d lines\n", len(out.Removed), what, verb, lines)
	if out.More {
		fmt.Fprintln(a.out, "there are more: ask again, or raise --limit")
	}
	return nil
}

// A pin is the lab's, a favourite is the caller's; either is enough.
func (a *app) jobsPinCommand() *cobra.Command {
	var in api.KeepRequest
	cmd := &cobra.Command{
		Use:   "pin JOB",
		Short: "Keep a job whatever retention says",
		Long: `Keep a job: neither "strata jobs rm" nor the rules of retention touch it, until it is pinned no longer
(--off).`,
		Example: "  strata jobs pin 42 --reason 'the release of May'\n  strata jobs pin 42 --off",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.keep(cmd, "jobs.pin", args[0], in, "pinned")
		},
	}
	cmd.Flags().BoolVar(&in.Off, "off", false, "pin it no longer")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

func (a *app) jobsFavouriteCommand() *cobra.Command {
	var in api.KeepRequest
	cmd := &cobra.Command{
		Use:   "favourite JOB",
		Short: "Have a job among your favourites",
		Long: `Have a job among your favourites, or no longer (--off). As long as it is anybody's favourite, neither
"strata jobs rm" nor the rules of retention touch it.`,
		Example: "  strata jobs favourite 42\n  strata jobs favourite 42 --off",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.keep(cmd, "jobs.favour", args[0], in, "a favourite")
		},
	}
	cmd.Flags().BoolVar(&in.Off, "off", false, "it is no favourite any more")
	return cmd
}

// keep asks for a job to be kept, or no longer.
// It succeeds where the job is kept already, or already no longer.
func (a *app) keep(cmd *cobra.Command, verb, job string, in api.KeepRequest, what string) error {
	id, err := a.jobOf(cmd.Context(), job)
	if err != nil {
		return err
	}
	in.Job = events.JobID(id)
	var out struct{}
	return a.ask(cmd, verb, in, &out, func() error {
		if in.Off {
			what += " no longer"
		}
		_, err := fmt.Fprintf(a.out, "job %d is %s\n", in.Job, what)
		return err
	})
}
