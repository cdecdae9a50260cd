package api

import (
	"strata/events/lab"
	"strata/events/stream"
)

// checkpoint saves the fold, so that a restart answers within a moment.
// The format is [lab.Format] alone: what else the service remembers (counts, fresh jobs, rates) is made anew. Save and
// Load are called on the driver's goroutine; requests may be answered meanwhile.
func (a *api) checkpoint() *stream.Checkpoint {
	return &stream.Checkpoint{
		Format: lab.Format,
		Save: func() ([]byte, error) {
			a.mu.RLock()
			defer a.mu.RUnlock()
			return a.state.Encode()
		},
		Load: func(format string, data []byte) error {
			s, err := lab.Decode(format, data)
			if err != nil {
				return err
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			// Of facts before the checkpoint nothing is remembered, so lists wait for tables that have read as far: see
			// tablesReach.
			a.state, a.fresh = s, newFresh(s.Through())
			return nil
		},
	}
}
