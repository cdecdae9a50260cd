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
type LinesRequest struct {
	Job    events.JobID   `json:"job"`
	Row    uint64         `json:"row,omitempty"`  // first row; not used with Line or End
	Line   *uint64        `json:"line,omitempty"` // the rows around this line, from a multiple of Count
	End    bool           `json:"end,omitempty"`  // the last rows, from a multiple of Count
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
	// Of is how many lines there are, where not all of them could be looked at yet; Rows and Lines grow.
	Of uint64 `json:"of,omitempty"`
	// Records are the lines as the job wrote them, each with its number as n: {"n":12,"dt":"…","lvl":"target","msg":"…"}.
	// One that never came is {"n":12,"lvl":"lost"}. There may be fewer than were asked for: long ones.
	Records json.RawMessage `json:"records"`
}

// LogOutline answers log.outline: what a job's log is made of.
type LogOutline struct {
	Job    events.JobID            `json:"job"`
	Lines  uint64                  `json:"lines"`
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
	maxLines      = 4000
	defaultLines  = 500
	maxLinesBytes = 4 << 20
	maxLogHits    = 100_000
	strips        = 1000
	hitsTogether  = 2000
	bookPatience  = 1500 * time.Millisecond // that a question waits for lines that are still being read
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

// book opens the log of a job that the caller may see. It returns how many lines are known to be there.
func (a *api) book(ctx context.Context, who caller, job events.JobID) (b *logbook.Book, of uint64, done func(), err error) {
	facts, err := a.jobFacts(ctx, job)
	if err != nil {
		return nil, 0, nil, err
	}
	if err := a.mayJob(who, lab.View, job); err != nil {
		return nil, 0, nil, err
	}
	if erased, _ := removed(facts); erased {
		a.books.Forget(job)
		return nil, 0, nil, refuse(NotFound, "the log of job %d was erased; strata events job/%d tells by whom", job, job)
	}
	j, _ := viewFacts(facts)
	if j.Over() && j.Lease == 0 {
		return nil, 0, nil, errSilent
	}
	if b, done, err = a.books.Use(job); err != nil {
		return nil, 0, nil, err
	}
	state, _, _ := b.State(logbook.AllLevels)
	switch {
	case state.Done:
		of = state.Lines
	case j.Complete:
		of = max(j.Lines, state.Lines)
	default:
		of = max(a.outputEnd(ctx, job), state.Lines)
	}
	return b, of, done, nil
}

// outputEnd returns how many lines a job has said, 0 where that cannot be told.
func (a *api) outputEnd(ctx context.Context, job events.JobID) uint64 {
	s, err := a.log.JetStream().Stream(ctx, stream.Output)
	if err != nil {
		return 0
	}
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
	b, of, done, err := a.book(ctx, who, in.Job)
	if errors.Is(err, errSilent) {
		out.Done = true
		return out, nil
	}
	if err != nil {
		return out, err
	}
	defer done()
	state, err := awaitBook(ctx, b, levels, func(s logbook.State) bool {
		return s.Lines >= of || !in.End && (in.Line != nil && *in.Line+in.Count < s.Lines || in.Line == nil && in.Row+in.Count <= s.Rows)
	})
	if err != nil {
		return out, err
	}
	out.Rows, out.Lines, out.Done, out.First = state.Rows, state.Lines, state.Done, in.Row
	if state.Lines < of {
		out.Of = of
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

// records writes lines as an array.
func records(b *logbook.Book, row, count uint64, levels logbook.Levels) (json.RawMessage, error) {
	text := bytes.NewBufferString("[")
	err := b.Read(row, count, levels, func(line uint64, record []byte) {
		if text.Len() > maxLinesBytes {
			return
		}
		if text.Len() > 1 {
			text.WriteByte(',')
		}
		text.WriteString(`{"n":`)
		text.WriteString(strconv.FormatUint(line, 10))
		if !json.Valid(record) || len(record) < 3 || record[0] != '{' {
			text.WriteString(`,"lvl":"lost"}`)
			return
		}
		text.WriteByte(',')
		text.Write(record[1:])
	})
	text.WriteByte(']')
	return text.Bytes(), err
}

// logOutline answers with what a log is made of, as far as it has been read.
func (a *api) logOutline(ctx context.Context, who caller, in JobRequest) (LogOutline, error) {
	out := LogOutline{Job: in.Job, Levels: map[events.Level]uint64{}, Outline: logbook.Outline{Sections: []logbook.Section{}, Findings: []logbook.Finding{}}}
	b, of, done, err := a.book(ctx, who, in.Job)
	if errors.Is(err, errSilent) {
		out.Done = true
		return out, nil
	}
	if err != nil {
		return out, err
	}
	defer done()
	state, err := awaitBook(ctx, b, logbook.AllLevels, func(s logbook.State) bool { return s.Lines >= of })
	if err != nil {
		return out, err
	}
	out.Lines, out.Done, out.Levels, out.Outline = state.Lines, state.Done, b.Counts(), b.Outline()
	return out, nil
}

// openLogSearch searches a log.
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
		b, of, done, err := a.book(ctx, who, in.Job)
		if errors.Is(err, errSilent) {
			return emitHits(emit, LogHits{Done: true})
		}
		if err != nil {
			return err
		}
		defer done()
		state, err := awaitBook(ctx, b, levels, func(s logbook.State) bool { return s.Lines >= of })
		if err != nil {
			return err
		}
		hits := LogHits{Of: max(of, state.Lines)}
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

func emitHits(emit func(message) error, h LogHits) error {
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return emit(message{body: body})
}
