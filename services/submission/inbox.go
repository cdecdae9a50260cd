package submission

import (
	"context"
	"sync"
	"time"

	"strata/events/stream"
	"strata/schemas/job"
)

// inboxBytes bounds what is read ahead of deciding.
// Definitions are 1 MiB at most, so some dozen of the largest are read ahead.
const inboxBytes = 32 << 20

// inboxLength bounds it in number.
const inboxLength = 4 * stream.MaxBatch

// inbox reads submissions, runs them through the gate and asks how far LAB has come since, ahead of and beside
// the deciding loop.
// The gate takes most of the time that a definition costs, so it runs beside the loop, which waits
// for the log.
type inbox struct {
	d     Deps
	gate  *job.Gate
	queue chan *request // read
	ready chan batch    // and measured against LAB
	wake  chan struct{} // tells the loop that something is ready

	mu   sync.Mutex
	held int           // bytes that read and undecided requests hold
	room chan struct{} // tells the reader that held went down
	err  error         // why reading has ended
}

// batch is requests in their order. Every fact up to the barrier, a sequence of LAB, has to be folded before they are
// decided: what somebody recorded before he submitted, such as a device, holds for his job.
type batch struct {
	requests []*request
	barrier  uint64
}

// newInbox makes an inbox that does not read yet.
func newInbox(d Deps) *inbox {
	return &inbox{d: d, gate: job.NewGate(d.Rules), queue: make(chan *request, inboxLength),
		ready: make(chan batch, 1), wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// run fills the inbox from a number on until ctx ends.
func (in *inbox) run(ctx context.Context, from uint64) {
	var measuring sync.WaitGroup
	measuring.Go(func() { in.measure(ctx) })
	in.read(ctx, from)
	measuring.Wait()
}

// measure makes batches of what was read and asks for the barrier of each, while the loop records the one before:
// the question takes a sixth of the time that it takes to record a fact.
func (in *inbox) measure(ctx context.Context) {
	for {
		var b batch
		select {
		case r := <-in.queue:
			b.requests = append(b.requests, r)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(b.requests) < stream.MaxBatch; {
			select {
			case r := <-in.queue:
				b.requests = append(b.requests, r)
			default:
				more = false
			}
		}
		var err error
		if b.barrier, err = in.barrier(ctx); err != nil {
			return
		}
		select {
		case in.ready <- b:
		case <-ctx.Done():
			return
		}
		in.nudge()
	}
}

// barrier returns the last sequence of LAB. It asks until the broker answers; the only error is that ctx has ended.
func (in *inbox) barrier(ctx context.Context) (uint64, error) {
	for {
		last, err := in.d.Log.Last(ctx, stream.Lab)
		if err == nil {
			return last, nil
		}
		in.d.Logger.Warn("submissions wait: the broker does not say how far the log has come", "error", err)
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// read fills the queue from a number on until ctx ends.
// It runs on a goroutine that Run waits for.
func (in *inbox) read(ctx context.Context, from uint64) {
	err := in.d.Log.FollowSubmissions(ctx, from, func(s stream.Submission, _ uint64) error {
		if s.Parent != 0 && !isRetry(s) {
			return nil // a part is decided with its submission
		}
		r := in.d.hurried(s)
		if r == nil {
			r = newRequest(s, in.gate)
		}
		// Parsed already: what is bounded is memory, and only now is it known how much this one
		// holds.
		if err := in.hold(ctx, r); err != nil {
			return err
		}
		select {
		case in.queue <- r:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	})
	if ctx.Err() == nil {
		in.mu.Lock()
		in.err = err
		in.mu.Unlock()
		in.nudge()
	}
}

// nudge asks the loop to look into the inbox.
// One token is enough: the loop takes all that is there.
func (in *inbox) nudge() {
	select {
	case in.wake <- struct{}{}:
	default: // it is told already
	}
}

// hold waits until there is room for r. A request that is larger than all room passes alone.
func (in *inbox) hold(ctx context.Context, r *request) error {
	for {
		in.mu.Lock()
		if in.held == 0 || in.held+r.weight <= inboxBytes {
			in.held += r.weight
			in.mu.Unlock()
			return nil
		}
		in.mu.Unlock()
		select {
		case <-in.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// done says that a request was decided.
func (in *inbox) done(r *request) {
	in.mu.Lock()
	in.held -= r.weight
	in.mu.Unlock()
	select {
	case in.room <- struct{}{}:
	default:
	}
}

// take returns the next batch, an empty one where none is ready.
func (in *inbox) take() batch {
	select {
	case b := <-in.ready:
		return b
	default:
		return batch{}
	}
}

// failed returns why reading has ended, nil while it goes on.
func (in *inbox) failed() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}
