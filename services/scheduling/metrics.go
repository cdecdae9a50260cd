package scheduling

import (
	"sync/atomic"
	"time"
)

// Metrics is what a scheduler has counted since it started. All fields may be read at any time.
type Metrics struct {
	Queued    atomic.Int64  // jobs in the queue now
	Decisions atomic.Uint64 // calls of decide, with or without facts
	Batches   atomic.Uint64 // batches recorded
	Conflicts atomic.Uint64 // batches refused because somebody was faster
	Scheduled atomic.Uint64 // jobs given a device
	Withdrawn atomic.Uint64 // jobs that left the queue without one
	Time      Histogram     // of decisions, recording not included
}

// Bounds are the upper ends of the buckets of a [Histogram]; one more bucket has what is above.
func Bounds() []time.Duration {
	return []time.Duration{100 * time.Microsecond, 500 * time.Microsecond, time.Millisecond,
		2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond}
}

// Histogram counts lengths of time.
type Histogram struct {
	Buckets [8]atomic.Uint64 // by Bounds; not cumulative
	Sum     atomic.Int64     // nanoseconds
}

func (h *Histogram) observe(d time.Duration) {
	bounds, i := Bounds(), 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.Buckets[i].Add(1)
	h.Sum.Add(int64(d))
}
