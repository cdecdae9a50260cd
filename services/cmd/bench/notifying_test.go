package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestCallbacks has a few callbacks arrive beside others that hang, in a real lab.
func TestCallbacks(t *testing.T) {
	binary := built(t)
	var out, progress bytes.Buffer
	code := run(t.Context(), []string{"-area", "tables", "-only", "callback", "-quick", "-runs", "1", "-strata", binary, "-dir", t.TempDir()}, &out, &progress)
	if code != 0 {
		t.Fatalf("exit status %d, want 0\n%s", code, progress.String())
	}
	for _, name := range []string{"callback while 1,000 hang elsewhere, p99\t", "callback while none hangs, p99\t"} {
		if !strings.Contains(out.String(), name) || strings.Contains(out.String(), name+"0\t") {
			t.Errorf("no figure %q that is more than nothing:\n%s", name, out.String())
		}
	}
}
