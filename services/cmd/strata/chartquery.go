package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// drawingFlags are the flags that say how rows are drawn.
// Of a saved drawing only flags that were given count; a chart that is not saved takes the defaults
// too.
type drawingFlags struct {
	kind, over, as, show string
	attributes           []string
	goal                 float64
	noGoal               bool
	height               int
	percent, trend       bool
}

func (d *drawingFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.kind, "type", "pass/fail", "what is drawn: pass/fail, measurement or attributes")
	f.StringSliceVar(&d.attributes, "attributes", nil, "of attributes: the metadata keys whose numbers are drawn")
	f.StringVar(&d.over, "over", "", "the metadata key of jobs that points stand over, such as build; the default is the date")
	f.StringVar(&d.as, "as", "lines", "lines or bars")
	f.BoolVar(&d.percent, "percent", false, "of pass/fail: how many of a hundred cases passed")
	f.Float64Var(&d.goal, "goal", 0, "a line across; the default is the query's target goal")
	f.BoolVar(&d.noGoal, "no-goal", false, "take the drawing's own goal away")
	f.BoolVar(&d.trend, "trend", false, "points with a line through the medians around each, instead of from point to point")
	f.IntVar(&d.height, "height", 300, "pixels, 200 to 400")
	f.StringVar(&d.show, "show", "chart", "what pages show: chart, table or both")
}

// read names in a request what the flags name.
// --no-goal is its own flag since 0 is a goal as good as any other.
func (d *drawingFlags) read(given func(string) bool, in *api.ChartQuerySave) {
	named(given, "type", &in.Type, events.ChartType(d.kind))
	named(given, "attributes", &in.Attributes, d.attributes)
	named(given, "over", &in.XAxis, d.over)
	named(given, "as", &in.Representation, events.ChartRepresentation(d.as))
	named(given, "percent", &in.Percentage, d.percent)
	named(given, "goal", &in.TargetGoal, d.goal)
	named(given, "trend", &in.Trend, d.trend)
	named(given, "height", &in.Height, d.height)
	named(given, "show", &in.Visibility, events.ChartVisibility(d.show))
	in.NoGoal = d.noGoal
}

// It prints the chart as it is then, with the number that the drawing got.
func (a *app) chartAdd() *cobra.Command {
	var flags drawingFlags
	cmd := &cobra.Command{
		Use:   "add CHART QUERY",
		Short: "Add a drawing of a query to a chart",
		Long: `Add a drawing to a chart: a saved query, anybody's, and how its rows are drawn. Each viewer sees the points
of jobs that he may see. What is measured comes by --type measurement: of jobs the average of each suite.`,
		Example:           "  strata chart add boots boots --type measurement --goal 20 --trend\n  strata chart add nightly ~alice/nightly --percent --over build --as bars",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: arguments(a.someCharts(), a.someQueries()),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref := queryRef(args[1])
			in := api.ChartQuerySave{ChartRef: chartRef(args[0]), Query: &ref}
			flags.read(cmd.Flags().Changed, &in)
			return a.changeChart(cmd, "charts.query", in)
		},
	}
	flags.add(cmd)
	return cmd
}

func (a *app) chartChange() *cobra.Command {
	var flags drawingFlags
	var other string
	cmd := &cobra.Command{
		Use:               "change CHART DRAWING",
		Short:             "Change how a drawing of a chart looks",
		Long:              "Change of a drawing of a chart what the flags name and nothing else. \"chart show\" lists the drawings with their numbers.",
		Example:           "  strata chart change boots 1 --as bars --goal 25",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			one, err := chartQueryRef(args)
			if err != nil {
				return err
			}
			in := api.ChartQuerySave{ChartRef: one.ChartRef, Number: one.Number}
			flags.read(cmd.Flags().Changed, &in)
			named(cmd.Flags().Changed, "query", &in.Query, queryRef(other))
			return a.changeChart(cmd, "charts.query", in)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&other, "query", "", "draw the rows of this query instead")
	return cmd
}

