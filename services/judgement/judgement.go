package judgement

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"strata/events"
	"strata/events/stream"
	"strata/projections"
	"strata/projections/trend"
	"strata/services/judgement/verdict"
)

// Deps is what the service needs from outside.
type Deps struct {
	Log    *stream.Log // as the writer [events.JudgementService]
	Now    func() time.Time
	Logger *slog.Logger
	DB     *projections.DB // nil: there is no ClickHouse, and nothing is compared
	By     []string        // entries of the metadata in which comparable jobs agree, beside name, device type and role
	// Patience is how long the tables are waited for; 0 is [Patience].
	Patience time.Duration
}

// Patience is how long a judgement waits for the tables before it is given without a comparison.
const Patience = 2 * time.Minute

// Times between two looks: for tables that are behind, and after an error.
const (
	behind = 200 * time.Millisecond
	again  = time.Second
)

// atOnce is how many jobs are looked at at the same time.
const atOnce = 4

// Run judges jobs until ctx ends. It returns nil on an orderly stop.
func Run(ctx context.Context, d Deps) error {
	if d.Patience == 0 {
		d.Patience = Patience
	}
	j := &service{Deps: d, s: newState()}
	return d.Log.Run(ctx, stream.Driver{
		Name: "judgement",
		Fold: func(r stream.Recorded) { j.s.evolve(r) },
		Act:  func(now time.Time) (time.Time, error) { return j.act(ctx, now) },
		Checkpoint: &stream.Checkpoint{
			Format: format,
			Save:   func() ([]byte, error) { return j.s.encode() },
			Load: func(name string, data []byte) (err error) {
				j.s, err = decodeState(name, data)
				return err
			},
		},
	})
}

// service is a running service.
type service struct {
	Deps
	s *state
}

// draft is a judgement that is to be recorded.
type draft struct {
	job   events.JobID
	facts []stream.Recorded // of the job
	fact  *events.JobJudged // nil: the job is not to be judged
	wait  bool              // the tables are behind
	err   error
}

// act judges what waits, a few jobs at a time.
func (j *service) act(ctx context.Context, now time.Time) (wake time.Time, err error) {
	for {
		jobs, later := j.s.next(now)
		if len(jobs) == 0 {
			return later, nil
		}
		wake, err := j.round(ctx, jobs, now)
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		if err != nil {
			j.Logger.Warn("judgement tries again", "error", err)
			return now.Add(again), nil
		}
		if !wake.IsZero() {
			return wake, nil
		}
	}
}

// round judges the first of jobs. It returns when to look again where it could not. A job that fails is put behind the
// others; where all of the first do, whatever they ask may be away, and the others are not hurried after them.
func (j *service) round(ctx context.Context, jobs []events.JobID, now time.Time) (wake time.Time, err error) {
	lab, results, err := j.positions(ctx)
	if err != nil && !errors.Is(err, projections.ErrAway) {
		return wake, err
	}
	drafts := make([]draft, min(atOnce, len(jobs)))
	var group sync.WaitGroup
	for i := range drafts {
		group.Add(1)
		go func() {
			defer group.Done()
			drafts[i] = j.draft(ctx, jobs[i], now, lab, results)
		}()
	}
	group.Wait()
	failed := 0
	seen := map[string]bool{}
	for _, d := range drafts {
		switch {
		case d.err != nil:
		case d.wait:
			wake = now.Add(behind)
		case d.fact == nil:
			delete(j.s.waiting, d.job)
		case seen[likeness(d.facts)]:
			// It is compared with the one before it, which the tables do not have as judged yet.
		default:
			seen[likeness(d.facts)] = true
			d.err = j.record(ctx, d)
		}
		switch {
		case ctx.Err() != nil:
			return wake, ctx.Err()
		case errors.Is(d.err, stream.ErrConflict): // what came in between is read at the next look
			wake = now.Add(again)
		case d.err != nil:
			failed++
			j.s.fail(d.job, now)
			j.Logger.Warn("job not judged, tried again later", "job", d.job, "failures", j.s.waiting[d.job].failures, "error", d.err)
		}
	}
	if failed == len(drafts) {
		wake = now.Add(again)
	}
	return wake, nil
}

// positions tells how far the tables have got in LAB and RESULTS.
func (j *service) positions(ctx context.Context) (lab, results uint64, err error) {
	if j.DB == nil {
		return 0, 0, nil
	}
	if lab, err = j.DB.Position(ctx, stream.Lab); err != nil {
		return 0, 0, err
	}
	results, err = j.DB.Position(ctx, stream.Results)
	return lab, results, err
}

// likeness says which jobs may be compared with each other at most.
func likeness(facts []stream.Recorded) string {
	for _, r := range facts {
		if e, ok := r.Event.(events.JobSubmitted); ok {
			return string(e.DeviceType) + "/" + e.Name
		}
	}
	return ""
}

// record appends a judgement.
func (j *service) record(ctx context.Context, d draft) error {
	last := d.facts[len(d.facts)-1].Seq
	waited := j.s.waiting[d.job]
	r, err := j.Log.AppendOne(ctx, stream.Draft{Event: *d.fact, Cause: stream.Cause(stream.Lab, waited.Seq), Trace: waited.trace},
		func(events.Entity) uint64 { return last })
	if err != nil {
		return fmt.Errorf("judge job %d: %w", d.job, err)
	}
	j.s.evolve(r)
	j.Logger.Info("job judged", "job", d.job, "verdict", d.fact.Verdict, "cause", d.fact.Cause, "regressions", d.fact.Counts.Regressions)
	return nil
}

