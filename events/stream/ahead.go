package stream

import (
	"context"

	"strata/events"
)

// aheadFrames is how many frames are read at once where some lines of a long log are looked up.
const aheadFrames = 8

// ReadAhead returns some lines of a job's output, from one on, without reading what lies before: for who looks
// into a log that is long. It finds the place by halving the stream, some twenty questions for the largest. The frames
// follow each other; there may be fewer lines than count. None are returned where that cannot be told at once:
// the stream has the line no longer, or not yet, or frames came in another order than they were written.
func (l *Log) ReadAhead(ctx context.Context, job events.JobID, line, count uint64) ([]events.Frame, error) {
	seq, err := l.seqOf(ctx, job, line)
	if err != nil || seq == 0 {
		return nil, err
	}
	var out []events.Frame
	for next := line; next < line+count; {
		got, err := l.direct(ctx, Output, directRequest{Seq: seq, NextFor: events.OutputSubject(job), Batch: aheadFrames})
		if err != nil || len(got) == 0 {
			return out, err
		}
		for _, m := range got {
			seq = m.seq + 1
			f, err := events.DecodeFrame(m.subject, m.header, m.data)
			if err != nil || f.End() <= next {
				continue // nonsense, or sent twice
			}
			if f.First > next || len(out) > 0 && f.Lease != out[0].Lease {
				return out, nil
			}
			f = f.From(next)
			out, next = append(out, f), f.End()
			if next >= line+count {
				break
			}
		}
	}
	return out, nil
}

// seqOf returns the sequence in OUTPUT of a frame of the job's last lease that begins at or before a line, and behind
// which the next one begins after it; 0 where the stream has none. Frames mostly stand in the order of
// their lines. One that was sent again stands twice, and then this may be either.
func (l *Log) seqOf(ctx context.Context, job events.JobID, line uint64) (uint64, error) {
	subject := events.OutputSubject(job)
	last, err := l.direct(ctx, Output, directRequest{LastFor: subject})
	if err != nil || len(last) == 0 {
		return 0, err
	}
	end, err := events.DecodeFrame(last[0].subject, last[0].header, last[0].data)
	if err != nil {
		return 0, nil //nolint:nilerr // a worker that sends nonsense: such output is read from its beginning
	}
	at := uint64(0)                  // of a frame that begins at or before the line
	lo, hi := uint64(1), last[0].seq // frames that are still looked at
	for lo <= hi {
		middle := lo + (hi-lo)/2
		got, err := l.direct(ctx, Output, directRequest{Seq: middle, NextFor: subject})
		if err != nil {
			return 0, err
		}
		if len(got) == 0 || got[0].seq > hi {
			hi = middle - 1 // from here on only others' messages
			continue
		}
		f, err := events.DecodeFrame(got[0].subject, got[0].header, got[0].data)
		switch {
		case err != nil || f.Lease < end.Lease:
			lo = got[0].seq + 1
		case f.Lease == end.Lease && f.First <= line:
			at, lo = got[0].seq, got[0].seq+1
		default:
			hi = middle - 1
		}
	}
	return at, nil
}
