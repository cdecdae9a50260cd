package job

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// split is a sample that the lenient mode of LAVA's strict schema takes, and its gate does not: a
// part of a multinode job as a worker gets it, with target_group beside roles.
const split = "tests/lava_dispatcher/sample_jobs/docker-test-multinode.yaml"

// TestCorpus compares the gate's verdicts with the lenient ones that LAVA 2026.07 gave on its own
// sample jobs. Without the corpus it is skipped; the tables beside it stand alone.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := corpus(t)
	raw, err := os.ReadFile(filepath.Join(dir, "jobs-schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var verdicts map[string]struct{ Lenient string }
	if err := json.Unmarshal(raw, &verdicts); err != nil {
		t.Fatal(err)
	}
	gate, seen := NewGate(Rules{}), 0
	for name, verdict := range verdicts {
		text, err := os.ReadFile(filepath.Join(dir, "jobs", strings.TrimPrefix(strings.ReplaceAll(name, "/", "__"), "tests__")))
		if err != nil {
			t.Errorf("verdict without its job: %v", err)
			continue
		}
		seen++
		d, problems := gate.Check(text)
		switch {
		case name == split:
			if problems == nil || problems[0].Path != "data['protocols']['lava-multinode']['target_group']" {
				t.Errorf("%s: %v, want its target_group refused", name, messages(problems))
			}
		case verdict.Lenient == "ok" && problems != nil:
			t.Errorf("%s: %v, want it to pass", name, problems[0])
		case verdict.Lenient != "ok" && problems == nil:
			t.Errorf("%s: passes, want %s", name, verdict.Lenient)
		}
		if d != nil && len(d.Actions) == 0 {
			t.Errorf("%s: no actions were read", name)
		}
		if d == nil || !d.Multinode() {
			continue
		}
		parts, problem := d.Split("group")
		if problem != nil || len(parts) == 0 {
			t.Errorf("%s: split: %v", name, problem)
		}
	}
	if seen == 0 {
		t.Error("the corpus has no verdicts")
	}
}

// corpus returns the folder of recorded jobs: below STRATA_CORPUS, or beside the repository.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("STRATA_CORPUS")
	if dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for ; wd != filepath.Dir(wd); wd = filepath.Dir(wd) {
			if _, err := os.Stat(filepath.Join(wd, "go.work")); err == nil {
				dir = filepath.Join(filepath.Dir(wd), "shared")
				break
			}
		}
	}
	for _, candidate := range []string{filepath.Join(dir, "corpus"), dir} {
		if _, err := os.Stat(filepath.Join(candidate, "jobs-schema.json")); err == nil {
			return candidate
		}
	}
	t.Skipf("SKIPPED: no corpus at %q; set STRATA_CORPUS to the folder that holds it", dir)
	return ""
}
