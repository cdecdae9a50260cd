package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// shownFlags are the flags that say what is drawn: a chart by its name and drawing, or conditions.
// One of both: the flags of conditions and looks are refused beside a saved chart, which has its own.
type shownFlags struct {
	drawing      int
	since, until string
	deltas       bool
	entity       string
	conditions   conditionFlags
	looks        drawingFlags
}

func (s *shownFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.drawing, "drawing", 0, "the number of the drawing, where the chart has several")
	f.StringVar(&s.since, "since", "", "points from then on: a time, such as 2026-11-01 or '90d ago', or all")
	f.StringVar(&s.until, "until", "", "points before then")
	f.BoolVar(&s.deltas, "deltas", false, "what each point differs by from the one before")
	f.StringVar(&s.entity, "entity", "", "of no saved chart, but of these rows: testjob, testsuite or testcase")
	s.conditions.add(cmd)
	s.looks.add(cmd)
}

// read returns the request for a saved chart, or the custom chart that the flags describe.
// The request is for the saved chart where custom is nil.
func (s *shownFlags) read(a *app, cmd *cobra.Command, args []string) (in api.ChartDataRequest, custom *api.ChartCustom, err error) {
	given := cmd.Flags().Changed
	if (s.entity == "") == (len(args) == 0) {
		return in, nil, misuse("name a chart, or say by --entity whose rows are drawn")
	}
	if in.Since, err = a.timeOf("--since", s.since); err != nil {
		return in, nil, err
	}
	if in.Until, err = a.timeOf("--until", s.until); err != nil {
		return in, nil, err
	}
	named(given, "deltas", &in.Deltas, s.deltas)
	if s.entity == "" {
		for _, flag := range []string{"type", "attributes", "over", "as", "percent", "goal", "no-goal", "trend", "height", "show", "conditions", "where", "any", "not"} {
			if given(flag) {
				return in, nil, misuse("--%s is of charts that are not saved (--entity); `strata chart change` changes one that is", flag)
			}
		}
		// 0 is all drawings of the chart.
		in.ChartRef, in.Number = chartRef(args[0]), s.drawing
		return in, nil, nil
	}
	// Defaults of the flags hold here, as there is no drawing that has others.
	custom = &api.ChartCustom{ChartWindow: in.ChartWindow, Settings: events.ChartQuery{Type: events.ChartType(s.looks.kind), Attributes: s.looks.attributes,
		XAxis: s.looks.over, Representation: events.ChartRepresentation(s.looks.as), Percentage: s.looks.percent, Trend: s.looks.trend,
		Height: s.looks.height, Visibility: events.ChartVisibility(s.looks.show)}}
	named(given, "goal", &custom.Settings.TargetGoal, s.looks.goal)
	return in, custom, readCustom(cmd, []string{s.entity}, &s.conditions, &custom.QueryCustom)
}

// timeOf reads a time as people write it; "all" is the zero time, and "" none.
// The zero time is a wish of its own, all points: nil leaves the start to what the viewer has chosen
// by "chart view".
func (a *app) timeOf(flag, text string) (*time.Time, error) {
	switch text {
	case "":
		return nil, nil
	case "all":
		return &time.Time{}, nil
	}
	at, ok := parseTime(strings.TrimSpace(text), a.now())
	if !ok {
		return nil, misuse("%s %q: want a time, such as 2026-11-01, '2026-11-01 10:00' or '90d ago', or all", flag, text)
	}
	return &at, nil
}

// With --json one api.ChartData is printed, in which a drawing that cannot be made has its error: the
// status is 0 then, as the others can.
func (a *app) chartData() *cobra.Command {
	var shown shownFlags
	cmd := &cobra.Command{
		Use:   "data [CHART]",
		Short: "Show the points of a chart",
		Long: `Show the points of a chart, of all its drawings or of one; with --json all that a page needs to draw it, by
the names that LAVA's data for charts have. --entity shows a chart of conditions that is not saved.`,
		Example: "  strata chart data boots --since '90d ago'\n" +
			"  strata chart data --entity testcase --conditions name__boot --type measurement --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, custom, err := shown.read(a, cmd, args)
			if err != nil {
				return err
			}
			var out api.ChartData
			human := func() error { return a.printPoints(out) }
			if custom != nil {
				return a.ask(cmd, "charts.custom", custom, &out, human)
			}
			return a.ask(cmd, "charts.data", in, &out, human)
		},
	}
	shown.add(cmd)
	return cmd
}

