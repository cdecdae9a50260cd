package main

import (
	"slices"
	"strings"
	"testing"
)

// A figure that the browser did not measure is told, and is not taken for 0, which every goal of "at most" would meet.
func TestFiguresOf(t *testing.T) {
	got := map[string]float64{"open": 120, "jump": 0, "heap": 80}
	if row, err := figuresOf(got, "heap", "jump"); err != nil || !slices.Equal(row, []float64{80, 0}) {
		t.Errorf("heap and jump: %v, %v; want 80 and 0", row, err)
	}
	if row, err := figuresOf(got, "open", "frames"); err == nil || !strings.Contains(err.Error(), `"frames"`) {
		t.Errorf("a name that was not answered: %v, %v; want an error that names it", row, err)
	}
}
