package connection

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"
)

// Expect reads until one of the patterns matches: the one whose match begins earliest, of equal
// ones the first. It returns ctx's error when ctx ends first, with nothing consumed, and ErrClosed
// when the other end is gone.
func (c *Connection) Expect(ctx context.Context, patterns ...Pattern) (Match, error) {
	if c.scanner == nil || !c.scanner.serves(patterns) {
		c.scanner = &scanner{table: c.tables.of(patterns), seen: make([]int64, len(patterns))}
	}
	if len(c.unmatched) > 0 {
		if m, ok, err := c.search(patterns); ok || err != nil {
			return m, err
		}
	}
	for {
		select {
		case chunk, ok := <-c.chunks:
			if !ok {
				c.closed = true
				return Match{}, ErrClosed
			}
			c.take(chunk)
			if m, ok, err := c.search(patterns); ok || err != nil {
				return m, err
			}
		case <-ctx.Done():
			return Match{}, ctx.Err()
		}
	}
}

// ExpectText compiles patterns, each once, and expects them.
func (c *Connection) ExpectText(ctx context.Context, patterns ...string) (Match, error) {
	compiled := make([]Pattern, len(patterns))
	for i, text := range patterns {
		var err error
		if compiled[i], err = c.tables.compile(text); err != nil {
			return Match{}, err
		}
	}
	return c.Expect(ctx, compiled...)
}

// search looks for the patterns in the window at the end of what is unmatched, which always covers
// all that was never searched. It logs the lines up to the match, or all of them.
func (c *Connection) search(patterns []Pattern) (Match, bool, error) {
	// Half a window of old text stands before the fresh: a match may have begun there.
	from := max(len(c.unmatched)-max(c.window, c.fresh+c.window/2), 0)
	for from < len(c.unmatched) && from > 0 && !utf8.RuneStart(c.unmatched[from]) {
		from++
	}
	start := c.position - int64(len(c.unmatched)-from)
	c.scanner.scan(c.unmatched[from:], c.position)
	var window string
	var ascii bool
	var best found
	index := -1
	for i, p := range patterns {
		if !c.scanner.may(i, start) {
			continue
		}
		if window == "" {
			window = string(c.unmatched[from:])
			ascii = isASCII(window)
		}
		f, ok, err := p.find(window, ascii)
		if err != nil {
			return Match{}, false, err
		}
		if ok && (index < 0 || f.start < best.start) {
			best, index = f, i
		}
	}
	if index < 0 {
		c.fresh = 0
		c.logLines(0)
		return Match{}, false, nil
	}
	m := Match{
		Index:  index,
		Before: string(c.unmatched[:from+best.start]),
		Text:   window[best.start:best.end],
		Groups: best.groups,
	}
	c.unmatched = append(c.unmatched[:0], c.unmatched[from+best.end:]...)
	c.scanner.forget(c.position - int64(len(c.unmatched)))
	c.shrink()
	c.fresh = len(c.unmatched)
	c.logLines(len(c.unmatched))
	return m, true, nil
}

// shrink gives back the memory that a flood took.
func (c *Connection) shrink() {
	if cap(c.unmatched) > keptBytes && len(c.unmatched) < keptBytes/4 {
		c.unmatched = append(make([]byte, 0, keptBytes/2), c.unmatched...)
	}
}

func isASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if (s[0]|s[1]|s[2]|s[3]|s[4]|s[5]|s[6]|s[7])&utf8.RuneSelf != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Drain takes everything that is there, waiting up to limit for something to come, and logs it: as
// feedback of a namespace, or as output of the active console where that is "". It takes no longer
// than limit. It returns whether anything was there, ErrClosed once the other end is gone and
// nothing is left, and ctx's error where that ended the wait.
func (c *Connection) Drain(ctx context.Context, limit time.Duration, namespace string) (bool, error) {
	c.feedback = namespace
	defer func() { c.feedback = "" }()
	came := len(c.unmatched) > 0
	part, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for wait := !came; ; wait = false {
		chunk, ok := c.next(part, wait)
		if len(chunk) > 0 {
			came = true
			c.take(chunk)
			c.logLines(0)
			continue
		}
		c.logLines(0)
		c.unmatched, c.fresh = c.unmatched[:0], 0
		c.shrink()
		switch {
		case came:
			return true, nil
		case ctx.Err() != nil:
			return false, fmt.Errorf("read the console: %w", ctx.Err())
		case !ok:
			c.closed = true
			return false, ErrClosed
		}
		return false, nil
	}
}

// next returns the next chunk, none if there is none: without waiting, or until ctx ends. ok is false
// at the end of the stream.
func (c *Connection) next(ctx context.Context, wait bool) (chunk []byte, ok bool) {
	if ctx.Err() != nil {
		return nil, true // a console that never pauses would be read for ever
	}
	if !wait {
		select {
		case chunk, ok = <-c.chunks:
			return chunk, ok
		default:
			return nil, true
		}
	}
	select {
	case chunk, ok = <-c.chunks:
		return chunk, ok
	case <-ctx.Done():
		return nil, true
	}
}
