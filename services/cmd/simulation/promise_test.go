package simulation

import (
	"encoding/json"
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
)

// TestEstimates: what the lab says of a job that has to wait comes true, in a small lab and in the first weeks,
// in which it learns when people work. The promise is about a year, and judged by the measurements.
func TestEstimates(t *testing.T) {
	t.Parallel()
	s := Default()
	s.Days, s.Devices, s.Types, s.Jobs, s.Estimates = 21, 40, 2, 25_000, 80
	e := simulate(t, s).Estimates
	if e.Asked < 100 || e.Known < e.Asked*9/10 || e.Held < e.Known*9/10 {
		t.Fatalf("too few estimates to judge: %+v", e)
	}
	if e.Error > 0.25 || e.Inside < 0.85 {
		t.Errorf("estimates %+v, want an error of at most 0.25 and 0.85 of the starts inside", e)
	}
	s.Estimates = 0
	s.Days, s.Jobs = 1, 100
	if e := simulate(t, s).Estimates; e != nil {
		t.Errorf("nobody asked, and the report tells of estimates: %+v", e)
	}
}

// TestEstimateOfNoTime: a job that gets its device in the moment in which it came, by the end of another one, has
// waited for no time, of which nothing is a part.
func TestEstimateOfNoTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	p := promises{every: 1, open: map[events.JobID]lab.Estimate{1: {Known: true, Earliest: now, Likely: now, Latest: now.Add(time.Hour)}}}
	p.started(&lab.Job{ID: 1, SubmittedAt: now}, now)
	if text, err := json.Marshal(p.report()); err != nil || p.sum.Held != 0 {
		t.Errorf("the report is %s (%v), and holds %d estimates to their starts", text, err, p.sum.Held)
	}
}
