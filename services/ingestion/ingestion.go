package ingestion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Deps is what ingestion needs from outside.
type Deps struct {
	Log    *stream.Log // as ingestion
	Now    func() time.Time
	Logger *slog.Logger

	// OutputLimit is how long lines of a finished job are waited for; 0 is [OutputLimit].
	OutputLimit time.Duration
	// Save is how often the place in OUTPUT is kept; 0 is 10 s. A restart reads again from there.
	Save time.Duration
}

// OutputLimit is how long after a job's end its missing lines are waited for: the worker may be
// away with its spool.
const OutputLimit = 24 * time.Hour

// Run ingests until ctx ends. It returns nil on an orderly stop.
func Run(ctx context.Context, d Deps) error {
	if d.OutputLimit == 0 {
		d.OutputLimit = OutputLimit
	}
	if d.Save == 0 {
		d.Save = 10 * time.Second
	}
	s := &service{Deps: d, ctx: ctx, fold: newFold(), shared: newShared(), folded: make(chan struct{})}
	err := s.run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// run reads OUTPUT in the background and follows LAB until ctx ends.
func (s *service) run(ctx context.Context) error {
	r := &reader{Deps: s.Deps, shared: s.shared}
	if err := r.restore(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		// Not before: of a job whose facts have aged out only the fold knows that its output is open.
		select {
		case <-s.folded:
			done <- r.run(ctx)
		case <-ctx.Done():
			done <- nil
		}
		stop()
	}()
	err := s.Log.Run(ctx, stream.Driver{
		Name: "ingestion", Wake: s.shared.wakes, Act: s.act,
		Fold:       func(rec stream.Recorded) { s.evolve(rec, s.fold.lab.Evolve(rec.Seq, rec.Time, rec.Event)) },
		Checkpoint: &stream.Checkpoint{Format: foldFormat, Save: func() ([]byte, error) { return s.fold.encode() }, Load: s.load},
	})
	stop()
	return errors.Join(err, <-done)
}

// service follows LAB and says when a job's output is complete.
type service struct {
	Deps
	ctx    context.Context
	fold   *fold
	shared *shared
	folded chan struct{} // closed once all of LAB was folded for the first time
	begun  bool          // it is
}

// shared is what the two goroutines tell each other; the lock is never held over I/O.
type shared struct {
	wakes chan struct{} // the reader has read more

	mu       sync.Mutex
	leases   map[events.JobID]events.Lease // of jobs whose output is open, from LAB
	traces   map[events.JobID]string       // W3C traceparent of jobs in leases; a restart forgets them
	progress map[events.JobID]progress     // from the reader
}

// progress is how far a job's output has been read.
type progress struct {
	Lease     events.Lease `json:"lease"`
	Next      uint64       `json:"next"`  // the line to come
	Bytes     uint64       `json:"bytes"` // of the records before it
	Cases     uint64       `json:"cases"`
	OutputSeq uint64       `json:"output_seq"` // of its last message
	ResultSeq uint64       `json:"result_seq"` // last message of its results that this process knows
}

// newShared is what two goroutines share that have not begun.
func newShared() *shared {
	return &shared{wakes: make(chan struct{}, 1), leases: map[events.JobID]events.Lease{}, traces: map[events.JobID]string{}, progress: map[events.JobID]progress{}}
}

// of returns how far a job has been read, and put notes it and wakes the follower of LAB.
func (s *shared) of(job events.JobID) progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress[job]
}

func (s *shared) put(job events.JobID, p progress) {
	s.mu.Lock()
	s.progress[job] = p
	s.mu.Unlock()
	select {
	case s.wakes <- struct{}{}:
	default:
	}
}

// lease returns the lease that a job has in LAB, as far as that was folded.
func (s *shared) lease(job events.JobID) (events.Lease, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, known := s.leases[job]
	return l, known
}

// trace notes the trace of a job whose output is open, and traceOf returns it.
func (s *shared) trace(job events.JobID, trace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.leases[job]; open && trace != "" {
		s.traces[job] = trace
	}
}

func (s *shared) traceOf(job events.JobID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.traces[job]
}

