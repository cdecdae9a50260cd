package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lookEvery is how often a job that waits for another's download looks whether it has ended. The lock
// is the kernel's and frees itself with its process.
const lookEvery = 50 * time.Millisecond

// lock takes the lock of a key. waiting is called once if it is somebody else's.
func (c *Cache) lock(ctx context.Context, key string, waiting func()) (*os.File, error) {
	// A file for each key would be there for ever; 65,536 of them meet rarely enough.
	f, err := os.OpenFile(filepath.Join(c.dir, "locks", key[:4]), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock download: %w", err)
	}
	for first := true; ; first = false {
		err := tryLock(f)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close() // nothing was written
			return nil, fmt.Errorf("lock download: %w", err)
		}
		if first {
			waiting()
		}
		t := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
			t.Stop()
			f.Close()
			return nil, ctx.Err()
		case <-t.C:
		}
	}
}

func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
