package results_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/schemas/results"
)

// golden returns a recorded answer of a real LAVA: below STRATA_CORPUS, or beside the repository.
func golden(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("STRATA_CORPUS")
	if root == "" {
		for dir, _ := filepath.Abs("."); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
				root = filepath.Join(dir, "..", "shared")
				break
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "golden", filepath.FromSlash(name)))
	if err != nil {
		t.Skipf("SKIPPED: no recorded answers (%v); set STRATA_CORPUS to the folder that holds them", err)
	}
	return string(text)
}

// recorded reads the cases of job 2 back from what lavacli printed of them.
func recorded(t *testing.T) results.Source {
	t.Helper()
	_, text, _ := strings.Cut(golden(t, "lavacli/23-results-json.txt"), "--- stdout\n")
	text, _, _ = strings.Cut(text, "\n--- stderr")
	var records []struct {
		ID, Suite, Name, Result, Measurement, Unit, Logged string
		Start                                              string `json:"log_start_line"`
		End                                                string `json:"log_end_line"`
		Metadata                                           map[string]any
	}
	if err := json.Unmarshal([]byte(text), &records); err != nil {
		t.Fatal(err)
	}
	number := func(text string) *uint64 {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil
		}
		return &n
	}
	var cases []results.Case
	for _, r := range records {
		c := results.Case{Suite: r.Suite, Name: r.Name, Result: r.Result, Units: r.Unit, StartLine: number(r.Start), EndLine: number(r.End), Metadata: map[string]string{}}
		c.ID = *number(r.ID)
		if m, err := strconv.ParseFloat(r.Measurement, 64); err == nil {
			c.Measurement = &m
		}
		var err error
		if c.Logged, err = time.Parse("2006-01-02 15:04:05.999999-07:00", r.Logged); err != nil {
			t.Fatal(err)
		}
		for key, v := range r.Metadata {
			switch v := v.(type) {
			case string:
				c.Metadata[key] = v
			case []any: // extra, which was a mapping before it was printed
				extra := map[string]any{}
				for _, one := range v {
					for k, inner := range one.(map[string]any) {
						extra[k] = inner
					}
				}
				text, _ := json.Marshal(extra)
				c.Metadata[key] = string(text)
			case map[string]any:
				text, _ := json.Marshal(v)
				c.Metadata[key] = string(text)
			}
		}
		for _, own := range []string{"case", "definition", "result", "units"} {
			delete(c.Metadata, own)
		}
		cases = append(cases, c)
	}
	return results.Source{Job: results.Job{Number: "2"}, Cases: each(cases...)}
}

// The same results, written as a real LAVA wrote them.
func TestAsLAVA(t *testing.T) {
	t.Parallel()
	s := recorded(t)
	for format, file := range map[string]string{"csv": "rest/14-csv.txt", "tap": "rest/17-tap.txt"} {
		_, want, _ := strings.Cut(golden(t, file), "\n\n")
		got := strings.ReplaceAll(write(t, format, s, results.Options{}), "\r\n", "\n")
		if strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s differs from %s:\n%s", format, file, firstDifference(got, want))
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return " got " + g[i] + "\nwant " + w[i]
		}
	}
	return "one is longer"
}
