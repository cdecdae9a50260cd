package connection

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"strata/dispatcher/output"
	"strata/events"
)

// Keyboard lets a person type on a job's consoles while the job runs. It types on the console that the job
// used last. While somebody has it the job itself types nothing: what it wants to send waits until the keyboard
// is given back, or the action's time is up, for timeouts go on. The job's log records who had it, from when to
// when, and what was typed. A person who says nothing for a minute has gone, and one who types nothing for ten has
// forgotten it, though his window says that it is there: the job gets it back.
type Keyboard struct {
	log *output.Logger

	mu      sync.Mutex
	on      *Connection // that was used last
	session string      // of who has it; "" nobody
	user    string
	free    chan struct{}   // closed when it is given back
	gone    *time.Timer     // runs while nothing is heard of the person
	forgot  *time.Timer     // runs while nothing is typed
	begun   strings.Builder // a line that has no end yet
	closed  bool
}

// keyboardGone is after how long without a sign of the person the job gets its keyboard back.
const keyboardGone = time.Minute

// keyboardForgotten is after how long without a letter the job gets it back from a person whose window is open. Reading
// what a board says takes minutes; an evening is none.
const keyboardForgotten = 10 * time.Minute

// maxTypedLine is the longest line that is logged as one.
const maxTypedLine = 1 << 10

// NewKeyboard returns one that nobody has and that is at no console.
func NewKeyboard(log *output.Logger) *Keyboard { return &Keyboard{log: log} }

// Use puts the keyboard at a console; nil is none.
func (k *Keyboard) Use(c *Connection) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.on = c
}

// Take gives the keyboard to somebody. A session is a word that names this use of it.
func (k *Keyboard) Take(session, user string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return fmt.Errorf("the job is about to end")
	case k.session == session:
		return nil
	case k.session != "":
		return fmt.Errorf("%s has the console", k.user)
	case k.on == nil:
		return fmt.Errorf("the job has no console yet")
	}
	k.session, k.user, k.free = session, user, make(chan struct{})
	k.gone = time.AfterFunc(keyboardGone, func() { k.give(session, fmt.Sprintf("%s was not heard for %s", user, keyboardGone)) })
	k.forgot = time.AfterFunc(keyboardForgotten, func() { k.give(session, fmt.Sprintf("%s typed nothing for %s", user, keyboardForgotten)) })
	k.log.Info("%s has taken over the console; the job types nothing until it is given back", user)
	return nil
}

// Keep says that the person is still there.
func (k *Keyboard) Keep(session string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holds(session)
}

// holds checks that a session has the keyboard, and notes that its person is there. It holds the lock.
func (k *Keyboard) holds(session string) error {
	if session == "" || session != k.session {
		return fmt.Errorf("the console was given back to the job")
	}
	k.gone.Reset(keyboardGone)
	return nil
}

// Type types a text as it is. It is logged line by line, each when its end is typed.
func (k *Keyboard) Type(session, text string) error {
	k.mu.Lock()
	if err := k.holds(session); err != nil {
		k.mu.Unlock()
		return err
	}
	k.forgot.Reset(keyboardForgotten)
	on := k.on
	if on == nil {
		k.mu.Unlock()
		return fmt.Errorf("the job has no console at the moment")
	}
	for _, r := range text {
		if r == '\r' || r == '\n' || k.begun.Len() >= maxTypedLine {
			k.flush()
		}
		if r != '\r' && r != '\n' {
			k.begun.WriteRune(r)
		}
	}
	k.mu.Unlock()
	on.hurry()
	if _, err := on.stream.Write([]byte(text)); err != nil {
		return fmt.Errorf("type on the console: %w", err)
	}
	return nil
}

// flush logs what was typed as a line. It holds the lock.
func (k *Keyboard) flush() {
	if k.begun.Len() > 0 {
		k.log.Text(events.Input, "", strings.Map(visible, k.begun.String()))
		k.begun.Reset()
	}
}

// visible shows control characters as terminals do not: their pictures of Unicode.
func visible(r rune) rune {
	if r < ' ' {
		return r + 0x2400
	}
	return r
}

// Give gives the keyboard back to the job.
func (k *Keyboard) Give(session string) error {
	if !k.give(session, "") {
		return fmt.Errorf("the console was given back to the job before")
	}
	return nil
}

func (k *Keyboard) give(session, why string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if session == "" || session != k.session {
		return false
	}
	k.flush()
	if why == "" {
		why = k.user + " has given it back"
	}
	k.log.Info("the job has its console again: %s", why)
	k.gone.Stop()
	k.forgot.Stop()
	close(k.free)
	k.session, k.user = "", ""
	return true
}

// Close takes the keyboard from whoever has it, for good.
func (k *Keyboard) Close() {
	k.mu.Lock()
	session := k.session
	k.closed, k.on = true, nil
	k.mu.Unlock()
	k.give(session, "the job ends")
}

// wait waits until nobody has the keyboard.
func (k *Keyboard) wait(ctx context.Context) error {
	for {
		k.mu.Lock()
		taken, free := k.session != "", k.free
		k.mu.Unlock()
		if !taken {
			return nil
		}
		select {
		case <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
