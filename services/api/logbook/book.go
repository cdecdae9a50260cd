package logbook

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"sync"

	"strata/events"
)

// Book is the log of one job, as far as it has been read. Any number of readers may use it while one writes.
type Book struct {
	Job events.JobID

	dir   string
	codec codec
	file  *os.File

	mu     sync.RWMutex
	leaves []*leaf
	levels [levelCount]uint64 // lines of each level in leaves
	last   open               // of the lines that fill no leaf yet
	// Its place in b.leaves is len(b.leaves): find and leafAt count on that.
	lastOf  leaf  // about them
	size    int64 // of the file
	outline outline
	done    bool          // nothing more will come
	err     error         // why nothing more could be read
	damaged bool          // something of it could not be read from the disk
	grew    chan struct{} // closed when there is more, or an end

	// Of the shelf, guarded by its lock.
	users   int
	filling bool
	used    int64 // a count that grows with each use
}

// newBook is a book without lines; file is empty, or filled by who sets its leaves.
func newBook(job events.JobID, dir string, c codec, file *os.File) *Book {
	b := &Book{Job: job, dir: dir, codec: c, file: file, grew: make(chan struct{})}
	b.lastOf.bloom = make([]uint64, bloomWords)
	return b
}

// maxLost is the longest gap that is told as lines: a worker that sends nonsense may leave any.
const maxLost = 1 << 40

// Add takes a run of records, the first with a number, each ended by a newline but for the last. Lines that it has are passed over.
// It is called by one goroutine at a time. Its error says that the disk takes no more, or that the
// numbers cannot be: the filling then ends, and State tells why.
func (b *Book) Add(first uint64, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.lastOf.end()
	if first > next {
		if first-next > maxLost || first > math.MaxInt64 {
			return fmt.Errorf("line %d comes after line %d: so many cannot be missing", first, next)
		}
		if err := b.lose(first - next); err != nil {
			return err
		}
	}
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, []byte{'\n'})
		body = rest
		// Frames come again after an interruption, from where the reader was sure.
		if first < b.lastOf.end() {
			first++
			continue
		}
		first++
		if err := b.add(line); err != nil {
			return err
		}
	}
	b.tell()
	return nil
}

// add takes one record.
func (b *Book) add(line []byte) error {
	l := &b.lastOf
	// A single line that is longer than a leaf gets one of its own.
	if l.Count >= leafLines || l.Count > 0 && len(b.last.records)+len(line) > leafBytes {
		if err := b.turn(); err != nil {
			return err
		}
	}
	p := parse(line)
	b.last.records = append(append(b.last.records, line...), '\n')
	from := len(b.last.plain)
	b.last.plain = appendPlain(b.last.plain, p.message)
	plain := b.last.plain[from:]
	b.outline.note(l.end(), p, plain)
	addPieces(l.bloom, plain)
	b.last.plain = append(b.last.plain, '\n')
	l.Levels[p.level]++
	l.Count++
	return nil
}

// lose notes lines that never came, as a leaf of their own.
// A leaf of lost lines has no bytes on the disk, however many they are.
func (b *Book) lose(n uint64) error {
	if b.lastOf.Count > 0 {
		if err := b.turn(); err != nil {
			return err
		}
	}
	l := b.lastOf
	l.Count, l.Levels[levelLost], l.bloom = n, n, nil
	b.keep(&l)
	return nil
}

// turn writes the lines that came last and begins a new leaf.
// A failed write leaves the lines in last, from where they are read as before.
func (b *Book) turn() error {
	l := b.lastOf
	records := b.codec.out.EncodeAll(b.last.records, nil)
	both := b.codec.out.EncodeAll(b.last.plain, records)
	// Nothing is changed before the write has gone well, so a full disk may be tried again from
	// here.
	if _, err := b.file.WriteAt(both, b.size); err != nil {
		return fmt.Errorf("write the log's copy: %w", err)
	}
	l.At, l.Records, l.Plain = b.size, int32(len(records)), int32(len(both)-len(records))
	l.Raw, l.Text = int32(len(b.last.records)), int32(len(b.last.plain))
	b.size += int64(len(both))
	b.last = open{make([]byte, 0, leafBytes), make([]byte, 0, leafBytes)} // readers may hold the old ones
	b.keep(&l)
	return nil
}

