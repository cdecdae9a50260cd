package projections

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/events"
)

func TestSayings(t *testing.T) {
	for line, want := range map[string]string{
		"[    4.048702] usb 1-1: new device number 2":          "usb #: new device number #",
		"[   14.048702][   T12] usb 2-1: new device number 13": "usb #: new device number #",
		"link 52:54:ab:cd:00:ff up":                            "link # up",
		"link ab:cd:00:12:34:56 up":                            "link # up",
		"uuid 1b4e28ba-dead-11d2-883f-abcdefabcdef":            "uuid #",
		"took 12 ms, 5 kB":                                     "took #",
		"\x1b[0;32m  OK  \x1b[0m]  x\r":                        "OK ] x",
		"autoboot:  2 \b\b\b 1 \b\b\b 0":                       "autoboot: #",
		"wait\b \b":                                            "wai", "50%\r100%": "#%|#%",
		"[\x1b[0;31m*\x1b[0;1;31m*\x1b[0m   ] (1 of 3) Job x":     "",
		"half [    1.000001] random: crng init done":              "half|random: crng init done",
		"Probing ... o\x1bc\x1b[?7l\x1b[2J[    0.000000] Linux 6": "Probing ... o|Linux #",
		"init[1]: started": "init[#]: started",
		"":                 "",
	} {
		got := strings.ReplaceAll(strings.Join(sayings(maskRaw(line)), "|"), "\x11", "#")
		if got != want {
			t.Errorf("%q says %q; want %q", line, got, want)
		}
	}
}

// Two boots of one kernel that differ in all that may differ, and a third with a report.
func TestDiffLogs(t *testing.T) {
	t.Parallel()
	good := []string{"[    0.000000] Linux version 6.1", "[    0.100000] usb 1-1: new device", "[    0.200000] sda: sda1 sda2", "login: ", "/ # id", "uid=0"}
	other := []string{"[    0.000000] Linux version 6.1", "[    0.300017] sda: sda1 sda2", "log[    0.400000] usb 2-1: new device", "in: ", "/ # id", "uid=0"}
	bad := append(append([]string{}, good...), "[    5.000001] BUG: kernel NULL pointer dereference, address: 00", "[    5.000002] CPU: 0 PID: 95",
		"/ # id", "[    5.000003] usb 1-1: new device", "[    5.000004] Call Trace:", "[    5.000005] ---[ end trace 00 ]---", "/ # x1", "/ # x2")
	logs := load(t, map[events.JobID][]string{11: good, 12: other, 14: bad})
	tests := []struct {
		job, against events.JobID
		want         string
	}{
		{12, 11, "[]"}, {11, 12, "[]"}, {11, 11, "[]"},
		{14, 11, "[14#6! 14#7! 14#9! 14#10! 14#11! 14#12*2]"},
		{14, 12, "[14#6! 14#7! 14#9! 14#10! 14#11! 14#12*2]"},
	}
	for _, tt := range tests {
		d, err := logs.DiffLogs(t.Context(), tt.job, tt.against)
		if got := fmt.Sprint(anchors(d.New)); err != nil || got != tt.want {
			t.Errorf("new in %d against %d: %s, %v; want %s", tt.job, tt.against, got, err, tt.want)
		}
	}
	if d, err := logs.DiffLogs(t.Context(), 11, 14); err != nil || len(d.New) != 0 || len(d.Gone) != 5 {
		t.Errorf("gone in 11 against 14: %v, %v", anchors(d.Gone), err)
	}
	if last, err := logs.LastGood(t.Context(), 14, Viewer{User: "alice"}); err != nil || last != 12 {
		t.Errorf("the last good job before 14 is %d, %v; want 12", last, err)
	}
	if last, err := logs.LastGood(t.Context(), 11, Viewer{All: true}); !errors.Is(err, ErrNoGoodJob) {
		t.Errorf("the last good job before 11 is %d, %v; want ErrNoGoodJob", last, err)
	}
}

func anchors(lines []NewLine) (list []string) {
	for _, l := range lines {
		text := l.Anchor
		if l.Report {
			text += "!"
		}
		if l.Times > 0 {
			text += fmt.Sprint("*", l.Times)
		}
		list = append(list, text)
	}
	return list
}

