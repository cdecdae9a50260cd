package sqldoor

import (
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
	mu  sync.RWMutex
	lab *lab.State
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
