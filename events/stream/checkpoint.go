package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go/jetstream"
)

// Checkpoint saves a fold, so that a restart replays seconds and not history. It lies in the
// broker's bucket [Checkpoints], so that any host can start the service. Two instances of a service share
// it: either one's is as good.
type Checkpoint struct {
	Format string                                 // of what Save returns, such as "scheduling.v1"
	Save   func() ([]byte, error)                 // the fold as bytes; called between two facts
	Load   func(format string, data []byte) error // the reverse, old formats too; leaves the fold alone on error
	Facts  int                                    // saved after that many facts; 0 is 50,000
	Period time.Duration                          // and after that time, if there are new ones; 0 is 1 min
}

func (c *Checkpoint) facts() int {
	if c.Facts == 0 {
		return 50_000
	}
	return c.Facts
}

func (c *Checkpoint) period() time.Duration {
	if c.Period == 0 {
		return time.Minute
	}
	return c.Period
}

// restore loads a driver's checkpoint and returns the sequence it stands at. One that cannot be
// used is left alone: the fold then begins at the stream's first fact, if that is still there.
func (l *Log) restore(ctx context.Context, d Driver) (seq uint64, err error) {
	if d.Checkpoint == nil {
		return 0, nil
	}
	format, seq, data, err := l.LoadCheckpoint(ctx, d.Name)
	if err != nil || seq == 0 {
		return 0, err
	}
	last, err := l.Last(ctx, d.Stream)
	if err != nil {
		return 0, err
	}
	if seq > last {
		// A broker that does not sync lost the end of the stream: the snapshot knows facts that
		// never were.
		l.warn("checkpoint is ahead of the stream, begin at the first fact", "service", d.Name, "checkpoint", seq, "last", last)
		return 0, nil
	}
	if err := d.Checkpoint.Load(format, data); err != nil {
		l.warn("checkpoint cannot be used, begin at the first fact", "service", d.Name, "format", format, "error", err)
		return 0, nil
	}
	return seq, nil
}

// save begins to save the fold, if want and unless a save is under way. The bytes are made at
// once; sending them does not hold up the loop.
func (p *loop) save(ctx context.Context, want bool) {
	if !want || p.saving != nil {
		return
	}
	done := make(chan error, 1)
	p.saving = done
	seq := p.seq
	p.saved = seq
	data, err := p.d.Checkpoint.Save()
	if err != nil {
		done <- err
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		done <- p.l.SaveCheckpoint(ctx, p.d.Name, p.d.Checkpoint.Format, seq, data)
	}()
}

// finish waits for a save under way and saves what is newer.
func (p *loop) finish(ctx context.Context) error {
	if p.d.Checkpoint == nil {
		return nil
	}
	var err error
	if p.saving != nil {
		err = <-p.saving
		p.saving = nil
	}
	if p.seq > p.saved {
		p.save(ctx, true)
		err = errors.Join(err, <-p.saving)
	}
	return err
}

// SaveCheckpoint keeps a fold's snapshot: the state after fact seq. The one before is replaced
// when the new one is there whole.
func (l *Log) SaveCheckpoint(ctx context.Context, name, format string, seq uint64, data []byte) error {
	if !l.nc.IsConnected() {
		return fmt.Errorf("save checkpoint of %s: no connection to the broker", name)
	}
	store, err := l.js.ObjectStore(ctx, Checkpoints)
	if err != nil {
		return fmt.Errorf("save checkpoint of %s: %w", name, err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("save checkpoint of %s: %w", name, err)
	}
	defer enc.Close()
	meta := jetstream.ObjectMeta{Name: name, Metadata: map[string]string{
		"format": format, "sequence": strconv.FormatUint(seq, 10), "encoding": "zstd",
	}}
	if _, err := store.Put(ctx, meta, bytes.NewReader(enc.EncodeAll(data, nil))); err != nil {
		return fmt.Errorf("save checkpoint of %s: %w", name, err)
	}
	return nil
}

// LoadCheckpoint returns the last snapshot of that name; seq 0 where there is none.
func (l *Log) LoadCheckpoint(ctx context.Context, name string) (format string, seq uint64, data []byte, err error) {
	fail := func(err error) (string, uint64, []byte, error) {
		return "", 0, nil, fmt.Errorf("load checkpoint of %s: %w", name, err)
	}
	store, err := l.js.ObjectStore(ctx, Checkpoints)
	if err != nil {
		return fail(err)
	}
	object, err := store.Get(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return "", 0, nil, nil
	}
	if err != nil {
		return fail(err)
	}
	defer object.Close()
	info, err := object.Info()
	if err != nil {
		return fail(err)
	}
	if seq, err = strconv.ParseUint(info.Metadata["sequence"], 10, 64); err != nil {
		return fail(fmt.Errorf("metadata sequence: %w", err))
	}
	packed, err := io.ReadAll(object) // checks the object's digest
	if err != nil {
		return fail(err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return fail(err)
	}
	defer dec.Close()
	if data, err = dec.DecodeAll(packed, nil); err != nil {
		return fail(err)
	}
	return info.Metadata["format"], seq, data, nil
}
