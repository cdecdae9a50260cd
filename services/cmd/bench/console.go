package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"strata/dispatcher/connection"
	"strata/dispatcher/output"
	"strata/events"
)

// watched are the patterns that may be armed on one console: the kernel's findings, a shell's prompts
// and a login's, and the signals of tests.
// They are LAVA's patterns, so that its search and ours have the same to do.
func watched() []string {
	return []string{`-\[ cut here \]`, `Unhandled fault`, `BUG: KCSAN:`, `BUG: KASAN:`, `BUG: KFENCE:`, `Oops(?: -|:)`,
		`WARNING:`, `(kernel BUG at|BUG:)`, `invalid opcode:`, `Kernel panic - not syncing`, `U-Boot SPL 20[0-9][0-9]`,
		`root@\w+:[^ ]*# `, `/ # `, `login:`, `Password:`, `Login incorrect`, `Login timed out`,
		`<LAVA_TEST_RUNNER EXIT>`, `<LAVA_TEST_RUNNER INSTALL_FAIL>`, `<LAVA_SIGNAL_(\S+) ([^>]+)>`}
}

// bootLines are what kernels say while nothing is wrong.
// No pattern of [watched] may be found in them: a search that ends early has measured nothing.
func bootLines() []string {
	return []string{
		"Booting Linux on physical CPU 0x0000000000 [0x410fd034]", "Memory: 3995648K/4194304K available (16384K kernel code)",
		"usb 1-1: new high-speed USB device number 2 using xhci_hcd", "clk: Disabling unused clocks",
		"EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode. Quota mode: none.", "random: crng init done",
		"pci 0000:00:1f.2: [8086:2922] type 00 class 0x010601", "NET: Registered PF_INET6 protocol family",
		"systemd[1]: Started Journal Service.", "ata1: SATA max UDMA/133 abar m4096@0xfebd5000 port 0xfebd5100 irq 30",
	}
}

// bootLog returns a log of at least so many bytes.
// The same bytes each time; times in it rise, so that no two lines are alike.
func bootLog(size int) []byte {
	var b bytes.Buffer
	lines := bootLines()
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "[%5d.%06d] %s\r\n", n/1000, n*997%1000000, lines[n%len(lines)])
	}
	return b.Bytes()
}

// cpuOf returns how much processor time this process has had, or with unix.RUSAGE_THREAD its thread.
// Time on the wall would measure what else the machine does.
func cpuOf(who int) (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// spoken is a console that has said all it says.
type spoken struct{ io.Reader }

func (spoken) Write(p []byte) (int, error) { return len(p), nil }
func (spoken) Close() error                { return nil }

// notStored is a log of which nothing is kept: what spooling costs is measured elsewhere.
// The limit is one that no measurement reaches: a log over its limit is cut, and costs less.
func notStored() *output.Logger {
	return output.New(output.Settings{Now: time.Now, Write: func(events.Record) error { return nil }, Limit: 1 << 50})
}

// matching measures how fast a console is searched, and what Python's pexpect does with the same one.
// Each row has megabytes (10⁶ bytes) for each second of processor time: ours, and pexpect's, 0 where
// it is missing.
func matching(ctx context.Context, b *bench) (rows [][]float64, err error) {
	log := bootLog(b.sizes.consoleBytes)
	few := log[:min(len(log), 8<<20)] // python takes long
	file := filepath.Join(b.scratch, "console.log")
	if err := os.WriteFile(file, few, 0o644); err != nil {
		return nil, fmt.Errorf("write the console: %w", err)
	}
	for range b.runs {
		before, err := cpuOf(unix.RUSAGE_SELF)
		if err != nil {
			return nil, err
		}
		// 4092 is spawn_maxread of LAVA's device types.
		c := connection.New(spoken{bytes.NewReader(log)}, connection.Settings{MaxRead: 4092, Log: notStored()})
		_, err = c.ExpectText(ctx, watched()...)
		if !errors.Is(err, connection.ErrClosed) {
			return nil, fmt.Errorf("search the console: got %v, want its end", err)
		}
		if err := c.Close(); err != nil {
			return nil, err
		}
		after, err := cpuOf(unix.RUSAGE_SELF)
		if err != nil {
			return nil, err
		}
		theirs, err := pexpect(ctx, file)
		if err != nil {
			b.say("pexpect: %v", err)
		} else {
			theirs = float64(len(few)) / 1e6 / theirs
		}
		rows = append(rows, []float64{float64(len(log)) / 1e6 / (after - before).Seconds(), theirs})
	}
	return rows, nil
}

// pexpectScript searches a file as LAVA searches a console, and prints the processor time that took.
// The window is twice what is read at once, as LAVA sets it.
const pexpectScript = `
import os, sys, time
import pexpect, pexpect.fdpexpect
fd = os.open(sys.argv[1], os.O_RDONLY)
c = pexpect.fdpexpect.fdspawn(fd, encoding="utf-8", codec_errors="replace", maxread=4092, searchwindowsize=8184, timeout=600)
patterns = sys.argv[2:] + [pexpect.EOF]
start = time.process_time()
assert c.expect(patterns) == len(patterns) - 1
print(time.process_time() - start)
`

// pexpect returns the seconds of processor time that it takes, 0 and an error where it is not installed.
func pexpect(ctx context.Context, file string) (seconds float64, err error) {
	// The first may be one without Debian's packages.
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		var out []byte
		out, err = exec.CommandContext(ctx, python, append([]string{"-c", pexpectScript, file}, watched()...)...).Output()
		if err == nil {
			return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		}
	}
	return 0, fmt.Errorf("not measured (is python3-pexpect installed?): %w", err)
}

