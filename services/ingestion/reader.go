package ingestion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"strata/events"
	"strata/events/stream"
)

// The checkpoint of what has been read of OUTPUT.
const (
	placeName   = "ingestion-output"
	placeFormat = "ingestion-output.v1"
)

// place is the shape of "ingestion-output.v1": how far each open job was read when everything up to
// the checkpoint's sequence had been.
type place struct {
	Jobs map[events.JobID]progress `json:"jobs"`
}

// reader reads OUTPUT and appends to RESULTS. Its fields belong to its goroutine.
type reader struct {
	Deps
	shared *shared
	ctx    context.Context

	safe     uint64 // all of OUTPUT up to here has been read
	saved    time.Time
	recorded map[events.JobID]recorded // what RESULTS has of each job
	over     map[events.JobID]bool     // jobs whose output is closed; a cache
}

// recorded is how far RESULTS has come with a job.
type recorded struct {
	lease events.Lease
	end   uint64 // the line after the last recorded stretch
	seq   uint64 // its sequence, which the next append expects
}

// restore finds the place where an earlier run was.
func (r *reader) restore(ctx context.Context) error {
	r.recorded, r.over, r.saved = map[events.JobID]recorded{}, map[events.JobID]bool{}, r.Now()
	format, seq, data, err := r.Log.LoadCheckpoint(ctx, placeName)
	if err != nil {
		return fmt.Errorf("find place in output: %w", err)
	}
	if seq == 0 {
		return nil
	}
	var p place
	if format != placeFormat {
		return fmt.Errorf("find place in output: format %q is not known, want %q", format, placeFormat)
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("find place in output: %w", err)
	}
	r.safe = seq
	for job, at := range p.Jobs {
		r.shared.put(job, at)
	}
	return nil
}

