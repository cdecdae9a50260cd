package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/projections/query"
	"strata/services/api"
)

func (a *app) queryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Save and run queries over jobs and results",
		Long: `Questions about jobs, test suites and test cases that are kept by name, as LAVA has them: conditions on
fields, run anew each time (live) or kept until the next refresh, shared with a group or published.
"query custom" asks without saving. What the conditions mean stands in docs/queries.md.

A query is named by its name where it is yours, as ~OWNER/NAME, or by its number.`,
		Example: "  strata query custom testcase 'result__Test failed,testjob__submitter__exact__alice'\n" +
			"  strata query save boots --entity testcase --conditions name__icontains__boot --live\n  strata query run boots",
	}
	cmd.AddCommand(a.queryList(), a.queryShow(), a.queryFields(), a.querySave(), a.queryCopy(), a.queryRemove(), a.queryRun(),
		a.queryCustom(), a.queryRefresh(), a.queryOmit(), a.queryInclude(), a.queryExport(), a.querySimilar())
	return cmd
}

// queryRef reads how people name a query: NAME, ~OWNER/NAME or a number.
// Names are unique for each owner, as in LAVA, whose addresses write ~OWNER/NAME. A bare name is the
// caller's own.
// A query of one's own whose name is a number is reached as ~OWNER/NAME alone.
func queryRef(text string) api.QueryRef {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > 0 {
		return api.QueryRef{Query: events.QueryID(n)}
	}
	if owner, name, ok := strings.Cut(strings.TrimPrefix(text, "~"), "/"); ok {
		return api.QueryRef{Owner: events.UserName(owner), Name: name}
	}
	return api.QueryRef{Name: text}
}

// someQueries completes with the names of queries.
func (a *app) someQueries() offer {
	return asking(a, "queries.list", struct{}{}, func(all []api.SavedQuery) (names []string) {
		for _, q := range all {
			names = append(names, "~"+string(q.Owner)+"/"+q.Name+"\t"+q.Text)
		}
		return names
	})
}

func (a *app) queryList() *cobra.Command {
	var in api.QueriesRequest
	var at string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List saved queries",
		Long:    "List your saved queries, those of your groups, and what others have published.",
		Example: "  strata query list\n  strata query list --owner alice",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []api.SavedQuery
			return a.askAt(cmd, at, "queries.list", in, &all, func() error {
				if len(all) == 0 {
					a.say("there are no queries; `strata query save` makes one")
				}
				var rows [][]string
				for _, q := range all {
					rows = append(rows, []string{q.Query.String(), "~" + string(q.Owner) + "/" + q.Name, or(q.QueryGroup), sharing(q), freshness(a, q), q.Text})
				}
				return a.table([]string{"NUMBER", "QUERY", "UNDER", "FOR", "ROWS", "CONDITIONS"}, rows)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar((*string)(&in.Owner), "owner", "", "queries of this user only")
	f.StringVar(&in.Group, "query-group", "", "queries that stand under this name only")
	f.BoolVarP(&in.All, "all", "a", false, "those that were removed too")
	atFlag(cmd, &at)
	return cmd
}

// sharing says who may run a query.
func sharing(q api.SavedQuery) string {
	switch {
	case q.Archived:
		return "removed"
	case q.Published:
		return "all"
	}
	return "owner"
}

// freshness says how old the rows of a query are.
// "changed since" warns of rows that the conditions before have found.
func freshness(a *app, q api.SavedQuery) string {
	switch {
	case q.Live:
		return "live"
	case q.Refresh == nil:
		return "never kept"
	case q.Changed:
		return fmt.Sprintf("%d, changed since", q.Refresh.Items)
	}
	return fmt.Sprintf("%d, %s", q.Refresh.Items, when(q.Refresh.At, a.now()))
}

func (a *app) queryShow() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:               "show QUERY",
		Short:             "Show a query's conditions and settings",
		Long:              "Show a query's conditions and settings. Anybody may see them; what it finds is its owner's, or published.",
		Example:           "  strata query show boots\n  strata query show ~alice/boots --at 'yesterday 10:00'",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: arguments(a.someQueries()),
		RunE: func(cmd *cobra.Command, args []string) error {
			var q api.SavedQuery
			return a.askAt(cmd, at, "queries.show", queryRef(args[0]), &q, func() error { return a.printQuery(q) })
		},
	}
	atFlag(cmd, &at)
	return cmd
}

// printQuery shows a saved query to people.
// The address is what stands in LAVA's URL for the same question; joined conditions have none.
func (a *app) printQuery(q api.SavedQuery) error {
	for _, w := range q.Warnings {
		a.say("%s", w)
	}
	rows := [][]string{
		{"query", fmt.Sprintf("~%s/%s, number %d", q.Owner, q.Name, q.Query)},
		{"finds", q.Text},
		{"address", or(q.Address)},
		{"description", or(q.Description)},
		{"for", sharing(q)},
		{"group", or(string(q.Group))},
		{"under", or(q.QueryGroup)},
		{"rows", freshness(a, q)},
		{"limit", strconv.Itoa(q.Limit)},
	}
	if len(q.Omitted) > 0 {
		rows = append(rows, []string{"left out", strings.Join(q.Omitted, ", ")})
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(a.out, "%-12s %s\n", r[0], r[1]); err != nil {
			return err
		}
	}
	return nil
}

// It asks no lab: the fields are those that this binary knows.
func (a *app) queryFields() *cobra.Command {
	return &cobra.Command{
		Use:   "fields",
		Short: "List what conditions can be about",
		Long: `List the tables and fields that conditions can be about, with their operators and the words of those that
have only a few. A condition on metadata names any key of the metadata of a job's definition.`,
		Example: "  strata query fields",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			type field struct {
				Table     string   `json:"table"`
				Field     string   `json:"field"`
				Operators []string `json:"operators"`
				Words     []string `json:"words,omitempty"`
				LAVA      bool     `json:"lava"` // LAVA has it too
			}
			all := []field{}
			for _, f := range query.Fields() {
				all = append(all, field{f.Table, f.Name, f.Operators(), f.Words(), !f.Ours})
			}
			if a.json {
				return a.printJSON(all)
			}
			var rows [][]string
			for _, f := range all {
				rows = append(rows, []string{f.Table, f.Field, strings.Join(f.Operators, " "), or(strings.Join(f.Words, ", "))})
			}
			return a.table([]string{"TABLE", "FIELD", "OPERATORS", "WORDS"}, rows)
		},
	}
}
