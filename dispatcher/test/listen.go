package test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"strata/dispatcher/connection"
	"strata/dispatcher/door"
	"strata/dispatcher/output"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// What the device sends, in the order of priority where two begin at one place.
const (
	exitMark  = `<LAVA_TEST_RUNNER EXIT>`
	errorMark = `<LAVA_TEST_RUNNER INSTALL_FAIL>`
	signal    = `<LAVA_SIGNAL_(\S+) ([^>]+)>`
	// What only our helpers send; see ledger.
	numberMark = `<STRATA_(NEXT|SUM) ([^>\r\n]*)>`
)

// listener follows one test shell.
type listener struct {
	s       *pipeline.Session
	console *connection.Connection
	action  *shell
	stage   int
	runs    []*overlay.Run // the definitions of the namespace
	root    string         // of the overlay, on the device
	door    *door.Door     // files come to it; nil where there is none
	shared  string         // directory in which a container leaves them; "" where there is none
	poll    time.Duration  // between looks at other consoles
	hear    time.Duration  // how long another console is listened to
	marks   []connection.Pattern

	run     *running
	pending output.Fields // the result of a run that does not come to its end
	started time.Time     // of the run, or of the listening
	set     string        // the open test set

	begun         []*running
	coming        *announced // nil where nothing is announced
	unsure        bool       // what announced it was broken
	installFailed bool       // the device has said so, of the run that it is in
	lastRun       bool       // the stage's last run is over: only the runner's end is to come
}

// running is the run that the device is in.
type running struct {
	suite   string
	uuid    string
	def     *overlay.Run // nil for one that the job does not know
	pattern *connection.Pattern
	fixup   map[string]string
	expect  *expectation // nil where nothing is expected
	report  strings.Builder
	ledger
	over     bool   // it has said that it came to its end
	owes     bool   // the report of expected cases, until the device's list was read
	startSet string // the test set that was open when it began
	endSet   string // and when it ended

	file      *incoming   // on its way over the console
	unsettled []*incoming // came broken
}

// listen takes what the device sends until the runner ends.
func (l *listener) listen(ctx context.Context) error {
	l.started = l.s.Now()
	err := l.loop(ctx)
	l.settle(ctx, err == nil)
	// However the loop ended, the run that the device was in must not vanish from the results.
	if len(l.pending) > 0 {
		l.s.Log.Error("Marking unfinished test run as failed")
		l.s.Log.Result(l.pending.Set("duration", pipeline.Seconds(l.s.Now().Sub(l.started))))
		l.pending = nil
	}
	if err != nil {
		return err
	}
	if problems := l.s.Errors(); len(problems) > 0 {
		return pipeline.Blame(pipeline.Test, errors.New(pipeline.ReprList(problems)))
	}
	return nil
}

func (l *listener) loop(ctx context.Context) error {
	for {
		m, kind, err := l.next(ctx)
		if err == nil {
			err = ctx.Err() // a device that says something all the time must not make us forget it
		}
		switch {
		case err != nil:
			return err
		case kind == nothing && l.lastRun:
			l.s.Log.Warning("The end of the runner was not heard whole")
			l.set = ""
			return nil
		case kind == nothing:
			l.listenElsewhere(ctx)
		case kind == exit:
			l.s.Log.Info("ok: lava_test_shell seems to have completed")
			l.set = ""
			return nil
		case kind == installFailed:
			l.failInstall()
		case kind == signaled:
			err = l.signal(ctx, m)
		case kind == numbered:
			err = l.numbering(m)
		case kind == asked:
			var stop bool
			if stop, err = l.ask(ctx, m); stop {
				return err
			}
		case kind == filed:
			err = l.fileLine(m)
		case kind == matched:
			err = l.match(m)
		}
		if err != nil {
			return err
		}
	}
}

// failInstall notes that a definition could not be installed. The runner goes on with the next one, and
// so do we: the block fails at its end.
func (l *listener) failInstall() {
	l.installFailed = true
	l.s.Log.Error("Unable to start stage %d. Read the log for more details.", l.stage)
	l.s.Fail("Unable to start test stage %d", l.stage)
	l.pending = output.Fields{
		{Key: "definition", Value: "lava"}, {Key: "case", Value: stageName(l.stage)}, {Key: "result", Value: "fail"}}
}

// kind is what next found.
type kind int

const (
	exit kind = iota
	installFailed
	signaled
	numbered
	asked
	filed
	matched
	nothing // within the poll interval
)

// compileMarks compiles what the device sends; the order is that of kind.
func compileMarks() ([]connection.Pattern, error) {
	var patterns []connection.Pattern
	for _, text := range []string{exitMark, errorMark, signal, numberMark, askMark, fileMark} {
		p, err := connection.Compile(text, 0)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// next waits for something that counts.
func (l *listener) next(ctx context.Context) (connection.Match, kind, error) {
	patterns := l.marks
	if l.run != nil && l.run.pattern != nil {
		patterns = append(slices.Clone(patterns), *l.run.pattern)
	}
	// The poll interval bounds how long the consoles of other namespaces go unread.
	poll := l.poll
	if l.lastRun {
		poll = min(poll, readSilence)
	}
	limited, cancel := context.WithTimeout(ctx, poll)
	defer cancel()
	m, err := l.console.Expect(limited, patterns...)
	switch {
	case err == nil:
		return m, kind(m.Index), nil
	case ctx.Err() != nil:
		return m, nothing, ctx.Err()
	case limited.Err() != nil:
		return m, nothing, nil
	}
	if errors.Is(err, connection.ErrClosed) {
		l.set = ""
	}
	return m, nothing, lost(ctx, err)
}

// listenElsewhere reads what the consoles of other namespaces say, so that they do not block.
func (l *listener) listenElsewhere(ctx context.Context) { listenToOthers(ctx, l.s, l.console, l.hear) }

func (l *listener) listenTo(ctx context.Context, namespace string) {
	listenTo(ctx, l.s, l.console, namespace, l.hear)
}

// listenToOthers reads all consoles but one's own, each for a limited time.
func listenToOthers(ctx context.Context, s *pipeline.Session, own *connection.Connection, limit time.Duration) {
	for _, namespace := range s.Namespaces() {
		listenTo(ctx, s, own, namespace, limit)
	}
}

func listenTo(ctx context.Context, s *pipeline.Session, own *connection.Connection, namespace string, limit time.Duration) {
	other := s.ConsoleOf(namespace)
	if other == nil || other == own {
		return
	}
	s.Log.Debug("Listened to connection for namespace '%s' for up to %ds", namespace, int(limit/time.Second))
	if _, err := other.Drain(ctx, limit, namespace); err != nil && ctx.Err() == nil {
		s.Log.Debug("the connection of namespace '%s' ended: %s", namespace, err)
	}
}
