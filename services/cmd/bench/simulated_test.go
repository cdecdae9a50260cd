package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestSimulated takes the figures of simulated labs with small ones; no binary is needed for them.
func TestSimulated(t *testing.T) {
	t.Parallel()
	b := &bench{runs: 1, sizes: small, now: time.Now, progress: &bytes.Buffer{}}
	for _, m := range simulating() {
		rows, err := m.take(t.Context(), b)
		if err != nil {
			t.Fatalf("%s: %v", m.figures[0].name, err)
		}
		if err := checkRows(rows, len(m.figures)); err != nil {
			t.Errorf("%s: %v", m.figures[0].name, err)
		}
		for i, f := range m.figures {
			// What a policy promises comes out the same on every machine; the year is too short here
			// for estimates to be good.
			if r := newResult(f, rows, i); !r.met() && !strings.Contains(f.name, "estimates") && !strings.Contains(f.name, "interval") {
				t.Errorf("%s", r.line())
			}
		}
	}
}
