package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// dispatching lists the figures of the dispatcher.
func dispatching() []measure {
	return []measure{
		{[]figure{{"fetches of one file by 100 jobs", "fetches", 1, true,
			"A hundred jobs of one worker at once deploy the same file of 16 MiB from a web server that names its version, " +
				"through a cache that is empty before. Counted is how often the server sends the file."},
			{"time of these 100 jobs", "s", 0, true, "Until the last of them has its copy, checked."}}, sharedDownload},
		{[]figure{{"console matching", "MB/s", 200, false,
			"A boot log of 64 MB through a connection, with the 20 patterns of LAVA armed (kernel messages, prompts, signals), each " +
				"line logged to a log that is not stored: bytes by the processor time of the whole process."},
			{"console matching by pexpect", "MB/s", 0, false,
				"The beginning of the same log through python3-pexpect, with the same patterns and window, nothing logged; 0 where it is not installed."}}, matching},
		{[]figure{{"1000 consoles at 115200 baud", "% of a core", 10, true,
			"A thousand terminals, fed with a boot log in pieces of 10 ms by a thread that does not count, each with the same patterns armed " +
				"and its lines logged to a log that is not stored: processor time by the time that the lines take at that speed."},
			{"memory of a console", "KiB", 0, true, "What the process holds more with these consoles than without, by their number."}}, consoles},
		{[]figure{{"rendering of all device types", "s", 2, true,
			"Each recorded device type is rendered once, its templates read and parsed: processor time."},
			{"device types rendered", "types", 0, false, "How many those are."}}, rendering},
		{[]figure{{"planning a job", "ms", 5, true,
			"The recorded jobs with a device of their own, from the texts of job and device to the plan: processor time, the mean."},
			{"planning the slowest of them", "ms", 0, true, "The longest of them."},
			{"jobs planned", "jobs", 0, false, "How many those are."}}, planning},
	}
}

// downloaders is how many jobs want the file, and its size.
const (
	downloaders   = 100
	downloadBytes = 16 << 20
)

// sharedDownload measures what a worker's cache saves.
// Each row has the number of fetches and the seconds until the last job had its copy.
func sharedDownload(ctx context.Context, b *bench) (rows [][]float64, err error) {
	content := bytes.Repeat([]byte("0123456789abcdef"), downloadBytes/16)
	for range b.runs {
		dir, err := os.MkdirTemp(b.scratch, "downloads-")
		if err != nil {
			return nil, fmt.Errorf("make directory: %w", err)
		}
		begin := b.now()
		fetches, err := b.downloadAtOnce(ctx, dir, content)
		took := b.now().Sub(begin)
		if err != nil {
			return nil, err
		}
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("remove downloads: %w", err)
		}
		rows = append(rows, []float64{float64(fetches), took.Seconds()})
	}
	return rows, nil
}

// downloadAtOnce runs the jobs and returns how often the file was sent.
// The server stands in for the lab's file server: it names its version by an ETag, without which the
// cache could not know that a file is the same.
func (b *bench) downloadAtOnce(ctx context.Context, dir string, content []byte) (fetches int64, err error) {
	var sent atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Method == http.MethodHead {
			return
		}
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified) // to a job that began after the fetch
			return
		}
		sent.Add(1)
		_, _ = w.Write(content) // a job that goes away reports so itself
	}))
	defer site.Close()
	definition := "timeouts: {job: {minutes: 10}, action: {minutes: 9}, actions: {http-download: {minutes: 9}}}\n" +
		"actions: [deploy: {to: downloads, images: {image: {url: '" + site.URL + "/image'}}}]\n"
	verdicts := make(chan dispatcher.Verdict, downloaders)
	var jobs sync.WaitGroup
	for n := range downloaders {
		jobs.Go(func() {
			verdicts <- dispatcher.Run(ctx, dispatcher.Job{
				ID: fmt.Sprint(n), Definition: []byte(definition), Device: []byte(downloadDevice),
				Dir: filepath.Join(dir, fmt.Sprint(n)), Now: time.Now,
				Log: output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }}),
				// One cache for all of them, as on a worker; its limit is far above the file, so that
				// nothing is thrown out.
				Services: pipeline.Services{Cache: pipeline.Store{Dir: filepath.Join(dir, "cache"), Limit: 1 << 30}},
			})
		})
	}
	jobs.Wait()
	close(verdicts)
	for v := range verdicts {
		if v.Health != events.Complete {
			return 0, fmt.Errorf("a job ended: %s error: %s", v.ErrorType, v.Error)
		}
	}
	return sent.Load(), nil
}

// downloadDevice is a board that nothing is done to.
const downloadDevice = `
constants: {failure_retry: 1, boot_retry: , spawn_maxread: '4092', default-shell-prompt: 'lava-test: # '}
parameters: {pass: }
actions: {deploy: {methods: {}, connections: {}}, boot: {methods: {}, connections: {}}}
timeouts: {actions: {}, connections: {}}
`
