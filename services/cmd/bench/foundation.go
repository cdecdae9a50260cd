package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"strata/events"
	"strata/events/stream"
	"strata/services/scheduling"
)

// foundation lists the figures of the first area, in the order of its issue.
func foundation() []measure {
	return []measure{
		{[]figure{{"submissions", "1/s", 1000, false,
			"Eight clients on connections of their own each publish a definition of 0.7 KB, wait for the acknowledgement and publish the next, 5,000 in a run. " +
				"The time ends when `JobSubmitted` of the last one is in `LAB`. All services run."}}, submissions},
		{[]figure{{"submit to order p99", "ms", 50, true,
			"A client publishes a definition on an otherwise idle lab with all services; the time ends when a worker, over its own connection with its own rights, has the work order. " +
				"The worker then reports the job as finished, and the next is published when its device is released: 200 in a run."},
			{"submit to order p50", "ms", 0, true, "The median of the same."}}, orders},
		{[]figure{{"scheduling decision p99", "ms", 5, true,
			"`scheduling.Measure`, in this process: 1,000 devices of ten types, 100,000 jobs queued with tags, pins and priorities; " +
				"5,000 times a job ends, another is submitted, and a decision is made."}}, decisions},
		{[]figure{{"line to subscriber p99", "ms", 50, true,
			"A job's process (its logger, spool and publisher, with the job's own rights) writes 1,000 lines with pauses of 2 to 18 ms; " +
				"a person follows the job's log through the api. A publisher gathers lines for 20 ms, which is in the figure."},
			{"line to subscriber p50", "ms", 0, true, "The median of the same."}}, latency},
		{[]figure{{"lines durable in OUTPUT", "1/s", 200_000, false,
			"Four jobs' publishers send spools of 250,000 console lines each, one synced frame in flight a job, until the last is acknowledged."}}, durable},
		{[]figure{{"lines into ClickHouse", "1/s", 100_000, false,
			"The projector follows an `OUTPUT` that holds 1,000,000 lines into empty tables of the embedded engine, until its position is the last frame. " +
				"Broker, projector and engine share the cores. The index that searches use is filled with them."}}, stored},
		{[]figure{{"restart to serving", "s", 2, true,
			"A lab with 1,000,000 facts of 142,858 jobs was stopped in good order. From the start of the process until its `--ready` file is there and a definition published then has become `JobSubmitted`."},
			{"restart to serving after SIGKILL", "s", 0, true, "The same after the process was killed."},
			{"RSS with 1,000,000 facts", "MB", 0, true, "Resident memory of that lab, idle."}}, restart},
		{[]figure{{"idle RSS", "MB", 100, true,
			"Resident memory of `strata up` without the engine, all services running, ten seconds after a new lab is ready."}}, memory},
	}
}

// clients is how many submit at once.
const clients = 8

// submissions measures how many definitions a second become jobs.
func submissions(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, err := b.start(ctx, filepath.Join(b.scratch, "submissions"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	person, err := l.person()
	if err != nil {
		return nil, err
	}
	if _, err := furnish(ctx, person); err != nil {
		return nil, err
	}
	log, err := l.log(ctx)
	if err != nil {
		return nil, err
	}
	for range b.runs {
		took, err := submitMany(ctx, l, log)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []float64{float64(b.sizes.submissions) / took.Seconds()})
	}
	return rows, nil
}

// submitMany lets all clients publish, and returns how long it took until all had become jobs.
// The clock stops when the last fact is in LAB, not when its publication is acknowledged: a definition
// that waits for submission is no job yet.
func submitMany(ctx context.Context, l *lab, log *stream.Log) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	last, err := log.Last(ctx, stream.Lab)
	if err != nil {
		return 0, err
	}
	recorded := make(chan error, 1)
	go func() {
		n := 0
		recorded <- until(ctx, log, last+1, func(r stream.Recorded) bool {
			if _, ok := r.Event.(events.JobSubmitted); ok {
				n++
			}
			return n == l.b.sizes.submissions
		})
	}()
	published := make(chan error, clients)
	began := l.b.now()
	for c := range clients {
		person, err := l.person()
		if err != nil {
			return 0, err
		}
		go func() {
			for i := c; i < l.b.sizes.submissions; i += clients {
				if _, err := submit(ctx, person.Conn); err != nil {
					published <- err
					return
				}
			}
			published <- nil
		}()
	}
	for range clients {
		if err := <-published; err != nil {
			return 0, err
		}
	}
	if err := <-recorded; err != nil {
		return 0, fmt.Errorf("wait for jobs: %w", err)
	}
	return l.b.now().Sub(began), nil
}

