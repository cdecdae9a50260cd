package boot

import (
	"context"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
	"strata/schemas/python"
)

// acceptsFastboot wants to know which device is meant.
func acceptsFastboot(device, block pipeline.Data) (string, error) {
	return when("fastboot", deviceHas("fastboot_serial_number"))(device, block)
}

// fastboot boots a device out of its fastboot mode, in the steps of its dictionary.
//
// How the device comes to be in that mode depends on what the lab has: U-Boot's console, a power
// supply that is switched, or adb into the Android that still runs. The device is waited for before
// each step, because it leaves the bus and comes back with every restart.
func fastboot(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{Title: "fastboot-boot", About: "boot the device out of fastboot mode",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure, Fill: fillFastboot}}
}

func fillFastboot(step *pipeline.Step, s *pipeline.Session) error {
	var actions []pipeline.Action
	if step.Block.True() && step.Block.Get("commands").True() {
		actions = append(actions, fastbootCommands())
	}
	switch {
	case s.Device.Get("fastboot_via_uboot").True():
		actions = append(actions, connect{}, UBootEnterFastboot())
		actions = appendAny(actions, DetectFastboot(s))
	case switched(s):
		actions = append(actions, connect{}, reset())
		actions = appendAny(actions, DetectFastboot(s))
	default:
		actions = append(actions, WaitFastboot(), EnterFastboot())
	}
	steps, err := fastbootSequence(s)
	if err != nil {
		return err
	}
	for _, next := range steps {
		actions = append(actions, WaitFastboot(), next)
	}
	switch {
	case switched(s):
		actions = append(append(actions, power.PreOS()), tail(step, s)...)
	case !step.Block.Has("docker"):
		actions = append(actions, connectADB(), adbUnpack())
	}
	return addAll(step, actions)
}

// appendAny appends an action unless it is nil.
func appendAny(actions []pipeline.Action, a pipeline.Action) []pipeline.Action {
	if a == nil {
		return actions
	}
	return append(actions, a)
}

// fastbootSequence returns the steps of the dictionary: its entry is a list.
func fastbootSequence(s *pipeline.Session) ([]pipeline.Action, error) {
	var out []pipeline.Action
	for _, name := range s.Device.Get("actions", "boot", "methods", "fastboot").Texts() {
		switch name {
		case "boot", "no-flash-boot":
			out = append(out, bootImage())
		case "reboot":
			out = append(out, FastbootReboot(""))
		case "auto-login":
			out = append(out, autoLogin(true))
		case "overlay-unpack":
			out = append(out, &unpack{})
		case "shell-session":
			out = append(out, expectShell{})
		case "export-env":
			out = append(out, exportEnv{})
		default:
			return nil, pipeline.Blamef(pipeline.Configuration, "fastboot boot sequence: '%s' is not known; boot, no-flash-boot, "+
				"reboot, auto-login, overlay-unpack, shell-session and export-env are", name)
		}
	}
	return out, nil
}

// fastbootCommands is fastboot-boot-commands: the block's own arguments for fastboot, one line each.
func fastbootCommands() pipeline.Action {
	return pipeline.Basic{Title: "fastboot-boot-commands", About: "run the block's fastboot commands",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			for _, line := range s.Block().Get("commands").Texts() {
				args, err := pipeline.Words(line)
				if err != nil {
					return pipeline.Blamef(pipeline.Job, "fastboot command %s: %w", python.Quote(line), err)
				}
				if _, err := Fastboot(ctx, s, nil, args...); err != nil {
					return err
				}
			}
			return nil
		}}
}

// bootImage is boot-fastboot: it boots the image `boot` without writing it anywhere.
func bootImage() pipeline.Action {
	return pipeline.Basic{Title: "boot-fastboot", About: "boot the image boot with fastboot",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			file, ok := pipeline.Get(s, pipeline.Artefact("boot"))
			if !ok {
				return pipeline.Blamef(pipeline.Job, "there is no image 'boot' to boot: deploy one with 'to: fastboot'")
			}
			out, err := Fastboot(ctx, s, []string{file}, "boot", file)
			if err == nil {
				finished(s, out)
			}
			return err
		}}
}
