package projections

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/events/stream"
)

// removalRow is a row of removals.
type removalRow struct {
	Job      uint64    `ch:"job"`
	LogsOnly bool      `ch:"logs_only"`
	By       string    `ch:"by"`
	Reason   string    `ch:"reason"`
	Time     time.Time `ch:"time"`
	Seq      uint64    `ch:"seq"`
}

func removalRows(f fact) []removalRow {
	e, ok := f.Event.(events.JobRemoved)
	if !ok {
		return nil
	}
	return []removalRow{{uint64(e.Job), e.LogsOnly, string(e.By), e.Reason, utc(f.Time), f.Seq}}
}

// keepRow is a row of keeps.
type keepRow struct {
	Job    uint64    `ch:"job"`
	Kind   string    `ch:"kind"`
	User   string    `ch:"user"`
	Kept   bool      `ch:"kept"`
	By     string    `ch:"by"`
	Reason string    `ch:"reason"`
	Time   time.Time `ch:"time"`
	Seq    uint64    `ch:"seq"`
}

func keepRows(f fact) []keepRow {
	switch e := f.Event.(type) {
	case events.JobPinned:
		return []keepRow{{uint64(e.Job), "pin", "", e.Pinned, string(e.By), e.Reason, utc(f.Time), f.Seq}}
	case events.JobFavoured:
		return []keepRow{{uint64(e.Job), "favourite", string(e.By), e.Favourite, string(e.By), "", utc(f.Time), f.Seq}}
	}
	return nil
}

// erasedJobs are the jobs whose rows have to go, as far as one projector knows. Facts of LAB and rows of the other
// streams arrive in any order: whichever comes last has the rows erased.
type erasedJobs struct {
	mu   sync.Mutex
	jobs map[events.JobID]bool
}

// loadErased returns the jobs that were erased so far.
func loadErased(ctx context.Context, db *DB) (*erasedJobs, error) {
	type removed struct {
		Job uint64 `ch:"job"`
	}
	rows, err := all[removed](ctx, db, "SELECT DISTINCT job FROM removals")
	if err != nil {
		return nil, fmt.Errorf("ask which jobs were erased: %w", err)
	}
	e := &erasedJobs{jobs: map[events.JobID]bool{}}
	for _, r := range rows {
		e.jobs[events.JobID(r.Job)] = true
	}
	return e, nil
}

// concerns notes a removal, and tells whether a message brings rows that have to go, or says that some have.
func (e *erasedJobs) concerns(m stream.Message, f fact) bool {
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch is := f.Event.(type) {
	case events.JobRemoved:
		e.jobs[is.Job] = true
		return true
	case events.ResultsRecorded:
		return e.jobs[is.Job]
	case events.NotificationPlanned:
		return e.jobs[is.Job]
	case events.NotificationSent:
		return e.jobs[is.Job]
	case events.NotificationFailed:
		return e.jobs[is.Job]
	case events.NotificationReplayed:
		return e.jobs[is.Job]
	}
	job, ok := strings.CutPrefix(m.Subject, "output.")
	if !ok || len(e.jobs) == 0 {
		return false
	}
	for id := range e.jobs {
		if id.String() == job {
			return true
		}
	}
	return false
}

// stays tells whether a table keeps its rows of a job that was erased: they say what the facts say, which stay. The
// story of a device is not the job's to take along; it holds no word of the job's but its number.
func stays(table string) bool {
	return slices.Contains([]string{"job_state", "job_transitions", "device_transitions", "removals", "keeps", "aged", "job_viewers"}, table)
}

