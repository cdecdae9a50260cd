package simulation

import "testing"

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
