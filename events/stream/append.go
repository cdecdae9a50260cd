package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
)

// ErrConflict says that an entity has newer facts than the caller had read, or that its last fact
// has aged out. Nothing was recorded. In the first case the facts that won are on their way to the
// caller's fold; for the second see [Log.LastSeqs].
var ErrConflict = errors.New("conflict: an entity has other facts than were read")

// MaxBatch is the number of facts that one Append can record.
const MaxBatch = 100

// attemptTime is how long one attempt waits for the broker's answer.
const attemptTime = 5 * time.Second

// Answers of the broker (server/errors.json of nats-server).
const (
	codeWrongSequence      = 10071 // with the sequence that it is
	codeWrongSequenceBatch = 10164 // without
	codeDuplicateInBatch   = 10201 // a message of the batch is there already
	codeIncompleteBatch    = 10176 // the first messages were lost, such as by a reconnect
	codeTooManyBatches     = 10210 // others are being written
)

// Append records all drafts, in order, or none: one as a plain message, several as an atomic batch.
// expect returns the sequence of the last fact that the caller knows of an entity, 0 for none; a
// nil expect records without a condition. All drafts have to be of one stream, and at most
// [MaxBatch]: a caller with more divides them where the parts may stand alone, and folds what one
// call recorded before the next. No drafts: nothing happens.
//
// The error is [ErrConflict] where somebody was faster. Any other error leaves open whether the
// facts were recorded; the log will show.
func (l *Log) Append(ctx context.Context, drafts []Draft, expect func(events.Entity) uint64) ([]Recorded, error) {
	if len(drafts) == 0 {
		return nil, nil
	}
	if len(drafts) > MaxBatch {
		return nil, fmt.Errorf("append %d facts: at most %d can be recorded at once, divide them where the parts may stand alone", len(drafts), MaxBatch)
	}
	recorded, msgs, err := l.prepare(drafts, expect)
	if err != nil {
		return nil, err
	}
	first, err := l.publish(ctx, recorded, msgs, expect)
	switch {
	case errors.Is(err, ErrConflict):
		l.counters.Conflicts.Add(1)
		return nil, fmt.Errorf("append %s about %s: %w", events.Name(drafts[0].Event), drafts[0].Event.About(), err)
	case err != nil:
		return nil, fmt.Errorf("append %s about %s: %w", events.Name(drafts[0].Event), drafts[0].Event.About(), err)
	}
	for i := range recorded {
		recorded[i].Seq = first + uint64(i)
	}
	l.counters.recorded(len(recorded))
	return recorded, nil
}

// AppendOne records one fact; see [Log.Append].
func (l *Log) AppendOne(ctx context.Context, d Draft, expect func(events.Entity) uint64) (Recorded, error) {
	r, err := l.Append(ctx, []Draft{d}, expect)
	if err != nil {
		return Recorded{}, err
	}
	return r[0], nil
}

// Cause returns what stands in [Draft.Cause] for a message of a stream, such as "LAB/8812".
func Cause(stream string, seq uint64) string { return stream + "/" + strconv.FormatUint(seq, 10) }

// prepare makes the messages of drafts, with ids that all attempts share.
func (l *Log) prepare(drafts []Draft, expect func(events.Entity) uint64) ([]Recorded, []*nats.Msg, error) {
	recorded := make([]Recorded, len(drafts))
	msgs := make([]*nats.Msg, len(drafts))
	stream := streamOf(drafts[0].Event.About())
	now := l.s.Now().UTC()
	expected := make(map[events.Entity]bool)
	for i, d := range drafts {
		about := d.Event.About()
		if streamOf(about) != stream {
			return nil, nil, fmt.Errorf("append %s: it stands in %s, the facts before it in %s: record them one after the other",
				events.Name(d.Event), streamOf(about), stream)
		}
		writer := events.Writer(d.Event)
		if l.s.Writer != "" && l.s.Writer != writer {
			return nil, nil, fmt.Errorf("append %s: only %s may write it, this is %s", events.Name(d.Event), writer, l.s.Writer)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return nil, nil, fmt.Errorf("append %s: make an id: %w", events.Name(d.Event), err)
		}
		env := events.Envelope{ID: id.String(), Source: writer.Source(), Time: now, Actor: d.Actor, From: d.From, Cause: d.Cause, Trace: d.Trace}
		header, body, err := events.Encode(d.Event, env)
		if err != nil {
			return nil, nil, err
		}
		msgs[i] = &nats.Msg{Subject: about.Subject(), Header: header, Data: body}
		// The broker takes a condition on the first message of a subject only: the later ones follow
		// from it.
		if expect != nil && !expected[about] {
			expected[about] = true
			msgs[i].Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(expect(about), 10))
		}
		recorded[i] = Recorded{Stream: stream, ID: env.ID, Time: now, Source: env.Source,
			Actor: d.Actor, From: d.From, Cause: d.Cause, Trace: d.Trace, Event: d.Event}
	}
	return recorded, msgs, nil
}

