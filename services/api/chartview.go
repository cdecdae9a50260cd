package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/projections/query"
)

// ChartView says how the caller wants to see one query of a chart from now on. What is nil stays.
// It is the user's own and changes nothing for others, as LAVA's ChartQueryUser is.
type ChartView struct {
	ChartQueryRef
	Start  *time.Time `json:"start_date,omitempty"`        // the zero time shows all
	Legend *bool      `json:"is_legend_visible,omitempty"` // true at first
	Deltas *bool      `json:"is_delta,omitempty"`
}

// ChartViewed is how a user sees one query of a chart.
type ChartViewed struct {
	Start  time.Time `json:"start_date,omitzero"`
	Legend bool      `json:"is_legend_visible"`
	Deltas bool      `json:"is_delta"`
}

func viewed(v events.ChartViewChosen) ChartViewed { return ChartViewed{v.Start, !v.Plain, v.Deltas} }

// chooseView records how a user sees a query of a chart. Who may see the chart may choose.
// A choice that is made already is no fact: pages send the whole form.
func (a *api) chooseView(ctx context.Context, who caller, in ChartView) (out ChartViewed, err error) {
	err = a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := covered(who, lab.Change, events.Chart); err != nil {
			return nil, err
		}
		c, err := in.mayChart(s, who, lab.View)
		if err != nil {
			return nil, err
		}
		if c.Query(in.Number) == nil {
			return nil, noDrawing(c, in.Number)
		}
		was := c.View(in.Number, who.user)
		v := was
		if in.Start != nil {
			// Points are compared to the second, and a fraction would make each choice another.
			v.Start = in.Start.UTC().Truncate(time.Second)
		}
		if in.Legend != nil {
			v.Plain = !*in.Legend
		}
		set(&v.Deltas, in.Deltas)
		if out = viewed(v); v == was {
			return nil, nil
		}
		return []events.Event{v}, nil
	})
	return out, err
}

// ChartItem names a row of one query of a chart, as [query.ItemID] writes it.
type ChartItem struct {
	ChartQueryRef
	Item string `json:"item"`
}

// omitFromChart leaves a row out of one query of a chart. Other charts of the query, and its own
// results, keep it: whoever may change a chart need not be who may change the query.
func (a *api) omitFromChart(ctx context.Context, who caller, in ChartItem) (SavedChart, error) {
	return a.changeOmission(ctx, who, in, func(c *lab.Chart, o lab.ChartOmission, left bool) (events.Event, error) {
		if left {
			return nil, nil
		}
		// Each goes into the statement's text; a condition says the same in one.
		if len(c.Omitted) >= mostOmitted {
			return nil, refuse(Conflict, "%d rows are left out of chart %s already; add a condition to its query instead", mostOmitted, c.Name)
		}
		return events.ChartResultOmitted{Chart: c.Chart, Number: o.Number, Item: o.Item, By: who.user}, nil
	})
}

// includeInChart takes back what [api.omitFromChart] did.
func (a *api) includeInChart(ctx context.Context, who caller, in ChartItem) (SavedChart, error) {
	return a.changeOmission(ctx, who, in, func(c *lab.Chart, o lab.ChartOmission, left bool) (events.Event, error) {
		if !left {
			return nil, nil
		}
		return events.ChartResultIncluded{Chart: c.Chart, Number: o.Number, Item: o.Item, By: who.user}, nil
	})
}

// changeOmission finds the row of a request; left says that it is left out already.
// change returns nil where all is as asked; who may change the chart need not see the job of the
// row.
func (a *api) changeOmission(ctx context.Context, who caller, in ChartItem, change func(c *lab.Chart, o lab.ChartOmission, left bool) (events.Event, error)) (SavedChart, error) {
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		c, err := in.mayChart(s, who, lab.Change)
		if err != nil {
			return nil, err
		}
		q := c.Query(in.Number)
		if q == nil {
			return nil, noDrawing(c, in.Number)
		}
		saved := s.Query(q.Query)
		if saved == nil {
			return nil, refuse(NotFound, "there is no query %d", q.Query)
		}
		item, ok := query.ParseItem(saved.Entity, in.Item)
		if !ok {
			return nil, &Error{Code: Invalid, Field: "item", Message: fmt.Sprintf("item is %s; a row is named as `strata chart export` names it, such as 42, 42/0_smoke or 42/812.3",
				strconv.Quote(in.Item))}
		}
		o := lab.ChartOmission{Number: in.Number, Item: item}
		e, err := change(c, o, slices.Contains(c.Omitted, o))
		if e == nil || err != nil {
			return nil, err
		}
		return []events.Event{e}, nil
	})
	if err != nil {
		return SavedChart{}, err
	}
	return a.showChart(ctx, who, in.ChartRef)
}
