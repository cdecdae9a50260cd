package api

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/projections/query"
)

// Charts: who may do what with them is said by lab.Can. All facts about them are written here; what
// they show is found in chartdata.go.

// Bounds of a chart.
const (
	// The heights and their default are LAVA's; a chart of more than twenty queries no page could show.
	mostDrawings  = 20  // queries of one chart
	usualHeight   = 300 // pixels
	leastHeight   = 200
	mostHeight    = 400
	mostAxis      = 100 // bytes of a metadata key
	mostAttribute = 200 // bytes of all metadata keys
)

// ChartRef names a chart by its number or its name.
type ChartRef struct {
	Chart events.ChartID `json:"chart,omitempty"`
	Name  string         `json:"name,omitempty"`
}

// ChartSave makes a chart, or changes what it names of one. What is nil stays as it is.
// Owner and numbers are the lab's to give; a chart is never given to another owner.
type ChartSave struct {
	ChartRef
	New         bool              `json:"new,omitempty"`    // refuse where the name is taken
	Rename      string            `json:"rename,omitempty"` // another name
	Description *string           `json:"description,omitempty"`
	Group       *events.GroupName `json:"group,omitempty"`
	ChartGroup  *string           `json:"chart_group,omitempty"`
	Published   *bool             `json:"published,omitempty"`
}

// ChartsRequest asks for a list of charts.
type ChartsRequest struct {
	Owner events.UserName `json:"owner,omitempty"` // of this user only
	Group string          `json:"group,omitempty"` // under this chart group only
}

// SavedChart is what the api tells of a chart.
// Omitted is told to who may change the chart: it names jobs.
type SavedChart struct {
	events.ChartSaved
	QueryNames []string  `json:"query_names,omitempty"` // of the queries, in their order: ~owner/name
	SavedAt    time.Time `json:"saved_at"`
	Omitted    []string  `json:"omitted,omitempty"`  // rows that are left out, after the number of their query: "1: 42/0_smoke"
	Editable   bool      `json:"editable,omitempty"` // the caller may change it
}

// viewChart shows a chart's settings; which rows are left out is told to who may change it.
func viewChart(s *lab.State, who caller, c *lab.Chart) SavedChart {
	v := SavedChart{ChartSaved: c.ChartSaved, SavedAt: c.SavedAt, Editable: who.can(s, lab.Change, c.About())}
	for _, q := range c.Queries {
		// Queries are archived and never removed, so a name is missing only in a state that is
		// damaged.
		name := "query " + q.Query.String()
		if saved := s.Query(q.Query); saved != nil {
			name = "~" + string(saved.Owner) + "/" + saved.Name
		}
		v.QueryNames = append(v.QueryNames, name)
	}
	if v.Editable {
		for _, o := range c.Omitted {
			v.Omitted = append(v.Omitted, strconv.Itoa(o.Number)+": "+query.ItemID(o.Item))
		}
	}
	return v
}

// find returns the chart that a request names.
// By number or name, which is the lab's and not the owner's: two charts of one name cannot be. Rights are not looked at.
func (r ChartRef) find(s *lab.State) (*lab.Chart, error) {
	switch {
	// The number goes before the name where both are given.
	case r.Chart != 0:
		if c := s.Chart(r.Chart); c != nil {
			return c, nil
		}
		return nil, refuse(NotFound, "there is no chart %d", r.Chart)
	case r.Name == "":
		return nil, &Error{Code: Invalid, Field: "name", Message: "name is missing: a chart is named by its number or its name"}
	}
	if c := s.ChartNamed(r.Name); c != nil {
		return c, nil
	}
	return nil, refuse(NotFound, "there is no chart %s", r.Name)
}

// mayChart finds a chart that the caller may do something with.
// Unlike a device, a chart that may not be seen is [Denied] and not absent: that a name is taken, whoever wants to make
// one of that name is told anyhow.
func (r ChartRef) mayChart(s *lab.State, who caller, verb lab.Verb) (*lab.Chart, error) {
	c, err := r.find(s)
	if err != nil {
		return nil, err
	}
	switch {
	case who.can(s, verb, c.About()):
		return c, nil
	case !lab.Covers(who.scopes, verb, events.Chart):
		return nil, notFor(who)
	}
	if verb == lab.View {
		return nil, refuse(Denied, "chart %s is not published", c.Name)
	}
	return nil, refuse(Denied, "chart %s is %s's and the group's to change", c.Name, c.Owner)
}

