package api

import (
	"context"

	"strata/events"
	"strata/projections"
)

// ChartExport opens all points of one query of a chart, or of a custom chart, as a file. The messages
// are its bytes.
type ChartExport struct {
	ChartDataRequest
	Custom *ChartCustom `json:"custom,omitempty"`
	Format string       `json:"format"` // csv, yaml or json
}

// openChartExport sends the points of a chart, the oldest first, as many as there are.
// Unlike a drawing it is not bounded by what can be looked at, but by [exportTime] and [exportRows], and a row is never
// held longer than the piece that it is sent in. What was sent stands, also where the flow then ends with an error.
func (a *api) openChartExport(who caller, body []byte) (producer, error) {
	in, err := decode[ChartExport](body)
	if err != nil {
		return nil, err
	}
	write, err := newExporter(in.Format)
	if err != nil {
		return nil, err
	}
	p, err := a.onePlot(who, in.ChartDataRequest, in.Custom)
	switch {
	case err != nil:
		return nil, err
	case p.out.Error != "":
		return nil, refuse(Conflict, "%s", p.out.Error)
	case a.history.DB == nil:
		return nil, away(errNoHistory)
	}
	// Compiled before the flow opens, so that a query that cannot be is refused at once. Limit 0 is all, the oldest first.
	s, err := p.statement(p.plot)
	if err != nil {
		return nil, queryError(err)
	}
	return func(ctx context.Context, emit func(message) error) error {
		if err := a.keptRows(ctx, p.wait); err != nil {
			return err
		}
		a.tablesCatchUp(ctx)
		a.resultsCatchUp(ctx)
		out := &chunks{emit: emit}
		if write.begin(p.out.Entity); in.Format == "csv" {
			// The columns are those of points, not of the entity that begin has written.
			write.out.Reset()
			write.csvRow(headOf(pointCells(p.out.Type, ChartPoint{})))
		}
		err := a.history.DB.Plot(ctx, s, projections.Bounds{Time: exportTime, Read: exportRows}, func(row projections.PlotPoint) error {
			write.row(pointCells(p.out.Type, p.out.point(row)))
			return write.pass(out)
		})
		if err != nil {
			return selectError(err)
		}
		write.end()
		if err := write.pass(out); err != nil {
			return err
		}
		return out.flush()
	}, nil
}

// pointCells is a point as its file has it, by the names that LAVA's data for charts have.
// The columns hang on the type alone, so that a file without rows has its head.
func pointCells(t events.ChartType, p ChartPoint) []cell {
	cells := []cell{{"id", p.ID}, {"pk", p.Item}, {"link", p.Link}, {"date", p.Date}, {"attribute", p.Attribute}, {"series", p.Series}, {"pass", p.Pass}}
	switch t {
	case events.ChartPassFail:
		return append(cells, cell{"passes", orNone(p.Passes)}, cell{"failures", orNone(p.Failures)}, cell{"skip", orNone(p.Skip)},
			cell{"unknown", orNone(p.Unknown)}, cell{"total", orNone(p.Total)}, cell{"value", p.Value})
	case events.ChartMeasurement:
		return append(cells, cell{"measurement", orNone(p.Measurement)}, cell{"units", p.Units})
	}
	return append(cells, cell{"attr_value", orNone(p.AttrValue)})
}

// headOf returns the names of cells in their place.
func headOf(cells []cell) []cell {
	for i, c := range cells {
		cells[i].value = c.name
	}
	return cells
}
