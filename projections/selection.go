package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"strata/events"
	"strata/projections/query"
)

// Selection is what a query found: one of the lists is filled, that of its entity.
type Selection struct {
	Entity events.QueryEntity
	Jobs   []SelectedJob
	Suites []SelectedSuite
	Cases  []Case
}

// SelectedJob is a job as queries show it.
type SelectedJob struct {
	Job
	GroupID      string `ch:"group_id" json:"group_id,omitempty"`           // of its multinode group
	QueueTimeout uint64 `ch:"queue_timeout" json:"queue_timeout,omitempty"` // longest wait for a device, seconds; 0 where the definition sets none
}

// SelectedSuite is a suite as queries show it.
type SelectedSuite struct {
	Job uint64 `ch:"job" json:"job"`
	Suite
}

// Len is the number of rows.
func (s Selection) Len() int { return len(s.Jobs) + len(s.Suites) + len(s.Cases) }

// Items names the rows.
func (s Selection) Items() []events.QueryItem {
	items := make([]events.QueryItem, 0, s.Len())
	for _, j := range s.Jobs {
		items = append(items, events.QueryItem{Job: events.JobID(j.Job.Job)})
	}
	for _, one := range s.Suites {
		items = append(items, events.QueryItem{Job: events.JobID(one.Job), Suite: one.Suite.Suite})
	}
	for _, c := range s.Cases {
		items = append(items, events.QueryItem{Job: events.JobID(c.Job), Suite: c.Suite, Seq: c.Seq, N: uint64(c.N)})
	}
	return items
}

// Bounds are what a selection may take.
type Bounds struct {
	Time time.Duration // 0: 10 s
	Read uint64        // rows read of all tables; 0: as the query's limits say
}

// Select runs a statement of package query and hands over each row: a SelectedJob, a SelectedSuite or
// a Case, by the entity. It stops at the first error of each. What would read more than the
// statement's limits comes back as a [*query.Error] that says what to add, before anything is read.
func (db *DB) Select(ctx context.Context, entity events.QueryEntity, s query.Statement, b Bounds, each func(any) error) error {
	return db.stream(ctx, s, b, func(rows driver.Rows) error {
		var row any
		var err error
		switch entity {
		case events.SuiteQuery:
			row, err = scan[SelectedSuite](rows)
		case events.CaseQuery:
			row, err = scan[Case](rows)
		default:
			row, err = scan[SelectedJob](rows)
		}
		if err != nil {
			return err
		}
		return each(row)
	})
}

// stream runs a statement within bounds and hands over each row. It stops at the first error.
func (db *DB) stream(ctx context.Context, s query.Statement, b Bounds, each func(driver.Rows) error) error {
	// Rows of the result are not limited here: a page has its LIMIT, and an export is as long as it is.
	l := Limits{Time: b.Time, Read: s.Limits.Rows, Rows: 1 << 62}
	if b.Read > 0 {
		l.Read = b.Read
	}
	if l.Time == 0 {
		l.Time = questionTime
	}
	// The engine ends a statement itself, with a reason; the context is for an engine that does not.
	bounded, cancel := context.WithTimeout(ctx, l.Time+2*time.Second)
	defer cancel()
	values := make([]any, len(s.Values))
	for i, v := range s.Values {
		values[i] = clickhouse.Named(v.Name, v.Bind)
	}
	rows, err := db.conn.Query(clickhouse.Context(bounded, clickhouse.WithSettings(l.settings("throw"))), s.SQL, values...)
	if err != nil {
		return tooMuch(err, s, l)
	}
	for rows.Next() {
		if err := each(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return tooMuch(errors.Join(rows.Err(), rows.Close()), s, l)
}

func scan[R any](rows driver.Rows) (any, error) {
	var r R
	err := rows.ScanStruct(&r)
	return r, away(err)
}

// SelectPage is Select of so few rows that they can be held.
func (db *DB) SelectPage(ctx context.Context, entity events.QueryEntity, s query.Statement, b Bounds) (Selection, error) {
	out := Selection{Entity: entity}
	err := db.Select(ctx, entity, s, b, func(row any) error {
		switch row := row.(type) {
		case SelectedJob:
			out.Jobs = append(out.Jobs, row)
		case SelectedSuite:
			out.Suites = append(out.Suites, row)
		case Case:
			out.Cases = append(out.Cases, row)
		}
		return nil
	})
	return out, err
}

// ClickHouse's codes for a statement that reaches a limit (src/Common/ErrorCodes.cpp).
const (
	codeTooManyRows  = 158
	codeTooSlow      = 159
	codeMemory       = 241
	codeTooManyBytes = 307
)

// tooMuch words the engine's refusal of a statement that reached its limits.
func tooMuch(err error, s query.Statement, l Limits) error {
	var said *clickhouse.Exception
	if err == nil || !errors.As(err, &said) {
		return away(err)
	}
	what := ""
	switch said.Code {
	case codeTooManyRows, codeTooManyBytes:
		what = fmt.Sprintf("the query would read more than %d rows", l.Read)
	case codeTooSlow:
		what = fmt.Sprintf("the query takes longer than %s", l.Time)
	case codeMemory:
		what = "the query needs more memory than it may have"
	default:
		return away(err)
	}
	return &query.Error{Reason: query.TooMuch, Message: strings.TrimSuffix(what+"; "+s.Limits.Hint, "; ")}
}
