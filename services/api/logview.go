package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/services/api/logbook"
)

// LinesRequest asks for some lines of a job's log, wherever they stand: verb log.lines. A row is the number of a line
// among those of the levels; all levels but "file" are meant where none is named.
// The web's viewer asks it: it shows a window of a log of a million lines and never has all of it.
// Row and Count are what a scroll bar needs, which counts only lines that are shown.
type LinesRequest struct {
	Job  events.JobID `json:"job"`
	Row  uint64       `json:"row,omitempty"`  // first row; not used with Line or End
	Line *uint64      `json:"line,omitempty"` // the rows around this line, from a multiple of Count
	End  bool         `json:"end,omitempty"`  // the last rows, from a multiple of Count
	// 0 is 500, 4,000 the most.
	Count  uint64         `json:"count,omitempty"`
	Levels []events.Level `json:"levels,omitempty"`
}

// Lines answers it.
type Lines struct {
	Job   events.JobID `json:"job"`
	First uint64       `json:"first"`        // row of the first record
	At    uint64       `json:"at,omitempty"` // with Line: its row, or that of the next line that is shown
	Rows  uint64       `json:"rows"`         // there are
	Lines uint64       `json:"lines"`        // there are, of all levels
	Done  bool         `json:"done"`         // the job says nothing more
	// Of is how many lines there are, where the lab still copies the log for its readers; Rows and Lines grow.
	Of uint64 `json:"of,omitempty"`
	// Ahead says that the records lie ahead of the copy and were looked up where the job wrote them. Then Rows and Lines
	// count all that there is, Copied is how far the copy has come, and a row is what it will be unless parts
	// of files lie between.
	Ahead  bool   `json:"ahead,omitempty"`
	Copied uint64 `json:"copied,omitempty"`
	// Records are the lines as the job wrote them, each with its number as n: {"n":12,"dt":"…","lvl":"target","msg":"…"}.
	// One that never came is {"n":12,"lvl":"lost"}. There may be fewer than were asked for: long ones.
	Records json.RawMessage `json:"records"`
}

// OutlineRequest asks what a job's log is made of: verb log.outline. With levels of which not all lines are, sections say
// which rows they are.
type OutlineRequest struct {
	Job    events.JobID   `json:"job"`
	Levels []events.Level `json:"levels,omitempty"`
}

// LogOutline answers it.
type LogOutline struct {
	Job    events.JobID            `json:"job"`
	Lines  uint64                  `json:"lines"`
	Of     uint64                  `json:"of,omitempty"` // lines that there are, where fewer have been read so far
	Done   bool                    `json:"done"`
	Levels map[events.Level]uint64 `json:"levels"` // how many lines of each
	logbook.Outline
}

// SearchLogRequest searches one job's log: flow log.search. Messages are [LogHits], the last one with Done.
type SearchLogRequest struct {
	Job    events.JobID   `json:"job"`
	Text   string         `json:"text"` // up to 1,000 bytes
	Regexp bool           `json:"regexp,omitempty"`
	Case   bool           `json:"case,omitempty"` // capitals and small letters are different
	Levels []events.Level `json:"levels,omitempty"`
	From   uint64         `json:"from,omitempty"`  // line to begin at; the search goes round
	Back   bool           `json:"back,omitempty"`  // towards the beginning
	Limit  uint64         `json:"limit,omitempty"` // hits; 0 is 100,000, the most. What is beyond is counted
}

// LogHits is a part of what was found.
type LogHits struct {
	Lines    []uint64 `json:"lines,omitempty"`  // in the order of the search
	Rows     []uint64 `json:"rows,omitempty"`   // of these lines, where rows are not lines
	Strips   []uint64 `json:"strips,omitempty"` // hits in each thousandth of all rows, once there are more than Limit; the last message alone
	Count    uint64   `json:"count"`            // so far
	Searched uint64   `json:"searched"`         // lines
	Of       uint64   `json:"of"`               // lines
	Done     bool     `json:"done,omitempty"`
}

// Limits of the log's questions.
const (
	maxLines     = 4000
	defaultLines = 500
	// Half of what the bus carries; an answer ends after the line that goes beyond it.
	maxLinesBytes = 4 << 20
	maxLogHits    = 100_000
	// More than a screen has pixels: the marks beside the scroll bar are made of them.
	strips       = 1000
	hitsTogether = 2000
	bookPatience = 1500 * time.Millisecond // that a question waits for lines that are still being read
	// farAhead is how many lines a copy may lack for a question to wait for it: that many are copied in a moment.
	farAhead = 50_000
)