// printPoints shows points to people, a table for each drawing.
// Names, notices and errors go to standard error, so that a pipe gets tables alone.
func (a *app) printPoints(out api.ChartData) error {
	for _, d := range out.Drawings {
		if d.QueryName != "" {
			a.say("drawing %d: %s of %s", d.Number, d.Type, d.QueryName)
		}
		for _, n := range d.Notices {
			a.say("%s", n)
		}
		if d.Error != "" {
			a.say("%s", d.Error)
			continue
		}
		if len(d.Data) == 0 {
			a.say("nothing is found: %s", d.Conditions)
			continue
		}
		var rows [][]string
		for _, p := range d.Data {
			value := strconv.FormatFloat(p.Value, 'f', -1, 64)
			// Of how many: of a percentage or of a difference the total says nothing.
			if p.Total != nil && !d.Percentage && !d.Deltas {
				value += fmt.Sprintf(" of %d", *p.Total)
			}
			passed := a.paint(a.out, green, "pass")
			if !p.Pass {
				passed = a.paint(a.out, red, "fail")
			}
			// In UTC, as the axis of pictures is.
			rows = append(rows, []string{p.Item, p.Date.UTC().Format("2006-01-02 15:04:05"), or(p.Attribute), strings.TrimSpace(p.ID + " " + p.Series), value, or(p.Units), passed})
		}
		if err := a.table([]string{"ITEM", "DATE", "OVER", "SERIES", "VALUE", "UNIT", "PASSED"}, rows); err != nil {
			return err
		}
	}
	return nil
}

// Bounds of width and scale are the api's, which draws; its points are asked for anew for each file.
func (a *app) chartDraw() *cobra.Command {
	var shown shownFlags
	var in api.ChartDraw
	var svg, png string
	cmd := &cobra.Command{
		Use:   "draw [CHART]",
		Short: "Draw a chart as SVG or PNG",
		Long: `Draw a chart into a file, as SVG for pages, which follows their light or dark colours, or as PNG for mail.
"-" is standard output. --entity draws a chart of conditions that is not saved.`,
		Example: "  strata chart draw boots --svg boots.svg --png boots.png --since '90d ago'\n" +
			"  strata chart draw --entity testjob --conditions description__nightly --percent --over build --as bars --png nightly.png",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			if svg == "" && png == "" {
				return misuse("name a file by --svg or --png")
			}
			var err error
			if in.ChartDataRequest, in.Custom, err = shown.read(a, cmd, args); err != nil {
				return err
			}
			for _, one := range []struct{ format, file string }{{"svg", svg}, {"png", png}} {
				if in.Format = one.format; one.file == "" {
					continue
				}
				if err := a.streamInto(cmd, one.file, "charts.draw", in); err != nil {
					return err
				}
			}
			return nil
		},
	}
	shown.add(cmd)
	f := cmd.Flags()
	f.StringVar(&svg, "svg", "", "write an SVG to this file")
	f.StringVar(&png, "png", "", "write a PNG to this file")
	f.IntVar(&in.Width, "width", 720, "pixels, 320 to 4000")
	f.BoolVar(&in.Dark, "dark", false, "PNG: light on dark")
	f.Float64Var(&in.Scale, "scale", 2, "PNG: pixels of the file for each, 1 to 4")
	return cmd
}

func (a *app) chartExport() *cobra.Command {
	var shown shownFlags
	var in api.ChartExport
	var file string
	cmd := &cobra.Command{
		Use:   "export [CHART]",
		Short: "Write all points of a drawing, as CSV, YAML or JSON",
		Long: `Write the points of a drawing as a file, of any number, by the names that LAVA's data for charts have.
--entity writes those of conditions that are not saved.`,
		Example:           "  strata chart export boots --drawing 1 > boots.csv",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: arguments(a.someCharts()),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if in.ChartDataRequest, in.Custom, err = shown.read(a, cmd, args); err != nil {
				return err
			}
			// A file is worked on further: differences can be made of its points, but not points of
			// differences.
			if in.Deltas != nil {
				return misuse("--deltas is for looking at; the points of a file are whole")
			}
			if a.json {
				in.Format = "json"
			}
			return a.streamInto(cmd, file, "charts.export", in)
		},
	}
	shown.add(cmd)
	cmd.Flags().StringVar(&in.Format, "format", "csv", "csv, yaml or json")
	cmd.Flags().StringVarP(&file, "output", "o", "-", "write it to this file")
	return cmd
}