// evolve keeps what this service remembers beside the fold.
func (s *service) evolve(r stream.Recorded, c lab.Changes) {
	if e, ok := r.Event.(events.JobOutputEnded); ok {
		s.fold.ended[e.Job] = ended{e.Lease, e.Lines}
	}
	if c.Job != nil {
		s.index(c.Job)
		s.shared.trace(c.Job.ID, r.Trace)
	}
}

// index opens a job's output once it has a lease, and closes it when it is complete.
func (s *service) index(j *lab.Job) {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	if j.Run != nil && !j.Run.OutputComplete {
		s.shared.leases[j.ID] = j.Run.Lease
		if j.State == lab.Finished {
			s.fold.waiting[j.ID] = true
		}
		return
	}
	delete(s.shared.leases, j.ID)
	delete(s.shared.traces, j.ID)
	// A job that went back to the queue keeps its place: there are no lines of it.
	if j.Run != nil {
		delete(s.shared.progress, j.ID)
	}
	delete(s.fold.waiting, j.ID)
	delete(s.fold.ended, j.ID)
}

// act says of finished jobs that their output is complete, where it is, and when to ask again.
func (s *service) act(now time.Time) (wake time.Time, err error) {
	if !s.begun {
		s.begun = true
		close(s.folded)
	}
	var drafts []stream.Draft
	for _, j := range s.fold.finished() {
		fact, ask := s.fold.decide(j, s.shared.of(j.ID), now, s.OutputLimit)
		if fact == nil {
			if wake.IsZero() || ask.Before(wake) {
				wake = ask
			}
			continue
		}
		if fact.ResultSeq, err = s.lastResult(j.ID); err != nil {
			return s.putOff(now, err)
		}
		drafts = append(drafts, stream.Draft{Event: *fact, Trace: s.shared.traceOf(j.ID)})
	}
	for len(drafts) > 0 {
		batch := drafts[:min(len(drafts), stream.MaxBatch)]
		recorded, err := s.Log.Append(s.ctx, batch, s.fold.lab.Seq)
		if errors.Is(err, stream.ErrConflict) { // a job's lines may be waited for longer than its facts are kept
			gone, aerr := s.Log.AgedOut(s.ctx, batch)
			for _, e := range gone {
				s.fold.lab.AgedOut(e)
			}
			err = errors.Join(err, aerr)
		}
		if err != nil {
			return s.putOff(now, err)
		}
		for _, r := range recorded {
			s.evolve(r, s.fold.lab.Anticipate(r.Seq, r.Time, r.Event))
			s.Logger.Info("output complete", "job", r.Event.About().ID)
		}
		drafts = drafts[len(batch):]
	}
	return wake, nil
}

// putOff says when to try again after an error; only the end of ctx ends the service.
func (s *service) putOff(now time.Time, err error) (time.Time, error) {
	if s.ctx.Err() != nil {
		return time.Time{}, s.ctx.Err()
	}
	if !errors.Is(err, stream.ErrConflict) {
		s.Logger.Warn("ingestion tries again", "error", err)
	}
	return now.Add(time.Second), nil
}

// lastResult asks for the last sequence of a job's results: another ingestion may have written it.
func (s *service) lastResult(job events.JobID) (uint64, error) {
	about := events.Entity{Kind: events.Result, ID: job.String()}
	seqs, err := s.Log.LastSeqs(s.ctx, []events.Entity{about})
	if err != nil {
		return 0, fmt.Errorf("find last result of job %d: %w", job, err)
	}
	return seqs[about], nil
}

// load takes the fold of a checkpoint.
func (s *service) load(format string, data []byte) error {
	f, err := decodeFold(format, data)
	if err != nil {
		return err
	}
	s.fold = f
	for j := range f.lab.Jobs() {
		s.index(j)
	}
	return nil
}

// foldFormat names the shape of the checkpoint of LAB: [lab.State.EncodeWith] of foldOwn.
const foldFormat = "ingestion.v2"

// foldOwn is what ingestion knows of LAB beside the lab.
type foldOwn struct {
	Ended map[events.JobID]ended `json:"ended,omitempty"`
}

// foldFormatV1 is the format before, the shape of foldSnapshotV1.
const foldFormatV1 = "ingestion.v1"

type foldSnapshotV1 struct {
	foldOwn
	LabFormat string          `json:"lab_format"`
	Lab       json.RawMessage `json:"lab"`
}
