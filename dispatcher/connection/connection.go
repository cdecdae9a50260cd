package connection

import (
	"context"
	"errors"
	"time"
)

// ErrClosed is returned when the other end is gone: the process has ended and everything that it
// printed was read.
var ErrClosed = errors.New("Connection closed")

// Settings says how to start a Connection.
type Settings struct {
	Command []string // program and arguments, no shell; the program is looked up in PATH
	Env     []string // as in os.Environ; nil inherits
	Dir     string   // working directory; "" inherits
	MaxRead int      // characters a read; the search window is twice that. 0: 2000

	Output func(line string) // takes each line the other end sent, without its line end
	Input  func(line string) // takes each line that was typed
}

// Match is where a wait ended.
type Match struct {
	Index  int    // of the pattern
	Before string // unmatched text before it, complete
	Text   string // what matched
	Groups []Group
}

// Group is a capture group of a match.
type Group struct {
	Name  string // its number as text where it has no name
	Text  string
	Valid bool // false if it took no part in the match
}

// Group returns the text of the named group and whether it took part.
func (m Match) Group(name string) (string, bool) {
	for _, g := range m.Groups {
		if g.Name == name {
			return g.Text, g.Valid
		}
	}
	return "", false
}

// Connection is a console. One goroutine uses it at a time.
type Connection struct {
	// Prompts is what a shell on this console shows when it waits for a line. Whoever logs in sets
	// it; later actions wait for it.
	Prompts []string
	// CheckChar is typed to make a prompt appear again: "#", a comment to any shell.
	CheckChar string
	// Poweroff says that the other end is a machine of ours which wants a "poweroff" before it ends.
	Poweroff bool
}

// Start runs the command on a new pseudo-terminal of 24 × 80, in a session of its own.
func Start(s Settings) (*Connection, error) { return nil, nil }

// Connected says whether the other end was there when last looked at.
func (c *Connection) Connected() bool { return false }

// SendLine types text and a newline. With delay > 0 it pauses that long after each character.
func (c *Connection) SendLine(ctx context.Context, text string, delay time.Duration) error {
	return nil
}

// Send types text as it is.
func (c *Connection) Send(ctx context.Context, text string, delay time.Duration) error { return nil }

// SendControl types a control character by its letter: 'c' is Ctrl-C, '[' Escape.
func (c *Connection) SendControl(letter byte) error { return nil }

// Expect reads until one of the patterns matches. It returns ctx's error when ctx ends first (with
// nothing consumed), and ErrClosed when the other end is gone.
func (c *Connection) Expect(ctx context.Context, patterns ...Pattern) (Match, error) {
	return Match{}, nil
}

// ExpectText compiles patterns and expects them.
func (c *Connection) ExpectText(ctx context.Context, patterns ...string) (Match, error) {
	return Match{}, nil
}

// Drain takes everything that is there or comes within limit, and logs it. It returns whether
// anything came.
func (c *Connection) Drain(ctx context.Context, limit time.Duration) (bool, error) {
	return false, nil
}

// Close ends the process and its children and logs a last partial line.
func (c *Connection) Close() error { return nil }