// keep adds a full leaf.
func (b *Book) keep(l *leaf) {
	b.leaves = append(b.leaves, l)
	for level, n := range l.Levels {
		b.levels[level] += n
	}
	b.lastOf = leaf{First: l.end(), Row: b.levels, bloom: make([]uint64, bloomWords)}
}

// tell wakes those who wait for more.
func (b *Book) tell() {
	close(b.grew)
	b.grew = make(chan struct{})
}

// end notes that nothing more comes, or why.
func (b *Book) end(done bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done, b.err = done, err
	b.tell()
}

// State is how far a book has come.
// Rows and Lines only grow, but where a damaged book is made again.
type State struct {
	Lines uint64 // there are so far
	Rows  uint64 // of them that are of the levels that were asked for
	Done  bool   // the job says nothing more
}

// State tells how far the book has come, why nothing more could be read, and what is closed once there is more.
// Whoever waits takes grew and looks again once it is closed; it is replaced each time.
func (b *Book) State(of Levels) (s State, grew <-chan struct{}, err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.state(of), b.grew, b.err
}

func (b *Book) state(of Levels) State {
	before, in := b.lastOf.count(of)
	return State{b.lastOf.end(), before + in, b.done}
}

// Counts returns how many lines there are of each level.
// Levels without a line are left out.
func (b *Book) Counts() map[events.Level]uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := map[events.Level]uint64{}
	for i, name := range levelNames() {
		if n := b.levels[i] + b.lastOf.Levels[i]; n > 0 {
			out[name] = n
		}
	}
	return out
}

// find returns the place of the leaf with a row; the last is that of unwritten lines. It holds the lock.
// A binary search: the counts of rows before a leaf grow with the leaves.
func (b *Book) find(row uint64, of Levels) int {
	return sort.Search(len(b.leaves), func(i int) bool {
		before, in := b.leaves[i].count(of)
		return before+in > row
	})
}

// leafAt returns a leaf and what it holds where that is not on the disk. It holds the lock.
// The caller keeps both after the lock is given back; a full leaf never changes.
func (b *Book) leafAt(i int) (*leaf, *open) {
	if i < len(b.leaves) {
		return b.leaves[i], nil
	}
	l, o := b.lastOf, b.last // readers keep what they have: later lines are added behind it
	return &l, &o
}

// RowOf returns the row of a line, or that of the next line of the levels.
// Of a line beyond the end it is the number of rows. At most one leaf is opened.
func (b *Book) RowOf(line uint64, of Levels) (uint64, error) {
	b.mu.RLock()
	i := sort.Search(len(b.leaves), func(i int) bool { return b.leaves[i].end() > line })
	l, o := b.leafAt(i)
	b.mu.RUnlock()
	row, in := l.count(of)
	if line >= l.end() {
		return row + in, nil
	}
	if l.lost() {
		return row + (line - l.First), nil // lost lines are always shown
	}
	if in == l.Count {
		return row + (line - l.First), nil
	}
	records, err := b.records(l, o)
	if err != nil {
		return 0, err
	}
	for n, record := range lines(records) {
		if l.First+uint64(n) >= line {
			break
		}
		if of.has(parse(record).level) {
			row++
		}
	}
	return row, nil
}

// Place puts sections among the rows of some levels: their First and Behind. It opens each leaf once where a section
// begins or ends among lines that are not all shown.
// Start and End are line numbers; a section that goes on has no Behind.
func (b *Book) Place(sections []Section, of Levels) error {
	lines := make([]uint64, 0, 2*len(sections))
	for _, s := range sections {
		lines = append(lines, s.Start)
		if s.End != nil {
			lines = append(lines, *s.End+1)
		}
	}
	slices.Sort(lines)
	rows, err := b.rowsOf(slices.Compact(lines), of)
	if err != nil {
		return err
	}
	for i := range sections {
		s := &sections[i]
		first := rows[s.Start]
		s.First = &first
		if s.End != nil {
			behind := rows[*s.End+1]
			s.Behind = &behind
		}
	}
	return nil
}

