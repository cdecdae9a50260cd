package strict

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/schemas/shape"
)

// recorded is one job of the corpus with the verdicts of LAVA 2026.07.
type recorded struct {
	name    string
	text    []byte
	strict  string // "ok", or what is wrong
	lenient string
}

// TestCorpus compares verdicts, and the words of the first problem, with those that LAVA 2026.07
// gave on its own sample jobs. Without the corpus it is skipped.
func TestCorpus(t *testing.T) {
	t.Parallel()
	v := New(nil)
	for _, job := range corpus(t) {
		for mode, want := range map[shape.Mode]string{shape.Strict: job.strict, shape.Lenient: job.lenient} {
			problems := v.Check(job.text, mode)
			_, words, refused := strings.Cut(want, ": ")
			switch {
			case !refused && len(problems) > 0:
				t.Errorf("%s, strict %v: refused, want it accepted:\n%v", job.name, mode, problems)
			case refused && len(problems) == 0:
				t.Errorf("%s, strict %v: accepted, want %s", job.name, mode, want)
			case refused && !slices.ContainsFunc(problems, func(p Problem) bool { return p.Classic == words }):
				t.Errorf("%s, strict %v:\n got %q\nwant %q", job.name, mode, problems[0].Classic, words)
			}
		}
	}
}

// corpus reads the recorded jobs: below STRATA_CORPUS, or beside the repository.
func corpus(t testing.TB) (jobs []recorded) {
	t.Helper()
	dir := corpusDir(t)
	raw, err := os.ReadFile(filepath.Join(dir, "jobs-schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var verdicts map[string]struct{ Strict, Lenient string }
	if err := json.Unmarshal(raw, &verdicts); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(verdicts)) {
		text, err := os.ReadFile(filepath.Join(dir, "jobs", strings.TrimPrefix(strings.ReplaceAll(name, "/", "__"), "tests__")))
		if err != nil {
			t.Errorf("verdict without its job: %v", err)
			continue
		}
		jobs = append(jobs, recorded{name, text, verdicts[name].Strict, verdicts[name].Lenient})
	}
	if len(jobs) == 0 {
		t.Error("the corpus has no verdicts")
	}
	return jobs
}

func corpusDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("STRATA_CORPUS")
	if dir == "" {
		dir = filepath.Join(filepath.Dir(root(t)), "shared")
	}
	for _, candidate := range []string{filepath.Join(dir, "corpus"), dir} {
		if _, err := os.Stat(filepath.Join(candidate, "jobs-schema.json")); err == nil {
			return candidate
		}
	}
	t.Skipf("SKIPPED: no corpus at %q; set STRATA_CORPUS to the folder that holds it", dir)
	return ""
}

// root returns the folder with go.work.
func root(t testing.TB) string {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; wd != filepath.Dir(wd); wd = filepath.Dir(wd) {
		if _, err := os.Stat(filepath.Join(wd, "go.work")); err == nil {
			return wd
		}
	}
	t.Fatal("no go.work above the test")
	return ""
}
