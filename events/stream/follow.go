package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrArchived says that facts which a reader has to have are no longer in the stream: they were
// archived and purged.
var ErrArchived = errors.New("facts are no longer in the stream")

// Follow hands over the facts of Lab or Results from a sequence on, in order, each once, until ctx
// ends (then it returns nil) or fold returns an error.
func (l *Log) Follow(ctx context.Context, stream string, from uint64, fold func(Recorded) error) error {
	return l.follow(ctx, stream, from, fold, nil)
}

// ReadAll hands over the facts from a sequence to the stream's end, and returns.
func (l *Log) ReadAll(ctx context.Context, stream string, from uint64, fold func(Recorded) error) error {
	err := l.follow(ctx, stream, from, fold, func() error { return errEnd })
	if err == nil {
		return ctx.Err()
	}
	return ignoreEnd(err)
}

// follow is Follow that also tells whenever there is nothing more to read.
func (l *Log) follow(ctx context.Context, stream string, from uint64, fold func(Recorded) error, idle func() error) error {
	r := reader{l: l, stream: stream, next: max(1, from), window: 2000, whole: true}
	return r.read(ctx, func(m stored) error {
		rec, err := l.recent.decode(stream, m)
		if err != nil {
			return err
		}
		if err := fold(rec); err != nil {
			return err
		}
		l.counters.Folded.Add(1)
		return nil
	}, idle)
}

// errEnd is what a function of a reader returns to end the reading without an error.
var errEnd = errors.New("end")

func ignoreEnd(err error) error {
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// windowBytes is how much may be on its way to a reader at once: more than the broker's largest
// message, and so little that many readers do not matter.
const windowBytes = 16 << 20

// reader pulls a stream's messages in order, each once, over as many consumers as it takes: a
// broker that restarts forgets them, and messages on their way get lost with a connection. It
// keeps its own position, so nothing hangs on a consumer.
type reader struct {
	l       *Log
	stream  string
	subject string // filter; empty is all
	next    uint64 // first sequence that has not been handed over, from 1
	window  int    // messages on their way at once
	whole   bool   // refuses a stream whose messages from next on are not all there
}

// read calls each for every message, and idle (where it is not nil) whenever there is none left,
// until ctx ends (it returns nil) or one of them returns an error, which read returns as it is.
func (r *reader) read(ctx context.Context, each func(stored) error, idle func() error) error {
	pause := 20 * time.Millisecond
	for {
		before := r.next
		err := r.fromArchive(ctx, each)
		if err == nil {
			err = r.consume(ctx, each, idle)
		}
		var own callerError
		switch {
		case errors.As(err, &own):
			return own.error
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, nats.ErrConnectionClosed):
			return fmt.Errorf("read %s from %d: %w", r.stream, r.next, err)
		}
		r.l.counters.Resets.Add(1)
		r.l.warn("read again", "stream", r.stream, "from", r.next, "error", err)
		if r.next > before {
			pause = 20 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, 2*time.Second)
	}
}

// callerError carries an error of the caller's functions out of consume.
type callerError struct{ error }

// consume reads through one consumer until that fails.
func (r *reader) consume(ctx context.Context, each func(stored) error, idle func() error) error {
	if err := r.l.connected(ctx); err != nil {
		return err
	}
	ctx, release := r.l.whileConnected(ctx)
	defer release()

	create, done := context.WithTimeout(ctx, attemptTime)
	cons, err := r.l.js.CreateConsumer(create, r.stream, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       r.next,
		FilterSubject:     r.subject,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: time.Minute,
		MemoryStorage:     true,
		Replicas:          1,
	})
	done()
	if err != nil {
		return err
	}
	info := cons.CachedInfo()
	defer func() { // best effort: an idle consumer is removed by the broker after a minute
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer done()
		if r.l.nc.IsConnected() {
			_ = r.l.js.DeleteConsumer(ctx, r.stream, info.Name)
		}
	}()
	if info.NumPending == 0 && idle != nil {
		if err := idle(); err != nil {
			return callerError{err}
		}
	}
	return r.pull(ctx, cons, each, idle)
}

// quiet is how long a reader that was told of more waits for it before it asks where it stays.
const quiet = 2 * time.Second

// pull reads messages of a consumer. A gap in the consumer's own numbers says that one got lost.
func (r *reader) pull(ctx context.Context, cons jetstream.Consumer, each func(stored) error, idle func() error) error {
	iter, err := cons.Messages(jetstream.PullMaxMessagesWithBytesLimit(r.window, windowBytes), jetstream.PullHeartbeat(5*time.Second))
	if err != nil {
		return err
	}
	defer iter.Stop()
	more := cons.CachedInfo().NumPending > 0 // as the broker last said
	for delivered := uint64(1); ; delivered++ {
		msg, err := r.await(ctx, iter, more && idle != nil)
		if errors.Is(err, errQuiet) {
			delivered-- // nothing was
			if more, err = r.more(ctx, cons, delivered); err == nil && !more {
				if own := idle(); own != nil {
					return callerError{own}
				}
			}
			if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != delivered {
			return fmt.Errorf("message %d of consumer was lost", delivered)
		}
		seq := meta.Sequence.Stream
		if delivered == 1 {
			if err := r.purgedBefore(ctx, seq); err != nil {
				return err
			}
		}
		if err := each(stored{msg.Subject(), seq, meta.Timestamp, msg.Headers(), msg.Data(), meta.NumPending}); err != nil {
			return callerError{err}
		}
		r.next = seq + 1
		if r.subject == "" {
			r.l.counters.read(r.stream, seq, meta.NumPending)
		}
		if more = meta.NumPending > 0; !more && idle != nil {
			if err := idle(); err != nil {
				return callerError{err}
			}
		}
	}
}

// errQuiet says that nothing came for a while.
var errQuiet = errors.New("nothing came")

// await returns the next message. Where more was announced it waits a while only: that may have been
// purged, and then nothing tells that there is none left.
func (r *reader) await(ctx context.Context, iter jetstream.MessagesContext, announced bool) (jetstream.Msg, error) {
	if !announced {
		return iter.Next(jetstream.NextContext(ctx))
	}
	wait, done := context.WithTimeout(ctx, quiet)
	defer done()
	msg, err := iter.Next(jetstream.NextContext(wait))
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return nil, errQuiet
	}
	return msg, err
}

// more asks whether there is anything that a consumer has still to deliver, or has on its way, behind
// the messages that it has delivered.
func (r *reader) more(ctx context.Context, cons jetstream.Consumer, delivered uint64) (bool, error) {
	ask, done := context.WithTimeout(ctx, attemptTime)
	defer done()
	info, err := cons.Info(ask)
	if err != nil {
		return true, err
	}
	return info.NumPending > 0 || info.Delivered.Consumer > delivered, nil
}

// ignoreCancel returns nil where err comes of ctx having ended.
func ignoreCancel(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// FollowSubmissions hands over definitions from a number on, until ctx ends (it returns nil) or
// each fails. pending is how many wait behind this one.
func (l *Log) FollowSubmissions(ctx context.Context, from uint64, each func(s Submission, pending uint64) error) error {
	r := reader{l: l, stream: Submissions, next: max(1, from), window: 200}
	return r.read(ctx, func(m stored) error {
		s, err := parseSubmission(m)
		if err != nil {
			return err
		}
		return each(s, m.pending)
	}, nil)
}
