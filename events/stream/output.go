package stream

import (
	"context"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
)

// OutputFrame is a run of lines as a reader gets it: it begins where the last one of the job ended.
type OutputFrame struct {
	events.Frame
	Seq uint64    // in OUTPUT, of the message that it came with
	At  time.Time // when the broker took that message
	// Safe is a sequence in OUTPUT after which reading may begin again without losing a line: it stays
	// behind while later lines wait for a gap to be filled.
	Safe uint64
}

// OutputReader says which frames are wanted and takes them.
type OutputReader struct {
	Job  events.JobID // of one job; 0 is all jobs
	From uint64       // first sequence in OUTPUT to read; 0 is the first there is
	// Next returns the first line that is wanted of a job under a lease: each counts its lines from 0.
	// It is asked before the first frame, again where the job has said nothing for long, and now and
	// then while a gap is open: an answer beyond the gap gives the missing lines up, [NoMore] all that
	// was kept back. nil is 0.
	Next func(events.JobID, events.Lease) uint64
	// Frame takes the next lines of a job. Nothing comes twice.
	Frame func(OutputFrame) error
	// Gap is told once of lines [from,to) that are missing while later ones have come. Those are kept
	// back until the gap is filled. nil: nobody has to know.
	Gap func(job events.JobID, from, to uint64) error
	// CaughtUp is called whenever everything in OUTPUT has been read, with what OutputFrame.Safe
	// would be; nil: nobody has to know.
	CaughtUp func(safe uint64) error
	// ToEnd ends the reading there, instead of when ctx ends.
	ToEnd bool
	// SkipGaps hands over the later lines at once and forgets the missing ones: for live readers,
	// and for a job whose missing lines are given up.
	SkipGaps bool
}

// ReadOutput hands over lines of output in order and without doubles until ctx ends (it returns
// nil), the end is reached where that was asked, or a function of r returns an error. Frames that
// cannot be read (of a worker that sends nonsense) are logged, counted and passed over.
func (l *Log) ReadOutput(ctx context.Context, r OutputReader) error {
	read := reader{l: l, stream: Output, next: max(1, r.From), window: 512}
	if r.Job != 0 {
		read.subject, read.window = events.OutputSubject(r.Job), 64
	}
	s := &sorter{l: l, r: r, jobs: make(map[events.JobID]*sequence),
		waiting: make(map[events.JobID]*sequence), last: read.next - 1}
	err := read.read(ctx, func(m stored) error { return s.take(ctx, m) }, func() error {
		if err := s.askAgain(ctx); err != nil {
			return err
		}
		if r.CaughtUp != nil {
			if err := r.CaughtUp(s.safe()); err != nil {
				return err
			}
		}
		if r.ToEnd {
			return errEnd
		}
		return nil
	})
	return ignoreEnd(err)
}

// NoMore is what [OutputReader.Next] answers for a lease whose output is no longer wanted.
const NoMore = math.MaxUint64

// sorter puts the frames of many jobs in order.
type sorter struct {
	l       *Log
	r       OutputReader
	jobs    map[events.JobID]*sequence
	waiting map[events.JobID]*sequence // those of jobs that keep frames back
	last    uint64                     // sequence in OUTPUT of the last message that was read
}

// maxQuiet is the number of messages of OUTPUT after which a quiet job is forgotten, where Next can
// be asked again: jobs end, and nobody tells the reader.
const maxQuiet = 100_000

// take reads one message and hands over what has its turn.
func (s *sorter) take(ctx context.Context, m stored) error {
	s.last = m.seq
	f, err := events.DecodeFrame(m.subject, m.header, m.data)
	if err != nil {
		s.l.counters.BadFrames.Add(1)
		s.l.warn("frame cannot be read", "sequence", m.seq, "error", err)
		return nil
	}
	if m.seq%(maxQuiet/10) == 0 {
		s.forget()
	}
	q := s.jobs[f.Job]
	if q == nil {
		q = new(sequence)
		s.jobs[f.Job] = q
	}
	if fresh := q.under(f.Lease); s.r.Next != nil && (fresh || len(q.held) > 0) {
		q.next = max(q.next, s.r.Next(f.Job, q.lease)) // beyond a gap, where the caller has given it up
	}
	q.seen = m.seq
	q.add(heldFrame{f, m.seq, m.at})
	return s.advance(ctx, f.Job, q)
}

