package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// What LAVA's server takes of a log, and how often it is asked again.
const (
	lavaBatch   = 1000 // records a post
	lavaLess    = 100  // records fewer after one that was too big
	lavaRetry   = 5 * time.Second
	lavaPatient = 60 * time.Second // for an answer
)

// tooBig stands for a record that the server will not take, whatever is left out beside it.
// The definition and case are those by which LAVA's dispatcher tells of a lost upload.
const tooBig = `- {"lvl": "results", "msg": {"definition": "lava", "case": "log-upload", "result": "fail"}}` + "\n"

// errUnknownJob says that the server does not know the job: somebody has deleted it.
var errUnknownJob = errors.New("the server does not know the job")

// lavaSender posts the records of a logs.yaml to LAVA's server while it is written: the form fields
// lines and index of scheduler/internal/v1/jobs/<id>/logs/, whose answer counts what it took. The file is
// the queue, so a server that is away costs no memory.
// index is what makes a repeated post harmless: the server counts from it, and takes nothing twice.
type lavaSender struct {
	to, token string        // the address of the job's log, and the job's token
	interval  time.Duration // the longest that a record waits for others
	wait      func(context.Context, time.Duration) error
	errs      io.Writer

	file    *bufio.Reader
	rest    []byte // of a record that is not written whole yet
	pending [][]byte
	batch   int
	index   int // records that the server has
	failed  string
	client  http.Client
}

// lavaLogURL is where the server takes the log of a job.
// LAVA's addresses end with a slash: a redirection to the one with it would lose what is posted.
func lavaLogURL(server, job string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", misuse("--url %q: want the address of a LAVA server, such as https://lava.example.com", server)
	}
	return u.JoinPath("scheduler", "internal", "v1", "jobs", job, "logs").String() + "/", nil
}

// run posts what the file gets until done is closed and everything of it is posted, or ctx ends. It
// returns errUnknownJob where there is nobody to post for.
func (l *lavaSender) run(ctx context.Context, file *os.File, done <-chan struct{}) error {
	l.file, l.batch, l.client.Timeout = bufio.NewReader(file), lavaBatch, lavaPatient
	for {
		over := false
		select {
		case <-done: // asked before the file is read: what was written until then is found
			over = true
		default:
		}
		if err := l.fill(); err != nil {
			return err
		}
		if len(l.pending) < l.batch && !over {
			if err := l.gather(ctx, done); err != nil {
				return err
			}
			if err := l.fill(); err != nil {
				return err
			}
		}
		switch {
		case len(l.pending) == 0 && over:
			return nil
		case len(l.pending) == 0:
			continue
		}
		if err := l.post(ctx); err != nil {
			return err
		}
	}
}

// gather waits for more records, or the end of the job.
// A job that ends sends what is left at once.
func (l *lavaSender) gather(ctx context.Context, done <-chan struct{}) error {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-done:
			stop()
		case <-waiting.Done():
		}
	}()
	_ = l.wait(waiting, l.interval)
	return ctx.Err()
}

// fill reads whole records, as many as go into one post.
// Its end in the middle of a record is no error: the writer is at it.
func (l *lavaSender) fill() error {
	for len(l.pending) < lavaBatch {
		line, err := l.file.ReadBytes('\n')
		l.rest = append(l.rest, line...)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read logs.yaml: %w", err)
		}
		l.pending, l.rest = append(l.pending, l.rest), nil
	}
	return nil
}

// post sends one batch, and takes off what the server took. What may pass is tried again later.
// A server that takes too large a post (413) is sent fewer at a time, at last one; that one's place is
// taken by [tooBig], or the log would end there.
func (l *lavaSender) post(ctx context.Context) error {
	batch := l.pending[:min(l.batch, len(l.pending))]
	took, code, err := l.ask(ctx, batch)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && code == http.StatusOK:
		took = min(max(took, 0), len(l.pending))
		l.pending, l.index, l.batch = l.pending[took:], l.index+took, lavaBatch
		if took > 0 {
			return nil
		}
		err = errors.New("it took no line")
	case code == http.StatusRequestEntityTooLarge && len(batch) == 1:
		l.pending[0] = []byte(tooBig)
		return nil
	case code == http.StatusRequestEntityTooLarge:
		l.batch = max(1, min(l.batch, len(batch))-lavaLess)
		return nil
	case errors.Is(err, errUnknownJob):
		return err
	}
	// Standard error becomes the job's errors on the server, so the same is not said again and again.
	if text := err.Error(); text != l.failed {
		l.failed = text
		fmt.Fprintf(l.errs, "the log cannot be sent to %s, trying again: %s\n", l.to, text)
	}
	return l.wait(ctx, lavaRetry)
}

// ask posts records and returns how many the server took, and its status.
func (l *lavaSender) ask(ctx context.Context, records [][]byte) (took, code int, err error) {
	form := url.Values{"lines": {string(bytes.Join(records, nil))}, "index": {strconv.Itoa(l.index)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.to, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("LAVA-Token", l.token)
	resp, err := l.client.Do(r)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return 0, 0, err
	}
	var answer struct {
		Count int    `json:"line_count"`
		Error string `json:"error"`
	}
	bad := json.Unmarshal(body, &answer)
	switch {
	case resp.StatusCode == http.StatusOK:
		return answer.Count, resp.StatusCode, bad
	case resp.StatusCode == http.StatusNotFound && strings.HasPrefix(answer.Error, "Unknown job"):
		return 0, resp.StatusCode, errUnknownJob
	}
	return 0, resp.StatusCode, fmt.Errorf("it answers %s %s", resp.Status, answer.Error)
}
