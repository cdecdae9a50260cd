package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

func TestFollowHandsOverEachFactOnce(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, tags(0, 250)...)
	got := make(chan uint64, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Log.Follow(ctx, stream.Lab, 11, func(r stream.Recorded) error { got <- r.Seq; return nil })
	}()
	b.Append(t, tags(250, 300)...)
	for want := uint64(11); want <= 300; want++ {
		if seq := receive(t, got); seq != want {
			t.Fatalf("got fact %d, want %d", seq, want)
		}
	}
	cancel()
	if err := receive(t, done); err != nil {
		t.Errorf("Follow after ctx ended: %v, want nil", err)
	}
}

func TestFollowReturnsTheErrorOfFold(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, tag("a"))
	errOwn := errors.New("own")
	if err := b.Log.Follow(t.Context(), stream.Lab, 1, func(stream.Recorded) error { return errOwn }); err != errOwn {
		t.Errorf("Follow: %v, want the error of fold", err)
	}
}

// The broker restarts again and again while one goroutine appends and another follows: nothing is
// lost, nothing comes twice, on either side.
func TestRestartOfTheBroker(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	const total = 400
	got := make(chan stream.Recorded, total)
	ctx, cancel := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	reader := b.Open(t, b.Connect(t))
	go func() {
		followed <- reader.Follow(ctx, stream.Lab, 1, func(r stream.Recorded) error { got <- r; return nil })
	}()
	appended := make(chan error, 1)
	go func() {
		seq := uint64(0)
		for i := range total / 2 {
			// One alone, then two in a batch on one subject whose sequence is a condition.
			drafts := []stream.Draft{{Event: events.TagAdded{Tag: "x", Description: fmt.Sprint(2 * i)}},
				{Event: events.TagAdded{Tag: "x", Description: fmt.Sprint(2*i + 1)}}}
			for _, part := range split(drafts, 1+i%2) {
				recorded, err := b.Log.Append(t.Context(), part, expectAll(seq))
				if err != nil {
					appended <- fmt.Errorf("append %d: %w", i, err)
					return
				}
				seq = recorded[len(recorded)-1].Seq
			}
		}
		appended <- nil
	}()
	for i := range total {
		r := receive(t, got)
		if want := fmt.Sprint(i); r.Event.(events.TagAdded).Description != want {
			t.Fatalf("fact %d says %q, want %q", r.Seq, r.Event.(events.TagAdded).Description, want)
		}
		if i%100 == 50 {
			b.Restart(t)
		}
	}
	if err := receive(t, appended); err != nil {
		t.Error(err)
	}
	if last, err := b.Log.Last(t.Context(), stream.Lab); err != nil || last != total {
		t.Errorf("LAB ends at %d (%v), want %d", last, err, total)
	}
	cancel()
	if err := receive(t, followed); err != nil {
		t.Error(err)
	}
}

func TestFollowRefusesAPurgedBeginning(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, tags(0, 10)...)
	st, err := b.Log.JetStream().Stream(t.Context(), stream.Lab)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Purge(t.Context(), purgeBefore(6)); err != nil {
		t.Fatal(err)
	}
	keep := func(stream.Recorded) error { return nil }
	if err := b.Log.ReadAll(t.Context(), stream.Lab, 5, keep); !errors.Is(err, stream.ErrArchived) {
		t.Errorf("read from 5 of a stream that begins at 6: %v, want ErrArchived", err)
	}
	if err := b.Log.ReadAll(t.Context(), stream.Lab, 6, keep); err != nil {
		t.Errorf("read from 6 of a stream that begins at 6: %v", err)
	}
}

func TestUnknownFactEndsTheReading(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	r := b.Append(t, tag("a"))[0]
	header, body, err := events.Encode(tag("b"), events.Envelope{ID: "1", Time: r.Time})
	if err != nil {
		t.Fatal(err)
	}
	header[events.HeaderSchema] = []string{"tag.added.v9"}
	if _, err := b.Log.JetStream().PublishMsg(t.Context(), message("tag.b", header, body)); err != nil {
		t.Fatal(err)
	}
	err = b.Log.Follow(t.Context(), stream.Lab, 1, func(stream.Recorded) error { return nil })
	if !errors.Is(err, events.ErrNewerVersion) {
		t.Errorf("follow over a fact of a newer version: %v, want ErrNewerVersion", err)
	}
}

func TestFollowSubmissions(t *testing.T) {
	t.Parallel()
	b := eventtest.StartWith(t, eventtest.Options{FirstJob: 1000})
	const text = "job_name: π\r\n\x00tail "
	if job := b.Submit(t, "a.b@c", text); job != 1000 {
		t.Errorf("first job has number %d, want 1000", job)
	}
	if _, err := b.Log.JetStream().Publish(t.Context(), "part.1000.r2", []byte("part")); err != nil {
		t.Fatal(err)
	}
	got := make(chan stream.Submission, 2)
	go func() {
		_ = b.Log.FollowSubmissions(t.Context(), 1, func(s stream.Submission, _ uint64) error { got <- s; return nil })
	}()
	if s := receive(t, got); s.Job != 1000 || s.User != "a.b@c" || string(s.Text) != text || s.At.IsZero() {
		t.Errorf("submission: %+v", s)
	}
	if s := receive(t, got); s.Job != 1001 || s.User != "" || s.Parent != 1000 || s.Part != "r2" {
		t.Errorf("part: %+v", s)
	}
	if read, err := b.Log.SubmissionText(t.Context(), 1000); err != nil || string(read) != text {
		t.Errorf("text of 1000: %q, %v", read, err)
	}
	if _, err := b.Log.SubmissionText(t.Context(), 7); !errors.Is(err, stream.ErrNoSubmission) {
		t.Errorf("text of 7: %v, want ErrNoSubmission", err)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	mine := tag("lab1.example.com")
	var facts []events.Event
	for range 1100 { // more than one request gives
		facts = append(facts, tag("other"), mine)
	}
	var want []uint64
	for _, r := range b.Append(t, facts...) {
		if r.Event == mine {
			want = append(want, r.Seq)
		}
	}
	got, err := b.Log.Load(t.Context(), mine.About())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, want, func(r stream.Recorded, seq uint64) bool { return r.Seq == seq }) {
		t.Errorf("load: %d facts, want %d in order", len(got), len(want))
	}
	if none, err := b.Log.Load(t.Context(), tag("nobody").About()); err != nil || len(none) != 0 {
		t.Errorf("load an entity without facts: %v, %v", none, err)
	}
}

// tags returns facts about different tags.
func tags(from, to int) []events.Event {
	var all []events.Event
	for i := from; i < to; i++ {
		all = append(all, tag(events.TagName(fmt.Sprintf("t%d", i))))
	}
	return all
}

// split cuts drafts into parts of n.
func split(drafts []stream.Draft, n int) [][]stream.Draft {
	return slices.Collect(slices.Chunk(drafts, n))
}

// receive returns the next value of a channel, or fails the test.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-c:
		if !ok {
			t.Fatal("channel was closed, want a value")
		}
		return v
	case <-time.After(eventtest.Patience):
		t.Fatal("nothing came within a minute")
	}
	panic("unreachable")
}
