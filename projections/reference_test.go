package projections

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write generated files anew")

func TestReferenceIsCurrent(t *testing.T) {
	db := openTest(t)
	var page bytes.Buffer
	if err := db.WriteReference(t.Context(), &page); err != nil {
		t.Fatal(err)
	}
	const path = "../docs/tables.md"
	if *update {
		if err := os.WriteFile(path, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(is, page.Bytes()) {
		t.Errorf("%s is not what sql/ says; run go test ./projections -run TestReference -update", path)
	}
	for _, line := range strings.Split(page.String(), "\n") {
		if strings.HasPrefix(line, "| ") && strings.HasSuffix(line, "|  |") {
			t.Errorf("a column without a comment: %s", line)
		}
	}
}

// Row structs and tables agree, which needs no engine.
func TestRowsMatchTheirTables(t *testing.T) {
	files, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`CREATE TABLE IF NOT EXISTS (\w+)`)
	column := regexp.MustCompile(`(?m)^    (\w+)\s.* COMMENT '`)
	tables := map[string][]string{}
	for _, f := range files {
		found := name.FindStringSubmatch(f.text)
		if (found == nil) != f.view {
			t.Errorf("%s: want exactly one table, or a view", f.name)
		}
		if found == nil {
			continue
		}
		for _, c := range column.FindAllStringSubmatch(f.text, -1) {
			tables[found[1]] = append(tables[found[1]], c[1])
		}
	}
	for _, m := range append(models(), ofLines()...) {
		want := slices.Clone(tables[m.table])
		got := slices.Clone(m.columns)
		slices.Sort(want)
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("rows of %s have\n%v\nthe table has\n%v", m.table, got, want)
		}
	}
}

// ofLines are the tables of OUTPUT.
func ofLines() []model {
	return []model{
		{table: "log_line_state", columns: namesOf(lineWire())}, {table: "log_templates", columns: append(namesOf(templateWire()), "plain")},
		{table: "log_template_jobs", columns: namesOf(placeWire())}, {table: "log_words", columns: namesOf(wordWire())},
	}
}
