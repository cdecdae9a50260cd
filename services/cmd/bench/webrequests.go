package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"strata/services/api"
)

// paging is the figures of all pages.
func paging() []measure {
	return []measure{{[]figure{
		{name: "first paint of a page", unit: "ms", goal: 300, atMost: true, how: "First contentful paint in a browser that has nothing of the lab yet, the median of five visits of the slowest page. " +
			"The lab has 21 devices and 312 jobs that ran on them; the pages are those of each kind that there is, some forty."},
		{name: "what a page needs to be drawn", unit: "KB", goal: 150, atMost: true, how: "Bytes as they travel, of the document, styles and scripts of the largest page."},
		{name: "page requests a second on one core", unit: "/s", goal: 50, how: "Requests of all these pages in turn, by the seconds of processor that the lab took for them, its engine's included. Nothing happens in the lab meanwhile."},
		{name: "the same, while jobs change", unit: "/s", how: "With a fact about a job before each page, after which no answer that was kept holds; each is asked for three times then, as by those who follow it."},
		{name: "the slowest page, answered after a change", unit: "ms", goal: 300, atMost: true, how: "From the request to the end of its answer, of the page that takes longest; each page's time is the best of five, each after a fact about a job."},
	}, page}}
}

// pagesSeen are the pages that are measured: each kind that there is.
// A new page gets a line here, or nobody sees that it is slow.
func pagesSeen() []string {
	return []string{"/", "/scheduler/alljobs", "/scheduler/alljobs?search=live&state=Finished", "/scheduler/job/1", "/scheduler/job/1/log", "/scheduler/job/20", "/scheduler/job/20?tab=results",
		"/scheduler/job/20?tab=timing", "/scheduler/job/20?tab=inputs", "/scheduler/job/20/definition", "/scheduler/job/20/compare?with=19",
		"/scheduler/alldevices/active", "/scheduler/device/sim-1", "/scheduler/device/sim-1/devicedict", "/scheduler/device_types", "/scheduler/device_type/sim", "/scheduler/dthealthhistory/device_type/sim",
		"/scheduler/allworkers", "/scheduler/worker/rehearsal.example.com", "/scheduler/labhealth/", "/scheduler/", "/scheduler/running", "/scheduler/queue",
		"/scheduler/reports", "/scheduler/reports/failures", "/scheduler/reports/utilisation", "/scheduler/reservations", "/scheduler/jobsubmit",
		"/results/", "/results/20", "/results/20/0_smoke", "/results/20/0_smoke/network", "/results/matrix?device_type=sim", "/results/history?suite=0_smoke&case=boot-time",
		"/results/query/", "/results/query/+custom?entity=testjob&conditions=testjob__health__exact__Incomplete", "/results/chart/",
		"/search?q=simulated", "/notifications", "/me/", "/admin/", "/help/", "/help/glossary", "/api/help/"}
}

// pagesScript is what the devices of the lab with pages do.
const pagesScript = `seed: 1
device_type: sim
devices: 20
jobs:
- name: passes
  weight: 8
  console:
  - {say: "U-Boot 2026.01"}
  - {noise: 40}
  - {say: "simulated login:"}
  - result: {suite: 0_smoke, case: boot-time, measurement: 7.1, units: s}
  - result: {suite: 0_smoke, case: network}
  - result: {suite: 1_ltp, case: abort01}
  - result: {suite: 1_ltp, case: accept02, result: fail}
- name: does not boot
  weight: 1
  end: fail
  error_type: Infrastructure
  error: the console is silent after power on
  console:
  - {noise: 5}
  - result: {suite: 0_smoke, case: network, result: fail}
`

