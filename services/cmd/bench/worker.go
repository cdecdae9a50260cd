package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/access"
	"strata/events/stream"
	"strata/schemas/order"
	"strata/services/api"
)

// worker stands for a worker whose jobs take no time: it takes orders and reports, over the bus and
// with a worker's rights, and runs nothing.
type worker struct {
	l      *lab
	person api.Client
	log    *stream.Log
	js     jetstream.JetStream
	orders jetstream.Consumer
	number uint64 // of the last report
	stop   context.CancelFunc
	ended  chan error // of renewing its presence
}

// startWithWorker starts a lab with a device that is idle on a worker that is online.
func (b *bench) startWithWorker(ctx context.Context, name string) (*lab, *worker, error) {
	l, err := b.start(ctx, filepath.Join(b.scratch, name))
	if err != nil {
		return nil, nil, err
	}
	w, err := l.worker(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, l.stop())
	}
	return l, w, nil
}

// worker registers the lab's worker and device and comes online.
// Its consumer is made by dispatch, never by a worker: a worker has no right to.
func (l *lab) worker(ctx context.Context) (*worker, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	w := &worker{l: l, ended: make(chan error, 1)}
	var err error
	if w.person, err = l.person(); err != nil {
		return nil, err
	}
	token, err := furnish(ctx, w.person)
	if err != nil {
		return nil, err
	}
	if w.log, err = l.log(ctx); err != nil {
		return nil, err
	}
	me := access.Principal{Role: access.Worker, Worker: benchWorker}
	conn, err := l.connect(nats.Token(token), nats.CustomInboxPrefix(me.Inbox()))
	if err != nil {
		return nil, err
	}
	if w.js, err = jetstream.New(conn); err != nil {
		return nil, err
	}
	for w.orders == nil { // dispatch makes it, once it knows the worker
		w.orders, err = w.js.Consumer(ctx, stream.Work, events.EscapeToken(string(benchWorker)))
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil, fmt.Errorf("find the worker's orders: %w", err)
		}
	}
	return w, w.comeOnline(ctx)
}

// session names the worker's one stretch of presence.
const session = "bench"

// comeOnline says that the worker is there, until close, and waits until the lab believes it.
// Report first, presence after, as a worker does: the lab has to know what it holds before it counts
// as there.
func (w *worker) comeOnline(ctx context.Context) error {
	if err := w.report(ctx, order.Report{Claim: order.Holding, Session: session, Build: "bench"}); err != nil {
		return err
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop = stop
	go func() { w.ended <- w.renew(renewing) }()
	return until(ctx, w.log, 1, func(r stream.Recorded) bool {
		_, online := r.Event.(events.WorkerWentOnline)
		return online
	})
}

// renew writes the worker's sign of life as often as a real one does.
func (w *worker) renew(ctx context.Context) error {
	value, err := json.Marshal(order.Presence{Version: order.Version, Session: session, Build: "bench"})
	if err != nil {
		return err
	}
	tick := time.NewTicker(4 * time.Second)
	defer tick.Stop()
	for {
		if _, err := w.js.Publish(ctx, access.PresenceSubject(benchWorker), value); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("renew the worker's presence: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// close ends the signs of life.
func (w *worker) close() error {
	w.stop()
	return <-w.ended
}

// order waits for the order to start a job, and says when it came.
// Orders of other jobs, and those to cancel, are acknowledged and passed over.
func (w *worker) order(ctx context.Context, job events.JobID) (o order.Order, came time.Time, err error) {
	for {
		m, err := w.orders.Next(jetstream.FetchContext(ctx))
		if err != nil {
			return o, came, fmt.Errorf("wait for the order of job %d: %w", job, err)
		}
		came = w.l.b.now()
		if o, err = order.Decode(m.Data()); err != nil {
			return o, came, err
		}
		if err := m.Ack(); err != nil {
			return o, came, err
		}
		if o.Kind == order.Start && o.Job == uint64(job) {
			return o, came, nil
		}
	}
}

// finish reports that a job ran to its end and said so many lines, and waits until its device is
// idle again.
// Four reports as a worker sends them, without a line of output.
func (w *worker) finish(ctx context.Context, o order.Order, lines uint64) error {
	from, err := w.log.Last(ctx, stream.Lab)
	if err != nil {
		return err
	}
	for _, r := range []order.Report{{Claim: order.Taken}, {Claim: order.Started},
		{Claim: order.Finished, Verdict: &order.Verdict{Result: "pass", Lines: lines}}, {Claim: order.SpoolEmpty, Lines: lines}} {
		r.Job, r.Lease, r.Device = o.Job, o.Lease, o.Device
		if err := w.report(ctx, r); err != nil {
			return err
		}
	}
	return until(ctx, w.log, from, func(r stream.Recorded) bool {
		released, ok := r.Event.(events.DeviceReleased)
		return ok && released.Job == events.JobID(o.Job)
	})
}

// Numbers rise by one from report to report.
func (w *worker) report(ctx context.Context, r order.Report) error {
	w.number++
	r.Version, r.Number, r.At = order.Version, w.number, w.l.b.now().UTC().Format(time.RFC3339Nano)
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := w.js.Publish(ctx, access.ReportSubject(benchWorker), body); err != nil {
		return fmt.Errorf("report %s of job %d: %w", r.Claim, r.Job, err)
	}
	return nil
}
