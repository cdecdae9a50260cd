package test

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
)

// newMonitors returns lava-test-monitor-retry: results found in what a device prints by itself.
func newMonitors(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{Title: "lava-test-monitor-retry", About: "Retry wrapper for lava-test-monitor",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error { return step.Add(&monitors{}) }}}
}

// monitors is lava-test-monitor.
type monitors struct {
	expected map[int]*expectation // by place in the block, where the job has a list
}

// Name returns the action's name.
func (*monitors) Name() string { return "lava-test-monitor" }

// Description says what the action does.
func (*monitors) Description() string { return "find results in what the device prints" }

// TimeoutClass is that of tests, which a job may skip.
func (*monitors) TimeoutClass() pipeline.Class { return pipeline.TestTimeout }

// Validate compiles the expressions.
func (*monitors) Validate(_ context.Context, s *pipeline.Session) error {
	checkNamed(s)
	for _, m := range s.Block().Get("monitors").Items() {
		for _, key := range []string{"name", "start", "end", "pattern"} {
			if m.Get(key).Text() == "" {
				s.Invalid("a monitor has no '%s'", key)
			}
		}
		for _, key := range []string{"start", "end", "pattern"} {
			if _, err := connection.Compile(m.Get(key).Text(), 0); err != nil {
				s.Invalid("%s of the monitor '%s': %s", key, m.Get("name").Text(), err)
			}
		}
	}
	return nil
}

// Run follows one monitor after the other.
func (a *monitors) Run(ctx context.Context, s *pipeline.Session) error {
	a.expected = nil
	// The connection that the action before used; a monitor has no namespace to look in, as in LAVA.
	c := s.Current()
	if c == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "No connection to the DUT")
	}
	var places []place
	for _, m := range s.Block().Get("monitors").Items() {
		places = append(places, place{monitorSuite(m), m.Get("name").Text(), downloads(s)})
	}
	defer keepNamed(s, places)
	for i, m := range s.Block().Get("monitors").Items() {
		if err := a.follow(ctx, s, c, i, m); err != nil {
			return err
		}
	}
	return nil
}

// follow waits for the start of a monitor and takes its cases up to its end.
func (a *monitors) follow(ctx context.Context, s *pipeline.Session, c *connection.Connection, i int, m pipeline.Data) error {
	start := m.Get("start").Text()
	s.Log.Info("Waiting for start message: %s", start)
	s.SetPrompts(c, []string{start})
	if _, expired, err := within(ctx, s, c, start); err != nil {
		return err
	} else if expired {
		return pipeline.Blamef(pipeline.Job, "wait for prompt timed out")
	}
	s.Log.Info("ok: start string found, lava test monitoring started")
	w := &watch{s: s, suite: monitorSuite(m), fixup: m.Get("fixupdict"),
		expect: a.list(s, i)}
	for {
		s.Log.Debug("test monitoring timeout: %d seconds", int(s.Step.Connection.Seconds()))
		found, expired, err := within(ctx, s, c, m.Get("end").Text(), m.Get("pattern").Text())
		switch {
		case err != nil:
			s.Log.Warning("err: lava test monitoring reached end of file")
			return err
		case expired:
			// As LAVA: what follows may still be there.
			s.Log.Warning("err: lava test monitoring has timed out")
		case found.Index == 0:
			s.Log.Info("ok: end string found, lava test monitoring stopped")
		case found.Text == "":
			return pipeline.Blamef(pipeline.Test, "the pattern of '%s' matches the empty text", w.suite)
		default:
			s.Log.Info("ok: test case found")
			w.take(found)
			continue
		}
		w.end()
		return nil
	}
}

// monitorSuite is what the suite of a monitor is called.
func monitorSuite(m pipeline.Data) string {
	return strings.ToLower(strings.ReplaceAll(m.Get("name").Text(), " ", "-"))
}

// within waits for patterns no longer than the connection's timeout.
func within(ctx context.Context, s *pipeline.Session, c *connection.Connection, patterns ...string) (m connection.Match, expired bool, err error) {
	limited, cancel := context.WithTimeout(ctx, s.Step.Connection)
	defer cancel()
	m, err = s.Expect(limited, c, patterns)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return m, true, nil
	}
	return m, false, err
}

// watch is one monitor while it is followed.
type watch struct {
	s      *pipeline.Session
	suite  string
	fixup  pipeline.Data
	expect *expectation
	report strings.Builder
}

// notWord is what a case's name may not hold.
var notWord = regexp.MustCompile(`\W+`)

// take logs the case that the pattern found.
func (w *watch) take(m connection.Match) {
	id, hasID := m.Group("test_case_id")
	raw, hasResult := m.Group("result")
	text, hasMeasurement := m.Group("measurement")
	if !hasID || !hasResult && !hasMeasurement {
		w.s.Log.Debug("ignoring a match that names no case or tells nothing of it")
		return
	}
	name := notWord.ReplaceAllString(strings.ToLower(strings.TrimSpace(id)), "_")
	w.s.Log.Debug("test_case_id: %s", name)
	f := output.Fields{{Key: "definition", Value: w.suite}, {Key: "case", Value: name}, {Key: "level", Value: w.s.Step.Level}}
	result := "pass"
	if hasResult {
		result = raw
		if fixed := w.fixup.Get(raw); !fixed.IsNull() {
			result = fixed.Text()
		}
		if !valid(result) {
			w.s.Log.Error("Bad test result: %s", result)
			return
		}
	}
	result = w.held(name, result)
	f = f.Set("result", result)
	if m.HasGroup("measurement") {
		f = f.Set("measurement", measured(text, hasMeasurement, hasResult))
	}
	if units, ok := m.Group("units"); ok {
		f = f.Set("units", units)
	}
	w.s.Log.Result(f)
	w.report.WriteString(name + ": " + result + "\n")
}

// measured is a measurement as results have it: a number where the case is nothing else, else what
// was found.
func measured(text string, found, hasResult bool) any {
	if !found {
		return nil
	}
	if value, ok := number(text); ok && !hasResult {
		return value
	}
	return text
}

// held holds a case against the list of what is expected.
func (w *watch) held(name, result string) string {
	if w.expect == nil {
		return result
	}
	return w.expect.hold(w.s, name, result)
}

// end logs what is missing, and a report for people.
func (w *watch) end() {
	if w.expect != nil {
		w.expect.report(w.s, w.suite, "")
	}
	reportSuite(w.s, w.suite, w.report.String())
}

// list returns the job's list of expected cases for a monitor, nil where it has none.
func (a *monitors) list(s *pipeline.Session, i int) *expectation {
	if a.expected == nil {
		a.expected = map[int]*expectation{}
		for i, m := range s.Block().Get("monitors").Items() {
			if !m.Get("expected").IsNull() {
				a.expected[i] = expect(m.Get("expected").Texts())
			}
		}
	}
	return a.expected[i]
}

// Cleanup reports the expected cases of monitors that did not come to their end.
func (a *monitors) Cleanup(_ context.Context, s *pipeline.Session) error {
	for i, m := range s.Block().Get("monitors").Items() {
		if e := a.list(s, i); e != nil && !e.done {
			e.report(s, monitorSuite(m), "")
		}
	}
	return nil
}
