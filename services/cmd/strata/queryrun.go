package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// Status 0 where nothing is found too; --json prints one api.QueryResult, of which one list is filled.
func (a *app) queryRun() *cobra.Command {
	var in api.QueryRun
	cmd := &cobra.Command{
		Use:   "run QUERY",
		Short: "Show what a saved query finds",
		Long: `Show what a saved query finds: now where it is live, else what its last refresh has kept. Of the rows you
see those of jobs that you may see. Your own queries can be run, and those that others have published.`,
		Example:           "  strata query run failures\n  strata query run ~alice/failures --limit 200 --json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: arguments(a.someQueries()),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.QueryRef = queryRef(args[0])
			var out api.QueryResult
			return a.ask(cmd, "queries.run", in, &out, func() error { return a.printFound(out) })
		},
	}
	pageFlags(cmd, &in.Limit, &in.Offset)
	return cmd
}

func pageFlags(cmd *cobra.Command, limit, offset *int) {
	cmd.Flags().IntVar(limit, "limit", 50, "at most so many rows, 1000 the most; `strata query export` gives all")
	cmd.Flags().IntVar(offset, "offset", 0, "leave out so many rows first")
}

// The argument is the same as --conditions, so that the end of an address in LAVA's pages can be
// pasted behind the entity.
func (a *app) queryCustom() *cobra.Command {
	var in api.QueryCustom
	var flags conditionFlags
	cmd := &cobra.Command{
		Use:   "custom ENTITY [CONDITIONS]",
		Short: "Ask without saving a query",
		Long: `Find the jobs (testjob), suites (testsuite) or cases (testcase) for which conditions hold. CONDITIONS are
those of LAVA's addresses (+custom?entity=…&conditions=…): [table__]field[__operator]__value, separated by
commas; --where takes values that hold commas, --any and --not join conditions otherwise than by "and".`,
		Example: `  strata query custom testjob testjob__submitter__exact__alice,testjob__health__exact__Complete
  strata query custom testcase 'name__icontains__boot,result__ne__Test passed,testjob__start_time__gt__2026-11-01'
  strata query custom testjob --where 'metadata.branch exact next' --not 'testcase__result__exact__Test failed'`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: arguments(words("testjob", "testsuite", "testcase")),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := readCustom(cmd, args, &flags, &in); err != nil {
				return err
			}
			var out api.QueryResult
			return a.ask(cmd, "queries.custom", in, &out, func() error { return a.printFound(out) })
		},
	}
	flags.add(cmd)
	pageFlags(cmd, &in.Limit, &in.Offset)
	return cmd
}

// readCustom reads ENTITY [CONDITIONS] and the flags beside them.
// Conditions are parsed here, where a mistake can name its flag and ends with status 2; what they may
// be about is the api's to check.
func readCustom(cmd *cobra.Command, args []string, flags *conditionFlags, in *api.QueryCustom) error {
	in.Entity = events.QueryEntity(args[0])
	if len(args) == 2 {
		if cmd.Flags().Changed("conditions") {
			return misuse("say the conditions once: as an argument, or by --conditions")
		}
		if err := cmd.Flags().Set("conditions", args[1]); err != nil {
			return err
		}
	}
	conditions, clauses, err := flags.read(cmd, args[0])
	if conditions != nil {
		in.Conditions = *conditions
	}
	if clauses != nil {
		in.Clauses = *clauses
	}
	return err
}

// printFound shows a page of rows to people.
// One of the three lists is filled, by what the query finds.
func (a *app) printFound(out api.QueryResult) error {
	for _, w := range out.Warnings {
		a.say("%s", w)
	}
	// What was asked is said back, as a slip in a condition finds nothing.
	if out.Rows() == 0 {
		a.say("nothing is found: %s", out.Text)
		return nil
	}
	var rows [][]string
	heads := []string{"JOB", "STATE", "USER", "TYPE", "DEVICE", "PRIO", "SUBMITTED", "NAME"}
	for _, j := range out.Jobs {
		rows = append(rows, []string{j.Display, a.paint(a.out, healthColour(string(j.Health)), status(j)), string(j.User), or(string(j.DeviceType)),
			or(string(j.Device)), strconv.Itoa(j.Priority), when(j.Submitted, a.now()), j.Name})
	}
	// Items are what "query omit" and "chart omit" take.
	for _, s := range out.Suites {
		heads = []string{"ITEM", "CASES", "PASS", "FAIL", "SKIP", "UNKNOWN", "LAST"}
		rows = append(rows, []string{s.Item, fmt.Sprint(s.Cases), fmt.Sprint(s.Passes), fmt.Sprint(s.Failures), fmt.Sprint(s.Skips), fmt.Sprint(s.Unknowns),
			when(s.LastAt, a.now())})
	}
	for _, c := range out.Cases {
		heads = []string{"ITEM", "SUITE", "CASE", "RESULT", "MEASUREMENT", "LOGGED"}
		measured := ""
		if c.Measurement != nil {
			measured = strconv.FormatFloat(*c.Measurement, 'f', -1, 64) + " " + c.Units
		}
		rows = append(rows, []string{c.Item, c.Suite, c.Name, c.Result, or(measured), when(c.Time, a.now())})
	}
	if err := a.table(heads, rows); err != nil {
		return err
	}
	if out.More {
		a.say("there are more; --offset %d goes on, `strata query export` gives all", out.Offset+out.Rows())
	}
	return nil
}

