package projections

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/projections/sql"
)

// JobSelection says which jobs are wanted, for whom, in which order. Removed ones are left out.
type JobSelection struct {
	Viewer Viewer
	Terms  []JobTerm      // all must hold
	Except []events.JobID // that the caller knows better than the tables
	Order  []JobOrder     // none: by number, the newest first
	Offset int            // rows left out at the beginning
	Limit  int            // of a page; 0 is 50, at most 10,000
	Newest events.JobID   // that there may be; 0: not known. The newest page is found sooner with it
	From   events.JobID   // no job below it
	Below  events.JobID   // only jobs below it; 0: all
}

// JobOrder is a key of an order: id, submit_time, start_time or end_time.
type JobOrder struct {
	Field string `json:"field"`
	Desc  bool   `json:"desc,omitempty"`
	// NullsFirst has jobs without that time before all others; else they stand last, whatever the direction. LAVA's
	// interfaces want it where the order goes down: its database holds what is missing to be above all values.
	NullsFirst bool `json:"nulls_first,omitempty"`
}

// Before tells whether a comes before b in an order. Numbers decide between what is equal.
func Before(order []JobOrder, a, b *SelectedJob) bool {
	for _, o := range order {
		if c := o.compare(a, b); c != 0 {
			return c < 0
		}
	}
	return a.Job.Job > b.Job.Job
}

func (o JobOrder) compare(a, b *SelectedJob) int {
	i := slices.IndexFunc(jobFields(), func(f jobField) bool { return f.name == o.Field })
	if i < 0 {
		return 0
	}
	f, sign := jobFields()[i], 1
	if o.Desc {
		sign = -1
	}
	if f.kind == termTime {
		x, y := f.time(a), f.time(b)
		switch {
		case x == nil && y == nil:
			return 0
		case (x == nil) != (y == nil):
			if (x == nil) == o.NullsFirst {
				return -1
			}
			return 1
		}
		return sign * x.Compare(*y)
	}
	switch x, y := f.number(a), f.number(b); {
	case x < y:
		return -sign
	case x > y:
		return sign
	}
	return 0
}

// CheckOrder refuses keys that jobs cannot be ordered by.
func CheckOrder(order []JobOrder) error {
	for _, o := range order {
		if !slices.Contains([]string{"id", "submit_time", "start_time", "end_time"}, o.Field) {
			return fmt.Errorf("order by %q: want id, submit_time, start_time or end_time", o.Field)
		}
	}
	return nil
}

// where writes the selection as a condition on the view jobs.
func (s JobSelection) where() (string, []any, error) {
	seen := seenBy(s.Viewer)
	conditions, values := seen.where, seen.values
	if len(s.Except) > 0 {
		except := make([]uint64, len(s.Except))
		for i, j := range s.Except {
			except[i] = uint64(j)
		}
		conditions = append(conditions, "job NOT IN {except:Array(UInt64)}")
		values = append(values, clickhouse.Named("except", except))
	}
	if s.From > 0 {
		conditions, values = append(conditions, "job >= {from:UInt64}"), append(values, clickhouse.Named("from", uint64(s.From)))
	}
	if s.Below > 0 {
		conditions, values = append(conditions, "job < {below:UInt64}"), append(values, clickhouse.Named("below", uint64(s.Below)))
	}
	for i, t := range s.Terms {
		c, bound, err := t.sql(fmt.Sprintf("t%d", i))
		if err != nil {
			return "", nil, err
		}
		conditions, values = append(conditions, c), append(values, bound...)
	}
	return strings.Join(conditions, " AND "), values, nil
}

// orderBy writes the order.
func (s JobSelection) orderBy() string {
	var keys []string
	for _, o := range s.Order {
		for _, f := range jobFields() {
			if f.name == o.Field {
				direction := " ASC"
				if o.Desc {
					direction = " DESC"
				}
				nulls := " NULLS LAST"
				if o.NullsFirst {
					nulls = " NULLS FIRST"
				}
				keys = append(keys, f.column+direction+nulls)
			}
		}
	}
	return strings.Join(append(keys, "job DESC"), ", ")
}

// SelectJobs returns a page of the jobs that are wanted.
func (db *DB) SelectJobs(ctx context.Context, s JobSelection) ([]SelectedJob, error) {
	if err := CheckOrder(s.Order); err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	condition, values, err := s.where()
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	values = append(values, clickhouse.Named("limit", limit(s.Limit)), clickhouse.Named("offset", uint64(max(s.Offset, 0))))
	names := append(columns[Job](), "group_id", "queue_timeout")
	page := condition + " ORDER BY " + s.orderBy() + " LIMIT {limit:UInt64} OFFSET {offset:UInt64}"
	if low := s.window(); low > 0 || s.near() {
		// One question, as every question of so many columns costs more to plan than this one to answer.
		list, err := all[SelectedJob](ctx, db, selectJobs(names, "job > {low:UInt64} AND "+page), append(values[:len(values):len(values)], clickhouse.Named("low", low))...)
		if err != nil {
			return nil, fmt.Errorf("list jobs: %w", err)
		}
		if low == 0 || len(list) == int(limit(s.Limit)) {
			return list, nil
		}
	}
	// The numbers first, by the few columns that the conditions need; then whole rows of one page.
	list, err := all[SelectedJob](ctx, db, selectJobs(names, "job IN (SELECT job FROM "+sql.Jobs(page)+" WHERE "+page+") ORDER BY "+s.orderBy()), values...)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return list, nil
}

