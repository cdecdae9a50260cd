package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"

	"strata/events"
)

// lineColumns are rows of log_line_state by column, and of the tables beside it that say where
// templates and words occur: a hundred thousand lines a second leave no time for a struct each.
type lineColumns struct {
	job        []uint64
	line       []uint64
	time       []time.Time
	level      []string
	stamp      []int64
	template   []uint64
	variables  []string
	structured []bool
	namespace  []string
	continues  []bool
	seq        []uint64
	bytes      int // of messages

	mined     mined
	templates map[uint64]string
	places    map[templatePlace]struct{}
	words     map[wordPlace]struct{}
}

// stretchLines is the number of lines of a stretch, the unit that the index points at.
const stretchLines = 16384

// templatePlace is a row of log_template_jobs.
type templatePlace struct {
	template, job uint64
	stretch       uint32
	level         string
}

// wordPlace is a row of log_words.
type wordPlace struct {
	word    string
	job     uint64
	stretch uint32
}

// lineWire, templateWire, placeWire and wordWire are the columns of log_line_state, log_templates,
// log_template_jobs and log_words, in the order in which they are filled.
func lineWire() []clickhouse.ColumnNameAndType {
	return []clickhouse.ColumnNameAndType{{Name: "job", Type: "UInt64"}, {Name: "line", Type: "UInt64"}, {Name: "time", Type: "DateTime64(6, 'UTC')"},
		{Name: "level", Type: "String"}, {Name: "stamp", Type: "Int64"}, {Name: "template", Type: "UInt64"}, {Name: "variables", Type: "String"},
		{Name: "structured", Type: "Bool"}, {Name: "namespace", Type: "String"}, {Name: "continues", Type: "Bool"}, {Name: "seq", Type: "UInt64"}}
}

func templateWire() []clickhouse.ColumnNameAndType {
	return []clickhouse.ColumnNameAndType{{Name: "template", Type: "UInt64"}, {Name: "text", Type: "String"}}
}

func placeWire() []clickhouse.ColumnNameAndType {
	return []clickhouse.ColumnNameAndType{{Name: "template", Type: "UInt64"}, {Name: "job", Type: "UInt64"}, {Name: "stretch", Type: "UInt32"}, {Name: "level", Type: "String"}}
}

func wordWire() []clickhouse.ColumnNameAndType {
	return []clickhouse.ColumnNameAndType{{Name: "word", Type: "String"}, {Name: "job", Type: "UInt64"}, {Name: "stretch", Type: "UInt32"}}
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
		if r.Level == events.FileData {
			message, structured = "", false // bytes of a file: the log has them, and nobody looks for words in them
		}
		if err != nil {
			r = events.Record{Time: at, Level: events.Exception}
			message, structured = fmt.Sprintf("line cannot be read: %v: %s", err, text), false
		}
		c.job = append(c.job, uint64(f.Job))
		c.line = append(c.line, number)
		c.time = append(c.time, utc(r.Time))
		c.level = append(c.level, string(r.Level))
		c.addMessage(message, uint64(f.Job), uint32(number/stretchLines), string(r.Level))
		c.structured = append(c.structured, structured)
		c.namespace = append(c.namespace, r.Namespace)
		c.continues = append(c.continues, r.Continues)
		c.seq = append(c.seq, seq)
		c.bytes += len(message)
	}
}

