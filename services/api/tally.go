package api

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/projections"
)

// Programs ask for the same list of jobs again and again, and want the number of all that meet its conditions beside
// fifty rows of them. To count is most of the work: the tables go through every job that there ever was, although of
// those that are over hardly one changes. So counts are remembered for blocks of jobs with neighbouring numbers, and a
// block is counted anew only once a fact has told something of a job in it, which the fold sees. They also say in which
// blocks a page lies, however far behind the first one it is.
//
// What is remembered belongs to one question by somebody who sees certain jobs ([projections.Viewer] with all its
// groups and hidden devices is a part of the key): who sees others has counts of their own.

// blockJobs is how many numbers share a block. A lab of ten million jobs has 2,500 of these.
const blockJobs = 4096

// Bounds of what is remembered.
const (
	maxTallies = 256              // questions; at ten million jobs each takes 40 kB
	tallyTime  = 10 * time.Minute // tables that were made anew may count otherwise than those before
)

// blockOf is the block of a job.
func blockOf(id events.JobID) uint64 { return uint64(id) / blockJobs }

// tally is how many jobs of each block meet a question. It does not change.
// It is shared without a lock, so with makes another one.
type tally struct {
	made    time.Time         // when all blocks were counted
	through uint64            // the fact that the tables had read up to, at least
	blocks  map[uint64]uint64 // without those that have none
}

// tallies remembers counts. Its zero value remembers none.
type tallies struct {
	mu   sync.Mutex
	of   map[[sha256.Size]byte]*tally
	used [][sha256.Size]byte // keys, who was asked for last at the end
}

// tallyKey names a question: what is asked, and by whose eyes.
func tallyKey(s projections.JobSelection) [sha256.Size]byte {
	text, err := json.Marshal(struct {
		Viewer projections.Viewer
		Terms  []projections.JobTerm
	}{s.Viewer, s.Terms})
	if err != nil {
		panic("api: " + err.Error()) // names and numbers always encode
	}
	return sha256.Sum256(text)
}

// get returns what is remembered of a question, nil for nothing.
// A tally is too old after [tallyTime], whatever facts have told: tables may have been rebuilt
// since.
func (t *tallies) get(key [sha256.Size]byte, now time.Time) *tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.of[key]
	if kept == nil || now.Sub(kept.made) > tallyTime {
		return nil
	}
	t.touch(key)
	return kept
}

// put remembers a tally, unless another caller has come with a newer one.
// Two callers may count at the same time; the one whose tables had read further is right.
func (t *tallies) put(key [sha256.Size]byte, one *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kept := t.of[key]; kept != nil && kept.through > one.through && !kept.made.Before(one.made) {
		return
	}
	if t.of == nil {
		t.of = map[[sha256.Size]byte]*tally{}
	}
	t.of[key] = one
	t.touch(key)
	for len(t.used) > maxTallies {
		delete(t.of, t.used[0])
		t.used = t.used[1:]
	}
}

// touch puts a key behind all others.
func (t *tallies) touch(key [sha256.Size]byte) {
	if i := slices.Index(t.used, key); i >= 0 {
		t.used = slices.Delete(t.used, i, i+1)
	}
	t.used = append(t.used, key)
}

// told notes that a fact tells something of a job. The lock of the fold guards it.
// For each block the sequence of the last fact about one of its jobs; a lab of ten million jobs has
// 2,500 entries, so nothing is ever dropped.
type told map[uint64]uint64

// note notes a fact and the job that it changed or is about, if any.
func (t told) note(r stream.Recorded, c lab.Changes) {
	if id := jobOf(r, c); id != 0 {
		t[blockOf(id)] = max(t[blockOf(id)], r.Seq)
	}
	if e, ok := r.Event.(events.JobRetried); ok { // of which firsts knows by the attempt
		t[blockOf(e.As)] = max(t[blockOf(e.As)], r.Seq)
	}
}

// after returns the blocks of which a fact behind one has told.
func (t told) after(seq uint64) (blocks []uint64) {
	for b, last := range t {
		if last > seq {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// stale returns the blocks that have to be counted again, in order: those of which facts have told since, and those
// of jobs that are to be left out now.
// since is told.after of the tally's own through, and may be changed. Jobs to be left out are
// counted by the fold instead, so their blocks have to be counted without them.
func (t *tally) stale(since []uint64, except []events.JobID) []uint64 {
	for _, id := range except {
		since = append(since, blockOf(id))
	}
	slices.Sort(since)
	return slices.Compact(since)
}

// with returns the tally with some blocks counted anew by tables that had read up to a fact. Those that have no job
// now are gone.
func (t *tally) with(recounted []uint64, counts map[uint64]uint64, through uint64) *tally {
	out := &tally{made: t.made, through: through, blocks: t.blocks}
	if len(recounted) == 0 {
		return out
	}
	out.blocks = maps.Clone(t.blocks)
	for _, b := range recounted {
		if n := counts[b]; n > 0 {
			out.blocks[b] = n
		} else {
			delete(out.blocks, b)
		}
	}
	return out
}

// count is the number of all.
// It goes through some thousand numbers at most: no question to the tables is as cheap.
func (t *tally) count() (n uint64) {
	for _, jobs := range t.blocks {
		n += jobs
	}
	return n
}

// narrow bounds a selection in order of numbers to the blocks in which its page lies, and returns how many rows that
// page has. A selection in another order stays as it is, and ok is false.
// rows is less than the limit on the last page; 0 with ok says that the page lies behind the last
// job, and the tables need not be asked.
func (t *tally) narrow(s *projections.JobSelection) (rows int, ok bool) {
	descending := true
	if len(s.Order) > 0 {
		if s.Order[0].Field != "id" {
			return 0, false
		}
		descending = s.Order[0].Desc
	}
	blocks := slices.SortedFunc(maps.Keys(t.blocks), func(a, b uint64) int {
		if descending {
			a, b = b, a
		}
		return cmp.Compare(a, b)
	})
	left, want := uint64(s.Offset), uint64(s.Limit)
	var page []uint64
	found := uint64(0)
	for _, b := range blocks {
		n := t.blocks[b]
		if len(page) == 0 && n <= left {
			left -= n
			continue
		}
		page = append(page, b)
		if found += n; found >= left+want {
			break
		}
	}
	if len(page) == 0 {
		return 0, true
	}
	s.Offset = int(left)
	s.From, s.Below = blockRange(slices.Min(page), slices.Max(page))
	return int(min(want, found-left)), true
}

// blockRange are the numbers of jobs from one block to another.
func blockRange(first, last uint64) (from, below events.JobID) {
	return events.JobID(first * blockJobs), events.JobID((last + 1) * blockJobs)
}

// blocksOf are the blocks that a selection is bounded to.
// Only of one that narrow has bounded: Below would else be 0.
func blocksOf(s projections.JobSelection) (blocks []uint64) {
	for b := blockOf(s.From); b <= blockOf(s.Below-1); b++ {
		blocks = append(blocks, b)
	}
	return blocks
}
