package logbook

import (
	"context"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"strata/events"
)

// Settings of a shelf.
type Settings struct {
	Dir    string // where the books stand
	Bytes  int64  // that books may have together; 0 is 8 GiB
	Logger *slog.Logger
	// Read hands over a job's output from a line on: what there is, then what comes, until the job says nothing
	// more (it returns nil) or ctx ends.
	Read func(ctx context.Context, job events.JobID, from uint64, frame func(first uint64, body []byte) error) error
}

// Shelf is the books on this machine.
// mu is taken before a book's own lock, never after it.
type Shelf struct {
	s     Settings
	codec codec

	mu    sync.Mutex
	books map[events.JobID]*Book
	// A count of uses, in place of a clock: it orders them, and two are never the same.
	clock int64
	group sync.WaitGroup
	ctx   context.Context // of the filling
}

// idle is after how long without a reader a running job's book is no longer filled.
const idle = 2 * time.Minute

// NewShelf opens a directory of books. Fillings end with ctx; [Shelf.Close] waits for them.
func NewShelf(ctx context.Context, s Settings) (*Shelf, error) {
	if s.Bytes == 0 {
		s.Bytes = 8 << 30
	}
	c, err := newCodec()
	if err != nil {
		return nil, fmt.Errorf("open the copies of logs: %w", err)
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the copies of logs: %w", err)
	}
	return &Shelf{s: s, codec: c, books: map[events.JobID]*Book{}, ctx: ctx}, nil
}

// Close waits until nothing is written any more and closes all books. The context of the shelf must have ended.
func (s *Shelf) Close() {
	s.group.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.books {
		_ = b.file.Close() // read only
	}
	s.codec.in.Close()
}

// Use returns the book of a job and what the caller calls when done with it. It is filled meanwhile.
// The function may be called more than once. While it has not been called the book stays open,
// though not where its job's log is erased: see [Shelf.Forget].
func (s *Shelf) Use(job events.JobID) (*Book, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.books[job]
	if b != nil && b.users == 0 && !b.filling && b.spoiled() {
		s.s.Logger.Warn("copy of a log is made again: it cannot be read", "job", job)
		s.drop(job)
		b = nil
	}
	if b == nil {
		var err error
		if b, err = s.take(job); err != nil {
			return nil, nil, err
		}
		s.books[job] = b
	}
	s.clock++
	b.used = s.clock
	b.users++
	if st, _, _ := b.State(AllLevels); !st.Done && !b.filling && s.ctx.Err() == nil {
		b.filling = true
		s.group.Go(func() { s.fill(b) })
	}
	return b, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		b.users--
	}), nil
}

// spoiled says that a reader met something in the book's file that cannot be read.
func (b *Book) spoiled() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.damaged
}

