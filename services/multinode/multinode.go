package multinode

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events/lab"
	"strata/events/stream"
	m "strata/schemas/multinode"
)

// Deps is what the service needs from outside.
type Deps struct {
	Log    *stream.Log
	Now    func() time.Time
	Logger *slog.Logger
	Listen net.Listener // for LAVA's protocol; nil: nobody may speak it. Closed when Run returns.
}

// kept is how long a group that no job of the lab belongs to is kept after its last request: its
// members speak LAVA's protocol and belong to another lab.
const kept = 24 * time.Hour

// inboxes is how the subjects begin on which jobs' processes hear answers (see events/access).
const inboxes = "_INBOX_job."

const (
	sweepEvery = time.Hour
	patience   = 10 * time.Second // with what another process may have purged
)

// Run answers the groups until ctx ends. It returns nil on an orderly stop.
func Run(ctx context.Context, d Deps) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &service{Deps: d, ctx: ctx, lab: lab.New(), groups: map[string]*group{}, heard: make(chan struct{})}
	var doors sync.WaitGroup
	failed := make(chan error, 1)
	doors.Go(func() {
		if err := s.read(ctx); err != nil && ctx.Err() == nil {
			failed <- err
			stop()
		}
	})
	if d.Listen != nil {
		doors.Go(func() { s.serve(ctx, d.Listen) })
	}
	err := d.Log.Run(ctx, stream.Driver{
		Name: "multinode",
		Fold: s.evolve,
		Act:  s.act,
		Checkpoint: &stream.Checkpoint{
			Format: lab.Format,
			Save:   func() ([]byte, error) { return s.lab.Encode() },
			Load:   s.load,
		},
	})
	stop()
	doors.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return err
	}
}

// service is a running service. The lab belongs to the goroutine that drives it; the rest is
// guarded by mu.
type service struct {
	Deps
	ctx    context.Context
	lab    *lab.State
	ended  []end     // jobs that ended and are not told to their groups yet
	sweeps time.Time // when old groups are purged next

	mu     sync.Mutex
	groups map[string]*group
	seq    uint64        // of the last request that was folded
	heard  chan struct{} // closed, and made anew, with each
}

// end is the end of a job that was part of a group.
type end struct {
	group, client, why string
	last               bool // all of the group are over
}

// load takes a checkpoint. What ended before it is told again: the groups are read from their start.
func (s *service) load(format string, data []byte) error {
	l, err := lab.Decode(format, data)
	if err != nil {
		return err
	}
	s.lab = l
	for j := range l.Jobs() {
		s.note(j)
	}
	return nil
}

// evolve folds a fact of the lab.
func (s *service) evolve(r stream.Recorded) {
	if c := s.lab.Evolve(r.Seq, r.Time, r.Event); c.Job != nil {
		s.note(c.Job)
	}
}

// note remembers the end of a part of a group.
func (s *service) note(j *lab.Job) {
	if j.Part == nil || j.State != lab.Finished {
		return
	}
	why := string(j.End.Health)
	if j.End.Error != "" {
		why += ": " + j.End.Error
	}
	parts := s.lab.Group(j.Part.Group)
	last := len(parts) == 0 || len(parts) == j.Part.Size // none: the lab has forgotten the group, so it is over
	for _, p := range parts {
		last = last && p.State == lab.Finished
	}
	s.ended = append(s.ended, end{j.Part.Group, j.ID.String(), why, last})
}

// act tells the groups who has ended, once all that the ended have said is folded.
func (s *service) act(now time.Time) (wake time.Time, err error) {
	for len(s.ended) > 0 {
		e := s.ended[0]
		if err := s.tell(e); err != nil {
			if s.ctx.Err() != nil {
				return time.Time{}, s.ctx.Err()
			}
			s.Logger.Warn("end of a job not told to its group, try again", "group", e.group, "job", e.client, "error", err)
			return now.Add(time.Second), nil
		}
		s.ended = s.ended[1:]
	}
	if !now.Before(s.sweeps) {
		s.sweeps = now.Add(sweepEvery)
		if err := s.sweep(s.ctx); err != nil && s.ctx.Err() == nil {
			s.Logger.Warn("old groups not purged, try again later", "error", err)
		}
	}
	return s.sweeps, nil
}

