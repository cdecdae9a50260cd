package events

import "testing"

func TestSumCases(t *testing.T) {
	t.Parallel()
	seconds, later := 1.5, 2.5
	boot, steps := CaseName{Suite: "0_smoke", Name: "boot"}, CaseName{Suite: "lava", Name: "job"}
	got := SumCases([]Case{
		{Suite: boot.Suite, Name: boot.Name, Result: Skip},
		{Suite: boot.Suite, Name: boot.Name, Result: Pass, Measurement: &seconds, Units: "s"},
		{Suite: boot.Suite, Name: boot.Name, Result: Fail, Measurement: &later, Units: "seconds"},
		{Suite: boot.Suite, Name: boot.Name, Result: UnknownOutcome},
		{Suite: boot.Suite, Set: "cold", Name: boot.Name, Result: UnknownOutcome},
		{Suite: "lava", Name: "download", Result: Fail},
		{Suite: steps.Suite, Name: steps.Name, Result: Pass},
	})
	if sum := got[boot]; sum.Result != Fail || sum.Measurement == nil || *sum.Measurement != later || sum.Units != "seconds" {
		t.Errorf("%v comes to %+v, want fail with the last measurement", boot, sum)
	}
	if got[CaseName{Suite: boot.Suite, Set: "cold", Name: boot.Name}].Result != UnknownOutcome || got[steps].Result != Pass || len(got) != 3 {
		t.Errorf("cases %v, want the set's own unknown case, the job, and no step", got)
	}
}

func TestCaseNameCompare(t *testing.T) {
	t.Parallel()
	sorted := []CaseName{{"a", "", "z"}, {"a", "s", "a"}, {"a", "s", "b"}, {"b", "", "a"}}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := a.Compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%v compared with %v is %d", a, b, got)
			}
		}
	}
}