// publish sends messages until they are recorded, refused, or patience ends, and returns the first
// one's sequence; the others follow it without a gap.
func (l *Log) publish(ctx context.Context, recorded []Recorded, msgs []*nats.Msg, expect func(events.Entity) uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.s.Patience)
	defer cancel()
	send := l.sendBatch
	if len(msgs) == 1 {
		send = l.sendOne
	}
	pause := 10 * time.Millisecond
	for attempt := 1; ; attempt++ {
		seq, err := l.attempt(ctx, msgs, send)
		if err == nil {
			return seq, nil
		}
		again, conflict := judge(err)
		if conflict && attempt == 1 {
			return 0, ErrConflict
		}
		if conflict { // it may have been our own attempt before that was faster
			seq, err = l.find(ctx, recorded, msgs, expect)
			switch {
			case err == nil && seq != 0:
				l.counters.Duplicates.Add(1)
				return seq, nil
			case err == nil:
				return 0, ErrConflict
			}
			again = true
		}
		if !again {
			return 0, err
		}
		l.counters.Retries.Add(1)
		l.warn("append again", "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the broker did not take it in %d attempts: %w, last: %w", attempt, ctx.Err(), err)
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

// attempt sends messages once. It ends with the connection: an answer can't come any more then.
func (l *Log) attempt(ctx context.Context, msgs []*nats.Msg, send func(context.Context, []*nats.Msg) (uint64, error)) (uint64, error) {
	if err := l.connected(ctx); err != nil {
		return 0, err
	}
	ctx, release := l.whileConnected(ctx)
	defer release()
	return send(ctx, msgs)
}

// whileConnected returns a context that ends when the connection is lost or renewed.
func (l *Log) whileConnected(ctx context.Context) (within context.Context, release func()) {
	within, cancel := context.WithCancelCause(ctx)
	changed := l.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.CLOSED)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-changed:
			cancel(errReconnected)
		case <-within.Done():
		}
	}()
	return within, func() {
		cancel(nil)
		<-watched
		l.nc.RemoveStatusListener(changed)
	}
}

// errReconnected ends what waits for an answer over a connection that was lost.
var errReconnected = errors.New("connection was lost")

// judge says what an error of an attempt means: that it should be made again, or that the facts
// are refused because of others (or of themselves, recorded by an attempt before).
func judge(err error) (again, conflict bool) {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case codeWrongSequence, codeWrongSequenceBatch, codeDuplicateInBatch:
			return false, true
		case codeIncompleteBatch, codeTooManyBatches:
			return true, false
		}
		// 503: no leader at the moment, or no resources; anything else will be refused again.
		return api.Code == 503, false
	}
	// Without an answer nothing is known; with the same ids nothing can come twice.
	return !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrMaxPayload) &&
		!errors.Is(err, nats.ErrPermissionViolation), false
}

// sendOne publishes a single message.
func (l *Log) sendOne(ctx context.Context, msgs []*nats.Msg) (uint64, error) {
	ack, err := l.request(ctx, msgs[0])
	if err != nil {
		return 0, err
	}
	if ack.Duplicate {
		l.counters.Duplicates.Add(1)
	}
	return ack.Sequence, nil
}

// Headers of an atomic batch.
const (
	headerBatch         = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"
)

// sendBatch publishes messages as an atomic batch (nats-server ADR-50): all carry the batch's id
// and their number from 1, the last one commits and is the only one that is answered.
func (l *Log) sendBatch(ctx context.Context, msgs []*nats.Msg) (uint64, error) {
	// A batch that was begun by a lost attempt is abandoned by the broker: the next one needs another id.
	batch := uuid.NewString()
	last := len(msgs) - 1
	for i, m := range msgs {
		m.Header.Set(headerBatch, batch)
		m.Header.Set(headerBatchSequence, strconv.Itoa(i+1))
		if i < last {
			if err := l.nc.PublishMsg(m); err != nil {
				return 0, err
			}
		}
	}
	msgs[last].Header.Set(headerBatchCommit, "1")
	ack, err := l.request(ctx, msgs[last])
	if err != nil {
		return 0, err
	}
	if ack.BatchSize != len(msgs) {
		return 0, fmt.Errorf("broker recorded %d facts of a batch of %d", ack.BatchSize, len(msgs))
	}
	return ack.Sequence - uint64(last), nil
}

// pubAck is the broker's answer to a message for a stream.
type pubAck struct {
	Error     *jetstream.APIError `json:"error"`
	Stream    string              `json:"stream"`
	Sequence  uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
	BatchSize int                 `json:"count"`
}

// request sends a message to a stream and returns the acknowledgement.
func (l *Log) request(ctx context.Context, m *nats.Msg) (pubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	answer, err := l.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return pubAck{}, err
	}
	var ack pubAck
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return ack, fmt.Errorf("acknowledgement %q: %w", answer.Data, err)
	}
	if ack.Error != nil {
		return ack, ack.Error
	}
	return ack, nil
}

// find looks for facts that an attempt may have recorded whose acknowledgement was lost, and
// returns the first one's sequence, 0 where they are not there.
func (l *Log) find(ctx context.Context, recorded []Recorded, msgs []*nats.Msg, expect func(events.Entity) uint64) (uint64, error) {
	from := uint64(1)
	if expect != nil {
		from = expect(recorded[0].Event.About()) + 1
	}
	// With a condition ours can only be the first one after it.
	for {
		got, err := l.direct(ctx, recorded[0].Stream, directRequest{Seq: from, NextFor: msgs[0].Subject, Batch: 100})
		if err != nil || len(got) == 0 {
			return 0, err
		}
		for _, m := range got {
			if m.header.Get(events.HeaderMsgID) == recorded[0].ID {
				return m.seq, nil
			}
			from = m.seq + 1
		}
		if expect != nil {
			return 0, nil
		}
	}
}

// connected waits until there is a connection: what is published without one would be sent later,
// perhaps after another attempt.
func (l *Log) connected(ctx context.Context) error {
	if l.nc.IsConnected() {
		return nil
	}
	changed := l.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer l.nc.RemoveStatusListener(changed)
	for !l.nc.IsConnected() {
		if l.nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a connection to the broker: %w", ctx.Err())
		case <-changed:
		}
	}
	return nil
}

func (l *Log) warn(msg string, args ...any) {
	if l.s.Logger != nil {
		l.s.Logger.Warn(msg, args...)
	}
}
