package lab

import (
	"math/rand/v2"
	"slices"
	"time"

	"strata/events"
)

// Estimate is when a job that waits is likely to start, from how long jobs like those before it took.
type Estimate struct {
	Known    bool      `json:"known"`             // false: no device can take it as things stand, or nothing was measured
	Earliest time.Time `json:"earliest,omitzero"` // nine of ten starts lie between
	Likely   time.Time `json:"likely,omitzero"`   // as many before as after
	Latest   time.Time `json:"latest,omitzero"`
	Basis    int       `json:"basis"` // measured durations that it rests on
}

// How far an estimate goes.
const (
	estimateRuns  = 120
	estimateJobs  = 60_000 // jobs placed in all runs together: bounds the time to some ten milliseconds
	estimateLeast = 9      // runs, however long the queue
)

// Estimate says when a queued job is likely to start. It plays the queue forward many times: jobs that
// run end after what such jobs took, those ahead take devices in their order, and more urgent ones
// come as often as they do at such hours of the week. A group, which holds nothing while it waits, starts
// when there is a device for each part at once, and whom a cap holds back when enough of the jobs under it
// are over. The same lab at the same time gives the same answer.
func (s *State) Estimate(id events.JobID, now time.Time) Estimate {
	j := s.jobs[id]
	if j == nil || j.State != Submitted {
		return Estimate{}
	}
	f := s.view(now).forecast(j)
	if f == nil {
		return Estimate{}
	}
	placed := 1 + f.ahead()
	for _, c := range f.caps {
		placed += len(c.ahead)
	}
	runs := max(estimateLeast, min(estimateRuns, estimateJobs/placed))
	r := rand.New(rand.NewPCG(uint64(id), uint64(now.Unix())))
	var starts []float64
	for range runs {
		start := f.play(r)
		for _, c := range f.caps {
			start = max(start, c.opens(r))
		}
		starts = append(starts, start)
	}
	slices.Sort(starts)
	at := func(share float64) time.Time {
		return now.Add(time.Duration(starts[int(share*float64(len(starts)-1)+0.5)] * float64(time.Second)))
	}
	return Estimate{Known: true, Earliest: at(0.01), Likely: at(0.5), Latest: at(0.99), Basis: f.basis}
}
