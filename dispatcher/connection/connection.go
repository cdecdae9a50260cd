package connection

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"

	"strata/dispatcher/output"
	"strata/events"
)

// ErrClosed is returned when the other end is gone: the process has ended and everything that it
// printed was read. Its text is what users of LAVA know.
var ErrClosed = errors.New("Connection closed")

const (
	defaultMaxRead = 2000
	chunkBytes     = 4096            // of one read
	chunksWaiting  = 16              // read but not looked at; then the terminal has to wait
	maxUnmatched   = 256 << 10       // bytes that are always kept before a match, of at most twice as many
	keptBytes      = 64 << 10        // of a buffer that is nearly empty again
	maxLine        = 16 << 10        // a line that is longer is logged in parts
	endGrace       = time.Second     // between SIGTERM and SIGKILL
	poweroffGrace  = 5 * time.Second // for a machine that was asked to switch itself off
)

// What the other end may be told before it is ended.
const (
	Poweroff = "poweroff" // a machine of ours
	Logout   = "logout"   // a login on somebody else's
)

// Settings says how to start a Connection.
type Settings struct {
	Command []string // program and arguments, no shell; the program is looked up in PATH
	Env     []string // as in os.Environ; nil inherits
	Dir     string   // working directory; "" inherits
	MaxRead int      // characters; the search window is twice that. 0: 2000
	Log     *output.Logger
	Tables  *Tables // nil: its own
}

// Match is where a wait ended.
type Match struct {
	Index  int    // of the pattern
	Before string // unmatched text before it: complete up to 256 KiB
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

// HasGroup says whether the pattern has a group of that name, taking part or not.
func (m Match) HasGroup(name string) bool {
	for _, g := range m.Groups {
		if g.Name == name {
			return true
		}
	}
	return false
}

// Connection is a console. One goroutine uses it at a time.
type Connection struct {
	// Prompts is what a shell on this console shows when it waits for a line. Whoever logs in sets
	// it; later actions wait for it.
	Prompts []string
	// CheckChar is typed to make a prompt appear again: "#", a comment to any shell.
	CheckChar string
	// Farewell is what the other end is told before it is ended: Poweroff, Logout, or "" for nothing.
	Farewell string
	// Tags tell how to disconnect: "shell", "telnet", "ssh", "qemu".
	Tags []string

	// Keyboard, if set, is what a person may type on beside the job; while somebody does, Send waits.
	Keyboard *Keyboard

	// Watch, if set, is told each line of the active console once it is logged.
	Watch func(line string)

	log     *output.Logger
	window  int
	stream  io.ReadWriteCloser
	process *exec.Cmd
	ended   chan struct{} // closed when the process has ended; nil without one
	spares  chan []byte   // buffers of chunks that were taken
	chunks  chan []byte   // what was read and not looked at; closed at the end of the stream
	work    sync.WaitGroup

	unmatched []byte // text that no Expect has consumed
	position  int64  // bytes that were ever taken: the position of the end of unmatched
	scanner   *scanner
	fresh     int    // bytes at its end that no Expect has searched
	unlogged  []byte // text that is not in the log yet
	feedback  string // namespace that lines are logged for, while draining
	closed    bool
	terminal  *terminal     // the stream, where it is one
	typed     chan struct{} // told when something is typed; holds one
	tables    *Tables
}

// Start runs the command on a new pseudo-terminal of 24 × 80, in a session of its own.
func Start(s Settings) (*Connection, error) {
	if len(s.Command) == 0 {
		return nil, errors.New("start connection: no command")
	}
	path, err := exec.LookPath(s.Command[0])
	if err != nil {
		return nil, fmt.Errorf("The command was not found or was not executable: %s", s.Command[0])
	}
	cmd := exec.Command(path, s.Command[1:]...)
	cmd.Env, cmd.Dir = s.Env, s.Dir
	near, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return nil, fmt.Errorf("start %q on a terminal: %w", s.Command, err)
	}
	c, err := OnTerminal(near, s)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		return nil, fmt.Errorf("start %q on a terminal: %w", s.Command, err)
	}
	c.process, c.ended = cmd, make(chan struct{})
	c.work.Go(func() {
		_ = cmd.Wait() // the status says nothing: QEMU ends with 0 after a panic as well
		close(c.ended)
	})
	return c, nil
}

