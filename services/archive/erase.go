package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/stream"
)

// eraseRemoved erases the jobs that were removed: their texts and logs, here and in the streams. Each is
// done again after a crash, since the segment with its fact is not closed before.
func (s *service) eraseRemoved(ctx context.Context) error {
	for {
		s.mu.Lock()
		if len(s.erase) == 0 {
			s.mu.Unlock()
			return nil
		}
		r := s.erase[0]
		s.mu.Unlock()
		if err := s.eraseJob(ctx, r); err != nil {
			return fmt.Errorf("erase job %d: %w", r.job, err)
		}
		s.mu.Lock()
		s.erase = s.erase[1:]
		s.mu.Unlock()
	}
}

// eraseJob erases one job. The chains have to hold its messages first: they name the digests of what is
// gone, so that nobody takes the gap for a loss.
func (s *service) eraseJob(ctx context.Context, r removal) error {
	if err := s.catchUp(ctx, stream.Lab, r.seq-1, false); err != nil {
		return err
	}
	s.settle(ctx)
	if !r.logsOnly {
		if err := s.eraseText(ctx, r.job); err != nil {
			return err
		}
	}
	st, err := s.Log.JetStream().Stream(ctx, stream.Output)
	if err != nil {
		return err
	}
	if err := st.Purge(ctx, jetstream.WithPurgeSubject(events.OutputSubject(r.job))); err != nil {
		return fmt.Errorf("purge its output: %w", err)
	}
	if err := s.store.Remove(ctx, logName(uint64(r.job))); err != nil {
		return err
	}
	s.Logger.Info("job erased", "job", r.job, "logs_only", r.logsOnly)
	return nil
}

// eraseText erases a job's definition, unless a job that stays was submitted with the same text: then
// only the message goes.
func (s *service) eraseText(ctx context.Context, job events.JobID) error {
	facts, err := s.Log.Load(ctx, events.Entity{Kind: events.Job, ID: job.String()})
	if err != nil {
		return err
	}
	seqs := map[uint64]bool{uint64(job): true}
	for _, f := range facts {
		switch e := f.Event.(type) {
		case events.JobSubmitted:
			seqs[e.Source.Sequence] = true
		}
	}
	delete(seqs, 0)
	through := uint64(0)
	for seq := range seqs {
		through = max(through, seq)
	}
	last, err := s.Log.Last(ctx, stream.Submissions)
	if err != nil {
		return err
	}
	if err := s.catchUp(ctx, stream.Submissions, min(through, last), false); err != nil {
		return err
	}
	digests, err := s.unshared(ctx, seqs)
	if err != nil {
		return err
	}
	for _, d := range digests {
		if err := s.store.Remove(ctx, textName(d)); err != nil {
			return err
		}
	}
	st, err := s.Log.JetStream().Stream(ctx, stream.Submissions)
	if err != nil {
		return err
	}
	for seq := range seqs {
		var api *jetstream.APIError
		err := st.SecureDeleteMsg(ctx, seq)
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) && !(errors.As(err, &api) && (api.Code == 404 || api.ErrorCode == 10043 || api.ErrorCode == 10057)) {
			return fmt.Errorf("erase submission %d: %w", seq, err)
		}
	}
	return nil
}

// unshared returns the digests of definitions that no other submission has.
func (s *service) unshared(ctx context.Context, seqs map[uint64]bool) ([]string, error) {
	mine, others := map[string]bool{}, map[string]bool{}
	removed, _ := s.chains[stream.Lab].erased()
	for _, seg := range s.chains[stream.Submissions].list() {
		err := readSegment(ctx, s.store, seg, func(r record) error {
			switch {
			case r.Text == nil:
			case seqs[r.Seq]:
				mine[r.Text.SHA256] = true
			case !removed[r.Seq]:
				others[r.Text.SHA256] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	// What is in no segment yet may have the text as well.
	_, next := s.chains[stream.Submissions].tail()
	last, err := s.Log.Last(ctx, stream.Submissions)
	if err != nil {
		return nil, err
	}
	if next <= last {
		if err := s.Log.ReadMessages(ctx, stream.Submissions, next, last, func(m stream.Message) error {
			others[digest(m.Data)] = true
			return nil
		}); err != nil {
			return nil, err
		}
	}
	var digests []string
	for d := range mine {
		if !others[d] {
			digests = append(digests, d)
		}
	}
	return digests, nil
}
