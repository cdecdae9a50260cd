package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"strata/dispatcher/exports"
	"strata/events"
)

// Deps is what a worker needs from outside.
type Deps struct {
	Name     events.WorkerName
	Servers  string           // addresses of the broker, with commas between them
	Token    string           // from access.Key.Token
	StateDir string           // the worker's memory; made where missing, used by one worker at a time
	Command  []string         // the hidden command that runs one job; the job's directory is appended
	Build    string           // version of this binary, as the lab shows it
	MinFree  uint64           // bytes; with less space free below StateDir new orders are refused; 0 is no limit
	Exports  exports.Settings // servers and cache for jobs; only TFTP, TFTPDir, Web and Cache are read
	// Elsewhere says that the devices hang on another machine, whose own dispatcher serves them: no command of
	// theirs is run here, and nobody takes them in hand.
	Elsewhere bool
	Presence  time.Duration // how often presence is renewed; 0 is 4 s, for a TTL of 15 s
	Logger    *slog.Logger

	Now func() time.Time
	// After is time.After, or a clock that a test moves.
	After func(time.Duration) <-chan time.Time
	// NATS are further options of the connection, such as TLS.
	NATS []nats.Option
}

// ErrInUse says that another worker has the state directory.
var ErrInUse = errors.New("state directory is in use by another worker")

// Run holds the lab's orders until ctx ends, which is an orderly stop: jobs that run go on, and the
// next Run on the same directory takes them back. It returns an error where the directory
// cannot be used; whatever befalls the broker is waited out.
func Run(ctx context.Context, d Deps) error {
	if d.Presence == 0 {
		d.Presence = 4 * time.Second
	}
	if err := os.MkdirAll(d.StateDir, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	dir, err := filepath.Abs(d.StateDir)
	if err != nil {
		return fmt.Errorf("find state directory: %w", err)
	}
	d.StateDir = dir
	unlock, err := lock(d.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	here, err := openPlace(d.StateDir)
	if err != nil {
		return err
	}
	s, err := newSupervisor(d)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if s.exports, err = startExports(ctx, d); err != nil {
		return err
	}
	defer s.exports.Close()
	s.manual = newManual(ctx, d)
	defer s.manual.work.Wait()
	defer stop()
	l := &link{Deps: d, super: s, here: here}
	linked := make(chan error, 1)
	go func() {
		linked <- l.run(ctx)
		stop() // a link that cannot be had at all ends the worker
	}()
	s.run(ctx)
	stop()
	return <-linked
}

// lock keeps a second worker off the directory.
func lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	return func() { f.Close() }, nil
}

// shortOfSpace says why no new order can be taken now, or nothing.
func (d Deps) shortOfSpace() string {
	if d.MinFree == 0 {
		return ""
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.StateDir, &fs); err != nil {
		return fmt.Sprintf("free space of the worker's state directory cannot be told: %v", err)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < d.MinFree {
		return fmt.Sprintf("free space on the worker is %d MiB, below its limit of %d MiB", free>>20, d.MinFree>>20)
	}
	return ""
}
