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

// TestKeyboardGone gives the console back when its person is silent, or types nothing though his window says that it is
// there.
func TestKeyboardGone(t *testing.T) {
	for _, tt := range []struct {
		name string
		late func(*Keyboard) *time.Timer
		says string
	}{
		{"silent", func(k *Keyboard) *time.Timer { return k.gone }, "alice was not heard for 1m0s"},
		{"forgotten", func(k *Keyboard) *time.Timer { return k.forgot }, "alice typed nothing for 10m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said := make(chan string, 10)
			log := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error { said <- string(r.Message); return nil }})
			k := NewKeyboard(log)
			k.Use(&Connection{})
			if err := k.Take("a", "alice"); err != nil {
				t.Fatal(err)
			}
			if err := k.Keep("a"); err != nil {
				t.Fatal(err)
			}
			k.mu.Lock()
			free := k.free
			tt.late(k).Reset(time.Millisecond) // as if the time had gone by
			k.mu.Unlock()
			<-free
			for _, err := range []error{k.Type("a", "x"), k.Keep("a")} {
				if err == nil {
					t.Error("who was silent for long could go on")
				}
			}
			<-said // that alice has it
			if text := <-said; !strings.Contains(text, tt.says) {
				t.Errorf("the log says %s, want %q in it", text, tt.says)
			}
			if err := k.Take("b", "bob"); err != nil {
				t.Errorf("nobody else can have it: %v", err)
			}
		})
	}
}
