package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// With --json the list is one api.Files. With --get the bytes are the only thing on standard output,
// as they were recorded, and the status is 1 where the lab has no such file or has erased it.
func (a *app) artifactsCommand() *cobra.Command {
	var in api.FileRequest
	var file string
	var whole bool
	cmd := &cobra.Command{
		Use:   "artifacts JOB",
		Short: "List or save the files of a job's tests",
		Long: `List the files that the tests of a job gave with lava-test-artifact, or save one of them. Whoever
may see the job may have them; they are kept and erased with its log. What is saved has the digest that
was recorded when the file came. Where the lab erases old ones by rule (retention.files), what there was is still
listed.`,
		Example: `  strata artifacts 42
  strata artifacts 42 --get trace.dat -o trace.dat`,
		Args: cobra.ExactArgs(1),
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
			var files api.Files
			if err := c.Call(cmd.Context(), "jobs.files", api.JobRequest{Job: job, Whole: whole}, &files); err != nil {
				return explain(err)
			}
			if in.Name == "" {
				return a.printFiles(files)
			}
			in.Job = files.Job
			return a.save(cmd.Context(), c, file, "files.get", in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Name, "get", "", "the file of this name; of several the last")
	f.StringVar(&in.Suite, "suite", "", "with --get: of this suite")
	f.Uint64Var(&in.Line, "line", 0, "with --get: the one of this log line")
	f.StringVarP(&file, "output", "o", "", "with --get: write it here instead of to standard output")
	f.BoolVar(&whole, "whole", false, "of the last attempt, where the job was tried again")
	return cmd
}

func (a *app) printFiles(files api.Files) error {
	if a.json {
		return a.printJSON(files)
	}
	var rows [][]string
	for _, f := range files.Files {
		rows = append(rows, []string{f.Suite, or(f.Case), f.Name, or(f.Kind), fmt.Sprint(f.Bytes), f.SHA256[:min(12, len(f.SHA256))], fmt.Sprint(f.Line)})
	}
	if err := a.table([]string{"SUITE", "CASE", "NAME", "KIND", "BYTES", "SHA256", "LINE"}, rows); err != nil {
		return err
	}
	if files.Erased != nil {
		a.say("their bytes are aged out: the lab's rule has erased them, %s", files.Erased.Format(time.DateTime))
	}
	if len(files.Files) == 0 {
		a.say("no test of job %d has given a file", files.Job)
	}
	return nil
}

// fileText says what a log line tells of a file; its bytes are nothing to read.
func fileText(message json.RawMessage) string {
	var p events.FilePart
	if err := json.Unmarshal(message, &p); err != nil {
		return text(message)
	}
	if p.Erased > 0 {
		return fmt.Sprintf("(%d bytes of a file, aged out)", p.Erased)
	}
	if p.File == nil {
		return fmt.Sprintf("(%d bytes of a file)", len(p.Data))
	}
	return fmt.Sprintf("%s, %d bytes, sha256 %s", p.File.Name, p.File.Bytes, p.File.SHA256)
}