// rowsOf returns the rows of lines, which are in order.
func (b *Book) rowsOf(wanted []uint64, of Levels) (map[uint64]uint64, error) {
	rows := make(map[uint64]uint64, len(wanted))
	for len(wanted) > 0 {
		b.mu.RLock()
		i := sort.Search(len(b.leaves), func(i int) bool { return b.leaves[i].end() > wanted[0] })
		l, o := b.leafAt(i)
		last := i == len(b.leaves)
		b.mu.RUnlock()
		row, in := l.count(of)
		// All lines of the leaf are shown, or none: its rows follow without opening it.
		if in == l.Count || l.lost() || in == 0 { // lost lines are always shown
			for len(wanted) > 0 && (wanted[0] < l.end() || last) {
				rows[wanted[0]] = row
				if in > 0 {
					rows[wanted[0]] += min(wanted[0], l.end()) - l.First
				}
				wanted = wanted[1:]
			}
			continue
		}
		records, err := b.records(l, o)
		if err != nil {
			return nil, err
		}
		for n, record := range lines(records) {
			for len(wanted) > 0 && wanted[0] == l.First+uint64(n) {
				rows[wanted[0]], wanted = row, wanted[1:]
			}
			if len(wanted) == 0 || wanted[0] >= l.end() && !last {
				break
			}
			if of.has(parse(record).level) {
				row++
			}
		}
		for ; len(wanted) > 0 && (last || wanted[0] < l.end()); wanted = wanted[1:] {
			rows[wanted[0]] = row // behind all that was said
		}
	}
	return rows, nil
}

// records returns the records of a leaf.
func (b *Book) records(l *leaf, o *open) ([]byte, error) {
	if o != nil {
		return o.records, nil
	}
	text, err := b.codec.readRecords(b.file, l)
	return text, b.noted(err)
}

// plain returns the text of a leaf; into is room for it.
func (b *Book) plain(l *leaf, o *open, into []byte) ([]byte, error) {
	if o != nil {
		return o.plain, nil
	}
	text, err := b.codec.readPlain(b.file, l, into)
	return text, b.noted(err)
}

// noted has the shelf make the book again once nobody reads in it, where a leaf could not be read: whoever asks next
// gets a whole one. The file may have lost bytes when the machine lost its power, long after it was said to be whole.
func (b *Book) noted(err error) error {
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.damaged = true
	}
	return err
}

// Read hands over the lines from a row on, at most count of them, each with its number. Lost ones have no record.
// Each record is valid only until each returns. It ends early, without an error, where the book
// ends; it opens each leaf that it needs once.
func (b *Book) Read(row, count uint64, of Levels, each func(line uint64, record []byte)) error {
	for count > 0 {
		b.mu.RLock()
		i := b.find(row, of)
		l, o := b.leafAt(i)
		last := i == len(b.leaves)
		b.mu.RUnlock()
		at, in := l.count(of)
		// Behind the last row, or in a gap of the levels: there is nothing more.
		if row < at || row >= at+in {
			return nil
		}
		if l.lost() {
			n := min(count, in-(row-at))
			for k := range n {
				each(l.First+(row-at)+k, nil)
			}
			row, count = row+n, count-n
			continue
		}
		records, err := b.records(l, o)
		if err != nil {
			return err
		}
		for n, record := range lines(records) {
			if count == 0 || uint64(n) >= l.Count {
				break
			}
			if in < l.Count && !of.has(parse(record).level) {
				continue
			}
			if at >= row {
				each(l.First+uint64(n), record)
				row, count = row+1, count-1
			}
			at++
		}
		if last {
			return nil
		}
	}
	return nil
}