// listCharts answers with the charts that concern the caller, in order of their numbers.
func (a *api) listCharts(_ context.Context, who caller, in ChartsRequest) ([]SavedChart, error) {
	out := []SavedChart{}
	a.read(func(s *lab.State) {
		for c := range s.Charts() {
			if in.Owner != "" && c.Owner != in.Owner || in.Group != "" && c.ChartGroup != in.Group ||
				!who.can(s, lab.View, c.About()) && !who.can(s, lab.Change, c.About()) {
				continue
			}
			out = append(out, viewChart(s, who, c))
		}
	})
	return out, nil
}

// showChart answers with a chart's settings, to those who see or change it.
// Who may change a chart that is not published to them sees its settings all the same, to be able to.
func (a *api) showChart(_ context.Context, who caller, in ChartRef) (out SavedChart, err error) {
	a.read(func(s *lab.State) {
		var c *lab.Chart
		if c, err = in.mayChart(s, who, lab.View); HasCode(err, Denied) {
			c, err = in.mayChart(s, caller{user: who.user}, lab.Change) // whoever may change it sees it, also with a token to look
		}
		if err == nil {
			out = viewChart(s, who, c)
		}
	})
	return out, err
}

// saveChart makes a chart or changes one.
// Anybody signed in may make one, unless by a token that is not for changing things. The error is
// [Conflict] where a name is taken, [NotFound] for a number or a group that there is not, [Invalid]
// with the field for what no chart may have.
func (a *api) saveChart(ctx context.Context, who caller, in ChartSave) (SavedChart, error) {
	if !lab.Covers(who.scopes, lab.Change, events.Chart) {
		return SavedChart{}, notFor(who)
	}
	return a.changeChart(ctx, who, func(s *lab.State) (e events.ChartSaved, err error) {
		// All of it is decided again, from here on, where somebody else has changed a chart meanwhile: the state is another then.
		c, err := in.find(s)
		switch {
		case HasCode(err, NotFound) && in.Chart == 0: // by its name a chart is made where there is none
			e = events.ChartSaved{Chart: s.NextChart(), Owner: who.user, Name: in.Name}
			if err = checkQueryName("name", in.Name); err == nil {
				err = roomForChart(s, who.user)
			}
		case err == nil && in.New:
			err = refuse(Conflict, "there is a chart %s already", c.Name)
		case err == nil:
			if c, err = in.mayChart(s, who, lab.Change); err == nil {
				e = c.ChartSaved
			}
		}
		if err != nil {
			return e, err
		}
		if in.Rename != "" && in.Rename != e.Name {
			if s.ChartNamed(in.Rename) != nil {
				return e, refuse(Conflict, "there is a chart %s already", in.Rename)
			}
			if err := checkQueryName("rename", in.Rename); err != nil {
				return e, err
			}
			e.Name = in.Rename
		}
		set(&e.Description, in.Description)
		set(&e.Group, in.Group)
		set(&e.ChartGroup, in.ChartGroup)
		set(&e.Published, in.Published)
		if e.ChartGroup != "" {
			if err := checkQueryName("chart_group", e.ChartGroup); err != nil {
				return e, err
			}
		}
		if len(e.Description) > 4096 {
			return e, &Error{Code: Invalid, Field: "description", Message: fmt.Sprintf("description has %d bytes; allowed are 4096", len(e.Description))}
		}
		if e.Group != "" && !hasGroup(s, e.Group) {
			return e, refuse(NotFound, "there is no group %s: groups and their users stand in the policy (`strata policy show`)", e.Group)
		}
		return e, nil
	})
}

// changeChart records a chart as change returns it.
// change must be free of effects but for what it returns: record may call it several times. The fact holds the whole
// chart, so the later of two changes at once is decided over the earlier.
func (a *api) changeChart(ctx context.Context, who caller, change func(s *lab.State) (events.ChartSaved, error)) (SavedChart, error) {
	var id events.ChartID
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		e, err := change(s)
		if err != nil {
			return nil, err
		}
		e.By, id = who.user, e.Chart
		return []events.Event{e}, nil
	})
	if err != nil {
		return SavedChart{}, err
	}
	return a.showChart(ctx, who, ChartRef{Chart: id})
}

