package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

func TestDriveActsOnceCaughtUp(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, tags(0, 500)...)
	ctx, cancel := context.WithCancel(t.Context())
	folded := 0
	acts := make(chan int, 1000)
	done := make(chan error, 1)
	go func() {
		done <- b.Log.Drive(ctx, "test", func(stream.Recorded) { folded++ },
			func(time.Time) (time.Time, error) { acts <- folded; return time.Time{}, nil })
	}()
	if got := receive(t, acts); got != 500 {
		t.Errorf("first act after %d facts, want 500: it has to wait until all are folded", got)
	}
	b.Append(t, tag("new"))
	if got := receive(t, acts); got != 501 {
		t.Errorf("second act after %d facts, want 501", got)
	}
	cancel()
	if err := receive(t, done); err != nil {
		t.Errorf("Drive after an orderly stop: %v, want nil", err)
	}
}

// In a lab without facts Act is called at the start, at the time it asks for, and when woken.
func TestDriveWakes(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	acts, wake := make(chan time.Time, 100), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		calls := 0
		done <- b.Log.Run(ctx, stream.Driver{Name: "test", Wake: wake, Fold: func(stream.Recorded) {},
			Act: func(now time.Time) (time.Time, error) {
				acts <- now
				if calls++; calls < 3 {
					return now.Add(time.Duration(calls) * time.Millisecond), nil
				}
				return time.Time{}, nil
			}})
	}()
	first, second, third := receive(t, acts), receive(t, acts), receive(t, acts)
	if second.Before(first.Add(time.Millisecond)) || third.Before(second.Add(2*time.Millisecond)) {
		t.Errorf("woken at %v and %v after the start, want at least 1ms and 2ms more", second.Sub(first), third.Sub(second))
	}
	wake <- struct{}{}
	receive(t, acts)
	cancel()
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
}

func TestDriveEndsWithTheErrorOfAct(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	errOwn := errors.New("own")
	err := b.Log.Drive(t.Context(), "test", func(stream.Recorded) {}, func(time.Time) (time.Time, error) { return time.Time{}, errOwn })
	if !errors.Is(err, errOwn) || !strings.Contains(err.Error(), "drive test") {
		t.Errorf("Drive: %v, want the error of act and the service's name", err)
	}
}

// Two loops that decide on the same thing: each fact follows from what was read, once.
func TestDriveConflict(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	const upTo = 40
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 2)
	for range 2 {
		l := b.Open(t, b.Connect(t))
		var c counter
		go func() {
			done <- l.Drive(ctx, "test", c.fold, func(time.Time) (time.Time, error) {
				if c.Count == upTo {
					cancel()
					return time.Time{}, nil
				}
				own, err := l.Append(ctx, []stream.Draft{{Event: events.TagAdded{Tag: "n", Description: fmt.Sprint(c.Count)}}},
					expectAll(c.Seq))
				if errors.Is(err, stream.ErrConflict) {
					return time.Time{}, nil
				}
				for _, r := range own {
					c.fold(r)
				}
				return time.Time{}, err
			})
		}()
	}
	for range 2 {
		if err := receive(t, done); err != nil {
			t.Error(err)
		}
	}
	facts := eventtest.Facts(t, b.Log, stream.Lab)
	if len(facts) != upTo {
		t.Errorf("LAB has %d facts, want %d", len(facts), upTo)
	}
	for i, r := range facts {
		if got := r.Event.(events.TagAdded).Description; got != fmt.Sprint(i) {
			t.Errorf("fact %d says %s, want %d", r.Seq, got, i)
		}
	}
}

