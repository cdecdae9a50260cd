package projections

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
)

// jobsOf is a condition on jobs: which of them a viewer may see and a filter wants. It becomes a
// subquery on job_state, where each job has several rows until they are merged.
type jobsOf struct {
	having []string
	values []any
}

// seenBy begins a condition: jobs that a viewer may see and that have not been removed.
func seenBy(v Viewer) *jobsOf {
	j := &jobsOf{having: []string{"max(s.removed) = 0"}}
	if !v.All {
		j.add("(max(s.public) = 1 OR max(s.user) = {viewer:String})", clickhouse.Named("viewer", string(v.User)))
	}
	return j
}

// add adds what must hold of a job too.
func (j *jobsOf) add(condition string, values ...any) {
	j.having, j.values = append(j.having, condition), append(j.values, values...)
}

// query returns the subquery, over jobs for which where holds.
func (j *jobsOf) query(where string) string {
	return "SELECT s.job FROM job_state AS s WHERE " + where + " GROUP BY s.job HAVING " + strings.Join(j.having, " AND ")
}

// MaySee reports whether a job is in the tables and the viewer may see it.
func (db *DB) MaySee(ctx context.Context, v Viewer, job events.JobID) (bool, error) {
	type found struct {
		Job uint64 `ch:"job"`
	}
	seen := seenBy(v)
	rows, err := all[found](ctx, db, seen.query("s.job = {job:UInt64}"), append(seen.values, clickhouse.Named("job", uint64(job)))...)
	if err != nil {
		return false, fmt.Errorf("ask who may see job %d: %w", job, err)
	}
	return len(rows) > 0, nil
}
