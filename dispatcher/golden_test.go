package dispatcher

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// A job whose device is a plain shell on the worker runs as it ran with the reference: the same
// actions begin and end in the same order, with the same results and the same verdict.
func TestGoldenRuns(t *testing.T) {
	corpus := filepath.Join(dispatchertest.Corpus(t, "corpus"), "corpus")
	for _, run := range []string{"01-basic", "02-infra-retry", "04-install-fail", "05-timeout", "06-panic", "08-monitor"} {
		t.Run(run, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(corpus, "golden-runs", run)
			tmp := t.TempDir()
			want := readYAML(t, filepath.Join(dir, "logs.yaml"))
			id := goldenID(want)
			// The run wrote below /, which a test must not: its own directory stands for it.
			replace := strings.NewReplacer(
				"/var/lib/lava/dispatcher/tmp", tmp,
				"/tmp/peercopy/tests/lava_dispatcher", filepath.Join(corpus, "kernel-consoles"),
				"lava_test_results_dir: /lava-%s", "lava_test_results_dir: "+tmp+"/root/lava-%s",
				"os: debian", "os: test",
				"lava_test_sh_cmd: /bin/sh", "lava_test_sh_cmd: /bin/bash",
				"/tmp/sim/"+run+"/dut.sh", printer(t, tmp, want),
			)
			text := func(name string) []byte {
				return []byte(replace.Replace(string(mustRead(t, filepath.Join(dir, name)))))
			}
			got, verdict := runJob(t, Job{
				ID: id, Definition: text("job.yaml"), Device: text("device.yaml"), Dispatcher: text("dispatcher.yaml"),
				Dir: filepath.Join(tmp, id), Env: append(os.Environ(), "PS1=bash-5.2# "),
			})
			undo := strings.NewReplacer(filepath.Join(tmp, "dut.sh"), "/tmp/sim/"+run+"/dut.sh", tmp+"/root/lava-", "/lava-", tmp, "/var/lib/lava/dispatcher/tmp",
				filepath.Join(corpus, "kernel-consoles"), "/tmp/peercopy/tests/lava_dispatcher")
			gotLines := storyOf(t, got, undo)
			wantLines := storyOf(t, recordsOf(t, want), strings.NewReplacer())
			if diff := firstDifference(gotLines, wantLines); diff != "" {
				t.Error(diff)
			}
			result := readYAML(t, filepath.Join(dir, "result.yaml"))
			if g, w := string(verdict.ErrorType), result.Get("error_type").Text(); g != w {
				t.Errorf("error type: got %q, want %q", g, w)
			}
			if g, w := undo.Replace(verdict.Error), result.Get("error_msg").Text(); g != w {
				t.Errorf("error:\n got %q\nwant %q", g, w)
			}
			if verdict.Lines != uint64(len(got)) {
				t.Errorf("the verdict says %d lines, the log has %d", verdict.Lines, len(got))
			}
			if _, err := os.Stat(filepath.Join(tmp, id)); !os.IsNotExist(err) {
				t.Errorf("the job's directory is still there: %v", err)
			}
		})
	}
}