// Recorded boots of one kernel: of two good ones at most ten lines are new, of one with a report each
// line of it and at most ten others.
func TestDiffLogsOfRecordedBoots(t *testing.T) {
	t.Parallel()
	tests := []struct {
		job, against string
		from, to     string // texts in the first and the last line of the report; none without
	}{
		{"kernel-hang-in-userspace", "direct-pc", "", ""},
		{"uboot-arm64-tap", "uboot-arm64-booti", "", ""},
		{"uboot-arm-bootz", "uboot-arm-bootm", "", ""},
		{"kernel-reboot-loop/1", "kernel-reboot-loop/2", "", ""},
		{"kernel-reboot-loop/2", "kernel-reboot-loop/1", "", ""},
		{"guest-reset-in-test/2", "guest-reset-in-test/1", "", ""},
		{"kernel-oops", "direct-pc", "BUG: kernel NULL", "CR2: 0000000000000000 CR3"},
		{"kernel-bug", "direct-pc", "cut here", "CR2: "},
		{"kernel-warn", "direct-pc", "cut here", "---[ end trace"},
		{"kernel-panic", "direct-pc", "Kernel panic", "---[ end Kernel panic"},
		{"kernel-list-corruption", "direct-pc", "cut here", "CR2: "},
		{"kernel-softlockup", "direct-pc", "soft lockup", "</TASK>"},
		{"kernel-hung-task", "direct-pc", "blocked for more than", "</TASK>"},
		{"kernel-panic-on-oops", "guest-reset-in-test/1", "BUG: kernel NULL", "---[ end Kernel panic"},
		{"kernel-stack-overflow", "direct-pc", "BUG: TASK stack", "---[ end"},
		{"arm64-oops", "direct-arm64", "Unable to handle kernel", "---[ end trace"},
		{"arm64-bug", "direct-arm64", "cut here", "---[ end trace"},
		{"arm64-warn", "direct-arm64", "cut here", "---[ end trace"},
	}
	logs, number := map[events.JobID][]string{}, map[string]events.JobID{}
	for _, tt := range tests {
		for _, name := range []string{tt.job, tt.against} {
			if number[name] == 0 {
				number[name] = events.JobID(len(number) + 10)
				logs[number[name]] = recorded(t, name)
			}
		}
	}
	tables := load(t, logs)
	for _, tt := range tests {
		d, err := tables.DiffLogs(t.Context(), number[tt.job], number[tt.against])
		if err != nil {
			t.Fatal(err)
		}
		isNew := map[uint64]bool{}
		for _, l := range d.New {
			isNew[l.Line.Line] = true
		}
		inside, missing := 0, 0
		within := false
		last := -1
		log := logs[number[tt.job]]
		for i, l := range log {
			if tt.to != "" && strings.Contains(l, tt.to) {
				last = i
			}
		}
		for i, l := range log {
			if tt.from != "" && strings.Contains(l, tt.from) {
				within = true
			}
			if within && i <= last && stampWhole.MatchString(l) {
				if inside++; !isNew[uint64(i)] {
					missing++
					t.Errorf("%s against %s: line %d of the report is not new: %s", tt.job, tt.against, i, l)
				}
				delete(isNew, uint64(i))
			}
		}
		if tt.from != "" && inside < 5 {
			t.Errorf("%s: the report has %d lines only; the test looks for the wrong ones", tt.job, inside)
		}
		if len(isNew) > 10 {
			var b strings.Builder
			for i, l := range log {
				if isNew[uint64(i)] {
					fmt.Fprintf(&b, "\n%d %.150q", i, l)
				}
			}
			t.Errorf("%s against %s: %d other lines are new; want at most 10%s", tt.job, tt.against, len(isNew), b.String())
		}
	}
}

// recorded returns the lines of a recorded console as the dispatcher logs them.
func recorded(t *testing.T, name string) []string {
	t.Helper()
	corpus := os.Getenv("STRATA_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "..", "shared")
	}
	name, boot, part := strings.Cut(name, "/") // name/2: of several boots the second
	raw, err := os.ReadFile(filepath.Join(corpus, "consoles", name+".log"))
	if err != nil {
		t.Skipf("no recorded consoles, so boots are not compared: %v", err)
	}
	var lines []string
	boots := 0
	for l := range bytes.Lines(raw) {
		if bytes.Contains(l, []byte("Linux version")) {
			boots++
		}
		if part && boot != fmt.Sprint(boots) {
			continue
		}
		lines = append(lines, strings.ToValidUTF8(strings.TrimRight(string(l), "\r\n"), "\ufffd"))
	}
	return lines
}