// erase removes the rows of erased jobs, for good: parts are written anew, so nothing is left on disk.
// Readers see the rows until then. It does nothing where none are left.
func (db *DB) erase(ctx context.Context) error {
	type table struct {
		Name string `ch:"table"`
	}
	tables, err := all[table](ctx, db, `SELECT c.table AS table FROM system.columns AS c INNER JOIN system.tables AS t ON c.database = t.database AND c.table = t.name
		WHERE c.database = {database:String} AND c.name = 'job' AND t.engine LIKE '%MergeTree' ORDER BY table`, clickhouse.Named("database", db.database))
	if err != nil {
		return fmt.Errorf("erase rows: %w", err)
	}
	conditions := map[string]string{"events": "stream = 'RESULTS' AND toUInt64OrZero(entity) IN (SELECT job FROM removals WHERE NOT logs_only)"}
	for _, t := range tables {
		switch {
		case stays(t.Name):
		case strings.HasPrefix(t.Name, "log_"):
			conditions[t.Name] = "job IN (SELECT job FROM removals)"
		default:
			conditions[t.Name] = "job IN (SELECT job FROM removals WHERE NOT logs_only)"
		}
	}
	words := false // of logs
	for name, condition := range conditions {
		type count struct {
			Rows uint64 `ch:"rows"`
		}
		left, err := all[count](ctx, db, "SELECT count() AS rows FROM "+quoteName(name)+" WHERE "+condition)
		if err == nil && left[0].Rows > 0 {
			err = db.alter(ctx, "ALTER TABLE "+quoteName(name)+" DELETE WHERE "+condition)
			words = words || name == "log_template_jobs"
		}
		if err != nil {
			return fmt.Errorf("erase rows of %s: %w", name, err)
		}
	}
	if words {
		// The words of an erased log are in templates too. One that is just being inserted has its places already.
		if err := db.alter(ctx, "ALTER TABLE log_templates DELETE WHERE template NOT IN (SELECT template FROM log_template_jobs)"); err != nil {
			return fmt.Errorf("erase templates that no log has any more: %w", err)
		}
	}
	return nil
}

// eraseTemplates removes the templates of lines that only erased logs had. Whoever calls it has claimed the tables
// and inserts nothing meanwhile: a template is there a moment before the jobs that have it.
func (db *DB) eraseTemplates(ctx context.Context) error {
	const left = "template NOT IN (SELECT template FROM log_template_jobs)"
	type count struct {
		Rows uint64 `ch:"rows"`
	}
	found, err := all[count](ctx, db, "SELECT count() AS rows FROM log_templates WHERE "+left)
	if err == nil && found[0].Rows > 0 {
		err = db.alter(ctx, "ALTER TABLE log_templates DELETE WHERE "+left)
	}
	if err != nil {
		return fmt.Errorf("erase templates: %w", err)
	}
	return nil
}

// alter runs a statement that writes parts anew, and waits for it.
func (db *DB) alter(ctx context.Context, statement string, values ...any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"mutations_sync": 2, "allow_nondeterministic_mutations": 1}))
	return away(db.conn.Exec(ctx, statement, values...))
}

// Removable is a job that is over, as rules of retention see it.
type Removable struct {
	Job     uint64    `ch:"job" json:"job"`
	Display string    `ch:"display" json:"display"`
	User    string    `ch:"user" json:"user"`
	Ended   time.Time `ch:"ended" json:"ended"`
	Lines   uint64    `ch:"lines" json:"lines"`
	Kept    []string  `ch:"kept" json:"kept,omitempty"` // why it stays: "pinned by alice", "a favourite of bob"
}

// RemovalFilter says which jobs that are over could be erased.
type RemovalFilter struct {
	Before   time.Time // that ended before then
	User     events.UserName
	LogsOnly bool     // those whose log is there
	Jobs     []uint64 // of these only; none: of all
	Limit    int
}

// Removable returns jobs that are over and all read, the oldest first, with what keeps them.
func (db *DB) Removable(ctx context.Context, f RemovalFilter) ([]Removable, error) {
	if f.Jobs == nil {
		f.Jobs = []uint64{}
	}
	return all[Removable](ctx, db, `SELECT j.job AS job, j.display AS display, j.user AS user, assumeNotNull(j.ended_at) AS ended, j.lines AS lines,
			k.why AS kept
		FROM jobs AS j LEFT JOIN (SELECT job, groupArray(if(kind = 'pin', concat('pinned by ', by), concat('a favourite of ', by))) AS why
			FROM keeps FINAL WHERE kept GROUP BY job) AS k ON k.job = j.job
		WHERE j.state = 'Finished' AND isNotNull(j.ended_at) AND j.ended_at < {before:DateTime64(6)} AND (j.complete OR j.lease = 0)
			AND ({user:String} = '' OR j.user = {user:String}) AND (empty({jobs:Array(UInt64)}) OR j.job IN {jobs:Array(UInt64)})
			AND NOT j.removed AND ({logs:Bool} = 0 OR j.job NOT IN (SELECT job FROM removals))
		ORDER BY job LIMIT {limit:UInt32}`,
		clickhouse.Named("before", f.Before.UTC().Format("2006-01-02 15:04:05.000000")), clickhouse.Named("user", string(f.User)),
		clickhouse.Named("jobs", f.Jobs), clickhouse.Named("logs", f.LogsOnly), clickhouse.Named("limit", uint32(f.Limit)))
}
