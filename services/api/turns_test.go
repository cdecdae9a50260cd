package api

import (
	"fmt"
	"testing"
)

// TestTurns fills all places with one caller's requests, then with many callers': nobody takes more than a share, and
// whoever asks little gets a turn before those who ask much get their next.
func TestTurns(t *testing.T) {
	t.Parallel()
	turns := newTurns()
	var begun []string
	ask := func(caller string, bytes int) bool {
		return turns.take(caller, bytes, func() { begun = append(begun, caller) })
	}
	running := func(caller string) (n int) {
		for _, b := range begun {
			if b == caller {
				n++
			}
		}
		return n
	}
	for i := range 100 {
		if !ask("greedy", 10) {
			t.Fatalf("request %d of greedy is refused", i)
		}
	}
	if got := running("greedy"); got != atOnceOf {
		t.Errorf("greedy has %d requests running, want its share of %d", got, atOnceOf)
	}
	if ask("modest", 10); running("modest") != 1 {
		t.Error("modest waits behind greedy, with places free")
	}
	for i := range 3 {
		for range atOnceOf {
			ask(fmt.Sprintf("other %d", i), 10)
		}
	}
	// One place is missing for the last of them: it waits, as does whoever comes now.
	if ask("late", 10); running("late") != 0 || turns.busy != atOnce {
		t.Errorf("late begins with %d places taken of %d", turns.busy, atOnce)
	}
	turns.end("other 0") // other 2 was before late
	turns.end("other 1")
	if running("late") != 1 {
		t.Errorf("two places came free and late has not begun, behind %v", turns.queue)
	}
	turns.end("greedy") // its next, as nobody else waits
	if got := running("greedy"); got != atOnceOf+1 {
		t.Errorf("greedy has begun %d requests after one ended, want %d", got, atOnceOf+1)
	}
	for _, n := range []struct {
		caller string
		ends   int
	}{{"greedy", 84}, {"modest", 1}, {"late", 1}, {"other 0", 15}, {"other 1", 15}, {"other 2", 16}} {
		for range n.ends {
			turns.end(n.caller)
		}
	}
	for range 15 { // of greedy, begun by the ends above
		turns.end("greedy")
	}
	if len(turns.callers) != 0 || turns.busy != 0 || turns.held != 0 || len(turns.queue) != 0 || len(begun) != 150 {
		t.Errorf("when all is over %d callers, %d places, %d bytes and %d turns are left of %d requests; want nothing of 150", len(turns.callers), turns.busy, turns.held, len(turns.queue), len(begun))
	}
}

// TestTurnsAreBounded asks more than may wait, in number and in bytes.
func TestTurnsAreBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		bytes, want int // of each; that are taken
	}{{"many", 1, atOnceOf + waitingOf}, {"large", waitingBytes / 4, atOnceOf + 4}} {
		turns, taken := newTurns(), 0
		for range atOnceOf + waitingOf + 10 {
			if turns.take("greedy", tt.bytes, func() {}) {
				taken++
			}
		}
		if taken != tt.want {
			t.Errorf("%s: %d requests are taken, want %d", tt.name, taken, tt.want)
		}
		if !turns.take("modest", tt.bytes, func() {}) {
			t.Errorf("%s: nothing is taken of somebody else", tt.name)
		}
	}
}
