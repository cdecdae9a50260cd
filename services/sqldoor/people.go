package sqldoor

import (
	"context"
	"sync"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
)

// people is the lab as far as it is folded: who there is, and who may see what. One goroutine folds, requests read.
type people struct {
	mu     sync.RWMutex
	lab    *lab.State
	folded chan struct{} // closed, and made anew, when facts have been folded; guarded by mu
}

func newPeople() *people { return &people{lab: lab.New(), folded: make(chan struct{})} }

// caughtUp wakes who waits in catchUp.
func (p *people) caughtUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.folded)
	p.folded = make(chan struct{})
}

// askWithin is how long a caller waits at most for what was recorded before he came.
const askWithin = 10 * time.Second

// catchUp waits until what is folded has all that was recorded before now: a token that was given out a moment ago is
// good, and one that was revoked is not. Where the log does not tell in time, what is known decides.
func (p *people) catchUp(ctx context.Context, log *stream.Log) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	last, err := log.Last(ctx, stream.Lab)
	if err != nil {
		return
	}
	for {
		p.mu.RLock()
		through, folded := p.lab.Through(), p.folded
		p.mu.RUnlock()
		if through >= last {
			return
		}
		select {
		case <-folded:
		case <-ctx.Done():
			return
		}
	}
}

func (p *people) fold(r stream.Recorded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lab.Evolve(r.Seq, r.Time, r.Event)
}

func (p *people) save() ([]byte, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.lab.Encode()
}

func (p *people) load(format string, data []byte) error {
	l, err := lab.Decode(format, data)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lab = l
	return nil
}

// bearer returns whom a token of the lab stands for: the administrator's credential, or one that a user was given and
// nobody has revoked. A token for another's eyes only, or for nothing that is looked at, opens nothing here.
func (p *people) bearer(key access.Key, token string, now time.Time) (events.UserName, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if who, err := key.Verify(token); err == nil {
		return who.User, who.Role == access.Person && who.User == lab.Local && p.lab.Superuser(who.User)
	}
	login, ok := p.lab.Authenticate(access.Digest(token), now)
	return login.User, ok && lab.Covers(login.Scopes, lab.View, events.Job)
}

// sight says whose jobs a user may see.
func (p *people) sight(user events.UserName) projections.Viewer {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.lab.Sight(user)
}
