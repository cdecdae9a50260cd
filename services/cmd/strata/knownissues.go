package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

func (a *app) knownIssuesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "known-issues",
		Short: "Recognize failures that are known",
		Long: `Keep rules by which failures are recognized as an issue that is known: a pattern for a line of the log, one
for failed cases, and the device type, job name and metadata that a job has to have. All that a rule names has
to hold. Each job that ends is looked at for all of them; "strata show" names those that it has.`,
		Example: "  strata known-issues\n  strata known-issues add --title 'slow disk' --log 'I/O error, dev sd\\w' --url https://bugs.example.com/17\n" +
			"  strata known-issues rm 3 --reason fixed",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listKnownIssues(cmd) },
	}
	list := &cobra.Command{
		Use: "list", Short: "List the issues that are known", Long: "List the issues that are known, and how they are recognized.",
		Example: "  strata known-issues list --json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listKnownIssues(cmd) },
	}
	cmd.AddCommand(list, a.knownIssueAdd(), a.knownIssueRemove())
	return cmd
}

// Without a subcommand the list is shown too, as by other commands of this program.
func (a *app) listKnownIssues(cmd *cobra.Command) error {
	var all []events.KnownIssueAdded
	return a.ask(cmd, "issues.list", struct{}{}, &all, func() error {
		if len(all) == 0 {
			a.say("no issue is known; `strata known-issues add` makes one known")
			return nil
		}
		var rows [][]string
		for _, i := range all {
			rows = append(rows, []string{fmt.Sprint(i.Issue), i.Title, issuePhrase(i), or(i.URL), string(i.By)})
		}
		return a.table([]string{"NUMBER", "TITLE", "RECOGNIZED BY", "URL", "ADDED BY"}, rows)
	})
}

// issuePhrase says how an issue is recognized.
// All parts have to hold. Keys are sorted, so that equal rules read alike.
func issuePhrase(i events.KnownIssueAdded) string {
	var parts []string
	for _, p := range []struct{ what, is string }{{"log", i.Log}, {"case", i.Case}, {"type", string(i.DeviceType)}, {"name", i.Name}} {
		if p.is != "" {
			parts = append(parts, p.what+" "+p.is)
		}
	}
	for _, k := range sortedKeys(i.Metadata) {
		parts = append(parts, k+"="+i.Metadata[k])
	}
	return strings.Join(parts, ", ")
}

// Patterns are checked by the api, which uses them; a wrong one is refused with status 1.
func (a *app) knownIssueAdd() *cobra.Command {
	var in events.KnownIssueAdded
	var typ string
	var meta []string
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Make an issue known",
		Long: `Make an issue known. --log is an RE2 expression that a line of the log matches; --case is a pattern for
SUITE/CASE of a failed case, in which * stands for any characters and ? for one. One of both is needed; with
both, both have to hold.`,
		Example: "  strata known-issues add --title 'slow disk' --log 'I/O error, dev sd\\w'\n" +
			"  strata known-issues add --title 'ping is odd on bbb' --case '*/net-*' --device-type bbb --meta branch=next",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in.DeviceType = events.DeviceTypeName(typ)
			for _, m := range meta {
				// A value may be empty and hold further "=".
				k, v, ok := strings.Cut(m, "=")
				if !ok || k == "" {
					return misuse("--meta %q: write it like branch=main", m)
				}
				if in.Metadata == nil {
					in.Metadata = map[string]string{}
				}
				in.Metadata[k] = v
			}
			var out events.KnownIssueAdded
			return a.ask(cmd, "issues.add", in, &out, func() error {
				a.say("issue %d is known: jobs that end from now on are looked at for it", out.Issue)
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Title, "title", "", "what people call it")
	f.StringVar(&in.URL, "url", "", "where more is written of it")
	f.StringVar(&in.Log, "log", "", "RE2 expression for a line of the log")
	f.StringVar(&in.Case, "case", "", "pattern for SUITE/CASE of a failed case, such as */net-*")
	f.StringVar(&in.Name, "name", "", "pattern for the job's name")
	f.StringVar(&typ, "device-type", "", "of jobs of this device type only")
	f.StringArrayVar(&meta, "meta", nil, "of jobs with this entry in their metadata, such as branch=main")
	return cmd
}

// A number that is no issue's is refused by the api, with status 1; a word that is no number ends with
// 2.
func (a *app) knownIssueRemove() *cobra.Command {
	var in api.IssueRequest
	cmd := &cobra.Command{
		Use:     "rm NUMBER",
		Short:   "Forget a known issue",
		Long:    "Look for an issue no more. What was judged by it stays, and its number is not given again.",
		Example: "  strata known-issues rm 3 --reason fixed",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || n == 0 {
				return misuse("%q is not the number of an issue", args[0])
			}
			in.Issue = events.IssueID(n)
			return a.ask(cmd, "issues.remove", in, &struct{}{}, func() error {
				a.say("issue %d is forgotten", n)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}
