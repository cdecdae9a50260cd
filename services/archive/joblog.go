package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"strata/events"
	"strata/events/stream"
)

// writeLog archives all that OUTPUT has of a job, in place of what was archived of it before. A job that
// said nothing has no log.
func writeLog(ctx context.Context, log *stream.Log, store Store, job uint64) (jobLog, error) {
	return putLog(ctx, store, job, func(each func(record) error) error {
		return log.ReadSubject(ctx, stream.Output, events.OutputSubject(events.JobID(job)), 1, func(m stream.Message) error { return each(pack(m)) })
	})
}

// putLog makes the log of a job of the records that a function hands over.
func putLog(ctx context.Context, store Store, job uint64, read func(each func(record) error) error) (jobLog, error) {
	made := jobLog{Job: job}
	fail := func(err error) (jobLog, error) { return made, fmt.Errorf("archive the log of job %d: %w", job, err) }
	f, err := os.CreateTemp("", "strata-log-")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum := sha256.New()
	size := &counter{}
	z, err := zstd.NewWriter(io.MultiWriter(f, sum, size), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fail(err)
	}
	defer z.Close()
	err = read(func(r record) error {
		l, err := line(r)
		if err != nil {
			return err
		}
		made.add(r)
		_, err = z.Write(l)
		return err
	})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return fail(err)
	}
	if made.Frames == 0 {
		return made, nil
	}
	made.SHA256, made.Bytes = hex.EncodeToString(sum.Sum(nil)), size.n
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fail(err)
	}
	return made, store.Put(ctx, logName(job), f)
}

// add counts a message of the log.
func (l *jobLog) add(r record) {
	if l.Frames == 0 {
		l.First = r.Seq
	}
	l.Last, l.Frames = r.Seq, l.Frames+1
}

// counter counts bytes.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// openedLog reads the log of a job message by message.
type openedLog struct {
	job  uint64
	file io.ReadCloser
	z    *zstd.Decoder
	in   *bufio.Scanner
	rec  record // the last one read
	err  error
}

func openLog(ctx context.Context, store Store, job uint64) (*openedLog, error) {
	file, err := store.Get(ctx, logName(job))
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &openedLog{job: job, file: file, z: z, in: bufio.NewScanner(z)}
	l.in.Buffer(make([]byte, 64<<10), maxLine)
	return l, nil
}

// next reads the next message; false is the end, or an error.
func (l *openedLog) next() bool {
	if !l.in.Scan() {
		if err := l.in.Err(); err != nil {
			l.err = fmt.Errorf("log %s %w: %w", logName(l.job), errDamaged, err)
		}
		return false
	}
	l.rec = record{}
	if err := json.Unmarshal(l.in.Bytes(), &l.rec); err != nil {
		l.err = fmt.Errorf("log %s %w: %w", logName(l.job), errDamaged, err)
		return false
	}
	return true
}

func (l *openedLog) close() {
	l.z.Close()
	closeAll(l.file)
}

// checkLog compares a log with what the chain says of it.
func checkLog(ctx context.Context, store Store, want jobLog) error {
	file, err := store.Get(ctx, logName(want.Job))
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return fmt.Errorf("log %s %w: %w", logName(want.Job), errDamaged, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.SHA256 {
		return fmt.Errorf("log %s %w: its digest is %s, the chain has %s", logName(want.Job), errDamaged, got, want.SHA256)
	}
	return nil
}
