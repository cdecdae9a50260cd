package live

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"strata/events"
)

// events writes a chunk as server-sent events, one a line; before lines that the listener does not get an event
// named "lost". Nothing is written where the levels that are wanted do not occur.
func (c chunk) events() []byte {
	var text []byte
	if c.lost > 0 {
		text = fmt.Appendf(text, "event: lost\ndata: {\"job\":%s,\"from\":%d,\"count\":%d}\n\n", c.job, c.first-c.lost, c.lost)
	}
	return c.each(slices.Grow(text, len(c.body)+len(c.body)/4), func(text, record []byte, line uint64) []byte {
		text = append(append(append(text, "id: "...), c.job...), '/')
		text = append(strconv.AppendUint(text, line, 10), "\ndata: "...)
		return append(append(text, record...), "\n\n"...)
	})
}

// message writes a chunk as one message for a websocket: an object with lines, each with its id and its record,
// and lost where there are lines before it that the listener does not get.
func (c chunk) message() []byte {
	text := append(make([]byte, 0, len(c.body)+len(c.body)/4), '{')
	if c.lost > 0 {
		text = fmt.Appendf(text, `"lost":{"job":%s,"from":%d,"count":%d},`, c.job, c.first-c.lost, c.lost)
	}
	text = append(text, `"lines":[`...)
	empty := len(text)
	text = c.each(text, func(text, record []byte, line uint64) []byte {
		if len(text) > empty {
			text = append(text, ',')
		}
		text = append(append(append(text, `{"id":"`...), c.job...), '/')
		text = append(strconv.AppendUint(text, line, 10), `","record":`...)
		return append(append(text, record...), '}')
	})
	if len(text) == empty && c.lost == 0 {
		return nil
	}
	return append(text, "]}"...)
}

// each appends the lines that are wanted.
func (c chunk) each(text []byte, one func(text, record []byte, line uint64) []byte) []byte {
	line := c.first
	for record := range bytes.Lines(c.body) {
		if c.wants(record) {
			text = one(text, bytes.TrimSuffix(record, []byte{'\n'}), line)
		}
		line++
	}
	return text
}

// wants says whether a record's level is asked for. A record names its level once, before its message.
// It looks for the bytes as this house's workers write them; the head is what stands before any
// message.
func (c chunk) wants(record []byte) bool {
	head := record[:min(len(record), 120)]
	return len(c.levels) == 0 || slices.ContainsFunc(c.levels, func(level events.Level) bool {
		return bytes.Contains(head, []byte(`"lvl":"`+level+`"`))
	})
}

// written keeps the newest chunks as they were written for somebody: a thousand who watch one job get the same
// bytes, which are made once. The zero value is ready.
type written struct {
	mu    sync.Mutex
	texts map[writtenKey]*writtenText
	order []writtenKey
}

// writtenKey names a chunk by where its bytes lie in memory, which stay there as long as they are kept here.
// Chunks that different watchers get of one frame share its bytes, see [stream.Watching]; those read
// from the store are each one's own, and are kept for nothing but cost no more than room.
type writtenKey struct {
	body   *byte
	size   int
	first  uint64
	lost   uint64
	levels string
	form   form
}

// form is how a chunk is written.
type form uint8

const (
	asEvents form = iota
	asMessage
)

// writtenText is a chunk as it was written, once somebody has.
type writtenText struct {
	once sync.Once
	text []byte
}

// keptChunks is how many chunks are kept: of at most 64 KiB each, and for a second or so.
const keptChunks = 128

// write returns a chunk in a form. The caller must not change it.
// The first who asks writes it, outside of the lock; others who ask meanwhile wait for that.
func (w *written) write(c chunk, as form) []byte {
	if len(c.body) == 0 {
		return nil
	}
	var levels strings.Builder
	for _, l := range c.levels {
		levels.WriteString(string(l) + ",")
	}
	key := writtenKey{&c.body[0], len(c.body), c.first, c.lost, levels.String(), as}
	w.mu.Lock()
	t := w.texts[key]
	if t == nil {
		if w.texts == nil {
			w.texts = map[writtenKey]*writtenText{}
		}
		t = &writtenText{}
		w.texts[key] = t
		if w.order = append(w.order, key); len(w.order) > keptChunks {
			delete(w.texts, w.order[0])
			w.order = w.order[1:]
		}
	}
	w.mu.Unlock()
	t.once.Do(func() {
		if t.text = c.events(); as == asMessage {
			t.text = c.message()
		}
	})
	return t.text
}