// New returns a connection over a stream that is there already.
func New(stream io.ReadWriteCloser, s Settings) *Connection { return open(stream, nil, s) }

// OnTerminal returns a connection over our side of a pseudo-terminal, which it takes: the file is closed.
func OnTerminal(near *os.File, s Settings) (*Connection, error) {
	t, err := newTerminal(near)
	if err != nil {
		return nil, err
	}
	return open(t, t, s), nil
}

func open(stream io.ReadWriteCloser, t *terminal, s Settings) *Connection {
	if s.MaxRead <= 0 {
		s.MaxRead = defaultMaxRead
	}
	if s.Tables == nil {
		s.Tables = NewTables()
	}
	c := &Connection{
		CheckChar: "#", Tags: []string{"shell"},
		terminal: t, typed: make(chan struct{}, 1),
		log: s.Log, window: 2 * s.MaxRead, stream: stream,
		chunks: make(chan []byte, chunksWaiting), spares: make(chan []byte, 2), tables: s.Tables,
	}
	c.work.Go(c.read)
	return c
}

// read hands on what the other end prints, as whole characters. Bytes that are no UTF-8 become
// replacement characters.
func (c *Connection) read() {
	defer close(c.chunks)
	rest := 0 // bytes of an unfinished character, at the start of the buffer
	pauses := pauser{typed: c.typed}
	buf := make([]byte, chunkBytes)
	for {
		n, err := c.stream.Read(buf[rest:])
		full := n == len(buf)-rest
		text := buf[:rest+n]
		rest = unfinished(text)
		if whole := text[:len(text)-rest]; len(whole) > 0 && n > 0 {
			tail := text[len(whole):]
			buf = append(c.spare(), tail...)[:chunkBytes]
			if !utf8.Valid(whole) {
				whole = []byte(decode(whole))
			}
			c.chunks <- whole
		}
		if c.terminal != nil && err == nil {
			pauses.after(n, c.terminal.quiet, full)
		}
		if err != nil { // a terminal ends with EIO, a stream with EOF
			if rest > 0 {
				c.chunks <- []byte("\uFFFD")
			}
			return
		}
	}
}

// unfinished returns how many bytes at the end of text are the beginning of a character.
func unfinished(text []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if tail := text[len(text)-i:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return i
		}
	}
	return 0
}

// spare returns an empty buffer for a chunk.
func (c *Connection) spare() []byte {
	select {
	case b := <-c.spares:
		return b[:0]
	default:
		return make([]byte, 0, chunkBytes)
	}
}

// hurry ends the gathering: somebody waits for an answer.
func (c *Connection) hurry() {
	select {
	case c.typed <- struct{}{}:
	default:
	}
}

// Connected says whether the other end was there when last looked at.
func (c *Connection) Connected() bool { return !c.closed }

// take adds a chunk to what waits for a match and for the log.
func (c *Connection) take(chunk []byte) {
	if len(c.unmatched)+len(chunk) > cap(c.unmatched) { // append would move it four times as often
		c.unmatched = slices.Grow(c.unmatched, max(len(chunk), cap(c.unmatched)))
	}
	c.unmatched = append(c.unmatched, chunk...)
	c.unlogged = append(c.unlogged, chunk...)
	c.position += int64(len(chunk))
	c.fresh += len(chunk)
	if cap(chunk) == chunkBytes {
		select {
		case c.spares <- chunk:
		default:
		}
	}
	if over := len(c.unmatched) - maxUnmatched; over >= maxUnmatched { // seldom: all of it is moved
		c.unmatched = c.unmatched[:copy(c.unmatched, c.unmatched[over:])]
		c.fresh = min(c.fresh, len(c.unmatched))
	}
}

