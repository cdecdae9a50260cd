package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"strata/events"
	"strata/events/stream"
)

// format is the version of the segments' and logs' form.
const format = 1

// header is the first line of a segment.
type header struct {
	Stream   string `json:"stream"`
	Format   int    `json:"format"`
	First    uint64 `json:"first"`    // sequence of the first message
	Last     uint64 `json:"last"`     // sequence of the last one
	After    uint64 `json:"after"`    // last sequence of the segment before; of the first segment, First-1
	Messages int    `json:"messages"` // lines that follow
	Previous string `json:"previous"` // SHA-256 of the segment before, empty for the first
}

// Segment is what the index of a chain knows of a segment.
type Segment struct {
	header
	Name   string    `json:"name"`
	SHA256 string    `json:"sha256"` // of the file
	Bytes  int64     `json:"bytes"`  // of the file
	Until  time.Time `json:"until"`  // when the broker took the last message
	// Jobs is the lowest and the highest job that the segment tells of, Others what it tells of besides,
	// as subjects: a reader of one entity leaves the other segments alone.
	Jobs   [2]uint64 `json:"jobs"`
	Others []string  `json:"others,omitempty"`
	// Output is the lowest and the highest sequence in OUTPUT of the logs that a segment of LAB names.
	Output [2]uint64 `json:"output"`
	// Open are the jobs that had a device then and whose output was not complete, of LAB. Decided is the
	// highest definition that had been accepted or refused.
	Open    []uint64 `json:"open,omitempty"`
	Decided uint64   `json:"decided,omitempty"`
	// Removed are the jobs that a fact in the segment says are erased, Silenced those of which the log is.
	Removed  []uint64 `json:"removed,omitempty"`
	Silenced []uint64 `json:"silenced,omitempty"`
}

// follow begins the segment after s, with the jobs that are still open then.
func (s Segment) follow(name string) Segment {
	return Segment{header: header{Stream: name}, Open: slices.Clone(s.Open), Decided: s.Decided}
}

// segmentName returns the only name that a run of messages can have.
func segmentName(stream string, first, last uint64) string {
	return fmt.Sprintf("%s/%020d-%020d.jsonl.zst", stream, first, last)
}

// jobOn returns the job that a subject is of, such as 42 of job.42 and result.42.
func jobOn(subject string) (uint64, bool) {
	kind, id, _ := strings.Cut(subject, ".")
	if kind != "job" && kind != "result" && kind != "output" {
		return 0, false
	}
	n, err := strconv.ParseUint(id, 10, 64)
	return n, err == nil
}

// tellsOf reports whether a segment may hold messages on a subject.
func (s Segment) tellsOf(subject string) bool {
	if subject == "" {
		return true
	}
	if job, ok := jobOn(subject); ok {
		return s.Jobs[0] <= job && job <= s.Jobs[1]
	}
	return slices.Contains(s.Others, subject)
}

// seal makes the file of a segment, and completes what the index has to know of it.
func seal(s *Segment, records []record) ([]byte, error) {
	s.Format, s.First, s.Last, s.Messages = format, records[0].Seq, records[len(records)-1].Seq, len(records)
	s.Name, s.Until = segmentName(s.Stream, s.First, s.Last), records[len(records)-1].At
	if s.Previous == "" {
		s.After = s.First - 1
	}
	others := map[string]bool{}
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("pack segment: %w", err)
	}
	write := func(v any) error {
		l, err := line(v)
		if err == nil {
			_, err = z.Write(l)
		}
		return err
	}
	if err := write(s.header); err != nil {
		return nil, err
	}
	for _, r := range records {
		if err := write(r); err != nil {
			return nil, err
		}
		if job, ok := jobOn(r.Subject); !ok {
			others[r.Subject] = true
		} else if s.Jobs[0] == 0 || job < s.Jobs[0] {
			s.Jobs[0] = job
			s.Jobs[1] = max(s.Jobs[1], job)
		} else {
			s.Jobs[1] = max(s.Jobs[1], job)
		}
		if r.Log != nil && r.Log.Frames > 0 && !r.Log.Emptied { // else the messages are long gone from OUTPUT
			if s.Output[0] == 0 || r.Log.First < s.Output[0] {
				s.Output[0] = r.Log.First
			}
			s.Output[1] = max(s.Output[1], r.Log.Last)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack segment: %w", err)
	}
	if s.Stream != stream.Submissions { // whose subjects name people, and are not looked for
		for o := range others {
			s.Others = append(s.Others, o)
		}
		slices.Sort(s.Others)
	}
	s.SHA256, s.Bytes = digest(packed.Bytes()), int64(packed.Len())
	return packed.Bytes(), nil
}

