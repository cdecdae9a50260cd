package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"strata/events/stream"
)

// Copy copies an archive into a store. Segments that are closed meanwhile, of a lab that runs, are not missed:
// their messages are still in the streams, or read by way of the archive.
func Copy(ctx context.Context, from, to Store) error {
	for _, name := range chained() {
		ix, err := readIndex(ctx, from, name+"/index.json")
		if err != nil {
			return err
		}
		c := &chain{store: to, stream: name}
		for _, s := range ix.Segments {
			if err := copyObject(ctx, from, to, s.Name); err != nil {
				return err
			}
			c.ix.Segments = append(c.ix.Segments, s)
		}
		c.ix.Next = ix.Next
		if len(c.ix.Segments) == 0 {
			continue
		}
		if err := c.save(ctx); err != nil {
			return err
		}
	}
	names, err := from.List(ctx, "")
	if err != nil {
		return err
	}
	for _, n := range names {
		if inChain(n) || n == statusName {
			continue
		}
		if err := copyObject(ctx, from, to, n); err != nil {
			return err
		}
	}
	return nil
}

// inChain tells whether an object is a part of a chain, which is copied by its index.
func inChain(name string) bool {
	folder, _, _ := strings.Cut(name, "/")
	return slices.Contains(chained(), folder)
}

// copyObject copies one object by way of a file, since a store wants to read twice.
func copyObject(ctx context.Context, from, to Store, name string) error {
	in, err := from.Get(ctx, name)
	if err != nil {
		return err
	}
	defer in.Close()
	if seeker, ok := in.(io.ReadSeeker); ok {
		return to.Put(ctx, name, seeker)
	}
	f, err := os.CreateTemp("", "strata-copy-")
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.Copy(f, in); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return to.Put(ctx, name, f)
}

// ErrEmpty says that an archive holds nothing that a lab could be made of.
var ErrEmpty = errors.New("there is no archive of a lab here")

// Skip is how many numbers a restored lab leaves out, by stream. What was written after the archive's end is
// lost, and its numbers may have been seen: workers refuse leases, which are sequences of LAB, that are
// not higher than the ones that they know.
type Skip map[string]uint64

// SkipLeases is the number of sequences of LAB that a restore leaves out by default: facts of a day of a very large lab.
const SkipLeases = 10_000_000

// Begin prepares an archive for a lab whose streams begin anew behind it, and returns the sequence that each
// is to begin with, as stream.Settings.First takes it.
func Begin(ctx context.Context, store Store, skip Skip) (map[string]uint64, error) {
	first := map[string]uint64{}
	output := uint64(0)
	for _, name := range chained() {
		c, err := openChain(ctx, store, name)
		if err != nil {
			return nil, err
		}
		if err := c.adopt(ctx); err != nil {
			return nil, err
		}
		last, next := c.tail()
		if name == stream.Lab {
			if last.Last == 0 {
				return nil, fmt.Errorf("%s: %w", store, ErrEmpty)
			}
			for _, s := range c.list() {
				output = max(output, s.Output[1])
			}
		}
		if last.Last == 0 {
			continue
		}
		next += skip[name]
		c.mu.Lock()
		c.ix.Next = next
		c.mu.Unlock()
		if err := c.save(ctx); err != nil {
			return nil, err
		}
		first[name] = next
	}
	// Frames that were never archived had sequences too; a reader's place must not lie among the new ones.
	first[stream.Output] = output + 1 + skip[stream.Lab]
	return first, nil
}

// Ends returns the last sequence of each stream in an archive; 0 where there is none.
func Ends(ctx context.Context, store Store) (map[string]uint64, error) {
	ends := map[string]uint64{}
	for _, name := range chained() {
		c, err := openChain(ctx, store, name)
		if err != nil {
			return nil, err
		}
		last, _ := c.tail()
		ends[name] = last.Last
	}
	return ends, nil
}
