package projections

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
	"strata/events/stream"
)

// Bounds of a batch. A larger one would be cut by the engine into blocks of its own, and needs
// memory on both sides.
const (
	maxMessages = 20_000
	maxRows     = 400_000
	maxBytes    = 64 << 20
)

// batch is a run of messages of one stream and the rows that they make.
type batch struct {
	stream      string
	first, last uint64 // sequences, both included
	messages    int
	rows        int
	bytes       int
	erases      bool                 // holds a removal, or rows of a job that was removed
	facts       map[string]*gathered // by table: rows of LAB and RESULTS
	lines       lineColumns          // rows of OUTPUT
}

func newBatch(stream string) *batch { return &batch{stream: stream, facts: map[string]*gathered{}} }

// full says that the batch must be inserted before anything is added.
func (b *batch) full() bool {
	return b.messages >= maxMessages || b.rows >= maxRows || b.bytes >= maxBytes
}

// gather adds a slice of rows for a table.
func (b *batch) gather(table string, set any, rows int) {
	g := b.facts[table]
	if g == nil {
		g = new(gathered)
		b.facts[table] = g
	}
	g.sets, g.rows = append(g.sets, set), g.rows+rows
	b.rows += rows
}

// builder makes batches of one stream's messages.
type builder struct {
	db     *DB
	log    *slog.Logger
	models []model
	jobs   map[events.JobID]*coverage // OUTPUT only
	stored func() uint64              // sequence up to which rows have been inserted
	erased *erasedJobs                // nil: nobody looks while it builds
}

// add puts one message into b. It fails only where ctx ends or ClickHouse has to be asked and does
// not answer; b is then as it was.
func (r *builder) add(ctx context.Context, b *batch, m stream.Message) error {
	if m.Stream == stream.Output {
		if err := r.addFrame(ctx, b, m); err != nil {
			return err
		}
	} else {
		r.addFact(b, m)
	}
	if b.messages == 0 {
		b.first = m.Seq
	}
	b.last = m.Seq
	b.messages++
	return nil
}

func (r *builder) addFact(b *batch, m stream.Message) {
	f, err := decodeFact(m)
	if err != nil {
		// It may be of a newer release. It stands in events as it is; a rebuild by that release
		// puts it everywhere.
		r.log.Warn("fact kept without its meaning", "stream", m.Stream, "seq", m.Seq, "err", err)
	}
	b.erases = r.erased.concerns(m, f) || b.erases
	for _, model := range r.models {
		if set, rows := model.rows(f); rows > 0 {
			b.gather(model.table, set, rows)
		}
	}
	b.bytes += len(m.Data)
}

// addFrame adds the lines of a frame that are not there yet. Frames are taken in any order, unlike by
// those who read a log as it grows: the table sorts lines itself, and a gap that a spool fills later
// keeps nobody waiting.
func (r *builder) addFrame(ctx context.Context, b *batch, m stream.Message) error {
	f, err := events.DecodeFrame(m.Subject, m.Header, m.Data)
	if err != nil {
		r.log.Warn("frame passed over", "seq", m.Seq, "err", err)
		return nil
	}
	b.erases = r.erased.concerns(m, fact{}) || b.erases
	covered := r.jobs[f.Job]
	if covered == nil {
		if covered, err = r.db.covered(ctx, f.Job, m.Seq); err != nil {
			return err
		}
		r.forget()
		r.jobs[f.Job] = covered
	}
	covered.touched = m.Seq
	before := len(b.lines.job)
	for _, s := range covered.take(f.First, f.End()) {
		b.lines.add(part(f, s), m.Seq, m.At)
	}
	b.rows += len(b.lines.job) - before
	b.bytes += len(m.Data)
	return nil
}

// maxJobs is how many jobs' coverage is kept; what is forgotten is asked of the table again.
const maxJobs = 50_000

// forget drops jobs whose lines have all been inserted, once there are too many.
func (r *builder) forget() {
	if len(r.jobs) < maxJobs {
		return
	}
	stored := r.stored()
	for job, c := range r.jobs {
		if c.touched <= stored {
			delete(r.jobs, job)
		}
	}
}

// covered returns which lines of a job the table has from messages before seq.
func (db *DB) covered(ctx context.Context, job events.JobID, seq uint64) (*coverage, error) {
	type run struct {
		From uint64 `ch:"from"`
		To   uint64 `ch:"to"`
	}
	// Lines that follow each other have the same difference to their rank.
	runs, err := all[run](ctx, db, `SELECT min(line) AS from, max(line) + 1 AS to FROM (
			SELECT line, line - row_number() OVER (ORDER BY line) AS gap
			FROM log_line_state WHERE job = {job:UInt64} AND seq < {seq:UInt64}
		) GROUP BY gap ORDER BY from`,
		clickhouse.Named("job", uint64(job)), clickhouse.Named("seq", seq))
	if err != nil {
		return nil, fmt.Errorf("ask which lines of job %d are there: %w", job, err)
	}
	c := new(coverage)
	for _, r := range runs {
		c.spans = append(c.spans, span{r.From, r.To})
	}
	return c, nil
}
