package web

import (
	"slices"
	"testing"

	"strata/events"
)

// TestProblemsShown shows that the page of a refused job says each problem and each path once.
func TestProblemsShown(t *testing.T) {
	t.Parallel()
	const above = "extra keys not allowed @ data['x']"
	given := []events.Problem{
		{Message: above, Path: "data['x']", Line: 4, Column: 1},
		{Message: "too long @ data['y']", Path: "data['y']", Line: 2, Column: 3},
		{Message: "too long", Path: "data['z']", Line: 3, Column: 3},
		{Message: above, Path: "data['x']"},
	}
	want := []events.Problem{
		{Line: 4, Column: 1}, // the error above says what, this says where
		{Message: "too long @ data['y']", Line: 2, Column: 3},
		{Message: "too long", Path: "data['z']", Line: 3, Column: 3},
		{Message: above},
	}
	before := slices.Clone(given)
	if got := problemsShown(given, above); !slices.Equal(got, want) {
		t.Errorf("problems below %q:\n got %+v\nwant %+v", above, got, want)
	}
	if !slices.Equal(given, before) {
		t.Errorf("the problems themselves have changed: %+v, want %+v", given, before)
	}
}
