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

// TestResultWords shows the evidence of a failed test as the log does, and what a console said as it said it.
func TestResultWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"definition":"0_smoke","case":"network","result":"fail"}`:                           "0_smoke / network: fail",
		`{"definition":"0_ltp","set":"fs","case":"stat","result":"fail"}`:                     "0_ltp / fs / stat: fail",
		`{"case":"job","result":"fail","error_type":"Job","error_msg":"x: y"}`:                "job: fail — Job: x: y",
		`{"case":"a","result":"fail","error_type":"Bug"}`:                                     "a: fail — Bug",
		`{"case":"a","result":"fail","error_msg":"no reply"}`:                                 "a: fail — no reply",
		`{"definition":"d","case":"speed","result":"fail","measurement":7.50,"units":"MB/s"}`: "d / speed: fail (7.50 MB/s)",
		`{"definition":"d","case":"count","result":"fail","measurement":"3","units":""}`:      "d / count: fail (3)",
		`{"panic": true}`:                          `{"panic": true}`,
		`{ 12.5} Kernel panic`:                     `{ 12.5} Kernel panic`,
		`{"definition":"0_smoke","case":"netw`:     `{"definition":"0_smoke","case":"netw`, // cut off
		"Kernel panic - not syncing: {\"case\":1}": "Kernel panic - not syncing: {\"case\":1}",
		"": "",
	} {
		if got := resultWords(text); got != want {
			t.Errorf("%s reads %q, want %q", text, got, want)
		}
	}
}
