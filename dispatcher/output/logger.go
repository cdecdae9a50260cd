package output

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"strata/events"
)

// Logger turns what happens in a job into records, in the order of the calls. It numbers them from
// 0, masks secrets, cuts what is longer than a record may be and keeps the output limit. It is
// safe for use by several goroutines.
type Logger struct {
	mu      sync.Mutex
	now     func() time.Time
	write   func(events.Record) error
	secrets []string
	next    uint64 // number of the next record
	marks   map[string]marks
	limit   limiter
	files   given
	err     error // the first failed write
	failed  chan struct{}
}

// Settings is what a Logger needs from outside.
type Settings struct {
	Now   func() time.Time
	Write func(events.Record) error // takes each record, in order; called with a lock held
	Limit int64                     // bytes of output kept whole; 0 is DefaultLimit
	Files FileLimits                // of tests; 0 is what DefaultFileLimits says
}

// New returns a logger that numbers from 0.
func New(s Settings) *Logger {
	if s.Files.File == 0 {
		s.Files.File = DefaultFileLimits().File
	}
	if s.Files.Job == 0 {
		s.Files.Job = DefaultFileLimits().Job
	}
	return &Logger{files: given{limits: s.Files, at: map[string]events.File{}}, now: s.Now, write: s.Write, marks: map[string]marks{}, limit: newLimiter(s.Limit), failed: make(chan struct{})}
}

// Debug logs detail that few people read.
func (l *Logger) Debug(format string, args ...any) { l.Text(events.Debug, "", sprintf(format, args)) }

// Info logs what people follow a job by.
func (l *Logger) Info(format string, args ...any) { l.Text(events.Info, "", sprintf(format, args)) }

// Warning logs what may explain a later failure.
func (l *Logger) Warning(format string, args ...any) {
	l.Text(events.Warning, "", sprintf(format, args))
}

// Error logs what went wrong.
func (l *Logger) Error(format string, args ...any) { l.Text(events.Error, "", sprintf(format, args)) }

// Exception logs the text of the error that ended an action.
func (l *Logger) Exception(format string, args ...any) {
	l.Text(events.Exception, "", sprintf(format, args))
}

// Event logs the text of lava-test-event, which subscribers are told of.
func (l *Logger) Event(text string) { l.Text(events.EventText, "", text) }

// Text logs a text as it is. The namespace is only given for feedback.
func (l *Logger) Text(level events.Level, namespace, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text(level, namespace, l.mask(text), false)
}

// Console logs what a console said in whole lines, each as a record, with one time. The end of a line is
// a newline with up to two carriage returns before it, as terminals behind terminals make them; escape
// characters, which would act on a reader's own terminal, are left out, and nothing else. The text may be
// changed afterwards.
func (l *Logger) Console(level events.Level, namespace string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	namespace, _ = cut(namespace, maxNamespace)
	at := l.stamp()
	if len(l.secrets) > 0 || bytes.IndexByte(text, '\x1b') >= 0 {
		for line := range bytes.Lines(text) {
			l.text(level, namespace, l.mask(strings.ReplaceAll(string(withoutEnd(line)), "\x1b", "")), false)
		}
		return
	}
	// One piece of memory for all: a flood makes a million lines a second.
	room := make([]byte, 0, len(text)+2*bytes.Count(text, newline))
	for line := range bytes.Lines(text) {
		line = withoutEnd(line)
		from := len(room)
		if wide, ok := appendPlain(room, line); ok && len(wide)-from <= maxText {
			room = wide
			l.putAt(events.Record{Level: level, Namespace: namespace, Message: room[from:len(room):len(room)]}, at)
			continue
		}
		l.text(level, namespace, string(line), false)
	}
}

var newline = []byte("\n")

// withoutEnd returns a line without what ends it.
func withoutEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, newline)
	for range 2 {
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
	}
	return line
}

