package main

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"strata/projections/engine"
)

// TestDoors measures every figure of the area with small loads, in real labs: each is there, and none is nothing.
func TestDoors(t *testing.T) {
	if _, err := engine.Library(); errors.Is(err, engine.ErrNoLibrary) {
		if os.Getenv("STRATA_REQUIRE_CLICKHOUSE") != "" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED:", err)
	}
	binary := built(t)
	scratch := t.TempDir()
	var out, progress bytes.Buffer
	code := run(t.Context(), []string{"-area", "doors", "-quick", "-runs", "1", "-strata", binary, "-dir", scratch}, &out, &progress)
	if code != 0 {
		t.Fatalf("exit status %d, want 0\n%s", code, progress.String())
	}
	for _, m := range slices.Concat(knocking(), listing(), watching()) {
		for _, f := range m.figures {
			if !strings.Contains(out.String(), f.name+"\t") || strings.Contains(out.String(), f.name+"\t0\t") {
				t.Errorf("no figure %q that is more than nothing:\n%s", f.name, out.String())
			}
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
