package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/dispatcher/output"
	"strata/events"
	"strata/events/access"
	"strata/events/stream"
	"strata/projections"
	"strata/projections/engine"
	"strata/schemas/order"
	"strata/services/api"
	"strata/services/projector"
)

// latency measures the way of a console line to somebody who looks on.
func latency(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, w, err := b.startWithWorker(ctx, "latency")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close(), l.stop()) }()
	for range b.runs {
		took, err := follow(ctx, w)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []float64{percentile(took, 99), percentile(took, 50)})
	}
	return rows, nil
}

// follow runs a job that talks, and returns how old each line was when its follower had it.
// Times of both ends are of one clock, as everything is on one machine.
func follow(ctx context.Context, w *worker) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	job, err := submit(ctx, w.person.Conn)
	if err != nil {
		return nil, err
	}
	o, _, err := w.order(ctx, job)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	said := make([]time.Time, 0, w.l.b.sizes.lines)
	took := make([]time.Duration, 0, w.l.b.sizes.lines)
	heard := make(chan error, 1)
	go func() {
		heard <- w.person.Log(ctx, api.LogRequest{Job: job, Follow: true}, func(line uint64, _ events.Record) error {
			at := w.l.b.now()
			mu.Lock()
			defer mu.Unlock()
			took = append(took, at.Sub(said[line]))
			return nil
		})
	}()
	err = talk(ctx, w, o, func() {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, w.l.b.now())
	})
	if err != nil {
		return nil, err
	}
	if err := w.finish(ctx, o, uint64(len(said))); err != nil {
		return nil, err
	}
	if err := <-heard; err != nil {
		return nil, err
	}
	if len(took) != len(said) {
		return nil, fmt.Errorf("%d lines were said, %d heard", len(said), len(took))
	}
	return took, nil
}

// talk is a job's process that says its lines as irregularly as a console does. note is called before
// each line.
func talk(ctx context.Context, w *worker, o order.Order, note func()) error {
	job, err := w.speak(ctx, o)
	if err != nil {
		return err
	}
	for i := range w.l.b.sizes.lines {
		pause := time.NewTimer(consolePause(i))
		select {
		case <-pause.C:
			note()
			job.log.Text(events.Target, "", consoleLine(i))
			continue
		case <-ctx.Done():
		}
		break
	}
	_, err = job.end()
	return errors.Join(err, ctx.Err())
}

// send publishes a spool until all of it is acknowledged.
// It is the publisher of a real job, so that frames, their waiting and their retries are real too.
func send(ctx context.Context, conn *nats.Conn, dir string, me access.Principal, grown <-chan struct{}, done <-chan struct{}) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	p := output.Publisher{Dir: dir, Job: me.Job, Lease: me.Lease, Grown: grown, Logger: slog.New(slog.DiscardHandler),
		Send: func(ctx context.Context, f events.Frame) error {
			_, err := stream.PublishFrame(ctx, js, f)
			return err
		}}
	return p.Run(ctx, done)
}

// consoleLine returns a line as a kernel or a test says it: some words, some numbers, 70 bytes.
func consoleLine(i int) string {
	kinds := []string{
		"[%5d.%06d] usb %d-1: new high-speed USB device number %d using xhci_hcd",
		"[%5d.%06d] ext4 mount on device vda%d with ordered data mode, quota none %d",
		"[%5d.%06d] CPU%d: thread -1, cpu 0, socket 0, mpidr %08x booted secondary",
		"[%5d.%06d] systemd[%d]: Started Daily rotation of log files, unit %d.",
		"%d.%06d running test case %d of 4096: memory pattern 0x%08x verified",
	}
	return fmt.Sprintf(kinds[i*31%len(kinds)], i/1000, i*997%1_000_000, i%8, uint32(i)*2654435761)
}

// durable measures how fast the broker takes the output of busy jobs.
// No services: what is measured is broker and publishers, on one disk.
func durable(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, err := b.start(ctx, filepath.Join(b.scratch, "durable"), "--services", "none")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	spools, err := b.fillSpools()
	if err != nil {
		return nil, err
	}
	for i := range b.runs {
		took, err := sendSpools(ctx, l, spools, i*b.sizes.jobs)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []float64{float64(b.sizes.jobs*b.sizes.jobLines) / took.Seconds()})
	}
	return rows, nil
}

