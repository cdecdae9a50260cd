package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"strata/dispatcher/output"
	"strata/events"
	"strata/events/access"
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
		rows = append(rows, []float64{got["p99"], got["p50"]})
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
	me := access.Principal{Role: access.Job, Job: events.JobID(o.Job), Lease: events.Lease(o.Lease), Worker: benchWorker}
	conn, err := w.l.connect(nats.Token(o.Work.Credential), nats.CustomInboxPrefix(me.Inbox()))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	dir := filepath.Join(w.l.dir, fmt.Sprintf("spool-%d", o.Job))
	spool, err := output.OpenSpool(dir)
	if err != nil {
		return 0, err
	}
	done, sent := make(chan struct{}), make(chan error, 1)
	go func() { sent <- send(ctx, conn, dir, me, spool.Grown(), done) }()
	log := output.New(output.Settings{Now: w.l.b.now, Write: spool.Append})
	for i := 0; ; i++ {
		pause := time.NewTimer(2*time.Millisecond + time.Duration(i*7919%16000)*time.Microsecond)
		select {
		case <-pause.C:
			log.Text(events.Target, "", fmt.Sprintf("at %.3f %s", float64(w.l.b.now().UnixMicro())/1000, consoleLine(i)))
			continue
		case <-stop:
		case <-ctx.Done():
		}
		break
	}
	lines := spool.Lines()
	err = spool.Close()
	close(done)
	return lines, errors.Join(err, <-sent)
}

// processor returns the seconds of processor that a process and its children have taken: fields 14 and 15 of
// /proc/<pid>/stat, in hundredths (proc_pid_stat(5)).
func processor(pid int) (seconds float64, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // it has ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if len(f) < 13 || n != pid && f[1] != strconv.Itoa(pid) {
			continue
		}
		for _, field := range f[11:13] {
			ticks, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return 0, fmt.Errorf("read /proc/%d/stat: %w", n, err)
			}
			seconds += ticks / 100
		}
	}
	return seconds, nil
}
