package api

import "sync"

// How many requests of the bus are answered at the same time, and how many may wait. Requests of one caller, whatever
// tokens they come with, hold a quarter of the places at most: three callers with slow questions leave room for all
// others, and where more than that ask slowly, places go round.
const (
	atOnce   = 64
	atOnceOf = atOnce / 4 // of one caller
	// What is beyond these is refused with [Busy], at once: a client that waits longer than its patience has given up anyhow.
	waitingOf    = 1024      // of one caller, in number,
	waitingBytes = 16 << 20  // and in bytes
	waitingAll   = 128 << 20 // of all callers, in bytes
)

// turns gives callers their turns. No caller waits for another's requests while places are free.
// Callers are forgotten when nothing of theirs runs or waits, so it grows with requests and not with names.
type turns struct {
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
	waiting []turn
	queued  bool // in turns.queue
}

// turn is a request that waits.
// begin starts a goroutine and returns; it is called under the lock.
type turn struct {
	bytes int
	begin func()
}

func newTurns() *turns { return &turns{callers: map[string]*asked{}} }

// take has begin called when it is the caller's turn, at once or by who ends; begin must not block. It reports false
// where too much of the caller's waits already, and calls nothing then. What has begun ends with [turns.end].
// bytes is the size of the request as it came, which is what a waiting one holds of memory.
func (t *turns) take(caller string, bytes int, begin func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.callers[caller]
	if l == nil {
		l = &asked{}
		t.callers[caller] = l
	}
	if len(l.waiting) == 0 && l.running < atOnceOf && t.busy < atOnce {
		t.busy++
		l.running++
		begin()
		return true
	}
	if len(l.waiting) >= waitingOf || l.bytes+bytes > waitingBytes || t.held+bytes > waitingAll {
		if l.running == 0 && len(l.waiting) == 0 {
			delete(t.callers, caller)
		}
		return false
	}
	l.waiting, l.bytes, t.held = append(l.waiting, turn{bytes, begin}), l.bytes+bytes, t.held+bytes
	t.line(caller, l)
	return true
}

// line puts a caller into the queue, where something waits that may begin.
// A caller with all its places taken stays out of the queue until one of them ends, or it would be skipped there each time.
func (t *turns) line(caller string, l *asked) {
	if !l.queued && len(l.waiting) > 0 && l.running < atOnceOf {
		l.queued = true
		t.queue = append(t.queue, caller)
	}
}

// end gives a place back, to whoever has waited longest for a turn.
// It must be called once for each request that has begun, or its place is lost for good.
func (t *turns) end(caller string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.callers[caller]
	t.busy--
	l.running--
	t.line(caller, l)
	// More than one may begin: places may have been free that nobody could take, as all who waited
	// had as many as they may.
	for t.busy < atOnce && len(t.queue) > 0 {
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
	if l.running == 0 && len(l.waiting) == 0 {
		delete(t.callers, caller)
	}
}
