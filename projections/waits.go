package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/projections/sql"
)

// Waits says how long jobs waited for their device, from submission to start.
type Waits struct {
	Jobs   uint64  `ch:"jobs" json:"jobs"`
	Median float64 `ch:"median" json:"median_s"` // seconds
	P90    float64 `ch:"p90" json:"p90_s"`       // seconds; nine of ten waited no longer
}

// Waits sums up the jobs of device types that were submitted since a time and have started; nil where there are
// none. Health checks do not count: they go ahead of everybody.
func (db *DB) Waits(ctx context.Context, types []events.DeviceTypeName, since time.Time) (*Waits, error) {
	stands := `NOT health_check AND isNotNull(wait_seconds) AND job IN (
			SELECT job FROM job_state WHERE device_type IN {types:Array(String)} AND submitted_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC'))`
	rows, err := all[Waits](ctx, db, `SELECT count() AS jobs, quantileExact(0.5)(assumeNotNull(wait_seconds)) AS median, quantileExact(0.9)(assumeNotNull(wait_seconds)) AS p90
		FROM `+sql.Jobs(stands)+" WHERE "+stands,
		clickhouse.Named("types", texts(types)), clickhouse.Named("since", since.UnixMicro()))
	if err != nil {
		return nil, fmt.Errorf("ask how long jobs waited: %w", err)
	}
	if rows[0].Jobs == 0 {
		return nil, nil
	}
	return &rows[0], nil
}
