package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// togetherBytes is how much of what is published together goes in one batch: a part of what the broker
// keeps waiting for a connection.
const togetherBytes = 4 << 20

// togetherFrom is how many messages are worth a batch: the broker makes files for each to gather it in.
const togetherFrom = 4

// PublishTogether publishes messages that are not facts, such as orders, in their order. A broker that
// syncs takes a hundred in one batch as fast as a few alone. All are for one stream that allows atomic batches, and each
// has an id in [jetstream.MsgIDHeader]: what the broker has already it does not take again, as with
// a single message.
//
// After an error some may have been published, and all may be published again.
func (l *Log) PublishTogether(ctx context.Context, msgs []*nats.Msg) error {
	for len(msgs) > 0 {
		n, bytes := 0, 0
		for n < min(len(msgs), MaxBatch) && (n == 0 || bytes+len(msgs[n].Data) <= togetherBytes) {
			bytes += len(msgs[n].Data)
			n++
		}
		if err := l.publishBatch(ctx, msgs[:n]); err != nil {
			return err
		}
		msgs = msgs[n:]
	}
	return nil
}

// publishBatch publishes messages as one batch, or one by one where the broker refuses that: it does
// where it has one of them already.
func (l *Log) publishBatch(ctx context.Context, msgs []*nats.Msg) error {
	if len(msgs) >= togetherFrom {
		_, err := l.attempt(ctx, msgs, l.sendBatch)
		for _, m := range msgs {
			for _, h := range []string{headerBatch, headerBatchSequence, headerBatchCommit} {
				m.Header.Del(h)
			}
		}
		var api *jetstream.APIError
		if err == nil || !errors.As(err, &api) {
			return err
		}
	}
	for _, m := range msgs {
		if _, err := l.attempt(ctx, []*nats.Msg{m}, l.sendOne); err != nil {
			return fmt.Errorf("publish %s: %w", m.Header.Get(jetstream.MsgIDHeader), err)
		}
	}
	return nil
}