// appendPlain appends a text as JSON, if that needs no more than quotes and backslashes.
func appendPlain(to, text []byte) ([]byte, bool) {
	to = append(to, '"')
	from := 0
	for i := 0; i < len(text); i++ {
		if i+8 <= len(text) && plain(binary.LittleEndian.Uint64(text[i:])) {
			i += 7
			continue
		}
		switch b := text[i]; {
		case b == '"' || b == '\\':
			to = append(append(to, text[from:i]...), '\\')
			from = i
		case b < ' ' || b >= utf8.RuneSelf:
			return nil, false
		}
	}
	return append(append(to, text[from:]...), '"'), true
}

// plain says whether each of eight bytes stands for itself in JSON. A byte is found to be less than
// another by the bit that their difference borrows; with a high bit set nothing is plain anyway.
func plain(w uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quotes, slashes := w^ones*'"', w^ones*'\\'
	return (w|(w-ones*' ')|(quotes-ones)|(slashes-ones))&highs == 0
}

// Part logs the beginning of a text whose end is still to come, marked as continued, and returns
// what of it has to wait for more: an unfinished character, or what may be the beginning of a secret.
// The caller logs that with what comes after it.
func (l *Logger) Part(level events.Level, namespace, text string) (rest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.safeCut(text)
	if at > 0 {
		l.text(level, namespace, l.mask(text[:at]), true)
	}
	return text[at:]
}

// List logs a list of texts as a list, as LAVA does for collections.
func (l *Logger) List(level events.Level, items []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	masked := make([]string, len(items))
	for i, item := range items {
		masked[i] = l.mask(item)
	}
	l.put(events.Record{Level: level, Message: fit(masked)})
}

// Lines returns how many records there are so far.
func (l *Logger) Lines() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Err returns the first error of writing a record. Records after it are dropped: the disk is full
// or gone, and the job must end.
func (l *Logger) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Failed is closed when a record could not be written.
func (l *Logger) Failed() <-chan struct{} { return l.failed }

// text cuts a masked text into records of at most events.MaxRecordBytes as JSON. more says that the
// last of them is continued too.
func (l *Logger) text(level events.Level, namespace, text string, more bool) {
	l.textAt(level, namespace, text, more, l.stamp())
}

// textAt is text with the time that it was said.
func (l *Logger) textAt(level events.Level, namespace, text string, more bool, at time.Time) {
	namespace, _ = cut(namespace, maxNamespace)
	for {
		head, rest := cut(text, maxText)
		l.putAt(events.Record{Level: level, Namespace: namespace, Message: encode(head), Continues: more || rest != ""}, at)
		if rest == "" {
			return
		}
		text = rest
	}
}

// put numbers and writes one record, unless the output limit keeps it back.
func (l *Logger) put(r events.Record) {
	l.putAt(r, l.stamp())
}

func (l *Logger) putAt(r events.Record, at time.Time) {
	if l.err != nil {
		return
	}
	r.Time = at
	if l.limit.below(r) {
		l.writeOne(r)
		return
	}
	l.writeAll(l.limit.admit(r, l.next))
}

// stamp is the time of a record.
func (l *Logger) stamp() time.Time { return l.now().UTC().Truncate(time.Microsecond) }

func (l *Logger) writeAll(records []events.Record) {
	for _, r := range records {
		if !l.writeOne(r) {
			return
		}
	}
}

func (l *Logger) writeOne(r events.Record) bool {
	if l.err = l.write(r); l.err != nil {
		close(l.failed)
		return false
	}
	l.next++
	return true
}

// Finish writes what the output limit kept back. Call it before the last records of a job, and
// again if more than those came.
func (l *Logger) Finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	records := l.limit.finish()
	if len(records) > 0 {
		records[0].Time = l.stamp()
	}
	l.writeAll(records)
}

func sprintf(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// encode never fails: it is given texts, lists of texts and Fields only.
func encode(v any) json.RawMessage {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return json.RawMessage(`"(a record that cannot be written as JSON)"`)
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n"))
}
