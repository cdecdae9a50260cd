package main

import "testing"

func TestFormatOf(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{"a.xml": "junit", "a.b.csv": "csv", "x.yml": "yaml", "x.ktap": "ktap", "dir.d/x.json": "json"} {
		if got, err := formatOf(file); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %s", file, got, err, want)
		}
	}
	for _, file := range []string{"results", "a.pdf", ".", ""} {
		if got, err := formatOf(file); err == nil {
			t.Errorf("%q: %q; want an error", file, got)
		}
	}
}