// near tells whether a page stands so close to the end of few numbers that whole rows may be read up to it.
func (s JobSelection) near() bool {
	return s.Below > 0 && uint64(s.Below-s.From) <= maxNarrow && s.Offset <= maxNear
}

// maxNear is how many rows in front of a page may be read whole to leave them out: they are in a few of the pieces
// that the engine reads at once. Beyond it the rows' fifty columns take longer than to plan a question within another.
const maxNear = 512

// maxNarrow is how many numbers From and Below may have between them for whole rows to be read at once.
const maxNarrow = 1 << 14

// window returns the number behind which the page that is wanted most likely lies, where the newest come
// first; 0 where that is not known.
func (s JobSelection) window() uint64 {
	newestFirst := len(s.Order) == 0 || s.Order[0] == JobOrder{Field: "id", Desc: true}
	width := 1024 + 8*uint64(max(s.Offset, 0)) + 8*limit(s.Limit)
	if !newestFirst || width > maxNarrow || s.Below > 0 || uint64(s.Newest) <= width {
		return 0
	}
	return uint64(s.Newest) - width
}

// CountSelected counts the jobs that are wanted, without regard to Offset and Limit.
func (db *DB) CountSelected(ctx context.Context, s JobSelection) (uint64, error) {
	condition, values, err := s.where()
	if err != nil {
		return 0, fmt.Errorf("count jobs: %w", err)
	}
	type counted struct {
		Jobs uint64 `ch:"jobs"`
	}
	rows, err := all[counted](ctx, db, "SELECT count() AS jobs FROM "+sql.Jobs(condition)+" WHERE "+condition, values...)
	if err != nil {
		return 0, fmt.Errorf("count jobs: %w", err)
	}
	return rows[0].Jobs, nil
}

// CountBlocks counts the jobs that are wanted, without regard to Offset and Limit, by blocks of jobs whose numbers
// divided by width are the same. It returns the numbers of those blocks in which there is one. Where only some blocks are asked for,
// which stand in order, no other is looked at.
func (db *DB) CountBlocks(ctx context.Context, s JobSelection, width uint64, only []uint64) (map[uint64]uint64, error) {
	condition, values, err := s.where()
	if err != nil {
		return nil, fmt.Errorf("count jobs: %w", err)
	}
	if len(only) > 0 {
		condition += " AND (" + ranges("job", only, width) + ")"
	}
	type counted struct {
		Block uint64 `ch:"block"`
		Jobs  uint64 `ch:"jobs"`
	}
	rows, err := all[counted](ctx, db, fmt.Sprintf("SELECT intDiv(job, %d) AS block, count() AS jobs FROM %s WHERE %s GROUP BY block", width, sql.Jobs(condition), condition), values...)
	if err != nil {
		return nil, fmt.Errorf("count jobs: %w", err)
	}
	out := make(map[uint64]uint64, len(rows))
	for _, r := range rows {
		out[r.Block] = r.Jobs
	}
	return out, nil
}

// ranges writes blocks as conditions on a column of numbers, by which the engine finds them; neighbours make one.
func ranges(column string, blocks []uint64, width uint64) string {
	var list []string
	for i := 0; i < len(blocks); {
		last := i
		for last+1 < len(blocks) && blocks[last+1] == blocks[last]+1 {
			last++
		}
		list = append(list, fmt.Sprintf("%[1]s >= %[2]d AND %[1]s < %[3]d", column, blocks[i]*width, (blocks[last]+1)*width))
		i = last + 1
	}
	return strings.Join(list, " OR ")
}

// tryWindow is how many jobs may have been submitted between a job and its further attempt for [DB.FirstAttempts] to
// find it: a bound, so that a page of the newest jobs does not look at all jobs there ever were.
const tryWindow = 200_000

// FirstAttempts returns of the jobs of some blocks (see [DB.CountBlocks]; in order) that are further attempts the
// first ones.
func (db *DB) FirstAttempts(ctx context.Context, width uint64, blocks []uint64) (map[uint64]uint64, error) {
	if len(blocks) == 0 {
		return nil, nil
	}
	low, below := blocks[0]*width, (blocks[len(blocks)-1]+1)*width
	rows, err := all[struct {
		Job       uint64 `ch:"job"`
		RetriedAs uint64 `ch:"retried_as"`
	}](ctx, db, selectJobs([]string{"job", "retried_as"}, "job >= {low:UInt64} AND job < {below:UInt64} AND ("+ranges("retried_as", blocks, width)+")"),
		clickhouse.Named("low", low-min(low, tryWindow)), clickhouse.Named("below", below))
	if err != nil {
		return nil, fmt.Errorf("find first attempts: %w", err)
	}
	out := map[uint64]uint64{}
	for _, r := range rows {
		out[r.RetriedAs] = r.Job
	}
	return out, nil
}
