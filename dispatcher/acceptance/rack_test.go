package acceptance

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/dispatchertest"
)

// A virtualBoard is one of a rack, in the words of the rack's own configuration.
type virtualBoard struct {
	Outlet  int      `json:"outlet,omitempty"`  // a number that the power switch knows it by
	Console string   `json:"console,omitempty"` // address; the rack chooses it
	Log     bool     `json:"log,omitempty"`
	TTY     bool     `json:"pty,omitempty"` // the console is also the terminal dir/NAME.tty
	Out     int      `json:"out_cps,omitempty"`
	In      int      `json:"in_cps,omitempty"`
	OffTime int      `json:"off_ms,omitempty"` // of a reset
	QEMU    []string `json:"qemu"`
}

// pc is a machine without anything that boots by itself.
var pc = []string{"qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-m", "256", "-nodefaults"}

// virtualUBoot is a PC with U-Boot in its flash.
func virtualUBoot(t *testing.T) virtualBoard {
	t.Helper()
	const rom = "/usr/lib/u-boot/qemu-x86/u-boot.rom"
	dispatchertest.Need(t, rom+":u-boot-qemu")
	return virtualBoard{OffTime: 10, QEMU: append(pc[:len(pc):len(pc)], "-bios", rom, "-netdev", "user,id=n0", "-device", "e1000,netdev=n0")}
}

// virtualLinux is a PC that boots a kernel, with a network, to a root shell.
func virtualLinux(t *testing.T) virtualBoard {
	t.Helper()
	assets := dispatchertest.Assets(t)
	return virtualBoard{OffTime: 10, QEMU: append(pc[:len(pc):len(pc)], "-kernel", assets+"/bzImage", "-initrd", assets+"/initramfs.cpio.gz",
		"-append", "console=ttyS0 no_timer_check panic=-1 strata.net=dhcp", "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile=")}
}

// A rack of virtual boards: QEMU guests that have a power switch, and a console line that is there
// without power too.
type rack struct {
	program, dir string
	boards       map[string]virtualBoard
}

// newRack builds the program of $STRATA_CORPUS/devices/vboard and serves boards until the test ends.
func newRack(t *testing.T, boards map[string]virtualBoard) rack {
	t.Helper()
	dispatchertest.Boots(t)
	source := filepath.Join(dispatchertest.Corpus(t, "devices/vboard"), "devices/vboard")
	dispatchertest.Need(t, "qemu-system-x86_64:qemu-system-x86", "telnet:telnet")
	r := rack{program: filepath.Join(t.TempDir(), "vboard"), dir: t.TempDir(), boards: map[string]virtualBoard{}}
	build := exec.Command("go", "build", "-o", r.program, ".")
	build.Dir, build.Env = source, append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the virtual board: %v\n%s", err, out)
	}
	for name, b := range boards {
		b.Console = fmt.Sprintf("127.0.0.1:%d", freePort(t))
		r.boards[name] = b
	}
	config, err := json.Marshal(map[string]any{"run": r.dir, "boards": r.boards})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(r.dir, "rack.json")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		t.Fatal(err)
	}
	daemon(t, func() bool { return exec.Command("test", "-S", filepath.Join(r.dir, "control.sock")).Run() == nil },
		r.program, "serve", file)
	return r
}

// do runs a command of the rack: "on", "b1", or "fault", "b1", "cut".
func (r rack) do(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(r.program, args...)
	cmd.Env = append(os.Environ(), "VBOARD_RUN="+r.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("vboard %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// when runs a command of the rack as soon as the board's console shows a text.
func (r rack) when(t *testing.T, name, text string, args ...string) {
	t.Helper()
	line, err := net.Dial("tcp", r.boards[name].Console)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var seen strings.Builder
		chunk := make([]byte, 4096)
		for !strings.Contains(seen.String(), text) {
			n, err := line.Read(chunk)
			seen.Write(chunk[:n])
			if err != nil {
				t.Errorf("the console of %s never showed %q: %v\n%s", name, text, err, seen.String())
				return
			}
		}
		r.do(t, args...)
		_, _ = io.Copy(io.Discard, line) // a client that does not read loses what it is sent, no more
	}()
	t.Cleanup(func() {
		line.Close()
		<-done
	})
}

// values are those of testdata/vboard-device.yaml for a board.
func (r rack) values(name string) map[string]string {
	_, port, _ := strings.Cut(r.boards[name].Console, ":")
	return map[string]string{"BOARD": name, "CONSOLE": port, "RUN": r.dir, "VBOARD": r.program, "DELAY": "0"}
}

// daemon starts a program that serves until the test ends, and waits until it is ready.
func daemon(t *testing.T, ready func() bool, name string, args ...string) {
	t.Helper()
	var said strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", name, said.String())
		}
	})
	await(t, name+" to be ready", func() bool {
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", name, said.String())
		default:
		}
		return ready()
	})
}

// await asks until the answer is yes.
func await(t *testing.T, what string, yes func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.After(time.Minute)
	for !yes() {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("waiting for %s took more than a minute", what)
		}
	}
}

// freePort returns a TCP port of loopback that nobody has now. It is below those that the system gives to whoever asks for
// any: one of them could be another's before it is used here.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 15_000 + rand.IntN(17_000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