// run reads until ctx ends. What the broker does not take now is tried again from where it was.
func (r *reader) run(ctx context.Context) error {
	r.ctx = ctx
	for {
		err := r.Log.ReadOutput(ctx, stream.OutputReader{
			From: r.safe + 1,
			Next: func(job events.JobID, lease events.Lease) uint64 {
				if open, err := r.open(job, lease); err == nil && !open {
					return stream.NoMore // what waits behind a gap must not hold our place back
				}
				if at := r.shared.of(job); at.Lease == lease {
					return at.Next
				}
				return 0
			},
			Frame: r.frame,
			Gap: func(job events.JobID, from, to uint64) error {
				r.Logger.Warn("lines of output are missing", "job", job, "from", from, "to", to)
				return nil
			},
			CaughtUp: func(safe uint64) error {
				r.safe = safe
				return r.keep(ctx, false)
			},
		})
		if ctx.Err() != nil {
			// The last moment to keep the place; a restart would read some again without.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := r.keep(last, true); err != nil {
				r.Logger.Warn("place in output not kept", "error", err)
			}
			return nil
		}
		r.Logger.Warn("output is read again", "from", r.safe+1, "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// frame takes the next lines of a job.
func (r *reader) frame(f stream.OutputFrame) error {
	open, err := r.open(f.Job, f.Lease)
	if err != nil {
		return err
	}
	if open {
		if err := r.ingest(f); err != nil {
			return err
		}
	}
	r.safe = f.Safe
	return r.keep(r.ctx, false)
}

// open tells whether frames of a job under a lease are taken. The fold may be a moment behind a
// job's first frame; then the job's own history is asked.
func (r *reader) open(job events.JobID, lease events.Lease) (bool, error) {
	if has, known := r.shared.lease(job); known && has >= lease {
		return has == lease, nil
	}
	if r.over[job] {
		return false, nil
	}
	about := events.Entity{Kind: events.Job, ID: job.String()}
	facts, err := r.Log.Load(r.ctx, about)
	if err == nil {
		// Lines that are dropped do not come again: a replica that has not got the lease yet must not
		// make us say that there is none.
		err = r.Log.Current(r.ctx, about, facts)
	}
	if err != nil {
		return false, fmt.Errorf("find lease of job %d: %w", job, err)
	}
	var has events.Lease
	complete := false
	for _, fact := range facts {
		switch e := fact.Event.(type) {
		case events.JobScheduled:
			has = e.Lease
		case events.JobOutputComplete:
			complete = true
		}
	}
	// Doubles of a job that is over may come for long, and each would ask the log.
	if complete {
		if len(r.over) > 10_000 {
			clear(r.over)
		}
		r.over[job] = true
		delete(r.recorded, job)
	}
	if complete || has != lease {
		r.Logger.Warn("output dropped", "job", job, "lease", lease, "current", has, "complete", complete)
	}
	return !complete && has == lease, nil
}

// ingest counts a frame's lines and records its results.
func (r *reader) ingest(f stream.OutputFrame) error {
	p := r.shared.of(f.Job)
	if p.Lease != f.Lease {
		p = progress{Lease: f.Lease}
	}
	// Results before counts: a crash between the two only makes the counting repeat.
	cases, problems := readResults(f.Frame)
	files, odd := readFiles(f.Frame)
	problems = append(problems, odd...)
	if len(cases) > 0 || len(files) > 0 || len(problems) > 0 {
		seq, err := r.record(f.Frame, cases, files, problems)
		if err != nil {
			return err
		}
		p.ResultSeq = seq
	}
	p.Next, p.OutputSeq = f.End(), max(p.OutputSeq, f.Seq)
	p.Bytes += uint64(len(f.Body))
	p.Cases += uint64(len(cases))
	r.shared.put(f.Job, p)
	return nil
}

// record appends what a frame says of results, less what is recorded already, and returns the last
// sequence of the job's results.
func (r *reader) record(f events.Frame, cases []events.Case, files []events.File, problems []string) (uint64, error) {
	about := events.Entity{Kind: events.Result, ID: f.Job.String()}
	for {
		have, known := r.recorded[f.Job]
		if !known || have.lease != f.Lease {
			var err error
			if have, err = r.recall(f.Job, f.Lease); err != nil {
				return 0, err
			}
			r.recorded[f.Job] = have
		}
		if have.end >= f.End() {
			return have.seq, nil
		}
		fact := events.ResultsRecorded{Job: f.Job, Lease: f.Lease, FirstLine: have.end, Lines: f.End() - have.end}
		for _, c := range cases {
			if c.Line >= have.end {
				fact.Cases = append(fact.Cases, c)
			}
		}
		for _, file := range files {
			if file.Line >= have.end {
				fact.Files = append(fact.Files, file)
			}
		}
		// Frames are recorded whole by whoever is first; problems have no line, and stand with the
		// stretch that begins their frame.
		if have.end <= f.First {
			fact.Problems = problems
		}
		got, err := r.Log.AppendOne(r.ctx, stream.Draft{Event: fact, Trace: r.shared.traceOf(f.Job)}, func(events.Entity) uint64 { return have.seq })
		if errors.Is(err, stream.ErrConflict) {
			delete(r.recorded, f.Job) // another ingestion was faster
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("record results of %s: %w", about, err)
		}
		r.recorded[f.Job] = recorded{f.Lease, f.End(), got.Seq}
		return got.Seq, nil
	}
}

// recall reads how far RESULTS has come with a job.
func (r *reader) recall(job events.JobID, lease events.Lease) (recorded, error) {
	facts, err := r.Log.Load(r.ctx, events.Entity{Kind: events.Result, ID: job.String()})
	if err != nil {
		return recorded{}, fmt.Errorf("read results of job %d: %w", job, err)
	}
	have := recorded{lease: lease}
	for _, fact := range facts {
		have.seq = fact.Seq
		if e, ok := fact.Event.(events.ResultsRecorded); ok && e.Lease == lease {
			have.end = max(have.end, e.FirstLine+e.Lines)
		}
	}
	return have, nil
}

// keep saves the place in OUTPUT, now and then or at once.
func (r *reader) keep(ctx context.Context, now bool) error {
	if r.safe == 0 || !now && r.Now().Sub(r.saved) < r.Save {
		return nil
	}
	// Places of single jobs may be ahead of safe, where another job's lines wait for a gap. That is
	// right: a restart reads those frames again and passes over what lies before each place.
	r.saved = r.Now()
	p := place{Jobs: map[events.JobID]progress{}}
	r.shared.mu.Lock()
	for job, at := range r.shared.progress {
		p.Jobs[job] = at
	}
	r.shared.mu.Unlock()
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("keep place in output: %w", err)
	}
	if err := r.Log.SaveCheckpoint(ctx, placeName, placeFormat, r.safe, data); err != nil {
		return fmt.Errorf("keep place in output: %w", err)
	}
	return nil
}
