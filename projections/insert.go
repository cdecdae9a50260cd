package projections

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// portion is what one table gets of a batch, in blocks: how many rows one has does not matter to the
// engine, which makes one part of all of them, but memory is taken for one at a time.
type portion struct {
	table   string
	columns []string
	wire    []clickhouse.ColumnNameAndType // the columns with the types in which they travel; nil: the driver asks
	blocks  int
	fill    func(to []column.Interface, block int) error
}

// insert sends the rows of b to every table. The token makes a repetition harmless, whatever of the
// first attempt arrived.
func (db *DB) insert(ctx context.Context, models []model, b *batch) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token": fmt.Sprintf("%s:%d-%d", b.stream, b.first, b.last),
		"async_insert":               0,
		// Skip indexes are the merges' work.
		"materialize_skip_indexes_on_insert": 0,
	}))
	first, portions := b.lines.portions()
	for _, m := range models {
		if sets := b.facts[m.table]; len(sets) > 0 {
			portions = append(portions, m.portion(sets))
		}
	}
	for _, p := range first {
		if err := db.insertPortion(ctx, p); err != nil {
			return err
		}
	}
	// The other tables at once: an insert is mostly waiting for the disk.
	var running sync.WaitGroup
	failed := make(chan error, len(portions))
	for _, p := range portions {
		running.Go(func() {
			if err := db.insertPortion(ctx, p); err != nil {
				failed <- err
			}
		})
	}
	running.Wait()
	close(failed)
	return <-failed // the first one; nil where there is none
}

func (db *DB) insertPortion(ctx context.Context, p portion) (err error) {
	if p.blocks == 0 {
		return nil
	}
	statement := "INSERT INTO " + p.table + " (" + strings.Join(p.columns, ", ") + ")"
	if p.wire != nil && db.options.Protocol == clickhouse.HTTP {
		var rows *blockReader
		if rows, err = newBlockReader(p); err == nil {
			err = db.conn.InsertFormat(ctx, "Native", statement, rows)
		}
	} else {
		err = db.insertWhole(ctx, statement, p)
	}
	if err != nil {
		return fmt.Errorf("insert into %s: %w", p.table, err)
	}
	return nil
}

// insertWhole inserts a portion in one block: columns whose types are not known here, or to a server
// that is spoken to natively, which says itself what it wants.
func (db *DB) insertWhole(ctx context.Context, statement string, p portion) error {
	to, err := db.conn.PrepareBatch(ctx, statement)
	if err != nil {
		return err
	}
	for block := range p.blocks {
		if err := p.fill(to.Columns(), block); err != nil {
			_ = to.Abort() // the first error says more
			return err
		}
	}
	return to.Send()
}

// blockReader reads as the blocks of a portion in the format Native, each made when it is wanted.
type blockReader struct {
	p      portion
	next   int          // block to be made
	block  *proto.Block // whose columns keep their memory from block to block
	buffer chproto.Buffer
	read   int // bytes of the buffer that have been read
}

func newBlockReader(p portion) (*blockReader, error) {
	r := &blockReader{p: p, block: proto.NewBlock()}
	for _, c := range p.wire {
		if err := r.block.AddColumn(c.Name, column.Type(c.Type)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *blockReader) Read(into []byte) (int, error) {
	if r.read == len(r.buffer.Buf) {
		if r.next == r.p.blocks {
			return 0, io.EOF
		}
		r.buffer.Reset()
		r.block.Reset()
		if err := r.p.fill(r.block.Columns, r.next); err != nil {
			return 0, err
		}
		if err := r.block.Encode(&r.buffer, 0); err != nil { // over HTTP the protocol has no revisions
			return 0, err
		}
		r.read, r.next = 0, r.next+1
	}
	n := copy(into, r.buffer.Buf[r.read:])
	r.read += n
	return n, nil
}

// appendColumns adds a slice of values to each column.
func appendColumns(to []column.Interface, values ...any) error {
	for i, v := range values {
		if _, err := to[i].Append(v); err != nil {
			return fmt.Errorf("column %s: %w", to[i].Name(), err)
		}
	}
	return nil
}
