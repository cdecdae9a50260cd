package connection

import (
	"context"
	"fmt"
	"strings"
	"time"

	"strata/events"
	"strata/schemas/python"
)

// SendLine types text and a newline. With delay > 0 it pauses that long after each character.
func (c *Connection) SendLine(ctx context.Context, text string, delay time.Duration) error {
	return c.SendLineEnding(ctx, text, "\n", delay)
}

// SendLineEnding is SendLine with another end of the line, such as the "\r\n" of firmware.
func (c *Connection) SendLineEnding(ctx context.Context, text, end string, delay time.Duration) error {
	if delay > 0 {
		c.log.Debug("Sending with %d millisecond of delay", delay/time.Millisecond)
	}
	c.log.Debug("Sending line: %s", python.Quote(text))
	return c.Send(ctx, text+end, delay)
}

// Send types text as it is, and logs it line by line as input.
func (c *Connection) Send(ctx context.Context, text string, delay time.Duration) error {
	for line := range strings.Lines(text) {
		c.log.Text(events.Input, "", strings.TrimRight(line, "\r\n"))
	}
	if delay <= 0 {
		return c.write(ctx, text)
	}
	for _, r := range text {
		if err := c.write(ctx, string(r)); err != nil {
			return err
		}
		t := time.NewTimer(delay)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
	return nil
}

// SendControl types a control character by its letter: 'c' is Ctrl-C, '[' Escape.
func (c *Connection) SendControl(ctx context.Context, letter byte) error {
	c.log.Debug("Sending character: 'Ctrl-%c'", letter)
	return c.write(ctx, string(rune(letter&0x1f)))
}

// write hands text to the other end, which may be slow in taking it: a terminal whose process does
// not read is full after 4 KiB.
func (c *Connection) write(ctx context.Context, text string) error {
	if c.closed {
		return ErrClosed
	}
	if c.Keyboard != nil {
		if err := c.Keyboard.wait(ctx); err != nil {
			return err
		}
	}
	c.hurry()
	done := make(chan error, 1)
	c.work.Go(func() {
		_, err := c.stream.Write([]byte(text))
		done <- err
	})
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%w: type %s: %w", ErrClosed, python.Quote(text), err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
