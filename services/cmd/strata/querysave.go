package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/projections/query"
	"strata/services/api"
)

// conditionFlags are the flags that hold conditions.
// Three flags, as joined conditions need a shape of their own: where is for values with commas, which
// separate conditions in an address.
type conditionFlags struct {
	address  string
	where    []string
	any, not []string
}

func (c *conditionFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.address, "conditions", "", "conditions as LAVA's addresses have them: [table__]field[__operator]__value, separated by commas")
	f.StringArrayVar(&c.where, "where", nil, "one condition, 'TABLE.FIELD OPERATOR VALUE', whose value may hold anything; may be repeated")
	f.StringArrayVar(&c.any, "any", nil, "conditions, as for --conditions, of which one is enough; may be repeated")
	f.StringArrayVar(&c.not, "not", nil, "conditions, as for --conditions, that do not hold together; may be repeated")
}

// read returns the conditions, nil where no flag names any.
// nil is "leave them as they are"; a pointer to none takes all away (--conditions "").
func (c *conditionFlags) read(cmd *cobra.Command, entity string) (conditions *[]events.QueryCondition, clauses *[]events.QueryClause, err error) {
	if cmd.Flags().Changed("conditions") || len(c.where) > 0 {
		q, _, err := query.Parse(entity, c.address)
		if err != nil {
			return nil, nil, misuse("--conditions: %v", err)
		}
		for _, text := range c.where {
			one, err := readCondition(text)
			if err != nil {
				return nil, nil, err
			}
			q.Conditions = append(q.Conditions, one)
		}
		conditions = &q.Conditions
	}
	joined := func(match events.QueryMatch, flag string, list []string) error {
		for _, text := range list {
			q, _, err := query.Parse(entity, text)
			if err != nil {
				return misuse("%s %q: %v", flag, text, err)
			}
			if clauses == nil {
				clauses = new([]events.QueryClause)
			}
			*clauses = append(*clauses, events.QueryClause{Match: match, Conditions: q.Conditions})
		}
		return nil
	}
	if err := joined(events.MatchAny, "--any", c.any); err != nil {
		return nil, nil, err
	}
	return conditions, clauses, joined(events.MatchNot, "--not", c.not)
}

// readCondition reads "testjob.description icontains a, b".
// Whatever stands behind the second blank is the value, blanks and all.
func readCondition(text string) (events.QueryCondition, error) {
	what, rest, _ := strings.Cut(text, " ")
	operator, value, ok := strings.Cut(rest, " ")
	table, field, dotted := strings.Cut(what, ".")
	if !ok || !dotted {
		return events.QueryCondition{}, misuse("--where %q: write it like 'testjob.description icontains boot'", text)
	}
	return events.QueryCondition{Table: table, Field: field, Operator: operator, Value: value}, nil
}

