package verdict_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"strata/events"
	"strata/services/judgement/verdict"
	"strata/services/judgement/verdict/labelled"
)

// TestLabelled holds the verdict, its cause and the evidence line of every labelled log: recorded ones, failed
// and good, and consoles of other kinds.
func TestLabelled(t *testing.T) {
	t.Parallel()
	set, err := labelled.Set("testdata", "")
	if err != nil || len(set) < 200 {
		t.Fatalf("%d written consoles, %v; want at least 200", len(set), err)
	}
	judge(t, set)
}

func TestRecorded(t *testing.T) {
	t.Parallel()
	set, err := labelled.Set("testdata", corpus(t))
	if err != nil || len(set) < 300 {
		t.Fatalf("%d labelled logs, %v; want at least 300", len(set), err)
	}
	judge(t, set)
}

func judge(t *testing.T, set []labelled.Log) {
	t.Helper()
	for _, l := range set {
		j, _, err := l.Judge()
		if err != nil {
			t.Error(err)
			continue
		}
		if j.Cause != l.Cause || labelled.Line(j) != l.Line {
			t.Errorf("%s: judged %s %s by line %d, want %s %s by line %d", l.Name, j.Verdict(), j.Cause, labelled.Line(j), l.Cause.Verdict(), l.Cause, l.Line)
		}
	}
}

// label writes a judgement as the labels do.
func label(j verdict.Judgement) string {
	line := uint64(0)
	if j.Evidence != nil {
		line = *j.Evidence + 1
	}
	return string(j.Verdict()) + " " + string(j.Cause) + " " + strconv.FormatUint(line, 10)
}

// corpus finds the recorded data: $STRATA_CORPUS, or ../shared beside the repository.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("STRATA_CORPUS")
	if dir == "" {
		for at, err := filepath.Abs("."); err == nil && at != "/"; at = filepath.Dir(at) {
			if _, err := os.Stat(filepath.Join(at, "go.work")); err == nil {
				dir = filepath.Join(at, "..", "shared")
				break
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "consoles")); err != nil {
		t.Skipf("SKIPPED, recorded logs are not judged: %v (STRATA_CORPUS names their folder)", err)
	}
	return dir
}

// TestNotLogs reads what is no log at all without harm.
func TestNotLogs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n\n", "\x00\xff\xfe", "{", "- {\"dt\": 1}\n", strings.Repeat("x", 3<<20)} {
		if s, _, err := verdict.Read(strings.NewReader(text)); err == nil {
			s.Decide(verdict.Outcome{})
		}
	}
	s, console, err := verdict.Read(strings.NewReader(`{"dt":"2026-11-22T06:00:00Z","lvl":"target","msg":"[    1.000000] Kernel panic - not syncing: x"}` + "\n"))
	if err != nil || console {
		t.Fatalf("Read: console %v, %v; want a job's log", console, err)
	}
	if j := s.Decide(verdict.Outcome{Health: events.Incomplete, Type: events.JobError}); label(j) != "test kernel-panic 1" {
		t.Errorf("judged %q, want the panic", label(j))
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("[    1.000000] Kernel panic - not syncing: x\n"))
	f.Add([]byte(`{"dt":"2026-11-22T06:00:00Z","lvl":"results","msg":{"definition":"lava","case":"job","result":"fail"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, _, err := verdict.Read(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		o, _ := s.Outcome()
		if j := s.Decide(o); j.Evidence != nil && *j.Evidence >= s.Lines() {
			t.Errorf("evidence in line %d of %d", *j.Evidence, s.Lines())
		}
	})
}
