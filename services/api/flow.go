package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// The headers of replies.
const (
	// Clients of any release read them: docs/live.md promises them.
	headerError  = "Strata-Error"  // a [Code]; the body is an [Error]
	headerNumber = "Strata-Number" // of a message in its flow, from 1
	headerEnd    = "Strata-End"    // the flow is over
)

// stopFlow is what a caller sends instead of an acknowledgement when it has had enough.
const stopFlow = "stop"

const (
	// With messages of up to 256 KiB a flow holds 4 MiB on the way at most; a reader 100 ms away still gets 40 MB/s.
	window    = 16               // messages of a flow on the way at once
	heartbeat = 10 * time.Second // a quiet flow says that it lives
	silence   = time.Minute      // a caller that says nothing for so long is gone
)

// errGone says that the caller of a flow stopped it or is silent.
var errGone = errors.New("the caller is gone")

// message is one message of a flow.
// An empty body is a sign of life and is not handed on to who reads, so a producer sends none.
type message struct {
	header map[string]string
	body   []byte
}

// flow is a caller's open stream of messages.
// sent, acked and last belong to pump's goroutine; the subscription speaks to it through heard and stop.
type flow struct {
	conn  *nats.Conn
	inbox string // where the caller listens
	acks  string // where it acknowledges
	heard chan uint64
	stop  chan struct{}
	sub   *nats.Subscription
	now   func() time.Time

	sent, acked uint64
	last        time.Time // when the caller was heard last
}

// flowsOf is how many flows one caller, whatever tokens it comes with, may have open on the bus:
// enough to follow every job of a large lab. Each has goroutines and buffers here for as long as its
// caller acknowledges.
const flowsOf = 2048

// openFlows counts the flows that are open, by caller. The zero value has none.
type openFlows struct {
	mu sync.Mutex
	of map[string]int
}

// take counts another flow of a caller; false, and nothing counted, where there are enough. What was taken is given back
// by end.
func (o *openFlows) take(caller string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil {
		o.of = map[string]int{}
	}
	if o.of[caller] >= flowsOf {
		return false
	}
	o.of[caller]++
	return true
}

func (o *openFlows) end(caller string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of[caller]--; o.of[caller] == 0 {
		delete(o.of, caller)
	}
}

// openFlow listens for acknowledgements of a caller's new flow. The subject lies among the
// caller's own, on which nobody else may publish.
// Each flow has a subscription and two goroutines of its own, and ends with its caller's silence: a caller holds no
// more of them than it acknowledges.
func (a *api) openFlow(user, inbox string) (*flow, error) {
	f := &flow{
		conn: a.conn, inbox: inbox, acks: "api." + user + ".flow." + nuid.Next(),
		heard: make(chan uint64, window), stop: make(chan struct{}), now: a.now, last: a.now(),
	}
	stopped := false
	sub, err := f.conn.Subscribe(f.acks, func(m *nats.Msg) {
		if string(m.Data) == stopFlow && !stopped {
			stopped = true // one goroutine calls this function
			close(f.stop)
			return
		}
		if n, err := strconv.ParseUint(string(m.Data), 10, 64); err == nil {
			select {
			case f.heard <- n:
			default: // window acknowledgements wait already; a later one says the same
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listen for a flow's acknowledgements: %w", err)
	}
	f.sub = sub
	return f, nil
}

// run sends what produce emits, until produce returns, the caller is gone or ctx ends. It waits
// for produce to return.
// It is called on the request's own goroutine, whose place among the turns has been given back.
func (f *flow) run(ctx context.Context, produce func(ctx context.Context, emit func(message) error) error) {
	ctx, cancel := context.WithCancel(ctx)
	// done has room for the producer's error: pump may have returned without waiting for it.
	source, done := make(chan message), make(chan error, 1)
	go func() {
		err := produce(ctx, func(m message) error {
			select {
			case source <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		close(source)
		done <- err
	}()
	err := f.pump(ctx, source)
	cancel()
	// The producer stops at its next emit, or by its ctx.
	if produced := <-done; err == nil {
		err = produced
	}
	f.close(err)
}

// pump sends what comes from source, with at most [window] messages on the way. Quiet flows say
// now and then that they live.
// It returns nil when the source has ended, errGone, ctx's error or the connection's.
func (f *flow) pump(ctx context.Context, source <-chan message) error {
	t := time.NewTicker(heartbeat)
	defer t.Stop()
	for {
		in := source
		if f.sent-f.acked >= window {
			in = nil // the source waits for the caller, and with it nobody else
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.stop:
			return errGone
		case n := <-f.heard:
			// An acknowledgement of what was not sent would open the window; one that came late takes nothing back.
			f.acked, f.last = max(f.acked, min(n, f.sent)), f.now()
		case m, more := <-in:
			if !more {
				return nil
			}
			if err := f.send(m); err != nil {
				return err
			}
		case <-t.C:
			if f.now().Sub(f.last) > silence {
				return errGone
			}
			// Only where nothing is on the way: a caller that reads slowly has messages enough to say that it lives.
			if f.sent == f.acked {
				if err := f.send(message{}); err != nil {
					return err
				}
			}
		}
	}
}

// send publishes one message. It does not wait: the window does, in pump.
func (f *flow) send(m message) error {
	f.sent++
	msg := nats.NewMsg(f.inbox)
	msg.Reply, msg.Data = f.acks, m.body
	for k, v := range m.header {
		msg.Header.Set(k, v)
	}
	msg.Header.Set(headerNumber, strconv.FormatUint(f.sent, 10))
	return f.conn.PublishMsg(msg)
}

// close ends the flow: err nil says that all there is has been sent.
func (f *flow) close(err error) {
	_ = f.sub.Unsubscribe() // fails only where the connection is gone
	if errors.Is(err, errGone) {
		return
	}
	m := nats.NewMsg(f.inbox)
	if err != nil {
		m = failure(err)
		m.Subject = f.inbox
	}
	m.Header.Set(headerEnd, "1")
	_ = f.conn.PublishMsg(m) // a caller that misses it notices the silence
}
