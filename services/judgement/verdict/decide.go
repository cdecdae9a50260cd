package verdict

import (
	"regexp"
	"slices"
	"strings"

	"strata/events"
)

// Rules is the version of the rules. It grows when the same log may get another verdict.
const Rules = 3

// Judgement is what a log says of its job's end.
type Judgement struct {
	Cause    events.Cause
	Evidence *uint64 // line of the log, from 0; nil where no line shows it
	Action   string  // the action that failed
	Findings []events.LogPlace
}

// Verdict says who has to act.
func (j Judgement) Verdict() events.Verdict { return j.Cause.Verdict() }

// maxFindings is how many lines are named beside the evidence.
const maxFindings = 20

// Outcome returns how the job ended as its log tells, and whether it does.
func (s *Scan) Outcome() (Outcome, bool) { return s.outcome, s.told }

// Lines returns how many records were taken in.
func (s *Scan) Lines() uint64 { return s.lines }

// Decide judges a job by its log and its end.
func (s *Scan) Decide(o Outcome) Judgement {
	j := Judgement{Action: s.action}
	j.Cause, j.Evidence = s.weigh(o)
	if o.Health == events.Complete {
		j.Action = ""
	}
	for _, f := range s.now.signs {
		if f.weight >= plain && (j.Evidence == nil || f.line != *j.Evidence) && len(j.Findings) < maxFindings && !s.beside(f, o) {
			j.Findings = append(j.Findings, events.LogPlace{Line: f.line, Kind: f.cause})
		}
	}
	return j
}

// weigh finds what decides; the package's documentation has the order.
func (s *Scan) weigh(o Outcome) (events.Cause, *uint64) {
	switch {
	case o.Health == "":
		return s.consoleAlone()
	case o.Health == events.Canceled:
		return events.CauseCanceled, first(s.canceled, s.errorAt)
	case o.Health == events.Complete:
		return s.completed()
	case o.Lost:
		return events.CauseLost, nil
	}
	switch o.Type {
	case events.ConfigurationError:
		return events.CauseSettings, s.errorAt
	case events.BugError:
		return events.CauseStrata, s.errorAt
	case events.CanceledError:
		return events.CauseCanceled, first(s.canceled, s.errorAt)
	}
	if f, ok := s.crash(); ok {
		return f.cause, &f.line
	}
	if o.Type == events.MultinodeTimeout {
		return events.CauseGroup, s.errorAt
	}
	if a := &s.now; a.damagedBadly() {
		return events.CauseNoise, a.badLine()
	} else if a.cut && strings.Contains(o.Error, "timed out") {
		return events.CauseNoise, a.said
	}
	for _, w := range []weight{lab, plain} {
		if f, ok := s.heaviest(w, o); ok && !s.outweighed(f, o) {
			return f.cause, &f.line
		}
	}
	return s.byClass(o)
}

// first returns the first of two lines that is there.
func first(a, b *uint64) *uint64 {
	if a != nil {
		return a
	}
	return b
}

// completed judges a job that ran to its end: by its cases, and by what the kernel said before the first
// of them failed.
func (s *Scan) completed() (events.Cause, *uint64) {
	if s.failed == nil {
		return events.CauseNone, nil
	}
	if f, ok := s.crash(); ok && f.line <= s.failed.line {
		return f.cause, &f.line
	}
	return events.CauseTestFailed, &s.failed.line
}

// crash returns where the report begins that the last attempt died of, or the first that it went on after.
func (s *Scan) crash() (found, bool) {
	signs := s.now.signs
	for i, f := range signs {
		if f.weight != fatal {
			continue
		}
		if f.follows {
			return chain(signs[:i], f), true
		}
		if f.ends {
			return endedBy(signs[:i], f), true
		}
		return f, true
	}
	for _, f := range signs {
		if f.weight == serious {
			return f, true
		}
	}
	return found{}, false
}

// foreignLines is how many lines between two reports of one crash may be of neither. Those of the reports
// themselves count for nothing: there may be a trace of each of 256 processors.
const foreignLines = 60

// chain returns the report that a panic followed from, which is the panic itself where there is none.
func chain(before []found, panicked found) found {
	root := panicked
	for i := len(before) - 1; i >= 0; i-- {
		f := before[i]
		if root.foreign-f.foreign > foreignLines {
			break
		}
		if f.weight == serious && f.cause != events.CauseReset {
			root = f
		}
	}
	return root
}

// endedBy returns what init, or the kernel for it, did not find before it gave up: first what the lab owed it.
// What may be overcome, such as an interface without a driver, does not end it.
func endedBy(before []found, gave found) found {
	const near = 30 // lines: what init complains of last
	for _, w := range []weight{lab, plain} {
		for _, f := range before {
			if f.weight == w && !f.heals && gave.line-f.line <= near && (f.cause == events.CauseNetwork || f.cause == events.CauseRootfs) {
				return f
			}
		}
	}
	return gave
}

// heaviest returns the first sign of a weight that may have to do with the end.
func (s *Scan) heaviest(w weight, o Outcome) (found, bool) {
	for _, f := range s.now.signs {
		if f.weight == w && !s.beside(f, o) {
			return f, true
		}
	}
	return found{}, false
}

