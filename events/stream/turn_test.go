package stream_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strata/events/eventtest"
	"strata/events/stream"
)

// shortTurns has turns run out soon, and leaves a loaded machine a second to notice.
func shortTurns(s *stream.Settings) { s.TurnTTL = 4 * time.Second }

// A turn is one process's at a time, whoever asks for it, and turns of other names are nobody's business.
func TestTurn(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	other, err := b.Log.TakeTurn(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	var inside, most atomic.Int32
	var group sync.WaitGroup
	for range 5 {
		l := b.Open(t, b.Connect(t))
		group.Go(func() {
			turn, err := l.TakeTurn(t.Context(), "mail")
			if err != nil {
				t.Errorf("take the turn: %v", err)
				return
			}
			most.Store(max(most.Load(), inside.Add(1)))
			inside.Add(-1)
			if err := turn.Pass(t.Context()); err != nil {
				t.Errorf("pass the turn on: %v", err)
			}
			if turn.Held().Err() == nil {
				t.Error("a turn that was passed on is held")
			}
		})
	}
	group.Wait()
	if most.Load() != 1 {
		t.Errorf("%d had the turn at once, want 1", most.Load())
	}
	if err := other.Held().Err(); err != nil {
		t.Errorf("the turn of another name has ended: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Log.TakeTurn(ctx, "other"); err == nil {
		t.Error("a turn that somebody has was taken")
	}
	if err := other.Pass(t.Context()); err != nil {
		t.Errorf("pass the turn on: %v", err)
	}
}

// A process that the broker does not hear of any more knows that its turn is over before another has it.
func TestTurnOfTheCutOff(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{Settings: shortTurns})
	conn := b.Connect(t)
	first, err := b.Open(t, conn).TakeTurn(t.Context(), "mail")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	second, err := b.Log.TakeTurn(ctx, "mail")
	if err != nil {
		t.Fatalf("after the first holder was cut off: %v", err)
	}
	if first.Held().Err() == nil {
		t.Error("two hold the turn")
	}
	if err := first.Pass(t.Context()); err != nil {
		t.Errorf("pass on what was lost: %v, want nothing done", err)
	}
	if second.Held().Err() != nil {
		t.Error("the second holder's turn has ended with the first one's")
	}
}
