package projections

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
)

// maxFavourites bounds the list of a user's favourites; the newest jobs are in it.
const maxFavourites = 1000

// favourite is a row of the list.
type favourite struct {
	Job uint64 `ch:"job"`
}

// Favourites returns the numbers of the jobs that a user keeps, the newest first. It does not ask whether they
// may still be seen: whoever shows them does.
func (db *DB) Favourites(ctx context.Context, user events.UserName) ([]events.JobID, error) {
	rows, err := all[favourite](ctx, db, `SELECT job FROM keeps FINAL WHERE kind = 'favourite' AND user = {user:String} AND kept
		ORDER BY job DESC LIMIT {limit:UInt32}`, clickhouse.Named("user", string(user)), clickhouse.Named("limit", uint32(maxFavourites)))
	jobs := make([]events.JobID, len(rows))
	for i, r := range rows {
		jobs[i] = events.JobID(r.Job)
	}
	return jobs, err
}
