package api

import (
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
