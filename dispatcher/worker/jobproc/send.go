package jobproc

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/dispatcher/output"
	"strata/events"
	"strata/events/access"
	reach "strata/events/dial"
	"strata/events/stream"
	"strata/schemas/order"
)

// answerWithin is how long one frame may take to be acknowledged before it is sent again.
const answerWithin = 10 * time.Second

// sender is the job's own connection to the bus.
type sender struct {
	conn      *nats.Conn
	publisher output.Publisher
}

// dial connects in the background, under the job's credential, for as long as it takes.
func dial(spool string, o order.Order, servers string, log *slog.Logger) (*sender, error) {
	me := access.Principal{Role: access.Job, Job: events.JobID(o.Job), Lease: events.Lease(o.Lease)}
	// The job must not wait for the bus, so the first attempt to connect is made in the background too.
	conn, err := reach.Connect(servers, nats.Name(me.String()), nats.Token(o.Work.Credential),
		nats.CustomInboxPrefix(me.Inbox()), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(time.Second), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("bus refuses or is slow", "job", o.Job, "error", err)
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", servers, err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to %s: %w", servers, err)
	}
	send := func(ctx context.Context, f events.Frame) error {
		ctx, cancel := context.WithTimeout(ctx, answerWithin)
		defer cancel()
		_, err := stream.PublishFrame(ctx, js, f)
		return err
	}
	return &sender{conn, output.Publisher{Dir: spool, Job: me.Job, Lease: me.Lease, Logger: log, Send: send}}, nil
}

// run sends until all is sent after said was closed, or ctx ends. The publisher gives up where the disk
// fails it, most often because it is full; space may come back while the job goes on.
func (s *sender) run(ctx context.Context, said <-chan struct{}) {
	for {
		err := s.publisher.Run(ctx, said)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.publisher.Logger.Error("spool cannot be sent now", "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}

// Drain sends what is left of the spool of a job whose process has ended, and returns how many
// lines the spool has. It returns an error only where ctx ended first or the disk cannot be read.
func Drain(ctx context.Context, spool string, o order.Order, servers string, log *slog.Logger) (lines uint64, err error) {
	s, err := output.OpenSpool(spool)
	if err != nil {
		return 0, fmt.Errorf("open spool of job %d: %w", o.Job, err)
	}
	lines = s.Lines()
	if err := s.Close(); err != nil {
		return lines, fmt.Errorf("close spool of job %d: %w", o.Job, err)
	}
	// The usual case: the process sent all itself, and no connection is needed.
	sent, err := output.Sent(spool)
	if err != nil || sent >= lines {
		return max(lines, sent), err
	}
	log.Info("spool taken over", "job", o.Job, "lease", o.Lease, "lines", lines, "sent", sent)
	bus, err := dial(spool, o, servers, log)
	if err != nil {
		return lines, err
	}
	defer bus.conn.Close()
	done := make(chan struct{})
	close(done)
	if err := bus.publisher.Run(ctx, done); err != nil {
		return lines, fmt.Errorf("send spool of job %d: %w", o.Job, err)
	}
	return lines, ctx.Err()
}
