package output

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"strata/events"
)

// The files of a spool's directory.
const (
	spoolFile = "output.ndjson" // records, one a line
	sentFile  = "sent.json"     // how far the Publisher is
)

// syncEvery is how often a spool that is written to goes to the disk itself.
const syncEvery = time.Second

// Spool is a job's log on the worker's disk: one record as JSON a line, append only. It outlives
// the process that writes it.
type Spool struct {
	mu     sync.Mutex
	file   *os.File
	lines  uint64
	size   int64
	dirty  bool
	grown  chan struct{} // told when there is more; holds one
	closed chan struct{}
	synced sync.WaitGroup
}

// OpenSpool opens the spool in dir for writing, making dir and file where needed. A last line that
// was cut short is cut off. Only one process may write a spool; any may read it.
func OpenSpool(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make spool %s: %w", dir, err)
	}
	path := filepath.Join(dir, spoolFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	lines, size, err := measure(f)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open spool %s: %w", path, err)
	}
	s := &Spool{file: f, lines: lines, size: size, grown: make(chan struct{}, 1), closed: make(chan struct{})}
	s.synced.Go(s.sync)
	return s, nil
}

// measure counts the complete lines of a spool and their bytes.
func measure(r io.Reader) (lines uint64, size int64, err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err == nil:
			lines++
			size += int64(len(line))
		case errors.Is(err, io.EOF):
			return lines, size, nil
		case errors.Is(err, bufio.ErrBufferFull):
			return lines, size, nil // longer than any record: not ours
		default:
			return lines, size, err
		}
	}
}

// Append writes a record. It is a Settings.Write. A record that could not be written whole, as on
// a full disk, is taken back, so that the spool stays readable.
func (s *Spool) Append(r events.Record) error {
	line, err := events.EncodeRecord(r)
	if err != nil {
		return fmt.Errorf("encode log record: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.file.Write(line); err != nil {
		if back := s.file.Truncate(s.size); back == nil {
			_, _ = s.file.Seek(s.size, io.SeekStart)
		}
		return fmt.Errorf("write to spool: %w", err)
	}
	s.lines++
	s.size += int64(len(line))
	s.dirty = true
	select {
	case s.grown <- struct{}{}:
	default:
	}
	return nil
}

// Lines returns how many records the spool holds.
func (s *Spool) Lines() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines
}

// Grown tells, at least once after each Append, that there is more to read.
func (s *Spool) Grown() <-chan struct{} { return s.grown }

// sync brings the spool to the disk every second while it grows.
func (s *Spool) sync() {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.closed:
			return
		case <-tick.C:
			s.mu.Lock()
			dirty := s.dirty
			s.dirty = false
			s.mu.Unlock()
			if dirty {
				// Outside the lock: a slow disk must not hold up the job. An error shows again at Close.
				_ = s.file.Sync()
			}
		}
	}
}

// Close syncs the spool to the disk and closes it.
func (s *Spool) Close() error {
	close(s.closed)
	s.synced.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.Join(s.file.Sync(), s.file.Close())
	if err != nil {
		return fmt.Errorf("close spool: %w", err)
	}
	return nil
}

// ReadSpool calls each with every complete record of the spool in dir, in order.
func ReadSpool(dir string, each func(line []byte) error) error {
	f, err := os.Open(filepath.Join(dir, spoolFile))
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read spool: %w", err)
		}
		if err := each(bytes.TrimSuffix(line, []byte{'\n'})); err != nil {
			return err
		}
	}
}
