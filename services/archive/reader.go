package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"

	"strata/events/stream"
)

// Reader reads an archive in place of streams. Several processes may read while one writes.
type Reader struct {
	store Store

	mu     sync.Mutex
	chains map[string]*chain // by stream; opened when first asked for
}

// NewReader returns a reader of an archive; it opens nothing yet.
func NewReader(store Store) *Reader { return &Reader{store: store, chains: map[string]*chain{}} }

// Archive returns the reader as a log takes it.
func (r *Reader) Archive() *stream.Archive { return &stream.Archive{Messages: r.Messages} }

// Messages is [stream.Archive.Messages].
func (r *Reader) Messages(ctx context.Context, name, subject string, from, to uint64, each func(stream.Message) error) error {
	if name == stream.Output {
		return r.output(ctx, subject, from, to, each)
	}
	c, err := r.chain(ctx, name)
	if err != nil {
		return err
	}
	hit, err := c.covers(from, to)
	if errors.Is(err, stream.ErrArchived) { // somebody else may have written since
		if err = c.reload(ctx); err == nil {
			hit, err = c.covers(from, to)
		}
	}
	if err != nil {
		return err
	}
	for _, s := range hit {
		if !s.tellsOf(subject) {
			continue
		}
		err := readSegment(ctx, r.store, s, func(rec record) error {
			if rec.Seq < from || rec.Seq > to || subject != "" && rec.Subject != subject {
				return ctx.Err()
			}
			m := rec.message(name)
			if rec.Text != nil {
				text, err := readText(ctx, r.store, *rec.Text)
				if errors.Is(err, fs.ErrNotExist) {
					return nil // erased
				}
				if err != nil {
					return err
				}
				m.Data = text
			}
			return each(m)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) chain(ctx context.Context, name string) (*chain, error) {
	r.mu.Lock()
	c := r.chains[name]
	r.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := openChain(ctx, r.store, name)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chains[name] = c
	return c, nil
}

// output hands over messages of OUTPUT: those of one job out of its log, or those of all, merged by their
// sequences. The chain of LAB says which logs there are.
func (r *Reader) output(ctx context.Context, subject string, from, to uint64, each func(stream.Message) error) error {
	if job, ok := jobOn(subject); ok {
		l, err := openLog(ctx, r.store, job)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it said nothing, or was erased
		}
		if err != nil {
			return err
		}
		defer l.close()
		for l.next() {
			if l.rec.Seq >= from && l.rec.Seq <= to {
				if err := each(l.rec.message(stream.Output)); err != nil {
					return err
				}
			}
		}
		return l.err
	}
	logs, err := r.logs(ctx, from, to)
	if err != nil {
		return err
	}
	return merge(ctx, r.store, logs, func(m stream.Message) error {
		if m.Seq < from || m.Seq > to {
			return nil
		}
		return each(m)
	})
}

// logs returns the logs that have messages in a run of OUTPUT, by their first message.
func (r *Reader) logs(ctx context.Context, from, to uint64) ([]jobLog, error) {
	lab, err := r.chain(ctx, stream.Lab)
	if err != nil {
		return nil, err
	}
	if err := lab.reload(ctx); err != nil {
		return nil, err
	}
	last := map[uint64]jobLog{} // where a job's log was archived twice, the later one is there
	for _, s := range lab.list() {
		if s.Output[1] < from || s.Output[0] > to {
			continue
		}
		err := readSegment(ctx, r.store, s, func(rec record) error {
			if rec.Log != nil {
				last[rec.Log.Job] = *rec.Log
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var logs []jobLog
	for _, l := range last {
		if l.Last >= from && l.First <= to {
			logs = append(logs, l)
		}
	}
	sort.Slice(logs, func(i, j int) bool { return logs[i].First < logs[j].First })
	return logs, nil
}

// merge hands over the messages of logs by sequence. Only logs of jobs that ran at the same time are open
// at once.
func merge(ctx context.Context, store Store, logs []jobLog, each func(stream.Message) error) error {
	var open []*openedLog
	defer func() {
		for _, l := range open {
			l.close()
		}
	}()
	for len(logs) > 0 || len(open) > 0 {
		lowest := -1
		for i, l := range open {
			if lowest < 0 || l.rec.Seq < open[lowest].rec.Seq {
				lowest = i
			}
		}
		if len(logs) > 0 && (lowest < 0 || logs[0].First <= open[lowest].rec.Seq) {
			l, err := openLog(ctx, store, logs[0].Job)
			logs = logs[1:]
			if errors.Is(err, fs.ErrNotExist) {
				continue // erased
			}
			if err != nil {
				return err
			}
			if l.next() {
				open = append(open, l)
				continue
			}
			l.close()
			if l.err != nil {
				return l.err
			}
			continue
		}
		l := open[lowest]
		if err := each(l.rec.message(stream.Output)); err != nil {
			return err
		}
		if !l.next() {
			l.close()
			open = append(open[:lowest], open[lowest+1:]...)
			if l.err != nil {
				return l.err
			}
		}
	}
	return ctx.Err()
}

// textName returns where a definition lies.
func textName(sha256 string) string {
	if len(sha256) < 2 {
		return "texts/" + sha256
	}
	return "texts/" + sha256[:2] + "/" + sha256 + ".zst"
}

// writeText puts a definition beside the segments, unless it lies there.
func writeText(ctx context.Context, store Store, text []byte) (object, error) {
	o := object{SHA256: digest(text), Bytes: int64(len(text))}
	there, err := exists(ctx, store, textName(o.SHA256))
	if err != nil || there {
		return o, err
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return o, fmt.Errorf("pack a definition: %w", err)
	}
	defer z.Close()
	return o, store.Put(ctx, textName(o.SHA256), bytes.NewReader(z.EncodeAll(text, nil)))
}

// readText returns a definition, checked; the error is [fs.ErrNotExist] where it was erased.
func readText(ctx context.Context, store Store, o object) ([]byte, error) {
	packed, err := read(ctx, store, textName(o.SHA256))
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	text, err := z.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("text %s %w: %w", textName(o.SHA256), errDamaged, err)
	}
	if got := digest(text); got != o.SHA256 {
		return nil, fmt.Errorf("text %s %w: it has digest %s", textName(o.SHA256), errDamaged, got)
	}
	return text, nil
}

// logName returns where the log of a job lies.
func logName(job uint64) string {
	return "logs/" + strconv.FormatUint(job/1000, 10) + "/" + strconv.FormatUint(job, 10) + ".jsonl.zst"
}

// closeAll closes what may be nil.
func closeAll(closers ...io.Closer) {
	for _, c := range closers {
		if c != nil {
			_ = c.Close() // only read
		}
	}
}
