package verdict

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"strata/events"
)

// TestRecorded holds the verdict, its cause and the evidence line of every recorded log that is labelled
// in testdata/recorded.csv: failed consoles and jobs, and good ones beside them. Lines count from 1.
func TestRecorded(t *testing.T) {
	t.Parallel()
	corpus := corpus(t)
	rows := labels(t)
	right := 0
	for _, row := range rows {
		file, want := row[0], row[1]+" "+row[2]+" "+row[3]
		in, err := os.Open(filepath.Join(corpus, file))
		if err != nil {
			t.Error(err)
			continue
		}
		s, _, err := Read(in)
		in.Close()
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		o, _ := s.Outcome()
		if got := label(s.Decide(o)); got != want {
			t.Errorf("%s: judged %q, want %q", file, got, want)
			continue
		}
		right++
	}
	t.Logf("%d of %d recorded logs judged right", right, len(rows))
}

// label writes a judgement as the labels do.
func label(j Judgement) string {
	line := uint64(0)
	if j.Evidence != nil {
		line = *j.Evidence + 1
	}
	return string(j.Verdict()) + " " + string(j.Cause) + " " + strconv.FormatUint(line, 10)
}

func labels(t *testing.T) [][]string {
	t.Helper()
	in, err := os.Open("testdata/recorded.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil || len(rows) < 60 {
		t.Fatalf("%d labels, %v; want at least 60", len(rows), err)
	}
	return rows[1:]
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

// TestConsoles judges consoles of kinds that no recording has: other architectures, boot loaders and
// ways to fail. The evidence is the line that begins with "* ", which the console itself does not have.
func TestConsoles(t *testing.T) {
	t.Parallel()
	for _, tt := range consoles() {
		text, want := marked(tt.text)
		s, err := ReadConsole(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		wanted := string(tt.cause.Verdict()) + " " + string(tt.cause) + " " + strconv.Itoa(want)
		if got := label(s.Decide(Outcome{})); got != wanted {
			t.Errorf("%s: judged %q, want %q", tt.name, got, wanted)
		}
	}
}

// marked takes the mark out of a text and returns its line, from 1.
func marked(text string) (string, int) {
	at := 0
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if rest, ok := strings.CutPrefix(l, "* "); ok {
			lines[i], at = rest, i+1
		}
	}
	return strings.Join(lines, "\n"), at
}

// TestNotLogs reads what is no log at all without harm.
func TestNotLogs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n\n", "\x00\xff\xfe", "{", "- {\"dt\": 1}\n", strings.Repeat("x", 3<<20)} {
		if s, _, err := Read(strings.NewReader(text)); err == nil {
			s.Decide(Outcome{})
		}
	}
	s, console, err := Read(strings.NewReader(`{"dt":"2026-11-22T06:00:00Z","lvl":"target","msg":"[    1.000000] Kernel panic - not syncing: x"}` + "\n"))
	if err != nil || console {
		t.Fatalf("Read: console %v, %v; want a job's log", console, err)
	}
	if j := s.Decide(Outcome{Health: events.Incomplete, Type: events.JobError}); label(j) != "test kernel-panic 1" {
		t.Errorf("judged %q, want the panic", label(j))
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("[    1.000000] Kernel panic - not syncing: x\n"))
	f.Add([]byte(`{"dt":"2026-11-22T06:00:00Z","lvl":"results","msg":{"definition":"lava","case":"job","result":"fail"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, _, err := Read(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		o, _ := s.Outcome()
		if j := s.Decide(o); j.Evidence != nil && *j.Evidence >= s.Lines() {
			t.Errorf("evidence in line %d of %d", *j.Evidence, s.Lines())
		}
	})
}
