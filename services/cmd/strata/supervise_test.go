package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestSupervisor starts a service that fails again, later each time, and reports how it stands.
func TestSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newSupervisor(slog.New(slog.DiscardHandler), time.Now)
		var starts []time.Duration
		begun := time.Now()
		s.start(ctx, "flaky", func(ctx context.Context) error {
			starts = append(starts, time.Since(begun))
			if len(starts) < 4 {
				return errors.New("not yet")
			}
			<-ctx.Done()
			return nil
		})
		s.start(ctx, "steady", func(ctx context.Context) error { <-ctx.Done(); return nil })

		synctest.Wait()
		if h := s.health(); len(h) != 2 || h[0].Service != "flaky" || h[0].Running || h[0].Error != "not yet" || !h[1].Running {
			t.Errorf("after the first failure: got %+v, want flaky down with its error and steady up", h)
		}
		<-time.After(time.Minute) // of the bubble's clock
		synctest.Wait()
		if h := s.health(); !h[0].Running || h[0].Restarts != 3 {
			t.Errorf("after a minute: got %+v, want flaky up after 3 restarts", h)
		}
		for i, want := range []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond} {
			if starts[i] != want {
				t.Errorf("start %d came after %v, want %v: pauses double", i+1, starts[i], want)
			}
		}
		cancel()
		s.wait()
		if h := s.health(); h[0].Running || h[1].Running {
			t.Errorf("after the end: got %+v, want both down", h)
		}
	})
}
