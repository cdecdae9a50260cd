package stream_test

import (
	"errors"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// TestCurrent has a reader hold what a replica that is behind would have answered.
func TestCurrent(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	job := events.Entity{Kind: events.Job, ID: "42"}
	if err := b.Log.Current(t.Context(), job, nil); err != nil {
		t.Errorf("no facts of a job that nobody submitted: %v, want nil", err)
	}
	b.Append(t, events.JobSubmitted{Job: 42})
	b.Append(t, events.JobCancelRequested{Job: 42})
	all, err := b.Log.Load(t.Context(), job)
	if err != nil || len(all) != 2 {
		t.Fatalf("load: %d facts, %v, want 2", len(all), err)
	}
	b.Append(t, tag("other"))
	for n := range 3 {
		err := b.Log.Current(t.Context(), job, all[:n])
		if behind := errors.Is(err, stream.ErrBehind); behind != (n < 2) || !behind && err != nil {
			t.Errorf("%d of 2 facts: %v, want behind %v", n, err, n < 2)
		}
	}
}
