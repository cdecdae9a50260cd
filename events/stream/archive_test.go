package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// shelf keeps messages as an archive does.
type shelf map[string][]stream.Message

func (s shelf) messages(ctx context.Context, name, subject string, from, to uint64, each func(stream.Message) error) error {
	kept := s[name]
	if len(kept) == 0 || kept[len(kept)-1].Seq < to {
		return stream.ErrArchived
	}
	for _, m := range kept {
		if m.Seq >= from && m.Seq <= to && (subject == "" || m.Subject == subject) {
			if err := each(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestArchiveContinuesStreams purges the streams behind an archive, and reads as if they were whole.
func TestArchiveContinuesStreams(t *testing.T) {
	t.Parallel()
	kept := shelf{}
	b := eventtest.StartWith(t, eventtest.Options{Settings: func(s *stream.Settings) {
		s.Archive = &stream.Archive{Messages: kept.messages}
	}})
	var submitted []uint64
	for i := range 3 {
		ack, err := b.Log.JetStream().Publish(t.Context(), "submit.alice", fmt.Appendf(nil, "job_name: n%d\n", i))
		if err != nil {
			t.Fatal(err)
		}
		submitted = append(submitted, ack.Sequence)
	}
	for i := range 10 {
		b.Append(t, events.TagAdded{Tag: events.TagName(fmt.Sprint("t", i%2))})
	}
	for _, name := range []string{stream.Lab, stream.Submissions} {
		if err := b.Log.ReadMessages(t.Context(), name, 1, 100, func(m stream.Message) error {
			kept[name] = append(kept[name], m)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	want := facts(t, b.Log)
	purge(t, b.Log, stream.Lab, 7)
	purge(t, b.Log, stream.Submissions, 3)

	if got := facts(t, b.Log); !slices.Equal(got, want) {
		t.Errorf("facts after a purge:\n got %v\nwant %v", got, want)
	}
	loaded, err := b.Log.Load(t.Context(), events.Entity{Kind: events.Tag, ID: "t1"})
	if err != nil || len(loaded) != 5 {
		t.Errorf("facts of one entity after a purge: %d, %v; want 5", len(loaded), err)
	}
	text, err := b.Log.SubmissionText(t.Context(), submitted[1])
	if err != nil || string(text) != "job_name: n1\n" {
		t.Errorf("a purged definition is %q, %v", text, err)
	}
	if _, err := b.Log.SubmissionText(t.Context(), 99); !errors.Is(err, stream.ErrNoSubmission) {
		t.Errorf("a definition that never was: %v, want ErrNoSubmission", err)
	}

	kept[stream.Lab] = kept[stream.Lab][:3]
	err = b.Log.ReadAll(t.Context(), stream.Lab, 1, func(stream.Recorded) error { return nil })
	if !errors.Is(err, stream.ErrArchived) {
		t.Errorf("an archive that ends before the stream begins: %v, want ErrArchived", err)
	}
}

// TestStreamsBeginAnew makes streams behind the sequences that an archive has.
func TestStreamsBeginAnew(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{Settings: func(s *stream.Settings) {
		s.First = map[string]uint64{stream.Lab: 500, stream.Submissions: 42}
	}})
	b.Append(t, events.TagAdded{Tag: "t"})
	if last, err := b.Log.Last(t.Context(), stream.Lab); err != nil || last != 500 {
		t.Errorf("first fact of a stream that begins with 500 has %d, %v", last, err)
	}
	if first, err := b.Log.First(t.Context(), stream.Submissions); err != nil || first != 42 {
		t.Errorf("SUBMISSIONS begins with %d, %v; want 42", first, err)
	}
	if first, err := b.Log.First(t.Context(), stream.Results); err != nil || first > 1 {
		t.Errorf("RESULTS begins with %d, %v; want its own first", first, err)
	}
}

// facts returns the names and ids of all facts.
func facts(t *testing.T, log *stream.Log) []string {
	t.Helper()
	var all []string
	if err := log.ReadAll(t.Context(), stream.Lab, 1, func(r stream.Recorded) error {
		all = append(all, fmt.Sprint(r.Seq, r.ID, events.Name(r.Event)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// purge removes the messages of a stream before a sequence.
func purge(t *testing.T, log *stream.Log, name string, before uint64) {
	t.Helper()
	st, err := log.JetStream().Stream(t.Context(), name)
	if err == nil {
		err = st.Purge(t.Context(), jetstream.WithPurgeSequence(before))
	}
	if err != nil {
		t.Fatal(err)
	}
}
