package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/worker/jobproc"
	"strata/events"
)

// offWithin is how long power_off may take where the job had no plan that says.
const offWithin = 60 * time.Second

// afterwards is what the worker did about the board of a job whose process ended without a result.
type afterwards struct {
	begun bool
	said  string // how it went, for the verdict and the log; empty where the device has no power_off
}

// powerOff switches the device of a job off whose process could not do it any more, beside the
// supervisor, which hears of the job again afterwards. The board is not given away until then. A worker
// that stops meanwhile does it again when it is back.
func (s *supervisor) powerOff(j *job) {
	j.gone, j.after.begun = false, true
	s.wait.Go(func() {
		said := s.switchOff(j)
		if s.ctx.Err() != nil {
			return
		}
		j.after.said = said // the supervisor reads it once it has the job back
		select {
		case s.exits <- j:
		case <-s.ctx.Done():
		}
	})
}

// switchOff runs the device's power_off and returns a sentence on what came of it.
func (s *supervisor) switchOff(j *job) string {
	device, err := pipeline.ReadYAML([]byte(j.Work.Device.Inline))
	if err != nil {
		return "the worker could not switch the device off: its configuration cannot be read"
	}
	commands := device.Get("commands", "power_off").Texts()
	if len(commands) == 0 {
		return ""
	}
	limit := jobproc.FinalizeTime(j.dir)
	if limit <= 0 {
		limit = offWithin
	}
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	env, err := processEnv(j.Work.Env.Inline, os.Environ())
	for _, command := range commands {
		if err == nil {
			err = runCommand(ctx, command, append(env, jobproc.Mark(j.dir)))
		}
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not end within %s", limit)
	}
	if err != nil {
		s.Logger.Error("device of a dead job may still be on", "job", j.Job, "device", j.Device, "error", err)
		return "the worker could not switch the device off: " + err.Error()
	}
	s.Logger.Info("device of a dead job switched off", "job", j.Job, "device", j.Device)
	return "the worker switched the device off"
}

// runCommand runs a device command. It is a group of its own, so that it ends whole with ctx.
func runCommand(ctx context.Context, command string, env []string) error {
	argv, err := pipeline.Words(command)
	if err != nil || len(argv) == 0 {
		return err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Run()
}

// logAfterwards adds what the worker did to the job's log, which the job's process can write no more.
func (s *supervisor) logAfterwards(j *job, spool *output.Spool, sent uint64) error {
	if j.after.said == "" || spool.Lines() < sent {
		return nil // after a loss of power: the number of a line that was sent is not used again
	}
	text, err := json.Marshal("The job's process ended without a result; " + j.after.said + ".")
	if err != nil {
		return err
	}
	return spool.Append(events.Record{Time: s.Now().UTC().Truncate(time.Microsecond), Level: events.Warning, Message: text})
}
