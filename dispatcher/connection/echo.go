package connection

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"strata/events"
	"strata/schemas/python"
)

const (
	// echoed is how many characters are under way: the keyboard buffer of a PC's firmware has room for
	// 15, and loses what comes when it is full.
	echoed = 8
	// echoPatience is how long an echo may take. A line is emptied and typed again at most echoTries times.
	echoPatience = 5 * time.Second
	echoTries    = 3
)

// SendEchoed types a line, as SendLine does, at a reader that loses characters which come while it is
// busy, and that echoes what it takes: a few are typed, and more once those have come back. A line of
// which something was lost is emptied with Ctrl-U and typed again. One that does not come back whole is
// typed once more as SendLine does, with a warning: what it then does, its answer shows.
func (c *Connection) SendEchoed(ctx context.Context, text string, delay time.Duration) error {
	for range echoTries {
		if delay > 0 {
			c.log.Debug("Sending with %d millisecond of delay", delay/time.Millisecond)
		}
		c.log.Debug("Sending line: %s", python.Quote(text))
		c.log.Text(events.Input, "", text)
		whole, err := c.typeEchoed(ctx, text, delay)
		if err != nil {
			return err
		}
		if whole {
			return c.write(ctx, "\n")
		}
		c.log.Warning("The line did not come back as it was typed: characters were lost. Typing it again.")
		if err := c.SendControl(ctx, 'u'); err != nil {
			return err
		}
		// What still comes is of the line that is gone.
		if _, err := c.Drain(ctx, echoPatience/10, ""); err != nil {
			return err
		}
	}
	c.log.Warning("The line does not come back as it is typed")
	return c.SendLine(ctx, text, delay)
}

// typeEchoed types text without an end and says whether all of it came back.
func (c *Connection) typeEchoed(ctx context.Context, text string, delay time.Duration) (whole bool, err error) {
	for runes := []rune(text); len(runes) > 0; {
		part := string(runes[:min(echoed, len(runes))])
		runes = runes[min(echoed, len(runes)):]
		for _, r := range part {
			if err := c.write(ctx, string(r)); err != nil {
				return false, err
			}
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
		pattern, err := echoOf(part)
		if err != nil {
			return false, err
		}
		waiting, cancel := context.WithTimeout(ctx, echoPatience)
		_, err = c.Expect(waiting, pattern)
		cancel()
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			return false, nil // lost, on the way there or back
		case err != nil:
			return false, fmt.Errorf("read what was typed: %w", err)
		}
	}
	return true, nil
}

// echoOf matches the echo of text: with line ends where the screen is full, and cursor moves between.
func echoOf(text string) (Pattern, error) {
	const moves = `(?:[\r\n\x08]|\x1b\[[0-9;?]*[A-Za-z])*`
	var b strings.Builder
	b.WriteString(`^ ?`) // the blank is the prompt's, whose pattern may end before it
	for _, r := range text {
		b.WriteString(moves + regexp.QuoteMeta(string(r)))
	}
	return Compile(b.String(), 0)
}
