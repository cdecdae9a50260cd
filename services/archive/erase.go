package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/stream"
)

// atOnce is how many removals are done together: the chain of SUBMISSIONS is read once for all of them.
const atOnce = 1000

// eraseRemoved erases the jobs that were removed: their texts and logs, here and in the streams. Each is
// done again after a crash, since the segment with its fact is closed only afterwards.
func (s *service) eraseRemoved(ctx context.Context) error {
	for {
		s.mu.Lock()
		all := slices.Clone(s.erase[:min(len(s.erase), atOnce)])
		s.mu.Unlock()
		if len(all) == 0 {
			return nil
		}
		n, err := s.eraseJobs(ctx, all)
		if err != nil {
			return fmt.Errorf("erase jobs from %d on: %w", all[0].job, err)
		}
		s.mu.Lock()
		s.erase = s.erase[n:]
		s.mu.Unlock()
		// From now on the chain says that what is missing was erased.
		if err := s.catchUp(ctx, stream.Lab, all[n-1].seq, false); err != nil {
			return err
		}
		s.settle(ctx)
	}
}

// eraseJobs erases the first n jobs, at least one. The chains have to hold their messages before: they name the
// digests of what is gone, so that nobody takes the gap for a loss.
func (s *service) eraseJobs(ctx context.Context, all []removal) (n int, err error) {
	if err := s.catchUp(ctx, stream.Lab, all[0].seq-1, false); err != nil {
		return 0, err
	}
	s.settle(ctx)
	through, _ := s.chains[stream.Lab].tail()
	texts := map[uint64]bool{} // sequences in SUBMISSIONS
	for _, r := range all {
		facts, err := s.Log.Load(ctx, events.Entity{Kind: events.Job, ID: r.job.String()})
		if err != nil {
			return 0, err
		}
		if n > 0 && !spokenBefore(facts, through.Last) {
			break // it ended behind a removal: its turn comes once that is in the chain
		}
		n++
		if r.logsOnly || r.filesOnly {
			continue
		}
		texts[uint64(r.job)] = true
		for _, f := range facts {
			if e, ok := f.Event.(events.JobSubmitted); ok && e.Source.Sequence > 0 {
				texts[e.Source.Sequence] = true
			}
		}
	}
	if err := s.eraseTexts(ctx, texts); err != nil {
		return 0, err
	}
	st, err := s.Log.JetStream().Stream(ctx, stream.Output)
	if err != nil {
		return 0, err
	}
	for _, r := range all[:n] {
		if r.filesOnly {
			if err := emptyLog(ctx, s.store, uint64(r.job)); err != nil {
				return 0, err
			}
			s.Logger.Info("files of a job erased", "job", r.job)
			continue
		}
		if err := st.Purge(ctx, jetstream.WithPurgeSubject(events.OutputSubject(r.job))); err != nil {
			return 0, fmt.Errorf("purge the output of job %d: %w", r.job, err)
		}
		if err := s.store.Remove(ctx, logName(uint64(r.job))); err != nil {
			return 0, err
		}
		s.Logger.Info("job erased", "job", r.job, "logs_only", r.logsOnly)
	}
	return n, nil
}

// spokenBefore tells whether a job had said all before a sequence of LAB.
func spokenBefore(facts []stream.Recorded, seq uint64) bool {
	for _, f := range facts {
		if _, ok := silent(f.Event); ok && f.Seq > seq {
			return false
		}
	}
	return true
}

// eraseTexts erases definitions, unless one that stays was submitted with the same text: then only the
// message goes.
func (s *service) eraseTexts(ctx context.Context, seqs map[uint64]bool) error {
	if len(seqs) == 0 {
		return nil
	}
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
		if err := eraseMessage(ctx, st, seq); err != nil {
			return fmt.Errorf("erase submission %d: %w", seq, err)
		}
	}
	return nil
}

// eraseMessage removes a message and overwrites its place; one that is gone is no error.
func eraseMessage(ctx context.Context, st jetstream.Stream, seq uint64) error {
	err := st.SecureDeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	if _, gone := st.GetMsg(ctx, seq); errors.Is(gone, jetstream.ErrMsgNotFound) {
		return nil // purged, or erased before
	}
	return err
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
