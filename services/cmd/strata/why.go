package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/services/api"
)

// --json prints one api.Why; the times of its estimate are moments, not lengths. The status is 0 for a
// job that runs or is over, too.
func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "why JOB",
		Short: "Say why a job waits, and when it may start",
		Long: `Say why a job waits: each device of the type it asks for with the reason that it is not the job's, its
place among the jobs that ask for the same devices, and when it is likely to start.

The interval holds nine of ten starts. It rests on how long jobs of the same name, or of the same
device type, took lately, and on how often more urgent jobs came.`,
		Example: "  strata why 42\n  strata why 42 --json | jq .place",
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
			var w api.Why
			if err := c.Call(cmd.Context(), "jobs.why", api.JobRequest{Job: job}, &w); err != nil {
				return explain(err)
			}
			if a.json {
				return a.printJSON(w)
			}
			a.printWhy(w)
			return nil
		},
	}
}

// printWhy writes why a job waits for people.
func (a *app) printWhy(w api.Why) {
	if w.Over != "" {
		fmt.Fprintf(a.out, "job %s: %s\n", w.Display, w.Over)
		return
	}
	fmt.Fprintf(a.out, "job %s waits: %s\n", w.Display, w.Summary)
	for _, d := range w.Devices {
		fmt.Fprintf(a.out, "  %s\n", d)
	}
	fmt.Fprintf(a.out, "place: %d", w.Place)
	if len(w.Ahead) > 0 {
		fmt.Fprintf(a.out, ", behind %s", strings.Join(w.Behind, ", "))
		if more := w.Place - 1 - len(w.Ahead); more > 0 {
			fmt.Fprintf(a.out, " and %d more", more)
		}
	}
	fmt.Fprintln(a.out)
	for _, p := range w.Parts {
		ready := 0
		for _, c := range p.Candidates {
			if c.Obstacle == "" {
				ready++
			}
		}
		fmt.Fprintf(a.out, "part %s wants a %s: %d of %d are free\n", p.Display, p.DeviceType, ready, len(p.Candidates))
	}
	now := a.now()
	// An estimate that has passed reads as 0s, not as a time in the past.
	in := func(t time.Time) string { return max(0, t.Sub(now)).Round(time.Second).String() }
	if !w.Estimate.Known {
		fmt.Fprintln(a.out, "start: not to be said, no device can take it as things stand")
		return
	}
	fmt.Fprintf(a.out, "start: likely in %s, between %s and %s (from %d measured jobs)\n",
		in(w.Estimate.Likely), in(w.Estimate.Earliest), in(w.Estimate.Latest), w.Estimate.Basis)
}
