package stream

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

// Message is a message of a stream as it was written: for readers that keep it so, the archive
// and the projections, and that have to know which messages a run of sequences holds.
type Message struct {
	Stream  string
	Seq     uint64
	Subject string
	At      time.Time // when the broker took it
	Header  nats.Header
	Data    []byte
	Pending uint64 // messages of the stream that wait behind this one
}

// FollowMessages hands over all messages of a stream from a sequence on, in order, each once,
// undecoded, until ctx ends (it returns nil) or each returns an error, which comes back as it is.
// Frames of Output come as workers sent them, doubles too: order and doubles are what
// [Log.ReadOutput] deals with. A stream that begins after from is refused with [ErrArchived].
func (l *Log) FollowMessages(ctx context.Context, stream string, from uint64, each func(Message) error) error {
	r := reader{l: l, stream: stream, next: max(1, from), window: 1000, whole: true}
	return r.read(ctx, func(m stored) error {
		return each(Message{stream, m.seq, m.subject, m.at, m.header, m.data, m.pending})
	}, nil)
}

// ReadMessages hands over the messages of a stream from one sequence to another, both included, or
// to the stream's end where that comes first, and returns. What was erased in between is missing.
func (l *Log) ReadMessages(ctx context.Context, stream string, from, to uint64, each func(Message) error) error {
	r := reader{l: l, stream: stream, next: max(1, from), window: 1000, whole: true}
	err := r.read(ctx, func(m stored) error {
		if m.seq > to {
			return errEnd
		}
		if err := each(Message{stream, m.seq, m.subject, m.at, m.header, m.data, m.pending}); err != nil || m.seq < to {
			return err
		}
		return errEnd
	}, func() error { return errEnd })
	if err == nil {
		return ctx.Err()
	}
	return ignoreEnd(err)
}
