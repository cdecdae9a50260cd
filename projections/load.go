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
	for _, table := range []string{"log_line_state", "log_templates", "log_template_jobs", "log_words"} {
		if err := db.conn.Exec(ctx, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
			return fmt.Errorf("merge %s: %w", table, away(err))
		}
	}
	return nil
}
