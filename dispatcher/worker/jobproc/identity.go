package jobproc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Identity names a process for good: numbers of processes come round, the time of its start and the
// boot of the machine tell one from the next.
type Identity struct {
	PID   int    `json:"pid,omitempty"`
	Start uint64 `json:"start,omitempty"` // field 22 of /proc/<pid>/stat: clock ticks since boot
	Boot  string `json:"boot,omitempty"`  // /proc/sys/kernel/random/boot_id
}

// Identify returns the identity of a process that runs now.
func Identify(pid int) (Identity, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	s, err := readStat(pid)
	if err != nil {
		return Identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return Identity{pid, s.start, strings.TrimSpace(string(boot))}, nil
}

// Lives tells whether that very process still runs. One that has ended and was not waited for (a
// zombie) does not.
func (i Identity) Lives() bool {
	if i.PID <= 0 {
		return false
	}
	now, err := Identify(i.PID)
	if err != nil || now != i {
		return false
	}
	s, err := readStat(i.PID)
	return err == nil && s.state != "Z" && s.state != "X"
}

// Signal sends a signal to the process, if it still is the same one.
func (i Identity) Signal(sig syscall.Signal) error {
	if !i.Lives() {
		return os.ErrProcessDone
	}
	return syscall.Kill(i.PID, sig)
}

// KillSession ends with SIGKILL everything that the process started and that did not begin a session of
// its own, in whatever process group it is. It works when the process itself is gone, as long as
// its number was not given to another session: that is not possible while members of the old one live.
func (i Identity) KillSession() (killed int, err error) {
	if i.PID <= 1 {
		return 0, nil
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || strings.TrimSpace(string(boot)) != i.Boot {
		return 0, err // everything of an earlier boot is gone
	}
	if s, err := readStat(i.PID); err == nil && s.start != i.Start {
		return 0, nil // the number is another's by now, so the session is empty
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("end session %d: %w", i.PID, err)
	}
	var errs []error
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		s, err := readStat(pid)
		if err != nil || s.session != i.PID || s.start < i.Start || s.state == "Z" || s.state == "X" {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("kill process %d: %w", pid, err))
			continue
		}
		killed++
	}
	return killed, errors.Join(errs...)
}

// mark is the variable by which processes of a job are known.
const mark = "STRATA_JOB_DIR"

// Mark returns the entry of the environment that a job's process hands on to all that it starts.
func Mark(dir string) string { return mark + "=" + dir }

// KillMarked ends with SIGKILL everything that a job in the directory started and that kept the mark
// in its environment. A console is a session of its own, so when the job's process was killed
// KillSession does not find one that ignores the hang-up of its terminal.
func KillMarked(dir string) (killed int, err error) {
	// Again while there are any: one may start another just while we look.
	for range 5 {
		n, err := killMarked([]byte(Mark(dir)))
		killed += n
		if n == 0 || err != nil {
			return killed, err
		}
	}
	return killed, nil
}

func killMarked(want []byte) (killed int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("end what is marked %s: %w", want, err)
	}
	var errs []error
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// Of other users' processes it cannot be read; they could not be killed either.
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || !slices.ContainsFunc(bytes.Split(env, []byte{0}), func(v []byte) bool { return bytes.Equal(v, want) }) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			if !errors.Is(err, syscall.ESRCH) {
				errs = append(errs, fmt.Errorf("kill process %d: %w", pid, err))
			}
			continue
		}
		killed++
	}
	return killed, errors.Join(errs...)
}

// stat is what we need of /proc/<pid>/stat, see proc_pid_stat(5).
type stat struct {
	state   string // field 3
	session int    // field 6
	start   uint64 // field 22
}

// readStat reads the state of a process; an error means that there is none of that number.
func readStat(pid int) (stat, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	// Field 2 is the command in brackets and may hold spaces and brackets: the last bracket ends it.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat has %d fields after the command", pid, len(fields))
	}
	session, err1 := strconv.Atoi(fields[3])
	start, err2 := strconv.ParseUint(fields[19], 10, 64)
	return stat{fields[0], session, start}, errors.Join(err1, err2)
}
