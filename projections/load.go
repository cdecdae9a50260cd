package projections

import (
	"context"
	"fmt"
	"iter"
	"log/slog"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/events/stream"
)

// Load inserts messages of one stream that stand in no log, with the sequences they carry: histories
// that were made for a measurement or a test. It notes no position, so tables that a projector keeps
// must not be loaded into.
func (db *DB) Load(ctx context.Context, messages iter.Seq[stream.Message]) error {
	r := &builder{db: db, log: slog.New(slog.DiscardHandler), models: models(), jobs: map[events.JobID]*coverage{}, stored: func() uint64 { return 0 }}
	var b *batch
	// What is made while a batch is inserted is one batch at most.
	full, ended := make(chan *batch), make(chan error, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for b := range full {
			if err := db.insert(ctx, r.models, b); err != nil {
				cancel(err)
				break
			}
		}
		ended <- context.Cause(ctx)
	}()
	send := func() {
		select {
		case full <- b:
		case <-ctx.Done():
		}
		b = nil
	}
	for m := range messages {
		if b == nil {
			b = newBatch(m.Stream)
		}
		if err := r.add(ctx, b, m); err != nil {
			cancel(fmt.Errorf("load message %d: %w", m.Seq, err))
		}
		if b.full() {
			send()
		}
		if ctx.Err() != nil {
			break
		}
	}
	if b != nil && b.messages > 0 {
		send()
	}
	close(full)
	return <-ended
}

// LogSize is what the logs of all jobs take.
type LogSize struct {
	Lines uint64 `ch:"lines"`
	// Bytes on disk, compressed: of the lines' columns, and of what the search looks words up in,
	// templates included.
	Columns uint64 `ch:"columns"`
	Index   uint64 `ch:"index"`
}

// LogSize measures the logs of all jobs.
func (db *DB) LogSize(ctx context.Context) (LogSize, error) {
	rows, err := all[LogSize](ctx, db, `SELECT sumIf(p.rows, p.table = 'log_line_state') AS lines,
			sumIf(p.data_compressed_bytes, p.table = 'log_line_state') AS columns,
			sumIf(p.data_compressed_bytes, p.table IN ('log_templates', 'log_template_jobs', 'log_words')) AS index
		FROM system.parts AS p WHERE p.active AND p.database = {database:String}`, clickhouse.Named("database", db.database))
	if err != nil {
		return LogSize{}, fmt.Errorf("measure the logs: %w", err)
	}
	return rows[0], nil
}

// MergeLogs merges the parts of the logs' tables, as time would.
func (db *DB) MergeLogs(ctx context.Context) error {
	return db.merge(ctx, "log_line_state", "log_templates", "log_template_jobs", "log_words")
}

// MergeResults merges the parts of the tables of jobs and results, as time would.
func (db *DB) MergeResults(ctx context.Context) error {
	return db.merge(ctx, "job_state", "job_transitions", "test_suite_counts", "test_set_counts", "test_cases", "measurements")
}

// ResultSize returns how many test cases there are and the bytes that they take on disk, compressed,
// with what is counted and measured of them and all indexes.
func (db *DB) ResultSize(ctx context.Context) (cases, bytes uint64, err error) {
	type size struct {
		Cases uint64 `ch:"cases"`
		Bytes uint64 `ch:"bytes"`
	}
	rows, err := all[size](ctx, db, `SELECT sumIf(p.rows, p.table = 'test_cases') AS cases, sum(p.bytes_on_disk) AS bytes FROM system.parts AS p
		WHERE p.active AND p.database = {database:String} AND p.table IN ('test_suite_counts', 'test_set_counts', 'test_cases', 'measurements')`,
		clickhouse.Named("database", db.database))
	if err != nil {
		return 0, 0, fmt.Errorf("measure the results: %w", err)
	}
	return rows[0].Cases, rows[0].Bytes, nil
}

func (db *DB) merge(ctx context.Context, tables ...string) error {
	for _, table := range tables {
		if err := db.conn.Exec(ctx, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			return fmt.Errorf("merge %s: %w", table, away(err))
		}
	}
	return nil
}
