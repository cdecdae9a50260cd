package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// TestRecordings holds that each recording of lavacli is compared, or that the manual says why it is not.
func TestRecordings(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dispatchertest.Corpus(t, "golden/lavacli"), "golden", "lavacli")
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", dir, err)
	}
	manual, err := os.ReadFile(filepath.Join(dispatchertest.Root(t), "docs", "xmlrpc.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, apart, found := strings.Cut(string(manual), "## Recordings of lavacli that are not compared")
	if !found {
		t.Fatal("docs/xmlrpc.md does not say which recordings are not compared")
	}
	// The first cell of a row names recordings.
	var named []string
	for line := range strings.Lines(apart) {
		if cells := strings.Split(line, "|"); len(cells) == 4 {
			for name := range strings.SplitSeq(cells[1], ",") {
				named = append(named, strings.TrimSpace(name))
			}
		}
	}
	steps := lavacliSteps()
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		compared := slices.ContainsFunc(steps, func(s step) bool { return s.golden == name })
		if told := slices.Contains(named, name); compared == told {
			t.Errorf("%s: compared %v, told as not compared %v; want one of them", name, compared, told)
		}
	}
}
