// Package feedback reads the consoles that no action is looking at, so that their output is logged
// and the programs behind them do not block.
package feedback

import (
	"context"
	"time"

	"strata/dispatcher/pipeline"
)

// Read returns read-feedback. With repeat it reads every console, its own namespace's too, until
// nothing more comes; otherwise the others, once. With last each console is closed afterwards.
func Read(repeat, last bool) pipeline.Action { return read{repeat, last} }

type read struct{ repeat, last bool }

// Name returns the action's name.
func (read) Name() string { return "read-feedback" }

// Description says what the action does.
func (read) Description() string { return "read what the consoles still say" }

// Limit returns how long a console is listened to: 1 s, or what the job says of the connection
// timeout of read-feedback.
func Limit(job pipeline.Data) (time.Duration, error) {
	d := job.Get("timeouts", "connections", "read-feedback")
	if d.IsNull() {
		return time.Second, nil
	}
	limit, err := pipeline.Duration(d)
	if err != nil {
		return 0, pipeline.Blamef(pipeline.Job, "timeouts.connections.read-feedback: %w", err)
	}
	return limit, nil
}

// Run reads.
func (r read) Run(ctx context.Context, s *pipeline.Session) error {
	limit, err := Limit(s.Job)
	if err != nil {
		return err
	}
	for _, name := range s.Namespaces() {
		if name == s.Namespace() && !r.repeat {
			continue
		}
		c := s.ConsoleOf(name)
		if c == s.Console() && !r.repeat {
			continue // it has two names: what is read now, actions wait for later
		}
		end := s.Now().Add(limit)
		if c.Connected() {
			// Once, and not for each read: a machine that goes down says it line by line.
			s.Log.Debug("Listened to connection for namespace '%s' for up to %ds", name, limit/time.Second)
		}
		for came := true; came && c.Connected(); came = came && r.repeat {
			left := end.Sub(s.Now())
			if left <= 0 {
				break
			}
			var err error
			if came, err = c.Drain(ctx, left, name); err != nil {
				break // gone, or no time: in both cases there is nothing more to read
			}
		}
		if !r.last {
			continue
		}
		s.Log.Info("Finalising connection for namespace '%s'", name)
		if err := c.Close(); err != nil {
			s.Log.Warning("%s", err)
		}
	}
	return nil
}
