package submission

import (
	"context"
	"sync"

	"strata/events/stream"
	"strata/schemas/job"
)

// inboxBytes bounds what is read ahead of deciding.
const inboxBytes = 32 << 20

// inboxLength bounds it in number.
const inboxLength = 4 * stream.MaxBatch

// inbox reads submissions and runs them through the gate, ahead of and beside the deciding loop.
type inbox struct {
	d     Deps
	gate  *job.Gate
	queue chan *request
	wake  chan struct{} // tells the loop that something is in the queue

	mu   sync.Mutex
	held int           // bytes that read and undecided requests hold
	room chan struct{} // tells the reader that held went down
	err  error         // why reading has ended
}

// newInbox makes an inbox that does not read yet.
func newInbox(d Deps) *inbox {
	return &inbox{d: d, gate: job.NewGate(d.Rules), queue: make(chan *request, inboxLength),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// read fills the queue from a number on until ctx ends.
func (in *inbox) read(ctx context.Context, from uint64) {
	err := in.d.Log.FollowSubmissions(ctx, from, func(s stream.Submission, _ uint64) error {
		if s.Parent != 0 && !isRetry(s) {
			return nil // a part is decided with its submission
		}
		r := in.d.hurried(s)
		if r == nil {
			r = newRequest(s, in.gate)
		}
		if err := in.hold(ctx, r); err != nil {
			return err
		}
		select {
		case in.queue <- r:
		case <-ctx.Done():
			return ctx.Err()
		}
		in.nudge()
		return nil
	})
	if ctx.Err() == nil {
		in.mu.Lock()
		in.err = err
		in.mu.Unlock()
		in.nudge()
	}
}

// nudge asks the loop to look into the queue.
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

// take returns what is in the queue, at most so many, without waiting.
func (in *inbox) take(most int) (requests []*request) {
	for len(requests) < most {
		select {
		case r := <-in.queue:
			requests = append(requests, r)
		default:
			return requests
		}
	}
	return requests
}

// failed returns why reading has ended, nil while it goes on.
func (in *inbox) failed() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}