// maxLine bounds a line of a segment: a message has 8 MiB at most, and JSON may escape each byte.
const maxLine = 64 << 20

// lines reads the lines of a compressed file of JSON and calls each with every one.
func lines(from io.Reader, each func(n int, l []byte) error) error {
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return err
	}
	defer z.Close()
	in := bufio.NewScanner(z)
	in.Buffer(make([]byte, 64<<10), maxLine)
	for n := 0; in.Scan(); n++ {
		if err := each(n, in.Bytes()); err != nil {
			return err
		}
	}
	return in.Err()
}

// errDamaged says that an object of the archive is not what was put there.
var errDamaged = errors.New("is damaged")

// readSegment reads a segment's file and checks it against itself and what the index says of it. What is
// wrong is told before anything is handed over.
func readSegment(ctx context.Context, store Store, s Segment, each func(record) error) error {
	data, err := read(ctx, store, s.Name)
	if err != nil {
		return err
	}
	if got := digest(data); got != s.SHA256 {
		return fmt.Errorf("segment %s %w: its digest is %s, the chain has %s", s.Name, errDamaged, got, s.SHA256)
	}
	_, err = openSegment(s.Name, data, each)
	return err
}

// openSegment reads the bytes of a segment. An error of each is returned as it is: it says nothing of the segment.
func openSegment(name string, data []byte, each func(record) error) (header, error) {
	var h header
	var own error // of each
	last, count := uint64(0), 0
	err := lines(bytes.NewReader(data), func(n int, l []byte) error {
		if n == 0 {
			if err := json.Unmarshal(l, &h); err != nil {
				return fmt.Errorf("line 1: %w", err)
			}
			if h.Format != format {
				return fmt.Errorf("line 1: format is %d; this release reads %d", h.Format, format)
			}
			return nil
		}
		var r record
		if err := json.Unmarshal(l, &r); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		if r.Seq <= last || r.Seq < h.First || r.Seq > h.Last {
			return fmt.Errorf("line %d: sequence %d after %d, in a segment of %d to %d", n+1, r.Seq, last, h.First, h.Last)
		}
		last, count = r.Seq, count+1
		own = each(r)
		return own
	})
	if own != nil {
		return h, own
	}
	switch {
	case err != nil:
		err = fmt.Errorf("segment %s %w: %w", name, errDamaged, err)
	case count != h.Messages || last != h.Last:
		err = fmt.Errorf("segment %s %w: it holds %d messages to sequence %d, its first line says %d to %d", name, errDamaged, count, last, h.Messages, h.Last)
	case name != segmentName(h.Stream, h.First, h.Last):
		err = fmt.Errorf("segment %s %w: it holds %d to %d of %s", name, errDamaged, h.First, h.Last, h.Stream)
	}
	return h, err
}

// track notes what a fact of LAB says of the jobs that still speak.
func (s *Segment) track(e events.Event) {
	open := func(job events.JobID) {
		if !slices.Contains(s.Open, uint64(job)) {
			s.Open = append(s.Open, uint64(job))
			slices.Sort(s.Open)
		}
	}
	closed := func(job events.JobID) {
		s.Open = slices.DeleteFunc(s.Open, func(j uint64) bool { return j == uint64(job) })
	}
	switch e := e.(type) {
	case events.JobSubmitted:
		s.Decided = max(s.Decided, uint64(e.Job))
	case events.JobRejected:
		s.Decided = max(s.Decided, uint64(e.Job))
	case events.JobScheduled:
		open(e.Job)
	case events.JobOutputComplete:
		closed(e.Job)
	case events.JobWithdrawn:
		closed(e.Job)
	case events.JobRemoved:
		s.Silenced = append(s.Silenced, uint64(e.Job))
		if !e.LogsOnly {
			s.Removed = append(s.Removed, uint64(e.Job))
		}
	}
}

// silent returns the job whose last word a fact is, after which its log can be archived.
func silent(e events.Event) (events.JobID, bool) {
	switch e := e.(type) {
	case events.JobOutputComplete:
		return e.Job, true
	case events.JobWithdrawn: // it may have spoken before an order of it came back
		return e.Job, true
	}
	return 0, false
}
