package worker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"strata/dispatcher/output"
	"strata/dispatcher/worker/jobproc"
	"strata/events"
	"strata/schemas/order"
)

// start makes a job's process. What keeps it from starting is the worker's fault, not the job's: it
// ends as a Bug, or is refused where the machine has no room.
func (s *supervisor) start(j *job) {
	if short := s.shortOfSpace(); short != "" {
		s.refuse(j, short)
		return
	}
	env, err := os.Environ(), error(nil)
	if !s.Elsewhere {
		env, err = processEnv(j.Work.Env.Inline, env)
	}
	if err != nil {
		s.conclude(j, order.Verdict{Result: "fail", ErrorType: "Configuration", Error: err.Error()})
		return
	}
	j.Phase = starting
	err = jobproc.Write(filepath.Join(j.dir, jobproc.TaskFile), jobproc.Task{Servers: s.Servers, Services: s.offer(j)})
	if err == nil {
		err = j.save()
	}
	if err != nil {
		// What is not on disk may not begin: after a crash it would begin again.
		s.Logger.Error("job cannot be started now", "job", j.Job, "error", err)
		j.Phase = taken
		return
	}
	cmd, err := s.spawn(j, env)
	if err == nil {
		j.Process, err = jobproc.Identify(cmd.Process.Pid) // our child and not waited for: it is there
	}
	if err != nil {
		s.conclude(j, order.Verdict{Result: "fail", ErrorType: "Bug", Error: err.Error()})
		return
	}
	s.Logger.Info("job started", "job", j.Job, "device", j.Device, "lease", j.Lease, "pid", j.Process.PID)
	s.watch(j, func() {
		awaitExit(s.ctx, j.Process)
		if s.ctx.Err() == nil {
			cmd.Wait() // does not wait: it lets the kernel forget the child
		}
	})
	s.began(j)
}

// spawn starts the hidden command in a session of its own, so that neither a signal to the worker's
// process group nor the end of its terminal reaches the job.
func (s *supervisor) spawn(j *job, env []string) (*exec.Cmd, error) {
	stdout, err1 := os.OpenFile(filepath.Join(j.dir, jobproc.StdoutFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	stderr, err2 := os.OpenFile(filepath.Join(j.dir, jobproc.StderrFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("start job %d: %w", j.Job, err)
	}
	defer stdout.Close()
	defer stderr.Close()
	// A copy, because Command belongs to all jobs.
	args := append(append([]string(nil), s.Command[1:]...), j.dir)
	cmd := exec.Command(s.Command[0], args...)
	cmd.Dir, cmd.Env = j.dir, append(env, jobproc.Mark(j.dir))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start job %d: %w", j.Job, err)
	}
	return cmd, nil
}

// watch tells the supervisor once gone returns, unless the worker stops first.
func (s *supervisor) watch(j *job, gone func()) {
	s.wait.Go(func() {
		gone()
		select {
		case s.exits <- j:
		case <-s.ctx.Done():
		}
	})
}

// awaitExit returns when a process, a child or not, has ended, or ctx has. Once a second it looks
// whether ctx did.
func awaitExit(ctx context.Context, who jobproc.Identity) {
	fd, err := unix.PidfdOpen(who.PID, 0)
	if err != nil {
		return // it is gone
	}
	defer unix.Close(fd)
	if !who.Lives() {
		return // the number was another's
	}
	for ctx.Err() == nil {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// end settles a job whose process is gone: what it left behind is killed before anything is
// reported, because after the report the lab gives the device away.
func (s *supervisor) end(j *job) {
	if n, err := j.Process.KillSession(); n > 0 || err != nil {
		s.Logger.Warn("job left processes behind", "job", j.Job, "killed", n, "error", err)
	}
	// result.json is written last and whole: where it is, the job had its say, whatever killed the
	// process after that.
	verdict, err := jobproc.ReadVerdict(j.dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.Logger.Error("result of job cannot be read", "job", j.Job, "error", err)
		}
		verdict = order.Verdict{Result: "fail", ErrorType: "Bug", Error: "the job's process ended without a result"}
		if tail := lastBytes(filepath.Join(j.dir, jobproc.StderrFile), 1000); tail != "" {
			verdict.Error += ": " + tail
		}
		if j.kills {
			verdict.Error = "the job's process did not end when asked to and was killed"
		}
		if !j.after.begun && !s.Elsewhere {
			if n, err := jobproc.KillMarked(j.dir); n > 0 || err != nil {
				s.Logger.Warn("job left consoles behind", "job", j.Job, "killed", n, "error", err)
			}
			s.powerOff(j)
			return
		}
		if j.after.said != "" {
			verdict.Error += "; " + j.after.said
		}
	}
	s.conclude(j, verdict)
}

// conclude reports how a job ended. The number of lines is counted here, from the spool: a process
// that died could not.
func (s *supervisor) conclude(j *job, v order.Verdict) {
	// Opening it also cuts off a line that a crash left half written; a courier sends what is left.
	dir := filepath.Join(j.dir, jobproc.SpoolDir)
	spool, err := output.OpenSpool(dir)
	sent, unread := output.Sent(dir)
	if err == nil {
		err = s.logAfterwards(j, spool, sent)
		v.Lines = spool.Lines()
		err = errors.Join(err, spool.Close())
	}
	if unread == nil {
		v.Lines = max(v.Lines, sent) // a loss of power may have taken the end of what was sent
	}
	if err != nil {
		s.Logger.Error("lines of job cannot be counted", "job", j.Job, "error", err)
	}
	s.Logger.Info("job finished", "job", j.Job, "lease", j.Lease, "health", healthOf(v), "error_type", v.ErrorType, "lines", v.Lines)
	v.Error = order.Sentence(v.Error) // a report that no message could carry would stop all after it
	s.report(j, order.Report{Claim: order.Finished, Verdict: &v})
	j.Verdict = &v
	s.settle(j)
}

// healthOf says how a job ended in the word that users know. The lab may still say Canceled of a job that
// ended before its cancellation came here.
func healthOf(v order.Verdict) events.JobHealth {
	switch {
	case v.Result == "pass":
		return events.Complete
	case v.ErrorType == string(events.CanceledError):
		return events.Canceled
	}
	return events.Incomplete
}

// refuse reports that a job that was taken will not be run.
func (s *supervisor) refuse(j *job, reason string) {
	s.Logger.Warn("job refused", "job", j.Job, "lease", j.Lease, "reason", reason)
	reason = order.Sentence(reason)
	s.report(j, order.Report{Claim: order.Refused, Reason: reason})
	j.Refused = reason
	s.settle(j)
}

// settle notes that a job has been reported; a crash before it only repeats the report.
func (s *supervisor) settle(j *job) {
	j.Phase = ended
	s.rehold = s.rehold || j.Stale
	if err := errors.Join(jobproc.RemoveScratch(j.dir), s.exports.Forget(jobproc.Folder(j.Order))); err != nil {
		s.Logger.Warn("scratch directory stays", "job", j.Job, "error", err)
	}
	s.save(j)
}

// terminate asks the process, and it alone, to end: it powers the device off, and ends its own children.
func (s *supervisor) terminate(j *job) {
	s.Logger.Info("job asked to end", "job", j.Job, "reason", j.Why, "signal", j.Terms)
	if err := j.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.Logger.Error("signal to job failed", "job", j.Job, "error", err)
	}
}

// lastBytes returns the end of a file as text; nothing where it cannot be read.
func lastBytes(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	buf := make([]byte, min(n, info.Size()))
	read, _ := f.ReadAt(buf, info.Size()-int64(len(buf)))
	return string(buf[:read])
}
