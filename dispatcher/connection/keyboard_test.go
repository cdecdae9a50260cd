package connection

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/output"
	"strata/events"
)

// TestKeyboard takes a console over, types, has the job wait for it, and gives it back.
func TestKeyboard(t *testing.T) {
	var said []string
	log := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		said = append(said, string(r.Level)+" "+strings.Trim(string(r.Message), `"`))
		return nil
	}})
	k := NewKeyboard(log)
	if err := k.Take("a", "alice"); err == nil || !strings.Contains(err.Error(), "no console yet") {
		t.Errorf("take before there is a console: %v", err)
	}
	c, err := Start(Settings{Command: []string{"cat"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	c.Keyboard = k
	k.Use(c)
	for _, err := range []error{k.Take("a", "alice"), k.Keep("a"), k.Type("a", "who am i"), k.Type("a", "\r"), k.Type("a", "\x03")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Take("b", "bob"); err == nil || err.Error() != "alice has the console" {
		t.Errorf("take what alice has: %v", err)
	}
	for _, err := range []error{k.Keep("b"), k.Type("b", "x"), k.Give("b"), k.Type("", "x")} {
		if err == nil {
			t.Error("somebody without the console could use it")
		}
	}
	// The job waits: until its time is up, or the console is given back.
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.SendLine(short, "job", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("the job types while alice does: %v", err)
	}
	sent := make(chan error, 1)
	go func() { sent <- c.write(t.Context(), "job\n") }()
	if err := k.Give("a"); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Errorf("the job types again: %v", err)
	}
	if err := k.Give("a"); err == nil {
		t.Error("what was given back could be given back again")
	}
	if err := k.Take("c", "carol"); err != nil {
		t.Fatal(err)
	}
	k.Close()
	if err := k.Take("d", "dan"); err == nil {
		t.Error("a job at its end gave its console away")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"info alice has taken over the console; the job types nothing until it is given back", "input who am i", "input ␃",
		"info the job has its console again: alice has given it back", "info the job has its console again: the job ends"} {
		if !slices.Contains(said, want) {
			t.Errorf("the log has no %q; it has %q", want, said)
		}
	}
}

// TestKeyboardGone gives the console back when its person is silent.
func TestKeyboardGone(t *testing.T) {
	log := output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }})
	k := NewKeyboard(log)
	k.Use(&Connection{})
	if err := k.Take("a", "alice"); err != nil {
		t.Fatal(err)
	}
	k.mu.Lock()
	free := k.free
	k.gone.Reset(time.Millisecond) // a minute of silence
	k.mu.Unlock()
	<-free
	if err := k.Type("a", "x"); err == nil {
		t.Error("who was silent for long could go on")
	}
}
