package projections

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/projections/sql"
)

// jobsOf is a condition on jobs: which of them a viewer may see and a filter wants. It becomes a
// subquery on the columns of the view jobs that it names.
type jobsOf struct {
	where  []string
	values []any
}

// seenBy begins a condition: jobs that a viewer may see and that have not been removed.
func seenBy(v Viewer) *jobsOf {
	j := &jobsOf{where: []string{"NOT removed"}}
	if !v.All {
		j.where = append(j.where, sql.Seen(v, func(name, typ string, value any) string {
			j.values = append(j.values, clickhouse.Named(name, value))
			return "{" + name + ":" + typ + "}"
		}))
	}
	return j
}

// add adds what must hold of a job too.
func (j *jobsOf) add(condition string, values ...any) {
	j.where, j.values = append(j.where, condition), append(j.values, values...)
}

// query returns the subquery, over jobs for which where holds too.
func (j *jobsOf) query(where string) string {
	return selectJobs([]string{"job"}, where+" AND "+strings.Join(j.where, " AND "))
}

// MaySee reports whether a job is in the tables and the viewer may see it.
func (db *DB) MaySee(ctx context.Context, v Viewer, job events.JobID) (bool, error) {
	type found struct {
		Job uint64 `ch:"job"`
	}
	seen := seenBy(v)
	rows, err := all[found](ctx, db, seen.query("job = {job:UInt64}"), append(seen.values, clickhouse.Named("job", uint64(job)))...)
	if err != nil {
		return false, fmt.Errorf("ask who may see job %d: %w", job, err)
	}
	return len(rows) > 0, nil
}