// removeChart removes a chart. Its queries stay.
func (a *api) removeChart(ctx context.Context, who caller, in ChartRef) (none, error) {
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		c, err := in.mayChart(s, who, lab.Change)
		if err != nil {
			return nil, err
		}
		return []events.Event{events.ChartRemoved{Chart: c.Chart, By: who.user}}, nil
	})
}

// ChartQuerySave adds a query to a chart, or changes what it names of one that is there. What is nil
// stays as it is; of a new one it takes LAVA's default.
// The JSON names are those of LAVA's model ChartQuery, which forms and imports know.
type ChartQuerySave struct {
	ChartRef
	Number     int               `json:"number,omitempty"` // of the query to change; 0 adds one
	Query      *QueryRef         `json:"query,omitempty"`  // any query: what is shown of it is what each viewer may see
	Type       *events.ChartType `json:"chart_type,omitempty"`
	TargetGoal *float64          `json:"target_goal,omitempty"`
	// A goal of nil says "as it is", so to take one away needs a word of its own.
	NoGoal         bool                        `json:"no_goal,omitempty"` // take the goal away
	Height         *int                        `json:"chart_height,omitempty"`
	Percentage     *bool                       `json:"is_percentage,omitempty"`
	Visibility     *events.ChartVisibility     `json:"chart_visibility,omitempty"`
	XAxis          *string                     `json:"xaxis_attribute,omitempty"`
	Representation *events.ChartRepresentation `json:"representation,omitempty"`
	Attributes     *[]string                   `json:"attributes,omitempty"`
	Trend          *bool                       `json:"trend,omitempty"`
}

// saveChartQuery adds a query to a chart, or changes how it is shown.
func (a *api) saveChartQuery(ctx context.Context, who caller, in ChartQuerySave) (SavedChart, error) {
	return a.changeChart(ctx, who, func(s *lab.State) (events.ChartSaved, error) {
		c, err := in.mayChart(s, who, lab.Change)
		if err != nil {
			return events.ChartSaved{}, err
		}
		e := c.ChartSaved
		e.Queries = slices.Clone(e.Queries)
		at := slices.IndexFunc(e.Queries, func(q events.ChartQuery) bool { return q.Number == in.Number })
		switch {
		case in.Number == 0 && len(e.Queries) == mostDrawings:
			return e, refuse(Conflict, "chart %s has %d queries; a chart has no more", c.Name, mostDrawings)
		case in.Number == 0 && in.Query == nil:
			return e, &Error{Code: Invalid, Field: "query", Message: "query is missing: name the query whose rows are drawn"}
		case in.Number == 0:
			// Numbers are never given again: omissions and users' views of a query go by them.
			e.Numbers++
			at = len(e.Queries)
			e.Queries = append(e.Queries, events.ChartQuery{Number: e.Numbers})
		case at < 0:
			return e, noDrawing(c, in.Number)
		}
		return e, in.apply(s, who, &e.Queries[at])
	})
}

// noDrawing refuses a query that a chart does not have, whichever other chart has it.
// It is worded alike for one of another chart, of which the caller need not know.
func noDrawing(c *lab.Chart, number int) error {
	return refuse(NotFound, "chart %s has no query %d; `strata chart show %s` lists them", c.Name, number, c.Name)
}

// apply changes what the request names of a query of a chart, and checks the whole.
// An earlier release may have let through what this one refuses: that has to be mended with the next change.
func (in ChartQuerySave) apply(s *lab.State, who caller, q *events.ChartQuery) error {
	if in.Query != nil {
		saved, err := in.Query.find(s, who)
		if err != nil {
			return err
		}
		q.Query = saved.Query
	}
	set(&q.Type, in.Type)
	set(&q.Height, in.Height)
	set(&q.Percentage, in.Percentage)
	set(&q.Visibility, in.Visibility)
	set(&q.XAxis, in.XAxis)
	set(&q.Representation, in.Representation)
	set(&q.Attributes, in.Attributes)
	set(&q.Trend, in.Trend)
	if in.TargetGoal != nil {
		q.TargetGoal = in.TargetGoal
	}
	if in.NoGoal {
		q.TargetGoal = nil
	}
	saved := s.Query(q.Query)
	if saved == nil {
		return refuse(NotFound, "there is no query %d", q.Query)
	}
	return checkDrawing(q, saved.Entity)
}

