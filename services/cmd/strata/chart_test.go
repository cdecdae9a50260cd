package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/services/api"
)

// TestChart draws what a lab has to show after one job: a saved chart, and one of conditions.
func TestChart(t *testing.T) {
	t.Parallel()
	needEngine(t)
	w := newWorld(t)
	w.up(t, "--worker", "w1")
	w.must(t, "submit", w.quickDevices(t, 1), "--follow")
	var out api.ChartData
	custom := []string{"chart", "data", "--entity", "testcase", "--conditions", "name__job", "--type", "measurement", "--json"}
	eventually(t, "the tables have the job's end", func() bool {
		status, text := w.strata(t, "chart", "data", "--entity", "testjob", "--json")
		out = api.ChartData{}
		return status == exitOK && json.Unmarshal([]byte(text), &out) == nil && len(out.Drawings) == 1 && len(out.Drawings[0].Data) > 0
	})
	if status, text := w.strata(t, custom...); status != exitOK || !strings.Contains(text, `"chart_type":"measurement"`) {
		t.Errorf("points of conditions: status %d, %s", status, text)
	}
	w.must(t, "query", "save", "jobs", "--entity", "testjob", "--live", "--description", "all jobs")
	if text := w.must(t, "chart", "save", "nightly", "--description", "what passes", "--published"); !strings.Contains(text, "strata chart add nightly") {
		t.Errorf("saved: %q; want what to do next", text)
	}
	if text := w.must(t, "chart", "add", "nightly", "jobs", "--percent", "--goal", "95"); !strings.Contains(text, "pass/fail, in percent") || !strings.Contains(text, "95") {
		t.Errorf("added: %q", text)
	}
	w.must(t, "chart", "add", "nightly", "~local/jobs", "--as", "bars")
	w.must(t, "chart", "order", "nightly", "2", "1")
	w.must(t, "chart", "change", "nightly", "1", "--no-goal", "--trend")
	if text := w.must(t, "chart", "data", "nightly", "--drawing", "1", "--since", "90d ago"); !strings.Contains(text, "lava") || !strings.Contains(text, "100") {
		t.Errorf("data: %q", text)
	}
	svg, picture := filepath.Join(t.TempDir(), "a.svg"), filepath.Join(t.TempDir(), "a.png")
	if status, text := w.strata(t, "chart", "draw", "nightly", "--svg", svg); status != exitFailed || !strings.Contains(text, "2, 1") {
		t.Errorf("drawn without a number: status %d, %q; want those to choose from", status, text)
	}
	if _, err := os.Stat(svg); err == nil {
		t.Error("a file is there of what was not drawn")
	}
	w.must(t, "chart", "draw", "nightly", "--drawing", "1", "--svg", svg, "--png", picture, "--width", "600", "--scale", "1")
	if text, err := os.ReadFile(svg); err != nil || !strings.Contains(string(text), "nightly: all jobs") {
		t.Errorf("as SVG: %.200q, %v", text, err)
	}
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m, err := png.Decode(f); err != nil || m.Bounds().Dx() != 600 || m.Bounds().Dy() != 300 {
		t.Errorf("as PNG: %v", err)
	}
	rows, err := csv.NewReader(strings.NewReader(w.must(t, "chart", "export", "nightly", "--drawing", "2"))).ReadAll()
	if err != nil || len(rows) < 2 || rows[0][7] != "passes" {
		t.Errorf("exported: %q, %v", rows, err)
	}
	item := rows[1][1]
	w.must(t, "chart", "omit", "nightly", "2", item)
	if text := w.must(t, "chart", "data", "nightly", "--drawing", "2"); !strings.Contains(text, "nothing is found") || !strings.Contains(w.must(t, "chart", "show", "nightly"), "2: "+item) {
		t.Errorf("without job %s: %q", item, text)
	}
	w.must(t, "chart", "include", "nightly", "2", item)
	if text := w.must(t, "chart", "view", "nightly", "1", "--since", "2026-01-01", "--legend=false"); !strings.Contains(text, "since 2026-01-01") || !strings.Contains(text, "legend false") {
		t.Errorf("viewed: %q", text)
	}
	for _, args := range [][]string{{"chart", "draw", "nightly"}, {"chart", "data"}, {"chart", "data", "nightly", "--entity", "testjob"}, {"chart", "drop", "nightly", "x"},
		{"chart", "data", "nightly", "--type", "measurement"}, {"chart", "data", "nightly", "--since", "soon"}} {
		if status, text := w.strata(t, args...); status != exitMisuse {
			t.Errorf("%q: status %d, %q; want %d", args, status, text, exitMisuse)
		}
	}
	w.must(t, "chart", "drop", "nightly", "2")
	w.must(t, "chart", "rm", "nightly")
	if text := w.must(t, "chart", "list"); strings.Contains(text, "nightly") {
		t.Errorf("listed after its removal: %q", text)
	}
}

// Whether a point passed is coloured as everywhere: by numbers that a terminal knows.
func TestPointsHaveColours(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := newWorld(t).app(&out)
	a.color = "always"
	points := []api.ChartPoint{{Item: "42", Pass: true}, {Item: "43"}}
	if err := a.printPoints(api.ChartData{Drawings: []api.ChartDrawing{{Data: points}}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x1b[" + green + "mpass\x1b[0m", "\x1b[" + red + "mfail\x1b[0m"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("points: %q, want %q in it", out.String(), want)
		}
	}
}
