package main

import (
	"context"
	"io"
)

// input is the standard input for commands that wait for it. An interrupt only ends the process's context, and
// a read cannot be called back: Ctrl-C at a prompt would do nothing until somebody pressed Enter.
// What is typed after the interrupt is lost with the process.
func (a *app) input() io.Reader { return &interruptible{from: a.in, stopped: a.stopped} }

// interruptible is a reader that an interrupt ends. The read that it leaves behind holds a buffer of its own: the
// caller's may be in other use by then.
type interruptible struct {
	from    io.Reader
	stopped <-chan struct{} // nil: never
}

func (r *interruptible) Read(p []byte) (int, error) {
	type outcome struct {
		text []byte
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		text := make([]byte, len(p))
		n, err := r.from.Read(text)
		done <- outcome{text[:n], err}
	}()
	select {
	case got := <-done:
		return copy(p, got.text), got.err
	case <-r.stopped:
		return 0, context.Canceled // [app.run] says nothing of it
	}
}
