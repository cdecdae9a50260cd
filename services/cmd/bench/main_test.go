package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/projections/engine"
)

// TestFoundation measures every figure of the area with small loads, in real labs: the figures mean
// nothing, but each is there, once, in its five columns.
func TestFoundation(t *testing.T) {
	if _, err := engine.Library(); errors.Is(err, engine.ErrNoLibrary) {
		if os.Getenv("STRATA_REQUIRE_CLICKHOUSE") != "" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED:", err)
	}
	binary := built(t)
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("old\n| idle RSS | a row |\n"+notesBelow+"\nwritten by a person\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	var out, progress bytes.Buffer
	code := run(t.Context(), []string{"-quick", "-runs", "1", "-strata", binary, "-dir", scratch, "-markdown", page}, &out, &progress)
	if code != 0 {
		t.Fatalf("exit status %d, want 0\n%s", code, progress.String())
	}
	var want, got []string
	for _, m := range foundation() {
		for _, f := range m.figures {
			want = append(want, f.name)
		}
	}
	for line := range strings.Lines(out.String()) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) != 5 || columns[4] != "met" && columns[4] != "missed" {
			t.Errorf("line %q: want figure, value, unit, goal, met or missed", line)
		}
		got = append(got, columns[0])
	}
	if !slices.Equal(got, want) {
		t.Errorf("figures\n got %q\nwant %q", got, want)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(text), "\n"+notesBelow+"\nwritten by a person\n") || strings.HasPrefix(string(text), "old") ||
		strings.Count(string(text), "| idle RSS |") != 1 || strings.Contains(string(text), "a row") {
		t.Errorf("the page is not made anew above its notes:\n%s", text)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("labs left behind: %v, %v", left, err)
	}
}

// TestConsoles measures consoles with small loads: each figure is there, and none is nothing.
func TestConsoles(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "strata")
	if err := os.WriteFile(binary, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	var out, progress bytes.Buffer
	code := run(t.Context(), []string{"-area", "dispatcher", "-only", "console", "-quick", "-runs", "1", "-strata", binary, "-dir", t.TempDir()}, &out, &progress)
	if code != 0 {
		t.Fatalf("exit status %d, want 0\n%s", code, progress.String())
	}
	for _, name := range []string{"console matching\t", "1000 consoles at 115200 baud\t"} {
		if !strings.Contains(out.String(), name) || strings.Contains(out.String(), name+"0\t") {
			t.Errorf("no figure %q:\n%s", name, out.String())
		}
	}
}

func TestExitStatus(t *testing.T) {
	tests := []struct {
		args []string
		want int
		says string
	}{
		{[]string{"-area", "kitchen"}, 2, "-area kitchen: there are foundation, dispatcher, lab, tables, doors, web"},
		{[]string{"-runs", "0"}, 2, "-runs 0: at least 1"},
		{[]string{"quickly"}, 2, `argument "quickly"`},
		{[]string{"-fast"}, 2, "flag provided but not defined"},
		{[]string{"-strata", filepath.Join(t.TempDir(), "none")}, 1, "run make build"},
	}
	for _, tt := range tests {
		var out, progress bytes.Buffer
		if code := run(t.Context(), tt.args, &out, &progress); code != tt.want {
			t.Errorf("bench %s: exit status %d, want %d", tt.args, code, tt.want)
		}
		if !strings.Contains(progress.String(), tt.says) || out.Len() > 0 {
			t.Errorf("bench %s: said %q and printed %q, want %q said and nothing printed", tt.args, progress.String(), out.String(), tt.says)
		}
	}
}

// A figure that was not measured keeps its row.
func TestPageKeepsRows(t *testing.T) {
	b := &bench{now: time.Now}
	const kept = "| idle RSS | 33 | MB | ≤ 100 | met | 33 | 2026-01-01 10:00 |\n"
	old := "# Measurements\n\n" + kept + "| idle RSS with more | 1 |\n"
	if got := b.row(figure{name: "idle RSS"}, []result{{figure: figure{name: "submissions"}}}, old); got != kept {
		t.Errorf("row of a figure that was not measured: got %q, want %q", got, kept)
	}
	if got := b.row(figure{name: "RSS"}, nil, old); got != "" {
		t.Errorf("row of a figure that the page does not have: %q", got)
	}
}

func TestResult(t *testing.T) {
	tests := []struct {
		f      figure
		values []float64
		want   string
	}{
		{figure{name: "rate", unit: "1/s", goal: 1000}, []float64{999, 2000, 1000.4}, "rate\t1000\t1/s\t>=1000\tmet"},
		{figure{name: "rate", unit: "1/s", goal: 1000}, []float64{2000, 999, 10}, "rate\t999\t1/s\t>=1000\tmissed"},
		{figure{name: "time", unit: "ms", goal: 50, atMost: true}, []float64{49, 51}, "time\t50\tms\t<=50\tmet"},
		{figure{name: "time", unit: "ms", goal: 50, atMost: true}, []float64{50.123}, "time\t50.1\tms\t<=50\tmissed"},
		{figure{name: "part", unit: "%"}, []float64{0}, "part\t0\t%\t-\tmet"},
		{figure{name: "small", unit: "ms"}, []float64{0.01234}, "small\t0.0123\tms\t-\tmet"},
	}
	for _, tt := range tests {
		var rows [][]float64
		for _, v := range tt.values {
			rows = append(rows, []float64{-1, v})
		}
		if got := newResult(tt.f, rows, 1).line(); got != tt.want {
			t.Errorf("line of %v: got %q, want %q", tt.values, got, tt.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	var times []time.Duration
	for i := range 200 {
		times = append(times, time.Duration(200-i)*time.Millisecond)
	}
	for p, want := range map[int]float64{50: 100, 99: 198, 100: 200} {
		if got := percentile(times, p); got != want {
			t.Errorf("percentile %d of 1 to 200 ms: %v ms, want %v", p, got, want)
		}
	}
	if got := percentile(times[:1], 99); got != 200 {
		t.Errorf("percentile 99 of one time: %v, want that time, 200", got)
	}
}

func TestCheckRows(t *testing.T) {
	if err := checkRows([][]float64{{1, 2}, {3, 4}}, 2); err != nil {
		t.Errorf("two whole rows: %v", err)
	}
	for _, rows := range [][][]float64{nil, {{1, 2}, {3}}} {
		if err := checkRows(rows, 2); err == nil {
			t.Errorf("rows %v for two figures are taken", rows)
		}
	}
}

// TestLives lets a few jobs live in a real lab, with a worker that plays their devices.
func TestLives(t *testing.T) {
	binary := built(t)
	var out, progress bytes.Buffer
	code := run(t.Context(), []string{"-area", "lab", "-only", "full lives", "-quick", "-runs", "1", "-strata", binary, "-dir", t.TempDir()}, &out, &progress)
	if code != 0 {
		t.Fatalf("exit status %d, want 0\n%s", code, progress.String())
	}
	for _, name := range []string{"full lives of jobs\t", "submit to released p99\t"} {
		if !strings.Contains(out.String(), name) || strings.Contains(out.String(), name+"0\t") {
			t.Errorf("no figure %q that is more than nothing:\n%s", name, out.String())
		}
	}
}

// built makes the binary that is measured, of the tree that the test is in, and returns its path.
func built(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "strata")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "strata/services/cmd/strata").CombinedOutput(); err != nil {
		t.Fatalf("build strata: %v\n%s", err, text)
	}
	return binary
}
