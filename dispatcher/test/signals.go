package test

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

func stageName(stage int) string { return "stage_" + strconv.Itoa(stage) }

// signal acts on one <LAVA_SIGNAL_NAME arguments>.
func (l *listener) signal(ctx context.Context, m connection.Match) error {
	name, _ := m.Group("1")
	text, _ := m.Group("2")
	args := strings.Fields(text)
	if !l.whole(m, name) {
		if name == "STARTRUN" {
			if err := l.startNext(); err != nil {
				return err
			}
		}
		if inner, kind, ok := l.within(m.Text); ok && kind == numbered {
			return l.numbering(inner)
		} else if ok {
			return l.signal(ctx, inner)
		}
		return nil
	}
	l.s.Log.Debug("Received signal: <%s> %s", name, strings.Join(args, " "))
	switch name {
	case "STARTRUN":
		return l.startRun(args)
	case "ENDRUN":
		l.endRun()
	case "STARTTC":
		l.mark(output.StartCase, args)
	case "ENDTC":
		l.mark(output.EndCase, args)
	case "TESTCASE":
		return l.testCase(args)
	case "TESTSET":
		return l.testSet(args)
	case "TESTREFERENCE":
		return l.testReference(args)
	case "TESTRAISE":
		return pipeline.Blamef(pipeline.Test, "%s", strings.Join(args, " "))
	case "TESTFEEDBACK":
		l.feedback(ctx, strings.Join(args, " "))
	case "TESTEVENT":
		l.s.Log.Event(strings.TrimSpace(text))
	}
	// Other names are somebody else's, or of a later version: they are in the log and mean nothing.
	return nil
}

func (l *listener) mark(marker output.Marker, args []string) {
	if len(args) > 0 {
		l.s.Log.Mark(marker, args[0])
	}
}

// startRun begins a run: from here on results belong to its suite.
func (l *listener) startRun(args []string) error {
	if len(args) < 2 {
		return pipeline.Blamef(pipeline.Test, "STARTRUN without a test definition and its UUID: %q", strings.Join(args, " "))
	}
	r := &running{suite: args[0], uuid: args[1], ledger: newLedger(), startSet: l.set}
	l.coming, l.lastRun = nil, false
	l.begun = append(l.begun, r)
	l.started = l.s.Now()
	l.s.Log.Info("Starting test lava.%s (%s)", r.suite, r.uuid)
	// A device may run definitions that no job gave it; their cases count all the same.
	for _, def := range l.runs {
		if def.Name == r.suite && def.Loaded {
			r.def = def
		}
	}
	l.run = r
	l.pending = output.Fields{
		{Key: "definition", Value: "lava"}, {Key: "case", Value: r.suite}, {Key: "uuid", Value: r.uuid}, {Key: "result", Value: "fail"}}
	if r.expect = l.action.list(l.s, r.suite); r.expect != nil {
		r.expect.begun = true
	}
	if r.def == nil {
		l.s.Log.Info("Skipping test definition patterns.")
		return nil
	}
	if r.def.Commit != "" {
		l.pending = l.pending.Set("commit_id", r.def.Commit)
	}
	// The job's list wins over the file's.
	if r.expect == nil && len(r.def.Expected) > 0 {
		r.expect = expect(r.def.Expected)
	}
	return r.arm(l.s)
}

// startNext begins the run whose turn it is, because what began it came broken. A runner takes the
// definitions of its stage in their order.
func (l *listener) startNext() error {
	for _, def := range l.runs {
		if def.Stage == l.stage && !slices.ContainsFunc(l.begun, func(r *running) bool { return r.suite == def.Name }) {
			return l.missedStart(def.Name)
		}
	}
	return nil
}

