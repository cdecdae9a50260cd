package connection

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
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