// take opens a book that stands whole on the disk, or begins it.
// It holds the lock, so books are opened one after the other.
func (s *Shelf) take(job events.JobID) (*Book, error) {
	s.makeRoom()
	s.closeOld()
	dir := filepath.Join(s.s.Dir, strconv.FormatUint(uint64(job), 10))
	if b, err := s.stored(job, dir); err == nil {
		return b, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.s.Logger.Warn("copy of a log is made again", "job", job, "err", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("begin the copy of a log: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("begin the copy of a log: %w", err)
	}
	// 0600: what devices say is for who may see the job, and for nobody else on this machine.
	file, err := os.OpenFile(filepath.Join(dir, leavesFile), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin the copy of a log: %w", err)
	}
	return newBook(job, dir, s.codec, file), nil
}

// The files of a book. The index is written last: a book with one is whole.
const (
	leavesFile = "leaves"
	indexFile  = "index"
)

// format is that of the index; a book of another one is made again.
const format = 2

// index is what a whole book has in memory.
// What is added to it needs another format: gob would read the old one with zeros.
type index struct {
	Format   int
	Leaves   []*leaf
	Blooms   []byte // of the leaves, one after the other: as numbers they would take ten times as long to read
	Last     leaf
	Size     int64
	Sections []Section
	Findings []Finding
	More     bool
}

// stored opens a book that was finished.
// [fs.ErrNotExist] says that there is none; any other error, that it has to be made again.
func (s *Shelf) stored(job events.JobID, dir string) (*Book, error) {
	f, err := os.Open(filepath.Join(dir, indexFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ix index
	if err := gob.NewDecoder(f).Decode(&ix); err != nil {
		return nil, fmt.Errorf("read its index: %w", err)
	}
	if ix.Format != format {
		return nil, fmt.Errorf("its format is %d, this release's %d", ix.Format, format)
	}
	file, err := os.Open(filepath.Join(dir, leavesFile))
	if err != nil {
		return nil, err
	}
	st, err := file.Stat()
	if err == nil && st.Size() != ix.Size {
		err = fmt.Errorf("its leaves have %d bytes, its index says %d", st.Size(), ix.Size)
	}
	if err != nil {
		_ = file.Close() // read only
		return nil, err
	}
	if err := ix.spread(); err != nil {
		_ = file.Close() // read only
		return nil, err
	}
	b := newBook(job, dir, s.codec, file)
	b.leaves, b.lastOf, b.size, b.done, b.levels = ix.Leaves, ix.Last, ix.Size, true, ix.Last.Row
	b.outline = outline{sections: ix.Sections, findings: ix.Findings, more: ix.More}
	return b, nil
}

// gather puts the leaves' filters together for the disk.
func gather(leaves []*leaf) []byte {
	all := make([]byte, 0, len(leaves)*bloomWords*8)
	for _, l := range leaves {
		for _, word := range l.bloom {
			all = binary.LittleEndian.AppendUint64(all, word)
		}
	}
	return all
}

// spread gives each leaf its filter again.
func (ix *index) spread() error {
	rest := ix.Blooms
	for _, l := range ix.Leaves {
		if l.lost() {
			continue
		}
		if len(rest) < bloomWords*8 {
			return errors.New("its index ends early")
		}
		l.bloom = make([]uint64, bloomWords)
		for i := range l.bloom {
			l.bloom[i] = binary.LittleEndian.Uint64(rest[i*8:])
		}
		rest = rest[bloomWords*8:]
	}
	ix.Last.bloom = make([]uint64, bloomWords) // it has no lines: a whole book's last ones are a leaf
	return nil
}

// store writes the index of a book that is whole. Its last lines become a leaf first.
func (b *Book) store() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lastOf.Count > 0 {
		if err := b.turn(); err != nil {
			return err
		}
	}
	name := filepath.Join(b.dir, indexFile)
	// Renamed when it is whole: what a crash leaves behind is no index.
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = gob.NewEncoder(f).Encode(index{format, b.leaves, gather(b.leaves), b.lastOf, b.size, b.outline.sections, b.outline.findings, b.outline.more})
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// fill reads a job's output into its book until there is no more, or nobody has looked for a while.
// It may begin where an earlier filling has stopped: lines that are there are not read again.
func (s *Shelf) fill(b *Book) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.group.Go(func() { s.watchIdle(ctx, cancel, b) })
	// An error of an earlier filling is over: this one may do better.
	b.end(false, nil)
	state, _, _ := b.State(AllLevels)
	err := s.s.Read(ctx, b.Job, state.Lines, b.Add)
	whole := err == nil && ctx.Err() == nil
	if whole {
		if err = b.store(); err != nil {
			s.s.Logger.Warn("copy of a log is not kept", "job", b.Job, "err", err)
		}
	}
	if ctx.Err() != nil {
		err = nil
	}
	s.mu.Lock()
	b.filling = false
	s.mu.Unlock()
	b.end(whole, err)
}

// watchIdle ends a filling that nobody has used for a while.
func (s *Shelf) watchIdle(ctx context.Context, cancel func(), b *Book) {
	tick := time.NewTicker(idle)
	defer tick.Stop()
	seen := int64(-1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		used, users := b.used, b.users
		s.mu.Unlock()
		// Two looks in a row, so that a pause between two questions ends nothing.
		if users == 0 && used == seen {
			cancel()
			return
		}
		seen = used
	}
}

// Forget removes the book of a job whose log was erased.
func (s *Shelf) Forget(job events.JobID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(job)
}

// drop removes a book; who reads in it gets errors, or the rest of an open file. It holds the lock.
// What is in the way on the disk is only logged: the book is not opened any more.
func (s *Shelf) drop(job events.JobID) {
	if b := s.books[job]; b != nil {
		delete(s.books, job)
		_ = b.file.Close() // what is written to it now is lost, as it shall be
	}
	if err := os.RemoveAll(filepath.Join(s.s.Dir, strconv.FormatUint(uint64(job), 10))); err != nil {
		s.s.Logger.Warn("copy of a log is not removed", "job", job, "err", err)
	}
}

// makeRoom removes the books that were used longest ago until there is room. It holds the lock.
// It looks before a book is begun, which may then grow beyond the bound; the next one makes room for
// it.
func (s *Shelf) makeRoom() {
	entries, err := os.ReadDir(s.s.Dir)
	if err != nil {
		return
	}
	type stands struct {
		job  events.JobID
		size int64
		used time.Time
		open *Book
	}
	var all []stands
	total := int64(0)
	for _, e := range entries {
		// What is no number is none of the shelf's, and is left alone.
		n, err := strconv.ParseUint(e.Name(), 10, 63)
		info, missing := os.Stat(filepath.Join(s.s.Dir, e.Name(), leavesFile))
		if err != nil || missing != nil {
			continue
		}
		st := stands{events.JobID(n), info.Size(), info.ModTime(), s.books[events.JobID(n)]}
		total += st.size
		all = append(all, st)
	}
	for total > s.s.Bytes {
		oldest := -1
		for i, st := range all {
			busy := st.open != nil && (st.open.users > 0 || st.open.filling)
			if busy || st.size < 0 {
				continue
			}
			if oldest < 0 || older(st.open, st.used, all[oldest].open, all[oldest].used) {
				oldest = i
			}
		}
		if oldest < 0 {
			return
		}
		s.drop(all[oldest].job)
		total -= all[oldest].size
		all[oldest].size = -1
	}
}

// openBooks is how many books stay open that nobody reads in.
const openBooks = 64

// closeOld closes whole books that were used longest ago; they stay on the disk. It holds the lock.
// A file that is open costs a descriptor, and its index memory; on the disk it costs neither.
func (s *Shelf) closeOld() {
	for len(s.books) >= openBooks {
		var oldest *Book
		for _, b := range s.books {
			st, _, _ := b.State(AllLevels)
			if st.Done && b.users == 0 && (oldest == nil || b.used < oldest.used) {
				oldest = b
			}
		}
		if oldest == nil {
			return
		}
		delete(s.books, oldest.Job)
		_ = oldest.file.Close() // read only
	}
}

// older says whether a book was used before another: those that are not open were.
// Their files' times are all that is known of them.
func older(a *Book, at time.Time, b *Book, bt time.Time) bool {
	switch {
	case a == nil && b == nil:
		return at.Before(bt)
	case a == nil || b == nil:
		return a == nil
	}
	return a.used < b.used
}
