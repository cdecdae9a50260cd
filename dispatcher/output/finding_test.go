package output

import "testing"

func TestFindingIn(t *testing.T) {
	for _, tt := range []struct {
		line, kind, text string
	}{
		{"[    3.671012] Kernel panic - not syncing: sysrq triggered crash", "panic", "Kernel panic - not syncing: sysrq triggered crash"},
		{"Kernel panic - not syncing: no time is printed", "panic", "Kernel panic - not syncing: no time is printed"},
		{"[    3.671012] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---", "", ""},
		{"[   12.000000][   T97] BUG: kernel NULL pointer dereference, address: 0", "bug", "BUG: kernel NULL pointer dereference, address: 0"},
		{"/ # [    4.000001] Oops: 0002 [#1] PREEMPT SMP NOPTI", "oops", "Oops: 0002 [#1] PREEMPT SMP NOPTI"},
		{"[    4.000001] Internal error: Oops: 96000046 [#1] SMP", "oops", "Internal error: Oops: 96000046 [#1] SMP"},
		{"[    9.1] watchdog: BUG: too few digits for a time", "", ""},
		{"[    9.100000] watchdog: BUG: soft lockup - CPU#0 stuck for 6s! [sh:95]", "bug", "watchdog: BUG: soft lockup - CPU#0 stuck for 6s! [sh:95]"},
		{"WARNING: apt does not have a stable CLI interface.", "", ""},
		{"[    9.100000] WARNING: CPU: 0 PID: 95 at drivers/misc/labcrash.c:40", "warning", "WARNING: CPU: 0 PID: 95 at drivers/misc/labcrash.c:40"},
		{"[   12.345678] INFO: task sh:95 blocked for more than 5 seconds.", "hung task", "INFO: task sh:95 blocked for more than 5 seconds."},
		{"[   12.345678] INFO: task scheduler chosen", "", ""},
		{"[   12.345678] rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu stall", "rcu: INFO: rcu_preempt self-detected stall on CPU"},
		{"[    8.123456] Out of memory: Killed process 97 (tail) total-vm:1kB", "out of memory", "Out of memory: Killed process 97 (tail) total-vm:1kB"},
		{"[    8.123456] systemd[1]: Started a job.", "", ""},
		{"", "", ""},
	} {
		f, ok := FindingIn(tt.line)
		if ok != (tt.kind != "") || f.Kind != tt.kind || f.Text != tt.text || f.Fatal != (tt.kind == "panic") {
			t.Errorf("%q: got %+v, %v; want %q %q", tt.line, f, ok, tt.kind, tt.text)
		}
	}
}
