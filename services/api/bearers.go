package api

import (
	"context"
	"errors"
	"time"

	"strata/events"
	"strata/events/lab"
)

// Streams stay open for hours, and a token or session may be revoked or expire meanwhile. On the bus the broker
// cuts the connection (services/access); what came by HTTP is cut here.

// errCut says that a stream's credential is worth nothing any more.
var errCut = errors.New("the token or session is not worth anything any more")

// bearers are the streams that are open, by the token that they were opened with. Guarded by api.mu.
type bearers map[events.TokenID]map[*bearer]struct{}

// bearer is one open stream.
// A session is looked up by the digest of its cookie and a token by its name, hence session.
type bearer struct {
	cut     context.CancelCauseFunc
	session bool
}

// While returns a context that ends when the caller's credential is revoked or expires, or its account is shut
// out, and what gives it back. Of a caller without a token it is ctx itself.
// [Inside.Stream] holds each flow under it, and LAVA's /ws/ each socket. The other return value must be called once the
// stream has ended, or it is remembered for ever. [context.Cause] is errCut where the credential was the reason.
func (i Inside) While(ctx context.Context, who Caller) (context.Context, func()) {
	if who.Token == "" {
		return ctx, func() {}
	}
	a := i.a
	ctx, cut := context.WithCancelCause(ctx)
	b := &bearer{cut: cut, session: who.Session}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bearers[who.Token] == nil {
		a.bearers[who.Token] = map[*bearer]struct{}{}
	}
	a.bearers[who.Token][b] = struct{}{}
	// A revoking fact may have been folded between the caller's authentication and here: worth is asked under the lock that
	// the fold takes, so it is seen either here or by cutBearers.
	stop := func() bool { return true }
	if l, ok := worth(a.state, who.Token, b.session, a.now()); !ok {
		cut(errCut)
	} else if !l.Expires.IsZero() {
		stop = time.AfterFunc(l.Expires.Sub(a.now()), func() { cut(errCut) }).Stop
	}
	return ctx, func() {
		stop()
		cut(context.Canceled)
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.bearers[who.Token], b)
		if len(a.bearers[who.Token]) == 0 {
			delete(a.bearers, who.Token)
		}
	}
}

// worth says whether a token or session still stands for somebody.
func worth(s *lab.State, id events.TokenID, session bool, now time.Time) (lab.Login, bool) {
	if !session {
		return s.Bearer(id, now)
	}
	t := s.Token(id)
	if t == nil {
		return lab.Login{}, false
	}
	return s.Session(t.SHA256, now)
}

// cutBearers ends the streams of those whom a fact has left without worth. The caller holds a.mu.
func (a *api) cutBearers(e events.Event) {
	// These three alone can make a credential worthless; expiry is each bearer's own timer. To look at all streams for every
	// fact would cost a busy lab more than the facts do.
	switch e.(type) {
	case events.TokenRevoked, events.UserRemoved, events.UserConfigured:
	default:
		return
	}
	now := a.now()
	for id, all := range a.bearers {
		for b := range all {
			if _, ok := worth(a.state, id, b.session, now); !ok {
				b.cut(errCut)
			}
		}
	}
}