// advance hands over what has its turn and notes what is missing then.
func (s *sorter) advance(ctx context.Context, job events.JobID, q *sequence) error {
	for {
		if err := s.handOver(ctx, q); err != nil {
			return err
		}
		if again, err := s.gap(job, q); err != nil || !again {
			return err
		}
	}
}

// askAgain asks for the next line of the jobs with a gap. Nothing may come any more that would be
// an occasion to ask, and what is kept back holds the safe place back with it.
func (s *sorter) askAgain(ctx context.Context) error {
	if s.r.Next == nil {
		return nil
	}
	for job, q := range maps.Clone(s.waiting) {
		q.next = max(q.next, s.r.Next(job, q.lease))
		if err := s.advance(ctx, job, q); err != nil {
			return err
		}
	}
	return nil
}

// handOver gives the caller all frames of a job that have their turn.
func (s *sorter) handOver(ctx context.Context, q *sequence) error {
	for {
		h, ok := q.pop()
		if !ok {
			return nil
		}
		if h.Body == nil { // was too much to be kept
			got, err := s.l.direct(ctx, Output, directRequest{Seq: h.seq})
			if err != nil {
				return fmt.Errorf("read frame again: %w", err)
			}
			if len(got) == 0 {
				if got, err = s.l.archived(ctx, Output, events.OutputSubject(h.Job), h.seq+1); err != nil {
					return fmt.Errorf("read frame again: %w", err)
				}
				got = got[max(0, len(got)-1):]
			}
			if len(got) == 0 || got[0].seq != h.seq {
				return fmt.Errorf("read frame again: %s is gone", Cause(Output, h.seq))
			}
			h.Body = got[0].data
		}
		f := h.From(q.next)
		q.next = f.End()
		if len(q.held) == 0 {
			delete(s.waiting, f.Job)
		}
		if err := s.r.Frame(OutputFrame{f, h.seq, h.at, s.safe()}); err != nil {
			return err
		}
	}
}

// gap reports lines that are missing, once. Where they are given up, more may have its turn.
func (s *sorter) gap(job events.JobID, q *sequence) (again bool, err error) {
	if len(q.held) == 0 {
		delete(s.waiting, job)
		return false, nil
	}
	s.waiting[job] = q
	from, to := max(q.next, q.told), q.held[0].First
	if s.r.Gap != nil && from < to {
		if err := s.r.Gap(job, from, to); err != nil {
			return false, err
		}
	}
	q.told = max(q.told, to)
	if s.r.SkipGaps {
		q.next = to
	}
	return s.r.SkipGaps, nil
}

// safe returns the sequence after which a reader that begins again finds all that is kept back.
func (s *sorter) safe() uint64 {
	safe := s.last
	for _, q := range s.waiting {
		for _, h := range q.held {
			safe = min(safe, h.seq-1)
		}
	}
	return safe
}

// forget drops jobs that have been quiet for long and wait for nothing.
func (s *sorter) forget() {
	if s.r.Next == nil {
		return
	}
	for job, q := range s.jobs {
		if len(q.held) == 0 && q.seen+maxQuiet < s.last {
			delete(s.jobs, job)
		}
	}
}

// PublishFrame sends a frame and waits for the broker's acknowledgement. It needs no right but
// that to publish on the job's subject, and does not try again.
func PublishFrame(ctx context.Context, js jetstream.JetStream, f events.Frame) (seq uint64, err error) {
	msg := &nats.Msg{Subject: events.OutputSubject(f.Job), Header: f.Header(), Data: f.Body}
	ack, err := js.PublishMsg(ctx, msg)
	if err != nil {
		return 0, fmt.Errorf("publish lines %d–%d of job %d: %w", f.First, f.End()-1, f.Job, err)
	}
	return ack.Sequence, nil
}
