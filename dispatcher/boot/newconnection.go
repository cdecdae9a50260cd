package boot

import (
	"context"
	"slices"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

// acceptsNewConnection wants the name of a connection.
func acceptsNewConnection(_, block pipeline.Data) (string, error) {
	switch {
	case block.Get("method").Text() != "new_connection":
		return "new_connection not in method", nil
	case !block.Has("connection"):
		return "'connection' not in boot parameters", nil
	}
	return "", nil
}

// newConnection opens another of the device's consoles, beside the primary one.
//
// It wants a namespace of its own: a namespace has one console, and opening this one in the primary's
// would leave the primary's unread, so that the program behind it blocks when its buffer is full.
func newConnection(pipeline.Data) pipeline.Action {
	return retried("secondary-shell-action", "connect to another console of the device",
		func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			return append([]pipeline.Action{connectShell()}, tailWithout(step, s)...)
		})
}

// connectShell is connect-shell.
func connectShell() pipeline.Action {
	entry := func(s *pipeline.Session) pipeline.Data {
		return s.Device.Get("commands", "connections", s.Block().Get("connection").Text())
	}
	return pipeline.Basic{Title: "connect-shell", About: "connect to another console of the device", Late: pipeline.Infrastructure,
		Check: func(_ context.Context, s *pipeline.Session) error {
			name := s.Block().Get("connection").Text()
			switch e := entry(s); {
			case !s.Device.Get("commands", "connections").True():
				s.Invalid("The device has no 'connections' among its commands: there is no console beside the primary one")
			case !e.Has("connect"):
				s.Invalid("Unable to connect to shell - missing connect command for '%s'", name)
			case slices.Contains(e.Get("tags").Texts(), "primary"):
				s.Invalid("'%s' is the primary connection, which another boot method connects to", name)
			}
			return nil
		},
		Do: func(_ context.Context, s *pipeline.Session) error {
			if c := s.ConsoleOf(s.Namespace()); c != nil && c.Connected() {
				s.Log.Debug("Already connected")
				return nil
			}
			text := entry(s).Get("connect").Text()
			s.Log.Info("[%s] %s Connecting to shell using '%s'", s.Namespace(), s.Step.Name(), text)
			argv, err := pipeline.Words(text)
			if err != nil {
				return pipeline.Blamef(pipeline.Configuration, "connection command %s: %w", python.Quote(text), err)
			}
			c, err := connection.Start(connection.Settings{Command: argv, Env: s.Env(), Log: s.Log,
				MaxRead: s.Device.Get("constants", "spawn_maxread").Int(0)})
			if err != nil {
				return pipeline.Blame(pipeline.Infrastructure, err)
			}
			if tags := entry(s).Get("tags").Texts(); len(tags) > 0 {
				c.Tags = tags
			}
			s.SetConsole(c)
			prompt, err := s.DeviceConstant("default-shell-prompt", "")
			if err != nil {
				return err
			}
			s.SetPrompts(c, []string{prompt.Text()})
			return nil
		}}
}
