package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
	"strata/projections"
	"strata/services/cmd/bench/generate"
)

// listed are lists that programs ask for again and again, with what is measured of each.
// goal is in milliseconds, 0 where the figure is only stated; how ends the sentence that the page has
// of it.
type listed struct {
	name, path string
	goal       float64
	how        string
}

// lists are asked of a million jobs. OFFSET stands for a number that is drawn.
func lists() []listed {
	return []listed{
		{"list jobs by state", "/api/v0.2/jobs/?state=Finished", 50, "the newest page of 50, with definitions and the count of all,"},
		{"list jobs by state and health", "/api/v0.2/jobs/?state=Finished&health=Incomplete", 50, "the same with a condition that one job in fifteen meets,"},
		{"list jobs by state, any page", "/api/v0.2/jobs/?state=Finished&limit=50&offset=OFFSET", 50, "a page at an offset that is drawn from all,"},
		{"list jobs by device type and time", "/api/v0.2/jobs/?requested_device_type=TYPE&ordering=-end_time&limit=20", 0, "twenty of one device type, those that ended last,"},
		{"list jobs that are queued", "/api/v0.2/jobs/?state=Submitted", 50, "answered by the fold alone,"},
	}
}

// listing are the figures of lists.
func listing() []measure {
	var figures []figure
	for _, l := range lists() {
		figures = append(figures, figure{l.name + " p95", "ms", l.goal, true, fmt.Sprintf("`GET %s`: %s %d times over one connection. The tables have 1,000,000 jobs "+
			"(`services/cmd/bench/generate`, seed 1); facts and texts of the newest 2,000 stand in the streams too. "+
			"Who asks a question first has all jobs counted; of those who ask it again only what facts have told of since is.", l.path, l.how, asks)})
	}
	return []measure{{append(figures,
		figure{"ratio of LAVA's time for a page of jobs to this", "1", 0, false, "LAVA takes 120 ms for `jobs/?limit=50`, of some thousand jobs; this is the first p95 above, of a million."}), listJobs}}
}

// lavaList is what a LAVA takes for a page of 50 jobs, in milliseconds.
const lavaList = 120

// listJobs asks a lab with a million jobs for lists.
// One lab for all runs: the first question of each list has its jobs counted, and its time is among
// the others.
func listJobs(ctx context.Context, b *bench) (rows [][]float64, err error) {
	past := generate.New(generate.Lab{Seed: 1})
	dir, err := b.listedTables(ctx, past)
	if err != nil {
		return nil, err
	}
	l, err := b.start(ctx, dir, "--listen-sql", "127.0.0.1:0", "--services", "api,projector")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	c, err := l.caller()
	if err != nil {
		return nil, err
	}
	defer c.client.CloseIdleConnections()
	if err := c.await(ctx); err != nil {
		return nil, err
	}
	// A fixed seed: runs of different builds ask for the same pages.
	draw := rand.New(rand.NewPCG(26, 11))
	for range b.runs {
		var row []float64
		for _, list := range lists() {
			took, err := b.askList(ctx, c, list, past, draw)
			if err != nil {
				return nil, err
			}
			row = append(row, took)
		}
		rows = append(rows, append(row, lavaList/row[0]))
	}
	return rows, nil
}

// askList asks for one list again and again, and returns the p95.
// Milliseconds. An empty page is an error: it would be quick, and measure nothing.
func (b *bench) askList(ctx context.Context, c *caller, list listed, past *generate.Lab, draw *rand.Rand) (float64, error) {
	var times []time.Duration
	for range asks {
		path := strings.NewReplacer("OFFSET", fmt.Sprint(draw.IntN(b.sizes.listed*9/10)),
			"TYPE", string(past.DeviceType(events.JobID(draw.IntN(b.sizes.listed)+1)))).Replace(list.path)
		var answer struct {
			Count   int   `json:"count"`
			Results []any `json:"results"`
		}
		began := b.now()
		if err := c.ask(ctx, http.MethodGet, path, nil, http.StatusOK, &answer); err != nil {
			return 0, err
		}
		times = append(times, b.now().Sub(began))
		if len(answer.Results) == 0 {
			return 0, fmt.Errorf("%s: %d jobs and none of them on the page", path, answer.Count)
		}
	}
	return percentile(times, 95), nil
}

// listedTables makes a lab's directory whose tables have a million jobs, unless it is kept, and returns it.
// They are kept under -year beside a seal, and made anew by hand only: half an hour is not thrown away
// by itself.
func (b *bench) listedTables(ctx context.Context, past *generate.Lab) (dir string, err error) {
	p, err := b.part("listed")
	if err != nil {
		return "", err
	}
	want := seal{Jobs: b.sizes.listed, Each: 4, Tables: projections.SchemaDigest()}
	if _, whole, err := p.whole(want); err != nil || whole {
		return p.dir, err
	}
	began := b.now()
	t, err := b.openTables(ctx, part{filepath.Join(p.dir, "clickhouse")})
	if err != nil {
		return "", err
	}
	err = errors.Join(t.db.Load(ctx, b.pastFacts(past)), t.db.MergeResults(ctx), t.close())
	if err == nil {
		err = b.recentJobs(ctx, p.dir, past)
	}
	if err != nil {
		return "", err
	}
	want.Seconds = b.now().Sub(began).Seconds()
	b.say("made %d jobs in %.0f s", b.sizes.listed, want.Seconds)
	return p.dir, p.finish(want)
}

// pastFacts are the facts of jobs that the tables alone have. Their sequences stand above all that the lab of
// a measurement records.
func (b *bench) pastFacts(past *generate.Lab) iter.Seq[stream.Message] {
	return func(yield func(stream.Message) bool) {
		seq := uint64(1 << 40)
		for job := events.JobID(1); job <= events.JobID(b.sizes.listed); job++ {
			if job%100_000 == 0 {
				b.say("made %d of %d jobs", job, b.sizes.listed)
			}
			for _, e := range past.Facts(job) {
				seq++
				header, body, err := events.Encode(e, events.Envelope{ID: fmt.Sprint(seq), Source: "bench", Time: past.Start(job)})
				if err != nil {
					panic(err) // the facts are ours
				}
				if !yield(stream.Message{Stream: stream.Lab, Seq: seq, At: past.Start(job), Header: header, Data: body}) {
					return
				}
			}
		}
	}
}

// recentJobs puts the newest jobs into the lab's streams: their texts, and facts from submission to end. The
// last hundred wait in the queue.
// Numbers go on behind those of the tables, as those of one lab do.
func (b *bench) recentJobs(ctx context.Context, dir string, past *generate.Lab) (err error) {
	l, err := b.start(ctx, dir, "--services", "none", "--first-job", fmt.Sprint(b.sizes.listed+1))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	log, err := l.log(ctx)
	if err != nil {
		return err
	}
	var drafts []stream.Draft
	for n := range b.sizes.recent {
		m := nats.NewMsg("submit.local")
		m.Data = []byte(jobText)
		ack, err := log.JetStream().PublishMsg(ctx, m)
		if err != nil {
			return fmt.Errorf("publish a definition: %w", err)
		}
		facts := past.Facts(events.JobID(ack.Sequence))
		if n >= b.sizes.recent-100 {
			facts = facts[:1]
		}
		for _, f := range facts {
			drafts = append(drafts, stream.Draft{Event: f})
		}
		if len(drafts) >= recorded || n == b.sizes.recent-1 {
			if _, err := log.Append(ctx, drafts, nil); err != nil {
				return err
			}
			drafts = drafts[:0]
		}
	}
	return nil
}
