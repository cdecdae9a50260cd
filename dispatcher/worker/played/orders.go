package played

import (
	"context"
	"errors"
	"fmt"

	"strata/events"
	"strata/schemas/order"
)

// take does what an order asks, by the rules of a real worker: a lease is started at most once and none
// lower than the highest of its device, and a question about what is not here is answered so.
func (w *worker) take(ctx context.Context, o order.Order, session string) {
	w.mu.Lock()
	j := w.jobs[key{o.Job, o.Lease}]
	w.mu.Unlock()
	switch o.Kind {
	case order.Tell:
		w.hold(ctx, session)
	case order.Start:
		if j == nil {
			w.start(ctx, o)
			return
		}
		w.tell(ctx, j)
	case order.Check:
		if j == nil {
			w.fence(o)
			w.answer(ctx, o, order.Report{Claim: order.Unknown})
			return
		}
		w.tell(ctx, j)
	case order.Cancel:
		w.cancel(ctx, o, j)
	case order.Discard: // nothing is kept
	}
}

// board names what a lease fences: the device, or a guest's own job.
func board(o order.Order) string {
	if o.Device == "" {
		return fmt.Sprintf("guest of job %d", o.Job)
	}
	return o.Device
}

// fence notes a lease and says whether it is the highest of its device so far.
func (w *worker) fence(o order.Order) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.Lease <= w.leases[board(o)] {
		return false
	}
	w.leases[board(o)] = o.Lease
	return true
}

// answer reports about the job of an order.
func (w *worker) answer(ctx context.Context, o order.Order, r order.Report) {
	r.Job, r.Lease, r.Device = o.Job, o.Lease, o.Device
	w.report(ctx, r)
}

// tell says again that a job runs.
func (w *worker) tell(ctx context.Context, j *running) {
	w.answer(ctx, j.order, order.Report{Claim: order.Started})
}

// cancel begins to end a job.
func (w *worker) cancel(ctx context.Context, o order.Order, j *running) {
	switch {
	case j != nil:
		j.cancel(errors.New(o.Reason))
	case o.Over:
		w.fence(o)
		w.answer(ctx, o, order.Report{Claim: order.Unknown})
	default:
		w.fence(o)
		w.answer(ctx, o, order.Report{Claim: order.Finished, Verdict: &order.Verdict{
			Result: "fail", ErrorType: "Bug", Error: "the worker was asked to cancel a job that it does not know"}})
	}
}

// start begins to play a job.
func (w *worker) start(ctx context.Context, o order.Order) {
	if !w.fence(o) {
		w.answer(ctx, o, order.Report{Claim: order.Refused, Reason: fmt.Sprintf("lease %d of this device is over", o.Lease)})
		return
	}
	w.answer(ctx, o, order.Report{Claim: order.Taken})
	w.answer(ctx, o, order.Report{Claim: order.Started})
	playing, cancel := context.WithCancelCause(w.life)
	j := &running{order: o, cancel: cancel}
	w.mu.Lock()
	w.jobs[key{o.Job, o.Lease}] = j
	w.mu.Unlock()
	w.playing.Go(func() {
		defer cancel(nil)
		play, draws := w.Script.draw(o.Job, events.DeviceName(o.Device))
		p := player{Deps: w.Deps, order: o, play: play, rand: draws}
		verdict, err := p.run(playing, w.life)
		if err != nil {
			return // the worker has stopped
		}
		w.Logger.Info("job finished", "job", o.Job, "device", o.Device, "script", play.Name, "result", verdict.Result)
		w.answer(w.life, o, order.Report{Claim: order.Finished, Verdict: &verdict})
		w.answer(w.life, o, order.Report{Claim: order.SpoolEmpty, Lines: verdict.Lines})
		w.mu.Lock()
		delete(w.jobs, key{o.Job, o.Lease})
		w.mu.Unlock()
	})
}
