package rest_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// recorded is an answer of a real LAVA.
type recorded struct {
	method, path, data string
	status             string
	header             map[string]string
	body               string
}

// recordings is the folder of what was recorded: STRATA_CORPUS, or the one beside the repository.
func recordings() string {
	root := os.Getenv("STRATA_CORPUS")
	for dir, _ := filepath.Abs("."); root == "" && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			root = filepath.Join(dir, "..", "shared")
		}
	}
	return root
}

// golden reads a recorded answer: below STRATA_CORPUS, or beside the repository.
func golden(t *testing.T, name string) recorded {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recordings(), "golden", "rest", name+".txt"))
	if err != nil {
		t.Skipf("SKIPPED: no recorded answers (%v); set STRATA_CORPUS to the folder that holds them", err)
	}
	r := recorded{header: map[string]string{}}
	head, body, _ := strings.Cut(string(text), "\n\n")
	lines := strings.Split(strings.ReplaceAll(head, "\r", ""), "\n")
	ask := lines[0]
	if before, data, ok := strings.Cut(ask, "--data "); ok {
		ask, r.data = before, data
	}
	words := strings.Fields(ask)
	r.method, r.path, r.body = words[0], words[1], body
	for _, l := range lines[1:] {
		if key, value, ok := strings.Cut(l, ": "); ok {
			r.header[key] = value
		} else if s := strings.Fields(l); len(s) > 1 && strings.HasPrefix(l, "HTTP/") {
			r.status = s[1]
		}
	}
	return r
}

// differences are what must differ between two labs: numbers that they give, names of hosts and users, times.
var differences = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+/api`), "HOST/api"},
	{regexp.MustCompile(`"(id|count|suite|test_set)":\d+`), `"$1":0`},
	{regexp.MustCompile(`/(suites|tests)/\d+`), "/$1/0"},
	{regexp.MustCompile(`"job_ids":\[\d+\]`), `"job_ids":[0]`},
	{regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z"`), `"TIME"`},
	{regexp.MustCompile(`"(submitter|user)":"\w+"`), `"$1":"USER"`},
	{regexp.MustCompile(`"version":"20\d\d\.\d\d"`), `"version":"RELEASE"`},
	{regexp.MustCompile(`,"token":"\w+"`), ""},        // of a job: shown to nobody here
	{regexp.MustCompile(`,"metadata":\{[^}]*\}`), ""}, // of a job: LAVA has it since 2025
	{regexp.MustCompile(`"actual_device":"[\w-]+"`), `"actual_device":"DEVICE"`},
	{regexp.MustCompile(`"dt": "(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})(\+00:00)?"`), `"dt": "$1"`}, // with its zone since 2024
}

func levelled(text string) string {
	for _, d := range differences {
		text = d.pattern.ReplaceAllString(text, d.with)
	}
	return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
}

// TestAsLAVA asks what a real LAVA was asked, of a lab that has what that one had.
func TestAsLAVA(t *testing.T) {
	t.Parallel()
	l := start(t)
	l.furnish(t)
	for _, name := range []string{"01-root", "02-version", "03-whoami", "04-master-config", "06-jobs-filter", "11-logs-range", "17-tap",
		"18-metadata", "27-device", "28-device-dict", "32-devicetype", "33-dt-template", "34-dt-hc", "38-worker-config", "39-aliases",
		"40-tags", "43-permissions-dt", "44-permissions-dev", "46-suite-tests", "47-unauth-device"} {
		t.Run(name, func(t *testing.T) {
			want := golden(t, name)
			var header []string
			if name == "47-unauth-device" {
				header = []string{"Authorization", "none"}
			}
			path := want.path
			if name == "46-suite-tests" {
				path = "/api/v0.2/jobs/2/suites/" + l.suite("0_smoke") + "/tests/?limit=2"
			}
			got := l.ask(want.method, path, nil, header...)
			if gotBody, wantBody := levelled(got.body), levelled(want.body); gotBody != wantBody {
				t.Errorf("%s %s:\n got %s\nwant %s", want.method, path, gotBody, wantBody)
			}
			for _, key := range []string{"Content-Type", "Allow", "Content-Disposition"} {
				if got := got.header.Get(key); got != want.header[key] {
					t.Errorf("%s: %s is %q, want %q", path, key, got, want.header[key])
				}
			}
			if want.status != "" && !strings.HasPrefix(want.status, strings.TrimSpace(statusText(got.status))) {
				t.Errorf("%s: status %d, want %s", path, got.status, want.status)
			}
		})
	}
	l.judge()
	submission := golden(t, "21-submit")
	var body map[string]any
	if err := json.Unmarshal([]byte(submission.data), &body); err != nil {
		t.Fatal(err)
	}
	if got := l.wants("POST", submission.path, body, 201); levelled(got.body) != levelled(submission.body) {
		t.Errorf("submit: got %s, want %s", got.body, submission.body)
	}
	again := golden(t, "24-resubmit")
	if got := l.wants("POST", again.path, nil, 201); levelled(got.body) != levelled(again.body) || got.header.Get("Allow") != again.header["Allow"] {
		t.Errorf("resubmit: got %s (%s), want %s", got.body, got.header.Get("Allow"), again.body)
	}
}

