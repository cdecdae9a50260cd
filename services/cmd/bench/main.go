// Command bench measures Strata: the figures that an area of the house has promised, each with its
// goal. It prints one line a figure, with tabs between
//
//	figure  value  unit  goal  met|missed
//
// and nothing else on standard output; what it does meanwhile goes to standard error. A figure
// without a goal is stated: its goal is "-", and it counts as met. The exit status is 0 even when
// goals are missed, 1 when something could not be measured, 2 when it was called wrongly.
//
// It measures from outside. A lab is `strata up` as a child process on a new data directory, with
// a broker that syncs every write, and the program is its client: people, a worker, a job's
// process. Only the scheduler's decision, which does nothing but compute, runs in this process. A
// figure is measured several times, and the median is printed: one slow second of the disk is not
// the software, nor is one lucky run.
//
// docs/measurements.md and its like for other areas are made by the same program, with -markdown.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// bench is what every measurement needs.
type bench struct {
	strata   string // the binary
	scratch  string // directory for labs, on the disk that is measured
	year     string // directory that keeps the generated year; empty: scratch
	runs     int
	sizes    sizes
	now      func() time.Time
	progress io.Writer
}

// say tells a person who waits what is being done.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

// run is the program; it returns the exit status.
// Tests call it with their own writers. Whatever happens the scratch directory is removed, but for a
// process that is killed.
func run(ctx context.Context, args []string, out, progress io.Writer) int {
	b := &bench{now: time.Now, progress: progress, sizes: full}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	name := flags.String("area", "foundation", "which figures: "+strings.Join(areaNames(), ", "))
	only := flags.String("only", "", "measure only figures with this text in their name")
	markdown := flags.String("markdown", "", "write a page with the figures to this file too")
	dir := flags.String("dir", "", "directory on the disk to measure; the default is the temporary one")
	quick := flags.Bool("quick", false, "try the program itself: small loads, figures that mean nothing")
	flags.StringVar(&b.year, "year", "", "keep the generated year (streams, tables of results, tables of logs; about 10 GB) in this directory, and\n"+
		"use again what an earlier run has left there: then nothing is generated, and \"-area tables\" takes a third of the\n"+
		"time. Figures of ingest fill the tables of results anew each time")
	jobs := flags.Int("jobs", 0, "jobs of the generated year (default 10,000; 100,000,000 log lines, 10,000,000 cases)")
	flags.StringVar(&b.strata, "strata", filepath.Join("bin", "strata"), "the binary to measure; make build makes it")
	flags.IntVar(&b.runs, "runs", 5, "how often each figure is measured; the median counts")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *quick {
		b.sizes = small
	}
	if *jobs > 0 {
		b.sizes.yearJobs = *jobs
	}
	area, err := find(*name)
	switch {
	case err != nil:
	case flags.NArg() > 0:
		err = fmt.Errorf("argument %q: there are only flags", flags.Arg(0))
	case b.runs < 1:
		err = fmt.Errorf("-runs %d: at least 1", b.runs)
	}
	if err != nil {
		b.say("%v", err)
		return 2
	}
	if len(area.measures) == 0 {
		b.say("nothing to measure in %s yet: it is not built", area.name)
		return 0
	}
	if err := b.prepare(*dir); err != nil {
		b.say("%v", err)
		return 1
	}
	defer os.RemoveAll(b.scratch)
	results, failed := b.measureAll(ctx, area.measures, *only, out)
	if *markdown != "" {
		if err := b.writePage(*markdown, area, results); err != nil {
			b.say("%v", err)
			return 1
		}
	}
	if failed {
		return 1
	}
	return 0
}

// prepare finds the binary and makes the scratch directory.
// -dir decides which disk is measured: /tmp is often memory, where syncing costs nothing.
func (b *bench) prepare(dir string) (err error) {
	if b.strata, err = filepath.Abs(b.strata); err != nil {
		return fmt.Errorf("find the binary: %w", err)
	}
	if _, err := os.Stat(b.strata); err != nil {
		return fmt.Errorf("find the binary: %w: run make build, or name it with -strata", err)
	}
	if b.scratch, err = os.MkdirTemp(dir, "strata-bench-"); err != nil {
		return fmt.Errorf("make a directory for labs: %w", err)
	}
	if b.year != "" {
		if b.year, err = filepath.Abs(b.year); err != nil {
			return fmt.Errorf("find the directory of the year: %w", err)
		}
	}
	return nil
}

// measureAll takes the measurements one after the other and prints each as soon as it is there.
// A measure that fails is told and the others go on; the exit status is 1 then. An interrupt ends them
// all.
func (b *bench) measureAll(ctx context.Context, measures []measure, only string, out io.Writer) (results []result, failed bool) {
	for _, m := range measures {
		if !slices.ContainsFunc(m.figures, func(f figure) bool { return strings.Contains(f.name, only) }) {
			continue
		}
		b.say("measuring %s", m.figures[0].name)
		began, before := b.now(), load()
		rows, err := m.take(ctx, b)
		if err == nil {
			err = checkRows(rows, len(m.figures))
		}
		if err != nil {
			b.say("%s could not be measured: %v", m.figures[0].name, err)
			failed = true
			if errors.Is(err, context.Canceled) {
				return results, true
			}
			continue
		}
		for i, f := range m.figures {
			r := newResult(f, rows, i)
			r.load = before
			results = append(results, r)
			fmt.Fprintln(out, r.line())
			b.say("%s in each run: %s", f.name, r.runs())
		}
		b.say("took %s", b.now().Sub(began).Round(time.Second))
	}
	return results, failed
}
