package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"strata/services/api"
)

// The status is 0 whatever differs: a gate in a script looks at .cases of the one api.Comparison that
// --json prints.
func (a *app) compareCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compare JOB JOB",
		Short: "Show what differs between the results of two jobs",
		Long: `Compare the results of two jobs, the earlier one first: what regressed, what was fixed, which cases came
or went, and which measurements differ by more than a tenth. Of the pipeline's own suite, lava, only the case
job counts.`,
		Example: "  strata compare 41 42\n  strata compare 41 42 --json | jq '.cases[] | select(.change == \"regression\")'",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var in api.CompareRequest
			var err error
			if in.Before, err = a.jobOf(cmd.Context(), args[0]); err != nil {
				return err
			}
			if in.After, err = a.jobOf(cmd.Context(), args[1]); err != nil {
				return err
			}
			var c api.Comparison
			return a.ask(cmd, "jobs.compare", in, &c, func() error { return a.printComparison(c) })
		},
	}
}

func (a *app) printComparison(c api.Comparison) error {
	for _, j := range []api.Compared{c.Before, c.After} {
		text := fmt.Sprintf("job %s  %s  %s on %s  %s", j.Display, j.Name, or(string(j.DeviceType)), or(string(j.Device)), or(string(j.Health)))
		if j.Verdict != "" {
			text += "  " + verdictPhrase(j.Verdict, j.Cause)
		}
		if !j.Complete {
			text += "  (more results may come)"
		}
		fmt.Fprintln(a.out, tame(text))
	}
	for _, m := range c.Metadata {
		fmt.Fprintln(a.out, tame(fmt.Sprintf("metadata  %s: %s → %s", m.Key, or(m.Before), or(m.After))))
	}
	if len(c.Cases) == 0 {
		a.say("no case differs; %d are alike", c.Same)
		return nil
	}
	var rows [][]string
	for _, d := range c.Cases {
		was, is := or(string(d.Before)), or(string(d.After))
		if d.Was != nil {
			was, is = fmt.Sprintf("%s %.6g %s", was, *d.Was, d.Units), fmt.Sprintf("%s %.6g %s", is, *d.Is, d.Units)
		}
		rows = append(rows, []string{d.Change, caseText(d.Suite, d.Set, d.Name), was, is})
	}
	if err := a.table([]string{"CHANGE", "CASE", "JOB " + c.Before.Display, "JOB " + c.After.Display}, rows); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%d cases ended alike in both\n", c.Same)
	return nil
}
