package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"strata/events"
	"strata/events/stream"
	"strata/projections"
	"strata/services/cmd/bench/generate"
)

// searching lists the figures of log search.
func searching() []measure {
	made := "Logs of 10,000 jobs of about 10,000 lines each (`services/cmd/bench/generate`, seed 1: 40 boards that share drivers and test suites), merged. "
	asked := "Forty texts are cut out of lines that are drawn at random; each is asked for the first 50 lines, as a user who may see public jobs. "
	return []measure{{[]figure{
		{"token search p95", "ms", 300, true, made + asked + "A text is one word, with a digit or without."},
		{"token search p50", "ms", 0, true, "The median of the same."},
		{"rare word found", "ms", 300, true, "A word that one job in 1,000 has in one line, all of them."},
		{"absent word", "ms", 300, true, "A word that no line has."},
		{"phrase search p95", "ms", 0, true, asked + "A text is three words as they stand in the line."},
		{"substring search p95", "ms", 0, true, asked + "A text is twelve bytes, beginning and ending anywhere. A search that stopped early counts with the time until then."},
		{"regex search p95", "ms", 0, true, asked + "An expression is two words of a line with `.*` between."},
		{"searches stopped early", "%", 0, true, "Of the substring and regex searches, those that ended at their 5 seconds."},
		{"log columns", "bytes/line", 12, true, "Compressed bytes of the columns of `log_line_state`, for each line."},
		{"log index", "bytes/line", 0, true, "Compressed bytes of what searches look words up in (`log_template_jobs`, `log_words`, `log_templates`), for each line."},
		{"log lines", "lines", 0, false, "How many lines there were."},
		{"log lines made and inserted", "1/s", 0, false, "They are made, taken apart and inserted without a broker; merges included, on the same cores."},
	}, searchLogs}}
}

