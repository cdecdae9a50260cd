package stream_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

func TestAppendOne(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	first, err := b.Log.AppendOne(t.Context(), stream.Draft{Event: tag("a"), Actor: "alice", Cause: "SUBMISSIONS/7"}, expectAll(0))
	if err != nil {
		t.Fatal(err)
	}
	got := eventtest.Facts(t, b.Log, stream.Lab)
	if len(got) != 1 {
		t.Fatalf("LAB has %d facts, want 1", len(got))
	}
	if fmt.Sprint(got[0]) != fmt.Sprint(first) {
		t.Errorf("read %v\nAppend returned %v", got[0], first)
	}
	if got[0].Actor != "alice" || got[0].Cause != "SUBMISSIONS/7" || got[0].Source != "services/api" {
		t.Errorf("envelope: %+v", got[0])
	}
}

func TestAppendBatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, tag("taken"))
	_, err := b.Log.Append(t.Context(), []stream.Draft{{Event: tag("a")}, {Event: tag("b")}, {Event: tag("taken")}}, expectAll(0))
	if !errors.Is(err, stream.ErrConflict) {
		t.Fatalf("append with a stale sequence: %v, want ErrConflict", err)
	}
	if got := len(eventtest.Facts(t, b.Log, stream.Lab)); got != 1 {
		t.Fatalf("LAB has %d facts after a refused batch, want 1:\n%s", got, eventtest.Story(t, b.Log, stream.Lab))
	}
	recorded, err := b.Log.Append(t.Context(), []stream.Draft{{Event: tag("a")}, {Event: tag("b")}, {Event: tag("a")}}, expectAll(0))
	if err != nil {
		t.Fatalf("append two facts about one entity in a batch: %v", err)
	}
	for i, r := range recorded {
		if want := uint64(2 + i); r.Seq != want {
			t.Errorf("fact %d has sequence %d, want %d", i, r.Seq, want)
		}
	}
	got := eventtest.Facts(t, b.Log, stream.Lab)
	if fmt.Sprint(got[1:]) != fmt.Sprint(recorded) {
		t.Errorf("read %v\nAppend returned %v", got[1:], recorded)
	}
	if n := b.Log.Counters().Conflicts.Load(); n != 1 {
		t.Errorf("counted %d conflicts, want 1", n)
	}
}

// Two writers that always decide on what they have read: exactly one of them wins each round.
func TestAppendRace(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	const rounds = 30
	var wg sync.WaitGroup
	for w := range 2 {
		l := b.Open(t, b.Connect(t))
		wg.Go(func() {
			for won := 0; won < rounds; {
				seqs, err := l.LastSeqs(t.Context(), []events.Entity{tag("x").About(), tag("y").About()})
				if err != nil {
					t.Error(err)
					return
				}
				drafts := []stream.Draft{{Event: tag("x")}, {Event: tag("y")}}[:1+(won+w)%2]
				_, err = l.Append(t.Context(), drafts, func(e events.Entity) uint64 { return seqs[e] })
				switch {
				case err == nil:
					won++
				case !errors.Is(err, stream.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got, want := len(eventtest.Facts(t, b.Log, stream.Lab)), 2*(rounds+rounds/2); got != want {
		t.Errorf("LAB has %d facts, want %d", got, want)
	}
}

func tag(name events.TagName) events.TagAdded { return events.TagAdded{Tag: name, By: "alice"} }

func expectAll(seq uint64) func(events.Entity) uint64 {
	return func(events.Entity) uint64 { return seq }
}

func purgeBefore(seq uint64) jetstream.StreamPurgeOpt { return jetstream.WithPurgeSequence(seq) }

func message(subject string, header map[string][]string, body []byte) *nats.Msg {
	return &nats.Msg{Subject: subject, Header: header, Data: body}
}

type entity = events.Entity

// about returns the entities of drafts.
func about(drafts []stream.Draft) []entity {
	var all []entity
	for _, d := range drafts {
		all = append(all, d.Event.About())
	}
	return all
}

func purgeSubject(subject string) jetstream.StreamPurgeOpt {
	return jetstream.WithPurgeSubject(subject)
}
