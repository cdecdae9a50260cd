package boot

import (
	"context"
	"fmt"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// dfu writes images to a device in its firmware update mode (USB DFU class), which U-Boot or the
// board itself offers.
//
// Each image is one call of dfu-util, which names the part of the device that it goes to (--alt).
// The last call resets the device, so that it starts what was written, unless the dictionary says
// that a reset over USB does not work there.
func dfu(pipeline.Data) pipeline.Action {
	return retried("boot-dfu-retry", "write images over USB with dfu-util",
		func(_ *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			actions := []pipeline.Action{connect{}, reset()}
			if dfuImplementation(s) == "u-boot" {
				actions = append(actions, &interrupt{loader: loader{"u-boot", "boot"}}, enterDFU())
			}
			return append(actions, usb.WaitDFU(), flashDFU())
		})
}

func dfuImplementation(s *pipeline.Session) string {
	return s.Device.Get("actions", "boot", "methods", "dfu", "implementation").Text()
}

// enterDFU is enter-dfu: it has U-Boot offer its storage.
func enterDFU() pipeline.Action {
	return pipeline.Basic{Title: "enter-dfu", About: "have U-Boot offer its storage for firmware updates",
		Check: func(_ context.Context, s *pipeline.Session) error {
			if len(parametersOf(s, "dfu").Get("enter-commands").Texts()) == 0 {
				s.Invalid("\"enter-commands\" is not defined")
			}
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			c, err := console(s)
			if err != nil {
				return err
			}
			s.SetPrompts(c, []string{parametersOf(s, "u-boot").Get("bootloader_prompt").Text()})
			at, _ := pipeline.Get(s, atPrompt)
			for _, line := range parametersOf(s, "dfu").Get("enter-commands").Texts() {
				if !at {
					if _, err := s.Wait(ctx, c); err != nil {
						return err
					}
				}
				at = false
				if err := s.SendLine(ctx, c, line); err != nil {
					return err
				}
			}
			pipeline.Put(s, atPrompt, false)
			return nil
		}}
}

// dfuDone is what dfu-util says when the device took the image.
const dfuDone = "No error condition is present\nDone!\n"

// flashDFU is flash-dfu.
func flashDFU() pipeline.Action {
	return pipeline.Basic{Title: "flash-dfu", About: "write the images with dfu-util",
		Check: func(_ context.Context, s *pipeline.Session) error {
			needsBoardID(s)
			for _, key := range []string{"usb_vendor_id", "usb_product_id"} {
				if text := s.Device.Get(key).Text(); text == "" || text == "0000" {
					s.Invalid("[FLASH-DFU] %s unset", key)
				}
			}
			command := parametersOf(s, "dfu").Get("command").Text()
			if command == "" {
				s.Invalid("[FLASH-DFU] the device's boot method dfu has no parameters.command")
				return nil
			}
			return tool(command)
		},
		Do: runDFU,
	}
}

func runDFU(ctx context.Context, s *pipeline.Session) error {
	parameters := parametersOf(s, "dfu")
	argv, err := words(parameters.Get("options"))
	if err != nil {
		return err
	}
	argv = append([]string{parameters.Get("command").Text()}, argv...)
	argv = append(argv, "--serial", s.Device.Get("board_id").Text(),
		"--device", fmt.Sprintf("%s:%s", s.Device.Get("usb_vendor_id").Text(), s.Device.Get("usb_product_id").Text()))
	var images []pipeline.Image
	for _, image := range downloads(s) {
		if image.Arg != "" {
			images = append(images, image)
		}
	}
	if len(images) == 0 {
		return pipeline.Blamef(pipeline.Job, "No DFU command to execute: no image has an image_arg")
	}
	entry := s.Device.Get("actions", "boot", "methods", "dfu")
	for i, image := range images {
		args, err := pipeline.Words(named(image.Arg, images, false))
		if err != nil {
			return pipeline.Blamef(pipeline.Job, "image_arg of '%s': %w", image.Label, err)
		}
		command := append(append([]string(nil), argv...), args...)
		if i == len(images)-1 && entry.Get("reset_works").Bool(true) {
			command = append(command, "--reset")
		}
		out, err := s.CommandOutput(ctx, false, command...)
		if err != nil {
			return err
		}
		if !strings.Contains(strings.ReplaceAll(out, "\r\n", "\n"), dfuDone) {
			return pipeline.Blamef(pipeline.Job, "flashing '%s' failed: dfu-util did not say that it is done", image.Label)
		}
		if err := dfuTaken(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// dfuTaken waits until a boot loader says that it has the image; hardware says nothing.
func dfuTaken(ctx context.Context, s *pipeline.Session) error {
	implementation := dfuImplementation(s)
	if implementation == "hardware" || implementation == "" {
		return nil
	}
	c, err := console(s)
	if err != nil {
		return err
	}
	message, err := s.DeviceConstant("dfu-download", implementation)
	if err != nil {
		return err
	}
	s.SetPrompts(c, []string{message.Text()})
	_, err = s.Wait(ctx, c)
	return err
}
