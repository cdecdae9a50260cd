package main

import (
	"runtime"
	"testing"
)

// A lab on few cores has four of Go's processors, unless somebody has said how many.
func TestGiveProcessors(t *testing.T) {
	was := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(was)
	giveProcessors(func(string) string { return "1" })
	if got := runtime.GOMAXPROCS(0); got != 1 {
		t.Errorf("with GOMAXPROCS=1: %d, want what was said", got)
	}
	giveProcessors(func(string) string { return "" })
	if got := runtime.GOMAXPROCS(0); got != leastProcessors {
		t.Errorf("on one core: %d, want %d", got, leastProcessors)
	}
	runtime.GOMAXPROCS(2 * leastProcessors)
	giveProcessors(func(string) string { return "" })
	if got := runtime.GOMAXPROCS(0); got != 2*leastProcessors {
		t.Errorf("on many cores: %d, want them all", got)
	}
}
