package turns

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// The bounds of these tests, which are those of the bus.
const (
	atOnce       = 64
	atOnceOf     = atOnce / 4
	waitingOf    = 1024
	waitingBytes = 16 << 20
)

func newTurns() *Turns {
	return New(Bounds{Places: atOnce, Of: atOnceOf, Waiting: waitingOf, Bytes: waitingBytes, All: 8 * waitingBytes})
}

// TestTurns fills all places with one caller's requests, then with many callers': nobody takes more than a share, and
// whoever asks little gets a turn before those who ask much get their next.
func TestTurns(t *testing.T) {
	t.Parallel()
	turns := newTurns()
	var begun []string
	ask := func(caller string, bytes int) bool {
		return turns.Take(caller, bytes, func() { begun = append(begun, caller) })
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
	turns.End("other 0") // other 2 was before late
	turns.End("other 1")
	if running("late") != 1 {
		t.Errorf("two places came free and late has not begun, behind %v", turns.queue)
	}
	turns.End("greedy") // its next, as nobody else waits
	if got := running("greedy"); got != atOnceOf+1 {
		t.Errorf("greedy has begun %d requests after one ended, want %d", got, atOnceOf+1)
	}
	for _, n := range []struct {
		caller string
		ends   int
	}{{"greedy", 84}, {"modest", 1}, {"late", 1}, {"other 0", 15}, {"other 1", 15}, {"other 2", 16}} {
		for range n.ends {
			turns.End(n.caller)
		}
	}
	for range 15 { // of greedy, begun by the ends above
		turns.End("greedy")
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
			if turns.Take("greedy", tt.bytes, func() {}) {
				taken++
			}
		}
		if taken != tt.want {
			t.Errorf("%s: %d requests are taken, want %d", tt.name, taken, tt.want)
		}
		if !turns.Take("modest", tt.bytes, func() {}) {
			t.Errorf("%s: nothing is taken of somebody else", tt.name)
		}
	}
}

// TestWait has a greedy caller wait in numbers beside one who asks once, and some of them give up: nobody's turn is spent
// on those, and nothing is left of them.
func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := New(Bounds{Places: 2, Of: 2, Waiting: 3})
		wait := func(caller string, patience time.Duration) chan error {
			over := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				done, err := turns.Wait(ctx, caller)
				if err == nil {
					defer done()
					time.Sleep(time.Minute) // of the bubble's clock: what the answer takes
				}
				over <- err
			}()
			synctest.Wait()
			return over
		}
		running := []chan error{wait("greedy", time.Hour), wait("greedy", time.Hour)}
		hasty := []chan error{wait("greedy", time.Second), wait("greedy", time.Second)}
		patient := wait("greedy", time.Hour)
		if err := <-wait("greedy", time.Hour); !errors.Is(err, ErrFull) {
			t.Errorf("beyond what may wait: got %v, want ErrFull", err)
		}
		alone := wait("leaves", time.Second)
		modest := wait("modest", time.Hour)
		for _, over := range append(hasty, alone) {
			if err := <-over; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after a second without a turn: got %v", err)
			}
		}
		began := time.Now()
		for _, over := range append(running, modest, patient) {
			if err := <-over; err != nil {
				t.Errorf("one who waits: got %v", err)
			}
		}
		// A second was over already of the first two.
		if took := time.Since(began); took != 2*time.Minute-time.Second {
			t.Errorf("all was over after %v: turns were spent on those who had given up", took)
		}
		if len(turns.callers) != 0 || turns.busy != 0 || len(turns.queue) != 0 {
			t.Errorf("left are %d callers, %d places, %d turns", len(turns.callers), turns.busy, len(turns.queue))
		}
	})
}
