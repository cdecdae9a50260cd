package projections

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"strata/events"
	"strata/projections/query"
)

// PlotPoint is one point of a chart, as a statement of [query.CompilePlot] finds it.
type PlotPoint struct {
	Job       uint64    `ch:"job"`
	Suite     string    `ch:"suite"` // empty where it is about the job
	Set       string    `ch:"set"`
	Name      string    `ch:"name"` // of the case, empty where it is about a suite or job
	Key       string    `ch:"key"`  // of type attributes: the metadata key
	Seq       uint64    `ch:"seq"`  // of a case: its sequence in RESULTS
	N         uint32    `ch:"n"`    // and its number within that message
	Value     float64   `ch:"value"`
	Units     string    `ch:"units"` // of a measurement
	Pass      bool      `ch:"pass"`
	Passes    uint64    `ch:"passes"` // of pass/fail
	Failures  uint64    `ch:"failures"`
	Skips     uint64    `ch:"skips"`
	Unknowns  uint64    `ch:"unknowns"`
	At        time.Time `ch:"at"`
	Attribute string    `ch:"attribute"` // what the job's metadata have under the axis's key
	Series    string    `ch:"series"`    // and under the key that tells series apart
}

// Item names the row that the point is about.
func (p PlotPoint) Item() events.QueryItem {
	return events.QueryItem{Job: events.JobID(p.Job), Suite: p.Suite, Seq: p.Seq, N: uint64(p.N)}
}

// Plot runs a statement of [query.CompilePlot] and hands over each point, as [DB.Select] does rows.
func (db *DB) Plot(ctx context.Context, s query.Statement, b Bounds, each func(PlotPoint) error) error {
	return db.stream(ctx, s, b, func(rows driver.Rows) error {
		var p PlotPoint
		if err := rows.ScanStruct(&p); err != nil {
			return away(err)
		}
		p.At = p.At.UTC()
		return each(p)
	})
}
