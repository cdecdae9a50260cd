package results_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/schemas/results"
	"strata/schemas/yaml"
)

func ref[T any](v T) *T { return &v }

// each gives the cases as a source does.
func each(cases ...results.Case) iter.Seq2[results.Case, error] {
	return func(yield func(results.Case, error) bool) {
		for _, c := range cases {
			if !yield(c, nil) {
				return
			}
		}
	}
}

var began = time.Date(2026, 11, 22, 6, 9, 15, 138834000, time.UTC)

// sample is a job with one case of every kind.
func sample() results.Source {
	return results.Source{
		Job: results.Job{Number: "42", Ended: began.Add(time.Minute), Device: "bbb-01", Kind: "beaglebone-black", Name: "smoke"},
		Cases: each(
			results.Case{ID: 1, Suite: "lava", Name: "validate", Result: "pass", Logged: began},
			results.Case{ID: 2, Suite: "lava", Name: "http-download", Result: "pass", Logged: began, Measurement: ref(0.1), Units: "seconds",
				Metadata: map[string]string{"duration": "0.10", "level": "1.4.1", "extra": `{"size":14186432,"label":"kernel"}`}},
			results.Case{ID: 3, Suite: "0_smoke", Name: "uname", Result: "fail", Logged: began, StartLine: ref[uint64](5), EndLine: ref[uint64](7)},
			results.Case{ID: 4, Suite: "0_smoke", Set: "net", Name: "ping <a> #1", Result: "skip", Logged: began},
			results.Case{ID: 5, Suite: "0_smoke", Name: "boot-time", Result: "pass", Logged: began, Measurement: ref(195864.0), Units: "KiB"},
			results.Case{ID: 6, Suite: "0_smoke", Name: "odd", Result: "unknown", Logged: began, StartLine: ref[uint64](0)},
		),
		Lines: func(start, end uint64) (string, error) {
			return fmt.Sprintf("- line %d to %d: \x1b[31m<bad> & ]]>\x00\n- more\n", start, end), nil
		},
	}
}