// searchLogs fills tables with a year's logs, unless they are kept, and searches them.
// One row, whatever -runs says: to fill the tables takes half an hour, and forty texts of each kind
// are many enough.
func searchLogs(ctx context.Context, b *bench) (rows [][]float64, err error) {
	lab := generate.New(generate.Lab{Seed: 1, Lines: b.sizes.yearLines})
	p, err := b.part("logs")
	if err != nil {
		return nil, err
	}
	want := seal{Jobs: b.sizes.yearJobs, Each: b.sizes.yearLines, Tables: projections.SchemaDigest()}
	got, whole, err := p.whole(want)
	if err != nil {
		return nil, err
	}
	t, err := b.openTables(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if !whole {
		began := b.now()
		if err := errors.Join(t.db.Load(ctx, jobFacts(lab, b.sizes.yearJobs)), t.db.Load(ctx, b.logFrames(lab, b.sizes.yearJobs))); err != nil {
			return nil, err
		}
		got = want
		got.Seconds = b.now().Sub(began).Seconds()
		b.say("merging")
		if err := errors.Join(t.db.MergeResults(ctx), t.db.MergeLogs(ctx)); err != nil {
			return nil, err
		}
		if err := p.finish(got); err != nil {
			return nil, err
		}
	}
	size, err := t.db.LogSize(ctx)
	if err != nil {
		return nil, err
	}
	a := asker{bench: b, db: t.db, lab: lab, Rand: rand.New(rand.NewPCG(26, 11))}
	row, err := a.ask(ctx)
	if err != nil {
		return nil, err
	}
	lines := float64(size.Lines)
	return [][]float64{append(row, float64(size.Columns)/lines, float64(size.Index)/lines, lines, lines/got.Seconds)}, nil
}

// jobFacts are facts of jobs, so that they have submitters, devices and times.
func jobFacts(lab *generate.Lab, jobs int) iter.Seq[stream.Message] {
	return func(yield func(stream.Message) bool) {
		seq := uint64(0)
		for job := events.JobID(1); job <= events.JobID(jobs); job++ {
			at, device := lab.Start(job), lab.Device(job)
			for _, e := range []events.Event{
				events.JobSubmitted{Job: job, Display: job.String(), User: "alice", Name: "nightly", At: at.Add(-time.Minute), DeviceType: lab.DeviceType(job),
					Visibility: events.Visibility{Public: job%10 != 0}, JobTimeout: 3600},
				events.JobScheduled{Job: job, Device: device, Worker: "w1", Lease: events.Lease(job)},
				events.JobStarted{Job: job, Device: device, Worker: "w1", Lease: events.Lease(job), At: at},
				events.JobFinished{Job: job, Device: device, Worker: "w1", Lease: events.Lease(job), Health: events.Complete, At: at.Add(time.Hour)},
			} {
				seq++
				header, body, err := events.Encode(e, events.Envelope{ID: fmt.Sprint(seq), Source: "bench", Time: at})
				if err != nil {
					panic(err) // the facts are ours
				}
				if !yield(stream.Message{Stream: stream.Lab, Seq: seq, At: at, Header: header, Data: body}) {
					return
				}
			}
		}
	}
}

// logFrames are the jobs' logs as frames of OUTPUT.
// Frames are as large as a job's process makes them where it has much to say.
func (b *bench) logFrames(lab *generate.Lab, jobs int) iter.Seq[stream.Message] {
	return func(yield func(stream.Message) bool) {
		seq := uint64(0)
		for job := events.JobID(1); job <= events.JobID(jobs); job++ {
			if job%500 == 0 {
				b.say("made %d of %d logs", job, jobs)
			}
			var records []events.Record
			first, size := uint64(0), 0
			flush := func() bool {
				f, err := events.NewFrame(job, events.Lease(job), first, records)
				if err != nil {
					panic(err) // the lines are ours
				}
				seq++
				first, size, records = f.End(), 0, records[:0]
				return yield(stream.Message{Stream: stream.Output, Seq: seq, Subject: events.OutputSubject(job), Header: f.Header(), Data: f.Body, At: lab.Start(job)})
			}
			for l := range lab.Log(job) {
				message := json.RawMessage(bytes.Clone(l.Text))
				if l.Level != events.Results { // a result is JSON itself
					message, _ = json.Marshal(string(l.Text)) // a string is never refused
				}
				// 80 bytes for what surrounds a message, and room for one long line.
				if size += len(message) + 80; size > events.MaxFrameBytes-4<<10 && !flush() {
					return
				}
				records = append(records, events.Record{Time: l.Time, Level: l.Level, Message: message})
			}
			if len(records) > 0 && !flush() {
				return
			}
		}
	}
}

// asker asks searches.
type asker struct {
	*bench
	*rand.Rand
	db      *projections.DB
	lab     *generate.Lab
	stopped int
	asked   int
}

// searches is how many texts of each kind are asked.
const searches = 40

// ask returns the figures of all kinds.
// In the order of the figures: words (95th, 50th), the rare and the absent word, phrases, substrings,
// expressions, and the share that stopped early.
func (a *asker) ask(ctx context.Context) ([]float64, error) {
	tokens, err := a.times(ctx, projections.Words, func(words []string, _ string) string { return words[a.IntN(len(words))] })
	if err != nil {
		return nil, err
	}
	row := []float64{percentile(tokens, 95), percentile(tokens, 50)}
	for _, word := range []string{generate.RareWord, "nowherefound"} {
		took, err := a.one(ctx, projections.Search{Text: word, Limit: 1000})
		if err != nil {
			return nil, err
		}
		row = append(row, milliseconds(took))
	}
	a.stopped, a.asked = 0, 0
	between := regexp.MustCompile(`[0-9A-Za-z]+[^0-9A-Za-z]+[0-9A-Za-z]+[^0-9A-Za-z]+[0-9A-Za-z]+`)
	for _, k := range []struct {
		kind projections.SearchKind
		cut  func(words []string, line string) string
	}{
		{projections.Phrase, func(_ []string, line string) string { return between.FindString(line) }},
		{projections.Substring, func(_ []string, line string) string { at := a.IntN(len(line) - 12); return line[at : at+12] }},
		{projections.Regex, func(words []string, _ string) string { return words[0] + ".*" + words[len(words)-1] }},
	} {
		times, err := a.times(ctx, k.kind, k.cut)
		if err != nil {
			return nil, err
		}
		row = append(row, percentile(times, 95))
	}
	return append(row, 100*float64(a.stopped)/float64(a.asked)), nil
}

// times asks for texts that cut makes of a line and its words.
// Lines that no person would paste are drawn again, so the number of draws is not that of searches.
func (a *asker) times(ctx context.Context, kind projections.SearchKind, cut func(words []string, line string) string) ([]time.Duration, error) {
	word := regexp.MustCompile(`[0-9A-Za-z]+`)
	var times []time.Duration
	for len(times) < searches {
		skip := a.IntN(a.sizes.yearLines * 8 / 10)
		line := ""
		for l := range a.lab.Log(events.JobID(a.IntN(a.sizes.yearJobs) + 1)) {
			if skip--; skip < 0 {
				line = string(l.Text)
				break
			}
		}
		if line = strings.TrimSpace(line); strings.ContainsAny(line, "\x1b[\b") || len(line) < 20 {
			continue // what is pasted has neither colours nor stamps
		}
		words := word.FindAllString(line, -1)
		text := cut(words, line)
		if len(words) < 3 || strings.TrimSpace(text) == "" {
			continue
		}
		took, err := a.one(ctx, projections.Search{Text: text, Kind: kind})
		if err != nil {
			return nil, err
		}
		times = append(times, took)
	}
	return times, nil
}

// one asks one search and returns how long it took.
func (a *asker) one(ctx context.Context, q projections.Search) (time.Duration, error) {
	// Bob has submitted nothing, so that rights are looked at in every answer.
	q.Viewer, q.Now = projections.Viewer{User: "bob"}, a.now
	began := a.now()
	page, err := a.db.Search(ctx, q)
	if err != nil {
		return 0, fmt.Errorf("search %s %q: %w", q.Kind, q.Text, err)
	}
	took := a.now().Sub(began)
	if a.asked++; page.Stopped != "" {
		a.stopped++
	}
	if took > 300*time.Millisecond {
		a.say("%s %q took %s: %d lines, %s", q.Kind, q.Text, took.Round(time.Millisecond), len(page.Hits), page.Stopped)
	}
	return took, nil
}
