package played

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/access"
	"strata/events/dial"
	"strata/schemas/order"
)

// How long an answer of the broker may take, how long to wait after something that failed, and how often
// the worker shows itself.
const (
	answerWithin = 10 * time.Second
	pause        = time.Second
	presence     = 4 * time.Second
)

// reportsAtOnce is how many reports are on their way to the broker together.
const reportsAtOnce = 128

// Deps is what a simulated worker needs from outside.
type Deps struct {
	Name    events.WorkerName
	Servers string // addresses of the broker, with commas between them
	Token   string // of the worker
	Build   string // version of this binary, as the lab shows it
	Script  Script
	Logger  *slog.Logger
	Now     func() time.Time
	After   func(time.Duration) <-chan time.Time
	NATS    []nats.Option // further options of each connection
}

// worker is a running one.
type worker struct {
	Deps
	life    context.Context // ends with the worker, not with a session
	js      jetstream.JetStream
	conn    *nats.Conn
	reports chan order.Report
	playing sync.WaitGroup

	mu     sync.Mutex
	leases map[string]uint64 // highest of each device, or of a guest's job
	jobs   map[key]*running
	number uint64 // of the last report
}

// key is one run of a job.
type key struct{ job, lease uint64 }

// running is a job that plays. One that has ended is forgotten: its output is on the bus, and its reports
// are in line before the answer to anything that is asked later.
type running struct {
	order  order.Order
	cancel context.CancelCauseFunc
}

// Run takes the lab's orders until ctx ends; jobs that play then are not heard of again. A broker that
// goes away is waited for. The error says why there can be no worker.
func Run(ctx context.Context, d Deps) error {
	me := access.Principal{Role: access.Worker, Worker: d.Name}
	conn, err := dial.Connect(d.Servers, append([]nats.Option{nats.Name("worker " + string(d.Name)), nats.Token(d.Token),
		nats.CustomInboxPrefix(me.Inbox()), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(pause),
		nats.IgnoreAuthErrorAbort()}, d.NATS...)...)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", d.Servers, err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", d.Servers, err)
	}
	w := &worker{Deps: d, js: js, conn: conn, reports: make(chan order.Report, reportsAtOnce), leases: map[string]uint64{}, jobs: map[key]*running{}}
	ctx, stop := context.WithCancel(ctx)
	defer w.playing.Wait()
	defer stop()
	w.life = ctx
	w.playing.Go(func() { w.sendReports(ctx) })
	for ctx.Err() == nil {
		err := w.session(ctx)
		if ctx.Err() != nil {
			break
		}
		w.Logger.Warn("session with the bus ended", "error", err)
		select {
		case <-w.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// session is one stretch of being there.
func (w *worker) session(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	id := rand.Text()
	find, cancel := context.WithTimeout(ctx, answerWithin)
	consumer, err := w.js.Consumer(find, "WORK", events.EscapeToken(string(w.Name)))
	cancel()
	if err != nil {
		return fmt.Errorf("find own orders: %w", err)
	}
	last, err := w.claim(ctx, id)
	if err != nil {
		return err
	}
	w.hold(ctx, id)
	var showing sync.WaitGroup
	defer showing.Wait()
	defer end(nil)
	showing.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-w.After(presence):
			case <-ctx.Done():
				return
			}
			var err error
			if last, err = w.show(ctx, id, last); err != nil {
				end(fmt.Errorf("renew presence: %w", err))
			}
		}
	})
	w.Logger.Info("session with the bus", "session", id)
	for ctx.Err() == nil {
		if err := w.read(ctx, consumer, id); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// place tells one simulated worker of a machine, started again, from a worker elsewhere of the same name.
func place() order.Presence {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return order.Presence{Version: order.Version, Place: "simulated", Host: host}
}

// claim shows the worker for the first time in a session, unless another has its name.
func (w *worker) claim(ctx context.Context, session string) (last uint64, err error) {
	ask, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	m, err := w.conn.RequestWithContext(ask, access.PresenceGet(w.Name), nil)
	if err != nil {
		return 0, fmt.Errorf("look for others of this name: %w", err)
	}
	if m.Header.Get("Status") == "" {
		var other order.Presence
		if err := json.Unmarshal(m.Data, &other); err != nil {
			return 0, fmt.Errorf("look for others of this name: %w", err)
		}
		if me := place(); other.Place != me.Place || other.Host != me.Host {
			return 0, fmt.Errorf("%s shows itself from host %s; stop that worker, or simulate one of another name", w.Name, other.Host)
		}
		if last, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
			return 0, fmt.Errorf("look for others of this name: %w", err)
		}
	}
	return w.show(ctx, session, last)
}

