package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"strata/dispatcher/worker/jobproc"
	"strata/schemas/order"
)

// phase is how far a job has come on this worker.
type phase string

const (
	taken    phase = "taken"    // the order lies here
	starting phase = "starting" // its process is being made: whether it lives is not known
	running  phase = "running"  // its process lives, or has ended unnoticed
	ended    phase = "ended"    // reported; at most its spool is left
)

// record is state.json: what the worker has to know of a job after a restart.
type record struct {
	Phase   phase            `json:"phase"`
	Process jobproc.Identity `json:"process,omitzero"`
	Cancel  time.Time        `json:"cancel,omitzero"`   // when its end was asked for
	Why     string           `json:"why,omitempty"`     // of the cancel
	Stale   bool             `json:"stale,omitempty"`   // the lease is over, see order.Cancel
	Verdict *order.Verdict   `json:"verdict,omitempty"` // once ended
	Refused string           `json:"refused,omitempty"` // ended without having begun, and why
	Terms   int              `json:"terms,omitempty"`   // SIGTERMs sent
	Emptied bool             `json:"emptied,omitempty"` // its spool was sent whole, and reported so
}

// job is one directory below jobs: an order and what became of it.
type job struct {
	order.Order
	dir string
	record

	after    afterwards // of a process that left no result
	kills    bool       // SIGKILL was sent
	gone     bool       // its process has ended, and that has to be settled
	dirty    bool       // record is not on disk as it is here
	unwanted bool       // to be discarded once its courier has stopped
}

// board names what the job's lease fences; lives says that a process may be running; save writes
// state.json.
func (j *job) board() string { return board(j.Device, j.Job) }
func (j *job) lives() bool   { return j.Phase == starting || j.Phase == running }
func (j *job) save() error   { return jobproc.Write(filepath.Join(j.dir, "state.json"), j.record) }

// jobPath is the directory of a lease: a job that comes back under another has another one, so that
// nothing of the first can be taken for the second's.
func jobPath(root string, number, lease uint64) string {
	return filepath.Join(root, "jobs", fmt.Sprintf("%d-%d", number, lease))
}

// makeJob keeps a new order: when it returns, a restarted worker knows it.
func makeJob(root string, o order.Order) (*job, error) {
	j := &job{Order: o, dir: jobPath(root, o.Job, o.Lease), record: record{Phase: taken}}
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of job %d: %w", o.Job, err)
	}
	if err := j.save(); err != nil {
		return nil, err
	}
	// The order is written last: a directory without one was never acknowledged, and is swept.
	if err := jobproc.Write(filepath.Join(j.dir, jobproc.OrderFile), o); err != nil {
		return nil, err
	}
	return j, jobproc.SyncDir(filepath.Dir(j.dir))
}

// broken ends the names of directories that were set aside.
const broken = ".broken"

// readJobs reads what an earlier run of the worker left, and sweeps what was never whole.
func readJobs(root string, log *slog.Logger) ([]*job, error) {
	if err := os.MkdirAll(filepath.Join(root, "jobs"), 0o700); err != nil {
		return nil, fmt.Errorf("make directory of jobs: %w", err)
	}
	entries, err := os.ReadDir(filepath.Join(root, "jobs"))
	if err != nil {
		return nil, fmt.Errorf("read directory of jobs: %w", err)
	}
	var jobs []*job
	for _, e := range entries {
		number, lease, found := strings.Cut(e.Name(), "-")
		_, err1 := strconv.ParseUint(number, 10, 64)
		_, err2 := strconv.ParseUint(lease, 10, 64)
		if !found || err1 != nil || err2 != nil {
			continue // not ours
		}
		j := &job{dir: filepath.Join(root, "jobs", e.Name())}
		err := jobproc.Read(filepath.Join(j.dir, jobproc.OrderFile), &j.Order)
		if errors.Is(err, fs.ErrNotExist) {
			if err := os.RemoveAll(j.dir); err != nil {
				return nil, fmt.Errorf("sweep unfinished directory: %w", err)
			}
			continue
		}
		if err == nil {
			err = jobproc.Read(filepath.Join(j.dir, "state.json"), &j.record)
		}
		if err != nil {
			if err := setAside(j.dir, err, log); err != nil {
				return nil, err
			}
			continue
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// setAside takes a job that cannot be read out of the worker's memory: one spoiled file must not keep
// all other jobs from running. What may still run of it is killed, because nobody could end it, and
// its lease stays fenced; dispatch, which finds it in no holding report, asks and hears that the job is unknown.
func setAside(dir string, cause error, log *slog.Logger) error {
	killed, err := jobproc.KillMarked(dir)
	if err != nil {
		return fmt.Errorf("job directory %s: %w", filepath.Base(dir), errors.Join(cause, err))
	}
	log.Error("job cannot be read and is set aside", "dir", dir, "killed", killed, "error", cause)
	if err := os.RemoveAll(dir + broken); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	if err := os.Rename(dir, dir+broken); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	return nil
}
