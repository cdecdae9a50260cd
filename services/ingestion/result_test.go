package ingestion

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"strata/events"
)

func TestReadResult(t *testing.T) {
	n := func(v uint64) *uint64 { return &v }
	m := func(v float64) *float64 { return &v }
	tests := []struct {
		name     string
		message  string
		want     *events.Case
		problems []string
	}{
		{"a case", `{"definition":"0_smoke","case":"boot","result":"pass"}`,
			&events.Case{Suite: "0_smoke", Name: "boot", Result: events.Pass}, nil},
		{"with all it can have", `{"definition":"0_s","case":"c","result":"fail","set":"a/b","measurement":"6.17","units":"ms","starttc":10,"endtc":12,"reference":"http://x/y","level":"1.2"}`,
			&events.Case{Suite: "0_s", Name: "c", Result: events.Fail, Set: "a/b", Measurement: m(6.17), Units: "ms",
				StartLine: n(10), EndLine: n(12), Metadata: map[string]string{"reference": "http://x/y", "level": "1.2"}}, nil},
		{"of the pipeline", `{"definition":"lava","case":"http-download","result":"pass","duration":"1.50","starttc":null,"extra":{"size":5}}`,
			&events.Case{Suite: "lava", Name: "http-download", Result: events.Pass, Measurement: m(1.5), Units: "seconds",
				Metadata: map[string]string{"duration": "1.50", "extra": `{"size":5}`}}, nil},
		{"name is stripped and cleaned", `{"definition":"0_s","case":" a\u0007b ","result":"skip"}`,
			&events.Case{Suite: "0_s", Name: "a_ctrl-char_b", Result: events.Skip}, nil},
		{"set that is no address", `{"definition":"0_s","case":"c","result":"pass","set":"a b"}`,
			&events.Case{Suite: "0_s", Name: "c", Result: events.Pass}, []string{"Invalid testset name 'a b', ignoring."}},
		{"measurement that is none", `{"definition":"0_s","case":"c","result":"pass","measurement":"fast"}`,
			&events.Case{Suite: "0_s", Name: "c", Result: events.Pass}, []string{`[7] Invalid measurement fast of case "c", ignoring it`}},
		{"measurement without end", `{"definition":"0_s","case":"c","result":"pass","measurement":"1e400"}`,
			&events.Case{Suite: "0_s", Name: "c", Result: events.Pass}, []string{`[7] Invalid measurement 1e400 of case "c", ignoring it`}},
		{"another word", `{"definition":"0_s","case":"c","result":"maybe"}`,
			nil, []string{`[7] Result "maybe" of case "c" is none of pass, fail, skip, unknown`}},
		{"missing case", `{"definition":"0_s","result":"pass"}`,
			nil, []string{`Missing some keys ("definition", "case" or "result") in {"definition":"0_s","result":"pass"}`}},
		{"no dictionary", `["a"]`, nil, []string{`[7] ["a"] is not a dictionary`}},
		{"null", `null`, nil, []string{`[7] null is not a dictionary`}},
		{"too much metadata", `{"definition":"0_s","case":"c","result":"fail","error_type":"Job","x":"` + strings.Repeat("y", 5000) + `"}`,
			&events.Case{Suite: "0_s", Name: "c", Result: events.Fail, Metadata: map[string]string{"error_type": "Job"}},
			[]string{`[7] Result metadata is too long. ` + (`{"definition":"0_s","case":"c","result":"fail","error_type":"Job","x":"` + strings.Repeat("y", 5000))[:256]}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := readResult(7, events.Record{Level: events.Results, Message: json.RawMessage(tt.message)})
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("readResult(%s):\n got %+v\nwant %+v", tt.message, got, tt.want)
			}
			if !reflect.DeepEqual(problems, tt.problems) {
				t.Errorf("readResult(%s), problems:\n got %q\nwant %q", tt.message, problems, tt.problems)
			}
		})
	}
}

// TestReadResultsOfFrame shows that only records of level results count, and that lines are the log's.
func TestReadResultsOfFrame(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	f, err := events.NewFrame(7, 3, 100, []events.Record{
		{Time: at, Level: events.Info, Message: json.RawMessage(`"lvl \"results\" in a text"`)},
		{Time: at, Level: events.Debug, Message: json.RawMessage(`{"results":{"definition":"x","case":"y","result":"pass"}}`)},
		{Time: at.Add(time.Second), Level: events.Results, Message: json.RawMessage(`{"definition":"0_s","case":"c","result":"pass"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	cases, problems := readResults(f)
	want := []events.Case{{Suite: "0_s", Name: "c", Result: events.Pass, At: at.Add(time.Second), Line: 102}}
	if !reflect.DeepEqual(cases, want) || problems != nil {
		t.Errorf("readResults:\n got %+v, problems %q\nwant %+v", cases, problems, want)
	}
}

// FuzzReadResult shows that no message of a job can stop ingestion, and that what is kept has limits.
func FuzzReadResult(f *testing.F) {
	f.Add(`{"definition":"0_s","case":"c","result":"pass","set":"a","measurement":1,"starttc":1,"endtc":2}`)
	f.Add(`{"definition":null,"case":{},"result":"fail","extra":[1]}`)
	f.Fuzz(func(t *testing.T, message string) {
		c, problems := readResult(7, events.Record{Level: events.Results, Message: json.RawMessage(message)})
		if c == nil && len(problems) == 0 {
			t.Errorf("readResult(%q): neither a case nor a problem", message)
		}
		if c != nil && strings.ContainsAny(c.Name, "\x00\x07\n\r\t") {
			t.Errorf("readResult(%q): control character in name %q", message, c.Name)
		}
	})
}

// Of a file its last record counts; what cannot be one is a problem and costs nothing else.
func TestReadFiles(t *testing.T) {
	t.Parallel()
	record := func(message string) string {
		return `{"dt":"2026-11-22T12:00:00Z","lvl":"file","msg":` + message + "}\n"
	}
	body := `{"dt":"2026-11-22T12:00:00Z","lvl":"target","msg":"\"lvl\":\"file\" \"sha256\""}` + "\n" +
		record(`{"data":"aGVsbG8="}`) +
		record(`{"file":{"suite":"0_smoke","case":"boot","name":"a.txt","bytes":5,"sha256":"2cf2","first":11,"parts":1,"line":0,"at":"0001-01-01T00:00:00Z"}}`) +
		record(`{"file":{"suite":"0_smoke","name":"../a","bytes":5,"sha256":"2cf2","first":11,"parts":1}}`) +
		record(`{"file":{"suite":"0_smoke","name":"later","bytes":5,"sha256":"2cf2","first":99,"parts":1}}`) +
		record(`["sha256"]`)
	files, problems := readFiles(events.Frame{Job: 42, First: 10, Count: 6, Body: []byte(body)})
	if len(files) != 1 || files[0].Name != "a.txt" || files[0].Line != 12 || files[0].At.Hour() != 12 || files[0].Case != "boot" {
		t.Errorf("files: got %+v, want a.txt of line 12", files)
	}
	if len(problems) != 3 {
		t.Errorf("problems: got %q, want three", problems)
	}
}
