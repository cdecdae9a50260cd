package dispatchertest

import (
	"encoding/json"
	"strings"
	"testing"

	"strata/events"
)

// ResultsOf returns the results of a log by the name of their case, the last of each.
func ResultsOf(t *testing.T, log []events.Record) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, r := range log {
		if r.Level != events.Results {
			continue
		}
		var m map[string]any
		if err := json.Unmarshal(r.Message, &m); err != nil {
			t.Fatal(err)
		}
		name, _ := m["case"].(string)
		out[name] = m
	}
	return out
}

// TextOf returns the messages of a log, one a line, as JSON.
func TextOf(log []events.Record) string {
	var b strings.Builder
	for _, r := range log {
		b.Write(r.Message)
		b.WriteByte('\n')
	}
	return b.String()
}
