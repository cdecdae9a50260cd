package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"strata/events"
	"strata/events/access"
	"strata/schemas/order"
)

// watching are the figures of live logs.
func watching() []measure {
	return []measure{{[]figure{
		{"line to 1,000 watchers p99", "ms", 100, true,
			"A job's process writes 10,000 lines a second of 80 bytes for five seconds; a thousand clients, each on a connection of its own, follow its log by server-sent events " +
				"(`/api/v1/jobs/N/log/live`). Whenever something comes at a client, the age of its oldest line counts. Lab, job and clients share the machine: ten million lines a second go over its loopback."},
		{"line to 1,000 watchers p50", "ms", 0, true, "The median of the same."},
		{"lines delivered to watchers", "1/s", 0, false, "Lines that came, of all clients together, by the time from the first line to the moment when the last client had the last one."},
		{"RSS with 1,000 watchers", "MB", 0, true, "The largest resident memory of the lab's process meanwhile."},
	}, watchJob}}
}

// watchJob lets many follow one job.
func watchJob(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, w, err := b.startWithWorker(ctx, "watchers")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close(), l.stop()) }()
	for range b.runs {
		row, err := watched1(ctx, w)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// watched1 runs a job that talks fast, with everybody looking on.
// All watchers are there before the first line: who comes later would be sent old lines, whose age
// says nothing.
func watched1(ctx context.Context, w *worker) ([]float64, error) {
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
	size := w.l.b.sizes
	ages := make([][]time.Duration, size.watchers)
	var lines atomic.Int64
	var ready sync.WaitGroup
	ready.Add(size.watchers)
	buffers := &sync.Pool{New: func() any { return new(make([]byte, 256<<10)) }}
	heard := make(chan error, 1)
	go func() {
		heard <- all(size.watchers, func(i int) (err error) {
			ages[i], err = w.l.lookOn(ctx, job, ready.Done, buffers, &lines)
			return err
		})
	}()
	ready.Wait()
	began := w.l.b.now()
	stop := make(chan struct{})
	largest := make(chan float64, 1)
	go func() { largest <- w.l.largest(stop) }()
	said, err := talkFast(ctx, w, o)
	if err != nil {
		return nil, err
	}
	if err := w.finish(ctx, o, uint64(said)); err != nil {
		return nil, err
	}
	if err := <-heard; err != nil {
		return nil, err
	}
	took := w.l.b.now().Sub(began)
	close(stop)
	var times []time.Duration
	for _, a := range ages {
		times = append(times, a...)
	}
	// A watcher that lost lines would have made the figures better.
	if want := int64(said * size.watchers); lines.Load() != want {
		return nil, fmt.Errorf("%d lines came, want %d", lines.Load(), want)
	}
	return []float64{percentile(times, 99), percentile(times, 50), float64(lines.Load()) / took.Seconds(), <-largest}, nil
}

// lookOn follows a job's log to its end, and returns how old what came was.
// It speaks HTTP by hand and reads the socket itself; the ages it returns are of the oldest line in
// each read.
func (l *lab) lookOn(ctx context.Context, job events.JobID, ready func(), buffers *sync.Pool, lines *atomic.Int64) (ages []time.Duration, err error) {
	once := sync.OnceFunc(ready)
	defer once()
	key, err := access.OpenKey(filepath.Join(l.dir, "key"))
	if err != nil {
		return nil, err
	}
	// A thousand of Go's clients would cost the machine more than what is measured.
	dialled, err := net.Dial("tcp", strings.TrimPrefix(l.HTTP, "http://"))
	if err != nil {
		return nil, err
	}
	conn := dialled.(*net.TCPConn) // that is what tcp makes
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := fmt.Fprintf(conn, "GET /api/v1/jobs/%d/log/live HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", job, key.Administrator()); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("follow job %d: %s", job, answer.Status)
	}
	once()
	// What came with the head of the answer is in the reader, and no more is read through it.
	text, _ := in.Peek(in.Buffered())
	h := hearing{now: l.b.now}
	h.take(text)
	for !h.over {
		if err := h.read(conn, buffers); err != nil {
			return h.ages, fmt.Errorf("follow job %d: it ends without an end: %w", job, err)
		}
	}
	// Less one: the event "end" has three line ends, too.
	lines.Add(int64(h.ends/3 - 1))
	return h.ages, nil
}

// hearing is what one client has heard.
type hearing struct {
	now  func() time.Time
	ages []time.Duration
	ends int    // of lines
	last []byte // the last bytes that came
	over bool   // the event "end" has come
}

// read takes what has come at a client, once something has. The buffer is borrowed for that moment: a thousand buffers
// would not stay near the processors, and the clients would take the time that is measured.
func (h *hearing) read(conn *net.TCPConn, buffers *sync.Pool) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		buffer := buffers.Get().(*[]byte)
		defer buffers.Put(buffer)
		n, err := syscall.Read(int(fd), *buffer)
		switch {
		case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
			return false
		case err != nil:
			failed = err
		case n == 0:
			failed = io.ErrUnexpectedEOF
		default:
			h.take((*buffer)[:n])
		}
		return true
	})
	return errors.Join(err, failed)
}

// take counts the lines of a piece, and notes the age of its first line that is whole.
// It looks at the beginning and the end alone: to parse ten million lines a second would take more
// than the lab has.
func (h *hearing) take(text []byte) {
	if _, after, found := bytes.Cut(text[:min(len(text), 400)], []byte(`"dt":"`)); found && len(after) > 32 {
		if at, err := time.Parse("2006-01-02T15:04:05.999999999Z07:00", string(after[:max(bytes.IndexByte(after, '"'), 0)])); err == nil {
			h.ages = append(h.ages, h.now().Sub(at))
		}
	}
	// An event of a line has three line ends. A quiet stream says so by itself, in two.
	if h.ends += bytes.Count(text, []byte("\n")); len(text) < 100 && bytes.HasPrefix(text, []byte(": ")) {
		h.ends -= 2
	}
	const end = "event: end\ndata: {}\n\n"
	h.last = append(h.last, text[max(0, len(text)-len(end)):]...)
	h.last = append(h.last[:0], h.last[max(0, len(h.last)-len(end)):]...)
	h.over = string(h.last) == end
}

// talkFast is a job's process that says so many lines a second, and returns how many it was.
func talkFast(ctx context.Context, w *worker, o order.Order) (said int, err error) {
	job, err := w.speak(ctx, o)
	if err != nil {
		return 0, err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	began := w.l.b.now()
	for said < w.l.b.sizes.watchedLines && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		// By the clock, not by the ticks: a busy machine leaves some out.
		for due := int(w.l.b.now().Sub(began) * 10_000 / time.Second); said < min(due, w.l.b.sizes.watchedLines); said++ {
			job.log.Text(events.Target, "", consoleLine(said))
		}
	}
	_, err = job.end()
	return said, errors.Join(err, ctx.Err())
}

// largest returns the largest resident memory of the lab's process until stop is closed, in MB.
func (l *lab) largest(stop <-chan struct{}) (most float64) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if now, err := l.resident(); err == nil {
			most = max(most, now)
		}
		select {
		case <-tick.C:
		case <-stop:
			return most
		}
	}
}
