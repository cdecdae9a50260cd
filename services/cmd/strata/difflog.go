package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"strata/projections"
	"strata/services/api"
)

// The status is 0 whatever is new; --json prints one projections.LogDiff. Both logs are read from
// ClickHouse's tables.
func (a *app) diffLogCommand() *cobra.Command {
	var gone bool
	cmd := &cobra.Command{
		Use:   "diff-log JOB [JOB]",
		Short: "Show what is new in a job's console",
		Long: `Show what the console of the first job says that the second job's does not. Without a second job it is
the last good one before of the same name and device type.

Times, addresses, process numbers and the order of lines make no difference: lines are compared by
what is left of them when every word with a digit is taken out. A report of the kernel (an oops, a panic,
a warning, a stall) is shown whole, its lines marked with !. Of other lines that say the same the first is
shown, with how many there are.`,
		Example: `  strata diff-log 42
  strata diff-log 42 40 --gone
  strata diff-log 42 --json | jq -r '.new[] | select(.report) | .message'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var in api.LogDiffRequest
			var err error
			if in.Job, err = a.jobOf(cmd.Context(), args[0]); err != nil {
				return err
			}
			if len(args) == 2 {
				if in.Against, err = a.jobOf(cmd.Context(), args[1]); err != nil {
					return err
				}
			}
			var d projections.LogDiff
			return a.ask(cmd, "logs.diff", in, &d, func() error { a.printLogDiff(d, gone); return nil })
		},
	}
	cmd.Flags().BoolVar(&gone, "gone", false, "show too what the other job said and this one did not")
	return cmd
}

// printLogDiff writes a comparison for people.
func (a *app) printLogDiff(d projections.LogDiff, gone bool) {
	fmt.Fprintf(a.out, "new in job %s against job %s:\n", d.Job, d.Against)
	a.printNew(d.New, "+")
	if len(d.New) == 0 {
		fmt.Fprintln(a.out, "nothing")
	}
	if gone && len(d.Gone) > 0 {
		fmt.Fprintln(a.out, "gone:")
		a.printNew(d.Gone, "-")
	}
	if d.Cut {
		a.say("there is more than is shown; the logs have little in common")
	}
}

// The anchor, job#line, is what "strata logs JOB --from LINE" takes up.
func (a *app) printNew(lines []projections.NewLine, mark string) {
	for _, l := range lines {
		sign, times := mark, ""
		if l.Report {
			sign = "!"
		}
		if l.Times > 1 {
			times = fmt.Sprintf(" (%d such lines)", l.Times)
		}
		fmt.Fprintf(a.out, "%s %s: %s%s\n", sign, l.Anchor, plain(l.Message), times)
	}
}
