package grafana_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"strata/projections/grafana"
)

var update = flag.Bool("update", false, "write dashboards/ anew")

// The files are what the tables of panels say, and nothing else lies beside them.
func TestFiles(t *testing.T) {
	t.Parallel()
	var names []string
	for _, d := range grafana.Dashboards() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, d.File())
		file := filepath.Join("dashboards", d.File())
		if *update {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if is, err := os.ReadFile(file); err != nil || !bytes.Equal(is, text) {
			t.Errorf("%s is not what the table says (%v); run go test ./projections/grafana -update", file, err)
		}
	}
	entries, err := os.ReadDir("dashboards")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			t.Errorf("dashboards/%s is of no dashboard", e.Name())
		}
	}
	if source, err := os.ReadFile("datasource.yaml"); err != nil || !strings.Contains(string(source), "uid: "+grafana.Source+"\n") {
		t.Errorf("datasource.yaml has not the uid %s (%v)", grafana.Source, err)
	}
}

// Rows of panels fill the page, and each panel asks the published views only.
func TestPanels(t *testing.T) {
	t.Parallel()
	from := regexp.MustCompile(`(?i)\b(?:from|join)\s+([a-z_.]+)`)
	for _, d := range grafana.Dashboards() {
		width := 0
		for _, p := range d.Panels {
			if width += p.Width; width > 24 {
				t.Errorf("%s: %s does not end on the right edge", d.Title, p.Title)
			}
			if width == 24 {
				width = 0
			}
			for _, m := range from.FindAllStringSubmatch(p.SQL, -1) {
				if !strings.HasPrefix(m[1], "results.") {
					t.Errorf("%s: %s asks %s", d.Title, p.Title, m[1])
				}
			}
		}
	}
}
