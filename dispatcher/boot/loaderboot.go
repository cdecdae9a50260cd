package boot

import (
	"strata/dispatcher/pipeline"
)

// bareLoader is the method bootloader: it leaves the device at the prompt of a boot loader, for
// interactive tests.
func bareLoader(block pipeline.Data) pipeline.Action {
	l := of(block)
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "boot-bootloader-retry", About: "boot to the boot loader's prompt",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			return addAll(step, []pipeline.Action{&loaderOverlay{loader: l, blockOnly: true}, toLoader(l, nil)})
		},
	}}
}

// acceptsBareLoader accepts a block whose `bootloader` is one of the device's methods.
func acceptsBareLoader(device, block pipeline.Data) (string, error) {
	switch {
	case block.Get("method").Text() != "bootloader":
		return "'method' was not 'bootloader'", nil
	case !block.Has("bootloader"):
		return "'bootloader' not in boot parameters", nil
	case !offers(device, block.Get("bootloader").Text()):
		return "'bootloader' is not a boot method of the device configuration", nil
	}
	return "", nil
}

// toLoader is boot-bootloader: reset the device and stop its boot loader. final is the pattern to
// wait for at the end, nil for none.
func toLoader(l loader, final func(s *pipeline.Session) string) pipeline.Action {
	return pipeline.Basic{
		Title: "boot-bootloader", About: "reset the device and stop at the boot loader's prompt",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			var actions []pipeline.Action
			block := step.Block
			if block.Get("reset_connection").Bool(true) {
				actions = append(actions, resetConnection())
			} else {
				actions = append(actions, connect{})
			}
			if block.Get("reset_device").Bool(true) && block.Get("reset").Bool(true) {
				actions = append(actions, reset())
			}
			return addAll(step, append(actions, &interrupt{loader: l},
				&loaderCommands{loader: l, noFinal: final == nil, final: final}))
		},
	}
}
