package stream

import (
	"cmp"
	"slices"
	"time"

	"strata/events"
)

// maxHeld is how many bytes of frames are kept back in memory for one job. Beyond it only their
// place is, and they are read again when it is their turn.
const maxHeld = 4 << 20

// heldFrame is a frame that waits for its turn.
type heldFrame struct {
	events.Frame        // without its body where that was too much to be kept
	seq          uint64 // in OUTPUT
	at           time.Time
}

// sequence puts the frames of one job in order. Doubles come where a sender did not hear the
// acknowledgement; they may be cut elsewhere than the first time. Frames come late where the
// broker lost some and a spool filled the gap.
type sequence struct {
	lease events.Lease
	next  uint64      // the line that has its turn
	told  uint64      // missing lines before it have been reported
	seen  uint64      // sequence in OUTPUT of the job's last message
	held  []heldFrame // frames with lines from next on, by first line
	bytes int         // of their bodies
}

// under begins anew where a lease is higher than the one before, or the first one, and tells so. A
// job that is given to a worker anew, after an order that was never started, has a higher lease.
// Its lines count from 0 again, and what still comes under the old lease is dropped.
func (q *sequence) under(lease events.Lease) (fresh bool) {
	if q.seen != 0 && lease <= q.lease {
		return false
	}
	*q = sequence{lease: lease}
	return true
}

// add takes a frame.
func (q *sequence) add(h heldFrame) {
	if h.Lease < q.lease || h.End() <= q.next {
		return
	}
	at, _ := slices.BinarySearchFunc(q.held, h, func(a, b heldFrame) int {
		switch {
		case a.First != b.First:
			return cmp.Compare(a.First, b.First)
		default:
			return cmp.Compare(b.Count, a.Count) // the longer one first, the others are doubles of it then
		}
	})
	for _, have := range q.held[max(0, at-1):min(len(q.held), at+1)] {
		if have.First <= h.First && have.End() >= h.End() {
			return
		}
	}
	if h.First > q.next && q.bytes+len(h.Body) > maxHeld {
		h.Body = nil
	}
	q.bytes += len(h.Body)
	q.held = slices.Insert(q.held, at, h)
}

// pop returns a frame that has lines from next on and none missing before them.
func (q *sequence) pop() (heldFrame, bool) {
	for len(q.held) > 0 && q.held[0].First <= q.next {
		h := q.held[0]
		q.held = q.held[1:]
		q.bytes -= len(h.Body)
		if h.End() > q.next {
			return h, true
		}
	}
	return heldFrame{}, false
}
