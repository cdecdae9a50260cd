package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"strata/dispatcher/output"
	"strata/events"
	"strata/events/access"
	"strata/schemas/order"
)

// speech is the process of a job as the lab sees it: a logger that writes into a spool on disk, and the
// publisher that sends what is in it, with the rights that the job's order gives and no others.
type speech struct {
	log   *output.Logger
	spool *output.Spool
	dir   string // of the spool
	conn  *nats.Conn
	done  chan struct{} // closed once all is said
	sent  chan error    // how the sending ended
}

// speak begins to send what the job of an order says. It runs no job: the caller writes to the log, and
// calls end in any case.
func (w *worker) speak(ctx context.Context, o order.Order) (*speech, error) {
	me := access.Principal{Role: access.Job, Job: events.JobID(o.Job), Lease: events.Lease(o.Lease), Worker: benchWorker}
	conn, err := w.l.connect(nats.Token(o.Work.Credential), nats.CustomInboxPrefix(me.Inbox()))
	if err != nil {
		return nil, err
	}
	s := &speech{dir: filepath.Join(w.l.dir, fmt.Sprintf("spool-%d", o.Job)), conn: conn, done: make(chan struct{}), sent: make(chan error, 1)}
	if s.spool, err = output.OpenSpool(s.dir); err != nil {
		conn.Close()
		return nil, err
	}
	s.log = output.New(output.Settings{Now: w.l.b.now, Write: s.spool.Append})
	go func() { s.sent <- send(ctx, conn, s.dir, me, s.spool.Grown(), s.done) }()
	return s, nil
}

// end waits until all that was said is acknowledged, or the ctx of speak ends, and returns how many
// lines it was. The spool is removed: nobody asks for it again, and millions of lines take their room.
func (s *speech) end() (lines uint64, err error) {
	defer s.conn.Close()
	lines = s.spool.Lines()
	err = s.spool.Close()
	close(s.done)
	return lines, errors.Join(err, <-s.sent, os.RemoveAll(s.dir))
}

// consolePause is how long a console is silent before its nth line: 2 to 18 ms, as irregular as a real
// one and the same in every run.
func consolePause(n int) time.Duration {
	return 2*time.Millisecond + time.Duration(n*7919%16000)*time.Microsecond
}
