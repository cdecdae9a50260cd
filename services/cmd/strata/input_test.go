package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestInterruptedInput interrupts commands that wait for their input, which never comes.
func TestInterruptedInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--listen-sql", "")
	for _, args := range [][]string{{"submit", "-"}, {"secrets", "set", "gitlab"}, {"policy", "set", "-"}, {"simulate", "--facts", "-"}} {
		ctx, interrupt := context.WithCancel(t.Context())
		var said bytes.Buffer
		a := w.app(&said)
		in, out := io.Pipe()
		waits := &awaited{Reader: in, asked: make(chan struct{})}
		a.in = waits
		status := make(chan int, 1)
		go func() { status <- a.run(ctx, args) }()
		select {
		case <-waits.asked:
		case <-time.After(patience):
			t.Errorf("strata %s never reads its input", strings.Join(args, " "))
		}
		interrupt()
		select {
		case got := <-status:
			if got != exitFailed || said.String() != "" {
				t.Errorf("strata %s, interrupted: status %d, %q", strings.Join(args, " "), got, &said)
			}
		case <-time.After(patience):
			t.Errorf("strata %s still waits for its input", strings.Join(args, " "))
		}
		_ = out.Close()
	}
}

// awaited tells when it is read from for the first time.
type awaited struct {
	io.Reader
	once  sync.Once
	asked chan struct{}
}

func (a *awaited) Read(p []byte) (int, error) {
	a.once.Do(func() { close(a.asked) })
	return a.Reader.Read(p)
}

// TestInputComesWhole reads pieces that are shorter and longer than what is asked for.
func TestInputComesWhole(t *testing.T) {
	t.Parallel()
	a := &app{in: io.MultiReader(strings.NewReader("one "), strings.NewReader(strings.Repeat("x", 10_000)))}
	text, err := io.ReadAll(a.input())
	if want := "one " + strings.Repeat("x", 10_000); err != nil || string(text) != want {
		t.Errorf("read %d bytes, %v; want %d", len(text), err, len(want))
	}
}
