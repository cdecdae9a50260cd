package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"strata/events"
	"strata/projections/trend"
	"strata/services/judgement/verdict/labelled"
)

// judging are the figures of judgement.
func judging() []measure {
	return []measure{
		{[]figure{
			{"verdict and cause right", "%", 98, false, "Of the labelled logs and consoles: the recorded ones, failed and good, where the recorded data is at hand " +
				"(`STRATA_CORPUS`, else `../shared`), and those of other kinds that are written down."},
			{"evidence line right", "%", 98, false, "The same, to the line."},
			{"faults of the lab called the test's", "1", 0, true, "The same: logs whose label is infra and whose verdict is test."},
			{"lines judged", "1/s", 0, false, "The same logs, one after the other in this process."},
		}, labels},
		{[]figure{
			{"shift of 15 % seen within 5 runs", "%", 95, false, "Series from seeds with noise of 5 %: 30 values, then 5 around a level 15 % higher or lower; 2,000 of them."},
			{"false alarms per 1,000 runs", "1", 1, true, "Series from seeds with noise of 5 % and no shift: 1,000 of 100 values."},
		}, shifts},
	}
}

// labels judges the labelled set.
// Without the recorded logs the figures are of the written ones alone, which is said on standard
// error.
func labels(ctx context.Context, b *bench) (rows [][]float64, err error) {
	corpus := os.Getenv("STRATA_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "shared")
	}
	if _, err := os.Stat(filepath.Join(corpus, "consoles")); err != nil {
		b.say("recorded logs are not judged: %v", err)
		corpus = ""
	}
	set, err := labelled.Set(filepath.Join("services", "judgement", "verdict", "testdata"), corpus)
	if err != nil {
		return nil, fmt.Errorf("read the labelled set: %w", err)
	}
	b.say("%d labelled logs", len(set))
	for range b.runs {
		right, exact, wronged, lines := 0, 0, 0, uint64(0)
		begin := b.now()
		for _, l := range set {
			j, n, err := l.Judge()
			if err != nil {
				return nil, err
			}
			lines += n
			if j.Cause == l.Cause {
				right++
			}
			if labelled.Line(j) == l.Line {
				exact++
			}
			if l.Cause.Verdict() == events.VerdictInfra && j.Verdict() == events.VerdictTest {
				wronged++
			}
		}
		took := b.now().Sub(begin)
		// Per cent: counts by this.
		all := float64(len(set)) / 100
		rows = append(rows, []float64{float64(right) / all, float64(exact) / all, float64(wronged), float64(lines) / max(took, time.Microsecond).Seconds()})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return rows, nil
}

// shifts looks for shifts of measurements, where there are and where there are none.
// Levels go up and down in turn; a shift counts where it was seen after it came, and in its direction.
func shifts(ctx context.Context, b *bench) (rows [][]float64, err error) {
	const noise, before, after, tries, calm = 0.05, 30, 5, 2000, 1000
	for run := range b.runs {
		// Each run has series of its own, the same in every build.
		r := rand.New(rand.NewPCG(uint64(run), 2026))
		value := func(level float64) float64 { return level * (1 + noise*r.NormFloat64()) }
		seen, alarms := 0, 0
		for i := range tries {
			level := 115 - 30*float64(i%2)
			var v []float64
			for n := range before + after {
				if n < before {
					v = append(v, value(100))
				} else {
					v = append(v, value(level))
				}
			}
			for _, s := range trend.Shifts(v) {
				if s.Seen >= before && s.Up() == (level > 100) {
					seen++
					break
				}
			}
		}
		for range calm {
			var v []float64
			for range trend.Values {
				v = append(v, value(100))
			}
			alarms += len(trend.Shifts(v))
		}
		rows = append(rows, []float64{100 * float64(seen) / tries, 1000 * float64(alarms) / (calm * trend.Values)})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return rows, nil
}
