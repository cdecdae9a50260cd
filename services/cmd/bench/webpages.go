package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"strata/events"
	"strata/schemas/order"
)

// seeing is the way of what a console says into a browser.
func seeing() []measure {
	return []measure{{[]figure{
		{name: "a console's line until it is seen, 100 watchers", unit: "ms (99th percentile)", goal: 150, atMost: true,
			how: "A job's process logs lines as irregularly as a console; 99 others follow by server-sent events, a browser shows the log. From the line's logging until the frame after the one that drew it."},
		{name: "the same, half of them", unit: "ms (median)", how: "As above."},
	}, see}}
}

// see runs a job that talks, while many look.
func see(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, w, err := b.startWithWorker(ctx, "watched")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close(), l.stop()) }()
	token, err := l.token()
	if err != nil {
		return nil, err
	}
	for range min(b.runs, 3) {
		job, err := submit(ctx, w.person.Conn)
		if err != nil {
			return nil, err
		}
		o, _, err := w.order(ctx, job)
		if err != nil {
			return nil, err
		}
		got, err := seeJob(ctx, w, o, token)
		if err != nil {
			return nil, err
		}
		row, err := figuresOf(got, "p99", "p50")
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// seeJob says the lines of one job and returns what the browser saw.
// The browser decides how long the job talks: the page has to stand first.
func seeJob(ctx context.Context, w *worker, o order.Order, token string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for _, r := range []order.Report{{Claim: order.Taken}, {Claim: order.Started}} {
		r.Job, r.Lease, r.Device = o.Job, o.Lease, o.Device
		if err := w.report(ctx, r); err != nil {
			return nil, err
		}
	}
	seen := make(chan error, 1)
	var got map[string]float64
	go func() {
		var err error
		got, err = w.l.b.chromium(ctx, "watch", map[string]any{"url": w.l.HTTP, "token": token, "job": o.Job, "lines": w.l.b.sizes.lines})
		seen <- err
	}()
	for range 99 {
		go follower(ctx, fmt.Sprintf("%s/api/v1/jobs/%d/log/live", w.l.HTTP, o.Job), token) // it ends with ctx
	}
	stop := make(chan struct{})
	said := make(chan error, 1)
	lines := uint64(0)
	go func() {
		var err error
		lines, err = chatter(ctx, w, o, stop)
		said <- err
	}()
	err := <-seen
	close(stop)
	err = errors.Join(err, <-said)
	if err != nil {
		return nil, err
	}
	r := order.Report{Claim: order.Finished, Verdict: &order.Verdict{Result: "pass", Lines: lines}, Job: o.Job, Lease: o.Lease, Device: o.Device}
	empty := order.Report{Claim: order.SpoolEmpty, Lines: lines, Job: o.Job, Lease: o.Lease, Device: o.Device}
	return got, errors.Join(w.report(ctx, r), w.report(ctx, empty))
}

// follower reads a log as long as it lasts.
// Its errors are nobody's: it is there to be one more reader.
func follower(ctx context.Context, url, token string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	r.Header.Set("Authorization", "Token "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, bufio.NewReader(answer.Body)) // ends with the job
}

// chatter is a job's process that says when it said each line, until stop is closed. It returns how many they were.
// The line itself says when it was said, in milliseconds since 1970, which the browser holds its own
// clock against.
func chatter(ctx context.Context, w *worker, o order.Order, stop <-chan struct{}) (uint64, error) {
	job, err := w.speak(ctx, o)
	if err != nil {
		return 0, err
	}
	for i := 0; ; i++ {
		pause := time.NewTimer(consolePause(i))
		select {
		case <-pause.C:
			job.log.Text(events.Target, "", fmt.Sprintf("at %.3f %s", float64(w.l.b.now().UnixMicro())/1000, consoleLine(i)))
			continue
		case <-stop:
		case <-ctx.Done():
		}
		break
	}
	return job.end()
}
