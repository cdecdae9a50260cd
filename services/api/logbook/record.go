package logbook

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"strata/events"
)

// Lost is the level of a line that never came. It stands in no log, only in what a book tells.
const Lost events.Level = "lost"

// levelNames are the levels in the order of their bits in a [Levels]. What a newer release says has the last but one.
// A new level is put before "other", with a new format of the index: bits and counts stand there.
func levelNames() []events.Level {
	return []events.Level{events.Debug, events.Info, events.Warning, events.Error, events.Exception, events.Input, events.Target,
		events.Feedback, events.Results, events.EventText, events.FileData, "other", Lost}
}

// The places of levels that are treated in a way of their own.
const (
	levelCount   = 13
	levelOther   = 11
	levelLost    = 12
	levelTarget  = 6
	levelFile    = 10
	levelResults = 8
)

// Levels is a set of levels.
type Levels uint16

// AllLevels has every level.
const AllLevels Levels = 1<<levelCount - 1

// ParseLevels returns the set of some levels; of none it is all but the parts of files, which nobody reads.
// False says that one of the names is none.
func ParseLevels(names []events.Level) (Levels, bool) {
	if len(names) == 0 {
		return AllLevels &^ (1 << levelFile), true
	}
	known := levelNames()
	set := Levels(1 << levelLost) // what is missing is always told
	for _, n := range names {
		at := slices.Index(known, n)
		if at < 0 {
			return 0, false
		}
		set |= 1 << at
	}
	return set, true
}

// has says whether a level is in the set.
func (l Levels) has(level uint8) bool { return l&(1<<level) != 0 }

// parsed is what a book needs to know of a record.
// Its slices lie in the record, and are valid as long as that is.
type parsed struct {
	level   uint8
	message []byte // JSON
	time    []byte // as it is written, without quotes; may be empty
}

// parse reads a record as this house's writers make them, the level before the message and both in the first
// members. What is written in another way is read by the long way.
// What it returns lies in line. It is most of what filling a book costs, hence the short way.
func parse(line []byte) (p parsed) {
	if rest, ok := bytes.CutPrefix(line, []byte(`{"dt":"`)); ok {
		if end := bytes.IndexByte(rest, '"'); end > 0 && bytes.HasPrefix(rest[end:], []byte(`","lvl":"`)) {
			p.time, rest = rest[:end], rest[end+len(`","lvl":"`):]
			if end = bytes.IndexByte(rest, '"'); end > 0 && bytes.HasPrefix(rest[end:], []byte(`","msg":`)) {
				p.level, p.message = levelOf(rest[:end]), value(rest[end+len(`","msg":`):])
				if p.message != nil {
					return p
				}
			}
		}
	}
	var r struct {
		Time    string          `json:"dt"`
		Level   string          `json:"lvl"`
		Message json.RawMessage `json:"msg"`
	}
	// Not even JSON: it is shown as it is, at a level of its own.
	if json.Unmarshal(line, &r) != nil {
		return parsed{level: levelOther, message: line}
	}
	return parsed{levelOf([]byte(r.Level)), r.Message, []byte(r.Time)}
}

// value returns the text that stands at the beginning of JSON, or all but the brace at its end where that is no text.
// nil says that it cannot be cut out so simply.
func value(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if b[0] != '"' {
		// A member may stand behind the message: then the long way finds where that ends.
		if b[len(b)-1] != '}' || bytes.Contains(b, []byte(`,"ns":`)) || bytes.Contains(b, []byte(`,"continues":`)) {
			return nil
		}
		return b[:len(b)-1]
	}
	for at := 1; at < len(b); {
		next := bytes.IndexAny(b[at:], `"\`)
		switch {
		case next < 0:
			return nil
		case b[at+next] == '"':
			return b[:at+next+1]
		}
		at += next + 2
	}
	return nil
}

// levelOf is the place of a level in [levelNames]; of one that is not known that of other.
func levelOf(name []byte) uint8 {
	switch string(name) {
	case "target":
		return levelTarget
	case "debug":
		return 0
	case "info":
		return 1
	case "warning":
		return 2
	case "error":
		return 3
	case "exception":
		return 4
	case "input":
		return 5
	case "feedback":
		return 7
	case "results":
		return levelResults
	case "event":
		return 9
	case "file":
		return levelFile
	}
	return levelOther
}

// appendPlain appends what people read of a message: a text without what colours it and moves the cursor, on one
// line; a mapping as it is written.
// It is the text that searches see, so it has to be what the viewer shows.
func appendPlain(to, message []byte) []byte {
	if len(message) < 2 || message[0] != '"' {
		return append(to, message...)
	}
	inner := message[1 : len(message)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		var text string
		if json.Unmarshal(message, &text) == nil {
			inner = []byte(text)
		}
	}
	if plainAlready(inner) {
		return append(to, inner...)
	}
	return append(to, Plain(string(inner))...)
}

// plainAlready says whether a text is certainly what [Plain] makes of it, as nearly all are.
func plainAlready(text []byte) bool {
	for at, b := range text {
		if b < ' ' && b != '\t' || b == 0x7f || b == '[' && bare(text[at:]) > 0 {
			return false
		}
	}
	return utf8.Valid(text)
}

// Plain returns what a text shows on a terminal, on one line: without colours and movements of the cursor, and
// of what a carriage return overwrites only the last. Consoles' logs lack the escape character before the
// bracket, so a bracket, numbers and an m count as a colour too. The viewer in the browser reads texts by the same
// rules; testdata/plain.json holds both to them.
func Plain(text string) string {
	out := make([]byte, 0, len(text))
	for at := 0; at < len(text); {
		switch c := text[at]; {
		case c == 0x1b:
			at += escape(text[at:])
			continue
		case c == '[' && bare(text[at:]) > 0:
			at += bare(text[at:])
			continue
		// As it moves the cursor back, what comes next overwrites the letter before.
		case c == '\b':
			_, size := utf8.DecodeLastRune(out)
			out = out[:len(out)-size]
		case c == '\r':
			if rest := strings.TrimLeft(text[at:], "\r"); rest != "" && rest[0] != '\n' {
				out = out[:bytes.LastIndexByte(out, newlineMark)+1]
			}
		case c == '\n':
			out = append(out, newlineMark)
		case c < ' ' && c != '\t', c == 0x7f:
		default:
			out = append(out, c)
		}
		at++
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(out), "\ufffd"), string(rune(newlineMark)), " ")
}

// newlineMark stands for a line's end until a text is whole: a byte that no plain text has.
const newlineMark = 0x01