// errFound ends the following of a log.
var errFound = errors.New("found")

// until follows LAB from a sequence on until found says that it is enough.
// Where the log ends for another reason than found, that is an error: a measurement must not end early
// without a word.
func until(ctx context.Context, log *stream.Log, from uint64, found func(stream.Recorded) bool) error {
	err := log.Follow(ctx, stream.Lab, from, func(r stream.Recorded) error {
		if found(r) {
			return errFound
		}
		return nil
	})
	switch {
	case errors.Is(err, errFound):
		return nil
	case err == nil:
		return ctx.Err()
	}
	return err
}

// orders measures the way from a definition to the worker that is to run it.
func orders(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, w, err := b.startWithWorker(ctx, "orders")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close(), l.stop()) }()
	for range b.runs {
		var took []time.Duration
		for range b.sizes.orders {
			one, err := submitToOrder(ctx, w)
			if err != nil {
				return nil, err
			}
			took = append(took, one)
		}
		rows = append(rows, []float64{percentile(took, 99), percentile(took, 50)})
	}
	return rows, nil
}

// submitToOrder runs one job and returns how long its order took.
// The worker's report follows after the clock has stopped, so that the next job finds an idle lab.
func submitToOrder(ctx context.Context, w *worker) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	began := w.l.b.now()
	job, err := submit(ctx, w.person.Conn)
	if err != nil {
		return 0, err
	}
	o, came, err := w.order(ctx, job)
	if err != nil {
		return 0, err
	}
	return came.Sub(began), w.finish(ctx, o, 0)
}

// decisions measures the scheduler's decision without a broker.
func decisions(ctx context.Context, b *bench) (rows [][]float64, err error) {
	for range b.runs {
		f := scheduling.Measure(b.now, scheduling.Load{Devices: b.sizes.devices, Queued: b.sizes.queued, Rounds: b.sizes.decisions})
		b.say("decision p50 %v, max %v; index made anew in %v", f.P50, f.Max, f.Start)
		rows = append(rows, []float64{milliseconds(f.P99)})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return rows, nil
}

// memory measures a lab that does nothing.
func memory(ctx context.Context, b *bench) (rows [][]float64, err error) {
	for i := range b.runs {
		l, err := b.start(ctx, filepath.Join(b.scratch, fmt.Sprintf("memory-%d", i)))
		if err != nil {
			return nil, err
		}
		size, err := l.idleMemory(ctx)
		if err := errors.Join(err, l.stop()); err != nil {
			return nil, err
		}
		rows = append(rows, []float64{size})
	}
	return rows, nil
}

// idleMemory returns the resident memory of the lab's process after a rest, in MB (10⁶ bytes).
// Garbage of the start is collected by then.
func (l *lab) idleMemory(ctx context.Context) (float64, error) {
	rest := time.NewTimer(l.b.sizes.rest)
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return l.resident()
}

// resident returns the resident memory of the lab's process now, in MB (10⁶ bytes).
func (l *lab) resident() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	var kib float64
	if _, err := fmt.Sscanf(after, "%f kB", &kib); err != nil {
		return 0, fmt.Errorf("read the resident size in %s: %w", status, err)
	}
	return kib * 1024 / 1e6, nil
}

// processors returns what the lab's process has used of the processors since it started. Its engine is
// another process.
func (l *lab) processors() (time.Duration, error) { return processorTime(l.command.Process.Pid) }

// all runs f for each index below n at once and returns the errors.
// All of them end before it returns, also where one has failed.
func all(n int, f func(int) error) error {
	failed := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { failed[i] = f(i) })
	}
	group.Wait()
	return errors.Join(failed...)
}