// baud is how many bytes a second a console at 115,200 baud says.
// A start bit, eight of data and a stop bit make ten for each byte.
const baud = 11520

// consoles measures many consoles that talk without end, as boards that boot do.
func consoles(ctx context.Context, b *bench) (rows [][]float64, err error) {
	for range b.runs {
		row, err := b.consolesOnce(ctx)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// It returns the share of a core that a thousand consoles take, and the KiB that each of them holds.
func (b *bench) consolesOnce(ctx context.Context) (row []float64, err error) {
	// Memory is what the system counts, so what Go holds back for later is given back first.
	debug.FreeOSMemory()
	empty, err := resident()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ends []*os.File
	var open []*connection.Connection
	var waits sync.WaitGroup
	defer func() {
		cancel()
		waits.Wait()
		for i, c := range open {
			err = errors.Join(err, c.Close(), ends[i].Close())
		}
	}()
	tables := connection.NewTables()
	for range b.sizes.consoles {
		terminal, end, err := terminalPair()
		if err != nil {
			return nil, err
		}
		c, err := connection.OnTerminal(terminal, connection.Settings{MaxRead: 4092, Log: notStored(), Tables: tables})
		if err != nil {
			return nil, errors.Join(err, end.Close())
		}
		open, ends = append(open, c), append(ends, end)
		waits.Go(func() { _, _ = c.ExpectText(ctx, watched()...) }) // until ctx ends
	}
	// The patterns are compiled when the first text comes; a board boots for longer than that.
	if _, _, err := b.feed(ends, b.sizes.talk/5); err != nil {
		return nil, err
	}
	before, err := cpuOf(unix.RUSAGE_SELF)
	if err != nil {
		return nil, err
	}
	said, own, err := b.feed(ends, b.sizes.talk)
	if err != nil {
		return nil, err
	}
	after, err := cpuOf(unix.RUSAGE_SELF)
	if err != nil {
		return nil, err
	}
	// As before the consoles, or garbage would be counted as theirs.
	debug.FreeOSMemory()
	full, err := resident()
	if err != nil {
		return nil, err
	}
	// What a busy machine did not let us feed was not searched either.
	seconds := float64(said) / float64(baud*len(ends))
	// Scaled to a thousand consoles at full speed, also where fewer were fed, or more slowly.
	share := 100 * (after - before - own).Seconds() / seconds * 1000 / float64(len(ends))
	return []float64{share, float64(full-empty) / 1024 / float64(len(ends))}, nil
}

// feed lets the boards talk for a while, a few characters at a time as serial lines do, from a thread
// of its own. It returns how many bytes all have said and the processor time of that thread.
func (b *bench) feed(ends []*os.File, lasts time.Duration) (said int64, own time.Duration, err error) {
	// Only a thread of its own has a processor time of its own.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := cpuOf(unix.RUSAGE_THREAD)
	if err != nil {
		return 0, 0, err
	}
	const tick = 10 * time.Millisecond
	log := bootLog(1 << 20)
	at, each := 0, 0 // in the log; what each board has said
	var fds []int
	for _, end := range ends {
		fds = append(fds, int(end.Fd()))
	}
	for began, n := b.now(), 1; b.now().Sub(began) < lasts; n++ {
		// What is due by now: boards talk on while a busy machine does not let us.
		piece := min(int(b.now().Sub(began).Seconds()*baud)-each, 3000)
		each += piece
		for _, fd := range fds {
			wrote, err := syscall.Write(fd, log[at:at+piece])
			if err != nil {
				return 0, 0, fmt.Errorf("talk on a terminal: %w", err)
			}
			said += int64(wrote)
		}
		// Never so near to the end that the largest piece would not fit.
		at = (at + piece) % (len(log) - 3000)
		rest := unix.NsecToTimespec(int64(began.Add(time.Duration(n) * tick).Sub(b.now())))
		if rest.Nano() > 0 {
			_ = unix.Nanosleep(&rest, nil) // woken early, it talks early
		}
	}
	after, err := cpuOf(unix.RUSAGE_THREAD)
	return said, after - before, err
}

// terminalPair opens a pseudo-terminal: our side, and the side of who talks.
// The caller closes both.
func terminalPair() (ours, theirs *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	ours = os.NewFile(uintptr(fd), "/dev/ptmx")
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		// Not by the os package: the poller of this process would be told of each piece that we read,
		// when boards are elsewhere.
		fd, err = unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		theirs = os.NewFile(uintptr(fd), "board")
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open a terminal: %w", err), ours.Close())
	}
	return ours, theirs, nil
}

// resident returns how many bytes of memory this process holds.
// From statm(5), second field, in pages.
func resident() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("read memory: /proc/self/statm is %q", text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
