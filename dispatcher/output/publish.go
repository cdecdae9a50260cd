package output

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"strata/events"
)

const (
	gather    = 20 * time.Millisecond // a frame leaves this long after its first line
	retryMin  = 100 * time.Millisecond
	retryMax  = 5 * time.Second
	pollEvery = 250 * time.Millisecond // where nobody tells of new lines
)

// Publisher sends a spool as frames: each at most 64 KiB, 20 ms after its first line, one in
// flight; lines that come meanwhile go with the next. Before a frame is sent, its extent is noted
// beside the spool. Whatever happens then, exactly that frame goes again, under the same message
// id, until it is known to be stored.
type Publisher struct {
	Dir    string // the spool's
	Job    events.JobID
	Lease  events.Lease
	Grown  <-chan struct{} // told when the spool has grown; nil: look four times a second
	Logger *slog.Logger
	// Send sends one frame and returns once it is stored, or an error: then the same frame goes
	// again after a pause, 100 ms at first and 5 s at most.
	Send func(ctx context.Context, f events.Frame) error
}

// progress says how far a spool is sent. It is written before a frame is sent (with Frame set) and
// read when a Publisher starts.
type progress struct {
	Lines  uint64 `json:"lines"`           // stored for certain
	Offset int64  `json:"offset"`          // bytes of the spool that these are
	Frame  uint64 `json:"frame,omitempty"` // lines of the frame that may have been sent
	Bytes  int64  `json:"bytes,omitempty"` // bytes of that frame
	Secret string `json:"secret"`          // of the frames' message ids; the same for the whole spool
}

// Run sends until ctx ends, or until everything is sent after done was closed: whoever closes it
// has closed the spool before. It returns nil then, ctx's error in the other case, and an error
// when the spool cannot be read.
func (p *Publisher) Run(ctx context.Context, done <-chan struct{}) error {
	state, err := readProgress(p.Dir)
	if err != nil {
		return err
	}
	f, err := p.open(ctx, done)
	if f == nil {
		return err
	}
	defer f.Close()
	if state.Secret == "" {
		state.Secret = rand.Text() // kept with the note on the first frame, before that is sent
	}
	if info, err := f.Stat(); err != nil {
		return fmt.Errorf("publish spool: %w", err)
	} else if state.Offset+state.Bytes > info.Size() {
		// The machine lost power, and with it the end of the spool. Of the frame that was noted goes what
		// is left, if anything: readers drop what they have.
		state.Frame, state.Bytes = 0, 0
	}
	for {
		frame, err := p.frame(f, state)
		if err != nil {
			return err
		}
		if frame.Count == 0 {
			select { // closed before the spool was found empty: nothing can come any more
			case <-done:
				if frame, err = p.frame(f, state); err != nil || frame.Count == 0 {
					return err
				}
			default:
				if err := p.wait(ctx, done); err != nil {
					return err
				}
				continue
			}
		}
		if state.Frame == 0 {
			state.Frame, state.Bytes = frame.Count, int64(len(frame.Body))
			if err := writeProgress(p.Dir, state); err != nil {
				return err
			}
		}
		if err := p.send(ctx, frame); err != nil {
			return err
		}
		state = progress{Lines: state.Lines + state.Frame, Offset: state.Offset + state.Bytes, Secret: state.Secret}
		if err := writeProgress(p.Dir, state); err != nil {
			return err
		}
	}
}

// open opens the spool for reading, waiting for it to be made. It returns nil and no error where
// there is none and none will come.
func (p *Publisher) open(ctx context.Context, done <-chan struct{}) (*os.File, error) {
	for {
		f, err := os.Open(filepath.Join(p.Dir, spoolFile))
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("publish spool: %w", err)
		}
		select {
		case <-done:
			return nil, nil
		default:
		}
		if err := p.wait(ctx, done); err != nil {
			return nil, err
		}
	}
}

// wait waits for more lines, and then for those that come with them.
func (p *Publisher) wait(ctx context.Context, done <-chan struct{}) error {
	poll := time.NewTimer(pollEvery)
	defer poll.Stop()
	select {
	case <-p.Grown:
	case <-poll.C:
		return nil
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	more := time.NewTimer(gather)
	defer more.Stop()
	select {
	case <-more.C:
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// frame reads the next frame from the spool: the one that was noted, or as many lines as fit.
func (p *Publisher) frame(f *os.File, state progress) (events.Frame, error) {
	limit := int64(events.MaxFrameBytes)
	if state.Frame > 0 {
		limit = state.Bytes
	}
	body := make([]byte, limit)
	n, err := f.ReadAt(body, state.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return events.Frame{}, fmt.Errorf("read spool at %d: %w", state.Offset, err)
	}
	end := bytes.LastIndexByte(body[:n], '\n')
	body = body[:end+1]
	frame := events.Frame{
		Job: p.Job, Lease: p.Lease, First: state.Lines,
		Count: uint64(bytes.Count(body, []byte{'\n'})), Body: body, Secret: state.Secret,
	}
	switch {
	case state.Frame > 0 && frame.Count != state.Frame:
		return frame, fmt.Errorf("spool %s at line %d: %d lines were noted as sent, %d are there", p.Dir, state.Lines, state.Frame, frame.Count)
	case end < 0 && n == events.MaxFrameBytes:
		return frame, fmt.Errorf("spool %s: line %d is longer than a frame", p.Dir, state.Lines)
	}
	return frame, nil
}

// send sends a frame until it is stored or ctx ends.
func (p *Publisher) send(ctx context.Context, frame events.Frame) error {
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		err := p.Send(ctx, frame)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p.Logger != nil {
			p.Logger.Warn("send frame", "job", p.Job, "line", frame.First, "error", err, "again_in", pause)
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// Sent returns how many lines of the spool in dir are known to be stored on the bus.
func Sent(dir string) (uint64, error) {
	state, err := readProgress(dir)
	return state.Lines, err
}

func readProgress(dir string) (progress, error) {
	raw, err := os.ReadFile(filepath.Join(dir, sentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return progress{}, nil
	}
	if err != nil {
		return progress{}, fmt.Errorf("read what was sent of spool %s: %w", dir, err)
	}
	var state progress
	if json.Unmarshal(raw, &state) != nil {
		// The note is not synced, so a loss of power may empty it. Then all goes again: readers drop what
		// they have.
		return progress{}, nil
	}
	return state, nil
}

// writeProgress replaces the note in one step, so that a kill leaves the old one or the new.
func writeProgress(dir string, state progress) error {
	raw, err := json.Marshal(state)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, sentFile)
	if err = os.WriteFile(path+".new", raw, 0o600); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("note what is sent of spool %s: %w", dir, err)
	}
	return nil
}
