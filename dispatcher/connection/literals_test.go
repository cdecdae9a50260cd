package connection

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/output"
	"strata/events"
)

func TestLiterals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern string
		want    []string
	}{
		{`-\[ cut here \]`, []string{"-[ cut here ]"}},
		{`(kernel BUG at|BUG:)`, []string{"kernel BUG at", "BUG:"}},
		{`Oops(?: -|:)`, []string{"Oops"}},
		{`<LAVA_SIGNAL_(\S+) ([^>]+)>`, []string{"<LAVA_SIGNAL_"}},
		{`end trace[^\r]*\r`, []string{"end trace"}},
		{`(abc)+x`, []string{"abc"}},
		{`(?:ab){2,}`, []string{"ab"}},
		{`x*`, nil},
		{`a|\d`, nil},
		{`(?i)login`, nil},
		{`.+`, nil},
		{`root@\w+:~# $`, []string{"root@"}},
		{`größe:`, []string{"größe:"}},
		{`(`, nil},
	}
	for _, tt := range tests {
		if got := literals(tt.pattern); !slices.Equal(got, tt.want) {
			t.Errorf("literals of %s: got %q, want %q", tt.pattern, got, tt.want)
		}
	}
}

// Looking only where literals were seen gives the same matches as looking everywhere.
func TestScannerChangesNoMatch(t *testing.T) {
	t.Parallel()
	texts := []string{`abc`, `bca+`, `a(?:b|cc)a`, `c{3}`, `(ab|ba)c`, `\dab`, `b$`, `cab\r`, `(?=ab)a`, `bb[^b]*\n`}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		var patterns, everywhere []Pattern
		for range 1 + r.IntN(6) {
			p, err := Compile(texts[r.IntN(len(texts))], 0)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, p)
			p.literals = nil
			everywhere = append(everywhere, p)
		}
		var text strings.Builder
		for range 600 {
			text.WriteByte("abc1\r\n"[r.IntN(6)])
		}
		// The pieces are the same for both.
		got, want := matches(t, text.String(), seed, patterns), matches(t, text.String(), seed, everywhere)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: patterns %v: got\n%q\nwant\n%q", seed, patterns, got, want)
		}
	}
}

// matches returns all that patterns match in a text that comes in pieces.
func matches(t *testing.T, text string, seed uint64, patterns []Pattern) (all []string) {
	t.Helper()
	c := New(&pieces{r: rand.New(rand.NewPCG(seed, 3)), rest: text}, Settings{Log: quiet(), MaxRead: 20})
	defer c.Close()
	for {
		m, err := c.Expect(within(t), patterns...)
		if errors.Is(err, ErrClosed) {
			return append(all, string(c.unmatched))
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(m.Index, " ", m.Before, " ", m.Text))
		if m.Text == "" {
			return all // b$ at the end of a piece and such; it would match there for ever
		}
	}
}

// Python's engine would never come back from these; where the linear one can do it, nothing is lost.
func TestRepetitionsWithin(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("a", 5000) + "!"
	for _, pattern := range []string{`(a+)+$`, `(a|aa)+$`, `(a*)*b`} {
		c := New(&pieces{r: rand.New(rand.NewPCG(1, 1)), rest: line}, Settings{Log: quiet()})
		if _, err := c.ExpectText(within(t), pattern, "!"); err != nil {
			t.Errorf("%s: %v, want the match of what comes after", pattern, err)
		}
		c.Close()
	}
}

// A pattern that takes for ever, as (a+)+ with a look-around does on a long line, ends with an error
// that says what to do, and takes the time of one search.
func TestCatastrophicPatterns(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("a", 3000) + "!"
	for _, pattern := range []string{`(a+)+(?<!b)[cd]`, `(?:a|aa)+(?=[cd])`, `(\w+\s?)*(?=;)`} {
		c := New(&pieces{r: rand.New(rand.NewPCG(1, 1)), rest: line}, Settings{Log: quiet()})
		_, err := c.ExpectText(within(t), pattern)
		if err == nil || !strings.Contains(err.Error(), pattern) || !strings.Contains(err.Error(), "takes more than") {
			t.Errorf("%s: %v, want an error with the pattern", pattern, err)
		}
		c.Close()
	}
}

func quiet() *output.Logger {
	return output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }})
}

// Who watches is told of each line before the next one is logged, and of no other console's lines.
func TestWatch(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	log := output.New(output.Settings{Now: time.Now, Write: func(e events.Record) error {
		rec.records = append(rec.records, e)
		return nil
	}})
	c := New(&pieces{r: rand.New(rand.NewPCG(1, 1)), rest: "one\r\n\x1b[1mtwo\r\r\nthree\r\n"}, Settings{Log: log})
	defer c.Close()
	c.Watch = func(line string) { log.Warning("saw %s", line) }
	if _, err := c.ExpectText(within(t), "never"); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rec.records {
		got = append(got, string(r.Message))
	}
	if want := `"one" "saw one" "[1mtwo" "saw [1mtwo" "three" "saw three"`; strings.Join(got, " ") != want {
		t.Errorf("log:\n got %s\nwant %s", strings.Join(got, " "), want)
	}
}
