package sqldoor

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"strata/events"
	"strata/projections"
)

// errUnknown reports a caller who is not let in. What of his credential is wrong is nobody's business.
var errUnknown = errors.New("authentication failed: give a token of the lab as the password")

// viewer says who asks, and whose jobs they may see.
func (h *handler) viewer(r *http.Request) (projections.Viewer, error) {
	user, err := h.caller(r)
	if err != nil {
		return projections.Viewer{}, err
	}
	return h.people.sight(user), nil
}

// caller reads the credential from where ClickHouse's clients put it: headers, Basic, the address.
func (h *handler) caller(r *http.Request) (events.UserName, error) {
	name, token := r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	if name == "" && token == "" {
		name, token, _ = r.BasicAuth()
	}
	if name == "" && token == "" {
		name, token = r.URL.Query().Get("user"), r.URL.Query().Get("password")
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && token == "" {
		token = bearer
	}
	if token != "" {
		h.people.catchUp(r.Context(), h.Log)
	}
	user, known := h.people.bearer(h.Key, token, h.Now())
	anybody := name == "" || name == "default"
	if token == "" || !known || user == "" || !anybody && name != string(user) {
		return "", errUnknown
	}
	return user, nil
}

// How many statements run at once, of all callers and of one. The engine has places for 64, the lab's own included.
const (
	atOnce       = 16
	atOnceOfEach = 6
)

// turns has callers wait for a place.
type turns struct {
	all chan struct{}

	mu   sync.Mutex
	each map[events.UserName]*turn
}

// turn is the places of one caller, kept while somebody has or wants one.
type turn struct {
	places chan struct{}
	users  int
}

func newTurns() *turns {
	return &turns{all: make(chan struct{}, atOnce), each: map[events.UserName]*turn{}}
}

// take waits for a place and returns what gives it back.
func (t *turns) take(ctx context.Context, user events.UserName) (done func(), err error) {
	t.mu.Lock()
	own := t.each[user]
	if own == nil {
		own = &turn{places: make(chan struct{}, atOnceOfEach)}
		t.each[user] = own
	}
	own.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		if own.users--; own.users == 0 {
			delete(t.each, user)
		}
		t.mu.Unlock()
	}
	// One's own place first: who waits for that must not hold one of all.
	for i, places := range []chan struct{}{own.places, t.all} {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			if i == 1 {
				<-own.places
			}
			leave()
			return nil, ctx.Err()
		}
	}
	return func() { <-t.all; <-own.places; leave() }, nil
}
