package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/events"
	"strata/projections/engine"
	"strata/services/cmd/bench/generate"
)

// TestResults measures a few jobs' results, here and in PostgreSQL: each figure is there, and none is
// nothing.
func TestResults(t *testing.T) {
	if _, err := engine.Library(); errors.Is(err, engine.ErrNoLibrary) {
		if os.Getenv("STRATA_REQUIRE_CLICKHOUSE") != "" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED:", err)
	}
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); err != nil || len(found) == 0 {
		t.Skip("SKIPPED: no PostgreSQL here: make bench AREA=tables installs it")
	}
	binary := built(t)
	// PostgreSQL's socket lies below it, and an address of a socket is short.
	scratch, err := os.MkdirTemp("", "bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(scratch) })
	if err := os.Chmod(scratch, 0o755); err != nil { // nobody has to reach the cluster
		t.Fatal(err)
	}
	var out, progress bytes.Buffer
	code := run(t.Context(), []string{"-area", "tables", "-only", "cases in", "-quick", "-runs", "1", "-strata", binary, "-dir", scratch}, &out, &progress)
	if code != 0 {
		t.Fatalf("exit status %d, want 0\n%s", code, progress.String())
	}
	for _, f := range slices.Concat(resulting()[0].figures, resulting()[1].figures) {
		if !strings.Contains(out.String(), f.name+"\t") || strings.Contains(out.String(), f.name+"\t0\t") {
			t.Errorf("no figure %q that is more than nothing:\n%s", f.name, out.String())
		}
	}
	for _, q := range questions() {
		if strings.Contains(progress.String(), q.name+": 0 rows") {
			t.Errorf("%s finds nothing, which measures nothing:\n%s", q.name, progress.String())
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The generated results are a function of the seed, and messages hold each case once.
func TestGeneratedResults(t *testing.T) {
	const job, cases = 17, 1000
	list := generate.New(generate.Lab{Seed: 1}).Cases(job, cases)
	again := generate.New(generate.Lab{Seed: 1})
	var got []events.Case
	next := uint64(0)
	for _, m := range again.Results(job, cases) {
		if m.FirstLine != next || len(m.Cases) > generate.Stretch {
			t.Errorf("a message of %d cases begins at line %d, want at most %d and %d", len(m.Cases), m.FirstLine, generate.Stretch, next)
		}
		next = m.FirstLine + m.Lines
		got = append(got, m.Cases...)
	}
	if len(got) != cases || len(list) != cases {
		t.Fatalf("%d cases in messages and %d at once, want %d", len(got), len(list), cases)
	}
	outcomes, measured := map[events.Outcome]int{}, 0
	for i, c := range got {
		if c.Name != list[i].Name || !c.At.Equal(list[i].At) || c.Result != list[i].Result || *c.EndLine != *list[i].EndLine {
			t.Fatalf("case %d is %+v and %+v of the same seed", i, c, list[i])
		}
		if c.Line != *c.EndLine || *c.StartLine > c.Line || i > 0 && *c.StartLine <= got[i-1].Line {
			t.Errorf("case %d is lines %d to %d, reported in %d", i, *c.StartLine, *c.EndLine, c.Line)
		}
		if outcomes[c.Result]++; c.Measurement != nil {
			measured++
		}
	}
	if outcomes[events.Pass] < 850 || outcomes[events.Fail] == 0 || outcomes[events.Skip] == 0 || measured != cases/10 {
		t.Errorf("outcomes %v, %d measurements", outcomes, measured)
	}
	if other := generate.New(generate.Lab{Seed: 2}).Cases(job, cases); other[0].Name == list[0].Name && other[0].At.Equal(list[0].At) {
		t.Error("another seed makes the same cases")
	}
}
