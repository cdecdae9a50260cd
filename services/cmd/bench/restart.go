package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"strata/events"
	"strata/events/stream"
	"strata/services/api"
)

// restart measures how soon a lab with a history serves again.
func restart(ctx context.Context, b *bench) (rows [][]float64, err error) {
	dir := filepath.Join(b.scratch, "restart")
	if err := b.makeHistory(ctx, dir); err != nil {
		return nil, fmt.Errorf("make a history: %w", err)
	}
	for range b.runs {
		orderly, size, err := b.serveAgain(ctx, dir, true)
		if err != nil {
			return nil, err
		}
		killed, _, err := b.serveAgain(ctx, dir, false)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []float64{orderly.Seconds(), killed.Seconds(), size})
	}
	return rows, nil
}

// makeHistory fills LAB, lets every service fold it and write its checkpoint, and waits until the
// facts are as old as those of a real lab.
func (b *bench) makeHistory(ctx context.Context, dir string) error {
	// What is submitted later must not get the number of a job that is recorded here.
	l, err := b.start(ctx, dir, "--services", "none", "--first-job", strconv.Itoa(b.sizes.facts))
	if err != nil {
		return err
	}
	filled := b.now()
	b.say("recording %d facts", b.sizes.facts)
	if err := errors.Join(l.record(ctx, b.sizes.facts), l.stop()); err != nil {
		return err
	}
	b.say("that took %s; each service folds them", b.now().Sub(filled).Round(time.Second))
	if l, err = b.start(ctx, dir); err != nil {
		return err
	}
	if err = l.quiet(ctx); err == nil {
		var person api.Client
		if person, err = l.person(); err == nil {
			_, err = furnish(ctx, person)
		}
	}
	if err := errors.Join(err, l.stop()); err != nil {
		return err
	}
	if !b.sizes.aged {
		return nil
	}
	old := time.NewTimer(stream.FactWindow)
	defer old.Stop()
	b.say("waiting %s until message ids are forgotten", stream.FactWindow)
	select {
	case <-old.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// record appends the facts of jobs from submission to the release of their devices.
// Seven facts a job in one append of at most [stream.MaxBatch]: a history is made in minutes, not
// hours.
func (l *lab) record(ctx context.Context, facts int) error {
	log, err := l.log(ctx)
	if err != nil {
		return err
	}
	const devices = 100
	var drafts []stream.Draft
	add := func(facts ...events.Event) {
		for _, f := range facts {
			drafts = append(drafts, stream.Draft{Event: f})
		}
	}
	flush := func() error {
		_, err := log.Append(ctx, drafts, nil)
		drafts = drafts[:0]
		return err
	}
	add(events.DeviceTypeAdded{DeviceType: "bench", By: "local"}, events.WorkerRegistered{Worker: "w1", By: "local"})
	if err := flush(); err != nil {
		return err
	}
	for i := range devices {
		add(events.DeviceAdded{Device: deviceOf(i), DeviceType: "bench", Worker: "w1", Health: events.Good, By: "local"})
	}
	if err := flush(); err != nil {
		return err
	}
	at := l.b.now().UTC()
	// n counts facts, those of devices, type and worker among them.
	for n, job := devices+2, events.JobID(1); n < facts; n, job = n+7, job+1 {
		d, lease := deviceOf(int(job)%devices), events.Lease(n)
		add(events.JobSubmitted{Job: job, Display: job.String(), User: "local", Name: "measure the lab", At: at, DeviceType: "bench",
			Priority: 50, Visibility: events.Visibility{Public: true}, JobTimeout: 900, Source: events.Source{Sequence: uint64(job), Bytes: 800, SHA256: strings.Repeat("0", 64)}},
			events.JobScheduled{Job: job, Device: d, Worker: "w1", Lease: lease},
			events.DeviceReserved{Device: d, Job: job, Lease: lease},
			events.JobStarted{Job: job, Device: d, Worker: "w1", Lease: lease, At: at},
			events.JobFinished{Job: job, Device: d, Worker: "w1", Lease: lease, Health: events.Complete, At: at, LinesKnown: true},
			events.DeviceReleased{Device: d, Job: job, Lease: lease},
			events.JobOutputComplete{Job: job, Lease: lease})
		if len(drafts)+7 > stream.MaxBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func deviceOf(i int) events.DeviceName { return events.DeviceName(fmt.Sprintf("device-%02d", i)) }

// serveAgain starts a lab that was there before and returns how long it took until it served: its
// --ready file is there, and a definition that was published then has become a job. In the end it
// kills the lab, or stops it in good order, which is what the next start finds.
// So the first start of a run finds what the last one has left: orderly ends and kills come in turn.
func (b *bench) serveAgain(ctx context.Context, dir string, kill bool) (took time.Duration, size float64, err error) {
	l, err := b.start(ctx, dir)
	if err != nil {
		return 0, 0, err
	}
	ready := b.now().Sub(l.began)
	took, err = l.serves(ctx)
	if err != nil {
		return 0, 0, errors.Join(err, l.stop())
	}
	b.say("ready after %v, the first definition a job after %v", ready.Round(time.Millisecond), took.Round(time.Millisecond))
	if size, err = l.idleMemory(ctx); err != nil {
		return 0, 0, errors.Join(err, l.stop())
	}
	if !kill {
		return took, size, l.stop()
	}
	return took, size, l.kill()
}

// serves publishes a definition and returns how long after the start of the lab it was a job.
func (l *lab) serves(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	log, err := l.log(ctx)
	if err != nil {
		return 0, err
	}
	last, err := log.Last(ctx, stream.Lab)
	if err != nil {
		return 0, err
	}
	person, err := l.person()
	if err != nil {
		return 0, err
	}
	job, err := submit(ctx, person.Conn)
	if err != nil {
		return 0, err
	}
	err = until(ctx, log, last+1, func(r stream.Recorded) bool {
		submitted, ok := r.Event.(events.JobSubmitted)
		return ok && submitted.Job == job
	})
	return l.b.now().Sub(l.began), err
}

// quiet waits until the lab's process has used next to no processor time for a while: it has
// folded what there is.
// Three seconds with at most a tenth of a second of processor time each.
func (l *lab) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	used, calm := time.Duration(-1), 0
	for calm < 3 {
		select {
		case <-tick.C:
		case err := <-l.ended:
			return fmt.Errorf("the lab ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err := l.processors()
		if err != nil {
			return err
		}
		if calm++; used < 0 || now-used > 100*time.Millisecond {
			calm = 0
		}
		used = now
	}
	return nil
}
