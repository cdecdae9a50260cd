package boot

import (
	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// minimal attaches to a device that boots by itself, resetting it unless the block says not to.
//
// It is what devices without a boot loader to speak to have: microcontrollers, boards that boot from
// their own flash, systems that another block has started. The console is connected before the reset,
// so that the first line of the boot is in the log.
func minimal(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "minimal-boot", About: "connect to the device and reset it",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			actions := []pipeline.Action{connect{}}
			commands := s.Device.Get("commands")
			if commands.Get("pre_power_command").True() {
				actions = append(actions, power.PrePower())
			}
			if commands.Get("pre_os_command").True() {
				actions = append(actions, power.PreOS())
			}
			if step.Block.Get("reset").Bool(true) {
				actions = append(actions, reset())
			}
			return addAll(step, append(actions, tail(step, s)...))
		},
	}}
}

func addAll(step *pipeline.Step, actions []pipeline.Action) error {
	for _, a := range actions {
		if err := step.Add(a); err != nil {
			return err
		}
	}
	return nil
}
