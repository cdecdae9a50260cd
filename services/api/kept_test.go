package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/lab"
	"strata/events/stream"
)

// remembering is an api that has answers to keep and facts to fold, and a clock that the test moves.
func remembering() (a *api, clock *time.Time) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return &api{answers: newAnswers(), state: lab.New(), now: func() time.Time { return at }}, &at
}

// An answer holds until the next fact, for the one who asked, for a minute.
func TestAnswersAreKept(t *testing.T) {
	t.Parallel()
	a, clock := remembering()
	made := 0
	ask := func(user events.UserName, body string) string {
		t.Helper()
		text, err := a.again(t.Context(), caller{user: user}, "jobs.find", []byte(body), false, func() ([]byte, error) {
			made++
			return fmt.Appendf(nil, "%d", made), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, tt := range []struct {
		what, user, body string
		before           func()
		want             string
	}{
		{"the first question", "alice", "{}", nil, "1"},
		{"the same again", "alice", "{}", nil, "1"},
		{"somebody else", "bob", "{}", nil, "2"},
		{"another question", "alice", `{"limit":5}`, nil, "3"},
		{"all of them again", "alice", "{}", nil, "1"},
		{"after a fact", "alice", "{}", func() {
			a.state.Evolve(1, a.now(), events.TagAdded{Tag: "fast"})
		}, "4"},
		{"the same after it", "alice", "{}", nil, "4"},
		{"after a minute", "alice", "{}", func() { *clock = clock.Add(keptTime) }, "5"},
		{"after a fact of this process, which the log has not brought yet", "alice", "{}", func() { a.ownLast = 2 }, "6"},
		{"when it has", "alice", "{}", func() { a.state.Evolve(2, a.now(), events.TagAdded{Tag: "slow"}) }, "6"},
	} {
		if tt.before != nil {
			tt.before()
		}
		if got := ask(events.UserName(tt.user), tt.body); got != tt.want {
			t.Errorf("%s: got answer %s, want %s", tt.what, got, tt.want)
		}
	}
	// What failed is asked again.
	broken := errors.New("the tables are away")
	for range 2 {
		if _, err := a.again(t.Context(), caller{}, "jobs.find", nil, false, func() ([]byte, error) { made++; return nil, broken }); !errors.Is(err, broken) {
			t.Errorf("error %v, want %v", err, broken)
		}
	}
	if made != 8 {
		t.Errorf("%d answers were made, want 8: an error was kept", made)
	}
}

// Many who ask the same at once have it asked once; where the one who asks goes away, the others ask for themselves.
func TestAnswerForMany(t *testing.T) {
	t.Parallel()
	for _, gone := range []bool{false, true} {
		a, _ := remembering()
		begun, goOn := make(chan struct{}), make(chan struct{})
		var group sync.WaitGroup
		group.Go(func() {
			_, err := a.again(t.Context(), caller{}, "jobs.find", nil, false, func() ([]byte, error) {
				close(begun)
				<-goOn
				if gone {
					return nil, context.Canceled
				}
				return []byte("first"), nil
			})
			if gone != (err != nil) {
				t.Errorf("who asked first got %v", err)
			}
		})
		<-begun
		want, got := "first", make([]string, 5)
		if gone {
			want = "own"
		}
		for i := range got {
			group.Go(func() {
				text, err := a.again(t.Context(), caller{}, "jobs.find", nil, false, func() ([]byte, error) {
					if !gone {
						t.Error("the same was asked again while somebody asked it")
					}
					return []byte("own"), nil
				})
				if got[i] = string(text); err != nil {
					t.Errorf("who waited got %v", err)
				}
			})
		}
		// Whoever waits does not wait longer than he wants to.
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.again(impatient, caller{}, "jobs.find", nil, false, func() ([]byte, error) { return nil, nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("who had gone got %v", err)
		}
		close(goOn)
		group.Wait()
		for _, text := range got {
			if text != want {
				t.Errorf("first one gone %v: an answer is %q, want %q", gone, text, want)
			}
		}
	}
}

// The tables are not believed to be whole before they say so, and answers do not fill the memory.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	a, clock := remembering()
	k := a.answers
	k.tables[stream.Lab], k.tables[stream.Results] = reached{7, *clock}, reached{3, *clock}
	for at, want := range map[standing]bool{{7, 3}: true, {6, 0}: true, {8, 3}: false, {7, 4}: false} {
		if got := k.whole(at); got != want {
			t.Errorf("the tables have all of %+v: %v, want %v", at, got, want)
		}
	}
	big := strings.Repeat("x", keptLargest)
	for i := range 40 {
		k.put([32]byte{byte(i)}, keptAnswer{body: []byte(big)})
	}
	k.put([32]byte{1, 1}, keptAnswer{body: []byte(big + "x")})
	if _, ok := k.entries[[32]byte{1, 1}]; ok || k.bytes > keptRoom || len(k.entries) != keptRoom/(keptLargest+keptBeside) {
		t.Errorf("%d answers of %d bytes are kept, the too large one %v", len(k.entries), k.bytes, ok)
	}
	if _, ok := k.entries[[32]byte{39}]; !ok {
		t.Error("the newest answer is gone")
	}
	// An answer that is made anew at each fact does not push the others out.
	for range 1000 {
		k.put([32]byte{39}, keptAnswer{body: []byte("small")})
	}
	if len(k.order) != len(k.entries) {
		t.Errorf("%d places for %d answers", len(k.order), len(k.entries))
	}
}

// TestSmallAnswersFillTheRoomToo holds that answers of a few bytes, which are another each second, do not pile up.
func TestSmallAnswersFillTheRoomToo(t *testing.T) {
	t.Parallel()
	k := newAnswers()
	for i := range 2 * keptRoom / keptBeside {
		k.put(sha256.Sum256(fmt.Append(nil, i)), keptAnswer{body: []byte("{}")})
	}
	if n := len(k.entries); n > keptRoom/keptBeside || n != len(k.order) || n < 1000 {
		t.Errorf("%d answers are kept in an order of %d, want %d at most", n, len(k.order), keptRoom/keptBeside)
	}
}

// counted is an answer that tells how much of it was read, and whether it was closed.
type counted struct {
	io.Reader
	read   int
	closed bool
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

func (c *counted) Close() error { c.closed = true; return nil }

// Any user may ask for an answer of any length: the lab holds its beginning alone. A short one is held whole and kept.
func TestLongAnswersAreNotHeld(t *testing.T) {
	t.Parallel()
	a, _ := remembering()
	a.log = eventtest.Start(t).Log
	for _, name := range []string{stream.Lab, stream.Results} {
		a.answers.tables[name] = reached{0, a.now()} // tables that have read all there is: nothing
	}
	for _, tt := range []struct {
		size, asked int
		whole       bool
	}{{100, 1, true}, {keptRead, 2, false}, {3 * keptRead, 2, false}} {
		asked := 0
		for range 2 {
			var answer *counted
			text, rest, err := a.keptSQL(t.Context(), caller{user: "alice"}, fmt.Append(nil, tt.size), func(context.Context) (io.ReadCloser, error) {
				asked++
				answer = &counted{Reader: strings.NewReader(strings.Repeat("x", tt.size))}
				return answer, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if (rest == nil) != tt.whole || len(text) != min(tt.size, keptRead) || answer != nil && (answer.read > keptRead || answer.closed != tt.whole) {
				t.Errorf("of %d bytes %d were held, with a rest: %t; want at most %d", tt.size, len(text), rest != nil, keptRead)
			}
			if rest != nil {
				if more, err := io.ReadAll(rest); err != nil || len(text)+len(more) != tt.size {
					t.Errorf("the rest of %d bytes has %d, %v", tt.size, len(more), err)
				}
			}
		}
		if asked != tt.asked {
			t.Errorf("%d bytes: the tables were asked %d times for two questions, want %d", tt.size, asked, tt.asked)
		}
	}
}
