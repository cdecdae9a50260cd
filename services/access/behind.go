package access

import (
	"context"

	"strata/events/stream"
)

// catchUp waits until the lab has what was recorded before now: a token that was given out a moment ago is good, and one
// that was revoked is not. It takes [askWithin] at most; then what is known decides.
// Questions are answered one after the other, so a fold that is far behind is waited for once, and not by each of those
// who come back with the broker: see behind. A log that does not answer, such as that of a cluster without a leader, is
// left in peace for as long as ten questions take, for logins do not hang on it.
func (r *responder) catchUp() {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	for last := uint64(0); ; {
		r.mu.RLock()
		through, folded := r.lab.Through(), r.folded
		r.mu.RUnlock()
		if through < r.behind || r.Now().Before(r.silent) {
			return
		}
		if last == 0 {
			var err error
			if last, err = r.Log.Last(ctx, stream.Lab); err != nil {
				r.silent = r.Now().Add(10 * askWithin)
				return
			}
		}
		if through >= last {
			return
		}
		select {
		case <-folded:
		case <-ctx.Done():
			r.behind = last
			return
		}
	}
}

// tellFolded wakes who waits in catchUp.
func (r *responder) tellFolded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.folded)
	r.folded = make(chan struct{})
}
