package connection

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// Reading pauses the longer the more evenly a console talks, but never for so long that the terminal
// is full, and a flood not at all.
func TestPace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		rate int // bytes a second
		most int // reads in the fifth second
	}{
		{"9,600 baud", 960, 7},
		{"115,200 baud", 11520, 7},
		{"460,800 baud", 46080, 60},
		{"a flood", 10 << 20, 1 << 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p pace
			var at, pause time.Duration
			reads, waiting := 0, 0.0
			for at < 5*time.Second {
				// What comes arrives in pieces of 10 ms, and a read takes a millisecond.
				step := max(pause, 10*time.Millisecond)
				at += step
				waiting += step.Seconds() * float64(tt.rate)
				if pause > 0 && waiting > 4096 {
					t.Fatalf("after %v: %v bytes wait after a pause of %v", at, waiting, pause)
				}
				for again := true; again; {
					n := min(int(waiting), 4095)
					waiting -= float64(n)
					again = n == 4095
					quiet := pause == 0 && !again
					pause = p.after(n, quiet, again)
					at += time.Millisecond
					waiting += float64(tt.rate) / 1000
					if at > 4*time.Second {
						reads++
					}
					if at > 5*time.Second {
						break
					}
				}
			}
			if reads > tt.most {
				t.Errorf("%d reads in a second, want at most %d", reads, tt.most)
			}
		})
	}
}

// After a silence the pauses are short again, and after something was typed there are none.
func TestPauseEnds(t *testing.T) {
	t.Parallel()
	talked := func() (p pace) {
		for range 60 {
			p.after(115, false, false)
		}
		if p.pause < 2*firstPause {
			t.Fatalf("after much talk the pause is %v, want at least %v", p.pause, 2*firstPause)
		}
		return p
	}
	p := talked()
	talk := time.Duration(0) // since the silence
	for n := range 20 {
		d := p.after(10, n == 0, false)
		if d > talk+firstPause {
			t.Fatalf("piece %d after a silence: a pause of %v, when the talk has lasted for %v", n, d, talk)
		}
		talk += d
	}
	if p.pause < p.known {
		t.Errorf("after %v of talk the pause is %v, want the %v from before the silence", talk, p.pause, p.known)
	}
	typed := make(chan struct{}, 1)
	typed <- struct{}{}
	pauses := pauser{pace: talked(), typed: typed}
	pauses.pace.pause = time.Hour
	pauses.pace.came = -1 << 20 // nothing much came
	for len(typed) > 0 {
		pauses.after(10, false, false)
	}
	if pauses.pace != (pace{}) {
		t.Errorf("after something was typed: %+v, want a new beginning", pauses.pace)
	}
}

// A prompt behind long talk is found, and what was said is logged whole.
func TestTalkIsReadWhole(t *testing.T) {
	t.Parallel()
	c, log := start(t, `stty -echo -opost; i=0; while [ $i -lt 3000 ]; do echo "line $i of much"; i=$((i+1)); done; printf "=> "; read answer; echo "got $answer"; sleep 100`)
	ctx := within(t)
	expect(t, c, ctx, "=> $")
	send(t, c, ctx, "yes\n")
	expect(t, c, ctx, "got yes\n")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	lines := log.texts("target")
	for i := range 3000 {
		if want := fmt.Sprintf("line %d of much", i); i >= len(lines) || lines[i] != want {
			t.Fatalf("%d lines; line %d is not %q", len(lines), i, want)
		}
	}
}

// More may be typed than a terminal holds.
func TestTypingMoreThanFits(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789abcdef", 4096)
	c, _ := start(t, fmt.Sprintf(`stty raw -echo; printf ready; head -c %d | gzip -c | tail -c 8 | od -An -tu4; sleep 100`, len(text)))
	ctx := within(t)
	expect(t, c, ctx, "ready")
	send(t, c, ctx, text)
	m := expect(t, c, ctx, `(\d+) +(\d+)\n`)
	if want := fmt.Sprint(crc32.ChecksumIEEE([]byte(text))); m.Groups[0].Text != want || m.Groups[1].Text != fmt.Sprint(len(text)) {
		t.Errorf("what was typed arrives with checksum and length %q, want %s and %d", m.Text, want, len(text))
	}
}

// Closing ends a write that nobody takes.
func TestCloseEndsTyping(t *testing.T) {
	t.Parallel()
	c, _ := start(t, `stty raw -echo; printf ready; sleep 100`)
	expect(t, c, within(t), "ready")
	ctx, cancel := context.WithTimeout(within(t), time.Second)
	defer cancel()
	if err := c.Send(ctx, strings.Repeat("x", 1<<20), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("typing at somebody who does not read: %v, want the end of the time", err)
	}
	if err := c.Close(); err != nil { // it waits for the goroutine that writes
		t.Error(err)
	}
}

// A terminal that was opened by somebody else is taken.
func TestOnTerminal(t *testing.T) {
	t.Parallel()
	near, far, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	c, err := OnTerminal(near, Settings{Log: quiet(), Tables: NewTables()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := near.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file that was handed over: %v, want it closed", err)
	}
	for _, word := range []string{"one", "two"} {
		if _, err := far.WriteString(word); err != nil {
			t.Fatal(err)
		}
		expect(t, c, within(t), word)
	}
	far.Close()
	if _, err := c.ExpectText(within(t), "never"); !errors.Is(err, ErrClosed) {
		t.Errorf("after the other end was closed: %v, want ErrClosed", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// Sets of patterns that come in turn are prepared once, and many sets do not take more and more room.
func TestTablesAreShared(t *testing.T) {
	t.Parallel()
	tables := NewTables()
	set := func(texts ...string) (patterns []Pattern) {
		for _, text := range texts {
			p, err := tables.compile(text)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, p)
		}
		return patterns
	}
	first, second := tables.of(set("login:", "# ")), tables.of(set("login:"))
	if first == second {
		t.Error("two sets have one table")
	}
	for n := range 3 * maxTables {
		tables.of(set(fmt.Sprint("prompt ", n)))
		if tables.of(set("login:", "# ")) != first {
			t.Fatalf("after %d other sets: another table for the same patterns in use", n)
		}
	}
	if len(tables.tables) > maxTables {
		t.Errorf("%d tables are kept, want at most %d", len(tables.tables), maxTables)
	}
	if _, err := tables.compile("(?<"); err == nil {
		t.Error("a pattern that does not compile has no error")
	}
}
