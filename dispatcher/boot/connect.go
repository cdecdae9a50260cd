package boot

import (
	"context"
	"errors"
	"os/exec"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

// connect is connect-device: it starts the command that connects to the device's console, unless
// the namespace has a live connection already.
type connect struct{}

// Name returns the action's name.
func (connect) Name() string { return "connect-device" }

// Description says what the action does.
func (connect) Description() string { return "connect to the device's console" }

// TimeoutClass blames the lab.
func (connect) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// Validate checks that the device can be connected to.
func (connect) Validate(_ context.Context, s *pipeline.Session) error {
	if !s.Device.Get("actions", "boot", "connections").Has("serial") {
		s.Invalid("Device not configured to support serial connection.")
		return nil
	}
	if commands := s.Device.Get("commands"); commands.Get("must_use_connection").True() && commands.Get("connect").True() && !commands.Has("connections") {
		s.Invalid("Device has must_use_connection set, but only a single 'connect' and no 'connections'")
		return nil
	}
	text, _ := primary(s.Device)
	if text == "" {
		s.Invalid("Unable to connect to device: no connection command is configured")
		return nil
	}
	argv, err := pipeline.Words(text)
	if err != nil || len(argv) == 0 {
		return pipeline.Blamef(pipeline.Configuration, "connection command %s: %v", python.Quote(text), err)
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Cannot find command '%s' in $PATH", argv[0])
	}
	return nil
}

// Console returns the command that connects to a device's main console, empty where it has none.
func Console(device pipeline.Data) string {
	text, _ := primary(device)
	return text
}

// primary returns the command and tags of the device's main console.
func primary(device pipeline.Data) (command string, tags []string) {
	commands := device.Get("commands")
	if text := commands.Get("connect").Text(); text != "" {
		return text, nil
	}
	for _, p := range commands.Get("connections").Pairs() {
		if !p.Value.Has("connect") {
			return "", nil // as LAVA: the search ends at the first entry without a command
		}
		tags := p.Value.Get("tags").Texts()
		for _, tag := range tags {
			if tag == "primary" {
				return p.Value.Get("connect").Text(), tags
			}
		}
	}
	return "", nil
}

// Run connects.
func (connect) Run(_ context.Context, s *pipeline.Session) error {
	if c := s.Console(); c != nil {
		if c.Connected() {
			s.Log.Debug("Already connected")
			s.SetConsole(c)
			return nil
		}
		s.Log.Debug("The connection was lost, connecting again")
		if err := c.Close(); err != nil {
			s.Log.Warning("%s", err)
		}
	} else if other := s.Block().Get("connection-namespace"); !other.IsNull() {
		return pipeline.Blamef(pipeline.Job, "Unable to reuse connection from namespace '%s'", other.Text())
	}
	text, tags := primary(s.Device)
	s.Log.Info("[%s] %s Connecting to device using '%s'", s.Namespace(), s.Step.Name(), text)
	argv, err := pipeline.Words(text)
	if err != nil {
		return pipeline.Blamef(pipeline.Configuration, "connection command %s: %w", python.Quote(text), err)
	}
	c, err := connection.Start(connection.Settings{
		Command: argv, Env: s.Env(), Log: s.Log,
		MaxRead: s.Device.Get("constants", "spawn_maxread").Int(0),
	})
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	if len(tags) > 0 {
		c.Tags = tags
	}
	s.SetConsole(c)
	prompt, err := s.DeviceConstant("default-shell-prompt", "")
	if err != nil {
		return err
	}
	s.SetPrompts(c, []string{prompt.Text()})
	return nil
}

// closedIsLab blames the lab for a connection that is gone.
func closedIsLab(err error) error {
	if errors.Is(err, connection.ErrClosed) {
		return pipeline.Blame(pipeline.Infrastructure, connection.ErrClosed)
	}
	return err
}
