package acceptance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A labBoard is an emulated machine as a lab has a real one: its serial console is on a telnet port, which
// stays when the power goes, and a command switches the power.
type labBoard struct {
	t       *testing.T
	machine []string // what runs while the power is on, with the console on its standard streams
	before  func()   // if set, is waited for before the power comes

	running sync.WaitGroup
	mutex   sync.Mutex
	cmd     *exec.Cmd  // nil while the power is off
	keys    io.Writer  // what the machine reads
	client  net.Conn   // who reads the console; nil is nobody
	came    *sync.Cond // a client came, or the test is over
	over    bool
	starts  int // how often the power came
}

// newLabBoard connects a board without power. Of the values that it returns, CONSOLE is the command of its
// serial console and POWER what switches it, as in "@POWER@ reset".
func newLabBoard(t *testing.T, machine ...string) (b *labBoard, values map[string]string) {
	t.Helper()
	b = &labBoard{t: t, machine: machine}
	b.came = sync.NewCond(&b.mutex)
	t.Cleanup(b.running.Wait)
	console, outlet := b.listen(b.serial), b.listen(b.outlet)
	t.Cleanup(func() {
		b.off()
		b.leave(nil)
		b.mutex.Lock()
		b.over = true
		b.mutex.Unlock()
		b.came.Broadcast()
	})
	script := filepath.Join(t.TempDir(), "power")
	text := fmt.Sprintf("#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/%d && echo \"$1\" >&3 && read -r answer <&3 && [ \"$answer\" = ok ]\n", outlet)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return b, map[string]string{"CONSOLE": fmt.Sprintf("telnet 127.0.0.1 %d", console), "POWER": script}
}

// listen serves a new port until the test ends, and returns its number.
func (b *labBoard) listen(serve func(net.Conn)) (port int) {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	b.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			serve(c)
		}
	})
	b.t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// Telnet's words (RFC 854, 856, 857, 858): the server echoes, sends no go-ahead and takes bytes as they
// are, or else the client would gather lines and show them itself.
const (
	iac, will, do, dont      = 255, 251, 253, 254
	binary, echo, noGoAheads = 0, 1, 3
)

// serial gives the console to a client. The one before loses it.
func (b *labBoard) serial(c net.Conn) {
	b.leave(c)
	if _, err := c.Write([]byte{iac, will, echo, iac, will, noGoAheads, iac, will, binary, iac, do, binary}); err != nil {
		return
	}
	b.running.Go(func() {
		in := bufio.NewReader(c)
		for {
			key, err := in.ReadByte()
			if err != nil {
				b.mutex.Lock()
				if b.client == c {
					b.client = nil
				}
				b.mutex.Unlock()
				return // the client is gone
			}
			if key == iac {
				word, err := in.ReadByte()
				if err != nil {
					return
				}
				if word >= will && word <= dont {
					_, _ = in.Discard(1) // an answer to what was offered; its end shows at the next read
				}
				if word != iac {
					continue
				}
			}
			b.mutex.Lock()
			if b.keys != nil {
				_, _ = b.keys.Write([]byte{key}) // nobody reads at a machine that is ending
			}
			b.mutex.Unlock()
		}
	})
}

// leave makes c, or nobody, the client of the console.
func (b *labBoard) leave(c net.Conn) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.client != nil {
		_ = b.client.Close()
	}
	b.client = c
	b.came.Broadcast()
}

// heard waits until somebody listens at the console. A real board takes a second to say its first word; a
// script here takes a millisecond, in which a client that has been started has not yet come.
func (b *labBoard) heard() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for b.client == nil && !b.over {
		b.came.Wait()
	}
}

// outlet does what is asked: on, off or reset.
func (b *labBoard) outlet(c net.Conn) {
	defer c.Close()
	order, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return
	}
	switch strings.TrimSpace(order) {
	case "off":
		b.off()
	case "reset":
		b.off()
		if b.before != nil {
			b.before()
		}
		b.heard()
		err = b.on()
	case "on":
		b.heard()
		err = b.on()
	default:
		err = fmt.Errorf("unknown order %q", order)
	}
	if err != nil {
		b.t.Errorf("power: %v", err)
		fmt.Fprintln(c, err)
		return
	}
	fmt.Fprintln(c, "ok")
}

// on starts the machine, if it does not run.
func (b *labBoard) on() error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.cmd != nil {
		return nil
	}
	cmd := exec.Command(b.machine[0], b.machine[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	// A writer of ours, not a pipe that somebody must read: Wait then waits for the last of the output.
	cmd.Stdout = said{b}
	cmd.Stderr = cmd.Stdout
	keys, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.cmd, b.keys, b.starts = cmd, keys, b.starts+1
	return nil
}

// off takes the power from the machine and waits until it has ended.
func (b *labBoard) off() {
	// Not held while waiting: the last of the output goes through the same mutex.
	b.mutex.Lock()
	cmd := b.cmd
	b.cmd, b.keys = nil, nil
	b.mutex.Unlock()
	if cmd != nil {
		// With what a script has started, which would keep the output open.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have switched itself off
		_ = cmd.Wait()
	}
}

// powered says whether the machine has power.
func (b *labBoard) powered() bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.cmd != nil
}

// said is the console's way from the machine to its client.
type said struct{ *labBoard }

// Write passes on what the machine says; where nobody listens it is lost, as on a real wire.
func (s said) Write(p []byte) (int, error) {
	s.mutex.Lock()
	c := s.client
	s.mutex.Unlock()
	if c != nil {
		_, _ = c.Write(bytes.ReplaceAll(p, []byte{iac}, []byte{iac, iac})) // the client may be gone
	}
	return len(p), nil
}