// show writes a sign of life that follows the one of sequence last.
func (w *worker) show(ctx context.Context, session string, last uint64) (uint64, error) {
	sign := place()
	sign.Session, sign.Build = session, w.Build
	value, err := json.Marshal(sign)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	ack, err := w.js.Publish(ctx, access.PresenceSubject(w.Name), value, jetstream.WithExpectLastSequencePerSubject(last))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// read takes the orders that come within a time.
func (w *worker) read(ctx context.Context, c jetstream.Consumer, session string) error {
	pull, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	batch, err := c.Fetch(64, jetstream.FetchContext(pull))
	if err != nil {
		return fmt.Errorf("pull orders: %w", err)
	}
	for m := range batch.Messages() {
		o, err := order.Decode(m.Data())
		if err != nil {
			w.Logger.Error("order cannot be read", "error", err)
			if err := m.Term(); err != nil {
				return err
			}
			continue
		}
		w.take(ctx, o, session)
		if err := m.Ack(); err != nil {
			return fmt.Errorf("acknowledge order: %w", err)
		}
	}
	if err := batch.Error(); err != nil && ctx.Err() == nil && pull.Err() == nil {
		return fmt.Errorf("pull orders: %w", err)
	}
	return nil
}

// hold reports what the worker has.
func (w *worker) hold(ctx context.Context, session string) {
	r := order.Report{Claim: order.Holding, Session: session, Build: w.Build}
	w.mu.Lock()
	for _, j := range w.jobs {
		r.Held = append(r.Held, order.Held{Job: j.order.Job, Lease: j.order.Lease, Device: j.order.Device, Runs: true})
	}
	w.mu.Unlock()
	w.report(ctx, r)
}

// report queues a report; they are sent in the order in which they came.
func (w *worker) report(ctx context.Context, r order.Report) {
	r.Version, r.At = order.Version, w.Now().UTC().Format(time.RFC3339Nano)
	select {
	case w.reports <- r:
	case <-ctx.Done():
	}
}

// sendReports sends what is reported, many at a time, until ctx ends. After one that was not taken the
// broker is given that one and all behind it again, and drops those that it has by their id.
func (w *worker) sendReports(ctx context.Context) {
	var waiting []*nats.Msg
	for {
		if len(waiting) == 0 {
			select {
			case r := <-w.reports:
				waiting = append(waiting, w.letter(r))
			case <-ctx.Done():
				return
			}
		}
		for more := true; more && len(waiting) < reportsAtOnce; {
			select {
			case r := <-w.reports:
				waiting = append(waiting, w.letter(r))
			default:
				more = false
			}
		}
		sent, err := w.sendAll(ctx, waiting)
		waiting = waiting[sent:]
		if err != nil && ctx.Err() == nil {
			w.Logger.Warn("send report", "error", err)
			select {
			case <-w.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// letter is a report as it goes over the bus. Numbers grow from one process to the next, as the clock does.
func (w *worker) letter(r order.Report) *nats.Msg {
	w.number = max(w.number+1, uint64(w.Now().UnixNano()))
	r.Number = w.number
	m := nats.NewMsg(access.ReportSubject(w.Name))
	m.Data, _ = json.Marshal(r) // it has nothing that cannot be encoded
	m.Header.Set(nats.MsgIdHdr, events.EscapeToken(string(w.Name))+"/"+strconv.FormatUint(r.Number, 10))
	return m
}

// sendAll sends reports and returns how many of them, from the first on, are stored.
func (w *worker) sendAll(ctx context.Context, waiting []*nats.Msg) (stored int, err error) {
	futures := make([]jetstream.PubAckFuture, 0, len(waiting))
	for _, m := range waiting {
		// A copy: the client sets a reply subject, and refuses a message that has one.
		f, err := w.js.PublishMsgAsync(&nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
		if err != nil {
			return 0, err
		}
		futures = append(futures, f)
	}
	late := w.After(answerWithin)
	for i, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return i, err
		case <-late:
			return i, errors.New("no answer from the broker")
		case <-ctx.Done():
			return i, ctx.Err()
		}
	}
	return len(futures), nil
}
