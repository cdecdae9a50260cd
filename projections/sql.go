package projections

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Limits bound a statement that a person wrote. Zero fields take the defaults.
type Limits struct {
	Time   time.Duration // 30 s
	Rows   uint64        // of the result, 10,000; more are cut off
	Memory uint64        // bytes in the engine, 1 GiB
	Read   uint64        // rows read in the engine, 2,000,000,000
}

func (l Limits) withDefaults() Limits {
	if l.Time == 0 {
		l.Time = 30 * time.Second
	}
	if l.Rows == 0 {
		l.Rows = 10_000
	}
	if l.Memory == 0 {
		l.Memory = 1 << 30
	}
	if l.Read == 0 {
		l.Read = 2_000_000_000
	}
	return l
}

// settings returns the limits as ClickHouse takes them; overflow says what more rows than wanted
// lead to, break or throw.
func (l Limits) settings(overflow string) clickhouse.Settings {
	l = l.withDefaults()
	rows := l.Rows
	if overflow == "break" {
		rows++ // one more than wanted tells that there were more; break ends at a block's end
	}
	return clickhouse.Settings{
		"max_execution_time": max(1, int(l.Time.Seconds())), "max_memory_usage": l.Memory,
		"max_rows_to_read": l.Read, "max_threads": 2,
		"max_result_rows": rows, "result_overflow_mode": overflow,
		// 1 and not 2: it forbids SET as well, and files and URLs as sources. It is set last.
		"readonly": 1,
	}
}

// Column is a column of a result.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // ClickHouse's, such as LowCardinality(String)
}

// Table is the result of a statement. An empty one has no columns where the embedded engine gave it.
type Table struct {
	Columns []Column `json:"columns"`
	Rows    [][]any  `json:"rows"` // a value is nil, a number, string, bool, time.Time, slice or map
	Cut     bool     `json:"cut"`  // there were more than Limits.Rows
}

// SQL runs a statement that a person wrote, read-only and bounded. What the statement may not do
// (writing, files, URLs, lifting the limits) and what is wrong with it comes back as ClickHouse's own
// error.
func (db *DB) SQL(ctx context.Context, statement string, l Limits) (Table, error) {
	l = l.withDefaults()
	// The driver makes a deadline of a context the engine's own limit, plus 5 s, over any that is set.
	// So this one has none: it is canceled a moment after the engine should have ended the statement,
	// whose error is then the one that is seen.
	bounded, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	defer time.AfterFunc(l.Time+2*time.Second, func() { cancel(context.DeadlineExceeded) }).Stop()
	ctx = clickhouse.Context(bounded, clickhouse.WithSettings(l.settings("break")))
	rows, err := db.conn.Query(ctx, statement)
	if err != nil {
		if errors.Is(context.Cause(bounded), context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %w", ErrAway, err)
		}
		return Table{}, away(err)
	}
	defer rows.Close()
	table := Table{}
	kinds := rows.ColumnTypes()
	for _, k := range kinds {
		table.Columns = append(table.Columns, Column{k.Name(), k.DatabaseTypeName()})
	}
	for rows.Next() {
		if uint64(len(table.Rows)) == l.Rows {
			table.Cut = true
			break
		}
		values := make([]any, len(kinds))
		for i, k := range kinds {
			values[i] = reflect.New(k.ScanType()).Interface()
		}
		if err := rows.Scan(values...); err != nil {
			return Table{}, fmt.Errorf("read a row: %w", err)
		}
		for i, v := range values {
			values[i] = plain(v)
		}
		table.Rows = append(table.Rows, values)
	}
	if table.Cut {
		return table, nil // the rest is given up, and with it what would be wrong with it
	}
	return table, away(rows.Err())
}

// plain follows the pointers that scanning needs.
func plain(v any) any {
	value := reflect.ValueOf(v)
	for value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return nil
		}
		value = value.Elem()
	}
	return value.Interface()
}
