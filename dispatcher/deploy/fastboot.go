package deploy

import (
	"context"
	"slices"

	"strata/dispatcher/boot"
	"strata/dispatcher/feedback"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// acceptsFastboot accepts `to: fastboot`. Without detection the device's serial numbers are needed.
func acceptsFastboot(device, block pipeline.Data) (string, error) {
	if block.Get("to").Text() != "fastboot" {
		return `"to" parameter is not "fastboot"`, nil
	}
	keys := []string{"fastboot_options"}
	if !device.Get("fastboot_auto_detection").True() {
		keys = append(keys, "adb_serial_number", "fastboot_serial_number")
	}
	for _, key := range keys {
		if !device.Has(key) {
			return `device configuration does not specify "` + key + `"`, nil
		}
	}
	if !offers(device, "fastboot") {
		return `"fastboot" is not in the device configuration deploy methods`, nil
	}
	return "", nil
}

// fastboot writes partitions of a board that is in its fastboot loader.
func fastboot(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "fastboot-deploy", About: "write images with fastboot", Late: pipeline.Infrastructure,
		Broken: pipeline.Infrastructure, Fill: fillFastboot}
}

func fillFastboot(step *pipeline.Step, s *pipeline.Session) error {
	where, err := place(step, s)
	if err != nil {
		return err
	}
	if err := add(step, testOverlay(s)); err != nil {
		return err
	}
	// Each image has its own deploy-device-env, as in LAVA: it costs nothing, and levels depend on it.
	list, err := pairs(step.Block.Get("images"), "images")
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := step.Add(where.get(p.Key, p.Value)); err != nil {
			return err
		}
		if p.Value.Get("apply-overlay").True() {
			// Android's images are sparse unless the job says otherwise.
			apply := applySparse(p.Key)
			if !p.Value.Get("sparse").Bool(true) {
				apply = applyImage(p.Key, p.Value.Has("root_partition"))
			}
			if err := step.Add(apply); err != nil {
				return err
			}
		}
		if s.TestInfo().NeedsOverlay && s.TestInfo().NeedsDeployment {
			if err := step.Add(deviceEnv{}); err != nil {
				return err
			}
		}
	}
	if err := intoFastboot(step, s); err != nil {
		return err
	}
	return step.Add(pipeline.Basic{Title: "fastboot-flash-order-action", About: "write the images in the device's order",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure, Fill: fillFlash})
}

// intoFastboot adds the actions that bring the board to its fastboot loader.
func intoFastboot(step *pipeline.Step, s *pipeline.Session) error {
	// A board that was switched on stops in its loader only where that is told so: over its console, by
	// its boot switches, or, on a running Android, by adb.
	cycle := s.Device.Get("commands", "hard_reset").True()
	switch {
	case s.Device.Get("fastboot_via_uboot").True():
		return add(step, boot.Connect(), boot.UBootEnterFastboot(), boot.DetectFastboot(s))
	case cycle:
		return add(step, boot.Connect(), power.PrePower(), boot.Reset(), boot.DetectFastboot(s))
	}
	return step.Add(boot.EnterFastboot())
}

// fillFlash adds what writes each image: those that the device has an order for first.
func fillFlash(step *pipeline.Step, s *pipeline.Session) error {
	if err := step.Add(feedback.Read(true, false)); err != nil {
		return err
	}
	// The partition table must be there before what it describes, so boards have an order.
	images := step.Block.Get("images")
	var order []string
	for _, name := range s.Device.Get("flash_cmds_order").Texts() {
		if images.Has(name) {
			order = append(order, name)
		}
	}
	for _, p := range images.Pairs() {
		if !slices.Contains(order, p.Key) {
			order = append(order, p.Key)
		}
	}
	// The board has just been started where its power can be switched.
	fresh := s.Device.Get("commands", "hard_reset").True()
	for _, name := range order {
		if err := add(step, boot.WaitFastboot(), flash(name, fresh)); err != nil {
			return err
		}
		reboot, err := rebootAfter(images.Get(name, "reboot"))
		if err != nil {
			return err
		}
		// One flag for all images, as in LAVA: the loader's prompt is waited for where the last of them
		// reboots. Dictionaries have a prompt that comes once a start, so only the first flash after one
		// waits.
		fresh = reboot != nil
		pipeline.Put(s, rebooted, fresh)
		if reboot == nil {
			continue
		}
		if err := add(step, reboot, feedback.Read(true, false)); err != nil {
			return err
		}
	}
	return nil
}

// rebooted says that the last image of the block asks for a reboot.
const rebooted pipeline.Key[bool] = "fastboot-flash-action/interrupt/reboot"

// rebootAfter returns the action for an image's `reboot`, nil where there is none.
func rebootAfter(how pipeline.Data) (pipeline.Action, error) {
	switch how.Text() {
	case "":
		return nil, nil
	case "hard-reset":
		return power.Reset(), nil
	case "fastboot-reboot":
		return boot.FastbootReboot(""), nil
	case "fastboot-reboot-bootloader":
		return boot.FastbootReboot("bootloader"), nil
	case "fastboot-reboot-fastboot":
		return boot.FastbootReboot("fastboot"), nil
	}
	return nil, pipeline.Blamef(pipeline.Job, "reboot: '%s' is none of hard-reset, fastboot-reboot, fastboot-reboot-bootloader, fastboot-reboot-fastboot", how.Text())
}

// flash returns fastboot-flash-action for one partition; fresh says that the board starts just
// before it.
func flash(partition string, fresh bool) pipeline.Action {
	return pipeline.Basic{Title: "fastboot-flash-action", About: "write one partition", Late: pipeline.Infrastructure,
		Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			file, ok := pipeline.Get(s, pipeline.Artefact(partition))
			if !ok {
				return pipeline.Blamef(pipeline.Job, "no file was downloaded for '%s'", partition)
			}
			sequence := s.Device.Get("actions", "boot", "methods", "fastboot").Texts()
			if partition == "boot" && slices.Contains(sequence, "no-flash-boot") {
				s.Log.Debug("'%s' is not written: the device boots it over USB", partition)
				return nil
			}
			if fresh {
				if err := promptAfterReboot(ctx, s); err != nil {
					return err
				}
			}
			s.Log.Info("Handling %s", partition)
			if _, err := boot.Fastboot(ctx, s, []string{file}, "flash", partition, file); err != nil {
				return err
			}
			s.Result("label", partition)
			return nil
		}}
}

// promptAfterReboot waits for what the loader prints when it is up again.
func promptAfterReboot(ctx context.Context, s *pipeline.Session) error {
	prompt := s.Device.Get("actions", "deploy", "methods", "fastboot", "parameters", "interrupt_prompt").Text()
	if again, _ := pipeline.Get(s, rebooted); !again || prompt == "" || s.Console() == nil {
		return nil
	}
	c := s.Console()
	s.SetPrompts(c, []string{prompt})
	_, err := s.Wait(ctx, c)
	return err
}