// beside says that a sign stands in what a test printed, and so tells of the test and not of its job: tests
// look for hosts that are away and log in with wrong passwords.
func (s *Scan) beside(f found, o Outcome) bool {
	if f.weight >= serious || f.stage < shell {
		return false
	}
	return o.Type != events.InfrastructureError || f.weight != lab || f.cause != events.CauseConsole && f.cause != events.CauseHardware && f.cause != events.CauseHost
}

// outweighed says that the dispatcher knows better than a line on the console: what it could not power,
// reach or download is no matter of images and logins.
func (s *Scan) outweighed(f found, o Outcome) bool {
	return f.weight == plain && o.Type == events.InfrastructureError && !strings.Contains(o.Error, "timed out after")
}

// damagedBadly says that so much of the console is damaged that nothing on it can be relied on.
func (a *attempt) damagedBadly() bool {
	return a.lossy >= 2 || a.damaged >= 5 && a.damaged*50 >= a.heard
}

func (a *attempt) badLine() *uint64 {
	if a.lossy >= 2 {
		return &a.lost
	}
	return &a.firstBad
}

// rule ties words of an error or of the action that failed to a cause.
type rule struct {
	text  *regexp.Regexp
	cause events.Cause
}

// infrastructure are the causes of what the dispatcher blames the lab for, in the order in which they are
// tried on the error's text, then on the action's name.
var infrastructure = []rule{
	{like(`(?i)\b(unable to (reboot|power|reset)|power|pdu|reboot|hard.?reset|outlet|switch does not answer)`), events.CausePower},
	{like(`(?i)(unable to download|download|git (repository|clone|fetch)|fetch|the server answered|http status|resource unavailable|rsync)`), events.CauseDownload},
	{like(`(?i)(connection (closed|lost|refused|reset)|connect(ion)?\b.*(device|console|serial|port)|telnet|console|serial|ssh|not connected|without a connection|read-feedback|no connection)`), events.CauseConsole},
	{like(`(?i)(usb|fastboot|adb|dfu|board|probe|flash|udev|device was not found|did not appear|openocd|jlink|pyocd)`), events.CauseHardware},
	{like(`(?i)(dhcp|tftp|nfs|nbd|network|address)`), events.CauseNetwork},
}

// definition are the causes of what the dispatcher blames the job for.
var definition = []rule{
	{like(`Kernel panic`), events.CausePanic},
	{like(`(?i)login incorrect|login (failed|timed out)|auto.?login`), events.CauseLogin},
	{like(`(?i)(wanted \S+, got|decompress|checksum|sha\d+|no such file in|unsupported|invalid|not found in the definition|larger than)`), events.CauseDefinition},
}

// byClass judges by the class and the text of the dispatcher's error, and by how far the device came.
func (s *Scan) byClass(o Outcome) (events.Cause, *uint64) {
	late := strings.Contains(o.Error, "timed out") || strings.Contains(o.Error, "timeout")
	a := &s.now
	if f, ok := s.heaviest(hint, o); ok && late {
		return f.cause, &f.line
	}
	switch o.Type {
	case events.InfrastructureError:
		if late && s.booting() {
			return s.stopped(true)
		}
		return pick(infrastructure, o.Error, s.action, events.CauseHost), s.errorAt
	case events.TestError:
		if late {
			return events.CauseTestTimeout, first(a.said, s.errorAt)
		}
		return events.CauseTestRun, s.errorAt
	}
	if !late {
		return pick(definition, o.Error, "", events.CauseDefinition), s.errorAt
	}
	switch {
	case strings.Contains(s.action, "download"), strings.Contains(o.Error, "download"):
		return events.CauseDownload, s.errorAt
	case strings.HasPrefix(s.action, "lava-test"), strings.HasPrefix(o.Error, "lava-test"), a.stage == shell && !s.booting():
		return events.CauseTestTimeout, first(a.said, s.errorAt)
	}
	return s.stopped(false)
}

// booting says whether the action that failed deals with a device that starts.
func (s *Scan) booting() bool {
	for _, word := range []string{"boot", "login", "interrupt", "kernel", "loader", "uefi", "grub", "ipxe", "monitor", "prompt", "expect"} {
		if strings.Contains(s.action, word) || strings.Contains(s.errorMsg, word) {
			return true
		}
	}
	return false
}

// stopped judges a device that did not come on, by where it stopped. blamed says that the dispatcher blames the lab.
func (s *Scan) stopped(blamed bool) (events.Cause, *uint64) {
	a := &s.now
	at := a.stage
	if a.leaving {
		at = a.left
	}
	switch {
	case a.said == nil:
		return events.CauseSilent, s.errorAt
	case at == loader && s.brought.loader:
		return events.CauseHang, a.said
	case at == loader, blamed && at < kernel:
		return events.CauseLoader, a.said
	case a.typed != nil && blamed:
		return events.CauseConsole, a.typed
	case a.login, at == shell: // it waits at a login, or at a prompt that the job does not know
		return events.CauseLogin, a.said
	}
	return events.CauseHang, a.said
}

// pick returns the cause of the first rule that fits the text, or else the name.
func pick(rules []rule, text, name string, other events.Cause) events.Cause {
	for _, t := range []string{text, name} {
		i := slices.IndexFunc(rules, func(r rule) bool { return t != "" && r.text.MatchString(t) })
		if i >= 0 {
			return rules[i].cause
		}
	}
	return other
}
