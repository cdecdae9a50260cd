package connection

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strata/dispatcher/output"
	"strata/events"
)

// Whatever the pieces in which text arrives and whatever is matched meanwhile, the log has every
// line once and in order, and the matches are those of the whole text.
func TestEveryLineIsLoggedOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		signals := 0
		for range 100 {
			switch r.IntN(4) {
			case 0:
				text.WriteString(strings.Repeat("größe ", r.IntN(30)))
			case 1:
				text.WriteString("<SIGNAL " + string(rune('a'+signals%26)) + ">")
				signals++
			case 2:
				text.WriteString("\r\n")
			case 3:
				text.WriteString("x\r\r\n\n")
			}
		}
		text.WriteString("\n")
		rec := &recorder{}
		log := output.New(output.Settings{Now: time.Now, Write: func(e events.Record) error {
			rec.records = append(rec.records, e)
			return nil
		}})
		c := New(&pieces{r: r, rest: text.String()}, Settings{Log: log})
		found := 0
		for {
			m, err := c.ExpectText(within(t), `<SIGNAL (\w)>`, "never")
			if errors.Is(err, ErrClosed) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := string(rune('a' + found%26)); m.Groups[0].Text != want {
				t.Fatalf("seed %d: signal %d is %q, want %q", seed, found, m.Groups[0].Text, want)
			}
			found++
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if found != signals {
			t.Errorf("seed %d: %d signals found, want %d", seed, found, signals)
		}
		var want []string
		for line := range strings.Lines(text.String()) {
			want = append(want, strings.TrimRight(line, "\r\n"))
		}
		if got := rec.texts(events.Target); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("seed %d: the log has\n%q\nwant\n%q", seed, got, want)
		}
	}
}

// A console that never pauses is read for as long as was asked, and no longer.
func TestDrainOfAFlood(t *testing.T) {
	for name, limit := range map[string]time.Duration{"limit": time.Millisecond, "context": time.Hour} {
		t.Run(name, func(t *testing.T) {
			c := New(&flood{}, Settings{Log: output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }})})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := c.Drain(ctx, limit, "other")
				done <- err
			}()
			if name == "context" {
				cancel()
			}
			select {
			case <-done:
			case <-within(t).Done():
				t.Error("still reading")
			}
			cancel()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A line without an end is logged in parts, which cut neither a character nor a secret in two.
func TestLongLineInParts(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery-staple"
	for shift := range 40 {
		line := strings.Repeat("x", maxLine-len(secret)/2-shift) + secret + strings.Repeat("größe", maxLine)
		rec := &recorder{}
		log := output.New(output.Settings{Now: time.Now, Write: func(e events.Record) error {
			rec.records = append(rec.records, e)
			return nil
		}})
		log.Mask(secret)
		c := New(&pieces{r: rand.New(rand.NewPCG(uint64(shift), 1)), rest: line + "\r\nnext\n"}, Settings{Log: log})
		if _, err := c.ExpectText(within(t), "never"); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		got := rec.texts(events.Target)
		want := strings.ReplaceAll(line, secret, output.Masked)
		if text := strings.Join(got[:len(got)-1], ""); text != want {
			t.Fatalf("shift %d: the parts together have %d bytes, want the %d of the line with the secret masked", shift, len(text), len(want))
		}
		for i, r := range rec.records {
			if last := i >= len(rec.records)-2; r.Continues == last {
				t.Errorf("shift %d: record %d of %d: continues is %v", shift, i, len(rec.records), r.Continues)
			}
		}
	}
}

// flood is a stream of empty lines that never waits: taking them takes longer than sending them.
type flood struct{ closed atomic.Bool }

func (f *flood) Read(b []byte) (int, error) {
	if f.closed.Load() {
		return 0, io.EOF
	}
	for i := range b {
		b[i] = '\n'
	}
	return len(b), nil
}
func (*flood) Write(b []byte) (int, error) { return len(b), nil }
func (f *flood) Close() error              { f.closed.Store(true); return nil }

// pieces is a stream that hands out its text in pieces of random size, cutting characters too.
type pieces struct {
	r    *rand.Rand
	rest string
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(1+p.r.IntN(60), len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error) { return len(b), nil }
func (p *pieces) Close() error                { return nil }
