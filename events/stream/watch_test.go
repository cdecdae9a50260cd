package stream_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// watch collects what one watcher gets from a line on, until he has read to line end.
func watch(t *testing.T, w *stream.Watching, line uint64, end *atomic.Uint64, each func(stream.OutputFrame)) {
	t.Helper()
	next := line
	err := w.Watch(t.Context(), 7, line, func(f stream.OutputFrame) error {
		if f.First != next {
			t.Errorf("got line %d, want %d", f.First, next)
		}
		checkLines(t, f.Frame)
		if each != nil {
			each(f)
		}
		if next = f.End(); next >= end.Load() {
			return errStop
		}
		return nil
	}, nil)
	if !errors.Is(err, errStop) {
		t.Errorf("watching from line %d ended at %d: %v", line, next, err)
	}
}

// Many watch one job, from its begin, from the middle, and late; each gets every line once, and as
// soon as all have read what was there, the broker is asked once for all of them.
func TestWatchTogether(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	publish(t, b, 7, 1, 0, 4)
	publish(t, b, 8, 1, 0, 1) // of another job
	w := stream.NewWatching(b.Log)
	const watchers = 50
	var total atomic.Uint64 // lines, once that is known
	total.Store(math.MaxUint64)
	var live, all sync.WaitGroup
	live.Add(watchers)
	for i := range uint64(watchers) {
		all.Go(func() {
			var once sync.Once
			watch(t, w, i%4, &total, func(stream.OutputFrame) { once.Do(live.Done) })
		})
	}
	live.Wait()
	next := uint64(4)
	for readers := 0; readers != 1; next++ {
		publish(t, b, 7, 1, next, 1)
		readers = consumers(t, b)
	}
	total.Store(next + 1)
	publish(t, b, 7, 1, next, 1)
	all.Wait()
	watch(t, w, 3, &total, nil) // and who comes when all have gone
}

// consumers counts who reads OUTPUT.
func consumers(t *testing.T, b *eventtest.Broker) int {
	t.Helper()
	s, err := b.Log.JetStream().Stream(t.Context(), stream.Output)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Consumers
}

// A watcher who takes his time misses nothing of what was dropped from memory meanwhile, and nobody
// waits for him.
func TestWatchSlowly(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	w := stream.NewWatching(b.Log)
	const frames, lines = 60, 1000 // more than is kept in memory
	var total atomic.Uint64
	total.Store(frames * lines)
	started, quickIsDone := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		var once sync.Once
		watch(t, w, 0, &total, func(stream.OutputFrame) {
			once.Do(func() {
				close(started)
				<-quickIsDone
			})
		})
	})
	publish(t, b, 7, 1, 0, lines)
	<-started
	all.Go(func() {
		defer close(quickIsDone)
		watch(t, w, 0, &total, nil)
	})
	for n := uint64(1); n < frames; n++ {
		publish(t, b, 7, 1, n*lines, lines)
	}
	all.Wait()
}

// Lines that are missing are passed over, and a late one does not come between.
func TestWatchPassesGaps(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	publish(t, b, 7, 1, 0, 2)
	publish(t, b, 7, 1, 5, 1)
	w := stream.NewWatching(b.Log)
	var got []uint64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	err := w.Watch(ctx, 7, 0, func(f stream.OutputFrame) error {
		got = append(got, f.First)
		switch f.First {
		case 5:
			publish(t, b, 7, 1, 2, 3)
			publish(t, b, 7, 1, 8, 2)
		case 8:
			publish(t, b, 7, 1, 9, 3) // of which one has come
		case 10:
			stop()
		}
		return nil
	}, nil)
	if want := []uint64{0, 5, 8, 10}; err != nil || len(got) != len(want) {
		t.Fatalf("frames at %v (%v), want %v", got, err, want)
	}
}

// The end of what is stored is told, also of a job that has said nothing.
func TestWatchTellsHowFar(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	publish(t, b, 7, 1, 0, 1)
	publish(t, b, 8, 1, 0, 1)
	w := stream.NewWatching(b.Log)
	for _, job := range []events.JobID{7, 9} {
		err := w.Watch(t.Context(), job, 0, func(stream.OutputFrame) error { return nil }, func(through uint64) error {
			if through >= 2 {
				return errStop
			}
			return nil
		})
		if !errors.Is(err, errStop) {
			t.Errorf("job %d: %v, want to be told that 2 has been read", job, err)
		}
	}
}

// Who would rather have the newest lines loses those that he was too slow for, and nothing before that.
func TestWatchNewest(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	w := stream.NewWatching(b.Log)
	const frames, lines = 60, 1000 // more than is kept in memory
	publish(t, b, 7, 1, 0, lines)
	publish(t, b, 7, 1, lines, lines)
	var got, next, skipped uint64
	said := false
	err := w.WatchNewest(t.Context(), 7, 0, func(f stream.OutputFrame) error {
		if f.First != next && !said {
			t.Errorf("line %d came after line %d, before anybody was slow", f.First, next)
		}
		skipped += f.First - next
		got, next = got+f.Count, f.End()
		if said || next < 3*lines {
			return nil
		}
		said = true
		for n := uint64(3); n < frames; n++ { // while he takes his time
			publish(t, b, 7, 1, n*lines, lines)
		}
		// Another has read all that, and then one frame more: that one he gets from memory, where it stands behind the rest, of
		// which memory has let go of the oldest, or because memory has let go of what he had read.
		once := sync.OnceFunc(func() { publish(t, b, 7, 1, frames*lines, lines) })
		err := w.Watch(t.Context(), 7, 3*lines, func(f stream.OutputFrame) error {
			if f.First == frames*lines {
				return errStop
			}
			return nil
		}, func(uint64) error { once(); return nil })
		if !errors.Is(err, errStop) {
			t.Errorf("the other ended with %v", err)
		}
		return nil
	}, func(uint64) error {
		switch {
		case next == 2*lines:
			publish(t, b, 7, 1, 2*lines, lines) // he has read what was stored
		case next >= (frames+1)*lines:
			return errStop
		}
		return nil
	})
	if !errors.Is(err, errStop) {
		t.Fatalf("ended at line %d: %v", next, err)
	}
	if skipped == 0 || got+skipped != (frames+1)*lines {
		t.Errorf("got %d lines and was spared %d, want together %d and some spared", got, skipped, (frames+1)*lines)
	}
}

// TestWatchLate joins a long log near its end, and gets what it asked for without the beginning being read again.
func TestWatchLate(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	const frames, each = 40, 500
	for i := range uint64(frames) {
		publish(t, b, 7, 1, i*each, each)
		if i == frames-2 {
			publish(t, b, 7, 1, (i-1)*each, each) // sent again
		}
	}
	var total atomic.Uint64
	total.Store(frames * each)
	w := stream.NewWatching(b.Log)
	for _, line := range []uint64{frames*each - 1, frames*each - 700, 10_001, 12_345, 9_999, 1} {
		watch(t, w, line, &total, nil)
	}
}
