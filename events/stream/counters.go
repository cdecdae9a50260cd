package stream

import (
	"math/bits"
	"sync/atomic"
)

// Counters is what a log has counted since it was opened; services export it as metrics.
type Counters struct {
	Appends    atomic.Uint64 // calls of Append that recorded
	Facts      atomic.Uint64 // facts recorded
	Batches    atomic.Uint64 // of these calls, those with more than one fact
	Conflicts  atomic.Uint64 // calls of Append that returned ErrConflict
	Retries    atomic.Uint64 // messages or batches sent again
	Duplicates atomic.Uint64 // that were there already
	Folded     atomic.Uint64 // facts handed over
	Position   atomic.Uint64 // sequence in LAB of the last one; of other streams see Of
	Lag        atomic.Uint64 // messages of LAB that waited behind it
	Resets     atomic.Uint64 // times a reader had to begin again after a lost connection
	BadFrames  atomic.Uint64 // frames of OUTPUT that could not be read
	// BatchSizes counts recorded calls by number of facts: 1, 2–3, 4–7, 8–15, 16–31, 32–63, 64–100.
	BatchSizes [7]atomic.Uint64

	others [3]Progress
}

// Progress is how far a stream has been read. Readers of single jobs do not count.
type Progress struct {
	Position atomic.Uint64 // sequence of the last message handed over
	Lag      atomic.Uint64 // messages that waited behind it
}

// Of returns how far Submissions, Output or Results has been read; nil for other streams.
func (c *Counters) Of(stream string) *Progress {
	switch stream {
	case Submissions:
		return &c.others[0]
	case Output:
		return &c.others[1]
	case Results:
		return &c.others[2]
	}
	return nil
}

// read notes that a message was handed over and how many waited behind it.
func (c *Counters) read(stream string, seq, pending uint64) {
	if stream == Lab {
		c.Position.Store(seq)
		c.Lag.Store(pending)
	} else if p := c.Of(stream); p != nil {
		p.Position.Store(seq)
		p.Lag.Store(pending)
	}
}

// recorded counts one successful Append of n facts.
func (c *Counters) recorded(n int) {
	c.Appends.Add(1)
	c.Facts.Add(uint64(n))
	if n > 1 {
		c.Batches.Add(1)
	}
	c.BatchSizes[min(bits.Len(uint(n))-1, len(c.BatchSizes)-1)].Add(1)
}
