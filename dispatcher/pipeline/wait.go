package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strata/dispatcher/connection"
	"strata/schemas/python"
)

// SetPrompts sets what Wait waits for on a console.
func (s *Session) SetPrompts(c *connection.Connection, prompts []string) {
	c.Prompts = prompts
	s.Log.Debug("Setting prompt string to %s", ReprList(prompts))
}

// Wait waits for one of the console's prompts until the step's time is up.
func (s *Session) Wait(ctx context.Context, c *connection.Connection) (connection.Match, error) {
	s.announce(ctx, c)
	return s.Expect(ctx, c, c.Prompts)
}

// WaitAs is Wait with other patterns in place of the console's prompts, one for one: those that match
// what the console makes of the texts.
func (s *Session) WaitAs(ctx context.Context, c *connection.Connection, patterns []string) (connection.Match, error) {
	s.announce(ctx, c)
	return s.Expect(ctx, c, patterns)
}

// Expect waits for patterns on a console, and gives errors their class: a closed connection is the
// lab's fault, a pattern that does not compile the test's. The context's error passes as it is.
func (s *Session) Expect(ctx context.Context, c *connection.Connection, patterns []string) (connection.Match, error) {
	m, err := c.ExpectText(ctx, patterns...)
	switch {
	case err == nil, ctx.Err() != nil:
		return m, err
	case errors.Is(err, connection.ErrClosed):
		return m, Blame(Infrastructure, connection.ErrClosed)
	}
	return m, Blame(Test, err)
}

// forcedTries is how often WaitForced asks for a new prompt.
const forcedTries = 6

// WaitForced is Wait for a console on which kernel messages may have cut the prompt in two: when
// nothing matched for half of the time that is left, it types the console's check character and a
// newline, which makes a shell show a new prompt, and waits for a tenth of the time. Together
// these are more than there is, so the step's timeout ends a wait in vain.
func (s *Session) WaitForced(ctx context.Context, c *connection.Connection) (connection.Match, error) {
	s.announce(ctx, c)
	return s.ExpectForced(ctx, c, c.Prompts)
}

// ExpectForced is WaitForced with patterns of one's own and without announcing them.
func (s *Session) ExpectForced(ctx context.Context, c *connection.Connection, patterns []string) (connection.Match, error) {
	whole := s.Remaining(ctx)
	slice, shown := whole/2, whole.Round(time.Second)
	s.Log.Debug("Waiting using forced prompt support (timeout %s)", Clock(slice))
	for try := 0; ; try++ {
		part, cancel := context.WithTimeout(ctx, slice)
		m, err := s.Expect(part, c, patterns)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return m, err
		}
		if try == forcedTries {
			return m, Blamef(Test, "ShellSession command timed out.")
		}
		s.Log.Warning("ShellSession command timed out.: Sending %s in case of corruption. Connection timeout %s, retry in %s",
			c.CheckChar, Clock(shown), Clock(slice))
		s.Log.Debug("pattern: %s", ReprList(patterns))
		if err := s.SendLine(ctx, c, c.CheckChar); err != nil {
			return m, err
		}
		slice = whole / 10
	}
}

// SendLine types a line with the step's character delay.
func (s *Session) SendLine(ctx context.Context, c *connection.Connection, text string) error {
	err := c.SendLine(ctx, text, s.Step.CharDelay)
	if errors.Is(err, connection.ErrClosed) {
		return Blame(Infrastructure, connection.ErrClosed)
	}
	return err
}

// statusPattern matches the exit status that Checked asks for. The echo of what was typed does not
// match, because it has $? there. The spelling is that of LAVA.
const statusPattern = `<LAVA_SIGNAL_RETRUNCODE (\d+)>`

// Checked types a command on a POSIX shell and checks its exit status within limit.
func (s *Session) Checked(ctx context.Context, c *connection.Connection, command string, limit time.Duration) error {
	if err := s.SendLine(ctx, c, command+` ; printf "<LAVA_SIGNAL_RETRUNCODE $?>\n"`); err != nil {
		return err
	}
	s.Log.Debug("Checking %s return code... (timeout %s)", python.Quote(command), Clock(limit.Round(time.Second)))
	part, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m, err := s.Expect(part, c, []string{statusPattern})
	switch {
	case err != nil && ctx.Err() == nil && part.Err() != nil:
		return Blamef(Job, "Failed to check %s return code", python.Quote(command))
	case err != nil:
		return err
	case m.Groups[0].Text != "0":
		return Blame(Job, fmt.Errorf("%s failed with return code %s!", python.Quote(command), m.Groups[0].Text))
	}
	return nil
}

// announce logs what is waited for, and how long.
func (s *Session) announce(ctx context.Context, c *connection.Connection) {
	left := Clock(s.Remaining(ctx).Round(time.Second))
	s.Log.Debug("%s: Wait for prompt %s (timeout %s)", s.Step.Name(), ReprList(c.Prompts), left)
}

// Dialogue types a line and waits for an answer, which becomes the console's prompt.
func (s *Session) Dialogue(ctx context.Context, c *connection.Connection, line, answer string) error {
	s.SetPrompts(c, []string{answer})
	if err := s.SendLine(ctx, c, line); err != nil {
		return err
	}
	_, err := s.Wait(ctx, c)
	return err
}
