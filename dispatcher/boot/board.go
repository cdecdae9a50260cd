package boot

import (
	"context"
	"slices"

	"strata/dispatcher/pipeline"
)

// Connect returns connect-device, for methods of other packages.
func Connect() pipeline.Action { return connect{} }

// Reset returns reset-device, for methods of other packages.
func Reset() pipeline.Action { return reset() }

// Disconnect returns disconnect-device: it lets go of the console, so that another program can use
// the port.
func Disconnect() pipeline.Action { return disconnect{} }

type disconnect struct{}

// Name returns the action's name.
func (disconnect) Name() string { return "disconnect-device" }

// Description says what the action does.
func (disconnect) Description() string { return "let go of the device's console" }

// TimeoutClass blames the lab.
func (disconnect) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// Validate checks that there is a known way to disconnect.
func (disconnect) Validate(_ context.Context, s *pipeline.Session) error {
	commands := s.Device.Get("commands")
	if !commands.Has("connections") || commands.Get("connect").True() { // a single console has no tags
		return nil
	}
	_, tags := primary(s.Device)
	if !slices.ContainsFunc([]string{"telnet", "ssh", "shell"}, func(t string) bool { return slices.Contains(tags, t) }) {
		s.Invalid("'tags' of the primary connection has neither telnet, ssh nor shell: no way to disconnect is known")
	}
	return nil
}

// Run asks the program of the connection to end, as a person would, and then ends it.
func (disconnect) Run(ctx context.Context, s *pipeline.Session) error {
	c := s.Console()
	if c == nil {
		s.Log.Debug("No existing connection")
		return nil
	}
	s.Log.Info("Disconnecting from the device")
	if c.Connected() {
		var err error
		switch {
		case slices.Contains(c.Tags, "telnet"):
			if err = c.SendControl(ctx, ']'); err == nil {
				err = c.SendLine(ctx, "quit", 0)
			}
		case slices.Contains(c.Tags, "ssh"):
			if err = c.SendLine(ctx, "", 0); err == nil {
				err = c.SendLine(ctx, "~.", 0)
			}
		}
		if err != nil {
			s.Log.Debug("the connection ended by itself: %s", err)
		}
	}
	s.SetConsole(nil)
	if err := c.Close(); err != nil {
		s.Log.Warning("%s", err)
	}
	return nil
}