func (a *app) chartDrop() *cobra.Command {
	return &cobra.Command{
		Use:               "drop CHART DRAWING",
		Short:             "Take a drawing out of a chart",
		Long:              "Take a drawing out of a chart, by its number. Its query stays.",
		Example:           "  strata chart drop boots 2",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			one, err := chartQueryRef(args)
			if err != nil {
				return err
			}
			return a.changeChart(cmd, "charts.drop", one)
		},
	}
}

// A list that leaves one out is the api's to refuse: only it knows which there are.
func (a *app) chartOrder() *cobra.Command {
	return &cobra.Command{
		Use:               "order CHART DRAWING...",
		Short:             "Put the drawings of a chart into another order",
		Long:              "Put the drawings of a chart into another order. All of them are named, by their numbers, which they keep.",
		Example:           "  strata chart order boots 3 1 2",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.ChartOrder{ChartRef: chartRef(args[0])}
			for _, text := range args[1:] {
				n, err := strconv.Atoi(text)
				if err != nil {
					return misuse("drawing %q: want its number, as `strata chart show %s` lists them", text, args[0])
				}
				in.Numbers = append(in.Numbers, n)
			}
			return a.changeChart(cmd, "charts.order", in)
		},
	}
}

// It is kept for the user whose token asks, and counts for that user's pages too.
func (a *app) chartView() *cobra.Command {
	var since string
	var deltas, legend bool
	cmd := &cobra.Command{
		Use:   "view CHART DRAWING",
		Short: "Choose how you see a drawing",
		Long: `Choose how you yourself see a drawing from now on, in pages and where a command says nothing else. Others
are not concerned. --since all shows all points again.`,
		Example:           "  strata chart view boots 1 --since '90d ago' --deltas",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			one, err := chartQueryRef(args)
			if err != nil {
				return err
			}
			in := api.ChartView{ChartQueryRef: one}
			if in.Start, err = a.timeOf("--since", since); err != nil {
				return err
			}
			named(cmd.Flags().Changed, "deltas", &in.Deltas, deltas)
			named(cmd.Flags().Changed, "legend", &in.Legend, legend)
			var v api.ChartViewed
			return a.ask(cmd, "charts.view", in, &v, func() error {
				from := "all points"
				if !v.Start.IsZero() {
					from = "points since " + v.Start.Format("2006-01-02 15:04:05")
				}
				_, err := fmt.Fprintf(a.out, "you see %s, legend %t, deltas %t\n", from, v.Legend, v.Deltas)
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "points from then on: a time, such as 2026-11-01 or '90d ago', or all")
	f.BoolVar(&deltas, "deltas", false, "what each point differs by from the one before")
	f.BoolVar(&legend, "legend", true, "the names of the series")
	return cmd
}

func (a *app) chartOmit() *cobra.Command {
	return a.chartItem("omit", "Leave a row out of a drawing", "left out of",
		"Leave a row of its query out of a drawing, such as a job that tested something else. The query and other charts keep it; \"query omit\"\nleaves it out of them all. Rows are named as \"chart data\" lists them.")
}

func (a *app) chartInclude() *cobra.Command {
	return a.chartItem("include", "Take a row that was left out back into a drawing", "back in",
		"Take a row that \"chart omit\" has left out back into a drawing. \"chart show\" lists those that are left out.")
}

// ITEM is what the first column of "chart data" shows; what is none of the query's rows is the api's
// to refuse.
func (a *app) chartItem(verb, short, done, long string) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " CHART DRAWING ITEM",
		Short:             short,
		Long:              long,
		Example:           "  strata chart " + verb + " boots 1 42/812.3",
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			one, err := chartQueryRef(args)
			if err != nil {
				return err
			}
			var c api.SavedChart
			return a.ask(cmd, "charts."+verb, api.ChartItem{ChartQueryRef: one, Item: args[2]}, &c, func() error {
				_, err := fmt.Fprintf(a.out, "%s is %s drawing %d of chart %s\n", strings.TrimSpace(args[2]), done, one.Number, c.Name)
				return err
			})
		},
	}
}
