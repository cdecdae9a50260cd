package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
)

// AgedOut says what a question can no longer find: rows of jobs that left the tables by a rule of
// retention. Streams and archive have them still.
type AgedOut struct {
	What    string    `ch:"what" json:"what"` // logs, results, measurements or history; see [Retention]
	Jobs    uint64    `ch:"jobs" json:"jobs"`
	Through time.Time `ch:"through" json:"through"` // when the last of these jobs ended
}

// AgedOut tells of which jobs that the viewer may see rows of a kind have left the tables, as far as a
// question was about them: of those listed, or of all where none is, and of those that ended since
// then. It is nil where nothing has left.
func (db *DB) AgedOut(ctx context.Context, v Viewer, what string, jobs []events.JobID, since time.Time) (*AgedOut, error) {
	where, values := "what = {what:String}", []any{clickhouse.Named("what", what)}
	if len(jobs) > 0 {
		where, values = where+" AND job IN {jobs:Array(UInt64)}", append(values, clickhouse.Named("jobs", numbers(jobs)))
	}
	if !since.IsZero() {
		where, values = where+" AND ended_at >= {since:DateTime64(6)}", append(values, stampOf("since", since))
	}
	seen := seenBy(v)
	seen.add("lease > 0") // others never had any
	where, values = where+" AND job IN ("+seen.query("job IN (SELECT job FROM aged WHERE what = {what:String})")+")", append(values, seen.values...)
	rows, err := all[AgedOut](ctx, db, "SELECT what, uniqExact(job) AS jobs, max(ended_at) AS through FROM aged WHERE "+where+" GROUP BY what", values...)
	if err != nil {
		return nil, fmt.Errorf("ask what has left the tables: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}