// It prints the query as it is then. What it would find is not asked: a query may be made before the
// jobs that it is for.
func (a *app) querySave() *cobra.Command {
	var flags conditionFlags
	var entity, rename, description, group, queryGroup, groupBy string
	var limit int
	var published, live, fresh bool
	var goal float64
	cmd := &cobra.Command{
		Use:   "save QUERY",
		Short: "Make a query, or change what the flags name",
		Long: `Make a query, or change of one what the flags name and nothing else. A new one needs --entity: what it
finds never changes. Conditions replace those before. A query that is not --live keeps at most --limit
rows when it is refreshed.`,
		Example: `  strata query save failures --entity testcase --conditions 'result__Test failed,testjob__requested_device_type__exact__qemu'
  strata query save failures --live --published --description 'what fails on qemu'
  strata query save noisy --entity testjob --where 'testjob.description icontains a, b' --not 'testcase__result__exact__Test failed'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: arguments(a.someQueries()),
		RunE: func(cmd *cobra.Command, args []string) error {
			// An empty entity of a query that is there is "as it is".
			in := api.QuerySave{QueryRef: queryRef(args[0]), New: fresh, Rename: rename, Entity: events.QueryEntity(entity)}
			given := cmd.Flags().Changed
			about := entity
			// A condition that names no table is about the entity of the query, so that has to be
			// known.
			if about == "" && (given("conditions") || len(flags.where)+len(flags.any)+len(flags.not) > 0) {
				var q api.SavedQuery
				c, done, err := a.client()
				if err != nil {
					return err
				}
				defer done()
				if err := c.Call(cmd.Context(), "queries.show", in.QueryRef, &q); err != nil {
					return fmt.Errorf("%w; a new query needs --entity", explain(err))
				}
				about = string(q.Entity)
			}
			var err error
			if in.Conditions, in.Clauses, err = flags.read(cmd, about); err != nil {
				return err
			}
			named(given, "description", &in.Description, description)
			named(given, "group", &in.Group, events.GroupName(group))
			named(given, "query-group", &in.QueryGroup, queryGroup)
			named(given, "group-by", &in.GroupBy, groupBy)
			named(given, "limit", &in.Limit, limit)
			named(given, "published", &in.Published, published)
			named(given, "live", &in.Live, live)
			named(given, "target-goal", &in.TargetGoal, goal)
			var q api.SavedQuery
			return a.ask(cmd, "queries.save", in, &q, func() error { return a.printQuery(q) })
		},
	}
	flags.add(cmd)
	f := cmd.Flags()
	f.StringVar(&entity, "entity", "", "what a new query finds: testjob, testsuite or testcase")
	f.BoolVar(&fresh, "new", false, "refuse to change a query that is there")
	f.StringVar(&rename, "rename", "", "another name")
	f.StringVar(&description, "description", "", "what it is for")
	f.StringVar(&group, "group", "", "the group of the policy whose users may change it too")
	f.StringVar(&queryGroup, "query-group", "", "the name under which lists show it")
	f.StringVar(&groupBy, "group-by", "", "the metadata key by which charts group its rows")
	f.IntVar(&limit, "limit", 200, "rows that a refresh keeps, 20 to 10000")
	f.BoolVar(&published, "published", false, "let everybody run it; --published=false takes that back")
	f.BoolVar(&live, "live", false, "run it anew each time; --live=false keeps rows until the next refresh")
	f.Float64Var(&goal, "target-goal", 0, "the line that charts draw")
	return cmd
}

// named sets what a flag names, where it was given.
func named[T any](given func(string) bool, flag string, to **T, value T) {
	if given(flag) {
		*to = &value
	}
}

// Copies are not tied to what they were made of: a later change of that one does not reach them.
func (a *app) queryCopy() *cobra.Command {
	return &cobra.Command{
		Use:               "copy QUERY NAME",
		Short:             "Copy anybody's query to one of your own",
		Long:              "Copy a query, whosesoever it is, to one of your own that is not published. Its conditions are yours to change then.",
		Example:           "  strata query copy ~alice/failures my-failures",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: arguments(a.someQueries()),
		RunE: func(cmd *cobra.Command, args []string) error {
			var q api.SavedQuery
			return a.ask(cmd, "queries.copy", api.QueryCopy{QueryRef: queryRef(args[0]), As: args[1]}, &q, func() error { return a.printQuery(q) })
		},
	}
}

// "query list --all" shows it still; nothing brings it back into the other lists.
func (a *app) queryRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "rm QUERY",
		Short: "Take a query out of the lists",
		Long: `Take a query out of the lists. Its name stays taken, and charts and jobs that name it go on, as in LAVA:
"query run" finds it still.`,
		Example:           "  strata query rm failures",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: arguments(a.someQueries()),
		RunE: func(cmd *cobra.Command, args []string) error {
			var q api.SavedQuery
			return a.ask(cmd, "queries.archive", queryRef(args[0]), &q, func() error {
				_, err := fmt.Fprintf(a.out, "query ~%s/%s is in no list any more\n", q.Owner, q.Name)
				return err
			})
		},
	}
}
