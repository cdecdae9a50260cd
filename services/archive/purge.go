package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/stream"
)

// Hold is what keeps a stream from being purged further.
type Hold struct {
	Stream string `json:"stream"`
	By     string `json:"by"`    // such as "checkpoint of scheduling"
	Until  uint64 `json:"until"` // sequence that may go at most
}

// purge removes from the streams what is archived, old and read. It returns what holds back more.
func (s *service) purge(ctx context.Context, now time.Time) ([]Hold, error) {
	old := now.Add(-s.Keep)
	var holds []Hold
	for _, name := range append(chained(), stream.Output) {
		target, err := s.target(ctx, name, old)
		if err != nil {
			return holds, err
		}
		if target == 0 {
			continue
		}
		first, err := s.Log.First(ctx, name)
		if err != nil {
			return holds, err
		}
		last, err := s.Log.Last(ctx, name)
		if err != nil {
			return holds, err
		}
		// The last message stays: by it a reader that begins tells purged from never written.
		target = min(target, max(last, 1)-1)
		if target < first {
			continue
		}
		held, err := s.holders(ctx, name, target)
		if err != nil {
			return holds, err
		}
		for _, h := range held {
			target = min(target, h.Until)
			holds = append(holds, h)
		}
		if target < first {
			continue
		}
		if err := s.verified(ctx, name, first, target); err != nil {
			return holds, fmt.Errorf("purge %s: %w", name, err)
		}
		st, err := s.Log.JetStream().Stream(ctx, name)
		if err != nil {
			return holds, fmt.Errorf("purge %s: %w", name, err)
		}
		if err := st.Purge(ctx, jetstream.WithPurgeSequence(target+1)); err != nil {
			return holds, fmt.Errorf("purge %s: %w", name, err)
		}
		s.Logger.Info("stream purged of what is archived", "stream", name, "through", target)
	}
	return holds, nil
}

// target returns the sequence up to which a stream is archived and old.
func (s *service) target(ctx context.Context, name string, old time.Time) (uint64, error) {
	if name != stream.Output {
		target := uint64(0)
		for _, seg := range s.chains[name].list() {
			if seg.Until.After(old) {
				break
			}
			target = seg.Last
		}
		return target, nil
	}
	// A frame may go once its job's log is named by an old segment. Those of other jobs may lie between.
	target, young := uint64(0), uint64(0)
	for _, seg := range s.chains[stream.Lab].list() {
		switch {
		case seg.Output[1] == 0:
		case !seg.Until.After(old):
			target = max(target, seg.Output[1])
		case young == 0 || seg.Output[0] < young:
			young = seg.Output[0]
		}
	}
	if young > 0 {
		target = min(target, young-1)
	}
	for _, job := range s.pending() {
		first, err := s.Log.FirstOn(ctx, name, events.OutputSubject(events.JobID(job)))
		if err != nil {
			return 0, err
		}
		if first > 0 {
			target = min(target, first-1)
		}
	}
	return target, nil
}

// holders returns who has not read a stream up to a sequence.
func (s *service) holders(ctx context.Context, name string, target uint64) ([]Hold, error) {
	var holds []Hold
	hold := func(by string, until uint64) {
		if until < target {
			holds = append(holds, Hold{name, by, until})
		}
	}
	st, err := s.Log.JetStream().Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	consumers := st.ListConsumers(ctx)
	for c := range consumers.Info() {
		if c.NumPending > 0 {
			hold("reader "+c.Name, c.Delivered.Stream)
		}
	}
	if err := consumers.Err(); err != nil {
		return nil, fmt.Errorf("list readers of %s: %w", name, err)
	}
	if s.Tables != nil {
		at, err := s.Tables(ctx, name)
		if err != nil {
			s.Logger.Warn("streams are not purged while the tables' position is unknown", "stream", name, "err", err)
			at = 0
		}
		if name != stream.Submissions {
			hold("tables", at)
		}
	}
	switch name {
	case stream.Lab:
		return holds, s.checkpoints(ctx, hold)
	case stream.Submissions:
		last, _ := s.chains[stream.Lab].tail()
		hold("submission", last.Decided)
	case stream.Results:
		for _, job := range s.pending() {
			first, err := s.Log.FirstOn(ctx, name, events.Entity{Kind: events.Result, ID: events.JobID(job).String()}.Subject())
			if err != nil {
				return nil, err
			}
			if first > 0 {
				hold("results of job "+events.JobID(job).String(), first-1)
			}
		}
	}
	return holds, nil
}

// checkpoints holds back what a service would read again after its last checkpoint.
func (s *service) checkpoints(ctx context.Context, hold func(by string, until uint64)) error {
	store, err := s.Log.JetStream().ObjectStore(ctx, stream.Checkpoints)
	if err != nil {
		return fmt.Errorf("list checkpoints: %w", err)
	}
	objects, err := store.List(ctx)
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list checkpoints: %w", err)
	}
	for _, o := range objects {
		var at uint64
		if _, err := fmt.Sscan(o.Metadata["sequence"], &at); err != nil {
			return fmt.Errorf("checkpoint of %s: sequence %q: %w", o.Name, o.Metadata["sequence"], err)
		}
		hold("checkpoint of "+o.Name, at)
	}
	return nil
}

// verified reads back the segments that hold a run of sequences, and for OUTPUT the logs. It is what makes it
// safe to let the stream's own copy go.
func (s *service) verified(ctx context.Context, name string, from, to uint64) error {
	if name == stream.Output {
		logs, err := NewReader(s.store).logs(ctx, from, to)
		if err != nil {
			return err
		}
		_, silenced := s.chains[stream.Lab].erased()
		for _, l := range logs {
			if there, err := exists(ctx, s.store, logName(l.Job)); err != nil || !there {
				if err == nil && !silenced[l.Job] {
					err = fmt.Errorf("log %s is missing", logName(l.Job))
				}
				if err != nil {
					return err
				}
				continue
			}
			if err := checkLog(ctx, s.store, l); err != nil {
				return err
			}
		}
		return nil
	}
	hit, err := s.chains[name].covers(from, to)
	if err != nil {
		return err
	}
	for _, seg := range hit {
		err := readSegment(ctx, s.store, seg, func(r record) error {
			if r.Text == nil {
				return nil
			}
			if there, err := exists(ctx, s.store, textName(r.Text.SHA256)); err != nil || !there {
				return err
			}
			_, err := readText(ctx, s.store, *r.Text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
