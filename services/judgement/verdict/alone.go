package verdict

import (
	"regexp"

	"strata/events"
)

// good are the last lines of a console whose device waits for somebody, or was switched off as it was told to:
// a prompt of a shell, a boot loader, a debugger or a login; a menu that counts down; a word of farewell.
var good = regexp.MustCompile(`reboot: Power down|reboot: System halted|Powering off\.?$|poweroff \.\.\.$|PROJECT EXECUTION SUCCESSFUL|login: ?$|` +
	`(?:^|[\w~/:\])@-] ?)[#$] ?(?:\[6n)?$|^/ # |^=> |^=>$|^[\w-]+> ?$|Shell> ?$|grub> ?|iPXE> ?$|ssh-ready|[Hh]it \S+ .*to stop autoboot|any key to stop autoboot|will be executed automatically|[Pp]ress any key to reboot|` +
	`^[\w@:~/.()\[\] -]{0,60}[#$>%]$|^barebox[@:].*/\S*$|before booting or|Select Entry|^\(gdb\)`)

// consoleAlone judges a console without a job: whatever it shows that is wrong counts, and where it shows
// nothing, how it ends.
func (s *Scan) consoleAlone() (events.Cause, *uint64) {
	a := &s.now
	if f, ok := s.crash(); ok {
		return f.cause, &f.line
	}
	if a.damagedBadly() {
		return events.CauseNoise, a.badLine()
	}
	well := good.MatchString(s.lastLine) || a.off || a.stage == shell && !stamp.MatchString(s.lastLine)
	for _, w := range []weight{lab, plain, hint} {
		for _, f := range a.signs {
			if w == hint && well && f.cause.Verdict() == events.VerdictInfra {
				continue
			}
			// What stands in the middle of a session is of that session; what ends it, ends the console.
			if f.weight == w && (w != lab || f.stage < shell || s.lines-f.line <= 5) {
				return f.cause, &f.line
			}
		}
	}
	switch {
	case a.said == nil:
		return events.CauseSilent, nil
	case well:
		return events.CauseNone, nil
	case a.stage == loader:
		return events.CauseLoader, a.said
	}
	return events.CauseHang, a.said
}
