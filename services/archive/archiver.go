package archive

import (
	"context"
	"errors"
	"fmt"

	"strata/events"
	"strata/events/stream"
)

// Bounds of a segment: what is read at once to find one message.
const (
	maxMessages = 20_000
	maxBytes    = 16 << 20 // of messages, unpacked
)

// archiver writes an archive: the service does, and a backup into a copy.
type archiver struct {
	log    *stream.Log
	store  Store
	chains map[string]*chain
}

func newArchiver(ctx context.Context, log *stream.Log, store Store) (*archiver, error) {
	a := &archiver{log: log, store: store, chains: map[string]*chain{}}
	for _, name := range chained() {
		c, err := openChain(ctx, store, name)
		if err != nil {
			return nil, err
		}
		if err := c.adopt(ctx); err != nil {
			return nil, err
		}
		a.chains[name] = c
	}
	return a, nil
}

// catchUp archives a stream up to a sequence, in as many segments as it takes. full leaves what makes no
// full segment for later.
func (a *archiver) catchUp(ctx context.Context, name string, to uint64, full bool) error {
	c := a.chains[name]
	for {
		last, next := c.tail()
		if next > to {
			return nil
		}
		s := last.follow(name)
		records, more, err := a.gather(ctx, name, &s, next, to)
		if err != nil {
			return fmt.Errorf("archive %s from %d: %w", name, next, err)
		}
		if len(records) == 0 || full && !more {
			return nil
		}
		if _, err := c.add(ctx, s, records); err != nil {
			if errors.Is(err, ErrExists) { // another process archives too; what it made is as good
				err = c.adopt(ctx)
			}
			if err != nil {
				return fmt.Errorf("archive %s from %d: %w", name, next, err)
			}
		}
	}
}

// errFull ends the reading of a segment.
var errFull = errors.New("the segment is full")

// gather reads the messages of the next segment; more tells that it is full.
func (a *archiver) gather(ctx context.Context, name string, s *Segment, from, to uint64) (records []record, more bool, err error) {
	size := 0
	err = a.log.ReadMessages(ctx, name, from, to, func(m stream.Message) error {
		r := pack(m)
		switch name {
		case stream.Submissions:
			text, err := writeText(ctx, a.store, m.Data)
			if err != nil {
				return err
			}
			r.Data, r.Base64, r.Text = nil, nil, &text
		case stream.Lab:
			f, err := m.Decode()
			if err != nil {
				break // of a newer release; it is archived as it is
			}
			s.track(f.Event)
			if e, ok := f.Event.(events.JobFilesErased); ok {
				// The log has another digest from here on.
				l, err := describeLog(ctx, a.store, uint64(e.Job))
				if err != nil {
					return err
				}
				r.Log = l
			}
			if job, ok := silent(f.Event); ok {
				// Written anew: it may have grown since its output was declared complete.
				l, err := writeLog(ctx, a.log, a.store, uint64(job))
				if err != nil {
					return err
				}
				if l.Frames > 0 {
					r.Log = &l
				}
			}
		}
		records = append(records, r)
		if size += len(m.Data) + 400; len(records) >= maxMessages || size >= maxBytes {
			return errFull
		}
		return nil
	})
	if errors.Is(err, errFull) {
		return records, true, nil
	}
	return records, false, err
}

// flush archives everything that streams have now, and returns how far that is.
func (a *archiver) flush(ctx context.Context) (map[string]uint64, error) {
	to := map[string]uint64{}
	for _, name := range chained() {
		last, err := a.log.Last(ctx, name)
		if err != nil {
			return nil, err
		}
		to[name] = last
	}
	for _, name := range chained() {
		if err := a.catchUp(ctx, name, to[name], false); err != nil {
			return nil, err
		}
	}
	return to, nil
}
