package web

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"strata/projections/chart"
)

// TestInlinedCharts holds that a picture that became part of a page has no style of its own, which the pages' policy
// would refuse, and that the sheet of the page knows each of its classes.
func TestInlinedCharts(t *testing.T) {
	t.Parallel()
	goal := 3.0
	c := chart.Chart{Title: "Boot <time>", Unit: "s", Target: &goal, Trend: 3}
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"} {
		s := chart.Series{Name: name}
		for i := range 5 {
			s.Points = append(s.Points, chart.Point{At: at.Add(time.Duration(i) * time.Hour), Value: float64(i), Pass: i != 2, Link: "/results/1", Note: "n"})
		}
		c.Series = append(c.Series, s)
	}
	var picture bytes.Buffer
	if err := chart.Draw(&picture, "svg", c, chart.Options{}); err != nil {
		t.Fatal(err)
	}
	got := string(inlined(picture.Bytes()))
	if strings.Contains(got, "<style") || strings.Contains(got, " style=") {
		t.Error("the picture still has styles inside")
	}
	if !strings.Contains(got, "Boot &lt;time&gt;") {
		t.Error("the title is not escaped, or gone")
	}
	sheet, err := os.ReadFile("static/chart.css")
	if err != nil {
		t.Fatal(err)
	}
	classes := regexp.MustCompile(`class="([^"]+)"`).FindAllStringSubmatch(got, -1)
	if len(classes) < 20 {
		t.Fatalf("the picture has %d classes, want many", len(classes))
	}
	for _, found := range classes {
		for _, class := range strings.Fields(found[1]) {
			if !regexp.MustCompile(`\.` + regexp.QuoteMeta(class) + `\b`).Match(sheet) {
				t.Errorf("static/chart.css has no rule for .%s", class)
			}
		}
	}
}
