package main

import "testing"

// A small heap may grow to five times its size, a large one as Go lets it; between them the room is the same.
func TestGCPercent(t *testing.T) {
	for _, tt := range []struct {
		live uint64
		want int
	}{{0, 400}, {1 << 20, 400}, {64 << 20, 400}, {128 << 20, 200}, {256 << 20, 100}, {1 << 30, 100}, {1 << 40, 100}} {
		if got := gcPercent(tt.live); got != tt.want {
			t.Errorf("%d MiB live: got %d %%, want %d %%", tt.live>>20, got, tt.want)
		}
		if grown := tt.live * uint64(gcPercent(tt.live)) / 100; tt.live < heapRoom && grown > heapRoom {
			t.Errorf("%d MiB live: garbage of %d MiB, at most %d MiB are meant", tt.live>>20, grown>>20, heapRoom>>20)
		}
	}
}
