package engine

import (
	"os"
	"strings"
	"testing"
)

// Names and conditions are data: none of them can add an element to the configuration.
func TestAccessWrites(t *testing.T) {
	dir := t.TempDir()
	odd := `a"><b/>&'` + "`"
	file, err := Access{Databases: []string{odd}, Rows: []Policy{{"d", "t", "a < 1 AND '</filter>' != ''"}, {"d", odd, "1"}, {"e", "t", "2"}}}.write(dir)
	if err != nil {
		t.Fatal(err)
	}
	main, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(string(main), "<users_config>")
	path, _, _ = strings.Cut(path, "<")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for part, times := range map[string]int{"<b/>": 0, "<filter>": 3, "<database name=": 2, "<table name=": 3, "a &lt; 1 AND": 1, "<query>": 5} {
		if got := strings.Count(string(text), part); got != times {
			t.Errorf("%q stands %d times in the configuration; want %d\n%s", part, got, times, text)
		}
	}
}
