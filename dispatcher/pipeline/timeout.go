package pipeline

import (
	"fmt"
	"time"
)

// The built-in limits.
const (
	defaultTimeout = 30 * time.Second
	cleanupTimeout = 300 * time.Second
	retryPause     = time.Second
)

// longest is the longest that a timeout may be: more than a job lives, and far from where the
// arithmetic of durations ends.
const longest = 10 * 365 * 24 * time.Hour

// slowActions have a longer built-in timeout than the others.
func builtinTimeout(name string) time.Duration {
	switch name {
	case "bootloader-commands", "bootloader-commands-altbank", "depthcharge-start":
		return 90 * time.Second
	case "dd-image":
		return 600 * time.Second
	}
	return defaultTimeout
}

// Duration reads a timeout of a definition or dictionary: a mapping of days, hours, minutes and
// seconds, which are added. Nothing, or nothing known, is 30 s. An error says what stands there
// instead of a mapping.
func Duration(d Data) (time.Duration, error) {
	if d.Kind() != Mapping {
		return 0, fmt.Errorf("a timeout is a mapping of days, hours, minutes or seconds, not %s", d.Python())
	}
	var total float64 // seconds
	for _, unit := range []struct {
		name string
		size float64
	}{{"days", 24 * 3600}, {"hours", 3600}, {"minutes", 60}, {"seconds", 1}} {
		n := d.Get(unit.name)
		total += n.Float(float64(n.Int(0))) * unit.size
	}
	if total < 1 {
		return defaultTimeout, nil
	}
	return time.Duration(min(total, longest.Seconds())) * time.Second, nil
}

// Clock prints a duration as log lines do, HH:MM:SS, cutting off fractions.
func Clock(d time.Duration) string {
	s := max(int(d/time.Second), 0)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// source is a place where a timeout may stand: the value there, and how to blame a bad one.
type source struct {
	value Data
	where string
	class Class
}

// limits resolves the timeouts of a step while the job is planned. The precedence is LAVA's; note
// that a block's timeout defeats the device's default for a named action.
func (p *planner) limits(step *Step) error {
	name, job, device := step.Name(), p.in.Job.Get("timeouts"), p.in.Device.Get("timeouts")
	step.Timeout, step.Connection = builtinTimeout(name), defaultTimeout
	sources := []source{
		{job.Get("action"), "timeouts.action", Job},
		{device.Get("actions", name), "device timeouts.actions." + name, Job},
		{step.Block.Get("timeout"), "timeout of the block", Configuration},
	}
	if step.Section == "command" {
		// As LAVA has it, a command's own timeout counts only where the job and the device have none.
		sources = []source{sources[2], sources[0], sources[1]}
	}
	err := replace(&step.Timeout, sources...)
	if err != nil {
		return err
	}
	if parent := step.Parent; parent != nil && parent.MaxRetries > 1 {
		// Whole seconds, and a share of nothing is the default rather than no time at all.
		step.Timeout = (parent.Timeout / time.Duration(parent.MaxRetries)).Truncate(time.Second)
		if step.Timeout == 0 {
			step.Timeout = defaultTimeout
		}
	}
	err = replace(&step.Timeout,
		source{job.Get("actions", name), "timeouts.actions." + name, Job},
		source{step.Block.Get("timeouts", name), "timeouts." + name + " of the block", Job})
	if err != nil {
		return err
	}
	step.SkipTimeout = step.Block.Get("timeout", "skip").Bool(false)
	return replace(&step.Connection,
		source{step.Block.Get("connection_timeout"), "connection_timeout of the block", Configuration},
		source{job.Get("connection"), "timeouts.connection", Job},
		source{device.Get("connections", name), "device timeouts.connections." + name, Job},
		source{job.Get("connections", name), "timeouts.connections." + name, Job})
}

// replace sets d to the last source that has a value.
func replace(d *time.Duration, sources ...source) error {
	for _, s := range sources {
		if s.value.IsNull() {
			continue
		}
		v, err := Duration(s.value)
		if err != nil {
			return Blamef(s.class, "Invalid timeout data in %s: %w", s.where, err)
		}
		*d = v
	}
	return nil
}

// attempts resolves how often a retry action tries. Every retry action reads the same block, so
// nested ones multiply: compatible behaviour, and often surprising.
func (p *planner) attempts(step *Step) error {
	step.MaxRetries, step.RetryPause = 1, retryPause
	if _, ok := step.Action.(Retrier); !ok {
		return nil
	}
	failure, repeat := step.Block.Get("failure_retry"), step.Block.Get("repeat")
	if pause := step.Block.Get("failure_retry_interval"); !pause.IsNull() {
		step.RetryPause = time.Duration(pause.Float(1) * float64(time.Second))
	}
	switch {
	case !failure.IsNull() && !repeat.IsNull():
		return Blamef(Job, "a block has either failure_retry or repeat, not both")
	case !failure.IsNull():
		step.MaxRetries = failure.Int(1)
	case p.in.Device.Get("constants").True():
		s := p.session.at(step)
		n, err := s.Constant("failure_retry", "")
		if err != nil {
			return err
		}
		step.MaxRetries = max(n.Int(1), 1)
		if step.Section == "boot" {
			if n, err := s.Constant("boot_retry", ""); err == nil && n.True() {
				step.MaxRetries = n.Int(1)
			}
		}
	}
	if !repeat.IsNull() {
		step.MaxRetries, step.Repeat = repeat.Int(1), true
	}
	return nil
}
