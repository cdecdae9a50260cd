package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"strata/dispatcher"
	"strata/schemas/device"
)

// corpus returns the directory of recorded device types, dictionaries and jobs.
func corpus() (string, error) {
	dir := os.Getenv("STRATA_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "shared")
	}
	dir = filepath.Join(dir, "corpus")
	if _, err := os.Stat(filepath.Join(dir, "device-types")); err != nil {
		return "", fmt.Errorf("no recorded data: set STRATA_CORPUS: %w", err)
	}
	return dir, nil
}

// kinds returns the recorded device types, read afresh from disk at each use.
func kinds(dir string) *device.Templates {
	return &device.Templates{Text: func(name string) (string, bool) {
		text, err := os.ReadFile(filepath.Join(dir, "device-types", name))
		return string(text), err == nil
	}}
}

// rendering measures what it costs to render each device type once, as a lab that starts does.
func rendering(_ context.Context, b *bench) (rows [][]float64, err error) {
	dir, err := corpus()
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "device-types", "*.jinja2"))
	if err != nil || len(names) == 0 {
		return nil, errors.Join(err, fmt.Errorf("no device types in %s", dir))
	}
	for range b.runs {
		// New in each run, since it keeps what it has parsed.
		templates := kinds(dir)
		before, err := cpuOf(unix.RUSAGE_SELF)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text := "{% extends '" + filepath.Base(name) + "' %}\n"
			if _, err := templates.Render("board-01", "", []byte(text), nil); err != nil {
				return nil, err
			}
		}
		after, err := cpuOf(unix.RUSAGE_SELF)
		if err != nil {
			return nil, err
		}
		rows = append(rows, []float64{(after - before).Seconds(), float64(len(names))})
	}
	return rows, nil
}

// recordedJob is a job of the corpus with its rendered device.
type recordedJob struct{ definition, device []byte }

// recordedJobs returns the jobs of the corpus that have a dictionary of their own and that can be planned.
// corpus.csv has a line for each use of a job with a dictionary, whose seventh column names LAVA's own
// plan; those without one are left out, as is what cannot be planned here. The figure says how many
// there are.
func recordedJobs(dir, scratch string) (jobs []recordedJob, err error) {
	f, err := os.Open(filepath.Join(dir, "corpus.csv"))
	if err != nil {
		return nil, fmt.Errorf("read the recorded jobs: %w", err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the recorded jobs: %w", err)
	}
	templates, seen := kinds(dir), map[string]bool{}
	for _, line := range lines[1:] {
		key := line[0] + " " + line[1]
		if len(line) < 7 || line[1] == "" || line[6] == "" || seen[key] {
			continue
		}
		seen[key] = true
		definition, err := os.ReadFile(filepath.Join(dir, "jobs", strings.ReplaceAll(strings.TrimPrefix(line[0], "tests/"), "/", "__")))
		if err != nil {
			continue // a job that was not recorded
		}
		name := filepath.Base(line[1])
		text, err := os.ReadFile(filepath.Join(dir, "devices", name))
		if err != nil {
			continue
		}
		rendered, err := templates.Render(strings.TrimSuffix(name, ".jinja2"), "", text, nil)
		if err != nil {
			return nil, err
		}
		job := recordedJob{definition, rendered}
		if job.plan(scratch) == nil {
			jobs = append(jobs, job)
		}
	}
	return jobs, nil
}

// plan plans the job.
func (j recordedJob) plan(scratch string) error {
	_, err := dispatcher.Plan(dispatcher.Job{ID: "4242", Definition: j.definition, Device: j.device,
		Dir: filepath.Join(scratch, "plan"), Log: notStored(), Now: time.Now})
	return err
}

// planning measures how long it takes to plan a job, from its texts on.
func planning(_ context.Context, b *bench) (rows [][]float64, err error) {
	dir, err := corpus()
	if err != nil {
		return nil, err
	}
	jobs, err := recordedJobs(dir, b.scratch)
	if err != nil || len(jobs) == 0 {
		return nil, errors.Join(err, fmt.Errorf("no recorded job can be planned"))
	}
	for range b.runs {
		var sum, longest time.Duration
		// One after the other, since the processor's time is that of the whole process.
		for _, job := range jobs {
			before, err := cpuOf(unix.RUSAGE_SELF)
			if err != nil {
				return nil, err
			}
			if err := job.plan(b.scratch); err != nil {
				return nil, err
			}
			after, err := cpuOf(unix.RUSAGE_SELF)
			if err != nil {
				return nil, err
			}
			sum += after - before
			longest = max(longest, after-before)
		}
		rows = append(rows, []float64{milliseconds(sum) / float64(len(jobs)), milliseconds(longest), float64(len(jobs))})
	}
	return rows, nil
}
