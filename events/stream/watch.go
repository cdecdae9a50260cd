package stream

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"strata/events"
)

// watchBytes is how much of a job's newest output is kept in memory for those who watch it.
const watchBytes = 2 << 20

// sentTogether is how many lines may stand in another order than they were written: those that a process has on the way
// at a time, and more.
const sentTogether = 10_000

// Watching lets any number of people watch the output of running jobs while each job is read from the
// broker once. What is new is kept for a moment; who comes late, or falls behind that moment, reads on
// from the stream by himself and joins again. So a slow watcher slows nobody and loses nothing.
type Watching struct {
	log *Log

	mu   sync.Mutex
	jobs map[events.JobID]*watched
}

// NewWatching returns a Watching over a log. Nothing is read until somebody watches.
func NewWatching(l *Log) *Watching {
	return &Watching{log: l, jobs: map[events.JobID]*watched{}}
}

// Watch hands over a job's output from a line on, in order and without doubles: what is stored
// already, then what comes, until ctx ends (it returns nil) or a function returns an error. caughtUp,
// which may be nil, is told now and then the sequence in OUTPUT up to which all has been handed over.
// Lines that are missing are passed over: their numbers tell.
func (w *Watching) Watch(ctx context.Context, job events.JobID, line uint64, frame func(OutputFrame) error, caughtUp func(through uint64) error) error {
	return w.watch(ctx, job, line, false, frame, caughtUp)
}

// WatchNewest is [Watching.Watch] for who would rather stay with what happens than have all of it: once he has
// read what was stored, and falls behind what is kept in memory, he is taken to the oldest line that still is.
func (w *Watching) WatchNewest(ctx context.Context, job events.JobID, line uint64, frame func(OutputFrame) error, caughtUp func(through uint64) error) error {
	return w.watch(ctx, job, line, true, frame, caughtUp)
}

func (w *Watching) watch(ctx context.Context, job events.JobID, line uint64, newest bool, frame func(OutputFrame) error, caughtUp func(through uint64) error) error {
	if caughtUp == nil {
		caughtUp = func(uint64) error { return nil }
	}
	r, err := w.join(ctx, job)
	if err != nil {
		return err
	}
	defer w.leave(job, r)
	through := uint64(0) // sequence in OUTPUT up to which this watcher has read
	live := false        // he has read what was stored
	hand := func(f OutputFrame) error {
		through = max(through, f.Seq)
		if f.End() <= line {
			return nil
		}
		f.Frame = f.From(line)
		line = f.End()
		return frame(f)
	}
	if line > sentTogether {
		// Who has the beginning of a long log need not wait until all of it was read again and thrown away.
		// Where the place cannot be found, all is.
		if seq, err := w.log.seqOf(ctx, job, line-sentTogether); err == nil && seq > 0 {
			through = seq - 1
		}
	}
	for ctx.Err() == nil {
		kept := r.keptFrom()
		if newest && live {
			through = max(through, kept)
		}
		if through < kept {
			err := w.log.ReadOutput(ctx, OutputReader{
				Job: job, From: through + 1, ToEnd: true, SkipGaps: true,
				Next:  func(events.JobID, events.Lease) uint64 { return line },
				Frame: hand,
			})
			if err != nil || ctx.Err() != nil {
				return err
			}
			// All there was before the reading began has been read, though its last message may be another job's.
			through = max(through, kept)
			if err := caughtUp(through); err != nil {
				return err
			}
			continue
		}
		frames, to, more, ok, err := r.after(through)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		live = true
		for _, f := range frames {
			if err := hand(f); err != nil {
				return err
			}
		}
		if to > through || len(frames) > 0 {
			through = max(through, to)
			if err := caughtUp(through); err != nil {
				return err
			}
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
		}
	}
	return nil
}

// join returns what is kept of a job's output, and begins to keep it where nobody watches yet.
func (w *Watching) join(ctx context.Context, job events.JobID) (*watched, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.jobs[job]; r != nil && r.failed() == nil {
		r.watchers++
		return r, nil
	}
	last, err := w.log.Last(ctx, Output)
	if err != nil {
		return nil, err
	}
	// The reading belongs to all who watch, not to the first of them.
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &watched{watchers: 1, stop: stop, kept: last, through: last, more: make(chan struct{}), ended: make(chan struct{})}
	w.jobs[job] = r
	go func() {
		defer close(r.ended)
		r.end(w.log.ReadOutput(reading, OutputReader{
			Job: job, From: last + 1, SkipGaps: true, Frame: r.add,
			CaughtUp: func(safe uint64) error { r.reached(safe); return nil },
		}))
	}()
	return r, nil
}

// leave ends the reading with the last watcher, and waits until it has ended.
func (w *Watching) leave(job events.JobID, r *watched) {
	w.mu.Lock()
	r.watchers--
	last := r.watchers == 0
	if last && w.jobs[job] == r {
		delete(w.jobs, job)
	}
	w.mu.Unlock()
	if last {
		r.stop()
		<-r.ended
	}
}

// watched is the newest output of one job.
type watched struct {
	watchers int // guarded by Watching.mu
	stop     func()
	ended    chan struct{} // closed once the reading has ended

	mu      sync.Mutex
	frames  []OutputFrame // in the order of their sequences; never changed in place, as watchers hold parts of it
	bytes   int
	kept    uint64        // frames has all of the job after this sequence in OUTPUT
	through uint64        // up to this one
	more    chan struct{} // closed when there is more, or an error
	err     error
}

func (r *watched) keptFrom() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}

func (r *watched) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// after returns what has come after a sequence, up to which sequence that is, and what is closed when
// there is more. Where some of it has been dropped meanwhile it is not ok.
func (r *watched) after(seq uint64) (frames []OutputFrame, through uint64, more <-chan struct{}, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seq < r.kept {
		return nil, seq, nil, false, r.err
	}
	at, _ := slices.BinarySearchFunc(r.frames, seq+1, func(f OutputFrame, seq uint64) int { return cmp.Compare(f.Seq, seq) })
	return r.frames[at:], r.through, r.more, true, r.err
}

// add keeps a frame, and drops the oldest that are too much.
func (r *watched) add(f OutputFrame) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, f)
	r.bytes += len(f.Body)
	for len(r.frames) > 1 && r.bytes > watchBytes {
		r.kept, r.bytes = r.frames[0].Seq, r.bytes-len(r.frames[0].Body)
		r.frames = r.frames[1:]
	}
	r.through = max(r.through, f.Seq)
	r.tell()
	return nil
}

// reached notes that everything up to a sequence has been read.
func (r *watched) reached(through uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if through > r.through {
		r.through = through
		r.tell()
	}
}

// end notes why nothing more will come; nil is that nobody watches any more.
func (r *watched) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.tell()
}

// tell wakes everybody who waits for more.
func (r *watched) tell() {
	close(r.more)
	r.more = make(chan struct{})
}
