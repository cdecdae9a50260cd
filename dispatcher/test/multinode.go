package test

import (
	"context"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/protocol"
	"strata/schemas/multinode"
)

// newMultinode returns the action for a block of a multinode job: a test shell over which the parts
// of the group talk to each other. It is not tried again, because the other parts would not be.
func newMultinode(block pipeline.Data) pipeline.Action {
	switch {
	case block.Has("monitors"):
		return newMonitors(block)
	case block.Has("interactive"):
		return newInteractive(block)
	}
	return &multinodeShell{}
}

// multinodeShell is multinode-test.
type multinodeShell struct{ shell }

// Name returns multinode-test.
func (*multinodeShell) Name() string { return "multinode-test" }

// Description says what the action does.
func (*multinodeShell) Description() string { return "Executing lava-test-runner in a multinode group" }

// TimeoutClass is that of tests which no job may skip: the others of the group wait.
func (*multinodeShell) TimeoutClass() pipeline.Class { return pipeline.Test }

// askMark is what a device of a multinode group sends to ask the others.
const askMark = `<LAVA_MULTI_NODE> <LAVA_(\S+) ([^>]+)>`

// ask makes a call for the device, reports it as a case of the run, and types the answer where the
// device waits for one. When the group does not answer in time the device is left alone, and the run
// with it: then stop is true.
func (l *listener) ask(ctx context.Context, m connection.Match) (stop bool, err error) {
	api, _ := m.Group("1")
	args, _ := m.Group("2")
	word := protocol.Word(api)
	group := protocol.In(l.s)
	if group == nil {
		l.s.Log.Error("The device asks for LAVA_%s, but the job is in no multinode group", api)
		return false, nil
	}
	id, _, _ := strings.Cut(strings.TrimSpace(args), " ")
	l.s.Log.Debug("Received Multi_Node API <LAVA_%s>", api)
	l.s.Log.Debug("messageID: %s-%s", api, id)
	l.s.Log.Debug("Handling signal <LAVA_%s %s>", api, args)
	a, err := group.Call(ctx, l.s, word, args)
	name := "multinode-" + strings.ToLower(api) + "-" + strings.ToLower(id)
	if err == nil && a.Outcome == multinode.Gone {
		// It would be silent until the time is up: the same end, sooner and with a reason.
		l.s.Log.Error("LAVA_%s %s: %s", api, args, a.Reason)
		err = pipeline.Blamef(pipeline.MultinodeTimeout, "protocol lava-multinode timed out")
	}
	switch {
	case err != nil && pipeline.ClassOf(err) == pipeline.MultinodeTimeout:
		l.s.Log.Warning("Sync error in multinode signal: %s %s", err, api)
		return true, l.askedCase(name, "fail")
	case err != nil:
		return false, err
	case a.Outcome != multinode.Done:
		l.s.Log.Error("LAVA_%s %s: %s", api, args, a.Reason)
	}
	if word != protocol.Send {
		if err := l.tell(ctx, protocol.Complete(word, a)); err != nil {
			return false, err
		}
	}
	if a.Outcome != multinode.Done {
		return false, l.askedCase(name, "fail")
	}
	return false, l.askedCase(name, "pass")
}

// tell types a line at a script that reads its standard input, and an empty one behind it.
func (l *listener) tell(ctx context.Context, line string) error {
	if err := l.s.SendLine(ctx, l.console, line); err != nil {
		return err
	}
	return l.s.SendLine(ctx, l.console, "")
}

// askedCase reports a call as a case of the run.
func (l *listener) askedCase(name, result string) error {
	if l.run == nil {
		return l.noRun()
	}
	if e := l.run.expect; e != nil {
		result = e.hold(l.s, name, result)
	}
	l.report(name, result, nil, "", l.set)
	return nil
}
