package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/projections"
	"strata/projections/chart"
	"strata/projections/query"
)

// ChartWindow says which points of a chart are wanted, and how. What is nil is as the caller has
// chosen to see it.
type ChartWindow struct {
	// Both are held against the points' dates: when a job ended or a case was reported, to the second.
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`
	// What a point differs by from the one before it, instead of its value.
	Deltas *bool `json:"deltas,omitempty"`
}

// ChartDataRequest asks for what a chart shows.
type ChartDataRequest struct {
	ChartRef
	Number int `json:"number,omitempty"` // of one of its queries; 0 is all
	ChartWindow
}

// ChartCustom asks for a chart of a query that is not saved. As in LAVA it is of pass and fail unless
// said otherwise; all that can be said of a query of a chart can be said here.
// Everybody signed in may: the rows are those that they may see.
type ChartCustom struct {
	QueryCustom
	Settings events.ChartQuery `json:"settings"`        // its number and query mean nothing
	Title    string            `json:"title,omitempty"` // of its picture; without one the conditions say what it is
	ChartWindow
}

// ChartData is what a chart shows, a drawing for each of its queries.
type ChartData struct {
	Chart    *SavedChart    `json:"chart,omitempty"` // nil of a custom one
	Drawings []ChartDrawing `json:"drawings"`
}

// ChartDrawing is one query of a chart with its points. The names in JSON are LAVA's where it has them.
// The page's own script draws from it, LAVA's clients read it, and [ChartDrawing.Drawing] makes a picture of it.
type ChartDrawing struct {
	events.ChartQuery
	ChartViewed
	ChartName   string             `json:"chart_name,omitempty"`
	QueryName   string             `json:"query_name,omitempty"` // ~owner/name
	Description string             `json:"query_description,omitempty"`
	Live        bool               `json:"query_live"`
	Updated     *time.Time         `json:"query_updated,omitempty"` // when its rows were kept, of one that is not live
	Entity      events.QueryEntity `json:"entity"`
	Conditions  string             `json:"conditions"` // for people
	HasOmitted  bool               `json:"has_omitted"`
	Data        []ChartPoint       `json:"data"`              // by date, the oldest first
	Cut         bool               `json:"cut,omitempty"`     // there are older points
	Error       string             `json:"error,omitempty"`   // why there are no points
	Notices     []string           `json:"notices,omitempty"` // what a reader should know of the points
}

// ChartPoint is one point of a chart. The names in JSON are LAVA's where it has them.
// Of the numbers only those of the drawing's type are there. Value is what stands on the axis whatever the type is.
type ChartPoint struct {
	ID          string    `json:"id"`   // suite, suite/case, or metadata key
	Item        string    `json:"pk"`   // the row of the query, as `query omit` and `chart omit` take it
	Link        string    `json:"link"` // page of the result, within the site
	Date        time.Time `json:"date"`
	Attribute   string    `json:"attribute,omitempty"` // what the job's metadata have under the axis's key
	Series      string    `json:"series,omitempty"`    // and under the key that the query groups by
	Pass        bool      `json:"pass"`
	Passes      *uint64   `json:"passes,omitempty"` // of pass/fail, and the next four
	Failures    *uint64   `json:"failures,omitempty"`
	Skip        *uint64   `json:"skip,omitempty"`
	Unknown     *uint64   `json:"unknown,omitempty"`
	Total       *uint64   `json:"total,omitempty"`
	Measurement *float64  `json:"measurement,omitempty"` // of measurement
	Units       string    `json:"units,omitempty"`
	AttrValue   *float64  `json:"attr_value,omitempty"` // of attributes
	Value       float64   `json:"value"`                // what is drawn

	job         events.JobID
	suite, name string // of the case with its set
	key         string
}

// plotted is one drawing to be: its settings, and where its points come from.
// It is made under the state's lock and filled in outside of it, for the tables take their time.
type plotted struct {
	out       ChartDrawing
	plot      query.Plot
	wait      runnable // the query whose kept rows have to be in the tables
	statement func(query.Plot) (query.Statement, error)
}

// chartData answers with what a chart shows the caller.
// All drawings of a chart share the bound of points, so that the answer to a chart of twenty queries is as large as to
// one of one. A fault of one query stands in its drawing; the error is for what concerns all, such as [Away].
func (a *api) chartData(ctx context.Context, who caller, in ChartDataRequest) (ChartData, error) {
	saved, all, err := a.plots(who, in)
	if err != nil {
		return ChartData{}, err
	}
	out := ChartData{Chart: &saved, Drawings: []ChartDrawing{}}
	for _, p := range all {
		// One after the other: each question takes a core, and a chart must not take all of them.
		d, err := a.find(ctx, p, chart.MaxPoints/len(all))
		if err != nil {
			return ChartData{}, err
		}
		out.Drawings = append(out.Drawings, d)
	}
	return out, nil
}

// customChart answers with what a chart of a query that is not saved shows.
func (a *api) customChart(ctx context.Context, who caller, in ChartCustom) (ChartData, error) {
	p, err := a.customPlot(who, in)
	if err != nil {
		return ChartData{}, err
	}
	d, err := a.find(ctx, p, chart.MaxPoints)
	return ChartData{Drawings: []ChartDrawing{d}}, err
}

// plots finds a chart that the caller may see, and how to find the points of its queries.
func (a *api) plots(who caller, in ChartDataRequest) (saved SavedChart, all []plotted, err error) {
	a.read(func(s *lab.State) {
		var c *lab.Chart
		if c, err = in.mayChart(s, who, lab.View); err != nil {
			return
		}
		if in.Number != 0 && c.Query(in.Number) == nil {
			err = noDrawing(c, in.Number)
			return
		}
		saved = viewChart(s, who, c)
		for _, q := range c.Queries {
			if in.Number == 0 || q.Number == in.Number {
				all = append(all, chartPlot(s, who, c, q, in.ChartWindow))
			}
		}
	})
	return saved, all, err
}

// chartPlot is a query of a chart as the caller wants to see it.
// It has no error: what keeps it from being drawn is told in its place, beside the chart's other queries.
func chartPlot(s *lab.State, who caller, c *lab.Chart, set events.ChartQuery, w ChartWindow) plotted {
	p := plotted{out: ChartDrawing{ChartQuery: set, ChartViewed: viewed(c.View(set.Number, who.user)), ChartName: c.Name, Data: []ChartPoint{}}}
	q := s.Query(set.Query)
	if q == nil {
		p.out.Error = fmt.Sprintf("there is no query %d", set.Query)
		return p
	}
	p.out.QueryName, p.out.Description = "~"+string(q.Owner)+"/"+q.Name, q.Description
	p.out.Entity, p.out.Conditions, p.out.Live = q.Entity, query.Of(q.QuerySaved).String(), q.Live
	// The query's own goal holds where the chart has none.
	if p.out.TargetGoal == nil {
		p.out.TargetGoal = q.TargetGoal
	}
	p.window(w)
	p.plot.GroupBy = q.GroupBy
	// As in LAVA whoever sees the chart sees what its queries find, published or not: any user may copy
	// and export any query, and the rows are those that he may see.
	r, err := toRun(s, who, q)
	if err != nil {
		p.out.Error = err.Error()
		return p
	}
	if !q.Live {
		// toRun has made sure that there is a refresh.
		p.out.Updated, p.wait = &q.Refresh.At, r
		if q.Changed {
			p.out.Notices = append(p.out.Notices, "the query has changed since its rows were kept; refresh it")
		}
	} else {
		// The zero runnable would be waited for as a refresh that never comes.
		p.wait.saved.Live = true
	}
	// Beside the query's own omissions, which toRun has copied: those of the chart hold for this one of its queries alone.
	for _, o := range c.Omitted {
		if o.Number == set.Number {
			r.omitted = append(r.omitted, o.Item)
		}
	}
	p.out.HasOmitted = len(r.omitted) > 0
	p.statement = func(plot query.Plot) (query.Statement, error) {
		// A query that is not live shows what its refresh kept, also where its conditions have changed since.
		if r.saved.Live {
			return query.CompilePlot(query.Of(r.saved.QuerySaved), r.viewer, r.omitted, plot)
		}
		return query.CompilePlotItems(r.saved.Query, r.saved.Entity, r.saved.Refresh.Seq, r.viewer, r.omitted, plot)
	}
	return p
}

// customPlot is a chart of a query that is not saved.
func (a *api) customPlot(who caller, in ChartCustom) (plotted, error) {
	q, warnings, err := in.parse()
	if err != nil {
		return plotted{}, err
	}
	set := in.Settings
	// A copy of the settings: defaults are filled in.
	if err := checkDrawing(&set, q.Entity); err != nil {
		return plotted{}, err
	}
	p := plotted{out: ChartDrawing{ChartQuery: set, Description: in.Title, ChartViewed: ChartViewed{Legend: true}, Live: true, Entity: q.Entity, Conditions: q.String(),
		Notices: warnings, Data: []ChartPoint{}}}
	p.window(in.ChartWindow)
	p.wait.saved.Live = true
	view := a.sight(who)
	p.statement = func(plot query.Plot) (query.Statement, error) { return query.CompilePlot(q, view, nil, plot) }
	return p, nil
}

// window puts what was asked for over what the user has chosen.
// It has to follow the user's choice in out, which it overrides, and goes before p.plot is used.
func (p *plotted) window(w ChartWindow) {
	set(&p.out.Start, w.Since)
	set(&p.out.Deltas, w.Deltas)
	p.plot = query.Plot{Type: p.out.Type, XAxis: p.out.XAxis, Attributes: p.out.Attributes, Since: p.out.Start}
	set(&p.plot.Until, w.Until)
}

// find fills in the points of a drawing, the newest so many of them. What one drawing cannot show is
// said in it: the others of the chart stand.
// Its error is [Away] and nothing else that a caller could mend; a query that asks too much says so in the drawing.
func (a *api) find(ctx context.Context, p plotted, most int) (ChartDrawing, error) {
	if p.out.Error != "" {
		return p.out, nil
	}
	if a.history.DB == nil {
		return p.out, away(errNoHistory)
	}
	if err := a.keptRows(ctx, p.wait); err != nil {
		return p.out, err
	}
	a.tablesCatchUp(ctx)
	a.resultsCatchUp(ctx)
	// One more than is shown tells that there are more. They come newest first, hence the turning round below.
	p.plot.Limit = most + 1
	s, err := p.statement(p.plot)
	if err != nil {
		return p.out, queryError(err)
	}
	// The bounds of a page: a question that takes longer is an error that the drawing tells.
	err = a.history.DB.Plot(ctx, s, projections.Bounds{}, func(row projections.PlotPoint) error {
		if len(p.out.Data) == most {
			p.out.Cut = true
			return errEnough
		}
		p.out.Data = append(p.out.Data, p.out.point(row))
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		if err = selectError(err); HasCode(err, Away) {
			return p.out, err
		}
		p.out.Error = err.Error()
		return p.out, nil
	}
	slices.Reverse(p.out.Data)
	if p.out.Cut {
		p.out.Notices = append(p.out.Notices, fmt.Sprintf("the newest %d points are shown; `strata chart export` gives all", most))
	}
	if p.out.Deltas {
		p.out.Data = deltas(p.out.Data)
	}
	return p.out, nil
}

// point is a row of the tables as charts show it.
// It makes no rights: rows come from a statement that knows the viewer.
func (d ChartDrawing) point(row projections.PlotPoint) ChartPoint {
	p := ChartPoint{Date: row.At, Attribute: row.Attribute, Series: row.Series, Pass: row.Pass, Value: row.Value,
		job: events.JobID(row.Job), suite: row.Suite, name: row.Name, key: row.Key}
	// LAVA's addresses and charts write a case of a set so.
	if row.Set != "" {
		p.name = row.Set + "/" + row.Name
	}
	item := row.Item()
	switch d.Entity {
	// A row is named by what the query finds: a point of a query for jobs may be of one suite, but is left out with its job.
	case events.JobQuery:
		item = events.QueryItem{Job: item.Job}
	case events.SuiteQuery:
		item = events.QueryItem{Job: item.Job, Suite: item.Suite}
	}
	p.Item = query.ItemID(item)
	p.Link = "/results/" + p.job.String()
	for _, part := range []string{row.Suite, row.Name} {
		if part != "" {
			p.Link += "/" + url.PathEscape(part)
		}
	}
	switch p.ID = p.suite; {
	case p.key != "":
		p.ID = p.key
	case p.name != "":
		p.ID = p.suite + "/" + p.name
	}
	switch d.Type {
	case events.ChartPassFail:
		total := row.Passes + row.Failures + row.Skips + row.Unknowns
		p.Passes, p.Failures, p.Skip, p.Unknown, p.Total = &row.Passes, &row.Failures, &row.Skips, &row.Unknowns, &total
		// A job without a case would divide by nothing; it stands at 0.
		if d.Percentage {
			p.Value = 100 * row.Value / float64(max(total, 1))
		}
	case events.ChartMeasurement:
		p.Measurement, p.Units = &row.Value, row.Units
	default:
		p.AttrValue = &row.Value
	}
	return p
}

// series tells points of different lines apart.
func (p ChartPoint) series() [4]string { return [4]string{p.suite, p.name, p.key, p.Series} }

// deltas returns what each point differs by from the one before it in its series. The first has none.
// It changes points in place, which belong to the drawing alone.
func deltas(points []ChartPoint) []ChartPoint {
	last := map[[4]string]float64{}
	// In place: the points are the drawing's own.
	kept := points[:0]
	for _, p := range points {
		was, there := last[p.series()]
		last[p.series()] = p.Value
		if there {
			p.Value -= was
			kept = append(kept, p)
		}
	}
	return kept
}
