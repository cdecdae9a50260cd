package test

import (
	"strconv"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
)

// valid says whether a result is one that counts.
func valid(result string) bool {
	switch result {
	case "pass", "fail", "skip", "unknown":
		return true
	}
	return false
}

// outcome translates a raw result: by the definition's own words, else PASS, FAIL, SKIP and UNKNOWN
// to lower case. What is not known stays.
func (r *running) outcome(raw string) string {
	// A definition's parse section replaces the usual words, even where it has none of its own: what
	// its author did not list is no result.
	if r.fixup != nil {
		if result, ok := r.fixup[raw]; ok {
			return result
		}
		return raw
	}
	switch raw {
	case "PASS", "FAIL", "SKIP", "UNKNOWN":
		return strings.ToLower(raw)
	}
	return raw
}

// number reads a measurement as Python's float does, without its infinities: a result is JSON.
func number(text string) (float64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return f, err == nil && f-f == 0
}

// noRun is the error of a result that belongs to no suite.
func (l *listener) noRun() error {
	const text = "Test case results without test definition (testsuite), probably the test runner was not started"
	l.s.Log.Error("%s", text)
	return pipeline.Blamef(pipeline.Test, "%s", text)
}

// testCase takes TEST_CASE_ID=… RESULT=… [UNITS=…] [MEASUREMENT=…]. What cannot be used is dropped,
// with an error line: the device goes on.
func (l *listener) testCase(args []string) error {
	if l.run == nil {
		return l.noRun()
	}
	// Arguments come without quotes, so none of them can hold a blank. The value may hold an equals
	// sign: only the first one separates.
	data := map[string]string{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			l.s.Log.Error("Ignoring malformed parameter for signal: \"%s\".", arg)
			return nil
		}
		data[strings.ToLower(key)] = value
	}
	name, result := data["test_case_id"], l.run.outcome(data["result"])
	if name == "" {
		l.s.Log.Error("Test case without a test_case_id: %s", strings.Join(args, " "))
		return nil
	}
	if !valid(result) {
		l.s.Log.Error("Bad test result: '%s'", result)
		return nil
	}
	var measurement *float64
	if text, ok := data["measurement"]; ok {
		value, ok := number(text)
		if !ok {
			l.s.Log.Error("Invalid measurement: '%s'", text)
			return nil
		}
		measurement = &value
	}
	// Who lists what is expected wants to hear of everything else: it counts as a failure.
	if e := l.run.expect; e != nil {
		result = e.hold(l.s, name, result)
	}
	// STARTTC and ENDTC, where the device sent them, say more exactly where the case lies.
	l.s.Log.Mark(output.Case, name)
	l.report(name, result, measurement, data["units"], l.set)
	return nil
}

// report logs the result of a case.
func (l *listener) report(name, result string, measurement *float64, units, set string) {
	f := output.Fields{{Key: "definition", Value: l.run.suite}, {Key: "case", Value: name}, {Key: "result", Value: result}}
	// Units alone mean nothing; LAVA's readers do not expect them without a number.
	if measurement != nil {
		f = f.Set("measurement", *measurement)
		if units != "" {
			f = f.Set("units", units)
		}
	}
	if set != "" {
		f = f.Set("set", set)
	}
	l.s.Log.Result(f)
	l.run.report.WriteString(name + ": " + result + "\n")
}

// testReference takes a case, its result and a URL. The result stays as it is.
func (l *listener) testReference(args []string) error {
	if l.run == nil {
		return l.noRun()
	}
	if len(args) != 3 {
		return pipeline.Blamef(pipeline.Test, "TESTREFERENCE needs a test case, a result and a reference, not %q", strings.Join(args, " "))
	}
	f := output.Fields{
		{Key: "case", Value: args[0]},
		{Key: "definition", Value: l.run.suite},
		{Key: "result", Value: args[1]},
		{Key: "reference", Value: args[2]},
	}
	if l.set != "" {
		f = f.Set("set", l.set)
	}
	l.s.Log.Result(f)
	l.run.report.WriteString(args[0] + ": " + args[1] + "\n")
	return nil
}

// match takes what the definition's own pattern found.
func (l *listener) match(m connection.Match) error {
	if m.Text == "" {
		// It would match again at once, at the same place, without end.
		return pipeline.Blamef(pipeline.Test, "the pattern of %s matches the empty text: it must ask for a character at least", l.run.suite)
	}
	id, hasID := m.Group("test_case_id")
	raw, hasResult := m.Group("result")
	if !hasID || !hasResult {
		return pipeline.Blamef(pipeline.Test,
			"the pattern of %s matched %q without the groups test_case_id and result, both of which it needs", l.run.suite, m.Text)
	}
	if trimmed := strings.TrimSpace(id); strings.Contains(trimmed, " ") {
		// The echo of a command looks like a result; names of cases have no blanks.
		l.s.Log.Debug("Skipping invalid test_case_id '%s'", trimmed)
		return nil
	}
	var measurement *float64
	if text, ok := m.Group("measurement"); ok {
		value, ok := number(text)
		if !ok {
			return pipeline.Blamef(pipeline.Test, "Invalid measurement: '%s'", text)
		}
		measurement = &value
	}
	// A pattern finds more than it should more easily than a script does, so the list of expected
	// cases is not held against what it finds. Nor does it know of sets.
	if l.run.expect != nil {
		l.run.expect.reported[id] = true
	}
	units, _ := m.Group("units")
	l.s.Log.Mark(output.Case, id)
	l.report(id, l.run.outcome(raw), measurement, units, "")
	return nil
}
