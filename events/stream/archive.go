package stream

import (
	"context"
	"errors"
	"fmt"
)

// Archive is where messages are that were purged from their streams. Package services/archive makes
// one. With it a log reads on as if nothing had ever been purged: [Log.Follow], [Log.ReadAll],
// [Log.FollowMessages], [Log.Load], [Log.Submission] and the output of one job begin in the archive
// and go on in the stream.
type Archive struct {
	// Messages hands over the messages of a stream from one sequence to another, both included, in
	// order. A subject selects those on it; empty is all. What was erased is missing. The error is
	// [ErrArchived] where the archive does not have that run whole.
	Messages func(ctx context.Context, stream, subject string, from, to uint64, each func(Message) error) error
}

// first returns the sequence that a stream begins with: of its first message, or of the next one
// where it is empty.
func (l *Log) first(ctx context.Context, stream string) (uint64, error) {
	st, err := l.js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("first sequence of %s: %w", stream, err)
	}
	return st.CachedInfo().State.FirstSeq, nil
}

// First returns the sequence of the first message that a stream still has: where it has none, of the
// one that comes next.
func (l *Log) First(ctx context.Context, stream string) (uint64, error) { return l.first(ctx, stream) }

// fromArchive hands over what a reader wants and the stream has no longer. A reader that can do without
// reads on where the stream begins.
func (r *reader) fromArchive(ctx context.Context, each func(stored) error) error {
	if !r.whole && (r.l.s.Archive == nil || r.subject == "") {
		return nil
	}
	if err := r.l.connected(ctx); err != nil {
		return err
	}
	first, err := r.l.first(ctx, r.stream)
	if err != nil {
		return fmt.Errorf("read %s: %w", r.stream, err)
	}
	if first <= r.next {
		return nil
	}
	if r.l.s.Archive == nil {
		return callerError{fmt.Errorf("read %s from %d: %w: it begins at %d; rebuild from the archive or a checkpoint",
			r.stream, r.next, ErrArchived, first)}
	}
	err = r.l.s.Archive.Messages(ctx, r.stream, r.subject, r.next, first-1, func(m Message) error {
		if err := each(stored{m.Subject, m.Seq, m.At, m.Header, m.Data, first - m.Seq}); err != nil {
			return callerError{err}
		}
		r.next = m.Seq + 1
		return nil
	})
	if err != nil {
		if own := (callerError{}); errors.As(err, &own) || ctx.Err() != nil {
			return err
		}
		return callerError{fmt.Errorf("read %s from %d: %w", r.stream, r.next, err)}
	}
	r.next = first
	return nil
}

// errPurged says that a consumer was made for messages that were purged meanwhile.
var errPurged = errors.New("messages were purged while a reader began")

// purgedBefore tells whether what lies before a reader's first message was purged, rather than
// erased or of another subject.
func (r *reader) purgedBefore(ctx context.Context, seq uint64) error {
	if seq == r.next || !r.whole && (r.l.s.Archive == nil || r.subject == "") {
		return nil
	}
	first, err := r.l.first(ctx, r.stream)
	if err == nil && first > r.next {
		err = errPurged
	}
	return err
}

// archived returns the messages on a subject that lie before a sequence and are no longer in their
// stream.
func (l *Log) archived(ctx context.Context, stream, subject string, before uint64) ([]stored, error) {
	if l.s.Archive == nil {
		return nil, nil
	}
	first, err := l.first(ctx, stream)
	if err != nil || first <= 1 {
		return nil, err
	}
	var all []stored
	err = l.s.Archive.Messages(ctx, stream, subject, 1, min(first, before)-1, func(m Message) error {
		all = append(all, stored{m.Subject, m.Seq, m.At, m.Header, m.Data, 0})
		return nil
	})
	return all, err
}

// ReadSubject hands over the messages on one subject of a stream from a sequence to its end, and
// returns. They come of the stream alone, as the broker's leader has them.
func (l *Log) ReadSubject(ctx context.Context, stream, subject string, from uint64, each func(Message) error) error {
	plain := *l
	plain.s.Archive = nil
	r := reader{l: &plain, stream: stream, subject: subject, next: max(1, from), window: 64}
	err := r.read(ctx, func(m stored) error {
		return each(Message{stream, m.seq, m.subject, m.at, m.header, m.data, m.pending})
	}, func() error { return errEnd })
	if err == nil {
		return ctx.Err()
	}
	return ignoreEnd(err)
}

// Scan hands over the messages of any stream, of a work queue too, from a sequence to its end, without
// a consumer; subject ">" is all.
func (l *Log) Scan(ctx context.Context, stream, subject string, from uint64, each func(Message) error) error {
	for from = max(1, from); ; {
		got, err := l.direct(ctx, stream, directRequest{Seq: from, NextFor: subject, Batch: 250})
		if err != nil {
			return fmt.Errorf("scan %s: %w", stream, err)
		}
		for _, m := range got {
			if err := each(Message{stream, m.seq, m.subject, m.at, m.header, m.data, m.pending}); err != nil {
				return err
			}
			from = m.seq + 1
		}
		if len(got) == 0 || got[len(got)-1].pending == 0 {
			return nil
		}
	}
}

// FirstOn returns the sequence of the first message on a subject that a stream still has, 0 for none.
func (l *Log) FirstOn(ctx context.Context, stream, subject string) (uint64, error) {
	got, err := l.direct(ctx, stream, directRequest{Seq: 1, NextFor: subject})
	if err != nil || len(got) == 0 {
		return 0, err
	}
	return got[0].seq, nil
}

// LastOn returns the sequence of the last message on a subject that a stream still has, 0 for none.
func (l *Log) LastOn(ctx context.Context, stream, subject string) (uint64, error) {
	got, err := l.direct(ctx, stream, directRequest{LastFor: subject})
	if err != nil || len(got) == 0 {
		return 0, err
	}
	return got[0].seq, nil
}

// Decode reads a message of Lab or Results as the fact that it is.
func (m Message) Decode() (Recorded, error) { return decode(m.Stream, m.Seq, m.Header, m.Data) }
