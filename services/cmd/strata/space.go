package main

import (
	"fmt"
	"syscall"
)

// roomIn returns a function that says why the disk of a directory is too full for new work, or nil.
// least is in bytes. It is asked at each submission and by /healthz, and costs one system call.
func roomIn(dir string, least int64) func() error {
	return func() error {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err != nil {
			return fmt.Errorf("tell the free space of %s: %w", dir, err)
		}
		// Bavail is what an ordinary user may still write; a reserve for root is not counted.
		if free := int64(fs.Bavail) * fs.Bsize; free < least {
			return fmt.Errorf("the server is short of disk space: %d MiB are free, its limit is %d MiB", free>>20, least>>20)
		}
		return nil
	}
}
