package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/schemas/results"
	"strata/services/api"
)

// file returns a job's results as a file.
func file(t *testing.T, c api.Client, in api.ResultsExport) (string, error) {
	t.Helper()
	var b strings.Builder
	err := c.Stream(t.Context(), "results.export", in, func(m *nats.Msg) error { b.Write(m.Data); return nil })
	return b.String(), err
}

// Cases come suite by suite, however the job mixed them, in every format, in parts and without tables.
func TestExportResults(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "x")
	b.Append(t, submitted(job), events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5})
	one := func(suite, name string, result events.Outcome) events.Case {
		return events.Case{Suite: suite, Name: name, Result: result, At: noon}
	}
	b.Append(t, events.ResultsRecorded{Job: job, Lease: 5, Lines: 4, Cases: []events.Case{one("lava", "validate", "pass"), one("0_smoke", "uname", "fail")}})
	b.Append(t, events.ResultsRecorded{Job: job, Lease: 5, FirstLine: 4, Lines: 2, Cases: []events.Case{one("lava", "job", "pass"), one("0_smoke", "net", "skip")}})
	got, err := file(t, c, api.ResultsExport{Job: job, Format: "tap"})
	want := "TAP version 13\n1..4\n# TAP results for lava\nok 1 validate\nok 2 job\n# TAP results for 0_smoke\nnot ok 3 uname\nok 4 net # SKIP test skipped\n"
	if err != nil || got != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, got, want)
	}
	for _, format := range results.Formats() {
		if got, err := file(t, c, api.ResultsExport{Job: job, Format: format}); err != nil || !strings.Contains(got, "uname") {
			t.Errorf("%s: %v\n%s", format, err, got)
		}
	}
	for _, tt := range []struct {
		in   api.ResultsExport
		want string
	}{
		{api.ResultsExport{Suite: "0_smoke"}, "uname net"},
		{api.ResultsExport{Offset: 1, Limit: 2}, "job uname"},
		{api.ResultsExport{Offset: 9}, ""},
	} {
		tt.in.Job, tt.in.Format, tt.in.Minimal = job, "csv", true
		text, err := file(t, c, tt.in)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for line := range strings.Lines(text) {
			if cells := strings.Split(strings.TrimSpace(line), ","); cells[0] == job.String() {
				names = append(names, cells[len(cells)-4])
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("suite %q, offset %d, limit %d: %s; want %s", tt.in.Suite, tt.in.Offset, tt.in.Limit, got, tt.want)
		}
	}
}

// A job with more cases than are held is read again for each suite, and gives the same.
func TestExportMany(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "x")
	b.Append(t, submitted(job), events.JobScheduled{Job: job, Device: "q1", Worker: "w1", Lease: 5})
	const frames, each = 60, 1000
	for f := range uint64(frames) {
		cases := make([]events.Case, each)
		for i := range cases {
			cases[i] = events.Case{Suite: fmt.Sprint(i%3, "_s"), Name: fmt.Sprint("c", i), Result: events.Pass, At: noon}
		}
		b.Append(t, events.ResultsRecorded{Job: job, Lease: 5, FirstLine: f * each, Lines: each, Cases: cases})
	}
	got, err := file(t, c, api.ResultsExport{Job: job, Format: "ktap"})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(got, "\n  ok "); n != frames*each || strings.Count(got, "# Subtest: ") != 3 {
		t.Errorf("%d cases of %d suites; want %d of 3", n, strings.Count(got, "# Subtest: "), frames*each)
	}
	if got, err := file(t, c, api.ResultsExport{Job: job, Format: "tap", Limit: 1}); err != nil || !strings.Contains(got, "1..1\n") {
		t.Errorf("one of them: %v\n%s", err, got)
	}
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	job := publish(t, b, "x")
	b.Append(t, submitted(job))
	hidden := publish(t, b, "y")
	private := submitted(hidden)
	private.User, private.Visibility.Public = "alice", false
	b.Append(t, private)
	for _, tt := range []struct {
		in   api.ResultsExport
		want string
	}{
		{api.ResultsExport{Job: job, Format: "xlsx"}, `format is "xlsx"; want one of csv, json, junit`},
		{api.ResultsExport{Job: job, Format: "csv", Limit: -1}, "limit -1; want numbers from 0"},
		{api.ResultsExport{Job: job, Format: "csv", Suite: "0_x"}, `has no suite "0_x"`},
		{api.ResultsExport{Job: 4711, Format: "csv"}, "4711"},
	} {
		if _, err := file(t, c, tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v; want %q", tt.in, err, tt.want)
		}
	}
	bob := api.Client{Conn: b.Connect(t), User: "bob"}
	if text, err := file(t, bob, api.ResultsExport{Job: hidden, Format: "csv"}); err == nil {
		t.Errorf("bob got alice's results: %s", text)
	}
}
