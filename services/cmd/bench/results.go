package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"syscall"
	"time"

	"strata/events"
	"strata/events/stream"
	"strata/projections"
	"strata/services/cmd/bench/generate"
	"strata/services/projector"
)

// resulting are the figures of results: how fast they come into the tables, and answers come out.
func resulting() []measure {
	made := "Results of 10,000 jobs of 1,000 cases each (`services/cmd/bench/generate`, seed 1), in RESULTS 100 cases a message, " +
		"with the jobs' facts in LAB, put there before the clock runs. "
	stored := []figure{
		{"cases ingested from RESULTS", "1/s", 200_000, false, made + "Broker, projector and engine share the cores; from the projector's start until the tables are at the end of both streams."},
		{"cases ingested, of processor time", "1/s", 0, false, "The same, for each second of a core that broker, projector and engine used: what does not hang on what else the machine does."},
		{"cases rebuilt", "1/s", 0, false, "`projections rebuild` of the same: all tables made anew beside the old ones, and swapped in."},
		{"results on disk", "bytes/case", 0, true, "Bytes of the tables of suites, sets, cases and measurements with their indexes, merged, for each case."},
	}
	asked := []figure{
		{"results on disk, PostgreSQL", "bytes/case", 0, true, "Bytes of the tables of suites, sets and cases with their indexes, after VACUUM FULL, for each case. " + postgresHow},
		{"cases inserted, PostgreSQL", "1/s", 0, false, "The same cases by one COPY, which is PostgreSQL's fastest way, into tables that have their indexes. Nothing is decoded, and no broker runs."},
	}
	for _, q := range questions() {
		asked = append(asked,
			figure{q.name + " p95", "ms", q.goal, true, fmt.Sprintf("%s %d times with values drawn from the year, as a user who may see public jobs.", q.how, asks)},
			figure{q.name + " p95, PostgreSQL", "ms", 0, true, "The same questions with the same values, in PostgreSQL, all rows fetched."},
			figure{q.name + ": PostgreSQL / Strata", "1", 0, false, "How many times as long PostgreSQL takes, by the two p95."})
	}
	return []measure{{stored, ingested}, {asked, answered}}
}

// ingested stores a year of results, unless it is kept, projects and rebuilds it.
// The tables are emptied first, also those that -year keeps: it is the filling that is measured.
func ingested(ctx context.Context, b *bench) (rows [][]float64, err error) {
	p, err := b.part("results")
	if err != nil {
		return nil, err
	}
	if err := p.empty(); err != nil {
		return nil, err
	}
	y := caseYear{bench: b, lab: generate.New(generate.Lab{Seed: 1})}
	row, err := y.project(ctx, p)
	return [][]float64{row}, err
}

// answered asks questions about a year of results, here and in PostgreSQL.
func answered(ctx context.Context, b *bench) (rows [][]float64, err error) {
	y := caseYear{bench: b, lab: generate.New(generate.Lab{Seed: 1})}
	here, err := y.askHere(ctx)
	if err != nil {
		return nil, err
	}
	p, err := b.startPostgres(ctx)
	if err != nil {
		return nil, err
	}
	there, err := p.measure(ctx, &y)
	if err = errors.Join(err, p.stop()); err != nil {
		return nil, err
	}
	// The two figures of PostgreSQL's size and speed come first; the bound keeps append from writing
	// over the others.
	row := there[:2:2]
	for i, ms := range here {
		row = append(row, ms, there[2+i], there[2+i]/ms)
	}
	return [][]float64{row}, nil
}

// caseYear is a year of results in tables.
type caseYear struct {
	*bench
	*tables
	lab *generate.Lab
}

// seal is what a part with the year's results says of itself.
func (y *caseYear) seal(tables string) seal {
	return seal{Jobs: y.sizes.yearJobs, Each: y.sizes.yearCases, Tables: tables}
}

// askHere asks the questions of the tables; they are filled first unless an earlier measurement has.
func (y *caseYear) askHere(ctx context.Context) (row []float64, err error) {
	p, err := y.part("results")
	if err != nil {
		return nil, err
	}
	_, whole, err := p.whole(y.seal(projections.SchemaDigest()))
	if err == nil && !whole {
		_, err = y.project(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	if y.tables, err = y.openTables(ctx, p); err != nil {
		return nil, err
	}
	row, err = y.ask(ctx)
	return row, errors.Join(err, y.close())
}

// project puts the year into a broker and from there into the tables of a part, twice: by a projector
// that runs, and by a rebuild. It returns the figures of both and the size.
// Rows: cases a second by the clock, by processor time, by a rebuild, and bytes a case.
func (y *caseYear) project(ctx context.Context, to part) (row []float64, err error) {
	from, err := y.part("streams")
	if err != nil {
		return nil, err
	}
	_, recorded, err := from.whole(y.seal(""))
	if err != nil {
		return nil, err
	}
	l, err := y.start(ctx, from.dir, "--services", "none")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	log, err := l.log(ctx)
	if err != nil {
		return nil, err
	}
	if !recorded {
		if err := y.record(ctx, log); err != nil {
			return nil, err
		}
		if err := from.finish(y.seal("")); err != nil {
			return nil, err
		}
	}
	if y.tables, err = y.openTables(ctx, to); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, y.close()) }()
	cases := float64(y.sizes.yearJobs * y.sizes.yearCases)
	used, took, err := y.ingest(ctx, l, log)
	if err != nil {
		return nil, err
	}
	began := y.now()
	if err := projections.NewProjector(projections.Settings{DB: y.db, Log: log}).Rebuild(ctx); err != nil {
		return nil, err
	}
	rebuilt := y.now().Sub(began)
	y.say("merging")
	if err := y.db.MergeResults(ctx); err != nil {
		return nil, err
	}
	there, size, err := y.db.ResultSize(ctx)
	if err == nil && float64(there) != cases {
		err = fmt.Errorf("%d cases are in the table, want %.0f", there, cases)
	}
	if err != nil {
		return nil, err
	}
	whole := y.seal(projections.SchemaDigest())
	whole.Seconds = took.Seconds()
	return []float64{cases / took.Seconds(), cases / used.Seconds(), cases / rebuilt.Seconds(), float64(size) / cases}, to.finish(whole)
}

