package rest_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"strata/schemas/yaml"
	"strata/services/api"
)

// TestAsLAVAInData holds recorded answers whose texts must differ, such as by numbers of cases, by their data; and says
// where this lab answers otherwise on purpose.
func TestAsLAVAInData(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.furnish(t)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "golden-type"}, nil)

	t.Run("07-jobs-search", func(t *testing.T) {
		want := golden(t, "07-jobs-search")
		// search and fields mean nothing, and stay in the address of the next page.
		got := l.ask(want.method, want.path, nil)
		g, w := unmarshal[listed](t, got.body), unmarshal[listed](t, want.body)
		if levelled(*g.Next) != levelled(*w.Next) || len(g.Results) != len(w.Results) || g.Previous != nil {
			t.Errorf("next is %s, want %s; %d rows, want %d", *g.Next, *w.Next, len(g.Results), len(w.Results))
		}
		lacking := slices.DeleteFunc(slices.Sorted(maps.Keys(w.Results[0])), func(k string) bool { _, has := g.Results[0][k]; return has })
		if fmt.Sprint(lacking) != "[token]" { // which is a secret
			t.Errorf("a job lacks %v, want only its token", lacking)
		}
	})
	t.Run("14-csv", func(t *testing.T) {
		want := golden(t, "14-csv")
		g, w := records(t, l.ask(want.method, want.path, nil).body), records(t, want.body)
		if !reflect.DeepEqual(g, w) {
			for i := range min(len(g), len(w)) {
				if !reflect.DeepEqual(g[i], w[i]) {
					t.Errorf("line %d:\n got %q\nwant %q", i+1, g[i], w[i])
				}
			}
			t.Errorf("%d lines, want %d", len(g), len(w))
		}
	})
	t.Run("25-jobs-options", func(t *testing.T) {
		want := golden(t, "25-jobs-options")
		g, w := unmarshal[any](t, l.ask(want.method, want.path, nil).body), unmarshal[any](t, want.body)
		if g, w := bare(g), bare(w); !reflect.DeepEqual(g, w) {
			t.Errorf("\n got %v\nwant %v", g, w)
		}
	})
	t.Run("29-device-render", func(t *testing.T) {
		want := golden(t, "29-device-render")
		got := l.wants(want.method, want.path, nil, 200)
		// The base template at hand is of a later release than the recording, so it may say more.
		if lost := lost("", rendered(t, want.body), rendered(t, got.body)); len(lost) > 0 {
			t.Errorf("recorded, but not rendered:\n%s", strings.Join(lost, "\n"))
		}
		if got.header.Get("Content-Disposition") != want.header["Content-Disposition"] || got.header.Get("Content-Type") != want.header["Content-Type"] {
			t.Errorf("headers %v, want %v", got.header, want.header)
		}
	})
	t.Run("31-devicetypes", func(t *testing.T) {
		want := golden(t, "31-devicetypes")
		g, w := unmarshal[listed](t, l.wants("GET", "/api/v0.2/devicetypes/?display=true&limit=2", nil, 200).body), unmarshal[listed](t, want.body)
		byName := func(a, b map[string]any) int { return strings.Compare(a["name"].(string), b["name"].(string)) }
		slices.SortFunc(w.Results, byName) // there the oldest comes first
		if !reflect.DeepEqual(g.Results, w.Results) || g.Count != w.Count {
			t.Errorf("\n got %v\nwant %v", g.Results, w.Results)
		}
	})
	t.Run("23-cancel-post", func(t *testing.T) {
		// That LAVA takes GET alone, which must not change anything; here POST cancels too.
		if want := golden(t, "23-cancel-post"); want.status != "405" {
			t.Fatalf("the recorded answer is %s", want.status)
		}
		l.wants("POST", "/api/v0.2/jobs/1/cancel/", nil, 200, "Job cancel signal sent.")
	})
	for _, name := range []string{"41-users", "42-groups"} {
		t.Run(name, func(t *testing.T) {
			// The recorded LAVA of 2023 did not have them yet.
			want := golden(t, name)
			if want.status != "404" {
				t.Fatalf("the recorded answer is %s", want.status)
			}
			l.wants(want.method, want.path, nil, 200, `"results":[`)
		})
	}
}

func unmarshal[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// records reads results as CSV, without the numbers and times of a lab. Metadata is a mapping in Python's words.
func records(t *testing.T, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		r[7], r[10], r[12] = "LOGGED", "URL", "ID"
		data, err := json.Marshal(python(t, r[9]))
		if err != nil {
			t.Fatal(err)
		}
		r[9] = string(data) // keys in order
	}
	return rows
}

// python reads a literal of Python; strings and numbers of results are YAML as well.
func python(t *testing.T, literal string) any {
	t.Helper()
	root, err := yaml.Parse([]byte(literal))
	if err != nil {
		t.Fatal(err)
	}
	return root.Data()
}

// recordedMetadata is the metadata of a case as a worker reports it: what is no text as JSON.
func recordedMetadata(t *testing.T, literal string) map[string]string {
	t.Helper()
	text, err := json.Marshal(python(t, literal))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for key, raw := range unmarshal[map[string]json.RawMessage](t, string(text)) {
		switch key {
		case "case", "definition", "result", "measurement", "units", "starttc", "endtc":
			continue // the case itself says so
		}
		var s string
		if json.Unmarshal(raw, &s) != nil {
			s = string(raw)
		}
		out[key] = s
	}
	return out
}

// bare is an answer to OPTIONS without its prose, which is LAVA's own, and without what only one of the two has.
func bare(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for _, key := range []string{"description", "help_text", "metadata", "token"} {
		if _, prose := m[key].(string); prose || key == "metadata" || key == "token" {
			delete(m, key)
		}
	}
	for key := range m {
		m[key] = bare(m[key])
	}
	return m
}

// lost lists what data has at which place that other data lacks.
func lost(at string, have, of any) (all []string) {
	h, isMap := have.(map[string]any)
	o, alike := of.(map[string]any)
	if !isMap || !alike {
		if !reflect.DeepEqual(have, of) {
			all = append(all, fmt.Sprintf("%s: %v, not %v", at, have, of))
		}
		return all
	}
	for _, key := range slices.Sorted(maps.Keys(h)) {
		if key == "error-messages" || key == "download-retry" { // which later releases set otherwise
			continue
		}
		all = append(all, lost(at+"/"+key, h[key], o[key])...)
	}
	return all
}

// rendered reads a device's configuration.
func rendered(t *testing.T, text string) any {
	t.Helper()
	data := python(t, text)
	out, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return unmarshal[any](t, string(out))
}
