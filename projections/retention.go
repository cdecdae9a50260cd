package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/events/stream"
)

// Retention says how long the tables keep rows of a job after its end; 0 is for ever. Streams and archive
// know nothing of it. Jobs that are pinned, and anybody's favourites, keep all their rows, and every job
// its row of jobs, which is small and says what there was.
//
// Rows do not age by a TTL of their tables: they would go whatever is pinned, on a clock that no
// comparison with the log could know. Instead the projector notes in the table aged what is to go, and
// deletes what is noted there; [Projector.Verify] deletes the same of what it compares with.
type Retention struct {
	Logs         time.Duration // lines, and the indexes of the search
	Results      time.Duration // suites, sets, cases, what was judged of them, the facts of RESULTS
	Measurements time.Duration // numbers of cases
	History      time.Duration // steps of jobs and of their devices, messages about them, the facts of LAB about a job
	Files        time.Duration // bytes of files of tests, which no table has: the archive erases them ([DB.OldFiles]), and rows stay
	QueryItems   time.Duration // rows of refreshes of queries, from the refresh on; the last of a query stays
}

// aging is a kind of rows that leave the tables together.
type aging struct {
	what   string        // as aged says it
	after  time.Duration // the end of the job
	tables []string      // with a column job
	facts  string        // condition on the rows of events that go too; empty: none
}

func (r Retention) agings() []aging {
	return []aging{
		{"logs", r.Logs, []string{"log_line_state", "log_template_jobs", "log_words"}, ""},
		{"results", r.Results, []string{"test_suite_counts", "test_set_counts", "test_cases", "job_judgements", "case_changes"}, "stream = 'RESULTS'"},
		{"measurements", r.Measurements, []string{"measurements"}, ""},
		{"history", r.History, []string{"job_transitions", "device_transitions", "notification_steps"}, "stream = 'LAB' AND kind = 'job'"},
	}
}

// isAging tells whether a table notes what has left the others: the log does not make its rows.
func isAging(table string) bool { return table == "aged" || table == "aged_refreshes" }

// age applies the rules as of now. Jobs are judged by the tables, so these have to have all of LAB: a pin
// that has not arrived yet would keep nothing.
func (db *DB) age(ctx context.Context, r Retention, now time.Time) error {
	const layout = "2006-01-02 15:04:05.000000"
	for _, a := range r.agings() {
		if a.after == 0 {
			continue
		}
		err := db.alter(ctx, `INSERT INTO aged (job, what, ended_at, at)
			SELECT j.job, {what:String}, assumeNotNull(j.ended_at), {now:DateTime64(6)} FROM jobs AS j
			WHERE j.state = 'Finished' AND isNotNull(j.ended_at) AND j.ended_at < {before:DateTime64(6)} AND (j.complete OR j.lease = 0)
				AND j.job NOT IN (SELECT job FROM keeps FINAL WHERE kept)
				AND j.job NOT IN (SELECT job FROM aged WHERE what = {what:String})`,
			clickhouse.Named("what", a.what), clickhouse.Named("now", now.UTC().Format(layout)),
			clickhouse.Named("before", now.Add(-a.after).UTC().Format(layout)))
		if err != nil {
			return fmt.Errorf("look for %s that are too old: %w", a.what, err)
		}
	}
	if r.QueryItems > 0 {
		err := db.alter(ctx, `INSERT INTO aged_refreshes (query, seq, at)
			SELECT DISTINCT i.query, i.seq, {now:DateTime64(6)} FROM query_items AS i
			WHERE (i.query, i.seq) NOT IN (SELECT query, max(seq) FROM query_items GROUP BY query)
				AND i.seq IN (SELECT seq FROM events WHERE stream = 'LAB' AND type = {refreshed:String} AND time < {before:DateTime64(6)})`,
			clickhouse.Named("now", now.UTC().Format(layout)), clickhouse.Named("refreshed", "query.refreshed"),
			clickhouse.Named("before", now.Add(-r.QueryItems).UTC().Format(layout)))
		if err != nil {
			return fmt.Errorf("look for refreshes of queries that are too old: %w", err)
		}
	}
	return db.eraseAged(ctx)
}

