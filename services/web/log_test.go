package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// TestScripts runs what the scripts of the log viewer reckon, without a browser.
func TestScripts(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		dispatchertest.Missing(t, "%v; scripts are not tested (Debian: nodejs)", err)
	}
	out, err := exec.Command(node, "--test", "browser/unit/").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "# fail 0") {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}

// longLog answers for a log of 2,500 lines.
func longLog(asked json.RawMessage) (any, error) {
	var in struct {
		Row   uint64 `json:"row"`
		End   bool   `json:"end"`
		Count uint64 `json:"count"`
	}
	if err := json.Unmarshal(asked, &in); err != nil {
		return nil, err
	}
	if in.End {
		in.Row = 2000
	}
	var records []json.RawMessage
	for n := in.Row; n < min(in.Row+in.Count, 2500); n++ {
		text := fmt.Sprintf(`{"n":%d,"dt":"2026-11-23T10:00:00Z","lvl":"target","msg":"line <%d>"}`, n, n)
		switch n {
		case 7:
			text = `{"n":7,"dt":"2026-11-23T10:00:00Z","lvl":"results","msg":{"case":"one","result":"fail"}}`
		case 8:
			text = `{"n":8,"lvl":"lost"}`
		}
		records = append(records, json.RawMessage(text))
	}
	return map[string]any{"job": 42, "first": in.Row, "rows": 2500, "lines": 2500, "done": true, "records": records}, nil
}

// TestLogPage reads a log a thousand lines at a time, as browsers without scripts do.
func TestLogPage(t *testing.T) {
	t.Parallel()
	s := lab{"jobs.show": `{"job":42,"display":"41.1","name":"smoke"}`, "log.lines": longLog}.site(t)
	for _, tt := range []struct {
		path   string
		has    []string
		hasNot []string
	}{
		{"/scheduler/job/41.1/log?from=0", []string{`<log-view job="42"`, `id="L0"`, `line &lt;0&gt;`, `id="L999"`, `&#34;result&#34;:&#34;fail&#34;`, "this line never came", "Lines 0 to 999 of 2500",
			`href="/scheduler/job/41.1/log?from=1000">Next lines`, `href="/scheduler/job/41.1/log?from=2000">Last lines`, "log-view.", ` line="0"`}, []string{`id="L1000"`, "First lines"}},
		{"/scheduler/job/41.1/log?from=1234", []string{`id="L1000"`, `id="L1999"`, "First lines", "Lines before", "Next lines", ` line="1234"`}, []string{`id="L999"`}},
		// What is over is read from its beginning: the viewer gets those lines, while the list for no scripts has the end.
		{"/scheduler/job/41.1/log", []string{`id="L2000"`, `id="L2499"`, "Lines 2000 to 2499 of 2500", `"n":0,`, `"n":999,`}, []string{"Next lines", " line=", " live", " console", `"n":2000,`}},
		{"/scheduler/job/41.1/log?from=1234", []string{`<script type="application/json">{"`, `"first":1000`, `"n":1234,`, `line \u003c1234\u003e`, `<link rel="modulepreload" href="/static/log-rows.`}, []string{`"n":0,`, `href="/static/log-console.`}},
		{"/scheduler/job/41.1/log?from=999999", []string{"Line 999999 is not there: the last one is 2499.", `id="L2499"`, "Lines 2000 to 2499 of 2500"}, []string{" line=", "Lines 999000"}},
		{"/scheduler/job/41.1/log?from=2499", []string{`id="L2499"`, ` line="2499"`}, []string{"is not there"}},
	} {
		w := get(s, tt.path)
		for _, want := range tt.has {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s has no %q", tt.path, want)
			}
		}
		for _, no := range tt.hasNot {
			if strings.Contains(w.Body.String(), no) {
				t.Errorf("%s has %q", tt.path, no)
			}
		}
	}
	if w := get(s, "/scheduler/job/41.1/log?from=x"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "number of a line") {
		t.Errorf("from=x: %d, want 400", w.Code)
	}
}

// TestLogBehindTheEnd asks for lines that a job has not said, or never will.
func TestLogBehindTheEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ answer, want string }{
		{`{"job":42,"rows":0,"lines":0,"done":true,"records":[]}`, "Line 7 is not there."},
		{`{"job":42,"rows":3,"lines":3,"records":[]}`, "Line 7 is not there yet: so far the last one is 2."},
		{`{"job":42,"rows":0,"lines":0,"records":[]}`, "Nothing was said yet."},
		{`{"job":42,"rows":2,"lines":2,"of":20,"records":[]}`, ` line="7"`}, // the lab has not copied it yet
	} {
		text := get(lab{"jobs.show": `{"job":42,"display":"42"}`, "log.lines": tt.answer}.site(t), "/scheduler/job/42/log?from=7").Body.String()
		if !strings.Contains(text, tt.want) {
			t.Errorf("%s: the page has no %q", tt.answer, tt.want)
		}
	}
}

// TestConsoleOffered has the console be taken over by those who may change the job, while it runs.
func TestConsoleOffered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		done   bool
		rights string
		want   bool
	}{{false, `["view","change"]`, true}, {false, `["view"]`, false}, {true, `["view","change"]`, false}} {
		s := lab{"jobs.show": `{"job":42,"display":"42"}`, "rights": `{"job/42":` + tt.rights + `}`,
			"log.lines": fmt.Sprintf(`{"job":42,"rows":0,"lines":0,"done":%t,"records":[]}`, tt.done)}.site(t)
		text := get(s, "/scheduler/job/42/log").Body.String()
		tag, _, _ := strings.Cut(text[strings.Index(text, "<log-view"):], ">")
		if got := strings.Contains(tag, " console"); got != tt.want {
			t.Errorf("done %t with %s: %s; want the console %t", tt.done, tt.rights, tag, tt.want)
		}
	}
}

// TestLogPlaces leads from a thousand lines to others, and never to where one is.
func TestLogPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, of uint64
		want     string
	}{
		{0, 0, ""}, {0, 1000, ""}, {0, 1001, "Next lines 1000, Last lines 1000"}, {0, 5000, "Next lines 1000, Last lines 4000"},
		{1000, 1001, "First lines 0, Lines before 0"}, {1500, 4000, "First lines 0, Lines before 500, Next lines 2500, Last lines 3000"},
		{400, 3000, "First lines 0, Lines before 0, Next lines 1400, Last lines 2000"}, {9000, 50, "First lines 0, Lines before 8000"},
	} {
		var got []string
		for _, p := range logPlaces("41/2", tt.from, tt.of) {
			line, ok := strings.CutPrefix(p.To, "/scheduler/job/41%2F2/log?from=")
			if !ok {
				t.Errorf("%s leads to %s", p.Text, p.To)
			}
			got = append(got, p.Text+" "+line)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("from line %d of %d: %s, want %s", tt.from, tt.of, strings.Join(got, ", "), tt.want)
		}
	}
}
