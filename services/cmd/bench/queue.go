package main

import (
	"context"

	"strata/events"
	"strata/services/scheduling"
)

// ofLab lists the figures of scheduling, health, workers and multinode.
func ofLab() []measure {
	return []measure{
		{[]figure{{"decision p99, 1,000,000 queued", "ms", 10, true,
			"`scheduling.Measure`, in this process: 10,000 devices of ten types, a million jobs queued with tags, pins and priorities; " +
				"before each decision a job ends, its device is released and another job is submitted. No policy is set."},
			{"memory per queued job", "B", 1024, true, "The heap of the scheduler's lab and index, less that of the same lab with an empty queue, by the jobs."},
		}, hugeQueue(nil, 1)},
		{[]figure{{"decision p99, 1,000,000 queued, all rules", "ms", 10, true,
			"The same with 100 users, fair share, caps, aging and rare tags."},
			{"memory per queued job, all rules", "B", 1024, true, "As above."},
		}, hugeQueue(&events.SchedulingPolicySet{
			FairShare: &events.FairShare{HalfLife: 7 * 24 * 3600, DefaultWeight: 1, Users: []events.UserWeight{{User: "user1", Weight: 3}}},
			Caps:      &events.Caps{Default: 120}, Aging: &events.Aging{Within: 3600, Bound: 80},
			RareTags: &events.RareTags{Percent: 30, LendAfter: 24 * 3600}}, 100)},
		{[]figure{{"start from a checkpoint, 1,000,000 queued", "s", 5, true,
			"From the bytes of the scheduler's checkpoint, as they came from the broker, to the lab and its index."},
			{"size of that checkpoint", "MB", 0, true, "Millions of bytes."},
		}, restartHuge},
	}
}

// hugeQueue measures decisions with the largest queue that is promised.
// Ten times the devices and jobs of the first area's figure: a million jobs is the most that is
// promised.
func hugeQueue(policy *events.SchedulingPolicySet, users int) func(context.Context, *bench) ([][]float64, error) {
	return func(ctx context.Context, b *bench) (rows [][]float64, err error) {
		for range b.runs {
			f := scheduling.Measure(b.now, scheduling.Load{Devices: 10 * b.sizes.devices, Queued: 10 * b.sizes.queued,
				Rounds: b.sizes.decisions, Users: users, Policy: policy})
			b.say("decision p50 %v, max %v; index made anew in %v", f.P50, f.Max, f.Start)
			rows = append(rows, []float64{milliseconds(f.P99), float64(f.JobBytes)})
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		return rows, nil
	}
}

func restartHuge(ctx context.Context, b *bench) (rows [][]float64, err error) {
	for range b.runs {
		r, err := scheduling.MeasureRestart(b.now, scheduling.Load{Devices: 10 * b.sizes.devices, Queued: 10 * b.sizes.queued})
		if err != nil {
			return nil, err
		}
		rows = append(rows, []float64{r.Took.Seconds(), float64(r.Bytes) / 1e6})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return rows, nil
}