// logLines logs the complete lines of what was read, except for the last `ahead` bytes; but always
// to the end of the line in which these begin, if that end has come.
func (c *Connection) logLines(ahead int) {
	reach := max(len(c.unlogged)-ahead, 0)
	end := bytes.LastIndexByte(c.unlogged[:reach], '\n') + 1
	if reach < len(c.unlogged) {
		if i := bytes.IndexByte(c.unlogged[reach:], '\n'); i >= 0 && end < reach {
			end = reach + i + 1
		}
	}
	c.logText(c.unlogged[:end])
	c.unlogged = append(c.unlogged[:0], c.unlogged[end:]...)
	if len(c.unlogged) > maxLine && ahead == 0 {
		level, namespace := c.level()
		body := strings.TrimRight(string(c.unlogged), "\r") // these may belong to the end of the line
		end := string(c.unlogged[len(body):])
		c.unlogged = append([]byte(c.log.Part(level, namespace, unescaped(body))), end...)
	}
}

// logText logs whole lines. Who watches is told of each before the next one is logged, so that what they
// log of it stands beside it.
func (c *Connection) logText(text []byte) {
	level, namespace := c.level()
	if c.Watch == nil || c.feedback != "" {
		if len(text) > 0 {
			c.log.Console(level, namespace, text)
		}
		return
	}
	for line := range bytes.Lines(text) {
		c.log.Console(level, namespace, line)
		c.Watch(strings.ReplaceAll(strings.TrimRight(string(line), "\r\n"), "\x1b", ""))
	}
}

// level returns what lines are logged as.
func (c *Connection) level() (level events.Level, namespace string) {
	if c.feedback != "" {
		return events.Feedback, c.feedback
	}
	return events.Target, ""
}

// unescaped takes out escape characters, which would act on a reader's own terminal.
func unescaped(text string) string { return strings.ReplaceAll(text, "\x1b", "") }

// Close ends the process and its children and logs what had been read, a last partial line too. It
// may be called twice.
func (c *Connection) Close() error {
	if c.process != nil {
		c.end()
	}
	c.hurry()
	err := c.stream.Close()
	for chunk := range c.chunks {
		c.take(chunk)
	}
	c.work.Wait()
	c.logLines(0)
	if len(c.unlogged) > 0 {
		c.logText(append(c.unlogged, '\n'))
		c.unlogged = nil
	}
	c.closed = true
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close the connection: %w", err)
	}
	return nil
}

// end ends the process: by asking the machine, then with SIGTERM, then with SIGKILL for the whole
// group. What is still printed meanwhile is read, or the process could not get on.
func (c *Connection) end() {
	gone := func(limit time.Duration) bool {
		t := time.NewTimer(limit)
		defer t.Stop()
		chunks := c.chunks
		for {
			select {
			case <-c.ended:
				return true
			case <-t.C:
				return false
			case chunk, ok := <-chunks:
				if !ok {
					chunks = nil
					continue
				}
				c.take(chunk)
				c.logLines(0)
			}
		}
	}
	select {
	case <-c.ended:
		_ = syscall.Kill(-c.process.Process.Pid, syscall.SIGKILL) // children that outlived it
		return
	default:
	}
	if c.Farewell != "" && !c.closed {
		c.log.Text(events.Input, "", c.Farewell)
		_, _ = c.stream.Write([]byte(c.Farewell + "\n")) // who cannot take it is ended below
		grace := endGrace                                // not every shell knows logout, and it ends with the connection anyway
		if c.Farewell == Poweroff {
			grace = poweroffGrace
		}
		if gone(grace) {
			return
		}
	}
	_ = syscall.Kill(-c.process.Process.Pid, syscall.SIGTERM)
	_ = syscall.Kill(-c.process.Process.Pid, syscall.SIGHUP) // interactive shells ignore SIGTERM
	gone(endGrace)
	_ = syscall.Kill(-c.process.Process.Pid, syscall.SIGKILL)
	gone(poweroffGrace)
}
