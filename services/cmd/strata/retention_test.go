package main

import (
	"fmt"
	"strings"
	"testing"

	"strata/services/api"
)

// TestRetention sets rules of retention for a lab by its configuration: what is wrong there is named with its place,
// rows of old jobs leave the tables, those of pinned jobs and favourites stay, and questions about the others say what is missing.
func TestRetention(t *testing.T) {
	t.Parallel()
	l := newPastLab(t)
	l.finish(t, "4")
	l.must(t, "jobs", "pin", "3", "--reason", "the release")
	l.must(t, "jobs", "favourite", "4")
	l.up.kill()
	wrong := write(t, l.dir, "wrong.yaml", "data: "+l.data+"\nretention:\n  logs: 1d\n  results: soon\n")
	if status, text := l.strata(t, "up", "--config", wrong); status == exitOK || !strings.Contains(text, wrong+":4: retention.results") || !strings.Contains(text, "90d") {
		t.Errorf("a lab with a wrong rule: status %d, %q; want the file, the line and what is allowed", status, text)
	}
	rules := write(t, l.dir, "rules.yaml", "retention: {logs: 1ms, results: 1ms, measurements: 0}\n")
	l.world.up(t, append(l.args, "--data", l.data, "--config", rules)...)
	const rows = `SELECT (SELECT arraySort(groupUniqArray(job)) FROM log_lines), (SELECT arraySort(groupUniqArray(job)) FROM test_cases),
		(SELECT arraySort(groupUniqArray(job)) FROM jobs WHERE NOT rejected), (SELECT arraySort(groupUniqArray(job)) FROM aged WHERE job != 2)` // which was refused
	eventually(t, "the rules are applied", func() bool {
		_, text := l.strata(t, "sql", "--format", "TSV", rows)
		return text == "[3,4]\t[3,4]\t[1,3,4]\t[1]\n"
	})
	logs, results := "the logs of 1 jobs", "the results of 1 jobs"
	for _, tt := range []struct {
		args []string
		says []string
		not  string
	}{
		{[]string{"search", "kernel"}, []string{"3#", "4#", logs, "(retention.logs = 1ms)", "strata logs JOB"}, "1#"},
		{[]string{"search", "kernel", "--job", "1"}, []string{"no such line", logs}, "3#"},
		{[]string{"search", "kernel", "--job", "3"}, []string{"3#"}, logs},
		{[]string{"search", "kernel", "-n", "1"}, []string{"there is more"}, logs},
		{[]string{"history", "0_smoke/boot"}, []string{results, "(retention.results = 1ms)", "strata results JOB"}, "no job"},
		{[]string{"query", "custom", "testcase", "testcase__name__exact__boot"}, []string{"3/", results}, " 1/"},
		{[]string{"query", "custom", "testjob", "testjob__submitter__exact__local"}, []string{"local"}, results},
	} {
		text := l.must(t, tt.args...)
		for _, want := range tt.says {
			if !strings.Contains(text, want) {
				t.Errorf("strata %s: %q; want %q", strings.Join(tt.args, " "), text, want)
			}
		}
		if strings.Contains(text, tt.not) {
			t.Errorf("strata %s: %q; do not want %q", strings.Join(tt.args, " "), text, tt.not)
		}
	}
	// What the tables have no more, the archive has.
	if text := l.must(t, "logs", "1"); !strings.Contains(text, "Starting kernel") {
		t.Errorf("log of job 1: %q", text)
	}
	var answer api.SearchAnswer
	l.ask(t, &answer, "search", "kernel", "--job", "1")
	if answer.AgedOut == nil || answer.AgedOut.Jobs != 1 || answer.AgedOut.What != "logs" {
		t.Errorf("search --json: %+v; want what aged out", answer)
	}
	if text := l.must(t, "results", "1", "--json"); !strings.Contains(text, fmt.Sprintf("%q", "boot")) {
		t.Errorf("results of job 1: %q", text)
	}
}