// arm makes ready what finds results in ordinary output.
func (r *running) arm(s *pipeline.Session) error {
	if !r.def.HasParse {
		s.Log.Info("Skipping test definition patterns.")
		return nil
	}
	// While a parse section counts, only its own words for results do, be there none.
	r.fixup = map[string]string{}
	repr := make([]pipeline.Pair, 0, len(r.def.Fixup))
	for _, p := range r.def.Fixup {
		r.fixup[p.Key] = p.Value.Text()
		repr = append(repr, p)
	}
	if r.def.Pattern == "" {
		s.Log.Warning("The parse section of %s has no pattern: output is not searched for results", r.suite)
	} else {
		// As the authors of patterns know it: a dot ends at the line, ^ and $ stand for lines.
		pattern, err := connection.Compile(r.def.Pattern, connection.Multiline|connection.OneLine)
		if err != nil {
			return pipeline.Blame(pipeline.Test, err)
		}
		r.pattern = &pattern
		s.Log.Info("Enabling test definition pattern %s", python.Quote(r.def.Pattern))
	}
	s.Log.Info("Enabling test definition fixup %s", pipeline.Of(repr).Python())
	return nil
}

// endRun ends the run that was started last.
func (l *listener) endRun() {
	r := l.run
	if r == nil {
		l.s.Log.Error("ENDRUN without a STARTRUN before it")
		return
	}
	r.over, r.endSet = true, l.set
	l.lastRun = r.numbers && l.isLast(r.suite)
	switch {
	case r.expect == nil:
	case len(r.missing()) > 0 || len(r.stray) > 0 || l.coming != nil:
		r.owes = true // the device's list may have what seems to be missing
	default:
		r.expect.report(l.s, r.suite, l.set)
	}
	l.s.Log.Info("Ending use of test pattern.")
	r.pattern, r.fixup = nil, nil
	took := pipeline.Seconds(l.s.Now().Sub(l.started))
	l.s.Log.Info("Ending test lava.%s (%s), duration %s", r.suite, r.uuid, took)
	def := r.def
	if def == nil {
		def = &overlay.Run{Revision: "unspecified"}
	}
	// The keys and their order are LAVA's; for an inline definition the repository is all of it.
	f := output.Fields{
		{Key: "definition", Value: "lava"},
		{Key: "case", Value: r.suite},
		{Key: "uuid", Value: r.uuid},
		{Key: "repository", Value: fields(def.Repository)},
		{Key: "path", Value: def.Path},
		{Key: "duration", Value: took},
		{Key: "result", Value: "pass"},
		{Key: "revision", Value: def.Revision},
		{Key: "namespace", Value: l.s.Namespace()},
	}
	if def.Commit != "" {
		f = f.Set("commit_id", def.Commit)
	}
	l.pending = nil
	l.s.Log.Result(f)
	reportSuite(l.s, r.suite, r.report.String())
}

// reportSuite logs a suite's cases for people who read along; nothing else reads it.
func reportSuite(s *pipeline.Session, suite, report string) {
	title := "--- " + suite + " Test Report ---"
	s.Log.Debug("%s", title)
	s.Log.Debug("%s", report)
	dashes := len(title) - len(" End ")
	s.Log.Debug("%s End %s", strings.Repeat("-", dashes/2), strings.Repeat("-", dashes-dashes/2))
}

// fields returns a value for a result, with the keys of mappings in their order.
func fields(d pipeline.Data) any {
	switch d.Kind() {
	case pipeline.Mapping:
		var f output.Fields
		for _, p := range d.Pairs() {
			f = append(f, output.Field{Key: p.Key, Value: fields(p.Value)})
		}
		return f
	case pipeline.List:
		items := make([]any, 0, len(d.Items()))
		for _, item := range d.Items() {
			items = append(items, fields(item))
		}
		return items
	}
	return d.Native()
}

// testSet opens or closes a set. It outlives the run: only STOP and the runner's end close it.
func (l *listener) testSet(args []string) error {
	switch {
	case len(args) > 0 && args[0] == "START":
		if len(args) < 2 {
			return pipeline.Blamef(pipeline.Job, "Test set START called without a name")
		}
		l.set = args[1]
		l.s.Log.Info("Starting test_set %s", l.set)
	case len(args) > 0 && args[0] == "STOP":
		l.s.Log.Info("Closing test_set %s", l.set)
		l.set = ""
	}
	return nil
}

// feedback reads the console of another namespace at once.
func (l *listener) feedback(ctx context.Context, namespace string) {
	if l.s.ConsoleOf(namespace) == nil {
		l.s.Log.Error("No connection for the namespace '%s' to read feedback from", namespace)
		return
	}
	l.listenTo(ctx, namespace)
}
