package api

import (
	"sync"

	"strata/events"
)

// bounded keeps what was made of jobs' facts and texts, for lists that programs ask for again and again. The
// oldest goes when there is no more room. What is kept must not change any more, or say by itself for which
// fact it holds; a job that is removed is forgotten.
type bounded[V any] struct {
	room int // bytes

	mu      sync.Mutex
	entries map[events.JobID]boundedEntry[V]
	order   []events.JobID // as they came; one that was replaced stands there twice
	bytes   int
	removed uint64 // how often something was forgotten
}

// boundedEntry is what is kept of one job.
// What a value takes is what its maker says; it is not measured.
type boundedEntry[V any] struct {
	value V
	bytes int
}

// newBounded keeps at most so many bytes.
func newBounded[V any](room int) *bounded[V] {
	return &bounded[V]{room: room, entries: map[events.JobID]boundedEntry[V]{}}
}

// get returns what is kept of a job, and what put has to be told where nothing is.
// The value is shared with everybody else who gets it: it must not be changed.
func (b *bounded[V]) get(job events.JobID) (v V, ok bool, turn uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[job]
	return e.value, ok, b.removed
}

// put keeps a value of so many bytes, unless something was forgotten since its get: it may be of that.
// turn closes a race: an erased job's text that was read before the erasure must not be kept after it.
func (b *bounded[V]) put(job events.JobID, v V, bytes int, turn uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if turn != b.removed || bytes > b.room {
		return
	}
	b.bytes += bytes - b.entries[job].bytes
	b.entries[job] = boundedEntry[V]{v, bytes}
	b.order = append(b.order, job)
	// The second bound keeps order itself small where the same jobs are replaced again and again.
	for (b.bytes > b.room || len(b.order) > 4*len(b.entries)) && len(b.order) > 0 {
		oldest := b.order[0]
		b.order = b.order[1:]
		b.bytes -= b.entries[oldest].bytes
		delete(b.entries, oldest)
	}
}

// forget drops a job.
// What others are making at this moment of any job is not kept either: that costs them one more try.
func (b *bounded[V]) forget(job events.JobID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes -= b.entries[job].bytes
	delete(b.entries, job)
	b.removed++
}
