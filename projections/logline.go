package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"strata/events"
)

// lineColumns are rows of log_lines by column: a hundred thousand lines a second leave no time for
// a struct each.
type lineColumns struct {
	job        []uint64
	line       []uint64
	time       []time.Time
	level      []string
	message    []string
	structured []bool
	namespace  []string
	continues  []bool
	seq        []uint64
	bytes      int // of messages
}

// lineColumnNames are the columns of log_lines in the order of lineColumns' fields.
func lineColumnNames() []string {
	return []string{"job", "line", "time", "level", "message", "structured", "namespace", "continues", "seq"}
}

// add appends the lines of a frame that came with message seq of OUTPUT. A line that cannot be read
// is kept as text of level "exception", so that the numbers of the lines stay whole.
func (c *lineColumns) add(f events.Frame, seq uint64, at time.Time) {
	number := f.First
	for body := f.Body; len(body) > 0; number++ {
		text, rest, _ := bytes.Cut(body, []byte{'\n'})
		body = rest
		var r events.Record
		message, structured, err := "", false, json.Unmarshal(text, &r)
		if err == nil {
			message, structured, err = messageText(r.Message)
		}
		if err != nil {
			r = events.Record{Time: at, Level: events.Exception}
			message, structured = fmt.Sprintf("line cannot be read: %v: %s", err, text), false
		}
		c.job = append(c.job, uint64(f.Job))
		c.line = append(c.line, number)
		c.time = append(c.time, utc(r.Time))
		c.level = append(c.level, string(r.Level))
		c.message = append(c.message, message)
		c.structured = append(c.structured, structured)
		c.namespace = append(c.namespace, r.Namespace)
		c.continues = append(c.continues, r.Continues)
		c.seq = append(c.seq, seq)
		c.bytes += len(message)
	}
}

// messageText returns a record's message as the table has it: the text itself, or compact JSON where
// it is a list or an object.
func messageText(raw json.RawMessage) (text string, structured bool, err error) {
	if len(raw) == 0 {
		return "", false, nil
	}
	if raw[0] != '"' {
		return string(raw), true, nil
	}
	// Nothing is escaped, as in most lines, and all of it is text: what is not becomes U+FFFD.
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), false, nil
	}
	err = json.Unmarshal(raw, &text)
	return text, false, err
}

// appendTo hands the columns to a prepared insert.
func (c *lineColumns) appendTo(batch driver.Batch) error {
	for i, column := range []any{c.job, c.line, c.time, c.level, c.message, c.structured, c.namespace, c.continues, c.seq} {
		if err := batch.Column(i).Append(column); err != nil {
			return fmt.Errorf("column %s: %w", lineColumnNames()[i], err)
		}
	}
	return nil
}

// span is a run of lines, to not included.
type span struct{ from, to uint64 }

// coverage is which lines of a job are in the table or on their way there: spans in order, that do
// not touch. One span from 0 is usual; there are more while a spool has yet to fill a gap.
type coverage struct {
	spans   []span
	touched uint64 // sequence in OUTPUT of the last frame that added to it
}

// take returns the parts of [from,to) that are not covered yet, and covers them.
func (c *coverage) take(from, to uint64) []span {
	var fresh []span
	at := from
	for _, s := range c.spans {
		if s.to <= at || s.from >= to {
			continue
		}
		if s.from > at {
			fresh = append(fresh, span{at, s.from})
		}
		at = max(at, s.to)
	}
	if at < to {
		fresh = append(fresh, span{at, to})
	}
	if len(fresh) == 0 {
		return nil
	}
	c.spans = append(c.spans, fresh...)
	slices.SortFunc(c.spans, func(a, b span) int {
		if a.from < b.from {
			return -1
		}
		return 1
	})
	joined := c.spans[:1]
	for _, s := range c.spans[1:] {
		if last := &joined[len(joined)-1]; s.from == last.to {
			last.to = s.to
		} else {
			joined = append(joined, s)
		}
	}
	c.spans = joined
	return fresh
}

// part returns lines s of a frame that holds them.
func part(f events.Frame, s span) events.Frame {
	f = f.From(s.from)
	if f.End() <= s.to {
		return f
	}
	end := 0
	for range s.to - s.from {
		end += bytes.IndexByte(f.Body[end:], '\n') + 1
	}
	f.Count, f.Body = s.to-s.from, f.Body[:end]
	return f
}

// Line is a line of a job's log, as the table log_lines has it.
type Line struct {
	Job        uint64    `ch:"job" json:"job"`
	Line       uint64    `ch:"line" json:"line"` // from 0
	Time       time.Time `ch:"time" json:"time"`
	Level      string    `ch:"level" json:"level"`
	Message    string    `ch:"message" json:"message"`
	Structured bool      `ch:"structured" json:"structured,omitempty"` // Message is JSON
	Namespace  string    `ch:"namespace" json:"namespace,omitempty"`
	Continues  bool      `ch:"continues" json:"continues,omitempty"`
}