// checkDrawing fills in defaults and refuses what cannot be drawn of the rows of an entity.
// entity bounds the types: a query for cases has nothing to count as pass/fail. The error's Field is LAVA's name of the
// setting.
func checkDrawing(q *events.ChartQuery, entity events.QueryEntity) error {
	// Only what is zero: 0 is no height, and "" no type.
	fill(&q.Type, events.ChartPassFail)
	fill(&q.Height, usualHeight)
	fill(&q.Visibility, events.ShowChart)
	fill(&q.Representation, events.ChartLines)
	if err := (query.Plot{Type: q.Type, Attributes: q.Attributes}).Check(entity); err != nil {
		return &Error{Code: Invalid, Field: "chart_type", Message: err.Error()}
	}
	field, wrong := "", ""
	switch keys := strings.Join(q.Attributes, ","); {
	case q.Height < leastHeight || q.Height > mostHeight:
		field, wrong = "chart_height", fmt.Sprintf("chart_height is %d; allowed are %d to %d pixels", q.Height, leastHeight, mostHeight)
	case !slices.Contains([]events.ChartVisibility{events.ShowChart, events.ShowTable, events.ShowBoth}, q.Visibility):
		field, wrong = "chart_visibility", fmt.Sprintf("chart_visibility is %q; allowed are chart, table and both", q.Visibility)
	case q.Representation != events.ChartLines && q.Representation != events.ChartBars:
		field, wrong = "representation", fmt.Sprintf("representation is %q; allowed are lines and bars", q.Representation)
	case len(q.XAxis) > mostAxis:
		field, wrong = "xaxis_attribute", fmt.Sprintf("xaxis_attribute has %d bytes; allowed are %d", len(q.XAxis), mostAxis)
	case len(keys) > mostAttribute || slices.Contains(q.Attributes, ""):
		field, wrong = "attributes", fmt.Sprintf("attributes is %.40q; allowed are metadata keys of together %d bytes, separated by commas", keys, mostAttribute)
	case q.TargetGoal != nil && (math.IsNaN(*q.TargetGoal) || math.IsInf(*q.TargetGoal, 0)):
		field, wrong = "target_goal", "target_goal is not a number"
	default:
		return nil
	}
	return &Error{Code: Invalid, Field: field, Message: wrong}
}

// fill sets what is not set.
func fill[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// ChartQueryRef names one query of a chart.
type ChartQueryRef struct {
	ChartRef
	Number int `json:"number"`
}

// dropChartQuery takes a query out of a chart. The query itself stays.
func (a *api) dropChartQuery(ctx context.Context, who caller, in ChartQueryRef) (SavedChart, error) {
	return a.changeChart(ctx, who, func(s *lab.State) (events.ChartSaved, error) {
		c, err := in.mayChart(s, who, lab.Change)
		if err != nil {
			return events.ChartSaved{}, err
		}
		e := c.ChartSaved
		e.Queries = slices.DeleteFunc(slices.Clone(e.Queries), func(q events.ChartQuery) bool { return q.Number == in.Number })
		if len(e.Queries) == len(c.Queries) {
			return e, noDrawing(c, in.Number)
		}
		return e, nil
	})
}

// ChartOrder puts the queries of a chart into another order.
type ChartOrder struct {
	ChartRef
	Numbers []int `json:"numbers"` // of all its queries
}

// orderChart puts the queries of a chart into another order.
// All numbers have to be named: with a part of them the place of the others would be a guess.
func (a *api) orderChart(ctx context.Context, who caller, in ChartOrder) (SavedChart, error) {
	return a.changeChart(ctx, who, func(s *lab.State) (events.ChartSaved, error) {
		c, err := in.mayChart(s, who, lab.Change)
		if err != nil {
			return events.ChartSaved{}, err
		}
		e := c.ChartSaved
		e.Queries = nil
		for i, n := range in.Numbers {
			q := c.Query(n)
			if q == nil {
				return e, noDrawing(c, n)
			}
			if slices.Contains(in.Numbers[:i], n) {
				return e, &Error{Code: Invalid, Field: "numbers", Message: fmt.Sprintf("numbers has %d twice", n)}
			}
			e.Queries = append(e.Queries, *q)
		}
		if len(e.Queries) != len(c.Queries) {
			return e, &Error{Code: Invalid, Field: "numbers", Message: fmt.Sprintf("numbers names %d of the chart's %d queries; name all", len(e.Queries), len(c.Queries))}
		}
		return e, nil
	})
}
