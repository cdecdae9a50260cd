package power

import (
	"context"
	"errors"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

// command is an action that runs one of the device's commands.
type command struct {
	name, about string
	key         string // in the device's `commands`
	verb        string // for the error: "reboot"
	before      string // key of a command to run first
	required    bool   // a device that has no such command is configured wrongly
	quiet       bool   // no result where the device has no such command
	result      string // key of the result
	value       string
}

// Reset returns pdu-reboot: the device's hard_reset.
func Reset() pipeline.Action {
	return command{name: "pdu-reboot", about: "cycle the power of the device", key: "hard_reset", verb: "reboot",
		required: true, result: "status", value: "success"}
}

// Off returns power-off: the device's power_off, where it has one.
func Off() pipeline.Action {
	return command{name: "power-off", about: "switch the device off", key: "power_off", verb: "power-off",
		result: "status", value: "success"}
}

// On returns power-on: the device's pre_power_command and power_on, where it has them.
func On() pipeline.Action {
	return command{name: "power-on", about: "switch the device on", key: "power_on", verb: "power-on", quiet: true,
		before: "pre_power_command", result: "success", value: "power-on"}
}

// PrePower returns pre-power-command, which often switches a relay.
func PrePower() pipeline.Action {
	return command{name: "pre-power-command", about: "run what the device wants before it is switched on",
		key: "pre_power_command", verb: "run pre-power", result: "success", value: "pre-power-command"}
}

// PreOS returns pre-os-command.
func PreOS() pipeline.Action {
	return command{name: "pre-os-command", about: "run what the device wants before its system starts",
		key: "pre_os_command", verb: "run pre-os", result: "success", value: "pre-os-command"}
}

// Name returns the action's name.
func (c command) Name() string { return c.name }

// Description says what the action does.
func (c command) Description() string { return c.about }

// TimeoutClass blames the lab: what hangs is its equipment.
func (command) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// CommandClass blames the lab for a command that fails.
func (command) CommandClass() pipeline.Class { return pipeline.Infrastructure }

// Run runs the commands. A device without a `commands` section has no power to switch, and then
// there is no result either.
func (c command) Run(ctx context.Context, s *pipeline.Session) error {
	commands, ok := s.Device.Lookup("commands")
	if !ok {
		return nil
	}
	if c.required && !commands.Get(c.key).True() {
		return pipeline.Blamef(pipeline.Configuration, "the device has no '%s' among its commands", c.key)
	}
	for _, key := range []string{c.before, c.key} {
		if key == "" {
			continue
		}
		if err := Run(ctx, s, commands.Get(key), "Unable to "+c.verb+": '%s' failed"); err != nil {
			return err
		}
	}
	if c.quiet && !commands.Get(c.key).True() {
		return nil
	}
	s.Result(c.result, c.value)
	return nil
}

// Run runs a device command: a text or a list of texts. A failure is blamed on the lab, with a
// message in which %s stands for the text that failed.
func Run(ctx context.Context, s *pipeline.Session, commands pipeline.Data, message string) error {
	for _, text := range commands.Texts() {
		argv, err := pipeline.Words(text)
		if err != nil {
			return pipeline.Blamef(pipeline.Configuration, "device command %s: %w", python.Quote(text), err)
		}
		if len(argv) == 0 {
			continue
		}
		err = s.Command(ctx, argv...)
		var failed *pipeline.CommandError
		if errors.As(err, &failed) {
			return pipeline.Blame(pipeline.Infrastructure, errors.New(strings.Replace(message, "%s", text, 1)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
