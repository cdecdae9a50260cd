package main

import (
	"context"
	"math"
	"time"

	"strata/events"
	"strata/services/cmd/simulation"
)

// simulating lists the figures that are taken in simulated labs: the real decisions by a virtual clock.
// Each run has a seed of its own, so a figure is no lab's luck. One hangs on the machine, the
// seconds; the others come out the same everywhere.
func simulating() []measure {
	return []measure{
		{[]figure{{"simulated year, 100 devices, 100,000 jobs", "s", 60, true,
			"`strata simulate --devices 100 --jobs 100000 --days 365`, in this process: ten users, eight types, five workers, health checks once a day."}},
			seeded(year)},
		{[]figure{
			{"error of estimates, median", "%", 20, true, "A year of 100 devices with 100,000 jobs a month, of every 250th job that had to wait: its estimate when it was submitted (`strata why`) is held to its start. " +
				"The error is the difference between likely and true start, in parts of the time waited. One run."},
			{"starts inside the interval", "%", 90, false, "Of the same jobs, those that started between the earliest and the latest time of the estimate."}},
			once(estimates(1_200_000, 250))},
		{[]figure{
			{"error of estimates, median, long jobs", "%", 0, true, "The same with 100,000 jobs in the year, of six hours each: a wait is part of one job, and hangs on what that one does."},
			{"starts inside the interval, long jobs", "%", 90, false, "Of the same jobs."}},
			once(estimates(100_000, 10))},
		{[]figure{{"device time off weights 2:1", "%", 5, true,
			"Two users, weights 2 and 1, who submit half as much again as twenty devices can run, over twenty days."}}, seeded(shares)},
		{[]figure{{"longest wait of priority 0 beside a flood of 100", "% of the age", 100, true,
			"Aging within six hours, bound 100; jobs of priority 100 ask for 1.3 times what the lab can run, for a week. Jobs that still wait count."}}, seeded(aged)},
		{[]figure{{"wait of tagged jobs beside others", "% of alone", 110, true,
			"Mean wait of jobs that ask for a rare tag, its devices kept for them (lent after a day), beside other jobs, by that without these."}}, seeded(tagged)},
		{[]figure{
			{"jobs run in labs with many groups", "%", 100, false, "Eight devices of three types, ten days; every third submission is a multinode job of two or three parts."},
			{"the same by LAVA's rule", "%", 0, false, "Parts hold their devices while they wait for others (`strata simulate --rule lava`)."}}, seeded(ganged)},
	}
}

// seeded takes one row a run, with a seed of its own.
func seeded(take func(b *bench, seed uint64) ([]float64, error)) func(context.Context, *bench) ([][]float64, error) {
	return func(ctx context.Context, b *bench) (rows [][]float64, err error) {
		for run := range b.runs {
			row, err := take(b, uint64(run+1))
			if err != nil {
				return nil, err
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			rows = append(rows, row)
		}
		return rows, nil
	}
}

// once takes one row, however many runs are asked for: it is long, and over thousands of jobs.
func once(take func(b *bench, seed uint64) ([]float64, error)) func(context.Context, *bench) ([][]float64, error) {
	return func(_ context.Context, b *bench) ([][]float64, error) {
		row, err := take(b, 1)
		if err != nil {
			return nil, err
		}
		return [][]float64{row}, nil
	}
}

// simulate lets a lab live, shortened where the program itself is tried.
func simulate(b *bench, s simulation.Synthetic) (simulation.Report, error) {
	sc, err := s.Scenario()
	if err != nil {
		return simulation.Report{}, err
	}
	r, err := simulation.New(sc).Run()
	b.say("seed %d: %d jobs, %d decisions, %d facts", s.Seed, r.Jobs.Submitted, r.Decisions, r.Facts)
	return r, err
}

// theYear is the lab that the promises of time are about, with so many jobs in a year.
func theYear(b *bench, seed uint64, jobs int) simulation.Synthetic {
	s := simulation.Default()
	// The rate stays where the year is shortened.
	s.Seed, s.Days, s.Jobs = seed, float64(b.sizes.simulated), jobs*b.sizes.simulated/365
	return s
}

// The seconds that it took, by the clock.
func year(b *bench, seed uint64) ([]float64, error) {
	began := b.now()
	_, err := simulate(b, theYear(b, seed, 100_000))
	return []float64{b.now().Sub(began).Round(time.Millisecond).Seconds()}, err
}

// jobs in a year; every nth that had to wait is asked.
func estimates(jobs, every int) func(b *bench, seed uint64) ([]float64, error) {
	return func(b *bench, seed uint64) ([]float64, error) {
		s := theYear(b, seed, jobs)
		s.Estimates = every
		r, err := simulate(b, s)
		if err != nil {
			return nil, err
		}
		b.say("%d jobs were asked, %d known, %d have started", r.Estimates.Asked, r.Estimates.Known, r.Estimates.Held)
		return []float64{100 * r.Estimates.Error, 100 * r.Estimates.Inside}, nil
	}
}

// How far alice's hours are off twice bob's, in per cent.
func shares(b *bench, seed uint64) ([]float64, error) {
	s := simulation.Saturated(seed)
	s.Days = min(s.Days, float64(b.sizes.simulated))
	r, err := simulate(b, s)
	if err != nil {
		return nil, err
	}
	hours := map[events.UserName]float64{}
	for _, u := range r.Fairness.Users {
		hours[u.User] = u.Hours
	}
	return []float64{100 * math.Abs(hours["alice"]/hours["bob"]/2-1)}, nil
}

// The longest wait, in per cent of what aging promises.
func aged(b *bench, seed uint64) ([]float64, error) {
	s := simulation.Flooded(seed)
	r, err := simulate(b, s)
	if err != nil {
		return nil, err
	}
	longest := 0.0
	for _, w := range r.Waits {
		if w.Of == "priority" && w.Name == "0" {
			longest = max(w.Max, w.Oldest)
		}
	}
	return []float64{100 * longest / float64(s.Policy.Aging.Within)}, nil
}

func tagged(_ *bench, seed uint64) ([]float64, error) {
	s := simulation.Tagged(seed)
	alone, err := simulation.MeanTaggedWait(s, true)
	if err != nil {
		return nil, err
	}
	beside, err := simulation.MeanTaggedWait(s, false)
	return []float64{100 * beside / alone}, err
}

// Jobs that are over, in per cent of those submitted: by our rule, then by LAVA's.
func ganged(b *bench, seed uint64) (row []float64, err error) {
	for _, lava := range []bool{false, true} {
		s := simulation.Ganged(seed)
		s.LAVA = lava
		r, err := simulate(b, s)
		if err != nil {
			return nil, err
		}
		over := r.Jobs.Complete + r.Jobs.Incomplete + r.Jobs.Canceled
		row = append(row, 100*float64(over)/float64(r.Jobs.Submitted))
	}
	return row, nil
}
