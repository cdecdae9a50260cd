package test

import (
	"slices"

	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
)

// expectation is a list of test cases of which each must be reported.
type expectation struct {
	cases    []string
	reported map[string]bool
	begun    bool // a run has, that is to report them
	done     bool // the missing ones have been reported
}

func expect(cases []string) *expectation {
	return &expectation{cases: cases, reported: map[string]bool{}}
}

// has says whether a case is in the list.
func (e *expectation) has(name string) bool { return slices.Contains(e.cases, name) }

// hold notes that a case was reported, and returns its result: fail for one that nobody expects.
func (e *expectation) hold(s *pipeline.Session, name, result string) string {
	e.reported[name] = true
	if e.has(name) {
		return result
	}
	s.Log.Warning("'%s' not found in expected test case list!", name)
	if result != "fail" {
		s.Log.Warning("Forcing unexpected '%s' result '%s' to 'fail' ...", name, result)
	}
	return "fail"
}

// report logs each missing case as failed.
func (e *expectation) report(s *pipeline.Session, suite, set string) {
	e.done = true
	var missing []string
	for _, name := range e.cases {
		if !e.reported[name] && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return
	}
	slices.Sort(missing)
	s.Log.Warning("Reporting missing expected test cases as 'fail' ...")
	for _, name := range missing {
		f := output.Fields{
			{Key: "definition", Value: suite},
			{Key: "case", Value: name},
			{Key: "result", Value: "fail"},
		}
		if set != "" {
			f = f.Set("set", set)
		}
		f = f.Set("level", s.Step.Level)
		f = f.Set("extra", output.Fields{{Key: "reason", Value: "missing expected test cases are reported as 'fail' by LAVA."}})
		s.Log.Result(f)
	}
}
