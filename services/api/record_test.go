package api

import (
	"sync"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/lab"
)

// TestFarBehind shows that a fact which the fold has not read by far is not taken for known: what was decided without it would
// be recorded over it.
func TestFarBehind(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	alice := events.UserAdded{User: "alice"}
	b.Append(t, alice)
	a := &api{log: b.Log, state: lab.New()} // nobody feeds it
	known := map[events.Entity]uint64{}
	if err := a.reread(t.Context(), map[events.Entity]uint64{alice.About(): 0}, known, 0); err != nil || len(known) > 0 {
		t.Errorf("known %v, %v; want nothing", known, err)
	}
}

// TestLoginOfAMomentAgo shows that a secret which the fold does not know yet is known once it has read what was recorded before.
func TestLoginOfAMomentAgo(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	told := b.Append(t, events.UserAdded{User: "alice"})[0]
	a := &api{log: b.Log, state: lab.New(), changed: make(chan struct{})}
	asked := make(chan struct{})
	once := sync.OnceFunc(func() { close(asked) })
	go func() {
		<-asked
		a.mu.Lock()
		defer a.mu.Unlock()
		a.state.Evolve(told.Seq, told.Time, told.Event)
		close(a.changed)
	}()
	if _, known := a.login(func(s *lab.State) (lab.Login, bool) { once(); return lab.Login{}, s.User("alice") != nil }); !known {
		t.Error("she is not known")
	}
}