// addMessage takes a line apart and notes where its template and its words are.
func (c *lineColumns) addMessage(message string, job uint64, stretch uint32, level string) {
	if c.templates == nil {
		c.templates, c.places, c.words = map[uint64]string{}, map[templatePlace]struct{}{}, map[wordPlace]struct{}{}
	}
	c.mined.mine(message)
	id := templateID(c.mined.template)
	c.stamp = append(c.stamp, c.mined.stamp)
	c.template = append(c.template, id)
	variables := string(c.mined.variables)
	c.variables = append(c.variables, variables)
	if _, known := c.templates[id]; !known {
		c.templates[id] = string(c.mined.template)
	}
	c.places[templatePlace{id, job, stretch, level}] = struct{}{}
	variableWords(variables, func(word string) { c.words[wordPlace{word, job, stretch}] = struct{}{} })
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

// chunkLines is how many lines make a chunk.
const chunkLines = 16384

// portions returns what the tables of lines get. Those of first have to be there before the others are
// begun, in their order: places of templates, as a template without a place is erased; then templates,
// so that nobody sees a line without its text.
func (c *lineColumns) portions() (first, others []portion) {
	whole := func(table string, wire []clickhouse.ColumnNameAndType, rows int, columns ...any) portion {
		return portion{table, namesOf(wire), wire, rows, 1, func(to column.Interface, number, _ int) error {
			_, err := to.Append(columns[number])
			return err
		}}
	}
	first = []portion{
		whole("log_template_jobs", placeWire(), len(c.places), c.placeColumns()...),
		whole("log_templates", templateWire(), len(c.templates), c.templateColumns()...),
	}
	others = []portion{
		{"log_line_state", namesOf(lineWire()), lineWire(), len(c.job), (len(c.job) + chunkLines - 1) / chunkLines, c.appendLines},
		whole("log_words", wordWire(), len(c.words), c.wordColumns()...),
	}
	return first, others
}

func namesOf(wire []clickhouse.ColumnNameAndType) (names []string) {
	for _, c := range wire {
		names = append(names, c.Name)
	}
	return names
}

// appendLines adds a chunk of lines to a column of log_line_state.
func (c *lineColumns) appendLines(to column.Interface, number, chunk int) error {
	from, end := chunk*chunkLines, min((chunk+1)*chunkLines, len(c.job))
	_, err := to.Append([]any{c.job[from:end], c.line[from:end], c.time[from:end], c.level[from:end], c.stamp[from:end], c.template[from:end],
		c.variables[from:end], c.structured[from:end], c.namespace[from:end], c.continues[from:end], c.seq[from:end]}[number])
	return err
}

// templateColumns returns the columns of log_templates.
func (c *lineColumns) templateColumns() []any {
	var id []uint64
	var text []string
	for i, t := range c.templates {
		id, text = append(id, i), append(text, t)
	}
	return []any{id, text}
}

// placeColumns returns those of log_template_jobs. The order does not matter: the engine sorts, and the
// token and not the block tells a repetition.
func (c *lineColumns) placeColumns() []any {
	var template, job []uint64
	var stretch []uint32
	var level []string
	for p := range c.places {
		template, job, stretch, level = append(template, p.template), append(job, p.job), append(stretch, p.stretch), append(level, p.level)
	}
	return []any{template, job, stretch, level}
}

// wordColumns returns those of log_words.
func (c *lineColumns) wordColumns() []any {
	var word []string
	var job []uint64
	var stretch []uint32
	for p := range c.words {
		word, job, stretch = append(word, p.word), append(job, p.job), append(stretch, p.stretch)
	}
	return []any{word, job, stretch}
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
	list, err := db.lines(ctx, "WHERE "+strings.Join(where, " AND ")+" ORDER BY line LIMIT {limit:UInt64}", values...)
	if err != nil {
		return nil, fmt.Errorf("read the log of job %d: %w", f.Job, err)
	}
	return list, nil
}

// lineRow is a row of log_line_state as it is read.
type lineRow struct {
	Job        uint64    `ch:"job"`
	Line       uint64    `ch:"line"`
	Time       time.Time `ch:"time"`
	Level      string    `ch:"level"`
	Stamp      int64     `ch:"stamp"`
	Template   uint64    `ch:"template"`
	Variables  string    `ch:"variables"`
	Structured bool      `ch:"structured"`
	Namespace  string    `ch:"namespace"`
	Continues  bool      `ch:"continues"`
}

// lines reads lines that a WHERE clause and what follows it choose, and puts them together. The view
// log_lines does the same, but reads every template to do it.
func (db *DB) lines(ctx context.Context, which string, values ...any) ([]Line, error) {
	rows, err := all[lineRow](ctx, db, "SELECT "+strings.Join(columns[lineRow](), ", ")+" FROM log_line_state "+which, values...)
	if err != nil {
		return nil, err
	}
	return db.assemble(ctx, rows)
}

// assemble puts lines together.
func (db *DB) assemble(ctx context.Context, rows []lineRow) ([]Line, error) {
	var wanted []uint64
	for _, r := range rows {
		wanted = append(wanted, r.Template)
	}
	texts, err := db.templates(ctx, wanted)
	if err != nil {
		return nil, err
	}
	list := make([]Line, len(rows))
	for i, r := range rows {
		list[i] = Line{r.Job, r.Line, r.Time, r.Level, join(r.Stamp, texts[r.Template], r.Variables), r.Structured, r.Namespace, r.Continues}
	}
	return list, nil
}

// templates returns the texts of templates by their numbers.
func (db *DB) templates(ctx context.Context, wanted []uint64) (map[uint64]string, error) {
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	texts := map[uint64]string{}
	for chunk := range slices.Chunk(wanted, 2000) { // a parameter travels in a URL
		rows, err := all[templateRow](ctx, db, "SELECT template, text FROM log_templates WHERE template IN {wanted:Array(UInt64)}",
			clickhouse.Named("wanted", chunk))
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			texts[r.Template] = r.Text
		}
	}
	return texts, nil
}

// templateRow is a row of log_templates.
type templateRow struct {
	Template uint64 `ch:"template"`
	Text     string `ch:"text"`
}