// page visits pages of a lab with some hundred jobs.
func page(ctx context.Context, b *bench) (rows [][]float64, err error) {
	l, err := b.start(ctx, filepath.Join(b.scratch, "pages"), "--listen-sql", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	person, end, err := l.history(ctx)
	defer func() { err = errors.Join(err, end()) }()
	if err != nil {
		return nil, err
	}
	token, err := l.token()
	if err != nil {
		return nil, err
	}
	visits := 5
	if b.sizes.longLog < full.longLog {
		visits = 1 // the program itself is tried
	}
	// Each run visits all pages in a browser; three of them tell the spread.
	for range min(b.runs, 3) {
		got, err := b.chromium(ctx, "pages", map[string]any{"url": l.HTTP, "token": token, "pages": pagesSeen(), "visits": visits})
		if err != nil {
			return nil, err
		}
		row, err := figuresOf(got, "paint", "kilobytes")
		if err != nil {
			return nil, err
		}
		for _, path := range pagesSeen() {
			b.say("%s: first paint %.0f ms", path, got["paint of "+path])
		}
		rate, _, err := l.pageRate(ctx, token, 5, nil)
		if err != nil {
			return nil, err
		}
		busy, slowest, err := l.pageRate(ctx, token, 5, person)
		if err != nil {
			return nil, err
		}
		rows = append(rows, append(row, rate, busy, slowest))
	}
	return rows, nil
}

// history has a lab run jobs: one that talks long, and some hundred on twenty devices. It returns the administrator, and
// what ends the workers, which is there whatever else failed.
// sizes are put back in the end: later measurements have their own.
func (l *lab) history(ctx context.Context) (person *api.Client, end func() error, err error) {
	sizes := l.b.sizes
	defer func() { l.b.sizes = sizes }()
	w, err := l.worker(ctx)
	if err != nil {
		return nil, func() error { return nil }, err
	}
	for range 12 {
		job, err := submit(ctx, w.person.Conn)
		if err != nil {
			return nil, w.close, err
		}
		o, _, err := w.order(ctx, job)
		if err != nil {
			return nil, w.close, err
		}
		if err := errors.Join(talk(ctx, w, o, func() {}), w.finish(ctx, o, uint64(l.b.sizes.lines))); err != nil {
			return nil, w.close, err
		}
		l.b.sizes.lines = min(sizes.lines, 50) // the first job alone talks long
	}
	script := filepath.Join(l.dir, "script.yaml")
	if err := os.WriteFile(script, []byte(pagesScript), 0o600); err != nil {
		return nil, w.close, err
	}
	played, err := l.playedWorker(ctx, "rehearsal.example.com", script)
	if err != nil {
		return nil, w.close, err
	}
	l.b.sizes.lives = 300
	if sizes.longLog < full.longLog {
		l.b.sizes.lives = 40
	}
	_, err = live(ctx, l, w.log)
	return &w.person, func() error { return errors.Join(played(), w.close()) }, err
}

// pageRate asks for all pages several times and returns how many a core's second is enough for, and how long the slowest
// took at its best, in milliseconds. Where somebody changes jobs, a fact comes before each page, which is asked for three times then.
func (l *lab) pageRate(ctx context.Context, token string, rounds int, changes *api.Client) (rate, slowest float64, err error) {
	// The lab's engine is a child of the process, and counts.
	pid := l.command.Process.Pid
	before, err := processorTimeOfAll(pid)
	if err != nil {
		return 0, 0, err
	}
	best, asked := map[string]time.Duration{}, 0
	for round := range rounds {
		for _, path := range pagesSeen() {
			turns := 1
			if changes != nil {
				turns = 3
				ask := api.AnnotateRequest{Job: 20, Comment: fmt.Sprintf("turn %d of %s", round, path)}
				if err := changes.Call(ctx, "jobs.annotate", ask, nil); err != nil {
					return 0, 0, err
				}
			}
			for turn := range turns {
				took, err := l.pageTime(ctx, token, path)
				if err != nil {
					return 0, 0, err
				}
				// The first of the three has to make the answer anew; what it takes is the figure, the
				// others are answered from what was kept.
				if old, known := best[path]; turn == 0 && (!known || took < old) {
					best[path] = took
				}
				asked++
			}
		}
	}
	after, err := processorTimeOfAll(pid)
	// Names sorted first, so that of two that are alike the same is told each time.
	longest := slices.MaxFunc(slices.Sorted(maps.Keys(best)), func(a, b string) int { return int(best[a] - best[b]) })
	l.b.say("the page that takes longest to answer is %s", longest)
	return float64(asked) / max(after-before, procTick).Seconds(), float64(best[longest].Microseconds()) / 1000, err
}

// pageTime asks for a page and returns how long its answer took.
func (l *lab) pageTime(ctx context.Context, token, path string) (time.Duration, error) {
	began := l.b.now()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.HTTP+path, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Token "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close() // it was read to its end
	if err != nil {
		return 0, fmt.Errorf("page %s: %w", path, err)
	}
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("page %s: %s\n%s", path, answer.Status, strings.TrimSpace(string(text[:min(len(text), 500)])))
	}
	return l.b.now().Sub(began), nil
}