// LineFilter says which lines of one job are wanted.
type LineFilter struct {
	Job    events.JobID
	From   uint64         // first line, from 0; the next page begins after the last line of this one
	To     uint64         // line to stop before; 0 is the end
	Levels []events.Level // one of them; none is all
	Limit  int            // of a page; 0 is 50, at most 10,000
}

// Lines lists lines of a job's log in their order. Where a number is missing, the line is.
func (db *DB) Lines(ctx context.Context, f LineFilter) ([]Line, error) {
	where := []string{"job = {job:UInt64}", "line >= {from:UInt64}"}
	values := []any{clickhouse.Named("job", uint64(f.Job)), clickhouse.Named("from", f.From), clickhouse.Named("limit", limit(f.Limit))}
	if f.To != 0 {
		where = append(where, "line < {to:UInt64}")
		values = append(values, clickhouse.Named("to", f.To))
	}
	if len(f.Levels) > 0 {
		where = append(where, "level IN {levels:Array(String)}")
		values = append(values, clickhouse.Named("levels", texts(f.Levels)))
	}
	list, err := all[Line](ctx, db, "SELECT "+strings.Join(columns[Line](), ", ")+
		" FROM log_lines WHERE "+strings.Join(where, " AND ")+" ORDER BY line LIMIT {limit:UInt64}", values...)
	if err != nil {
		return nil, fmt.Errorf("read the log of job %d: %w", f.Job, err)
	}
	return list, nil
}

// SearchFilter says which lines of which jobs are wanted.
type SearchFilter struct {
	Text   string         // what the line contains, letter for letter; needs a letter or digit
	Job    events.JobID   // of one job; 0 is all
	Before events.JobID   // jobs with a smaller number; 0 is all
	Levels []events.Level // one of them; none is all
	Limit  int            // 0 is 50, at most 10,000
}

// Search finds lines that contain a text, those of the newest jobs first. The whole words of the text
// are looked up in the index, where merges have built it; the rest is reading.
func (db *DB) Search(ctx context.Context, f SearchFilter) ([]Line, error) {
	words := wholeWords(f.Text)
	if strings.IndexFunc(f.Text, wordRune) < 0 {
		return nil, fmt.Errorf("search the logs for %q: the text needs at least one letter or digit", f.Text)
	}
	where := []string{"position(message, {text:String}) > 0"}
	values := []any{clickhouse.Named("text", f.Text), clickhouse.Named("limit", limit(f.Limit))}
	bind := func(wanted bool, condition, name string, value any) {
		if wanted {
			where = append(where, condition)
			values = append(values, clickhouse.Named(name, value))
		}
	}
	bind(len(words) > 0, "hasAllTokens(message, {words:Array(String)})", "words", words)
	bind(f.Job != 0, "job = {job:UInt64}", "job", uint64(f.Job))
	bind(f.Before != 0, "job < {before:UInt64}", "before", uint64(f.Before))
	bind(len(f.Levels) > 0, "level IN {levels:Array(String)}", "levels", texts(f.Levels))
	list, err := all[Line](ctx, db, "SELECT "+strings.Join(columns[Line](), ", ")+
		" FROM log_lines WHERE "+strings.Join(where, " AND ")+" ORDER BY job DESC, line LIMIT {limit:UInt64}", values...)
	if err != nil {
		return nil, fmt.Errorf("search the logs: %w", err)
	}
	return list, nil
}

// wordRune says what the index's tokenizer, splitByNonAlpha, takes as part of a word: letters and
// digits of ASCII, and every rune beyond it.
func wordRune(r rune) bool { return r > unicode.MaxASCII || unicode.IsLetter(r) || unicode.IsDigit(r) }

// wholeWords returns the words of text that are words of the line too: not those at its ends, which
// may be parts of longer ones.
func wholeWords(text string) []string {
	fields := strings.FieldsFunc(text, func(r rune) bool { return !wordRune(r) })
	if len(fields) > 0 && strings.HasPrefix(text, fields[0]) {
		fields = fields[1:]
	}
	if len(fields) > 0 && strings.HasSuffix(text, fields[len(fields)-1]) {
		fields = fields[:len(fields)-1]
	}
	return fields
}

// IndexBacklog returns how many lines there are, and how many of them the text index does not have
// yet: those that merges have not reached. They are searched by reading.
func (db *DB) IndexBacklog(ctx context.Context) (lines, waiting uint64, err error) {
	type backlog struct {
		Lines   uint64 `ch:"lines"`
		Waiting uint64 `ch:"waiting"`
	}
	rows, err := all[backlog](ctx, db, `SELECT sum(rows) AS lines, sumIf(rows, secondary_indices_compressed_bytes = 0) AS waiting
		FROM system.parts WHERE active AND database = {database:String} AND table = 'log_lines'`,
		clickhouse.Named("database", db.database))
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the index's backlog: %w", err)
	}
	return rows[0].Lines, rows[0].Waiting, nil
}
