package worker

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"

	"strata/dispatcher/worker/jobproc"
)

// leases keeps the highest lease seen of each device, on disk. A guest has no device; its job's
// number stands for one.
type leases struct {
	path    string
	highest map[string]uint64
}

// board names what a lease fences: the device, or for a guest the job itself.
func board(device string, job uint64) string {
	if device == "" {
		return "job/" + strconv.FormatUint(job, 10)
	}
	return "device/" + device
}

// openLeases reads the leases that earlier runs have seen; a new worker has seen none.
func openLeases(dir string) (*leases, error) {
	l := &leases{path: filepath.Join(dir, "leases.json"), highest: map[string]uint64{}}
	err := jobproc.Read(l.path, &l.highest)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return l, err
}

// raise notes that lease was seen. It returns once that is on disk; lower ones change nothing.
func (l *leases) raise(board string, lease uint64) error {
	if lease <= l.highest[board] {
		return nil
	}
	before := l.highest[board]
	l.highest[board] = lease
	if err := jobproc.Write(l.path, l.highest); err != nil {
		l.highest[board] = before
		return err
	}
	return nil
}
