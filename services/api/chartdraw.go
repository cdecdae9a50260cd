package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"strata/events"
	"strata/projections/chart"
)

// ChartDraw opens a drawing of one query of a chart, or of a custom chart. The messages are the
// bytes of the picture.
// Either the chart with one of its queries, or Custom; with Custom the chart is not looked at.
type ChartDraw struct {
	ChartDataRequest
	Custom *ChartCustom `json:"custom,omitempty"`
	Format string       `json:"format"`           // svg or png
	Width  int          `json:"width,omitempty"`  // pixels, 320–4,000; 0 is 720
	Height int          `json:"height,omitempty"` // pixels, 160–2,000; 0 is as the chart has it
	Dark   bool         `json:"dark,omitempty"`   // of png: an SVG follows the page
	Scale  float64      `json:"scale,omitempty"`  // of png: pixels of the picture for each, 1–4; 0 is 2
}

// openChartDrawing draws one query of a chart as SVG or PNG.
// It is what `strata chart draw` and a chart's .svg and .png serve; sizes out of range are [Invalid], a query that cannot
// be drawn [Conflict], with the reason that the page would show in its place.
func (a *api) openChartDrawing(who caller, body []byte) (producer, error) {
	in, err := decode[ChartDraw](body)
	if err != nil {
		return nil, err
	}
	if in.Format != "svg" && in.Format != "png" {
		return nil, &Error{Code: Invalid, Field: "format", Message: fmt.Sprintf("format is %q; allowed are svg and png", in.Format)}
	}
	p, err := a.onePlot(who, in.ChartDataRequest, in.Custom)
	if err != nil {
		return nil, err
	}
	options := chart.Options{Width: in.Width, Height: in.Height, Dark: in.Dark, Scale: in.Scale}
	// The chart's own height of 200 to 400 pixels is for pages; a picture may have any that is
	// allowed here.
	if options.Height == 0 {
		options.Height = p.out.Height
	}
	return func(ctx context.Context, emit func(message) error) error {
		d, err := a.find(ctx, p, chart.MaxPoints)
		if err != nil {
			return err
		}
		if d.Error != "" {
			return refuse(Conflict, "%s", d.Error)
		}
		// A picture is larger than one message of a flow may be.
		out := &chunks{emit: emit}
		if err := chart.Draw(out, in.Format, d.Drawing(), options); err != nil {
			return &Error{Code: Invalid, Message: err.Error()}
		}
		return out.flush()
	}, nil
}

// onePlot finds the one drawing that a request means.
// A picture holds one query: with several in the chart and no number the error names the numbers.
func (a *api) onePlot(who caller, in ChartDataRequest, custom *ChartCustom) (plotted, error) {
	if custom != nil {
		return a.customPlot(who, *custom)
	}
	saved, all, err := a.plots(who, in)
	if err != nil {
		return plotted{}, err
	}
	if len(all) == 1 {
		return all[0], nil
	}
	var numbers []string
	for _, p := range all {
		numbers = append(numbers, strconv.Itoa(p.out.Number))
	}
	if len(numbers) == 0 {
		return plotted{}, refuse(Conflict, "chart %s has no queries yet; `strata chart add %s QUERY` adds one", saved.Name, saved.Name)
	}
	return plotted{}, &Error{Code: Invalid, Field: "number", Message: fmt.Sprintf("chart %s has several queries; say which of %s is drawn", saved.Name, strings.Join(numbers, ", "))}
}

