package archive

import (
	"bytes"
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
)

// Deps is what the archive is given.
type Deps struct {
	Log    *stream.Log // reads, and purges
	Store  Store
	Now    func() time.Time
	Logger *slog.Logger
	// Tables returns the sequence up to which ClickHouse's tables have a stream; nil: there are none.
	Tables func(ctx context.Context, stream string) (uint64, error)
	// Keep is how long a message stays in its stream after it was archived.
	Keep time.Duration
	// Age is how long a message waits for others before its segment is closed; 0 is an hour.
	Age time.Duration
	// Files is how long after a job's end the bytes of its tests' files are kept; 0 is for ever. OldFiles
	// returns jobs that may be due, such as those of the tables: their facts decide.
	Files    time.Duration
	OldFiles func(ctx context.Context, before time.Time) ([]events.JobID, error)
	// Period is how often segments and streams are looked at; 0 is a minute.
	Period time.Duration
}

// service is the running archive.
type service struct {
	Deps
	*archiver

	mu      sync.Mutex
	open    []uint64        // jobs whose output is not complete, as far as LAB was followed
	heard   uint64          // sequence of LAB up to which it was followed
	waiting map[uint64]bool // jobs whose output is complete, in no segment yet
	erase   []removal       // still to be done
}

// removal is a JobRemoved that waits for its turn, or a JobFilesErased.
type removal struct {
	job       events.JobID
	logsOnly  bool
	filesOnly bool
	seq       uint64
}

// Run archives until ctx ends; then it returns nil. An error says what a person has to repair, such as a
// segment that is not what was written.
func Run(ctx context.Context, d Deps) error {
	if d.Age == 0 {
		d.Age = time.Hour
	}
	if d.Period == 0 {
		d.Period = time.Minute
	}
	a, err := newArchiver(ctx, d.Log, d.Store)
	if err != nil {
		return fmt.Errorf("open the archive in %s: %w", d.Store, err)
	}
	s := &service{Deps: d, archiver: a, waiting: map[uint64]bool{}}
	last, next := a.chains[stream.Lab].tail()
	s.open, s.heard = slices.Clone(last.Open), next-1

	ctx, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	wake := make(chan struct{}, 1)
	group.Go(func() {
		err := d.Log.FollowMessages(ctx, stream.Lab, next, func(m stream.Message) error { return s.hear(ctx, m, wake) })
		if err != nil {
			cancel(err)
		}
	})
	tick := time.NewTicker(d.Period)
	defer tick.Stop()
	for {
		if err := s.round(ctx); err != nil {
			if errors.Is(err, errDamaged) {
				return err
			}
			d.Logger.Warn("archive tries again", "err", err)
		}
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("archive the log: %w", err)
			}
			return nil
		case <-tick.C:
		case <-wake:
		}
	}
}

// hear takes a fact: a job's log is archived as soon as its output is complete.
func (s *service) hear(ctx context.Context, m stream.Message, wake chan<- struct{}) error {
	f, err := m.Decode()
	if err != nil { // of a newer release: archived as it is, and no business of ours
		f.Event = nil
	}
	if job, ok := silent(f.Event); ok {
		if _, err := writeLog(ctx, s.Log, s.store, uint64(job)); err != nil {
			s.Logger.Warn("log is archived later, with its segment", "job", job, "err", err)
		}
		s.mu.Lock()
		s.waiting[uint64(job)] = true
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Segment{Open: s.open}
	t.track(f.Event)
	s.open, s.heard = t.Open, m.Seq
	switch e := f.Event.(type) {
	case events.JobRemoved:
		s.erase = append(s.erase, removal{job: e.Job, logsOnly: e.LogsOnly, seq: m.Seq})
	case events.JobFilesErased:
		s.erase = append(s.erase, removal{job: e.Job, filesOnly: true, seq: m.Seq})
	default:
		return nil
	}
	select {
	case wake <- struct{}{}:
	default:
	}
	return nil
}

// pending returns the jobs whose output may not go: it is not complete, or its log is in no segment yet.
func (s *service) pending() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.open)
	for job := range s.waiting {
		all = append(all, job)
	}
	return all
}