// draft looks at a job.
func (j *service) draft(ctx context.Context, job events.JobID, now time.Time, lab, results uint64) draft {
	d := draft{job: job}
	d.facts, d.err = j.Log.Load(ctx, events.Entity{Kind: events.Job, ID: job.String()})
	if d.err != nil {
		return d
	}
	var s story
	var outcome verdict.Outcome
	var complete *events.JobOutputComplete
	for _, r := range d.facts {
		switch e := r.Event.(type) {
		case events.JobSubmitted:
			s.submitted = e
		case events.JobFinished:
			outcome = verdict.Outcome{Health: e.Health, Type: e.ErrorType, Error: e.Error, Lost: e.Lost}
		case events.JobOutputComplete:
			complete = &e
		case events.JobJudged, events.JobRemoved:
			return d
		}
	}
	if s.submitted.Job == 0 || complete == nil || outcome.Health == "" {
		return d // its facts have gone to the archive: it is too old to be judged
	}
	waited := j.s.waiting[job]
	ready := j.DB != nil && lab >= max(waited.Seq, j.s.judged) && results >= complete.ResultSeq
	if !ready && j.DB != nil && now.Before(waited.At.Add(j.Patience)) {
		d.wait = true
		return d
	}
	s.issues = issuesFor(j.s.issues, s.submitted)
	var cases []events.Case
	if cases, d.err = j.readResults(ctx, job); d.err != nil {
		return d
	}
	var scan *verdict.Scan
	if scan, d.err = j.readLog(ctx, *complete, s.issues); d.err != nil {
		return d
	}
	for _, c := range cases {
		scan.Case(c)
	}
	s.log = scan.Decide(outcome)
	s.cases = events.SumCases(cases)
	s.away = !ready
	if ready {
		if err := j.compare(ctx, job, &s); errors.Is(err, projections.ErrAway) && now.Before(waited.At.Add(j.Patience)) {
			d.wait = true
			return d
		} else if err != nil {
			j.Logger.Warn("nothing is compared", "job", job, "error", err)
			s.before, s.series, s.away = nil, nil, true
		}
	}
	fact := decide(job, s)
	d.fact = &fact
	return d
}

// readLog reads a job's output, and looks for known issues in it.
func (j *service) readLog(ctx context.Context, complete events.JobOutputComplete, issues []*issue) (*verdict.Scan, error) {
	scan := new(verdict.Scan)
	err := j.Log.ReadOutput(ctx, stream.OutputReader{
		Job: complete.Job, ToEnd: true, SkipGaps: true,
		Frame: func(f stream.OutputFrame) error {
			if f.Lease != complete.Lease {
				return nil
			}
			for n, line := range f.Lines() {
				var r events.Record
				if json.Unmarshal(line, &r) != nil {
					r = events.Record{} // its line keeps its number
				}
				at := f.First + uint64(n)
				scan.Skip(at)
				scan.Add(r)
				if len(issues) > 0 && r.Level != events.Debug && r.Level != events.Input {
					var text string
					if json.Unmarshal(r.Message, &text) == nil {
						look(issues, text, at)
					}
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of job %d: %w", complete.Job, err)
	}
	return scan, nil
}

// readResults reads a job's test cases.
func (j *service) readResults(ctx context.Context, job events.JobID) ([]events.Case, error) {
	recorded, err := j.Log.Load(ctx, events.Entity{Kind: events.Result, ID: job.String()})
	if err != nil {
		return nil, err
	}
	var cases []events.Case
	for _, r := range recorded {
		if e, ok := r.Event.(events.ResultsRecorded); ok {
			cases = append(cases, e.Cases...)
		}
	}
	return cases, nil
}

// caseRows is how many rows of cases a comparison reads at most, about.
const caseRows = 2_000_000

// compare asks the tables for comparable jobs and what they had.
func (j *service) compare(ctx context.Context, job events.JobID, s *story) error {
	like := projections.Like{Name: s.submitted.Name, DeviceType: s.submitted.DeviceType, HealthCheck: &s.submitted.HealthCheck, Before: job,
		Limit: min(trend.Values, max(trend.Window, caseRows/max(1, len(s.cases)))), Viewer: projections.Viewer{User: s.submitted.User},
		Metadata: map[string]string{}}
	if s.submitted.Part != nil {
		like.Role = s.submitted.Part.Role
	}
	for _, key := range j.By {
		like.Metadata[key] = s.submitted.Metadata[key]
	}
	var err error
	if s.before, err = j.DB.Comparables(ctx, like); err != nil || len(s.before) == 0 {
		return err
	}
	jobs := make([]events.JobID, len(s.before))
	for i, b := range s.before {
		jobs[i] = events.JobID(b.Job)
	}
	slices.Reverse(jobs)
	s.series = map[events.CaseName]projections.Series{}
	return j.DB.Series(ctx, jobs, projections.CaseName{}, func(one projections.Series) error {
		k := events.CaseName{Suite: one.Suite, Set: one.Set, Name: one.Name}
		if _, wanted := s.cases[k]; wanted {
			s.series[k] = one
		}
		return nil
	})
}
