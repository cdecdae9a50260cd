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
//
// All images are prepared before the board is touched, so that it need not wait in its loader for
// downloads. The board is waited for before each image, because a restart between two of them,
// which the new partition table or loader may need, takes it off the bus.
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
	// One flag for all images, as in LAVA: the loader's prompt is waited for where the last of them
	// reboots. It comes once a start, so only the first flash after one waits, and nothing else may read
	// the console before.
	waits := fastbootPrompt(s) != "" && len(order) > 0 && images.Get(order[len(order)-1]).Has("reboot")
	if err := step.Add(feedback.Read(!waits, false)); err != nil {
		return err
	}
	fresh := s.Device.Get("commands", "hard_reset").True() // it has just been started
	for _, name := range order {
		if err := add(step, boot.WaitFastboot(), flash(name, waits && fresh)); err != nil {
			return err
		}
		reboot, err := rebootAfter(images.Get(name, "reboot"))
		if err != nil {
			return err
		}
		if fresh = reboot != nil; !fresh {
			continue
		}
		if err := add(step, reboot, feedback.Read(!waits, false)); err != nil {
			return err
		}
	}
	return nil
}

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

// flash returns fastboot-flash-action for one partition, which may wait for the loader's prompt first.
func flash(partition string, waits bool) pipeline.Action {
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
			if waits {
				if err := awaitPrompt(ctx, s); err != nil {
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

// fastbootPrompt is what the loader prints when it is up, "" where the dictionary does not say.
func fastbootPrompt(s *pipeline.Session) string {
	return s.Device.Get("actions", "deploy", "methods", "fastboot", "interrupt_prompt").Text()
}

// awaitPrompt waits for it.
func awaitPrompt(ctx context.Context, s *pipeline.Session) error {
	c := s.Console()
	if c == nil {
		return nil
	}
	s.SetPrompts(c, []string{fastbootPrompt(s)})
	_, err := s.Wait(ctx, c)
	return err
}