// round closes the segments that are due, erases, and purges.
func (s *service) round(ctx context.Context) error {
	for _, name := range chained() {
		if err := s.close(ctx, name); err != nil {
			return err
		}
	}
	if err := s.eraseRemoved(ctx); err != nil {
		return err
	}
	holds, err := s.purge(ctx, s.Now())
	if err != nil {
		return err
	}
	if err := s.ageFiles(ctx, s.Now()); err != nil {
		return err
	}
	return s.note(ctx, holds)
}

// close archives what makes full segments, and the rest where its first message is old enough.
func (s *service) close(ctx context.Context, name string) error {
	_, next := s.chains[name].tail()
	last, err := s.Log.Last(ctx, name)
	if name == stream.Lab {
		last = min(last, s.closable())
	}
	if err != nil || last < next {
		return err
	}
	due := false
	if err := s.Log.ReadMessages(ctx, name, next, last, func(m stream.Message) error {
		due = s.Now().Sub(m.At) >= s.Age
		return errFull
	}); err != nil && !errors.Is(err, errFull) {
		return err
	}
	if !due && last-next+1 < maxMessages {
		return nil
	}
	if err := s.catchUp(ctx, name, last, !due); err != nil {
		return err
	}
	if name == stream.Lab {
		s.settle(ctx)
	}
	return nil
}

// closable returns the sequence of LAB up to which segments may be closed: what was heard, but no removal
// before it is done. After a crash the facts in no segment are heard again.
func (s *service) closable() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.erase) > 0 {
		return s.erase[0].seq - 1
	}
	return s.heard
}

// settle forgets the completions that segments hold by now.
func (s *service) settle(ctx context.Context) {
	through, _ := s.chains[stream.Lab].tail()
	s.mu.Lock()
	waiting := make([]uint64, 0, len(s.waiting))
	for job := range s.waiting {
		waiting = append(waiting, job)
	}
	s.mu.Unlock()
	for _, job := range waiting {
		facts, err := s.Log.Load(ctx, events.Entity{Kind: events.Job, ID: events.JobID(job).String()})
		if err != nil {
			return // the next round asks again
		}
		held := false
		for _, r := range facts {
			if _, ok := silent(r.Event); ok && r.Seq <= through.Last {
				held = true
			}
		}
		if held {
			s.mu.Lock()
			delete(s.waiting, job)
			s.mu.Unlock()
		}
	}
}

// statusName is the object that tells people how the archive stands.
const statusName = "status.json"

// Status is what the service did last, as the file status.json has it.
type Status struct {
	At      time.Time               `json:"at"`
	Streams map[string]StreamStatus `json:"streams"`
	Holds   []Hold                  `json:"holds,omitempty"` // what keeps old messages in their streams
}

// StreamStatus is how far a stream is archived and purged.
type StreamStatus struct {
	First    uint64 `json:"first"` // sequence that the stream begins with
	Last     uint64 `json:"last"`  // and ends with
	Archived uint64 `json:"archived"`
}

// note writes the status for people.
func (s *service) note(ctx context.Context, holds []Hold) error {
	st := Status{At: s.Now().UTC(), Streams: map[string]StreamStatus{}, Holds: holds}
	for _, name := range append(chained(), stream.Output) {
		first, err := s.Log.First(ctx, name)
		if err != nil {
			return err
		}
		last, err := s.Log.Last(ctx, name)
		if err != nil {
			return err
		}
		is := StreamStatus{First: first, Last: last}
		if c := s.chains[name]; c != nil {
			tail, _ := c.tail()
			is.Archived = tail.Last
		}
		st.Streams[name] = is
	}
	data, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the archive's status: %w", err)
	}
	return s.store.Put(ctx, statusName, bytes.NewReader(data))
}
