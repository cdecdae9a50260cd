package api

import (
	"context"
	"errors"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// record appends the facts that decide returns, and folds them at once, so that whoever asked sees
// them. Decide is asked again with a newer state when somebody else was faster, for as long as the
// caller waits; no facts, and no error, says that everything is as asked already.
// decide is called under the lock for reading, maybe several times, with a state that may be newer each time: it must
// not block and must forget what it found out before. Its facts are one append, all or nothing, of at most
// [stream.MaxBatch]. Errors: decide's own as it is, [Conflict] where others kept being faster, ctx's, the broker's.
func (a *api) record(ctx context.Context, who caller, decide func(s *lab.State) ([]events.Event, error)) error {
	// Requests of one process take turns: they would only make one another decide again.
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	known := map[events.Entity]uint64{} // what the log said of entities that the state has no sequence of
	for ctx.Err() == nil {
		var facts []events.Event
		var err error
		expected := map[events.Entity]uint64{}
		through := uint64(0)
		a.read(func(s *lab.State) {
			facts, err = decide(s)
			through = s.Through()
			for _, e := range facts {
				about := e.About()
				// The log has the last word on entities that the fold has forgotten, such as jobs that are long over.
				expected[about] = max(s.Seq(about), known[about])
			}
		})
		if err != nil || len(facts) == 0 {
			return err
		}
		drafts := make([]stream.Draft, len(facts))
		for i, e := range facts {
			drafts[i] = stream.Draft{Event: e, Actor: who.user, From: who.from, Trace: who.trace}
		}
		// Outside of the lock: an append takes a millisecond and more, in which everybody else reads on.
		recorded, err := a.log.Append(ctx, drafts, func(e events.Entity) uint64 { return expected[e] })
		if err == nil {
			a.mu.Lock()
			for _, r := range recorded {
				// It leaves Through as it is: facts of others may lie before this one, and who waits for a sequence waits for those.
				c := a.state.Anticipate(r.Seq, r.Time, r.Event)
				a.fresh.note(r, c)
				a.told.note(r, c)
				a.ownLast = max(a.ownLast, r.Seq)
				if tellsRights(r.Event) {
					a.rightsTold.Add(1)
				}
			}
			a.mu.Unlock()
			return nil
		}
		if !errors.Is(err, stream.ErrConflict) {
			return err
		}
		if err := a.reread(ctx, expected, known, through); err != nil {
			return err
		}
	}
	return refuse(Conflict, "others change the same things at the same time; try again")
}

// reread finds out why an append was refused: facts that are on their way (it waits for them), an
// entity whose facts have aged out, or one that left the state long ago.
// It returns once it makes sense to decide again; that what was waited for has come is for the next append to say.
func (a *api) reread(ctx context.Context, expected, known map[events.Entity]uint64, through uint64) error {
	entities := make([]events.Entity, 0, len(expected))
	for e := range expected {
		entities = append(entities, e)
	}
	last, err := a.log.LastSeqs(ctx, entities)
	if err != nil {
		return err
	}
	for e, seq := range last {
		switch {
		case seq == 0 && expected[e] > 0:
			a.mu.Lock()
			a.state.AgedOut(e)
			a.mu.Unlock()
			known[e] = 0
		case seq > through:
			// A fold that is far behind has no say yet: expecting a fact that nobody here has looked at would let pass what was decided
			// without it. The append is then refused again, and waited for again.
			if a.await(ctx, 5*time.Second, func(s *lab.State) bool { return s.Through() >= seq }) {
				known[e] = seq
			}
		default:
			known[e] = seq
		}
	}
	return nil
}
