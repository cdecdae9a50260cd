package verdict

import (
	"slices"
	"strings"
	"testing"

	"strata/events"
)

// Every row of the table is found by the index, wherever in a line it stands, and what it leads to is known.
func TestTable(t *testing.T) {
	t.Parallel()
	for i, g := range table {
		if len(g.has) < 3 {
			t.Errorf("row %q is too short for the index", g.has)
			continue
		}
		for _, line := range []string{g.has, "x" + g.has + "y", strings.Repeat("- ", 50) + g.has} {
			rows := candidates(line)
			if !slices.Contains(rows, i) || !slices.IsSorted(rows) {
				t.Errorf("rows for %q are %v, want %d among them, in order", line, rows, i)
			}
		}
		if g.cause == "" || g.cause.Next() == "" || g.weight == 0 {
			t.Errorf("row %q leads to %q with weight %d", g.has, g.cause, g.weight)
		}
		if g.cause.Verdict() == events.VerdictInfra && g.weight == serious {
			t.Errorf("row %q: the lab's trouble is no report of a kernel", g.has)
		}
	}
}

func TestMisses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"Linux version 6.1.0":                               false, // whole
		"Lnux verson 6.1.0":                                 true,
		"Hi ay eytostp utbot:":                              true,
		"Startng kernel ...":                                true,
		"<LAVA_SIGNAL_TESTCSE TEST_CASE_ID=a RESULT=pass>":  true,
		"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>": false,
		"Loading modules of the kernel from the list":       false,
		"x": false,
		"the quick brown fox jumps over the lazy dog, twice": false,
	} {
		if got := misses(text); got != want {
			t.Errorf("misses(%q) = %v, want %v", text, got, want)
		}
	}
	for _, tt := range []struct {
		line, typed string
		want        bool
	}{{"=> echo 0123", "echo 0123456789", true}, {"=> echo 0123456789", "echo 0123456789", false}, {"=> ec", "echo 0123456789", false},
		{"=> sleep 1000", "sleep 1000", false}, {"ready", "echo 0123456789", false}} {
		if got := cutShort(tt.line, tt.typed); got != tt.want {
			t.Errorf("cutShort(%q, %q) = %v, want %v", tt.line, tt.typed, got, tt.want)
		}
	}
}

// A log that never ends is held in little memory, and its fatal lines are kept however many others came.
func TestBounds(t *testing.T) {
	t.Parallel()
	var s Scan
	say := func(text string) { s.console(text, s.lines); s.lines++ }
	for range 10 * maxSigns {
		say("[    1.000000] WARNING: CPU: 0 PID: 1 at x.c:1")
	}
	say("[    2.000000] Kernel panic - not syncing: x")
	if n := len(s.now.signs); n > maxSigns+1 {
		t.Errorf("%d signs are kept, at most %d are wanted", n, maxSigns+1)
	}
	if j := s.Decide(Outcome{}); j.Cause != events.CausePanic || *j.Evidence != 10*maxSigns || len(j.Findings) > maxFindings {
		t.Errorf("judged %+v, want the panic in line %d", j, 10*maxSigns)
	}
	for range 3 * maxAttempts {
		s.again()
	}
	if len(s.before) > maxAttempts {
		t.Errorf("%d attempts are kept, at most %d are wanted", len(s.before), maxAttempts)
	}
}

// How far a device came says what its silence means.
func TestStages(t *testing.T) {
	t.Parallel()
	var s Scan
	for i, step := range []struct {
		line string
		want stage
	}{
		{"hello", talks}, {"U-Boot SPL 2024.01", loader}, {"Starting kernel ...", kernel}, {"[    0.000000] Linux version 6.6.0", kernel},
		{"[    2.000000] Run /init as init process", user}, {"board login:", user}, {"root@board:~# ", shell},
		{"[   90.000000] reboot: Restarting system", shell}, {"U-Boot SPL 2024.01", loader}, {"Starting kernel ...", kernel},
		{"[    0.000000] Linux version 6.6.0", kernel}, {"U-Boot SPL 2024.01", loader},
	} {
		if s.console(step.line, uint64(i)); s.now.stage != step.want {
			t.Errorf("after line %d, %q: stage %d, want %d", i, step.line, s.now.stage, step.want)
		}
	}
	resets := 0
	for _, f := range s.now.signs {
		if f.cause == events.CauseReset && f.weight == serious {
			resets++
		}
	}
	if resets != 1 {
		t.Errorf("%d resets, want one: the other was announced", resets)
	}
}
