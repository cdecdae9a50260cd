package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/schemas/results"
	"strata/services/api"
)

// The status is 0 whatever the cases say; gates use "submit --fail-on-test" or the .cases of the
// api.Results that --json prints.
func (a *app) resultsCommand() *cobra.Command {
	var in api.ResultsExport
	var file string
	cmd := &cobra.Command{
		Use:   "results JOB",
		Short: "Show or save a job's results",
		Long: `Show the test cases that a job has reported so far, with their measurements and the log line that
each came from. The suite "lava" holds the steps of the job's own pipeline.

With --format they come as a file: csv, yaml and json have LAVA's columns; junit, tap (TAP 13) and
ktap are what test tools read; kcidb is an object of KCIDB v5 for KernelCI's database. A job's
metadata build_id (<origin>:<id>) names the build in it.`,
		Example: `  strata results 42
  strata results 42 --suite 0_smoke --json
  strata results 42 --format junit -o job42.xml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := a.jobOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			in.Job = job
			// A format makes it a file, for which --json changes nothing; --suite and --prefix go to
			// the lab, which makes the file.
			if in.Format != "" || file != "" {
				return a.saveResults(cmd, in, file)
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			var r api.Results
			if err := c.Call(cmd.Context(), "jobs.results", api.JobRequest{Job: job, Whole: in.Whole}, &r); err != nil {
				return explain(err)
			}
			if in.Suite != "" {
				// Not nil: --json prints [] where the suite has no case.
				kept := []events.Case{}
				for _, e := range r.Cases {
					if e.Suite == in.Suite {
						kept = append(kept, e)
					}
				}
				r.Cases = kept
			}
			if a.json {
				return a.printJSON(r)
			}
			return a.printResults(r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Suite, "suite", "", "of this suite only")
	f.BoolVar(&in.Whole, "whole", false, "of the last attempt, where the job was tried again")
	f.StringVar(&in.Format, "format", "", "as a file: "+strings.Join(results.Formats(), ", "))
	f.StringVarP(&file, "output", "o", "", "write the file here instead of to standard output; its ending tells the format")
	f.StringVar(&in.Prefix, "prefix", "", "junit: before each class name")
	return cmd
}

// saveResults writes a job's results in a format. A file is there whole, or stays as it was.
func (a *app) saveResults(cmd *cobra.Command, in api.ResultsExport, file string) error {
	if in.Format == "" {
		var err error
		if in.Format, err = formatOf(file); err != nil {
			return err
		}
	}
	return a.streamInto(cmd, file, "results.export", in)
}

// formatOf tells a format by a file's ending.
// It is what stands behind the last dot, or the whole name where there is none.
func formatOf(file string) (string, error) {
	ending := file[strings.LastIndexByte(file, '.')+1:]
	switch ending {
	case "xml":
		return "junit", nil
	case "yml":
		return "yaml", nil
	}
	for _, f := range results.Formats() {
		if f == ending {
			return f, nil
		}
	}
	return "", fmt.Errorf("the ending of %q tells no format; give --format, one of %s", file, strings.Join(results.Formats(), ", "))
}

// Notes go to standard error: the table alone is on standard output.
func (a *app) printResults(r api.Results) error {
	var rows [][]string
	for _, e := range r.Cases {
		measured := ""
		if e.Measurement != nil {
			measured = strings.TrimSpace(fmt.Sprintf("%g %s", *e.Measurement, e.Units))
		}
		rows = append(rows, []string{e.Suite, or(e.Set), e.Name, a.paint(a.out, healthColour(string(e.Result)), string(e.Result)),
			measured, fmt.Sprint(e.Line)})
	}
	if err := a.table([]string{"SUITE", "SET", "CASE", "RESULT", "MEASUREMENT", "LINE"}, rows); err != nil {
		return err
	}
	if r.Complete && len(r.Cases) == 0 {
		a.say("the job has no such results; `strata show %d` says how it ended", r.Job)
	}
	if r.RetriedAs != 0 {
		a.say("the lab failed job %d, and it was tried again: `strata results %d`", r.Job, r.RetriedAs)
	}
	if !r.Complete {
		fmt.Fprintln(a.err, "strata: the job's output is not complete yet; more may come")
	}
	for _, p := range r.Problems {
		fmt.Fprintf(a.err, "strata: %s\n", p)
	}
	return nil
}
