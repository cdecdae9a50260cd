package api

import (
	"strata/events/lab"
	"strata/events/stream"
)

// checkpoint saves the fold, so that a restart answers within a moment.
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
			a.state, a.fresh = s, newFresh(s.Through())
			return nil
		},
	}
}