// openBooks opens the place of logs' copies, which is the process's own and may be removed at any time.
func (a *api) openBooks(ctx context.Context, dir string) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "strata-logs-"); err != nil {
			return fmt.Errorf("open the copies of logs: %w", err)
		}
		a.booksTemporary = dir
	}
	a.books, err = logbook.NewShelf(ctx, logbook.Settings{Dir: filepath.Join(dir, "books"), Logger: a.logger, Read: a.readBook})
	return err
}

// closeBooks waits for the end of what reads logs.
func (a *api) closeBooks() {
	a.books.Close()
	if a.booksTemporary != "" {
		_ = os.RemoveAll(a.booksTemporary) // the system's own place for what is left over
	}
}

// readBook hands a job's output to its book.
// The shelf calls it on a goroutine of its own, one for each log that is being copied, until the
// log's end or ctx's.
func (a *api) readBook(ctx context.Context, job events.JobID, from uint64, frame func(uint64, []byte) error) error {
	return a.sendLog(ctx, LogRequest{Job: job, From: from, Follow: true}, func(m message) error {
		first, err := strconv.ParseUint(m.header[events.HeaderFirstLine], 10, 64)
		if err != nil {
			return fmt.Errorf("a frame without a line's number: %w", err)
		}
		return frame(first, m.body)
	})
}

// errSilent says that a job never said anything.
var errSilent = errors.New("the job says nothing")

// extent is what is known of a log without its copy.
// Of a job that runs it is already old when it is used: more lines come.
type extent struct {
	of   uint64 // lines that are there
	over bool   // and that no more will come
}

// book opens the log of a job that the caller may see.
// done must be called once the book is not used any more; it is nil with an error. k may be ahead of
// the book, which is being copied. Rights are asked with each question, not once for a viewer.
func (a *api) book(ctx context.Context, who caller, job events.JobID) (b *logbook.Book, k extent, done func(), err error) {
	facts, err := a.jobFacts(ctx, job)
	if err != nil {
		return nil, k, nil, err
	}
	if err := a.mayJob(who, lab.View, job); err != nil {
		return nil, k, nil, err
	}
	if erased, _ := removed(facts); erased {
		a.books.Forget(job)
		return nil, k, nil, refuse(NotFound, "the log of job %d was erased; strata events job/%d tells by whom", job, job)
	}
	j, _ := viewFacts(facts)
	if j.Over() && j.Lease == 0 {
		return nil, k, nil, errSilent
	}
	if b, done, err = a.books.Use(job); err != nil {
		return nil, k, nil, err
	}
	state, _, _ := b.State(logbook.AllLevels)
	switch {
	case state.Done:
		k = extent{state.Lines, true}
	case j.Complete:
		// The finish report counts what the job wrote; the copy may have lines that it did not know
		// of.
		k = extent{max(j.Lines, state.Lines), true}
	default:
		k.of = max(a.outputEnd(ctx, job), state.Lines)
	}
	return b, k, done, nil
}

// outputEnd returns how many lines a job has said, 0 where that cannot be told.
// The last frame of the job's subject names its last line, so it costs one message.
func (a *api) outputEnd(ctx context.Context, job events.JobID) uint64 {
	s, err := a.log.JetStream().Stream(ctx, stream.Output)
	if err != nil {
		return 0
	}
	// Archived output has no message any more; then the job is over and its facts tell the number.
	m, err := s.GetLastMsgForSubject(ctx, events.OutputSubject(job))
	if err != nil {
		return 0
	}
	f, err := events.DecodeFrame(m.Subject, m.Header, m.Data)
	if err != nil {
		return 0
	}
	return f.End()
}

// awaitBook waits until a book has what a question needs, but not for long.
// What comes back may be less than was wanted: it is then what there is after [bookPatience].
// It holds no lock while it waits; done of [api.book] keeps the book open.
func awaitBook(ctx context.Context, b *logbook.Book, of logbook.Levels, enough func(logbook.State) bool) (logbook.State, error) {
	late := time.NewTimer(bookPatience)
	defer late.Stop()
	for {
		state, grew, err := b.State(of)
		if err != nil || state.Done || enough(state) {
			return state, err
		}
		select {
		case <-grew:
		case <-late.C:
			return state, nil
		case <-ctx.Done():
			return state, ctx.Err()
		}
	}
}

// levelsAsked reads a request's levels.
func levelsAsked(names []events.Level) (logbook.Levels, error) {
	levels, ok := logbook.ParseLevels(names)
	if !ok {
		return 0, &Error{Code: Invalid, Field: "levels", Message: fmt.Sprintf("levels are %v; there are debug, info, warning, error, exception, input, target, feedback, results, event, file, other and lost", names)}
	}
	return levels, nil
}

