// Package command carries out `command` blocks: a job asks by name for something that the lab's
// people allow for the device, such as its power commands or a user command of the dictionary.
package command

import (
	"context"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// New returns user-command for a block.
func New(block pipeline.Data) pipeline.Action { return &userCommand{name: block.Get("name").Text()} }

// userCommand runs a command of the device by its name.
type userCommand struct {
	name     string
	do, undo pipeline.Data
	did      bool
}

// Name returns the action's name.
func (*userCommand) Name() string { return "user-command" }

// Description says what the action does.
func (*userCommand) Description() string { return "run a command of the device by its name" }

// CommandClass blames the lab for a command that fails: its people wrote it.
func (*userCommand) CommandClass() pipeline.Class { return pipeline.Infrastructure }

// TimeoutClass blames the lab too.
func (*userCommand) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// builtin says whether a name stands for a command that every device may have.
func builtin(name string) bool {
	switch name {
	case "pre_power_command", "pre_os_command", "hard_reset", "power_on", "power_off", "recovery_mode", "recovery_exit",
		usbGadget, stopServices:
		return true
	}
	return false
}

// Built-in names whose commands do not stand in the device's `commands`.
const (
	usbGadget    = "usbg_ms_commands_disable" // in the deploy method usbg-ms
	stopServices = "stop_test_services"       // left by the test services of the job
)

// serviceStops are the commands that stop the test services of the namespace.
const serviceStops pipeline.Key[[][]string] = "lava-test-service/stop-services/cmd-list"

// Validate finds the command.
func (c *userCommand) Validate(_ context.Context, s *pipeline.Session) error {
	commands := s.Device.Get("commands")
	switch c.name {
	case stopServices:
		return nil // which services there are is known when they have started
	case usbGadget:
		commands = pipeline.Of([]pipeline.Pair{{Key: usbGadget,
			Value: s.Device.Get("actions", "deploy", "methods", "usbg-ms", "disable")}})
	}
	if builtin(c.name) {
		if c.do = commands.Get(c.name); !c.do.True() {
			s.Invalid("Command '%s' not defined for this device", c.name)
		}
		return nil
	}
	users := commands.Get("users")
	if !users.True() {
		s.Invalid("Device has no configured user commands")
		return nil
	}
	user, ok := users.Lookup(c.name)
	if !ok {
		s.Invalid("Unknown user command '%s'", c.name)
		return nil
	}
	c.do, c.undo = user.Get("do"), user.Get("undo")
	if !runnable(c.do) || user.Has("undo") && !runnable(c.undo) {
		return pipeline.Blamef(pipeline.Configuration,
			"User command '%s': 'do' and 'undo' must be a non-empty string or a non-empty list of such", c.name)
	}
	return nil
}

// runnable says whether d is a non-empty text or a non-empty list of non-empty texts.
func runnable(d pipeline.Data) bool {
	texts := d.Texts()
	for _, item := range d.Items() {
		if item.Kind() != pipeline.Text {
			return false
		}
	}
	for _, text := range texts {
		if text == "" {
			return false
		}
	}
	return len(texts) > 0 && (d.Kind() == pipeline.Text || d.Kind() == pipeline.List)
}

// Run runs the command.
func (c *userCommand) Run(ctx context.Context, s *pipeline.Session) error {
	s.Log.Info("Running user command '%s'", c.name)
	c.did = true
	if c.name == stopServices {
		return stop(ctx, s)
	}
	return power.Run(ctx, s, c.do, "Unable to run: '%s' failed")
}

// stop stops the test services of the namespace. They forget how to be stopped, so that their own
// cleanup does not try it again.
func stop(ctx context.Context, s *pipeline.Session) error {
	commands, _ := pipeline.Get(s, serviceStops)
	for _, argv := range commands {
		if err := s.Command(ctx, argv...); err != nil {
			return err
		}
	}
	pipeline.Put(s, serviceStops, nil)
	return nil
}

// Cleanup undoes the command, if it was begun and can be undone.
func (c *userCommand) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if !c.did || !c.undo.True() {
		return nil
	}
	c.did = false
	s.Log.Info("Running cleanup for user command '%s'", c.name)
	return power.Run(ctx, s, c.undo, "Unable to run: '%s' failed")
}
