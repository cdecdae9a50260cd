package projections

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"

	"strata/events"
	"strata/events/stream"
)

// fact is one message of LAB or RESULTS.
type fact struct {
	stream.Message
	events.Envelope
	Event events.Event // nil where this release does not know it: only the table events has it then
}

// decodeFact reads a message. One that cannot be read is kept as it is, with the error.
func decodeFact(m stream.Message) (fact, error) {
	event, envelope, err := events.DecodeMessage(m.Header, m.Data)
	if err != nil {
		return fact{Message: m, Envelope: envelope}, fmt.Errorf("read message %d of %s: %w", m.Seq, m.Stream, err)
	}
	return fact{m, envelope, event}, nil
}

// header returns a header of the message, empty where it has none.
func (f fact) header(name string) string { return f.Header.Get(name) }

// model is a read model: a table and the rows that a fact gives it.
type model struct {
	table   string
	columns []string
	wire    []clickhouse.ColumnNameAndType // as portion has it
	rows    func(fact) (set any, rows int) // a slice of row structs, and its length
	fill    func(to column.Interface, number int, sets []any) error
}

// gathered are rows of a batch for one table.
type gathered struct {
	sets []any // slices of the row struct, one a fact
	rows int   // in all of them
}

// chunkFacts is of how many facts the rows make a chunk.
const chunkFacts = 128

// portion returns what the model's table gets of a batch.
func (m model) portion(g *gathered) portion {
	return portion{m.table, m.columns, m.wire, g.rows, (len(g.sets) + chunkFacts - 1) / chunkFacts, func(to column.Interface, number, chunk int) error {
		from := chunk * chunkFacts
		return m.fill(to, number, g.sets[from:min(from+chunkFacts, len(g.sets))])
	}}
}

// models lists the read models of facts in the order in which they are inserted.
func models() []model {
	return []model{
		read("events", eventRows),
		read("job_state", jobRows),
		read("job_transitions", jobTransitionRows),
		read("device_state", deviceRows),
		read("device_transitions", deviceTransitionRows),
		read("worker_state", workerRows),
		read("test_suite_counts", suiteRows),
		read("test_set_counts", setRows),
		read("test_cases", caseRows),
		read("measurements", measurementRows),
		read("removals", removalRows),
		read("keeps", keepRows),
		read("job_judgements", judgementRows),
		read("case_changes", changeRows),
		read("query_items", queryItemRows),
		read("job_viewers", jobViewerRows),
		read("test_files", testFileRows),
		read("file_erasures", fileErasureRows),
		read("notification_steps", notificationRows),
	}
}

// read makes a model of a table and a function whose row struct names the columns in ch tags.
func read[R any](table string, rows func(fact) []R) model {
	return model{table: table, columns: columns[R](), wire: wireTypes[R](), fill: appendColumn[R], rows: func(f fact) (any, int) {
		made := rows(f)
		return made, len(made)
	}}
}

// columns returns the ch tags of a row struct.
func columns[R any]() []string {
	row := reflect.TypeFor[R]()
	names := make([]string, row.NumField())
	for i := range names {
		names[i] = row.Field(i).Tag.Get("ch")
	}
	return names
}

// utc returns t as the tables keep it; the zero time is the beginning of 1970, since ClickHouse has
// no year 1. What a worker's clock tells beyond 2262, where the driver would begin anew in 1677, is the end of that.
func utc(t time.Time) time.Time {
	first, last := time.Unix(0, 0), time.Unix(0, math.MaxInt64)
	switch {
	case t.Before(first):
		t = first
	case t.After(last):
		t = last
	}
	return t.UTC()
}

// bit is a bool where the engine takes a maximum.
func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// texts returns names as plain strings.
func texts[S ~string](names []S) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = string(n)
	}
	return list
}

// sorted is a map that goes into a row in the order of its keys: a Go map has none, and the same
// fact has to make the same row each time. It is what the driver takes as an ordered map.
type sorted[V any] map[string]V

// Put is the driver's way of filling the map; rows are only written.
func (m sorted[V]) Put(key, value any) { m[key.(string)] = value.(V) }

// Iterator walks the map by its keys.
func (m sorted[V]) Iterator() column.MapIterator {
	if len(m) == 0 { // as that of most rows
		return new(sortedIterator[V])
	}
	return &sortedIterator[V]{m: m, keys: slices.Sorted(maps.Keys(m)), at: -1}
}

type sortedIterator[V any] struct {
	m    sorted[V]
	keys []string
	at   int
}

func (i *sortedIterator[V]) Next() bool { i.at++; return i.at < len(i.keys) }
func (i *sortedIterator[V]) Key() any   { return i.keys[i.at] }
func (i *sortedIterator[V]) Value() any { return i.m[i.keys[i.at]] }