func statusText(code int) string {
	text, _ := json.Marshal(code)
	return string(text)
}

// suite is the number of a suite of job 2.
func (l *tested) suite(name string) string {
	ids, _ := l.list("/api/v0.2/jobs/2/suites/?name="+name, "id")
	if len(ids) != 1 {
		l.t.Fatalf("job 2 has suites %v called %s", ids, name)
	}
	return ids[0]
}

// furnish gives the lab what the real one had: a type with its texts, a worker and a device, two jobs that are
// over, one of which has a log and results.
func (l *tested) furnish(t *testing.T) {
	t.Helper()
	var page struct {
		Results []struct {
			Original string `json:"original_definition"`
		}
	}
	if err := json.Unmarshal([]byte(golden(t, "06-jobs-filter").body), &page); err != nil {
		t.Fatal(err)
	}
	definition := page.Results[0].Original
	l.verb("workers.register", api.WorkerRequest{Worker: "peer-worker"}, nil)
	base, err := os.ReadFile(filepath.Join(recordings(), "corpus", "device-types", "base.jinja2"))
	if err != nil {
		base = []byte("{% block body %}{% endblock %}\n")
	}
	l.verb("device-types.configure", api.DeviceType{DeviceType: "base", Hidden: true, Template: string(base)}, nil)
	l.verb("device-types.configure", api.DeviceType{DeviceType: "qemu", Description: "golden type", HealthFrequency: 24, HealthDenominator: "hours",
		HealthDisabled: true, Template: golden(t, "33-dt-template").body, HealthCheck: golden(t, "34-dt-hc").body}, nil)
	l.verb("devices.add", api.DeviceRequest{Device: "qemu-01", DeviceType: "qemu", Worker: "peer-worker", Health: events.Unknown,
		Dictionary: golden(t, "28-device-dict").body}, nil)
	var records []events.Record
	for n := 0; n < 3; n++ {
		records = append(records, events.Record{Time: noon, Level: "info", Message: json.RawMessage(`"before"`)})
	}
	for _, line := range strings.Split(strings.TrimSpace(golden(t, "11-logs-range").body), "\n") {
		var r struct {
			At  string          `json:"dt"`
			Lvl events.Level    `json:"lvl"`
			Msg json.RawMessage `json:"msg"`
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "- ")), &r); err != nil {
			t.Fatal(err)
		}
		records = append(records, events.Record{Time: at(t, r.At), Level: r.Lvl, Message: r.Msg})
	}
	for n := 1; n <= 2; n++ {
		id := l.finished(definition, func(e *events.JobSubmitted) { e.Name = "peer qemu smoke" })
		if n == 2 {
			l.frame(id, records)
			l.results(t, id)
		}
	}
}

// results records the cases that the real lab's job 2 had.
func (l *tested) results(t *testing.T, id events.JobID) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(golden(t, "14-csv").body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var cases []events.Case
	for _, r := range rows[1:] {
		c := events.Case{Suite: r[1], Result: events.Outcome(r[2]), Name: r[11], At: noon, Units: r[4], Metadata: recordedMetadata(t, r[9])}
		if m, err := strconv.ParseFloat(r[3], 64); err == nil {
			c.Measurement = &m
		}
		if start, end := number(r[13]), number(r[14]); start > 0 {
			c.StartLine, c.EndLine = &start, &end
		}
		cases = append(cases, c)
	}
	l.Append(t, events.ResultsRecorded{Job: id, Lines: uint64(len(cases)), Cases: cases})
}
