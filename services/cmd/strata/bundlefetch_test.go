package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/reproduce"
)

// Digests and commits come out of a log that a worker wrote: none of them leads out of the bundle's folder, ends the
// command, or is an option of git.
func TestBundleOfAHostileLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := write(t, dir, "secret", "of the person who makes the bundle\n")
	b := bundling{dir: filepath.Join(dir, "members"), cache: dir}
	for _, sum := range []string{"", "a", "../../secret", strings.Repeat("/", 64), strings.Repeat("A", 64), strings.Repeat("0", 63)} {
		to := filepath.Join(b.dir, "artefacts", sum)
		if err := b.fetch(t.Context(), "file://"+outside, reproduce.Digest{SHA256: sum, Size: 36}, to); err == nil || !strings.Contains(err.Error(), "64 hexadecimal digits") {
			t.Errorf("a file of SHA-256 %q is taken: %v", sum, err)
		}
	}
	for _, commit := range []string{"", "--orphan=x", "-f", "main", "HEAD~1"} {
		if _, err := b.fetchTree(t.Context(), source{url: dir, commit: commit}); err == nil || !strings.Contains(err.Error(), "for its commit") {
			t.Errorf("a tree of commit %q is taken: %v", commit, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
