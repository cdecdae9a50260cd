package stream

import "sync/atomic"

// Counters is what a log has counted since it was opened; services export it as metrics.
type Counters struct {
	Appends    atomic.Uint64 // calls of Append that recorded
	Facts      atomic.Uint64 // facts recorded
	Batches    atomic.Uint64 // of these calls, those with more than one fact
	Conflicts  atomic.Uint64 // calls of Append that returned ErrConflict
	Retries    atomic.Uint64 // messages or batches sent again
	Duplicates atomic.Uint64 // that were there already
	Folded     atomic.Uint64 // facts handed over
	Position   atomic.Uint64 // sequence of the last one
	Lag        atomic.Uint64 // messages behind the stream's end when it was handed over
	Resets     atomic.Uint64 // times a reader had to begin again after a lost connection
	BadFrames  atomic.Uint64 // frames of OUTPUT that could not be read
	// BatchSizes counts recorded calls by number of facts: 1, 2–3, 4–7, 8–15, 16–31, 32–63, 64–100.
	BatchSizes [7]atomic.Uint64
}