// eraseAged deletes what aged says is gone: rows of jobs noted just now, and rows that came in late.
func (db *DB) eraseAged(ctx context.Context) error {
	for _, a := range (Retention{}).agings() {
		jobs := "IN (SELECT job FROM aged WHERE what = '" + a.what + "')"
		for _, table := range a.tables {
			if err := db.deleteWhere(ctx, table, "job "+jobs); err != nil {
				return err
			}
		}
		if a.facts == "" {
			continue
		}
		if err := db.deleteWhere(ctx, "events", a.facts+" AND toUInt64OrZero(entity) "+jobs); err != nil {
			return err
		}
	}
	return db.deleteWhere(ctx, "query_items", "(query, seq) IN (SELECT query, seq FROM aged_refreshes)")
}

// deleteWhere deletes rows where there are any: to delete none would write nothing, but note a mutation.
func (db *DB) deleteWhere(ctx context.Context, table, condition string) error {
	type count struct {
		Rows uint64 `ch:"rows"`
	}
	left, err := patiently[count](ctx, db, "SELECT count() AS rows FROM "+table+" WHERE "+condition)
	if err == nil && left[0].Rows > 0 {
		err = db.alter(ctx, "ALTER TABLE "+table+" DELETE WHERE "+condition)
	}
	if err != nil {
		return fmt.Errorf("delete old rows of %s: %w", table, err)
	}
	return nil
}

// takeAged notes in db what has left other tables, and deletes it.
func (db *DB) takeAged(ctx context.Context, other *DB) error {
	for _, table := range []string{"aged", "aged_refreshes"} {
		if err := db.alter(ctx, "INSERT INTO "+table+" SELECT * FROM "+quoteName(other.database)+"."+table); err != nil {
			return fmt.Errorf("read what has left the tables: %w", err)
		}
	}
	return db.eraseAged(ctx)
}

// anyAged tells whether the log of any job has left the tables.
func (db *DB) anyAged(ctx context.Context) (bool, error) {
	list, err := all[Aged](ctx, db, "SELECT job, what, ended_at, at FROM aged WHERE what = 'logs' LIMIT 1")
	return len(list) > 0, err
}

// Aged says that rows of a job have left the tables.
type Aged struct {
	Job   uint64    `ch:"job" json:"job"`
	What  string    `ch:"what" json:"what"` // logs, results, measurements, history
	Ended time.Time `ch:"ended_at" json:"ended"`
	At    time.Time `ch:"at" json:"at"` // when they left
}

// Aged returns what the tables do not have any more of a job, by its name.
func (db *DB) Aged(ctx context.Context, job events.JobID) ([]Aged, error) {
	return all[Aged](ctx, db, "SELECT job, what, ended_at, at FROM aged FINAL WHERE job = {job:UInt64} ORDER BY what",
		clickhouse.Named("job", uint64(job)))
}

// agingPause is how long the rules rest once they have been applied.
const agingPause = time.Hour

// applyRetention applies the rules as soon as the tables have the log, and again every hour, until ctx ends. What
// goes wrong is tried again then: nobody waits for it.
func (p *Projector) applyRetention(ctx context.Context, claim *claim) {
	if p.s.Retention == (Retention{}) || p.s.Now == nil {
		return
	}
	for ctx.Err() == nil {
		err := p.awaitLab(ctx)
		if err == nil {
			err = claim.held(ctx)
		}
		if err == nil {
			err = p.s.DB.age(ctx, p.s.Retention, p.s.Now())
		}
		if errors.Is(err, ErrSuperseded) {
			return
		}
		if err != nil && ctx.Err() == nil {
			p.log.Warn("rules of retention could not be applied", "err", err, "again", agingPause)
		}
		p.step("aged")
		wait(ctx, agingPause)
	}
}

// awaitLab returns once the tables have what LAB has now.
func (p *Projector) awaitLab(ctx context.Context) error {
	last, err := p.s.Log.Last(ctx, stream.Lab)
	for err == nil && p.counts[stream.Lab].Position.Load() < last {
		wait(ctx, 200*time.Millisecond)
		err = ctx.Err()
	}
	return err
}
