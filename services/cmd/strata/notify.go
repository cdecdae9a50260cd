package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"strata/services/api"
)

func (a *app) notifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "See and repeat what people and programs are told of jobs",
		Long: `See what a job's definition had people and programs told of it, by callback, mail and IRC, and have it told again.
A delivery that its receiver does not take is tried for a day, with growing pauses; then it is a dead letter. One
that is refused for good, such as by 400 Bad Request, is a dead letter at once.`,
		Example: "  strata notify list\n  strata notify list 42\n  strata notify dead\n  strata notify replay 42 1\n  strata notify replay --dead",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{
		Use:     "list [JOB]",
		Short:   "List what has not arrived, or all of a job",
		Long:    "List deliveries that have not arrived: those that are waiting, and dead letters. Of one job list those that have arrived too.",
		Example: "  strata notify list\n  strata notify list 42 --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.NoticesRequest{}
			if len(args) == 1 {
				job, err := a.jobOf(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				in.Job = job
			}
			return a.listNotices(cmd, in)
		},
	}
	dead := &cobra.Command{
		Use: "dead", Short: "List dead letters", Long: "List the deliveries that were given up, with what became of the last attempt.",
		Example: "  strata notify dead", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listNotices(cmd, api.NoticesRequest{Dead: true}) },
	}
	cmd.AddCommand(list, dead, a.notifyReplay())
	return cmd
}

// Whoever may see a job may see what was told of it; the api leaves the others out.
func (a *app) listNotices(cmd *cobra.Command, in api.NoticesRequest) error {
	var all []api.Notice
	return a.ask(cmd, "notices.list", in, &all, func() error {
		if len(all) == 0 {
			a.say("%s", map[bool]string{true: "everything has arrived", false: "nobody was told of that job"}[in.Job == 0])
			return nil
		}
		return a.printNotices(all)
	})
}

func (a *app) printNotices(all []api.Notice) error {
	var rows [][]string
	for _, n := range all {
		attempts := ""
		if n.Attempts > 0 {
			attempts = fmt.Sprint(n.Attempts)
		}
		rows = append(rows, []string{fmt.Sprint(n.Job), fmt.Sprint(n.N), string(n.Moment), string(n.Kind), or(n.To), n.State, or(attempts), or(n.Answer)})
	}
	return a.table([]string{"JOB", "N", "MOMENT", "BY", "TO", "STATE", "ATTEMPTS", "ANSWER"}, rows)
}

// Nothing is chosen by default: neither a job nor --dead is a misuse. --json prints one
// api.ReplayAnswer.
func (a *app) notifyReplay() *cobra.Command {
	var in api.ReplayRequest
	cmd := &cobra.Command{
		Use:   "replay [JOB [N…]]",
		Short: "Send deliveries again",
		Long: `Send deliveries of a job again: its dead letters, or those of the numbers that "strata notify list JOB" shows, which may
have arrived before. --dead sends all dead letters of jobs that you may change.`,
		Example: "  strata notify replay 42\n  strata notify replay 42 1 2\n  strata notify replay --dead",
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) != in.Dead {
				return misuse("name a job, or say --dead for all dead letters")
			}
			for i, arg := range args {
				if i == 0 {
					job, err := a.jobOf(cmd.Context(), arg)
					if err != nil {
						return err
					}
					in.Job = job
					continue
				}
				n, err := strconv.Atoi(arg)
				if err != nil || n < 1 {
					return misuse("%q is not the number of a delivery", arg)
				}
				in.Deliveries = append(in.Deliveries, n)
			}
			var out api.ReplayAnswer
			return a.ask(cmd, "notices.replay", in, &out, func() error {
				if len(out.Notices) == 0 {
					a.say("there is nothing to send again")
					return nil
				}
				a.say("%d go out again", len(out.Notices))
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&in.Dead, "dead", false, "all dead letters")
	return cmd
}
