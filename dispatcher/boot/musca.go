package boot

import (
	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// musca boots a Musca board, whose serial port comes over the USB of its debug probe.
//
// The port vanishes with the power and comes back under a node that may be another, so it is waited
// for by its serial number after the reset and connected to only then. A shell may be expected without
// prompts here, because LAVA's method does.
func musca(pipeline.Data) pipeline.Action {
	return retried("musca-boot", "reset the board and connect to its serial port",
		func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			actions := []pipeline.Action{reset(), usb.WaitSerial(), connect{}}
			if step.Block.Has("prompts") {
				actions = append(actions, autoLogin(true))
			}
			if s.TestInfo().HasShell { // with prompts or without
				actions = append(actions, expectShell{})
				if step.Block.Has("transfer_overlay") {
					actions = append(actions, &unpack{})
				}
				actions = append(actions, exportEnv{})
			}
			return actions
		})
}
