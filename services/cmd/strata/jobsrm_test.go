package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/services/api"
)

// TestJobsRemoved erases jobs of a lab, and looks for what is left of them.
func TestJobsRemoved(t *testing.T) {
	t.Parallel()
	l := newPastLab(t, "--first-job", "1")
	job := func(args ...string) []string { return append([]string{"jobs"}, args...) }
	for _, tt := range []struct {
		args   []string
		status int
		says   string
	}{
		{job("rm"), exitMisuse, "say which jobs"},
		{job("rm", "x"), exitMisuse, "not a job number"},
		{job("rm", "--older-than", "soon"), exitMisuse, "such as 36h, 90d or 52w"},
		{job("rm", "99"), exitFailed, "there is no job 99"},
		{job("rm", "1", "--limit", "-1"), exitFailed, "allowed are 1 to"},
		{job("pin", "3", "--reason", "the release"), exitOK, "job 3 is pinned"},
		{job("rm", "3"), exitFailed, "pinned by local"},
		{job("favourite", "1"), exitOK, "a favourite"},
		{job("rm", "1"), exitFailed, "a favourite of local"},
		{job("favourite", "1", "--off"), exitOK, "no longer"},
	} {
		eventually(t, strings.Join(tt.args, " ")+" says "+tt.says, func() bool { // the tables are a moment behind
			status, text := l.strata(t, tt.args...)
			return status == tt.status && strings.Contains(text, tt.says)
		})
	}
	var out api.Removal
	eventually(t, "a dry run tells", func() bool {
		status, text := l.strata(t, job("rm", "1", "--dry-run", "--json")...)
		return status == exitOK && json.Unmarshal([]byte(text), &out) == nil
	})
	if len(out.Removed) != 1 || out.Removed[0].Job != 1 || !out.DryRun {
		t.Errorf("dry run: %+v; want job 1", out)
	}
	if text := l.must(t, "results", "1", "--json"); !strings.Contains(text, "0_smoke") {
		t.Errorf("results of job 1 after a dry run: %q", text)
	}
	// Nothing is erased while the tables may not say yet what is kept: it is asked again.
	rm := func(args ...string) (text string) {
		eventually(t, "jobs are erased", func() bool {
			var status int
			status, text = l.strata(t, job(append([]string{"rm"}, args...)...)...)
			return status == exitOK || !strings.Contains(text, "history is behind")
		})
		return text
	}
	if text := rm("1", "--logs-only"); !strings.Contains(text, "1 logs erased") {
		t.Errorf("jobs rm --logs-only: %q", text)
	}
	if status, text := l.strata(t, "logs", "1"); status != exitFailed || !strings.Contains(text, "erased") {
		t.Errorf("log of job 1 after its log was erased: status %d, %q", status, text)
	}
	if text := l.must(t, "results", "1", "--json"); !strings.Contains(text, "0_smoke") {
		t.Errorf("results of job 1 after its log was erased: %q", text)
	}
	// All that is over: 1 and the refused 2 go, 3 is pinned.
	text := rm("--submitter", "local", "--older-than", "0s", "--reason", "audit")
	if !strings.Contains(text, "2 jobs erased") || !strings.Contains(text, "job 3 stays: pinned by local") {
		t.Errorf("jobs rm of all: %q; want 1 and 2 erased, 3 kept", text)
	}
	if status, text := l.strata(t, "results", "1"); status != exitFailed || !strings.Contains(text, "erased") {
		t.Errorf("results of job 1: status %d, %q", status, text)
	}
	eventually(t, "the rows are gone", func() bool {
		_, text := l.strata(t, "sql", "--format", "CSV", `SELECT (SELECT count() FROM test_cases WHERE job = 1), (SELECT count() FROM log_lines WHERE job = 1),
			(SELECT count() FROM test_cases WHERE job = 3) > 0, (SELECT count() FROM log_lines WHERE job = 3) > 0`)
		return text == "0,0,1,1\n"
	})
	var report struct {
		Findings []any
		Erased   int
	}
	eventually(t, "texts and logs are gone from the archive, and its chain holds", func() bool {
		_, text := l.strata(t, "archive", "verify", "--json")
		names, err := filepath.Glob(filepath.Join(l.data, "archive/logs/0/1.*"))
		if err != nil {
			t.Fatal(err)
		}
		return json.Unmarshal([]byte(text), &report) == nil && len(report.Findings) == 0 && report.Erased > 0 && len(names) == 0
	})
	if text := l.must(t, "logs", "3"); !strings.Contains(text, "Starting kernel") {
		t.Errorf("log of job 3, which stays: %q", text)
	}
	l.compareTables(t)
}

// compareTables holds the tables of a lab, of which jobs were erased, to its log; then a row is altered.
func (l *pastLab) compareTables(t *testing.T) {
	t.Helper()
	var status tablesStatus
	l.ask(t, &status, "projections", "status")
	if len(status.Streams) != 3 || len(status.Tables) < 12 || status.Streams[0].Last == 0 {
		t.Errorf("projections status: %+v", status)
	}
	if text := l.must(t, "projections", "verify"); !strings.Contains(text, "as the log") || strings.Contains(text, "differs") {
		t.Errorf("projections verify: %q; want the tables as the log makes them", text)
	}
	var r ready
	text, err := os.ReadFile(filepath.Join(l.dir, "ready.json"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	forgery := "ALTER TABLE strata.test_cases UPDATE result = 'fail' WHERE job = 3 AND name = 'boot' SETTINGS mutations_sync = 2"
	engine, err := url.Parse(r.Engine)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post("http://"+engine.Host, "text/plain", strings.NewReader(forgery))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(answer.Body)
		t.Fatalf("%s: %s %s", forgery, answer.Status, said)
	}
	if status, text := l.strata(t, "projections", "verify"); status != exitFailed || !strings.Contains(text, "test_cases: the log does not make the row") {
		t.Errorf("projections verify after a row was altered: status %d, %q", status, text)
	}
	l.must(t, "projections", "rebuild")
	if status, text := l.strata(t, "projections", "verify"); status != exitOK {
		t.Errorf("projections verify after a rebuild: status %d, %q", status, text)
	}
	if text := l.must(t, "sql", "--format", "CSV", "SELECT result FROM test_cases WHERE job = 3 AND name = 'boot'"); text != "\"pass\"\n" {
		t.Errorf("the altered case after a rebuild: %q", text)
	}
}
