package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"strata/events/access"
)

// knocking lists the figures of the doors.
func knocking() []measure {
	return []measure{
		{[]figure{
			{"submissions over REST", "1/s", 1000, false,
				"Eight clients, each on a connection of its own, POST a definition of 0.7 KB to `/api/v0.2/jobs/`, wait for 201, which comes after the lab's verdict, and post the next. All services run."},
			{"submission over REST p50", "ms", 0, true, "How long each of these waits for its answer."},
			{"submission over REST p99", "ms", 0, true, "The same."},
			{"system/version p99, all submitting", "ms", 5, true, "Meanwhile a ninth client asks `/api/v0.2/system/version/` every ten milliseconds."},
			{"processor time of a submission over REST", "ms", 0, true, "What the lab's process has used of the processors meanwhile, all of its services and the broker, by the number of submissions. The clients' is not in it, and the machine's load hardly matters."},
			{"RSS after submissions over REST", "MB", 0, true, "The resident memory of the lab's process after the run. Jobs of earlier runs are in the queue still: each adds 5,000."},
			{"ratio of submissions over REST to LAVA's", "1", 0, false, "LAVA with 8 clients takes 22 a second, measured on a machine of this size (2 cores, PostgreSQL, four gunicorn workers)."},
		}, restSubmissions},
	}
}

// lavaSubmissions is what a LAVA takes over REST from eight clients, a second.
const lavaSubmissions = 22

// caller is a program that asks over HTTP.
type caller struct {
	base   string
	token  string
	client *http.Client
}

// caller returns one that has a connection of its own and the administrator's rights.
// The limits on rates and connections of one caller are lifted by [bench.start].
func (l *lab) caller() (*caller, error) {
	key, err := access.OpenKey(filepath.Join(l.dir, "key"))
	if err != nil {
		return nil, err
	}
	return &caller{l.HTTP, key.Administrator(), &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: time.Minute}}, nil
}

// ask sends a request and decodes the answer, which has to be want.
// The answer is read to its end, or the connection could not be used again. An answer of another
// status is an error that shows its beginning.
func (c *caller) ask(ctx context.Context, method, path string, body []byte, want int, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Token "+c.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("%s %s: %s, want %d: %.200s", method, path, answer.Status, want, text)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// await waits until the door is open, which in a lab of a million jobs may be a moment after the process is ready.
func (c *caller) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.ask(ctx, http.MethodGet, "/api/v0.2/system/version/", nil, http.StatusOK, nil)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the door: %w", err)
		}
	}
}

// restSubmissions measures how many definitions a second are judged over HTTP.
// The runs follow one another in one lab: what earlier ones have left in the queue is a part of what
// is measured.
func restSubmissions(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, err := b.start(ctx, filepath.Join(b.scratch, "doors"))
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
	if c, err := l.caller(); err != nil {
		return nil, err
	} else if err := c.await(ctx); err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"definition": jobText})
	if err != nil {
		return nil, err
	}
	for range b.runs {
		row, err := postMany(ctx, l, body)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// postMany lets all clients submit, and another ask for the version meanwhile.
// The version is asked for by a ninth client, so that what is slow for it is the lab and not a client
// that waits in line.
func postMany(ctx context.Context, l *lab, body []byte) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	each := l.b.sizes.submissions / clients
	waits := make([][]time.Duration, clients)
	asking, enough := context.WithCancel(ctx)
	defer enough()
	versions, asked := make(chan []time.Duration, 1), make(chan error, 1)
	go func() {
		times, err := askVersion(asking, l)
		versions <- times
		asked <- err
	}()
	before, err := l.processors()
	if err != nil {
		return nil, err
	}
	began := l.b.now()
	err = all(clients, func(i int) error {
		c, err := l.caller()
		if err != nil {
			return err
		}
		defer c.client.CloseIdleConnections()
		for range each {
			sent := l.b.now()
			if err := c.ask(ctx, http.MethodPost, "/api/v0.2/jobs/", body, http.StatusCreated, nil); err != nil {
				return err
			}
			waits[i] = append(waits[i], l.b.now().Sub(sent))
		}
		return nil
	})
	took := l.b.now().Sub(began)
	after, cpuErr := l.processors()
	memory, memoryErr := l.resident()
	enough()
	version := <-versions
	if err = errors.Join(err, cpuErr, memoryErr, <-asked); err != nil {
		return nil, err
	}
	var times []time.Duration
	for _, w := range waits {
		times = append(times, w...)
	}
	rate := float64(each*clients) / took.Seconds()
	// Milliseconds for each submission.
	cost := float64((after - before).Microseconds()) / 1000 / float64(each*clients)
	return []float64{rate, percentile(times, 50), percentile(times, 99), percentile(version, 99), cost, memory, rate / lavaSubmissions}, nil
}

// askVersion asks for the version every ten milliseconds until ctx ends, and says how long each took.
func askVersion(ctx context.Context, l *lab) (times []time.Duration, err error) {
	c, err := l.caller()
	if err != nil {
		return nil, err
	}
	defer c.client.CloseIdleConnections()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		// One is always asked, and none is broken off.
		sent := l.b.now()
		if err := c.ask(context.WithoutCancel(ctx), http.MethodGet, "/api/v0.2/system/version/", nil, http.StatusOK, nil); err != nil {
			return nil, err
		}
		times = append(times, l.b.now().Sub(sent))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return times, nil
		}
	}
}
