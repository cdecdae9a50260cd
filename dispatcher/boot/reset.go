package boot

import (
	"context"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// reset returns reset-device: a power cycle where the device can be switched, else a reboot typed
// on its console.
func reset() pipeline.Action {
	return pipeline.Basic{
		Title: "reset-device", About: "reset the device",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			if s.Device.Get("commands", "hard_reset").True() {
				return step.Add(power.Reset())
			}
			return step.Add(&softReboot{})
		},
	}
}

// softReboot is send-reboot-commands.
type softReboot struct{ commands []string }

// Name returns the action's name.
func (*softReboot) Name() string { return "send-reboot-commands" }

// Description says what the action does.
func (*softReboot) Description() string { return "type commands that reboot the device" }

// Validate chooses the commands: the block's, the device's, or what usually works.
func (r *softReboot) Validate(_ context.Context, s *pipeline.Session) error {
	r.commands = []string{"reboot", "reboot -n", "reboot -nf"}
	for _, from := range []pipeline.Data{s.Device.Get("commands", "soft_reboot"), s.Block().Get("soft_reboot")} {
		if from.True() {
			r.commands = from.Texts()
		}
	}
	return nil
}

// Run types the commands and waits until the system says that it goes down.
func (r *softReboot) Run(ctx context.Context, s *pipeline.Session) error {
	c := s.Console()
	if c == nil {
		return pipeline.Blamef(pipeline.Infrastructure, "there is no connection to reboot the device over")
	}
	message := s.Block().Get("parameters", "shutdown-message")
	if message.IsNull() {
		var err error
		if message, err = s.DeviceConstant("shutdown-message", ""); err != nil {
			return err
		}
	}
	s.SetPrompts(c, []string{message.Text()})
	for _, command := range r.commands {
		if err := s.SendLine(ctx, c, command); err != nil {
			return err
		}
	}
	s.Result("commands", r.commands)
	_, err := s.Wait(ctx, c)
	return err
}
