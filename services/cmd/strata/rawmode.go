package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// rawMode lets each key through as it is typed, unseen and without a meaning for this machine, as a console
// wants it. It returns what undoes that; input that is no terminal is left alone.
// The caller restores it on every way out; doing so twice does no harm.
func rawMode(in io.Reader) (restore func()) {
	f, ok := in.(*os.File)
	if !ok {
		return func() {}
	}
	fd := int(f.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	raw := *was // as cfmakeraw(3) makes it
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag &^= unix.CSIZE | unix.PARENB
	raw.Cflag |= unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return func() {}
	}
	return sync.OnceFunc(func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, was) // the terminal may be gone
	})
}