// logLines answers with some lines of a log.
// Of a log that is still being copied it answers the truth of this moment: Of and Done say so, and
// the viewer asks again.
func (a *api) logLines(ctx context.Context, who caller, in LinesRequest) (Lines, error) {
	out := Lines{Job: in.Job, Records: json.RawMessage("[]")}
	if in.Count == 0 {
		in.Count = defaultLines
	}
	if in.Count > maxLines {
		return out, &Error{Code: Invalid, Field: "count", Message: fmt.Sprintf("count is %d, allowed are 1 to %d", in.Count, maxLines)}
	}
	levels, err := levelsAsked(in.Levels)
	if err != nil {
		return out, err
	}
	b, k, done, err := a.book(ctx, who, in.Job)
	if errors.Is(err, errSilent) {
		out.Done = true
		return out, nil
	}
	if err != nil {
		return out, err
	}
	defer done()
	enough := func(s logbook.State) bool {
		return s.Lines >= k.of || !in.End && (in.Line != nil && *in.Line+in.Count < s.Lines || in.Line == nil && in.Row+in.Count <= s.Rows)
	}
	state, _, err := b.State(levels)
	if err == nil && !enough(state) && k.of-state.Lines > farAhead && len(in.Levels) == 0 {
		if ahead, err := a.linesAhead(ctx, in, state, k); err != nil || ahead.Ahead {
			return ahead, err
		}
	}
	if state, err = awaitBook(ctx, b, levels, enough); err != nil {
		return out, err
	}
	// The numbers are of one look at the book: a reader that came between rows and lines would
	// scroll astray.
	out.Rows, out.Lines, out.Done, out.First = state.Rows, state.Lines, state.Done || k.over, in.Row
	if state.Lines < k.of {
		out.Of = k.of
	}
	switch {
	case in.Line != nil:
		if out.At, err = b.RowOf(*in.Line, levels); err != nil {
			return out, err
		}
		out.At = min(out.At, max(out.Rows, 1)-1)
		out.First = out.At - out.At%in.Count
	case in.End && out.Rows > 0:
		out.First = (out.Rows - 1) - (out.Rows-1)%in.Count
	}
	out.Records, err = records(b, out.First, in.Count, levels)
	return out, err
}

// linesAhead looks lines up where the job wrote them, which the copy of a long log has not reached. The answer says
// Ahead where that could be done.
// It is for the first question about a long log, which usually wants its end: copying a million
// lines takes seconds.
func (a *api) linesAhead(ctx context.Context, in LinesRequest, state logbook.State, k extent) (Lines, error) {
	of := k.of
	hidden := state.Lines - state.Rows // parts of files that lie before; those that come are not known
	out := Lines{Job: in.Job, First: in.Row, Rows: of - hidden, Lines: of, Of: of, Done: k.over, Copied: state.Lines, Records: json.RawMessage("[]")}
	switch {
	case in.Line != nil:
		out.At = min(*in.Line, of-1) - min(hidden, *in.Line)
		out.First = out.At - out.At%in.Count
	case in.End:
		out.First = (out.Rows - 1) - (out.Rows-1)%in.Count
	}
	if out.First >= out.Rows {
		out.Ahead = true // there is nothing
		return out, nil
	}
	frames, err := a.log.ReadAhead(ctx, in.Job, out.First+hidden, in.Count)
	if err != nil {
		return out, fmt.Errorf("look up lines of job %d: %w", in.Job, err)
	}
	text := newRecordList()
	left := in.Count
	for _, f := range frames {
		for i, record := range f.Lines() {
			if left == 0 {
				break
			}
			left--
			text.add(f.First+uint64(i), record)
		}
	}
	out.Records, out.Ahead = text.end(), left < in.Count
	return out, nil
}

// recordList writes lines as an array of JSON, up to maxLinesBytes.
type recordList struct{ text bytes.Buffer }

func newRecordList() *recordList {
	l := &recordList{}
	l.text.WriteByte('[')
	return l
}

// add writes a line with its number; nil is one that never came.
// record is put in as the job wrote it, without being decoded: that is most of what such an answer
// costs. What is no object of JSON counts as lost, or one bad line would spoil the whole array.
func (l *recordList) add(line uint64, record []byte) {
	if l.text.Len() > maxLinesBytes {
		return
	}
	if l.text.Len() > 1 {
		l.text.WriteByte(',')
	}
	l.text.WriteString(`{"n":`)
	l.text.WriteString(strconv.FormatUint(line, 10))
	if !json.Valid(record) || len(record) < 3 || record[0] != '{' {
		l.text.WriteString(`,"lvl":"lost"}`)
		return
	}
	l.text.WriteByte(',')
	l.text.Write(record[1:])
}

