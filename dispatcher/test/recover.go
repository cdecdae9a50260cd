package test

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/dispatcher/connection"
)

// How the device's list is read: again what came broken, a few times, with an end to each silence.
const (
	readTries   = 4
	readSilence = 10 * time.Second
	askSingly   = 40 // more numbers than a command line takes on every board are all asked for
)

// settle brings the runs of this shell in agreement with what the device says it sent. With ask the
// device is at its prompt and is asked; without, what is missing is recorded as unknown.
func (l *listener) settle(ctx context.Context, ask bool) {
	defer func(run *running, set string) { l.run, l.set = run, set }(l.run, l.set)
	for _, r := range l.begun {
		if !r.agrees() {
			l.settleRun(ctx, r, ask)
		}
		l.settleFiles(ctx, r, ask)
		if r.owes {
			r.owes = false
			r.expect.report(l.s, r.suite, r.endSet)
		}
	}
	l.settleDoor()
	l.begun = nil
}

// settleRun does so for one run.
func (l *listener) settleRun(ctx context.Context, r *running, ask bool) {
	listed := map[int]string{}
	if ask {
		l.s.Log.Warning("%d of %d signals of %s were not heard whole: reading the device's list", len(r.missing()), r.last(), r.suite)
		listed = l.readList(ctx, r)
	}
	l.run, l.set = r, r.startSet
	for n := 1; n <= r.last(); n++ {
		text, heard := r.heard[n]
		told, ok := listed[n]
		switch {
		case heard && ok && told != text:
			l.s.Log.Warning("Signal %d of %s was heard as %q, but the device sent %q", n, r.suite, text, told)
			l.replay(told)
		case heard:
			l.followSet(text)
		case ok && r.loose[told] > 0:
			r.loose[told]-- // it came whole, only its announcement did not
			l.followSet(told)
		case ok:
			l.s.Log.Warning("Signal %d of %s, read from the device: %q", n, r.suite, told)
			l.replay(told)
		default:
			l.unreadable(r, n)
		}
	}
}

// followSet opens or closes the set of the cases that come after.
func (l *listener) followSet(text string) {
	if name, args := split(text); name == "TESTSET" && len(args) > 0 {
		l.set = ""
		if args[0] == "START" && len(args) > 1 {
			l.set = args[1]
		}
	}
}

// replay acts on a signal from the device's list.
func (l *listener) replay(text string) {
	l.followSet(text)
	var err error
	switch name, args := split(text); name {
	case "TESTCASE":
		err = l.testCase(args)
	case "TESTREFERENCE":
		err = l.testReference(args)
	}
	if err != nil {
		l.s.Log.Error("%s", err)
	}
}

// split returns the name of a signal and its arguments.
func split(text string) (name string, args []string) {
	fields := strings.Fields(strings.TrimSuffix(strings.TrimPrefix(text, "<LAVA_SIGNAL_"), ">"))
	if len(fields) == 0 {
		return "", nil
	}
	return fields[0], fields[1:]
}

// listMark is a line of the list, its check and length, or the end of the list with the number of its lines.
const listMark = `<STRATA_LIST (\d+|END) (\d+|-)(?: (\d+) ([^>\r\n]*))?>`

// readList asks the device for the signals that are missing, until all were read whole or asking
// does not help. Where nothing is missing that is known, all of them are asked for.
func (l *listener) readList(ctx context.Context, r *running) map[int]string {
	listed := map[int]string{}
	mark, err := connection.Compile(listMark, 0)
	if err != nil {
		panic(err) // a constant
	}
	for range readTries {
		wanted := slices.DeleteFunc(r.missing(), func(n int) bool { return listed[n] != "" })
		if r.count >= 0 && len(wanted) == 0 && len(listed) > 0 {
			break
		}
		line := path.Join(l.root, "bin", "lava-test-signals") + " " + path.Join(l.root, strconv.Itoa(l.stage), "signals", r.suite)
		if r.count >= 0 && len(wanted) <= askSingly {
			for _, n := range wanted {
				line += " " + strconv.Itoa(n)
			}
		}
		if err := l.s.SendLine(ctx, l.console, line); err != nil {
			break
		}
		if !l.readLines(ctx, r, mark, listed) {
			break
		}
	}
	return listed
}

// readLines takes the lines of the list as they come. It returns false when the device says nothing
// any more: a console that hangs now must not cost a job that has come to its end.
func (l *listener) readLines(ctx context.Context, r *running, mark connection.Pattern, listed map[int]string) bool {
	for {
		limited, cancel := context.WithTimeout(ctx, readSilence)
		m, err := l.console.Expect(limited, mark)
		cancel()
		if err != nil {
			return ctx.Err() == nil && limited.Err() != nil && len(listed) > 0
		}
		first, _ := m.Group("1")
		second, _ := m.Group("2")
		length, _ := m.Group("3")
		text, _ := m.Group("4")
		if first == "END" {
			if n, err := strconv.Atoi(second); err == nil && r.count < 0 {
				r.count, r.check = n, "-"
			}
			return true
		}
		text = "<LAVA_SIGNAL_" + text + ">"
		n, err := strconv.Atoi(first)
		sum := strconv.FormatUint(uint64(cksum(text+"\n")), 10)
		if err == nil && n > 0 && strconv.Itoa(len(text)) == length && (second == "-" || second == sum) {
			listed[n] = text
		}
	}
}
