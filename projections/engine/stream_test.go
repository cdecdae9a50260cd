package engine_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Three blocks, whose order is not promised, and whose rows are all alike.
const blocks = "SELECT 7 AS a UNION ALL SELECT 7 UNION ALL SELECT 7"

func TestContractAnswerIsOneWhole(t *testing.T) {
	for format, want := range map[string]string{
		"TSV":                           "7\n7\n7\n",
		"TSVWithNames":                  "a\n7\n7\n7\n",
		"TabSeparatedWithNamesAndTypes": "a\nUInt8\n7\n7\n7\n",
		"CSVWithNames":                  "\"a\"\n7\n7\n7\n",
		"CSVWithNamesAndTypes":          "\"a\"\n\"UInt8\"\n7\n7\n7\n",
		"JSONEachRow":                   "{\"a\":7}\n{\"a\":7}\n{\"a\":7}\n",
		"JSONCompactEachRowWithNames":   "[\"a\"]\n[7]\n[7]\n[7]\n",
		"Values":                        "(7),(7),(7)",
		"Markdown":                      "| a |\n|-:|\n| 7 |\n| 7 |\n| 7 |\n",
		"PrettyCompactMonoBlock":        "   ┌─a─┐\n1. │ 7 │\n2. │ 7 │\n3. │ 7 │\n   └───┘\n",
	} {
		if got := answer(t, blocks, format); got != want {
			t.Errorf("%s:\n got %q\nwant %q", format, got, want)
		}
	}
	if got := answer(t, "SELECT 7 AS `a\"\nb` UNION ALL SELECT 7", "CSVWithNames"); got != "\"a\"\"\nb\"\n7\n7\n" {
		t.Errorf("a name with a line break: %q", got)
	}
	if got := answer(t, "SELECT 7 AS a WHERE 0", "TSVWithNames"); got != "a\n" {
		t.Errorf("no rows: %q; want their names", got)
	}
	for _, text := range []string{answer(t, blocks, "JSON"), answer(t, blocks+" FORMAT JSON", "TSVWithNames")} {
		var document struct {
			Data []struct{ A int }
			Rows int
		}
		if err := json.Unmarshal([]byte(text), &document); err != nil || len(document.Data) != 3 || document.Rows != 3 {
			t.Errorf("JSON: %v, %+v, in %q", err, document, text)
		}
	}
}

// answer returns what the engine says to query, as a program without a driver asks it.
func answer(t *testing.T, query, format string) string {
	t.Helper()
	dsn, err := url.Parse(clickhouse.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	address := url.URL{Scheme: "http", Host: dsn.Host, Path: "/", RawQuery: "default_format=" + format}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address.String(), strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	if dsn.User != nil {
		password, _ := dsn.User.Password()
		r.SetBasicAuth(dsn.User.Username(), password)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("%s as %s: status %d, %v: %s", query, format, reply.StatusCode, err, body)
	}
	return string(body)
}
