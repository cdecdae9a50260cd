package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/events/stream"
)

// notifying are the figures of notifications.
func notifying() []measure {
	return []measure{{[]figure{
		{"callback while 1,000 hang elsewhere, p99", "ms", 1000, true, "`strata up` with notify alone: 1,000 jobs that ended have callbacks to a receiver that takes requests and " +
			"never answers; then 100 jobs, one after the other, have one each to another receiver. From the publication of the job, whose end is recorded at once, to the callback's arrival."},
		{"callback while none hangs, p99", "ms", 1000, true, "The same, before that."},
	}, callbacks}}
}

// receiver takes callbacks, and answers them or not.
type receiver struct {
	url  string
	came chan time.Time
	stop func()
}

// stop also ends the requests that hang.
func (b *bench) receiver(answers bool) (receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return receiver{}, fmt.Errorf("listen for callbacks: %w", err)
	}
	r := receiver{url: "http://" + l.Addr().String(), came: make(chan time.Time, 100)}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		select {
		case r.came <- b.now():
		default: // more came than anybody waits for
		}
		if !answers {
			<-q.Context().Done()
		}
	})}
	go func() { _ = server.Serve(l) }() // ends by Close
	r.stop = func() { _ = server.Close() }
	return r, nil
}

// callbacks measures how long one callback takes beside many that hang.
func callbacks(ctx context.Context, b *bench) (rows [][]float64, err error) {
	for range b.runs {
		row, err := b.callbacksOnce(ctx)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// It returns the figure beside those that hang first, as the page lists them. The lab is killed:
// thousand callbacks under way would have it wait.
func (b *bench) callbacksOnce(ctx context.Context) (row []float64, err error) {
	hangs, err := b.receiver(false)
	if err != nil {
		return nil, err
	}
	defer hangs.stop()
	works, err := b.receiver(true)
	if err != nil {
		return nil, err
	}
	defer works.stop()
	dir, err := os.MkdirTemp(b.scratch, "notify-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	config := filepath.Join(dir, "strata.yaml")
	// Loopback is refused unless it is allowed, and an attempt has to outlast the measurement.
	if err := os.WriteFile(config, []byte("notify: {allow: [127.0.0.1], timeout: 10m}\n"), 0o600); err != nil {
		return nil, err
	}
	l, err := b.start(ctx, filepath.Join(dir, "lab"), "--config", config, "--services", "notify")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.kill()) }()
	log, err := l.log(ctx)
	if err != nil {
		return nil, err
	}
	alone, err := b.measureCallbacks(ctx, log, works)
	if err != nil {
		return nil, err
	}
	var last events.JobID
	for range b.sizes.hanging {
		if last, err = endJob(ctx, log, b.now(), hangs.url); err != nil {
			return nil, err
		}
	}
	if err := planned(ctx, log, last); err != nil {
		return nil, err
	}
	beside, err := b.measureCallbacks(ctx, log, works)
	return []float64{beside, alone}, err
}

// endJob has a job with a callback end in the queue, as submission and scheduling write it.
// JobWithdrawn ends it: no worker is needed, and the definition's "finished" holds for it too.
// It is a job that never had a device, so that its end costs nothing but its facts.
func endJob(ctx context.Context, log *stream.Log, now time.Time, url string) (events.JobID, error) {
	text := strings.Replace(jobText, "actions:\n", "notify: {criteria: {status: finished}, callback: {url: '"+url+"', method: POST, content-type: json, dataset: all}}\nactions:\n", 1)
	ack, err := log.JetStream().Publish(ctx, "submit."+string(access.Local), []byte(text))
	if err != nil {
		return 0, fmt.Errorf("publish a definition: %w", err)
	}
	job := events.JobID(ack.Sequence)
	_, err = log.Append(ctx, []stream.Draft{
		{Event: events.JobSubmitted{Job: job, Display: job.String(), User: access.Local, Name: "measure the lab", At: now, DeviceType: "bench", Priority: 50,
			Visibility: events.Visibility{Public: true}, Source: events.Source{Sequence: ack.Sequence}}},
		{Event: events.JobWithdrawn{Job: job, Reason: "canceled by local"}},
	}, nil)
	return job, err
}

// planned waits until a job's callback is on its way; those of the jobs before it are then too.
func planned(ctx context.Context, log *stream.Log, job events.JobID) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		facts, err := log.Load(ctx, events.Entity{Kind: events.Notification, ID: job.String()})
		if err != nil || len(facts) > 0 {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait until the callback of job %d is planned: %w", job, ctx.Err())
		}
	}
}

// measureCallbacks ends jobs and returns the time until the callback came that 99 percent did not exceed, in milliseconds.
func (b *bench) measureCallbacks(ctx context.Context, log *stream.Log, r receiver) (float64, error) {
	var took []time.Duration
	for range b.sizes.callbacks {
		began := b.now()
		if _, err := endJob(ctx, log, began, r.url); err != nil {
			return 0, err
		}
		select {
		case at := <-r.came:
			took = append(took, at.Sub(began))
		// A callback that takes longer is no figure but a fault.
		case <-time.After(time.Minute):
			return 0, errors.New("no callback came within a minute")
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return percentile(took, 99), nil
}
