package stream_test

import (
	"fmt"
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// ahead tells the lines that ReadAhead returns, such as "5-7 8-9".
func ahead(t *testing.T, b *eventtest.Broker, job events.JobID, line, count uint64) string {
	t.Helper()
	frames, err := b.Log.ReadAhead(t.Context(), job, line, count)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range frames {
		checkLines(t, f)
		out = append(out, fmt.Sprintf("%d-%d", f.First, f.End()-1))
	}
	return strings.Join(out, " ")
}

// TestReadAhead looks lines up in the middle of output that another job's stands between.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	if got := ahead(t, b, 7, 0, 10); got != "" {
		t.Errorf("of a job that said nothing: %s", got)
	}
	publish(t, b, 7, 1, 0, 50) // under a lease that was lost: its lines are others
	for i := range uint64(30) {
		publish(t, b, 7, 2, i*10, 10)
		for range i % 3 {
			publish(t, b, 8, 1, i, 1)
		}
	}
	for _, tt := range []struct {
		line, count uint64
		want        string
	}{
		{0, 10, "0-9"}, {0, 11, "0-9 10-19"}, {5, 1, "5-9"}, {99, 1, "99-99"}, {100, 1, "100-109"}, {123, 20, "123-129 130-139 140-149"},
		{299, 50, "299-299"}, {300, 1, ""}, {5000, 1, ""},
	} {
		if got := ahead(t, b, 7, tt.line, tt.count); got != tt.want {
			t.Errorf("%d lines from %d: %q, want %q", tt.count, tt.line, got, tt.want)
		}
	}
	if got := len(strings.Fields(ahead(t, b, 7, 100, 150))); got != 15 {
		t.Errorf("more than is read at once came in %d frames, want 15", got)
	}
}

// TestReadAheadDisorder looks into output that was sent again, has a gap, and whose beginning was purged.
func TestReadAheadDisorder(t *testing.T) {
	t.Parallel()
	b := eventtest.Start(t)
	for _, first := range []uint64{0, 10, 20, 30, 20, 30, 40, 50, 70, 80} { // the process began again at 20; 60 was lost
		publish(t, b, 7, 1, first, 10)
	}
	for line := range uint64(90) {
		got := ahead(t, b, 7, line, 1)
		want := fmt.Sprintf("%d-%d", line, line/10*10+9)
		if line/10 == 6 {
			want = ""
		}
		if got != want {
			t.Errorf("line %d: %q, want %q", line, got, want)
		}
	}
	if got := ahead(t, b, 7, 55, 30); got != "55-59" {
		t.Errorf("over a gap: %q, want what comes before it", got)
	}
	purge(t, b.Log, stream.Output, 3)
	if got := ahead(t, b, 7, 5, 10); got != "" {
		t.Errorf("of what was purged: %q", got)
	}
	if got := ahead(t, b, 7, 25, 5); got != "25-29" {
		t.Errorf("behind what was purged: %q", got)
	}
}
