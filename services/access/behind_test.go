package access

import (
	"testing"
	"time"

	"strata/events/eventtest"
	"strata/events/lab"
)

// TestSilentLog: logins are answered one after the other, so a log that does not answer is asked by one of them and left in
// peace by those behind it.
func TestSilentLog(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Stop()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r := &responder{Deps: Deps{Log: b.Log, Now: func() time.Time { return now }}, lab: lab.New(), folded: make(chan struct{})}
	r.catchUp()
	asked := now
	if now = now.Add(9 * askWithin); !r.silent.Equal(asked.Add(10 * askWithin)) {
		t.Fatalf("a log that did not answer is left in peace until %v, want 10 questions' time", r.silent)
	}
	if r.catchUp(); !r.silent.Equal(asked.Add(10 * askWithin)) {
		t.Error("it was asked again by the next login")
	}
	now = now.Add(2 * askWithin)
	if r.catchUp(); !r.silent.Equal(now.Add(10 * askWithin)) {
		t.Error("it was not asked again later")
	}
}
