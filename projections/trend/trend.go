// Package trend judges a series of results of one test case: what changed, what is flaky, which
// measurement has shifted. Its functions are pure, so that a fact that was written by them, a page and a
// command say the same of the same runs.
//
// # Outcomes
//
// Only pass and fail count. A case that was skipped, is absent or unknown is neither fix nor regression, and
// the runs around it are neighbours. A case is flaky where within the window its outcome changed at least
// [MinFlips] times and at least one stretch of equal outcomes in between is at most [ShortRun] long: it came
// and went by itself. PFPPFPP is flaky; PPPPFFF is one regression and never flaky, and so is
// PPPFFFPPPFFF two regressions and a fix. What a flaky case does is reported as regression or fix only
// once that many equal outcomes would be chance with less than [Chance].
//
// # Measurements
//
// The last [MinShifted] to [MaxShifted] runs are compared with those before them. They are a lasting
// shift where their mean and their median both differ from the median before by more than the noise of
// that series explains (its standard deviation estimated from the median absolute deviation, outliers left
// out), and by a share of it that is worth a look. After a shift the runs before it do not count any more.
package trend

import (
	"math"
	"slices"

	"strata/events"
)

// Limits of the rules.
const (
	Window   = 20   // outcomes that are looked at, the latest
	MinFlips = 3    // changes of the outcome that make a case flaky
	ShortRun = 2    // runs: a longer stretch did not come and go by itself
	Chance   = 0.01 // equal outcomes of a flaky case that are less likely are a change

	Values     = 100 // measurements that are looked at, the latest
	MinBefore  = 10  // measurements before a shift, at least
	MaxBefore  = 50  // measurements before it that are compared, the latest
	MinShifted = 3   // measurements that have to be shifted, at least
	MaxShifted = 5   // and at most, until it is seen
)

// Run is one run of a case.
type Run struct {
	Job    events.JobID
	Result events.Outcome
	Value  *float64
}

// Judgement is what the last of a series of runs means beside those before it. The zero Judgement: nothing
// that anybody has to know.
type Judgement struct {
	Change events.Change
	Since  events.JobID // the last run before it that passed or failed
	Score  float64      // of a flaky case: changes of the outcome, as a share of those possible
}

// Outcome judges the last of a series of runs, oldest first, by its outcome.
func Outcome(runs []Run) Judgement {
	if len(runs) == 0 || !counts(runs[len(runs)-1]) {
		return Judgement{}
	}
	h := window(runs)
	last := h[len(h)-1].Result
	if len(h) == 1 {
		if last == events.Fail {
			return Judgement{Change: events.FirstTimeFailed}
		}
		return Judgement{}
	}
	equal := tail(h)
	j := Judgement{Since: h[len(h)-2].Job}
	score, flaky := flakiness(h)
	if flaky {
		switch before := chance(h[:len(h)-equal], last); {
		case math.Pow(before, float64(equal)) >= Chance: // it may as well be itself
			if last == events.Fail {
				return Judgement{Change: events.Flaky, Since: j.Since, Score: score}
			}
			return Judgement{}
		case math.Pow(before, float64(equal-1)) >= Chance:
			j.Since = h[len(h)-equal-1].Job
			j.Change = changed(last)
			return j
		}
	} else if equal == 1 {
		j.Change = changed(last)
		return j
	}
	if last == events.Fail {
		j.Change = events.StillFailing
		return j
	}
	return Judgement{}
}

// Flakiness says how often the outcome of a case changed, as a share of the times it could have, 0–1, and
// whether the case is flaky.
func Flakiness(runs []Run) (score float64, flaky bool) { return flakiness(window(runs)) }

// changed is the change to an outcome.
func changed(to events.Outcome) events.Change {
	if to == events.Fail {
		return events.Regression
	}
	return events.Fix
}

func counts(r Run) bool { return r.Result == events.Pass || r.Result == events.Fail }

// window returns the latest runs that passed or failed.
func window(runs []Run) []Run {
	var h []Run
	for i := len(runs) - 1; i >= 0 && len(h) < Window; i-- {
		if counts(runs[i]) {
			h = append(h, runs[i])
		}
	}
	slices.Reverse(h)
	return h
}

// tail is how many of the last runs ended as the last did.
func tail(h []Run) int {
	n := 1
	for n < len(h) && h[len(h)-1-n].Result == h[len(h)-1].Result {
		n++
	}
	return n
}

func flakiness(h []Run) (score float64, flaky bool) {
	if len(h) < 2 {
		return 0, false
	}
	flips, begin, short := 0, 0, false
	for i := 1; i < len(h); i++ {
		if h[i].Result == h[i-1].Result {
			continue
		}
		// The first stretch may be longer than the window shows.
		short = short || flips > 0 && i-begin <= ShortRun
		flips, begin = flips+1, i
	}
	return float64(flips) / float64(len(h)-1), flips >= MinFlips && short
}

// chance estimates how likely an outcome is, by Laplace's rule of succession.
func chance(h []Run, of events.Outcome) float64 {
	n := 0
	for _, r := range h {
		if r.Result == of {
			n++
		}
	}
	return (float64(n) + 1) / (float64(len(h)) + 2)
}
