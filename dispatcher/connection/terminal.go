package connection

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is our side of a pseudo-terminal. The runtime's poller is not told of it, because that
// wakes the program for each piece of a few bytes, read or not: a thousand consoles that talk at
// 115,200 baud cost a third of a core that way. Instead the terminal rings a bell, once, and only when
// it was asked to because there was nothing to read.
type terminal struct {
	file  *os.File
	bell  *os.File // an epoll instance that watches the file
	rings syscall.RawConn
	armed bool // in the epoll instance
	quiet bool // there was nothing to read when the last Read began
}

// typeAgain is how long a terminal is left alone that takes no more: its other end does not read.
const typeAgain = 5 * time.Millisecond

// newTerminal takes a terminal's file, closed or not by the time it returns.
func newTerminal(file *os.File) (t *terminal, err error) {
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	// A file that blocks while it is wrapped is none of the poller's; from then on it need not block.
	if err := syscall.SetNonblock(fd, false); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	t = &terminal{file: os.NewFile(uintptr(fd), file.Name())}
	bell, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		if err = syscall.SetNonblock(bell, true); err != nil {
			syscall.Close(bell)
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.file.Close())
	}
	t.bell = os.NewFile(uintptr(bell), "epoll")
	if t.rings, err = t.bell.SyscallConn(); err == nil {
		err = syscall.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Read reads what there is, and waits for something where there is nothing.
func (t *terminal) Read(p []byte) (int, error) {
	for t.quiet = false; ; t.quiet = true {
		n, err := t.file.Read(p)
		if !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		if err := t.wait(); err != nil {
			return 0, err
		}
	}
}

// wait returns when there is something to read, or the end; with an error when the terminal is closed.
func (t *terminal) wait() error {
	conn, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		err := t.rings.Control(func(bell uintptr) { failed = t.arm(int(bell), int(fd)) })
		failed = errors.Join(failed, err)
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("wait for the terminal: %w", err)
	}
	return t.rings.Read(func(bell uintptr) bool {
		var events [1]unix.EpollEvent
		n, err := unix.EpollWait(int(bell), events[:], 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}

// arm makes the bell ring once: now, where there is something to read already.
func (t *terminal) arm(bell, fd int) error {
	op := unix.EPOLL_CTL_MOD
	if !t.armed {
		op, t.armed = unix.EPOLL_CTL_ADD, true
	}
	return unix.EpollCtl(bell, op, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(fd)})
}

// Write writes all of p, however long the other end takes, unless the terminal is closed.
func (t *terminal) Write(p []byte) (done int, err error) {
	for {
		n, err := t.file.Write(p[done:])
		done += n
		if !errors.Is(err, syscall.EAGAIN) {
			return done, err
		}
		time.Sleep(typeAgain)
	}
}

// Close ends reads and writes that are under way.
func (t *terminal) Close() error { return errors.Join(t.file.Close(), t.bell.Close()) }

// A console that talks on by itself comes in pieces of a few bytes, each of which costs a read and a
// search. After some pieces reading pauses, so that more gathers in the terminal: at first hardly, and the
// longer the talk goes on the more, so that the prompt of a boot loader, which says little, is found at
// once. What comes after a silence is read at once; the pauses then are no longer than the talk has been.
// Whatever is typed ends them all.
const (
	piecesAtOnce = 16
	firstPause   = 20 * time.Millisecond
	maxPause     = 200 * time.Millisecond
	// A terminal holds 4 KiB; then who talks has to wait for us.
	gathered = 2560 // bytes in one pause that are as many as there should be
)

// pace says how long reading pauses.
type pace struct {
	pieces int           // until there were enough
	pause  time.Duration // the current one
	known  time.Duration // one that was not too long before the last silence
	came   int           // bytes since the last pause
}

// after returns for how long to pause after n bytes were read. quiet says that they had to be waited for,
// after a pause if there was one; full that there may be more.
func (p *pace) after(n int, quiet, full bool) time.Duration {
	if quiet && p.pause > 0 {
		p.known, p.pause, p.came = max(p.known, p.pause), 0, 0
	}
	p.pieces = min(p.pieces+1, piecesAtOnce)
	p.came += n
	switch {
	case full, p.pieces < piecesAtOnce:
		return 0
	case p.came > gathered:
		p.pause /= 2
		p.known = p.pause
	case p.pause == 0:
		p.pause = firstPause
	case p.pause < p.known:
		p.pause = min(2*p.pause, p.known)
	default: // the talk has gone on for about eight times as long
		p.pause = min(p.pause+p.pause/8, maxPause)
	}
	p.came = 0
	if p.pause < firstPause {
		p.pause = 0
	}
	return p.pause
}

// pauser makes the pauses.
type pauser struct {
	pace
	typed <-chan struct{}
	timer *time.Timer
}

// after pauses after a read, unless something is typed: somebody waits for an answer.
func (p *pauser) after(n int, quiet, full bool) {
	d := p.pace.after(n, quiet, full)
	if d == 0 {
		return
	}
	if p.timer == nil {
		p.timer = time.NewTimer(d)
	} else {
		p.timer.Reset(d)
	}
	select {
	case <-p.timer.C:
	case <-p.typed:
		p.timer.Stop()
		p.pace = pace{}
	}
}
