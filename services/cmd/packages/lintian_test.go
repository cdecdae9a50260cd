package packages

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// TestLintian asks Debian's own checker of packages. What it is told to pass over stands, with its reason, in the
// packages' overrides.
func TestLintian(t *testing.T) {
	dir, _ := built(t)
	dispatchertest.Need(t, "lintian:lintian")
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) == 0 {
		t.Fatalf("no packages in %s: %v", dir, err)
	}
	// Its status is 2 where it finds errors, and has other reasons to be so.
	out, err := exec.Command("lintian", append([]string{"--allow-root", "--tag-display-limit", "0"}, debs...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "E: ") {
			t.Errorf("lintian: %s", line)
		}
	}
	if err != nil && !strings.Contains(string(out), "E: ") {
		t.Errorf("lintian: %v\n%s", err, out)
	}
}
