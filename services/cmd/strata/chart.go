package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// Those that change a chart's settings print the chart as it is then, with --json as one
// api.SavedChart.
func (a *app) chartCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chart",
		Short: "Save and draw charts of queries",
		Long: `Charts of what queries find, as LAVA has them: passed and failed cases, measurements, or numbers in
metadata, over time or over the builds of jobs; drawn as SVG or PNG, or given as data. What the settings
mean stands in docs/charts.md.

A chart is named by its name or number. The drawings in it, one for each query, have numbers too.`,
		Example: "  strata chart save boots --published\n  strata chart add boots ~alice/boots --type measurement --goal 20\n  strata chart draw boots --svg boots.svg",
	}
	cmd.AddCommand(a.chartList(), a.chartShow(), a.chartSave(), a.chartAdd(), a.chartChange(), a.chartDrop(), a.chartOrder(), a.chartRemove(),
		a.chartView(), a.chartOmit(), a.chartInclude(), a.chartData(), a.chartDraw(), a.chartExport())
	return cmd
}

// chartRef reads how people name a chart: a name or a number.
// Names of charts are unique in the lab, unlike those of queries, so no owner is needed. A chart whose
// name is a number can be named by its number only.
func chartRef(text string) api.ChartRef {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > 0 {
		return api.ChartRef{Chart: events.ChartID(n)}
	}
	return api.ChartRef{Name: text}
}

// chartQueryRef reads a chart and the number of one of its drawings.
// Numbers stay with their drawings when others go or are put into another order: a script may keep
// them.
func chartQueryRef(args []string) (api.ChartQueryRef, error) {
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 1 {
		return api.ChartQueryRef{}, misuse("drawing %q: want its number, as `strata chart show %s` lists them", args[1], args[0])
	}
	return api.ChartQueryRef{ChartRef: chartRef(args[0]), Number: n}, nil
}

// someCharts completes with the names of charts.
// What stands behind the tab is shown by shells beside the name, and not completed.
func (a *app) someCharts() offer {
	return asking(a, "charts.list", struct{}{}, func(all []api.SavedChart) (names []string) {
		for _, c := range all {
			names = append(names, c.Name+"\t"+c.Description)
		}
		return names
	})
}

func (a *app) chartList() *cobra.Command {
	var in api.ChartsRequest
	var at string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List charts",
		Long:    "List your charts, those of your groups, and what others have published.",
		Example: "  strata chart list\n  strata chart list --chart-group kernel",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []api.SavedChart
			return a.askAt(cmd, at, "charts.list", in, &all, func() error {
				if len(all) == 0 {
					a.say("there are no charts; `strata chart save` makes one")
				}
				var rows [][]string
				for _, c := range all {
					rows = append(rows, []string{c.Chart.String(), c.Name, string(c.Owner), or(c.ChartGroup), forWhom(c), or(strings.Join(c.QueryNames, " ")), c.Description})
				}
				return a.table([]string{"NUMBER", "CHART", "OWNER", "UNDER", "FOR", "QUERIES", "DESCRIPTION"}, rows)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar((*string)(&in.Owner), "owner", "", "charts of this user only")
	f.StringVar(&in.Group, "chart-group", "", "charts that stand under this name only")
	atFlag(cmd, &at)
	return cmd
}

// forWhom says who may see a chart.
func forWhom(c api.SavedChart) string {
	if c.Published {
		return "all"
	}
	return "owner"
}

func (a *app) chartShow() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:               "show CHART",
		Short:             "Show a chart's settings",
		Long:              "Show a chart's settings and drawings. \"chart draw\" draws one, \"chart data\" gives the points.",
		Example:           "  strata chart show boots",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			var c api.SavedChart
			return a.askAt(cmd, at, "charts.show", chartRef(args[0]), &c, func() error { return a.printChart(c) })
		},
	}
	atFlag(cmd, &at)
	return cmd
}

// printChart shows a chart to people.
// QueryNames has a name for each of Queries, in their order.
func (a *app) printChart(c api.SavedChart) error {
	rows := [][]string{
		{"chart", fmt.Sprintf("%s, number %d, of %s", c.Name, c.Chart, c.Owner)},
		{"description", or(c.Description)},
		{"for", forWhom(c)},
		{"group", or(string(c.Group))},
		{"under", or(c.ChartGroup)},
	}
	if len(c.Omitted) > 0 {
		rows = append(rows, []string{"left out", strings.Join(c.Omitted, ", ")})
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(a.out, "%-12s %s\n", r[0], r[1]); err != nil {
			return err
		}
	}
	if len(c.Queries) == 0 {
		a.say("it has no drawings yet; `strata chart add %s QUERY` adds one", c.Name)
		return nil
	}
	rows = nil
	for i, q := range c.Queries {
		over, goal := q.XAxis, ""
		if over == "" {
			over = "date"
		}
		if q.TargetGoal != nil {
			goal = strconv.FormatFloat(*q.TargetGoal, 'f', -1, 64)
		}
		what := string(q.Type)
		if len(q.Attributes) > 0 {
			what += " " + strings.Join(q.Attributes, ",")
		}
		if q.Percentage {
			what += ", in percent"
		}
		rows = append(rows, []string{strconv.Itoa(q.Number), c.QueryNames[i], what, over, string(q.Representation), or(goal), strconv.Itoa(q.Height)})
	}
	return a.table([]string{"DRAWING", "QUERY", "SHOWS", "OVER", "AS", "GOAL", "HEIGHT"}, rows)
}

// Only what a flag names goes into the request, so that two people who change different things of a
// chart do not undo each other's.
func (a *app) chartSave() *cobra.Command {
	var rename, description, group, chartGroup string
	var published, fresh bool
	cmd := &cobra.Command{
		Use:   "save CHART",
		Short: "Make a chart, or change what the flags name",
		Long: `Make a chart, or change of one what the flags name and nothing else. Names of charts are unique in the
lab. "chart add" gives it something to draw.`,
		Example:           "  strata chart save boots --description 'how long boots take' --published",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.ChartSave{ChartRef: chartRef(args[0]), New: fresh, Rename: rename}
			given := cmd.Flags().Changed
			named(given, "description", &in.Description, description)
			named(given, "group", &in.Group, events.GroupName(group))
			named(given, "chart-group", &in.ChartGroup, chartGroup)
			named(given, "published", &in.Published, published)
			return a.changeChart(cmd, "charts.save", in)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&fresh, "new", false, "refuse to change a chart that is there")
	f.StringVar(&rename, "rename", "", "another name")
	f.StringVar(&description, "description", "", "what it shows")
	f.StringVar(&group, "group", "", "the group of the policy whose users may change it too")
	f.StringVar(&chartGroup, "chart-group", "", "the name under which lists show it")
	f.BoolVar(&published, "published", false, "let everybody see it; --published=false takes that back")
	return cmd
}

// changeChart asks for a change of a chart, and shows it as it is then.
func (a *app) changeChart(cmd *cobra.Command, verb string, in any) error {
	var c api.SavedChart
	return a.ask(cmd, verb, in, &c, func() error { return a.printChart(c) })
}

func (a *app) chartRemove() *cobra.Command {
	return &cobra.Command{
		Use:               "rm CHART",
		Short:             "Remove a chart",
		Long:              "Remove a chart. Its queries stay, and its name may be given to another chart.",
		Example:           "  strata chart rm boots",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			var out struct{}
			return a.ask(cmd, "charts.remove", chartRef(args[0]), &out, func() error {
				_, err := fmt.Fprintf(a.out, "chart %s is removed\n", args[0])
				return err
			})
		},
	}
}