// Drawing returns what package chart draws of it.
// Series are in order of their names and not of their points, so that a line keeps its colour when points come.
func (d ChartDrawing) Drawing() chart.Chart {
	c := chart.Chart{Title: d.title(), Unit: d.unit(), Representation: chart.Representation(d.Representation), Target: d.TargetGoal,
		Percentage: d.Type == events.ChartPassFail && d.Percentage && !d.Deltas, Plain: !d.Legend}
	if d.Type != events.ChartAttributes {
		// A chart of attributes stands over dates, whatever xaxis_attribute says.
		c.XAxis = d.XAxis
	}
	if d.Deltas {
		c.Target = nil // which is a line for values, not for what they differ by
	}
	at := map[[4]string]int{}
	var keys [][4]string
	for _, p := range d.Data {
		k := p.series()
		if _, there := at[k]; !there {
			at[k] = len(keys)
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b [4]string) int { return slices.Compare(a[:], b[:]) })
	names := seriesNames(keys)
	for i, k := range keys {
		at[k] = i
		c.Series = append(c.Series, chart.Series{Name: names[i]})
	}
	for _, p := range d.Data {
		s := &c.Series[at[p.series()]]
		s.Points = append(s.Points, chart.Point{At: p.Date, X: p.Attribute, Value: p.Value, Pass: p.Pass, Link: p.Link, Note: p.note()})
	}
	if d.Trend {
		c.Trend = trendOver
	}
	return c
}

// trendOver is how many points, before and after, a trend is the median of.
const trendOver = 15

// seriesNames names series by what they differ in. The suite, of what is not about a case, always counts.
// keys are as [ChartPoint.series] has them. A part that all series share would only make the legend longer.
func seriesNames(keys [][4]string) []string {
	differ := [4]bool{}
	for _, k := range keys {
		for i := range k {
			differ[i] = differ[i] || k[i] != keys[0][i]
		}
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		var parts []string
		where := k[0]
		switch {
		// Two suites may have a case of one name: then the suite has to stand before it.
		case k[1] != "" && (differ[0] || k[2] != "" && differ[1]):
			where += "/" + k[1]
		case k[1] != "":
			where = k[1]
		}
		if k[2] == "" || differ[0] || differ[1] {
			parts = append(parts, where)
		}
		parts = append(parts, k[2], k[3])
		names[i] = strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " · ")
	}
	return names
}

// title is what stands above a drawing: the chart's name and the query's, as far as there are any.
// A custom chart has no name: then its conditions are its title.
func (d ChartDrawing) title() string {
	what := d.Description
	if what == "" {
		what = d.QueryName
	}
	switch {
	case d.ChartName == "" && what != "":
		return what
	// What stands behind "where" is the conditions, without the kind of thing that is found.
	case d.ChartName == "":
		_, conditions, some := strings.Cut(d.Conditions, " where ")
		if !some {
			return d.Conditions
		}
		return strings.ToUpper(conditions[:1]) + conditions[1:]
	case what == "":
		return d.ChartName
	}
	return d.ChartName + ": " + what
}

// unit is what the axis of values counts.
func (d ChartDrawing) unit() string {
	unit := ""
	switch {
	case d.Type == events.ChartPassFail && d.Percentage:
		unit = "% passed"
	case d.Type == events.ChartPassFail:
		unit = "cases passed"
	case d.Type == events.ChartMeasurement && len(d.Data) > 0:
		// Lines of several units share an axis that then has no name.
		unit = d.Data[0].Units
		for _, p := range d.Data {
			if p.Units != unit {
				return "" // each has its own
			}
		}
	}
	if d.Deltas {
		unit = strings.TrimSpace(unit + " more than before")
	}
	return unit
}

// note is what a reader sees who points at a point.
func (p ChartPoint) note() string {
	text := "job " + p.job.String() + ", " + p.Date.UTC().Format("2 Jan 2006 15:04") + ": "
	if p.Attribute != "" {
		text = p.Attribute + ", " + text
	}
	switch {
	case p.Total != nil:
		text += fmt.Sprintf("%d of %d passed", *p.Passes, *p.Total)
		if *p.Failures > 0 {
			text += fmt.Sprintf(", %d failed", *p.Failures)
		}
	case p.Measurement != nil:
		text += strings.TrimSpace(strconv.FormatFloat(*p.Measurement, 'g', 6, 64) + " " + p.Units)
	case p.AttrValue != nil:
		text += p.key + " " + strconv.FormatFloat(*p.AttrValue, 'g', 6, 64)
	}
	return text
}
