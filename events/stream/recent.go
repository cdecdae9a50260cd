package stream

import (
	"strings"
	"sync"

	"strata/events"
)

// Bounds of what [recent] keeps: facts that are larger are decoded by each reader for itself, so it takes some
// megabytes at most.
const (
	recentFacts = 1024
	recentBytes = 4 << 10 // of a fact's body
)

// recent keeps the facts about jobs that were decoded last. A process runs a dozen services, each of which follows
// Lab and keeps the jobs of the queue: as each reads the same fact at about the same time, it is decoded once, and
// the names and digests in it are in memory once and not a dozen times.
//
// Who is handed a fact therefore never changes what is behind its slices, maps and pointers. Facts about others than
// jobs are few and not worth that, so each reader has its own of them.
type recent [recentFacts]struct {
	sync.Mutex
	fact Recorded
}

// decode reads a message of Lab or Results, unless a reader before this one has.
// A fact is known by its id and not by its sequence alone, which begins anew where a stream is made anew. Readers of the
// same fact wait for the one that decodes it: that is less work than doing so beside it.
func (r *recent) decode(stream string, m stored) (Recorded, error) {
	if stream != Lab || len(m.data) > recentBytes || !strings.HasPrefix(m.subject, string(events.Job)+".") {
		return decode(stream, m.seq, m.header, m.data)
	}
	place := &r[m.seq%recentFacts]
	place.Lock()
	defer place.Unlock()
	if f := place.fact; f.Seq == m.seq && f.ID != "" && f.ID == m.header.Get(events.HeaderID) {
		return f, nil
	}
	f, err := decode(stream, m.seq, m.header, m.data)
	if err == nil && f.Seq >= place.fact.Seq { // who reads the past leaves what others are about to read
		place.fact = f
	}
	return f, err
}
