package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// Turn is the right to do what only one process of a lab may do at a time, such as to send mail. It stands
// in the bucket [Turns] under its name, for as long as its holder confirms it: of a holder that has died it
// is free after the bucket's time to live. A condition on a fact needs no turn; what goes out of the lab, and
// cannot be taken back, does.
type Turn struct {
	l        *Log
	kv       jetstream.KeyValue
	name     string
	holder   string        // this turn and no other
	length   time.Duration // the bucket's time to live
	revision uint64        // of our last word in the bucket
	held     context.Context
	lose     context.CancelFunc
	done     chan struct{} // closed when nobody confirms it any more
}

// TakeTurn waits until the turn of that name is free and takes it. The turn outlives ctx: its holder may have to
// bring something to an end, and then calls [Turn.Pass]. The error is ctx's, or that the bucket cannot be opened.
func (l *Log) TakeTurn(ctx context.Context, name string) (*Turn, error) {
	kv, err := l.js.KeyValue(ctx, Turns)
	if err != nil {
		return nil, fmt.Errorf("take the turn of %s: open bucket %s: %w", name, Turns, err)
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("take the turn of %s: %w", name, err)
	}
	t := &Turn{l: l, kv: kv, name: name, holder: uuid.NewString(), length: status.TTL(), done: make(chan struct{})}
	if t.length <= 0 {
		return nil, fmt.Errorf("take the turn of %s: bucket %s keeps its keys for ever: delete it, and it is made anew", name, Turns)
	}
	again := time.NewTimer(t.length / 4)
	defer again.Stop()
	for {
		mine, err := t.claim(ctx)
		if mine {
			break
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("take the turn of %s: %w", name, ctx.Err())
		}
		if err != nil {
			l.warn("take the turn again", "turn", name, "error", err)
		}
		again.Reset(t.length / 4)
		select {
		case <-ctx.Done():
		case <-again.C:
		}
	}
	t.held, t.lose = context.WithCancel(context.WithoutCancel(ctx))
	go t.confirm()
	return t, nil
}

// Held ends when the turn is passed on, or lost because the broker did not hear of it in time. It ends well
// before another process can take the turn.
func (t *Turn) Held() context.Context { return t.held }

// Pass gives the turn back, so that another process need not wait until it runs out. It may be called
// after the turn was lost.
func (t *Turn) Pass(ctx context.Context) error {
	lost := t.held.Err() != nil
	t.lose()
	<-t.done
	if lost {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.length/4)
	defer cancel()
	if err := t.kv.Delete(ctx, t.name, jetstream.LastRevision(t.revision)); err != nil {
		return fmt.Errorf("pass the turn of %s on: %w", t.name, err)
	}
	return nil
}

// confirm says again and again that the turn is taken. What was confirmed holds for half of the time that the
// broker keeps it, counted from the answer: no clocks are compared, and there is room for a slow answer.
func (t *Turn) confirm() {
	defer close(t.done)
	defer t.lose()
	over := time.AfterFunc(t.length/2, t.lose)
	defer over.Stop()
	tick := time.NewTicker(t.length / 6)
	defer tick.Stop()
	for {
		select {
		case <-t.held.Done():
			return
		case <-tick.C:
		}
		mine, err := t.claim(t.held)
		switch {
		case err != nil && t.held.Err() == nil:
			t.l.warn("confirm the turn again", "turn", t.name, "error", err)
		case !mine || !over.Stop():
			return
		default:
			over.Reset(t.length / 2)
		}
	}
}

// claim takes the turn where it is free or ours already. Without an error it says whether it is ours.
func (t *Turn) claim(ctx context.Context) (mine bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.length/6)
	defer cancel()
	entry, err := t.kv.Get(ctx, t.name)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		t.revision, err = t.kv.Create(ctx, t.name, []byte(t.holder))
	case err != nil:
	case string(entry.Value()) == t.holder: // an answer that was lost may have made it ours
		t.revision, err = t.kv.Update(ctx, t.name, []byte(t.holder), entry.Revision())
	default:
		return false, nil
	}
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil // somebody was faster
	}
	return err == nil, err
}