func (s *service) tell(e end) error {
	subject, err := m.Subject(e.group)
	if err != nil {
		return nil // no job can have asked anything there
	}
	st, err := s.Log.JetStream().Stream(s.ctx, stream.Sync)
	if err != nil {
		return err
	}
	// A job's requests are in the stream before its end is in LAB, but this process may have read
	// that sooner.
	if last, err := st.GetLastMsgForSubject(s.ctx, subject); err == nil {
		// It may have been purged meanwhile, by another process like this.
		ctx, cancel := context.WithTimeout(s.ctx, patience)
		defer cancel()
		if err := s.await(ctx, last.Sequence); err != nil {
			return err
		}
	}
	s.mu.Lock()
	var due []answer
	if g := s.groups[e.group]; g != nil {
		due = g.end(e.client, e.why)
	}
	if e.last {
		delete(s.groups, e.group)
	}
	s.mu.Unlock()
	s.send(due)
	if !e.last {
		return nil
	}
	s.Logger.Debug("group is over", "group", e.group)
	return st.Purge(s.ctx, jetstream.WithPurgeSubject(subject))
}

// read folds the requests of all groups, from the oldest that is kept, until ctx ends.
func (s *service) read(ctx context.Context) error {
	c, err := s.Log.JetStream().OrderedConsumer(ctx, stream.Sync, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return fmt.Errorf("read %s: %w", stream.Sync, err)
	}
	messages, err := c.Messages()
	if err != nil {
		return fmt.Errorf("read %s: %w", stream.Sync, err)
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	for ctx.Err() == nil {
		msg, err := messages.Next()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read %s: %w", stream.Sync, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("read %s: %w", stream.Sync, err)
		}
		s.hear(strings.TrimPrefix(msg.Subject(), "sync."), meta.Sequence.Stream, msg.Data())
	}
	return nil
}

// sweep forgets groups whose last request is old and whose end nobody saw.
func (s *service) sweep(ctx context.Context) error {
	st, err := s.Log.JetStream().Stream(ctx, stream.Sync)
	if err != nil {
		return fmt.Errorf("read %s: %w", stream.Sync, err)
	}
	info, err := st.Info(ctx, jetstream.WithSubjectFilter("sync.*"))
	if err != nil {
		return fmt.Errorf("read %s: %w", stream.Sync, err)
	}
	for subject := range info.State.Subjects {
		last, err := st.GetLastMsgForSubject(ctx, subject)
		if err != nil || s.Now().Sub(last.Time) < kept {
			continue
		}
		if err := st.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(last.Sequence+1)); err != nil {
			return fmt.Errorf("purge %s: %w", subject, err)
		}
		s.mu.Lock()
		delete(s.groups, strings.TrimPrefix(subject, "sync."))
		s.mu.Unlock()
	}
	return nil
}

// hear folds one request and answers who can be answered.
func (s *service) hear(name string, seq uint64, data []byte) {
	r, err := m.Decode(data)
	s.mu.Lock()
	var due []answer
	if err == nil {
		due = s.group(name, r).hear(r)
	}
	s.seq = seq
	close(s.heard)
	s.heard = make(chan struct{})
	s.mu.Unlock()
	if err != nil {
		s.Logger.Warn("multinode request not understood", "group", name, "sequence", seq, "error", err)
	}
	s.send(due)
}

// group returns the group of a request. Only a join makes one; what is asked of a group that is not
// there is refused by an empty one, which is forgotten.
func (s *service) group(name string, r m.Request) *group {
	g := s.groups[name]
	if g == nil {
		g = newGroup()
		if r.Op == m.Join {
			s.groups[name] = g
		}
	}
	return g
}

// send publishes answers. A lost one is asked for again, so errors only matter to people.
func (s *service) send(due []answer) {
	for _, a := range due {
		if a.to == "" {
			continue
		}
		// A member names its own inbox; else it could have us speak on any subject.
		if !strings.HasPrefix(a.to, inboxes) {
			s.Logger.Warn("answer not sent: its subject is no job's inbox", "to", a.to)
			continue
		}
		body, err := json.Marshal(a.Answer)
		if err == nil {
			err = s.Log.Conn().Publish(a.to, body)
		}
		if err != nil {
			s.Logger.Warn("answer not sent", "to", a.to, "error", err)
		}
	}
}

// await returns once the request at a sequence of SYNC is folded.
func (s *service) await(ctx context.Context, seq uint64) error {
	for {
		s.mu.Lock()
		there, more := s.seq >= seq, s.heard
		s.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// publish stores a request and returns its sequence.
func (s *service) publish(ctx context.Context, group string, r m.Request) (uint64, error) {
	subject, err := m.Subject(group)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	ack, err := s.Log.JetStream().Publish(ctx, subject, body)
	if err != nil {
		return 0, fmt.Errorf("publish request of group %s: %w", group, err)
	}
	return ack.Sequence, nil
}
