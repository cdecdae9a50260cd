package trend

import (
	"math/rand/v2"
	"strings"
	"testing"

	"strata/events"
)

// runs makes runs of jobs 1, 2, … of letters: P, F, S(kipped), U(nknown), - (absent, no run).
func runs(letters string) []Run {
	var list []Run
	for i, l := range letters {
		outcome := map[rune]events.Outcome{'P': events.Pass, 'F': events.Fail, 'S': events.Skip, 'U': events.UnknownOutcome}[l]
		if l != '-' {
			list = append(list, Run{Job: events.JobID(i + 1), Result: outcome})
		}
	}
	return list
}

// story judges a case after each of its runs: R(egression), F(ix), L for flaky, s(till failing), n(ever seen
// before), a dot for nothing.
func story(letters string) string {
	var b strings.Builder
	for i, l := range letters {
		if l == '-' {
			b.WriteByte('.')
			continue
		}
		j := Outcome(runs(letters[:i+1]))
		b.WriteString(map[events.Change]string{"": ".", events.Regression: "R", events.Fix: "F", events.Flaky: "L",
			events.StillFailing: "s", events.FirstTimeFailed: "n"}[j.Change])
	}
	return b.String()
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		runs, story string
		flaky       bool
	}{
		{"PFPPFPP", ".RF.L..", true},
		{"PPPPFFF", "....Rss", false},
		{"FFFFPPP", "nsssF..", false},
		{"PPPPPPP", ".......", false},
		{"PPSP-PF", "......R", false}, // skipped and absent ones are no change
		{"PPSSFSF", "....R.s", false},
		{"PUFUUP", "..R..F", false},
		{"SSF", "..n", false},
		{"PPPFFFPPPFFF", "...RssF..Rss", false},
		{"PFPFPFP", ".RFL.L.", true},
		{"PPPPPPPPPFPPPPPPPPPF", ".........RF........L", true},
		{"PFPPFPPPPPFFFFFF", ".RF.L.....LLLRss", true}, // in the end it fails for good
		{"PF", ".R", false},
		{"S", ".", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if got := story(tt.runs); got != tt.story {
			t.Errorf("%s is judged %s, want %s", tt.runs, got, tt.story)
		}
		if score, flaky := Flakiness(runs(tt.runs)); flaky != tt.flaky || score < 0 || score > 1 {
			t.Errorf("%s: score %.2f, flaky %v; want flaky %v", tt.runs, score, flaky, tt.flaky)
		}
	}
	if j := Outcome(runs("PPPSF")); j.Since != 3 {
		t.Errorf("PPPSF: a regression since job %d, want 3, the last that passed", j.Since)
	}
}

// series is so many values with a share of noise around 100, and then so many around a shifted level.
func series(r *rand.Rand, noise float64, before int, level float64, after int) []float64 {
	var v []float64
	for i := range before + after {
		centre := 100.0
		if i >= before {
			centre = level
		}
		v = append(v, centre*(1+noise*r.NormFloat64()))
	}
	return v
}

// With noise of 5 % a shift of 15 % is seen within 5 runs, and runs without one are at peace.
func TestShifts(t *testing.T) {
	t.Parallel()
	const tries = 400
	for _, level := range []float64{115, 85} {
		seen, alarms, values := 0, 0, 0
		r := rand.New(rand.NewPCG(6, 28))
		for range tries {
			v := series(r, 0.05, 30, level, 5)
			for _, s := range Shifts(v) {
				switch {
				case s.Seen < 30:
					alarms++
				case s.Up() == (level > 100):
					seen++
				}
			}
			values += 30
		}
		if seen < tries*95/100 {
			t.Errorf("to %.0f: %d of %d shifts were seen within 5 runs; want at least 95 %%", level, seen, tries)
		}
		if alarms*1000 > values {
			t.Errorf("to %.0f: %d false alarms in %d runs; want at most 1 in 1,000", level, alarms, values)
		}
	}
	r, alarms := rand.New(rand.NewPCG(3, 14)), 0
	for range 200 {
		alarms += len(Shifts(series(r, 0.05, Values, 100, 0)))
	}
	if alarms > 200*Values/1000 {
		t.Errorf("%d false alarms in %d runs without a shift; want at most 1 in 1,000", alarms, 200*Values)
	}
}

func TestShiftsOfPlainSeries(t *testing.T) {
	t.Parallel()
	flat := func(n int, v float64) []float64 {
		list := make([]float64, n)
		for i := range list {
			list[i] = v
		}
		return list
	}
	tests := []struct {
		name   string
		values []float64
		at     []int
	}{
		{"none", nil, nil},
		{"flat", flat(50, 7), nil},
		{"a step without noise", append(flat(20, 10), flat(10, 12)...), []int{20}},
		{"one outlier", append(append(flat(20, 10), 90), flat(20, 10)...), nil},
		{"two outliers", append(append(flat(20, 10), 90, 95), flat(20, 10)...), nil},
		{"a step of little", append(flat(20, 100), flat(10, 104)...), nil},
		{"up and down again", append(append(flat(20, 10), flat(20, 13)...), flat(20, 10)...), []int{20, 40}},
		{"too few before", append(flat(5, 10), flat(5, 20)...), nil},
		{"from nothing", append(flat(20, 0), flat(5, 3)...), []int{20}},
	}
	for _, tt := range tests {
		var at []int
		for _, s := range Shifts(tt.values) {
			at = append(at, s.At)
		}
		if len(at) != len(tt.at) {
			t.Errorf("%s: shifts at %v, want at %v", tt.name, at, tt.at)
			continue
		}
		for i := range at {
			if at[i] != tt.at[i] {
				t.Errorf("%s: shifts at %v, want at %v", tt.name, at, tt.at)
			}
		}
	}
}

func TestWorse(t *testing.T) {
	t.Parallel()
	for units, want := range map[string][2]bool{"seconds": {true, true}, "MB/s": {false, true}, "ms": {true, true}, "fps": {false, true},
		"Mbps": {false, true}, "IOPS": {false, true}, "kops": {false, true}, "GFLOPS": {false, true}, "MHz": {false, true}, "BogoMIPS": {false, true},
		"ps": {true, true}, "drops": {}, "steps": {}, "loops": {}, "": {}, "apples": {}} {
		if more, known := Worse(units); more != want[0] || known != want[1] {
			t.Errorf("more of %q: worse %v, known %v; want %v", units, more, known, want)
		}
	}
}