// A fold that begins at a checkpoint is the one that has read everything, and reads only what
// came after.
func TestCheckpointRestoreEqualsReplay(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	var written []events.Event
	for i := range 300 {
		written = append(written, events.TagAdded{Tag: "n", Description: fmt.Sprint(i)})
	}
	b.Append(t, written[:200]...)

	first := new(counter)
	runUntil(t, b.Log, first, 200) // an orderly stop saves
	format, seq, _, err := b.Log.LoadCheckpoint(t.Context(), "count")
	if err != nil || seq != 200 || format != "count.v1" {
		t.Fatalf("checkpoint after the stop: format %q, sequence %d, %v; want count.v1, 200", format, seq, err)
	}
	b.Restart(t)
	b.Append(t, written[200:]...)
	second := new(counter)
	runUntil(t, b.Log, second, 300)
	if second.folded != 100 {
		t.Errorf("folded %d facts after the checkpoint, want 100", second.folded)
	}
	replayed := new(counter)
	for _, r := range eventtest.Facts(t, b.Log, stream.Lab) {
		replayed.fold(r)
	}
	if second.Count != replayed.Count || second.Seq != replayed.Seq || !slices.Equal(second.Said, replayed.Said) {
		t.Errorf("restored fold differs from replay:\n got %+v\nwant %+v", second, replayed)
	}
}

func TestCheckpointEverySoManyFacts(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	b.Append(t, tags(0, 90)...)
	c := new(counter)
	point := c.checkpoint()
	point.Facts = 50
	saved := make(chan struct{}, 10)
	save := point.Save
	point.Save = func() ([]byte, error) { saved <- struct{}{}; return save() }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Log.Run(ctx, stream.Driver{Name: "count", Fold: c.fold, Checkpoint: point,
			Act: func(time.Time) (time.Time, error) { return time.Time{}, nil }})
	}()
	receive(t, saved) // while it runs
	cancel()
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
}

// A checkpoint that cannot be used is not the end: everything is read again.
func TestUselessCheckpoints(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		format string
		seq    uint64
		data   string
	}{
		{"format of a newer release", "count.v9", 5, `{}`},
		{"not what Save wrote", "count.v1", 5, `{`},
		{"ahead of the stream", "count.v1", 50, `{"Count":50}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := eventtest.Start(t)
			b.Append(t, tags(0, 10)...)
			if err := b.Log.SaveCheckpoint(t.Context(), "count", tt.format, tt.seq, []byte(tt.data)); err != nil {
				t.Fatal(err)
			}
			c := new(counter)
			runUntil(t, b.Log, c, 10)
			if c.folded != 10 {
				t.Errorf("folded %d facts, want all 10", c.folded)
			}
		})
	}
}

// counter is a fold with a checkpoint.
type counter struct {
	Count  int
	Seq    uint64
	Said   []string
	folded int
}

func (c *counter) fold(r stream.Recorded) {
	if r.Seq <= c.Seq {
		return // own
	}
	c.Count, c.Seq, c.folded = c.Count+1, r.Seq, c.folded+1
	c.Said = append(c.Said, r.Event.(events.TagAdded).Description)
}

func (c *counter) checkpoint() *stream.Checkpoint {
	return &stream.Checkpoint{
		Format: "count.v1",
		Save:   func() ([]byte, error) { return json.Marshal(c) },
		Load: func(format string, data []byte) error {
			if format != "count.v1" {
				return fmt.Errorf("format %s is not known", format)
			}
			return json.Unmarshal(data, c)
		},
	}
}

// runUntil drives a counter until it has counted n facts, and stops it in order.
func runUntil(t *testing.T, l *stream.Log, c *counter, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventtest.Patience)
	defer cancel()
	err := l.Run(ctx, stream.Driver{Name: "count", Fold: c.fold, Checkpoint: c.checkpoint(),
		Act: func(time.Time) (time.Time, error) {
			if c.Count >= n {
				cancel()
			}
			return time.Time{}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Count != n {
		t.Fatalf("counted %d facts, want %d", c.Count, n)
	}
}

// TestStopWhileStarting stops a driver before it has read its checkpoint: that is an orderly stop too.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := b.Log.Run(ctx, stream.Driver{Name: "stopped", Fold: func(stream.Recorded) {},
		Act:        func(time.Time) (time.Time, error) { return time.Time{}, nil },
		Checkpoint: &stream.Checkpoint{Format: "f1", Save: func() ([]byte, error) { return nil, nil }, Load: func(string, []byte) error { return nil }}})
	if err != nil {
		t.Errorf("stopped before it began: %v, want nil", err)
	}
}
