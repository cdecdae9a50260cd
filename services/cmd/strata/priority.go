package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"strata/services/api"
)

// The bounds are LAVA's, whose words low, medium and high are 0, 50 and 100. Who may set which is the
// api's to say.
func (a *app) priorityCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "priority JOB PRIORITY",
		Short: "Give a waiting job another place in the queue",
		Long: `Give a job that waits another priority, from 0 to 100: higher ones go first. Of a multinode job the
part with the highest priority counts for all.`,
		Example: "  strata priority 42 90\n  strata priority 41.2 90",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 0 || n > 100 {
				return misuse("priority %q: want a number from 0 to 100", args[1])
			}
			job, err := a.jobOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var j api.Job
			return a.ask(cmd, "jobs.priority", api.PriorityRequest{Job: job, Priority: n}, &j, func() error {
				_, err := fmt.Fprintf(a.out, "job %s has priority %d\n", j.Display, j.Priority)
				return err
			})
		},
	}
}
