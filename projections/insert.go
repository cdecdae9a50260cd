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
)

// portion is what one table gets of a batch.
//
// It travels as one block, whatever its size: the engine tells a repetition by the token and the number
// of the block, so a batch that were cut into blocks would not be known again once a fact in it has been
// erased. But it is made chunk by chunk while it is sent, and only one chunk of one column is in memory.
type portion struct {
	table   string
	columns []string
	wire    []clickhouse.ColumnNameAndType // the columns with the types in which they travel; nil: the driver asks
	rows    int
	chunks  int
	fill    func(to column.Interface, number, chunk int) error // appends a chunk of the column with that number
}

// insert sends the rows of b to every table. The token makes a repetition harmless, whatever of the
// first attempt arrived.
func (db *DB) insert(ctx context.Context, models []model, b *batch) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token": fmt.Sprintf("%s:%d-%d", b.stream, b.first, b.last),
		"async_insert":               0,
		// What travels as text becomes what the table has.
		"input_format_native_allow_types_conversion": 1,
		// Skip indexes are the merges' work.
		"materialize_skip_indexes_on_insert": 0,
	}))
	first, portions := b.lines.portions()
	for _, m := range models {
		if g := b.facts[m.table]; g != nil {
			portions = append(portions, m.portion(g))
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
	if p.rows == 0 {
		return nil
	}
	statement := "INSERT INTO " + p.table + " (" + strings.Join(p.columns, ", ") + ")"
	if p.wire != nil && db.options.Protocol == clickhouse.HTTP {
		err = db.conn.InsertFormat(ctx, "Native", statement, &blockReader{p: p})
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
	for number, column := range to.Columns() {
		for chunk := range p.chunks {
			if err := p.fill(column, number, chunk); err != nil {
				_ = to.Abort() // the first error says more
				return fmt.Errorf("column %s: %w", column.Name(), err)
			}
		}
	}
	return to.Send()
}

// blockReader reads as a portion in the format Native (ClickHouse's NativeReader): how many columns and
// rows there are, then each column with its name and type.
type blockReader struct {
	p      portion
	number int              // of the column that is being sent
	chunk  int              // of it, which comes next
	column column.Interface // nil before the column's first chunk
	buffer chproto.Buffer
	read   int // bytes of the buffer that have been read
}

func (r *blockReader) Read(into []byte) (int, error) {
	for r.read == len(r.buffer.Buf) {
		if r.number == len(r.p.wire) {
			return 0, io.EOF
		}
		r.buffer.Reset()
		r.read = 0
		if err := r.encode(); err != nil {
			return 0, fmt.Errorf("column %s: %w", r.p.wire[r.number].Name, err)
		}
	}
	n := copy(into, r.buffer.Buf[r.read:])
	r.read += n
	return n, nil
}

// encode puts what comes next into the buffer.
func (r *blockReader) encode() (err error) {
	is := r.p.wire[r.number]
	if r.column == nil {
		if r.number == 0 {
			r.buffer.PutUVarInt(uint64(len(r.p.wire)))
			r.buffer.PutUVarInt(uint64(r.p.rows))
		}
		if r.column, err = column.Type(is.Type).Column(is.Name, &column.ServerContext{}); err != nil {
			return err
		}
		r.buffer.PutString(is.Name)
		r.buffer.PutString(is.Type)
		if c, ok := r.column.(column.CustomSerialization); ok {
			if err := c.WriteStatePrefix(&r.buffer); err != nil {
				return err
			}
		}
	}
	r.column.Reset()
	end := r.chunk + 1
	if inParts(is.Type) {
		end = r.p.chunks
	}
	for ; r.chunk < end; r.chunk++ {
		if err := r.p.fill(r.column, r.number, r.chunk); err != nil {
			return err
		}
	}
	r.column.Encode(&r.buffer)
	if r.chunk == r.p.chunks {
		r.number, r.chunk, r.column = r.number+1, 0, nil
	}
	return nil
}

// inParts tells whether the values of a type do not follow one another, as which of them are NULL, or
// where each map ends, stands before all of them.
func inParts(kind string) bool {
	return strings.HasPrefix(kind, "Nullable(") || strings.HasPrefix(kind, "Map(")
}