// printer writes a script that prints what the recorded device printed by itself, and then stays.
func printer(t *testing.T, dir string, log pipeline.Data) string {
	t.Helper()
	lines := []string{"#!/bin/sh"}
	for _, item := range log.Items() {
		if item.Get("lvl").Text() == "target" {
			lines = append(lines, "echo '"+strings.ReplaceAll(item.Get("msg").Text(), "'", `'\\''`)+"'")
		}
	}
	file := filepath.Join(dir, "dut.sh")
	if err := os.WriteFile(file, []byte(strings.Join(append(lines, "exec cat", ""), "\n")), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// storyOf returns what users and programs read of a log: start and end lines, results, warnings,
// errors, and what the info lines of the pipeline say. Times, random names and the texts that are
// our own are taken out.
func storyOf(t *testing.T, records []events.Record, undo *strings.Replacer) []string {
	t.Helper()
	var story []string
	for _, r := range records {
		var text string
		if json.Unmarshal(r.Message, &text) != nil {
			text = string(r.Message)
		}
		if !told(r.Level, text) {
			continue
		}
		if r.Level == events.Results {
			text = canonical(t, r.Message)
		}
		story = append(story, string(r.Level)+" "+normal(undo.Replace(text)))
	}
	// How often a prompt is asked for again within a second or two depends on fractions of them.
	return slices.Compact(story)
}

// told says whether a line is part of the story.
func told(level events.Level, text string) bool {
	for _, own := range []string{
		"Start time:", "validate duration",
		"does not look like a typical prompt", "is very plain",
	} {
		if strings.Contains(text, own) {
			return false
		}
	}
	switch level {
	case events.Debug:
		return strings.HasPrefix(text, "start: ") || strings.HasPrefix(text, "end: ") ||
			strings.HasPrefix(text, "Calling: ") || strings.HasPrefix(text, ">> ") || strings.HasPrefix(text, "Received signal: ")
	case events.Info, events.Warning, events.Error, events.Exception, events.Results, events.EventText:
		return true
	}
	return false
}

var variable = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`installed at version: .*`), "installed at version: V"},
	{regexp.MustCompile(`duration \d\d:\d\d:\d\d`), "duration T"},
	{regexp.MustCompile(`duration \d+\.\d\d`), "duration T"},
	{regexp.MustCompile(`"duration":"[0-9.]+"`), `"duration":"T"`},
	{regexp.MustCompile(`(lava-overlay|compress-overlay|lava-create-overlay)-[0-9a-z_]+`), "$1-R"},
	{regexp.MustCompile(`(InfrastructureError|JobError|TestError|JobCanceled|LAVABug): .*`), "$1: help"},
	// The last attempts of nested retries have what was left of the time, to a fraction of a second.
	{regexp.MustCompile(`(login-action) \(timeout 00:00:0\d\)`), "$1 (timeout T)"},
	{regexp.MustCompile(`timed out after \d+ seconds`), "timed out after N seconds"},
	{regexp.MustCompile(`retry in 00:00:0\d`), "retry in T"},
	{regexp.MustCompile(`Connection timeout 00:00:0\d`), "Connection timeout T"},
}

func normal(text string) string {
	for _, v := range variable {
		text = v.re.ReplaceAllString(text, v.with)
	}
	return text
}

// canonical prints a result with sorted keys and without line numbers, which depend on how many
// debug lines there are.
func canonical(t *testing.T, message json.RawMessage) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(message, &m); err != nil {
		t.Fatalf("result %s: %v", message, err)
	}
	if text, ok := m["measurement"].(string); ok {
		m["measurement"], _ = strconv.ParseFloat(text, 64) // the recorded YAML has numbers as ! "1.5"
	}
	delete(m, "starttc")
	delete(m, "endtc")
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if g, w := at(got, i), at(want, i); g != w {
			return fmt.Sprintf("line %d of the story:\n got %s\nwant %s\nbefore it:\n%s", i, g, w,
				strings.Join(got[max(min(i, len(got))-5, 0):min(i, len(got))], "\n"))
		}
	}
	return ""
}

// recordsOf returns the records of a recorded log.
func recordsOf(t *testing.T, log pipeline.Data) []events.Record {
	t.Helper()
	var out []events.Record
	for _, item := range log.Items() {
		message, err := json.Marshal(item.Get("msg").Native())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, events.Record{Level: events.Level(item.Get("lvl").Text()), Message: message})
	}
	return out
}

// goldenID returns the number of a recorded job, which shows in its paths.
func goldenID(log pipeline.Data) string {
	for _, item := range log.Items() {
		if _, id, found := strings.Cut(item.Get("msg").Text(), "Removing root tmp directory at /var/lib/lava/dispatcher/tmp/"); found {
			return id
		}
	}
	return "1"
}

// runJob runs a job and returns its log and verdict.
func runJob(t *testing.T, j Job) ([]events.Record, Verdict) {
	t.Helper()
	var got []events.Record
	j.Now = time.Now
	j.Log = output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		got = append(got, r)
		return nil
	}})
	verdict := Run(t.Context(), j)
	t.Cleanup(func() {
		if os.Getenv("STRATA_SHOW_LOG") != "" {
			for _, r := range slices.Clone(got) {
				t.Logf("%-9s %s", r.Level, r.Message)
			}
		}
	})
	return got, verdict
}
