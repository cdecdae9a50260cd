package jobproc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"strata/dispatcher/pipeline"
	"strata/schemas/order"
)

// The files in a job's directory.
const (
	OrderFile   = "order.json"   // order.Order with all texts inline; written by the worker
	TaskFile    = "task.json"    // Task; written by the worker before each start
	ProcessFile = "process.json" // Identity; written by the process once it holds the lock
	ResultFile  = "result.json"  // order.Verdict; written by the process, last
	LockFile    = "lock"         // held by the process as long as it lives
	SpoolDir    = "spool"        // see package output
	ScratchDir  = "scratch"      // downloads and overlays; removed with the job
	ReserveFile = "reserve"      // room for result.json where the job fills the disk
	StdoutFile  = "stdout"
	StderrFile  = "stderr" // what a crash of the process leaves

	DescriptionFile = "description.json" // pipeline.Description; written by the process once it has a plan
)

// Task is what the worker tells the process beside the order.
type Task struct {
	Servers  string            `json:"servers"`  // addresses of the broker, with commas between them
	Services pipeline.Services `json:"services"` // what the machine has for jobs
}

// ErrHeld says that another process has, or had, the directory.
var ErrHeld = errors.New("the job's directory belongs to another process")

// claim takes the directory for this process, for as long as it lives. A directory can be claimed
// once in its life: so a process that was slow to start does nothing once the worker gave it up.
func claim(dir string, who Identity) (release func(), err error) {
	// Go opens with O_CLOEXEC, so commands that the job runs do not keep the lock.
	f, err := os.OpenFile(filepath.Join(dir, LockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claim job directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s", ErrHeld, dir)
	}
	if _, err := os.Stat(filepath.Join(dir, ProcessFile)); !errors.Is(err, fs.ErrNotExist) {
		f.Close()
		return nil, fmt.Errorf("%w: %s", ErrHeld, dir)
	}
	if err := Write(filepath.Join(dir, ProcessFile), who); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// GiveUp makes sure that no process will ever run in the directory. It returns ErrHeld, and the
// process's identity, where one has begun.
func GiveUp(dir string) (Identity, error) {
	release, err := claim(dir, Identity{})
	if err == nil {
		release()
		return Identity{}, nil
	}
	if !errors.Is(err, ErrHeld) {
		return Identity{}, err
	}
	who, readErr := ReadIdentity(dir)
	if readErr != nil {
		return Identity{}, readErr
	}
	return who, err
}

// ReadIdentity returns who runs, or ran, the job in the directory. The error wraps fs.ErrNotExist while
// nobody has begun.
func ReadIdentity(dir string) (Identity, error) {
	var who Identity
	err := Read(filepath.Join(dir, ProcessFile), &who)
	return who, err
}

// ReadVerdict returns how the job ended. The error wraps fs.ErrNotExist where the process did not get
// that far.
func ReadVerdict(dir string) (order.Verdict, error) {
	var v order.Verdict
	err := Read(filepath.Join(dir, ResultFile), &v)
	return v, err
}

// Read decodes a file that [Write] wrote. The error wraps fs.ErrNotExist where there is none.
func Read(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// Write replaces a file with v as JSON, whole: readers and crashes see the old content or the new, and
// the new one is on the disk when it returns. Only the owner may read it: orders hold secrets.
func Write(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes a rename or a new name in a directory survive a loss of power.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
