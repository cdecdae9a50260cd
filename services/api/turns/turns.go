// Package turns shares the places of a service out among those who ask, so that nobody's thousand requests keep
// another's one waiting. The bus and the HTTP doors share it, each with [Bounds] of its own.
//
// A caller is a user, however many tokens or connections the requests come by; one without a name is its address.
// Each caller has a bounded number of places. What is beyond that waits for the caller's own requests to end,
// and nobody else waits for it. Where all places are taken they go round: each caller who waits gets one, and only
// then anybody a second.
//
// How often somebody may ask is another question, which services/api/quota answers.
package turns

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Bounds says how many requests are answered at the same time, and how many may wait for that.
type Bounds struct {
	Places int // requests that are answered at the same time
	Of     int // of them, of one caller
	// What waits beyond these is refused at once.
	Waiting int // requests of one caller
	Bytes   int // bytes of one caller's requests; 0 bounds none
	All     int // bytes of all callers' requests; 0 bounds none
}

// Turns gives callers their turns. No caller waits for another's requests while places are free.
// Callers are forgotten when nothing of theirs runs or waits, so it grows with requests and not with names.
// Its zero value is of no use: see [New].
type Turns struct {
	b Bounds

	mu      sync.Mutex
	busy    int               // places that are taken
	held    int               // bytes of all that waits
	callers map[string]*asked // who has something running or waiting
	queue   []string          // callers with something that waits and may begin, in the order of their turns
}

// asked is what one caller has asked.
type asked struct {
	running int
	bytes   int // of what waits
	waiting []*turn
	queued  bool // in Turns.queue
}

// turn is a request that waits.
// begin is called under the lock.
type turn struct {
	bytes int
	begin func()
}

// New returns turns of which none is taken. Places, Of and Waiting are at least 1.
func New(b Bounds) *Turns {
	b.Places, b.Of, b.Waiting = max(b.Places, 1), max(b.Of, 1), max(b.Waiting, 1)
	return &Turns{b: b, callers: map[string]*asked{}}
}

// Take has begin called when it is the caller's turn, at once or by who ends; begin must neither block nor call Turns.
// It reports false where too much of the caller's waits already, and calls nothing then. What has begun ends with
// [Turns.End]. bytes is the size of the request as it came, which is what a waiting one holds of memory.
func (t *Turns) Take(caller string, bytes int, begin func()) bool {
	return t.take(caller, &turn{bytes, begin})
}

func (t *Turns) take(caller string, next *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.callers[caller]
	if l == nil {
		l = &asked{}
		t.callers[caller] = l
	}
	if len(l.waiting) == 0 && l.running < t.b.Of && t.busy < t.b.Places {
		t.busy++
		l.running++
		next.begin()
		return true
	}
	if len(l.waiting) >= t.b.Waiting || beyond(l.bytes+next.bytes, t.b.Bytes) || beyond(t.held+next.bytes, t.b.All) {
		t.forget(caller, l)
		return false
	}
	l.waiting, l.bytes, t.held = append(l.waiting, next), l.bytes+next.bytes, t.held+next.bytes
	t.line(caller, l)
	return true
}

func beyond(bytes, bound int) bool { return bound > 0 && bytes > bound }

// forget drops a caller of whom nothing runs or waits.
func (t *Turns) forget(caller string, l *asked) {
	if l.running == 0 && len(l.waiting) == 0 {
		delete(t.callers, caller)
	}
}

// line puts a caller into the queue, where something waits that may begin.
// A caller with all its places taken stays out of the queue until one of them ends, or it would be skipped there each time.
func (t *Turns) line(caller string, l *asked) {
	if !l.queued && len(l.waiting) > 0 && l.running < t.b.Of {
		l.queued = true
		t.queue = append(t.queue, caller)
	}
}

// End gives a place back, to whoever has waited longest for a turn.
// It must be called once for each request that has begun, or its place is lost for good.
func (t *Turns) End(caller string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.callers[caller]
	t.busy--
	l.running--
	t.line(caller, l)
	// More than one may begin: places may have been free that nobody could take, as all who waited
	// had as many as they may.
	for t.busy < t.b.Places && len(t.queue) > 0 {
		next := t.queue[0]
		t.queue = t.queue[1:]
		l := t.callers[next]
		first := l.waiting[0]
		l.queued, l.waiting = false, l.waiting[1:]
		l.bytes, t.held = l.bytes-first.bytes, t.held-first.bytes
		l.running++
		t.busy++
		t.line(next, l) // behind all others
		first.begin()
	}
	t.forget(caller, l)
}

// ErrFull says that as much of a caller's waits already as may.
var ErrFull = errors.New("too many requests of yours are under way")

// Wait is [Turns.Take] for who waits on a goroutine of its own: it returns when it is the caller's turn. done gives the
// place back and has to be called exactly once. The error is [ErrFull], or ctx's where that ends first: the
// request waits no longer then, and nobody else's turn is spent on it.
func (t *Turns) Wait(ctx context.Context, caller string) (done func(), err error) {
	begun := make(chan struct{})
	own := &turn{begin: func() { close(begun) }}
	if !t.take(caller, own) {
		return nil, ErrFull
	}
	select {
	case <-begun:
	case <-ctx.Done():
		if t.leave(caller, own) {
			return nil, ctx.Err()
		}
		// Its turn has come at the same moment.
	}
	return func() { t.End(caller) }, nil
}

// leave takes a request back that waits; false where it has begun.
func (t *Turns) leave(caller string, own *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.callers[caller]
	if l == nil {
		return false
	}
	at := slices.Index(l.waiting, own)
	if at < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, at, at+1)
	l.bytes, t.held = l.bytes-own.bytes, t.held-own.bytes
	if l.queued && len(l.waiting) == 0 {
		l.queued = false
		t.queue = slices.DeleteFunc(t.queue, func(name string) bool { return name == caller })
	}
	t.forget(caller, l)
	return true
}