// record puts the year into LAB and RESULTS.
// LAB first, as in a lab: a job's results come after it.
func (y *caseYear) record(ctx context.Context, log *stream.Log) error {
	var drafts []stream.Draft
	flush := func() error {
		_, err := log.Append(ctx, drafts, nil)
		drafts = drafts[:0]
		return err
	}
	for _, each := range []func(events.JobID) []events.Event{y.lab.Facts, y.messages} {
		for job := events.JobID(1); job <= events.JobID(y.sizes.yearJobs); job++ {
			if job%500 == 0 {
				y.say("recorded %d of %d jobs", job, y.sizes.yearJobs)
			}
			facts := each(job)
			for len(facts) > 0 {
				n := min(len(facts), recorded-len(drafts))
				for _, f := range facts[:n] {
					drafts = append(drafts, stream.Draft{Event: f})
				}
				if facts = facts[n:]; len(drafts) == recorded {
					if err := flush(); err != nil {
						return err
					}
				}
			}
		}
		if len(drafts) > 0 { // a batch is of one stream
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// recorded is how many facts are appended at once.
const recorded = 40

func (y *caseYear) messages(job events.JobID) (list []events.Event) {
	for _, m := range y.lab.Results(job, y.sizes.yearCases) {
		list = append(list, m)
	}
	return list
}

// ingest lets a projector fill the tables; it returns what processors and clock say it took.
func (y *caseYear) ingest(ctx context.Context, l *lab, log *stream.Log) (used, took time.Duration, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	before, err := y.processors(l)
	if err != nil {
		return 0, 0, err
	}
	began, ended := y.now(), make(chan error, 1)
	go func() {
		ended <- projector.Run(ctx, projector.Deps{Log: log, DSN: y.engine.DSN(), Now: y.now, Logger: slog.New(slog.DiscardHandler)})
	}()
	for _, name := range []string{stream.Lab, stream.Results} {
		last, lerr := log.Last(ctx, name)
		if err = errors.Join(err, lerr); err == nil {
			err = awaitPosition(ctx, y.db, name, last)
		}
	}
	took = y.now().Sub(began)
	after, perr := y.processors(l)
	stop()
	return after - before, took, errors.Join(err, perr, <-ended)
}

// processors returns what this process, the broker and the engine have used of processors.
func (y *caseYear) processors(l *lab) (time.Duration, error) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return 0, fmt.Errorf("read the processor time: %w", err)
	}
	sum := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	for _, pid := range []int{l.command.Process.Pid, y.engine.PID()} {
		used, err := processorTime(pid)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// asks is how often each question is asked.
const asks = 40

// ask asks all questions and returns the p95 of each in milliseconds.
func (y *caseYear) ask(ctx context.Context) (row []float64, err error) {
	for _, q := range questions() {
		var times []time.Duration
		rows := 0
		for _, v := range y.draw() {
			began := y.now()
			found, err := q.here(ctx, y, v)
			if err != nil {
				return nil, fmt.Errorf("ask for %s: %w", q.name, err)
			}
			times = append(times, y.now().Sub(began))
			rows += found
		}
		y.say("%s: %d rows in %d answers", q.name, rows, asks)
		row = append(row, percentile(times, 95))
	}
	return row, nil
}

// values are what a question is asked with.
type values struct {
	job    events.JobID
	user   events.UserName
	name   string // of jobs
	branch string
	build  string
	word   string // in names of cases
	from   string // what chart and condition begin with
	test   string // a case that measures
}

// draw draws the values of all times that a question is asked, the same for each question and engine.
func (y *caseYear) draw() []values {
	r, list := rand.New(rand.NewPCG(26, 11)), make([]values, asks)
	for i := range list {
		job := events.JobID(r.IntN(y.sizes.yearJobs) + 1)
		test := y.lab.CaseName(job, r.IntN(30))
		until := y.lab.End(job).AddDate(0, 0, r.IntN(60)+1) // a chart has the job, and most of 90 days before and after it
		list[i] = values{job: job, user: y.lab.Submitter(job), name: y.lab.Name(job), branch: y.lab.Branch(job), build: y.lab.Build(job),
			word: test[:len(test)-2], from: until.AddDate(0, 0, -90).Format(time.DateTime), test: test}
	}
	return list
}