func (l *recordList) end() json.RawMessage {
	l.text.WriteByte(']')
	return l.text.Bytes()
}

// records writes lines of a book.
func records(b *logbook.Book, row, count uint64, levels logbook.Levels) (json.RawMessage, error) {
	text := newRecordList()
	err := b.Read(row, count, levels, text.add)
	return text.end(), err
}

// logOutline answers with what a log is made of, as far as it has been read.
func (a *api) logOutline(ctx context.Context, who caller, in OutlineRequest) (LogOutline, error) {
	out := LogOutline{Job: in.Job, Levels: map[events.Level]uint64{}, Outline: logbook.Outline{Sections: []logbook.Section{}, Findings: []logbook.Finding{}}}
	levels, err := levelsAsked(in.Levels)
	if err != nil {
		return out, err
	}
	b, k, done, err := a.book(ctx, who, in.Job)
	if errors.Is(err, errSilent) {
		out.Done = true
		return out, nil
	}
	if err != nil {
		return out, err
	}
	defer done()
	state, err := awaitBook(ctx, b, levels, func(s logbook.State) bool { return s.Lines >= k.of })
	if err != nil {
		return out, err
	}
	out.Lines, out.Done, out.Levels, out.Outline = state.Lines, state.Done, b.Counts(), b.Outline()
	if state.Lines < k.of {
		out.Of = k.of
	}
	if state.Rows != state.Lines {
		err = b.Place(out.Sections, levels)
	}
	return out, err
}

// openLogSearch searches a log.
// Hits come while it goes on, the first ones at once; the numbers of hits beyond the limit are exact
// where no limit was asked for. [Invalid] names an expression that is none.
func (a *api) openLogSearch(who caller, body []byte) (producer, error) {
	in, err := decode[SearchLogRequest](body)
	if err != nil {
		return nil, err
	}
	if in.Limit > maxLogHits {
		return nil, &Error{Code: Invalid, Field: "limit", Message: fmt.Sprintf("limit is %d, allowed are 1 to %d", in.Limit, maxLogHits)}
	}
	one := in.Limit > 0
	if !one {
		in.Limit = maxLogHits
	}
	levels, err := levelsAsked(in.Levels)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, emit func(message) error) error {
		b, k, done, err := a.book(ctx, who, in.Job)
		if errors.Is(err, errSilent) {
			return emitHits(emit, LogHits{Done: true})
		}
		if err != nil {
			return err
		}
		defer done()
		state, err := awaitBook(ctx, b, levels, func(s logbook.State) bool { return s.Lines >= k.of })
		if err != nil {
			return err
		}
		hits := LogHits{Of: max(k.of, state.Lines)}
		strip := make([]uint64, strips)
		var failed error
		told := uint64(0) // lines that had been searched when something was told
		err = b.Search(ctx, logbook.Query{Text: in.Text, Regexp: in.Regexp, Case: in.Case, Levels: levels, From: in.From, Back: in.Back}, func(f logbook.Found) bool {
			for _, row := range f.Rows {
				strip[min(row*strips/max(state.Rows, 1), strips-1)]++
			}
			room := in.Limit - min(hits.Count, in.Limit)
			hits.Count += uint64(len(f.Lines))
			hits.Searched = f.Searched
			keep := min(room, uint64(len(f.Lines)))
			hits.Lines = append(hits.Lines, f.Lines[:keep]...)
			if state.Rows != state.Lines {
				hits.Rows = append(hits.Rows, f.Rows[:keep]...)
			}
			// The first hits go at once, more in pieces: a message a leaf would be thousands.
			if told > 0 && len(hits.Lines) < hitsTogether && f.Searched-told < hits.Of/50 && (!one || hits.Count < in.Limit) {
				return true
			}
			failed = emitHits(emit, hits)
			// At least 1: nothing may have been searched when the first hits are told, and told 0
			// means none were.
			told, hits.Lines, hits.Rows = max(f.Searched, 1), nil, nil
			return failed == nil && (!one || hits.Count < in.Limit)
		})
		var wrong *logbook.QueryError
		switch {
		case errors.As(err, &wrong):
			return &Error{Code: Invalid, Field: "text", Message: wrong.Error()}
		case failed != nil:
			return failed
		case err != nil:
			return err
		}
		hits.Done = true
		if hits.Count > in.Limit {
			hits.Strips = strip
		}
		return emitHits(emit, hits)
	}, nil
}

// emitHits sends a part of what was found.
func emitHits(emit func(message) error, h LogHits) error {
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return emit(message{body: body})
}