// fillSpools writes the spool of each busy job, once for all measurements.
func (b *bench) fillSpools() (dirs []string, err error) {
	for job := range b.sizes.jobs {
		dirs = append(dirs, filepath.Join(b.scratch, fmt.Sprintf("spool-%d", job)))
	}
	if _, err := os.Stat(dirs[0]); err == nil {
		return dirs, nil
	}
	return dirs, all(len(dirs), func(job int) error {
		spool, err := output.OpenSpool(dirs[job])
		if err != nil {
			return err
		}
		log := output.New(output.Settings{Now: b.now, Write: spool.Append})
		for i := range b.sizes.jobLines {
			log.Text(events.Target, "", consoleLine(job*b.sizes.jobLines+i))
		}
		return errors.Join(log.Err(), spool.Close())
	})
}

// sendSpools publishes all spools at once, as those of the jobs after a number, and returns how long
// it took.
// The same lines as other jobs' output: the broker tells frames apart by job.
func sendSpools(ctx context.Context, l *lab, spools []string, after int) (time.Duration, error) {
	done := make(chan struct{})
	close(done) // all is said
	var conns []*nats.Conn
	for _, dir := range spools {
		// The publisher notes there how far it is; another job begins anew.
		if err := os.Remove(filepath.Join(dir, "sent.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
		log, err := l.log(ctx)
		if err != nil {
			return 0, err
		}
		conns = append(conns, log.Conn())
	}
	began := l.b.now()
	err := all(len(spools), func(i int) error {
		me := access.Principal{Role: access.Job, Job: events.JobID(after + i + 1), Lease: 1}
		return send(ctx, conns[i], spools[i], me, nil, done)
	})
	return l.b.now().Sub(began), err
}

// stored measures how fast lines that are in OUTPUT come into the tables.
func stored(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, err := b.start(ctx, filepath.Join(b.scratch, "stored"), "--services", "none")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	spools, err := b.fillSpools()
	if err != nil {
		return nil, err
	}
	if _, err := sendSpools(ctx, l, spools, 0); err != nil {
		return nil, err
	}
	log, err := l.log(ctx)
	if err != nil {
		return nil, err
	}
	for i := range b.runs {
		row, err := b.project(ctx, log, filepath.Join(b.scratch, fmt.Sprintf("engine-%d", i)))
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// project fills the tables of a new engine from a log.
// A new engine each time: tables that are filled already would merge meanwhile.
func (b *bench) project(ctx context.Context, log *stream.Log, dir string) (row []float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	v, err := engine.Start(ctx, engine.Settings{Command: []string{b.strata, "clickhouse"}, Path: dir, Database: "strata",
		Logger: slog.New(slog.DiscardHandler), Stderr: io.Discard})
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	defer v.Wait()
	defer cancel()
	db, err := projections.Open(v.DSN())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return nil, err
	}
	last, err := log.Last(ctx, stream.Output)
	if err != nil {
		return nil, err
	}
	projecting, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	began := b.now()
	go func() {
		ended <- projector.Run(projecting, projector.Deps{Log: log, DSN: v.DSN(), Now: b.now, Logger: slog.New(slog.DiscardHandler)})
	}()
	err = awaitPosition(ctx, db, stream.Output, last)
	took := b.now().Sub(began)
	size, berr := db.LogSize(ctx)
	stop()
	if err := errors.Join(err, berr, <-ended); err != nil {
		return nil, err
	}
	if want := b.sizes.jobs * b.sizes.jobLines; size.Lines != uint64(want) {
		return nil, fmt.Errorf("%d lines are in the table, want %d", size.Lines, want)
	}
	return []float64{float64(size.Lines) / took.Seconds()}, nil
}

// awaitPosition waits until the tables have a stream up to a sequence. It asks seldom: 50 questions a
// second took a tenth of a core, which was counted as the projector's.
func awaitPosition(ctx context.Context, db *projections.DB, name string, last uint64) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		at, err := db.Position(ctx, name)
		if err != nil || at >= last {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the tables are at %d of %d of %s: %w", at, last, name, ctx.Err())
		}
	}
}
