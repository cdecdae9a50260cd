package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// relayWrites is how long a console may take to accept what a person types.
const relayWrites = 5 * time.Second

// Relay joins a person's terminal to the console: show is given what the console prints, as it comes,
// and what is typed goes to the console as it is. Nothing of it is logged or kept for a later Expect. It
// returns ErrClosed when the other end is gone, and otherwise the error of ctx or of show. A console that
// takes nothing, because its program does not read, loses what was typed, and show is told so.
func (c *Connection) Relay(ctx context.Context, typed <-chan string, show func(text []byte) error) error {
	for {
		select {
		case chunk, ok := <-c.chunks:
			if !ok {
				c.closed = true
				return ErrClosed
			}
			if err := show(slices.Clone(chunk)); err != nil {
				return err
			}
		case text := <-typed:
			short, cancel := context.WithTimeout(ctx, relayWrites)
			err := c.write(short, text)
			cancel()
			if err == nil || ctx.Err() != nil {
				continue
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			if err := show(fmt.Appendf(nil, "\r\n[the console takes no input: %d bytes were lost]\r\n", len(text))); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Find looks for the patterns in a text as [Connection.Expect] does on a console: the one whose match begins
// earliest, of equal ones the first. rest is what stands after the match.
func Find(text string, patterns []Pattern) (index int, match, rest string, ok bool) {
	var best found
	for i, p := range patterns {
		f, hit, err := p.find(text, isASCII(text))
		if err == nil && hit && (!ok || f.start < best.start) {
			best, index, ok = f, i, true
		}
	}
	if !ok {
		return 0, "", "", false
	}
	return index, text[best.start:best.end], text[best.end:], true
}
