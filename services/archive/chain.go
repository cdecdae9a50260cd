package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"strata/events/stream"
)

// chained lists the streams that are kept as chains of segments.
func chained() []string { return []string{stream.Lab, stream.Results, stream.Submissions} }

// index is the file index.json of a chain.
type index struct {
	Segments []Segment `json:"segments"`
	// Next is the sequence that the stream goes on with where it was begun anew behind the archive, as
	// a restore does; 0: the one after the last segment.
	Next uint64 `json:"next,omitempty"`
}

// chain is the segments of one stream.
type chain struct {
	store  Store
	stream string

	mu sync.Mutex
	ix index
}

// openChain reads the index of a chain. Segments that it does not know, since a process died between the
// two, are taken in.
func openChain(ctx context.Context, store Store, name string) (*chain, error) {
	c := &chain{store: store, stream: name}
	return c, c.reload(ctx)
}

func (c *chain) indexName() string { return c.stream + "/index.json" }

// readIndex returns the index as it lies in the store; empty where there is none.
func readIndex(ctx context.Context, store Store, name string) (index, error) {
	var ix index
	data, err := read(ctx, store, name)
	if errors.Is(err, fs.ErrNotExist) {
		return ix, nil
	}
	if err != nil {
		return ix, err
	}
	if err := json.Unmarshal(data, &ix); err != nil {
		return ix, fmt.Errorf("%s of the archive %w: %w", name, errDamaged, err)
	}
	return ix, nil
}

// reload reads the index anew.
func (c *chain) reload(ctx context.Context) error {
	ix, err := readIndex(ctx, c.store, c.indexName())
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ix = ix
	return nil
}

// adopt takes in segments behind the index that follow from its end. Only a writer does.
func (c *chain) adopt(ctx context.Context) error {
	if err := c.reload(ctx); err != nil {
		return err
	}
	names, err := segmentsIn(ctx, c.store, c.stream)
	if err != nil {
		return err
	}
	grown := false
	for _, name := range names {
		last, _ := c.tail()
		if known := slices.ContainsFunc(c.list(), func(s Segment) bool { return s.Name == name }); known {
			continue
		}
		s, err := c.describe(ctx, name, last)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.ix.Segments, c.ix.Next = append(c.ix.Segments, s), 0
		c.mu.Unlock()
		grown = true
	}
	if !grown {
		return nil
	}
	return c.save(ctx)
}

// describe makes the index's entry of a segment that has to follow another.
func (c *chain) describe(ctx context.Context, name string, after Segment) (Segment, error) {
	data, err := read(ctx, c.store, name)
	if err != nil {
		return Segment{}, err
	}
	s := after.follow(c.stream)
	var records []record
	h, err := openSegment(name, data, func(r record) error {
		if c.stream == stream.Lab {
			if f, err := r.message(c.stream).Decode(); err == nil {
				s.track(f.Event)
			}
		}
		records = append(records, r)
		return nil
	})
	if err != nil {
		return Segment{}, err
	}
	if h.Previous != after.SHA256 || after.Name != "" && h.After != after.Last {
		return Segment{}, fmt.Errorf("segment %s does not follow %s: it names %q as the one before, to sequence %d", name, or(after.Name, "nothing"), h.Previous, h.After)
	}
	s.header.Previous, s.header.After = h.Previous, h.After
	if _, err := seal(&s, records); err != nil {
		return Segment{}, err
	}
	s.SHA256, s.Bytes = digest(data), int64(len(data)) // another release of the compressor writes other bytes
	return s, nil
}

// segmentsIn lists the names of a stream's segments.
func segmentsIn(ctx context.Context, store Store, name string) ([]string, error) {
	names, err := store.List(ctx, name+"/")
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".jsonl.zst") }), err
}

// list returns the segments in order.
func (c *chain) list() []Segment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ix.Segments)
}

// erased returns the jobs that the chain of LAB says are erased, and those of which the log is.
func (c *chain) erased() (texts, logs map[uint64]bool) {
	texts, logs = map[uint64]bool{}, map[uint64]bool{}
	for _, s := range c.list() {
		for _, job := range s.Removed {
			texts[job] = true
		}
		for _, job := range s.Silenced {
			logs[job] = true
		}
	}
	return texts, logs
}

// tail returns the last segment, and the sequence of the message to archive next.
func (c *chain) tail() (last Segment, next uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.ix.Segments); n > 0 {
		last = c.ix.Segments[n-1]
	}
	return last, max(last.Last+1, c.ix.Next)
}

// add makes a segment of records behind the last one.
func (c *chain) add(ctx context.Context, s Segment, records []record) (Segment, error) {
	after, _ := c.tail()
	s.Stream, s.Previous, s.After = c.stream, after.SHA256, after.Last
	data, err := seal(&s, records)
	if err != nil {
		return s, err
	}
	if err := c.store.Create(ctx, s.Name, bytes.NewReader(data)); err != nil {
		return s, err
	}
	c.mu.Lock()
	c.ix.Segments, c.ix.Next = append(c.ix.Segments, s), 0
	c.mu.Unlock()
	return s, c.save(ctx)
}

// save writes the index.
func (c *chain) save(ctx context.Context) error {
	c.mu.Lock()
	data, err := json.Marshal(c.ix)
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("encode the index of %s: %w", c.stream, err)
	}
	return c.store.Put(ctx, c.indexName(), bytes.NewReader(data))
}

// covers returns the segments that hold a run of sequences. The error is [stream.ErrArchived] where the
// run is not all archived. What lies before the first segment never was.
func (c *chain) covers(from, to uint64) ([]Segment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.ix.Segments
	if len(all) == 0 || to > max(all[len(all)-1].Last, c.ix.Next-min(c.ix.Next, 1)) {
		end := uint64(0)
		if len(all) > 0 {
			end = all[len(all)-1].Last
		}
		return nil, fmt.Errorf("%w, and the archive of %s ends with %d", stream.ErrArchived, c.stream, end)
	}
	var hit []Segment
	for _, s := range all {
		if s.Last >= from && s.First <= to {
			hit = append(hit, s)
		}
	}
	return hit, nil
}

// or returns s, or where it is empty another text.
func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
