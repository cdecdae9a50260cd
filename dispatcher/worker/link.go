package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/access"
	"strata/events/dial"
	"strata/schemas/order"
)

// How long the link waits for one answer of the broker, and before it tries again what failed.
const (
	answerWithin = 10 * time.Second
	pause        = time.Second
)

// goneAfter is how often an order must have come, and its text been missing, before it is refused.
const goneAfter = 4

// link is the worker's connection to the bus. It dials; nothing dials the worker.
type link struct {
	Deps
	super *supervisor
	here  place
	conn  *nats.Conn
	js    jetstream.JetStream
	lost  chan struct{} // has an element after each loss of the connection
}

// run keeps a session while there is a broker, until ctx ends.
func (l *link) run(ctx context.Context) error {
	l.lost = make(chan struct{}, 1)
	me := access.Principal{Role: access.Worker, Worker: l.Name}
	up := make(chan struct{}, 1)
	poke := func(c chan struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	// Refused logins are no reason to give up: the worker may be registered in a minute, and a broker
	// that starts may be there before the service that answers logins.
	var failed atomic.Pointer[error] // how the last try to connect ended; a refused token is the connection's last error instead
	options := append([]nats.Option{
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { failed.Store(&err) }),
		nats.Name("worker " + string(l.Name)), nats.Token(l.Token), nats.CustomInboxPrefix(me.Inbox()),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(pause), nats.IgnoreAuthErrorAbort(),
		nats.ConnectHandler(func(*nats.Conn) { poke(up) }),
		nats.ReconnectHandler(func(*nats.Conn) { poke(up) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { poke(l.lost) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			l.Logger.Warn("bus refuses or is slow", "error", err)
		}),
	}, l.NATS...)
	conn, err := dial.Connect(l.Servers, options...)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", l.Servers, err)
	}
	defer conn.Close()
	l.conn = conn
	if l.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(answerWithin)); err != nil {
		return fmt.Errorf("connect to %s: %w", l.Servers, err)
	}
	told := "" // why there is no connection; said once, as the tries come every few seconds
	for ctx.Err() == nil {
		wait := pause
		// Whatever ends a session, a new one puts it right: it begins with all that waits.
		if conn.IsConnected() {
			err := l.session(ctx)
			if ctx.Err() != nil {
				break
			}
			l.Logger.Warn("session with the bus ended", "error", err)
			if err := l.tell(ctx, ask{closed: true}); err != nil {
				break
			}
			if errors.Is(err, errNameTaken) {
				wait = l.Presence // the other shows itself as often
			}
			told = ""
		} else if err := unreached(conn.LastError(), failed.Load()); err != nil && err.Error() != told {
			told = err.Error()
			l.Logger.Warn("no way to the bus yet; trying on", "error", err)
		}
		select {
		case <-up:
		case <-l.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

// unreached says why the bus lets nobody in; nil where that is not known yet.
func unreached(last error, failed *error) error {
	switch {
	case errors.Is(last, nats.ErrAuthorization):
		return fmt.Errorf("%w: the lab does not know this token for a worker of this name", last)
	case failed != nil:
		return *failed
	}
	return last
}

// session is one stretch of being there: the name is claimed and presence renewed from then on, all
// waiting orders are read, the leases told and all reports sent, until the connection is lost or the
// presence has expired.
func (l *link) session(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	select {
	case <-l.lost: // of an earlier session
	default:
	}
	id := newSession()
	consumer, err := l.consumer(ctx)
	if err != nil {
		return err
	}
	// Before the first order is read: another process of this name might have been given it.
	claimed, err := l.claim(ctx, id)
	if err != nil {
		return err
	}
	// All at once, and the first that fails ends the session for all: half a session would let the lab
	// believe in a worker that does not hear it. Nobody may write presence or send reports into the next one.
	var parts sync.WaitGroup
	defer parts.Wait()
	defer end(nil)
	begin := func(part func(context.Context) error) {
		parts.Go(func() { end(part(ctx)) })
	}
	begin(func(ctx context.Context) error { return l.renewPresence(ctx, id, claimed) })
	if err := l.readWaiting(ctx, consumer); err != nil {
		return err
	}
	if err := l.tell(ctx, ask{session: id}); err != nil {
		return err
	}
	l.Logger.Info("session with the bus", "session", id)
	begin(l.sendReports)
	begin(func(ctx context.Context) error { return l.readOrders(ctx, consumer) })
	if !l.Elsewhere {
		begin(l.serveHands)
	}
	select {
	case <-l.lost:
		return errors.New("connection lost")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// newSession names a session. Dispatch only compares it: the worker is Online when the presence it
// sees and the holding report it has settled are of one session.
func newSession() string {
	var b [8]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// tell hands something to the supervisor and waits until it has dealt with it.
func (l *link) tell(ctx context.Context, a ask) error {
	a.done = make(chan error, 1)
	select {
	case l.super.asks <- a:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// consumer finds the consumer that dispatch made for this worker, and waits for it where the lab
// has not come so far.
func (l *link) consumer(ctx context.Context) (jetstream.Consumer, error) {
	for said := false; ; said = true {
		ask, cancel := context.WithTimeout(ctx, answerWithin)
		c, err := l.js.Consumer(ask, "WORK", events.EscapeToken(string(l.Name)))
		cancel()
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, jetstream.ErrConsumerNotFound) && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, fmt.Errorf("find own orders: %w", err)
		}
		if !said {
			l.Logger.Info("waiting for the lab to know this worker", "worker", l.Name)
		}
		select {
		case <-l.After(pause):
		case <-l.lost:
			return nil, errors.New("connection lost")
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// readWaiting takes the orders that came while the worker was away, all of them before one is
// started: the last of them may cancel the first. Orders that an earlier run was given and did not
// acknowledge count as waiting too; the broker gives them again after the consumer's AckWait.
//
// An order that cannot be kept, because the disk is full, keeps coming; after a while the worker is
// there all the same, to report its running jobs and that it takes no new ones.
func (l *link) readWaiting(ctx context.Context, c jetstream.Consumer) error {
	enough := l.Now().Add(3 * answerWithin)
	for {
		ask, cancel := context.WithTimeout(ctx, answerWithin)
		info, err := c.Info(ask)
		cancel()
		if err != nil {
			return fmt.Errorf("ask what waits: %w", err)
		}
		if info.NumPending == 0 && (info.NumAckPending == 0 || l.Now().After(enough)) {
			return nil
		}
		batch, err := c.FetchNoWait(64)
		if err != nil {
			return fmt.Errorf("pull orders: %w", err)
		}
		came := false
		for m := range batch.Messages() {
			came = true
			if err := l.order(ctx, m, true); err != nil {
				return err
			}
		}
		if came {
			continue
		}
		select { // for those that an earlier run did not acknowledge
		case <-l.After(pause / 4):
		case <-l.lost:
			return errors.New("connection lost")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readOrders takes orders as they come.
func (l *link) readOrders(ctx context.Context, c jetstream.Consumer) error {
	for {
		if err := l.read(ctx, c); err != nil {
			return err
		}
	}
}

// read takes what comes within a time.
func (l *link) read(ctx context.Context, c jetstream.Consumer) error {
	pull, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	batch, err := c.Fetch(64, jetstream.FetchContext(pull))
	if err != nil {
		return fmt.Errorf("pull orders: %w", err)
	}
	for m := range batch.Messages() {
		if err := l.order(ctx, m, false); err != nil {
			return err
		}
	}
	if err := batch.Error(); err != nil && ctx.Err() == nil && pull.Err() == nil {
		return fmt.Errorf("pull orders: %w", err)
	}
	return context.Cause(ctx)
}

// order hands one order to the supervisor and acknowledges it when that has it on disk. held keeps
// the supervisor from starting anything.
func (l *link) order(ctx context.Context, m jetstream.Msg, held bool) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	o, err := order.Decode(m.Data())
	if err != nil {
		// It will not get better: it came from a newer lab, or from nobody we know.
		l.Logger.Error("order cannot be read", "sequence", meta.Sequence.Stream, "error", err)
		return l.refuse(ctx, m, order.Head(m.Data()), err)
	}
	if err := l.fill(ctx, &o); err != nil {
		if errors.Is(err, errTextGone) {
			if meta.NumDelivered >= goneAfter {
				return l.refuse(ctx, m, o, err)
			}
			return m.NakWithDelay(pause) // a replica of the broker may be behind the one that took the text
		}
		l.Logger.Error("texts of order cannot be had", "job", o.Job, "error", err)
		// Most often the broker is just going away. Until the text is here nothing is promised.
		return m.NakWithDelay(5 * pause)
	}
	if err := l.tell(ctx, ask{order: &o, more: held || meta.NumPending > 0}); err != nil {
		if ctx.Err() != nil {
			return err
		}
		l.Logger.Error("order cannot be taken now", "job", o.Job, "error", err)
		return m.NakWithDelay(5 * pause)
	}
	// Without waiting for the broker's answer: an acknowledgement that is lost brings the order again,
	// and the worker knows it then.
	if err := m.Ack(); err != nil {
		return fmt.Errorf("acknowledge order: %w", err)
	}
	return nil
}

// refuse answers an order that can never be done, where it is clear which lease it is about, and drops it.
// Only a start is refused: what asks about a job, or for its end, is dispatch's to ask again.
func (l *link) refuse(ctx context.Context, m jetstream.Msg, o order.Order, cause error) error {
	if o.Kind == order.Start && o.Job != 0 && o.Lease != 0 {
		if err := l.tell(ctx, ask{order: &o, refuse: cause.Error()}); err != nil {
			if ctx.Err() != nil {
				return err
			}
			l.Logger.Error("order cannot be refused now", "job", o.Job, "error", err)
			return m.NakWithDelay(5 * pause)
		}
	}
	return m.Term()
}

// sendReports sends what waits, the oldest first, and each until it is acknowledged.
func (l *link) sendReports(ctx context.Context) error {
	for {
		number, body, err := l.super.outbox.front()
		if err != nil {
			// Rather than stop all reports for one file that a full disk spoiled.
			l.Logger.Error("report is lost", "error", err)
			if err := l.super.outbox.drop(number); err != nil {
				return err
			}
			continue
		}
		if number == 0 {
			select {
			case <-l.super.outbox.wakes:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			continue
		}
		// The id keeps a report whose acknowledgement was lost from being stored twice, within the
		// broker's window; beyond it dispatch knows a report that it has believed.
		m := nats.NewMsg(access.ReportSubject(l.Name))
		m.Data = body
		id := events.EscapeToken(string(l.Name)) + "/" + strconv.FormatUint(number, 10)
		send, cancel := context.WithTimeout(ctx, answerWithin)
		_, err = l.js.PublishMsg(send, m, jetstream.WithMsgID(id))
		cancel()
		switch {
		case errors.Is(err, nats.ErrMaxPayload):
			// It will not get smaller, and those behind it must not wait for ever.
			l.Logger.Error("report is lost", "bytes", len(body), "error", err)
		case err != nil:
			return fmt.Errorf("send report: %w", err)
		}
		if err := l.super.outbox.drop(number); err != nil {
			return err
		}
	}
}

// renewPresence says again and again that the worker is there. Each write expects to follow the one
// before: if the key has expired in between (the machine slept), the lab thinks the worker gone, and a
// new session has to tell it what is held.
func (l *link) renewPresence(ctx context.Context, session string, last uint64) error {
	for {
		select {
		case <-l.After(l.Presence):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		var err error
		if last, err = l.show(ctx, session, last); err != nil {
			return fmt.Errorf("renew presence: %w", err)
		}
	}
}
