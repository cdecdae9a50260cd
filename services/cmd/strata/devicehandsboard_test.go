package main

import (
	"cmp"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// virtualDictionary is that of a board of the rack: U-Boot on a telnet port, with a power switch.
const virtualDictionary = `hostname: @BOARD@
commands:
  connect: telnet 127.0.0.1 @CONSOLE@
  power_on: env VBOARD_RUN=@RUN@ @VBOARD@ on @BOARD@
  power_off: env VBOARD_RUN=@RUN@ @VBOARD@ off @BOARD@
  hard_reset: env VBOARD_RUN=@RUN@ @VBOARD@ reset @BOARD@
constants:
  u-boot: {interrupt-prompt: '@COUNTDOWN@', interrupt-character: ' ', interrupt-newline: false}
actions:
  deploy: {methods: {}}
  boot: {methods: {u-boot: {parameters: {bootloader_prompt: '=> '}}}}
`

// TestCheckVirtualBoards has `strata devices check` tell the faults of virtual boards apart, and a person use the
// console of one that is well.
func TestCheckVirtualBoards(t *testing.T) {
	t.Parallel()
	dispatchertest.Boots(t)
	source := filepath.Join(dispatchertest.Corpus(t, "devices/vboard"), "devices/vboard")
	const rom = "/usr/lib/u-boot/qemu-x86/u-boot.rom"
	dispatchertest.Need(t, "qemu-system-x86_64:qemu-system-x86", "telnet:telnet", rom+":u-boot-qemu")
	tests := []struct {
		board, fault, countdown string
		console                 string // a port; empty: the board's
		status                  int
		says                    []string
	}{
		{board: "well", status: exitOK, says: []string{"ok   output", `u-boot was stopped at "Hit any key to stop autoboot" and asks with "=> "`}},
		{board: "elsewhere", console: "1", status: exitFailed, says: []string{"FAIL console", `the console command "telnet 127.0.0.1 1" ended at once`, "seen: telnet: Unable to connect"}},
		{board: "stuck", fault: "stuck", status: exitFailed, says: []string{"ok   console", "FAIL power_off", "power switch does not answer", "try this command by hand on the worker"}},
		{board: "silent", fault: "mute", status: exitFailed, says: []string{"ok   hard_reset", "FAIL output", "nothing came on the console within 4s after hard_reset", "the serial cable"}},
		{board: "spelled", countdown: "Press any key", status: exitFailed, says: []string{"ok   output", "FAIL prompt", `never showed "Press any key" (constants.u-boot.interrupt-prompt)`, "seen: "}},
	}
	rack := virtualRack{dir: t.TempDir(), program: filepath.Join(t.TempDir(), "vboard"), consoles: map[string]string{}}
	boards := map[string]any{}
	for _, tt := range tests {
		rack.consoles[tt.board] = freePort(t)
		boards[tt.board] = map[string]any{"console": rack.consoles[tt.board], "off_ms": 10, "qemu": []string{"qemu-system-x86_64", "-M", "pc", "-accel", "tcg",
			"-m", "256", "-nodefaults", "-bios", rom}}
	}
	rack.serve(t, source, boards)
	w := newWorld(t)
	w.up(t, "--worker", "w1")
	for _, tt := range tests {
		_, port, _ := net.SplitHostPort(rack.consoles[tt.board])
		dict := virtualDictionary
		for name, value := range map[string]string{"BOARD": tt.board, "CONSOLE": cmp.Or(tt.console, port), "RUN": rack.dir, "VBOARD": rack.program,
			"COUNTDOWN": cmp.Or(tt.countdown, "Hit any key to stop autoboot")} {
			dict = strings.ReplaceAll(dict, "@"+name+"@", value)
		}
		w.must(t, "devices", "add", tt.board, "--type", "vboard", "--worker", "w1", "--dict", write(t, w.dir, tt.board+".yaml", dict), "--health", "Maintenance")
	}
	eventually(t, "the worker is there", func() bool {
		status, _ := w.strata(t, "devices", "power", "well", "off")
		return status == exitOK
	})
	answers := map[string]string{}
	for _, tt := range tests {
		if tt.fault != "" {
			rack.do(t, "fault", tt.board, tt.fault)
		}
		args := []string{"devices", "check", tt.board}
		if tt.fault == "mute" || tt.countdown != "" {
			args = append(args, "--silence", "4s", "--wait", "4s")
		}
		if tt.countdown != "" {
			args[4] = "1m" // what it says comes when it comes
		}
		status, text := w.strata(t, args...)
		if status != tt.status {
			t.Errorf("check of %s: status %d, want %d", tt.board, status, tt.status)
		}
		for _, want := range tt.says {
			if !strings.Contains(text, want) {
				t.Errorf("check of %s does not say %q: %s", tt.board, want, text)
			}
		}
		_, last, _ := strings.Cut(text, "FAIL ")
		if other, said := answers[last]; said {
			t.Errorf("the checks of %s and %s say the same: %s", other, tt.board, last)
		}
		answers[last] = tt.board
		if power := rack.do(t, "status", tt.board); power != "off" {
			t.Errorf("%s is %s after its check", tt.board, power)
		}
	}

	keys, shown, ended := w.console(t, "well")
	eventually(t, "the console is open", func() bool { return strings.Contains(shown.String(), "Ctrl-] leaves") })
	w.must(t, "devices", "power", "well", "reset")
	eventually(t, "the loader counts", func() bool { return strings.Contains(shown.String(), "Hit any key") })
	keys.types(t, " ")
	eventually(t, "the loader asks", func() bool { return strings.HasSuffix(strings.TrimSpace(shown.String()), "=>") })
	keys.types(t, "echo by ha''nd\r")
	eventually(t, "the loader answers", func() bool { return strings.Contains(shown.String(), "\nby hand") })
	keys.types(t, "\x1d")
	if status := <-ended; status != exitOK {
		t.Errorf("leaving the console gives %d", status)
	}
	w.must(t, "devices", "power", "well", "off")
	if power := rack.do(t, "status", "well"); power != "off" {
		t.Errorf("the board is %s after power off", power)
	}
}

// virtualRack serves virtual boards of $STRATA_CORPUS/devices/vboard.
type virtualRack struct {
	dir, program string
	consoles     map[string]string // addresses
}

// serve builds the rack's program and runs it until the test ends.
func (r virtualRack) serve(t *testing.T, source string, boards map[string]any) {
	t.Helper()
	build := exec.Command("go", "build", "-o", r.program, ".")
	build.Dir, build.Env = source, append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the virtual board: %v\n%s", err, out)
	}
	config, err := json.Marshal(map[string]any{"run": r.dir, "boards": boards})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(r.program, "serve", write(t, r.dir, "rack.json", string(config)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it was told to end
	})
	eventually(t, "the rack serves", func() bool {
		_, err := os.Stat(filepath.Join(r.dir, "control.sock"))
		return err == nil
	})
}

// do runs a command of the rack.
func (r virtualRack) do(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(r.program, args...)
	cmd.Env = append(os.Environ(), "VBOARD_RUN="+r.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("vboard %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
