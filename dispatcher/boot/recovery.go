package boot

import (
	"context"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// acceptsRecovery accepts a block for a device with recovery commands.
func acceptsRecovery(device, block pipeline.Data) (string, error) {
	switch {
	case block.Get("method").Text() != "recovery":
		return "'method' was not 'recovery'", nil
	case !device.Get("actions", "deploy", "methods").Has("recovery"):
		return "'recovery' is not in the device configuration deploy methods", nil
	case !block.Has("commands"):
		return "'commands' not in boot parameters", nil
	}
	return "", nil
}

// recovery switches a device to its recovery mode, or out of it, while it has no power.
//
// The mode is a matter of boot switches or of a relay on them, which a board reads once when it is
// switched on. What is written in that mode is a later block's business.
func recovery(pipeline.Data) pipeline.Action {
	return group("recovery-boot", "switch the device to or from its recovery mode",
		func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
			return []pipeline.Action{power.Off(), switchRecovery(), power.On()}
		})
}

// switchRecovery is switch-recovery.
func switchRecovery() pipeline.Action {
	commands := func(s *pipeline.Session) pipeline.Data {
		key := map[string]string{"recovery": "recovery_mode", "exit": "recovery_exit"}[s.Block().Get("commands").Text()]
		if key == "" {
			return pipeline.Data{}
		}
		return s.Device.Get("actions", "deploy", "methods", "recovery", "commands", key)
	}
	return pipeline.Basic{Title: "switch-recovery", About: "switch the recovery mode with the lab's commands",
		Check: func(_ context.Context, s *pipeline.Session) error {
			switch text := s.Block().Get("commands").Text(); {
			case text != "recovery" && text != "exit":
				s.Invalid("Unable to find a recovery mode: 'commands' is '%s', but must be recovery or exit", text)
			case !commands(s).True():
				s.Invalid("Unable to find commands to enter or leave recovery mode: '%s' is missing in the device dictionary", text)
			}
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			return power.Run(ctx, s, commands(s), "Unable to switch the recovery mode: '%s' failed")
		}}
}