func write(t *testing.T, format string, s results.Source, o results.Options) string {
	t.Helper()
	var b strings.Builder
	if err := results.Write(&b, format, s, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriteTAP(t *testing.T) {
	t.Parallel()
	want := `TAP version 13
1..6
# TAP results for lava
ok 1 validate
ok 2 http-download
# TAP results for 0_smoke
not ok 3 uname
 ---
 - line 5 to 7: ` + "\x1b[31m<bad> & ]]>\x00" + `
 - more
 ...
ok 4 ping <a> \#1 # SKIP test skipped
ok 5 boot-time
not ok 6 odd # TODO unknown result
`
	if got := write(t, "tap", sample(), results.Options{}); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestWriteKTAP(t *testing.T) {
	t.Parallel()
	want := `KTAP version 1
1..2
  KTAP version 1
  # Subtest: lava
  1..2
  ok 1 validate
  ok 2 http-download
ok 1 lava
  KTAP version 1
  # Subtest: 0_smoke
  1..4
  not ok 1 uname
  ok 2 net/ping <a> _1 # SKIP test skipped
  ok 3 boot-time
  not ok 4 odd # ERROR unknown result
not ok 2 0_smoke
`
	if got := write(t, "ktap", sample(), results.Options{}); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestWriteCSV(t *testing.T) {
	t.Parallel()
	all := strings.Split(write(t, "csv", sample(), results.Options{}), "\r\n")
	want := `"42","lava","pass","0.10","seconds","","","2026-11-22 06:09:15.138834+00:00","1.4.1","{'case': 'http-download', 'definition': 'lava', ` +
		`'duration': '0.10', 'extra': [{'label': 'kernel'}, {'size': 14186432}], 'level': '1.4.1', 'result': 'pass'}","/results/testcase/2","http-download","2","",""`
	if all[2] != want {
		t.Errorf("got:\n%s\nwant:\n%s", all[2], want)
	}
	if len(all) != 8 || all[7] != "" {
		t.Errorf("%d lines; want a head, six cases and an end", len(all))
	}
	minimal := strings.Split(write(t, "csv", sample(), results.Options{Minimal: true}), "\r\n")
	want = `42,0_smoke,unknown,None,,,,2026-11-22 06:09:15.138834+00:00,,"{'case': 'odd', 'definition': '0_smoke', 'result': 'unknown'}",/results/testcase/6,odd,6,,`
	if minimal[6] != want {
		t.Errorf("got:\n%s\nwant:\n%s", minimal[6], want)
	}
}

func TestWriteYAML(t *testing.T) {
	t.Parallel()
	n, err := yaml.Parse([]byte(write(t, "yaml", sample(), results.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Items) != 6 {
		t.Fatalf("%d records; want 6", len(n.Items))
	}
	keys := strings.Join(n.Items[4].Keys(), " ")
	if want := "name job suite result measurement unit level url id logged log_start_line log_end_line metadata"; keys != want {
		t.Errorf("keys %s; want %s", keys, want)
	}
	if got := n.Items[4].Repr(); !strings.Contains(got, "'measurement': '195864'") || !strings.Contains(got, "'measurement': 195864.0") {
		t.Errorf("the record's measurement is a text and that of its metadata a number: %s", got)
	}
	var records []map[string]any
	if err := json.Unmarshal([]byte(write(t, "json", sample(), results.Options{})), &records); err != nil || len(records) != 6 {
		t.Errorf("json: %d records, %v", len(records), err)
	}
	for _, format := range []string{"yaml", "json"} {
		if got := write(t, format, results.Source{Cases: each()}, results.Options{}); got != "[]\n" {
			t.Errorf("no cases as %s: %q", format, got)
		}
	}
}

func TestWriteJUnit(t *testing.T) {
	t.Parallel()
	got := write(t, "junit", sample(), results.Options{Prefix: "ci"})
	want := `<?xml version="1.0" encoding="utf-8"?>
<testsuites disabled="0" errors="0" failures="1" tests="6" time="0.1">
	<testsuite disabled="0" errors="0" failures="0" name="lava" skipped="0" tests="2" time="0.1" timestamp="2026-11-22T06:10:15.138834+00:00">
		<testcase name="validate" timestamp="2026-11-22T06:09:15.138834+00:00" classname="ci_lava"/>
		<testcase name="http-download" time="0.100000" timestamp="2026-11-22T06:09:15.138834+00:00" classname="ci_lava"/>
	</testsuite>
	<testsuite disabled="0" errors="0" failures="1" name="0_smoke" skipped="1" tests="4" time="0" timestamp="2026-11-22T06:10:15.138834+00:00">
		<testcase name="uname" timestamp="2026-11-22T06:09:15.138834+00:00" classname="ci_0_smoke">
			<failure type="failure" message="failed">- line 5 to 7: [31m&lt;bad&gt; &amp; ]]&gt;
- more
</failure>
		</testcase>
`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got:\n%s\nwant it to begin with:\n%s", got, want)
	}
	if err := xml.Unmarshal([]byte(got), new(struct{})); err != nil {
		t.Errorf("it is no XML: %v", err)
	}
	running := sample()
	running.Job.Ended = time.Time{}
	if got := write(t, "junit", running, results.Options{}); strings.Contains(got, `time="0" timestamp`) {
		t.Errorf("a job that goes on has an end:\n%s", got)
	}
	if got := write(t, "junit", results.Source{Cases: each()}, results.Options{}); got != "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<testsuites/>\n" {
		t.Errorf("a job without cases: got %q", got)
	}
}

// What the reading end of a format makes of what its writing end wrote.
func TestReadBack(t *testing.T) {
	t.Parallel()
	for format, want := range map[string][]string{
		"tap":   {"validate pass", "http-download pass", "uname fail", "ping <a> #1 skip", "boot-time pass", "odd unknown"},
		"ktap":  {"lava validate pass", "lava http-download pass", "0_smoke uname fail", "0_smoke net/ping <a> _1 skip", "0_smoke boot-time pass", "0_smoke odd fail"},
		"junit": {"lava validate pass", "lava http-download pass", "0_smoke uname fail", "0_smoke ping <a> #1 skip", "0_smoke boot-time pass", "0_smoke odd pass"},
	} {
		cases, problems, err := results.Read("", write(t, format, sample(), results.Options{}))
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %q", format, err, problems)
		}
		if got := brief(cases); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", format, got, want)
		}
	}
}

func brief(cases []results.Case) []string {
	var list []string
	for _, c := range cases {
		list = append(list, strings.TrimSpace(c.Set+" "+c.Name+" "+c.Result))
	}
	return list
}

var kcidbPath = regexp.MustCompile(`^([a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*)?$`)

// The rules are those of KCIDB's schema v5.3.
func TestWriteKCIDB(t *testing.T) {
	t.Parallel()
	s := sample()
	s.Cases = each(
		results.Case{ID: 1, Suite: "lava", Name: "job", Result: "fail", Logged: began, Metadata: map[string]string{"error_type": "Infrastructure", "duration": "1.5"}},
		results.Case{ID: 2, Suite: "12_ltp.fs", Set: "a/b", Name: "read 4k..", Result: "pass", Logged: began, Measurement: ref(2.5), Units: "MB/s"},
		results.Case{ID: 3, Suite: "0_x", Name: "y", Result: "unknown"},
		results.Case{ID: 4, Suite: "0_x", Name: "z", Result: "fail", StartLine: ref[uint64](1), EndLine: ref[uint64](2)},
	)
	s.Lines = func(uint64, uint64) (string, error) { return strings.Repeat("é", 20000) + "\x00end", nil }
	var got struct {
		Version           struct{ Major, Minor int }
		Checkouts, Builds []map[string]string
		Tests             []struct {
			ID, Origin, Path, Status string
			BuildID                  string `json:"build_id"`
			Excerpt                  string `json:"log_excerpt"`
			StartTime                string `json:"start_time"`
			Number                   *struct {
				Value float64
				Unit  string
			}
		}
	}
	if err := json.Unmarshal([]byte(write(t, "kcidb", s, results.Options{})), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version.Major != 5 || len(got.Builds) != 1 || got.Builds[0]["checkout_id"] != got.Checkouts[0]["id"] {
		t.Errorf("head: %+v", got)
	}
	want := []string{"lava.job MISS", "ltp.fs.a.b.read_4k PASS", "x.y ERROR", "x.z FAIL"}
	for i, test := range got.Tests {
		if said := test.Path + " " + test.Status; said != want[i] || !kcidbPath.MatchString(test.Path) {
			t.Errorf("test %d: %s; want %s", i, said, want[i])
		}
		if test.BuildID != "strata:job-42" || !strings.HasPrefix(test.ID, "strata:42-") || test.Origin != "strata" {
			t.Errorf("test %d is not linked: %+v", i, test)
		}
	}
	if n := got.Tests[1].Number; n == nil || n.Value != 2.5 || n.Unit != "MB/s" {
		t.Errorf("number: %+v", n)
	}
	if got.Tests[0].StartTime != "2026-11-22T06:09:13.638834+00:00" {
		t.Errorf("started %s; want 1.5 s before it was logged", got.Tests[0].StartTime)
	}
	if e := []rune(got.Tests[3].Excerpt); len(e) != 16384 || !strings.HasSuffix(got.Tests[3].Excerpt, "end") {
		t.Errorf("excerpt of %d characters", len(e))
	}
	s.Job.Origin = "My Lab"
	if err := results.Write(io.Discard, "kcidb", s, results.Options{}); err == nil || !strings.Contains(err.Error(), `"My Lab"`) {
		t.Errorf("origin: %v", err)
	}
}

func TestWriteFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("the store is away")
	s := results.Source{Cases: func(yield func(results.Case, error) bool) { yield(results.Case{}, broken) }}
	for _, format := range results.Formats() {
		if err := results.Write(io.Discard, format, s, results.Options{}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", format, err)
		}
	}
	if err := results.Write(io.Discard, "xlsx", s, results.Options{}); err == nil || !strings.Contains(err.Error(), "csv, json, junit, kcidb, ktap, tap, yaml") {
		t.Errorf("unknown format: %v", err)
	}
	apart := results.Source{Cases: each(results.Case{Suite: "a"}, results.Case{Suite: "b"}, results.Case{Suite: "a"})}
	for _, format := range []string{"junit", "ktap"} {
		if err := results.Write(io.Discard, format, apart, results.Options{}); err == nil || !strings.Contains(err.Error(), "not beside") {
			t.Errorf("%s of a suite in two places: %v", format, err)
		}
	}
}
