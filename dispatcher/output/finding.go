package output

import (
	"regexp"
	"strings"
)

// Finding is a line with which Linux reports on its own state.
type Finding struct {
	Kind  string // as results name it: "panic", "oops", "hung task"
	Text  string // the line from where the report begins, without the kernel's time
	Fatal bool   // nothing works after it
	// Listed says that the login action's own table, which is LAVA's, has it too.
	Listed bool
}

// reports are what a kernel's lines about itself begin with. A report of several lines, such as that
// of a NULL pointer, may have several of them.
func reports() []Finding {
	return []Finding{
		{"panic", "Kernel panic - not syncing", true, true},
		{"kcsan", "BUG: KCSAN:", false, true},
		{"kasan", "BUG: KASAN:", false, true},
		{"kfence", "BUG: KFENCE:", false, true},
		{"oops", "Oops:", false, true},
		{"oops", "Oops -", false, true},
		{"bug", "kernel BUG at", false, true},
		{"bug", "BUG:", false, true},
		{"warning", "WARNING:", false, true},
		{"fault", "Unhandled fault", false, true},
		{"invalid opcode", "invalid opcode:", false, true},
		{"hung task", "INFO: task ", false, false}, // … blocked for more than 120 seconds.
		{"rcu stall", "rcu: INFO: rcu_", false, false},
		{"out of memory", "Out of memory: Killed process", false, false},
		{"out of memory", "Memory cgroup out of memory: Killed process", false, false},
		{"list corruption", "list_add corruption", false, false},
		{"list corruption", "list_del corruption", false, false},
	}
}

// stamp is the time before a kernel's line: "[   12.345678] ", perhaps with the task or processor
// after it.
var stamp = regexp.MustCompile(`\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? `)

// FindingIn says what a console line reports of the kernel. Programs print words like BUG and
// WARNING too, so all but a panic is only believed after the kernel's time; a kernel that prints none
// goes unnoticed.
func FindingIn(line string) (f Finding, ok bool) {
	if !kernelFinding(line) { // as of nearly all lines
		return f, false
	}
	stamps := stamp.FindAllStringIndex(line, -1) // a prompt or another line may stand before
	said := line
	if len(stamps) > 0 {
		said = line[stamps[len(stamps)-1][1]:]
	}
	if strings.Contains(said, "end Kernel panic") {
		return f, false
	}
	for _, r := range reports() {
		at := strings.Index(said, r.Text)
		switch {
		case at < 0, len(stamps) == 0 && !r.Fatal:
			continue
		case r.Kind == "hung task" && !strings.Contains(said, " blocked for more than "),
			r.Kind == "rcu stall" && !strings.Contains(said, "stall"):
			continue
		}
		r.Text = strings.TrimSpace(said[at:])
		if at > 0 && len(stamps) > 0 {
			r.Text = strings.TrimSpace(said) // "watchdog: BUG: soft lockup", "Internal error: Oops: 96000046"
		}
		return r, true
	}
	return f, false
}

// kernelFinding says whether a line may hold such a report, or its frame. It decides what is kept of
// a flood, so that it believes more than FindingIn.
func kernelFinding(line string) bool {
	for _, start := range [...]string{
		"-[ cut here ]", "Kernel panic - not syncing", "BUG:", "Oops:", "Oops -", "kernel BUG at", "WARNING:", "Unhandled fault",
		"invalid opcode:", "INFO: task ", "rcu: INFO: rcu_", "ut of memory: Killed process", "list_add corruption", "list_del corruption",
	} {
		if strings.Contains(line, start) {
			return true
		}
	}
	return false
}