// LabSeq and ResultSeq are how far the tables were with the streams LAB and RESULTS.
func (a *app) queryRefresh() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "refresh QUERY",
		Short: "Keep what a query finds now",
		Long: `Run a query that is not live, and keep the rows until the next refresh. --all does so with every such
query, one after the other; only those who administer the lab may.`,
		Example:           "  strata query refresh failures\n  strata query refresh --all",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: arguments(a.someQueries()),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Exactly one of both has to be said.
			if all == (len(args) == 1) {
				return misuse("name a query, or say --all")
			}
			if all {
				return a.refreshAll(cmd)
			}
			var q api.SavedQuery
			return a.ask(cmd, "queries.refresh", queryRef(args[0]), &q, func() error {
				_, err := fmt.Fprintf(a.out, "query ~%s/%s keeps %d rows, as of fact %d and result %d\n", q.Owner, q.Name, q.Refresh.Items, q.Refresh.LabSeq, q.Refresh.ResultSeq)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every query that is not live")
	return cmd
}

// Each is told as it is done. One that fails does not stop the others; the status is 1 then.
func (a *app) refreshAll(cmd *cobra.Command) error {
	c, done, err := a.client()
	if err != nil {
		return err
	}
	defer done()
	failed := 0
	all := []api.RefreshedQuery{}
	err = c.Stream(cmd.Context(), "queries.refresh-all", struct{}{}, func(m *nats.Msg) error {
		var r api.RefreshedQuery
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("read what became of a query: %w", err)
		}
		if all = append(all, r); r.Error != "" {
			failed++
			a.say("%s: %s", r.Name, r.Error)
			return nil
		}
		if a.json {
			return nil
		}
		_, err := fmt.Fprintf(a.out, "query %s keeps %d rows\n", r.Name, r.Items)
		return err
	})
	if err != nil {
		return explain(err)
	}
	// In JSON the list comes as a whole at the end; people see each query when it is done.
	if a.json {
		err = a.printJSON(all)
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d queries were not refreshed", failed, len(all))
	}
	return err
}

func (a *app) queryOmit() *cobra.Command {
	return a.queryItem("omit", "Leave a row out of a query's results and charts",
		"Leave a row out of a query's results and charts, such as a job that tested something else. Rows are named as\n\"query run\" lists them. \"query include\" takes it back.",
		"left out of")
}

func (a *app) queryInclude() *cobra.Command {
	return a.queryItem("include", "Take a row that was left out back into a query",
		"Take a row that \"query omit\" has left out back into the results of a query. \"query show\" lists those that are left out.", "back in")
}

// ITEM is what the first column of "query run" shows.
func (a *app) queryItem(verb, short, long, done string) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " QUERY ITEM",
		Short:             short,
		Long:              long,
		Example:           "  strata query " + verb + " failures 42/812.3",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: arguments(a.someQueries()),
		RunE: func(cmd *cobra.Command, args []string) error {
			var q api.SavedQuery
			return a.ask(cmd, "queries."+verb, api.QueryItemRequest{QueryRef: queryRef(args[0]), Item: args[1]}, &q, func() error {
				_, err := fmt.Fprintf(a.out, "%s is %s query ~%s/%s\n", args[1], done, q.Owner, q.Name)
				return err
			})
		},
	}
}

// The columns and their order are an interface: people load such files into other programs. An export
// that breaks off ends with status 1, behind what has been written.
func (a *app) queryExport() *cobra.Command {
	var in api.QueryExport
	var custom api.QueryCustom
	var flags conditionFlags
	var entity string
	cmd := &cobra.Command{
		Use:   "export [QUERY]",
		Short: "Write all that a query finds, as CSV, YAML or JSON",
		Long: `Write all rows that a query finds, of any number, as a file: a saved query, or with --entity one of
conditions. The columns are those of LAVA's models that are public.`,
		Example: "  strata query export failures --format csv > failures.csv\n" +
			"  strata query export --entity testcase --conditions 'result__Test failed,testjob__start_time__gt__2026-11-01' --format yaml",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: arguments(a.someQueries()),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (entity == "") == (len(args) == 0) {
				return misuse("name a query, or say by --entity what to find")
			}
			if entity != "" {
				if err := readCustom(cmd, []string{entity}, &flags, &custom); err != nil {
					return err
				}
				in.Custom = &custom
			} else {
				in.QueryRef = queryRef(args[0])
			}
			if a.json {
				in.Format = "json"
			}
			return a.streamInto(cmd, "-", "queries.export", in)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&entity, "entity", "", "find these without a saved query: testjob, testsuite or testcase")
	cmd.Flags().StringVar(&in.Format, "format", "csv", "csv, yaml or json")
	return cmd
}

// Two questions: the first makes the conditions of the job's fields, the second asks them. The command
// that it prints on standard error asks the same without the job.
func (a *app) querySimilar() *cobra.Command {
	var fields []string
	var limit, offset int
	cmd := &cobra.Command{
		Use:   "similar JOB",
		Short: "Find jobs that are like one",
		Long: `Find the jobs that have the same as a job in some fields. Fields in which it has nothing are left out; of a
time the day counts. The query that is asked is printed, so that it can be saved.`,
		Example:           "  strata query similar 42 --field requested_device_type --field metadata.branch",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: arguments(a.someJobs(true)),
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
			var q api.QueryCustom
			if err := c.Call(cmd.Context(), "queries.similar", api.SimilarRequest{Job: job, Fields: fields}, &q); err != nil {
				return explain(err)
			}
			if q.Address != "" {
				a.say("strata query custom testjob '%s'", q.Address)
			}
			q.Limit, q.Offset = limit, offset
			var out api.QueryResult
			return a.ask(cmd, "queries.custom", q, &out, func() error { return a.printFound(out) })
		},
	}
	cmd.Flags().StringSliceVar(&fields, "field", []string{"requested_device_type", "description"}, "in what they are alike: a field of testjob, or metadata.KEY")
	pageFlags(cmd, &limit, &offset)
	return cmd
}
