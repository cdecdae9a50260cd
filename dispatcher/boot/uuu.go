package boot

import (
	"regexp"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// acceptsUUU wants U-Boot, with which the device is made to offer its download mode, and options.
func acceptsUUU(device, block pipeline.Data) (string, error) {
	methods := device.Get("actions", "boot", "methods")
	switch {
	case block.Get("method").Text() != "uuu":
		return "'method' was not 'uuu'", nil
	case !block.Has("commands"):
		return "", pipeline.Blamef(pipeline.Configuration, "commands not specified in boot parameters of method 'uuu'")
	case !methods.Has("u-boot"):
		return "'u-boot' not in the device configuration boot methods", nil
	case !methods.Get("uuu").Has("options"):
		return "", pipeline.Blamef(pipeline.Configuration, "'uuu.options' not specified in the device configuration boot methods")
	}
	return "", nil
}

// uuuCommand is one entry of the block's commands: a protocol, such as "uuu" or "bcu", and a text.
type uuuCommand struct{ protocol, text string }

func uuuCommands(block pipeline.Data) []uuuCommand {
	var out []uuuCommand
	for _, item := range block.Get("commands").Items() {
		for _, p := range item.Pairs() {
			out = append(out, uuuCommand{p.Key, p.Value.Text()})
		}
	}
	return out
}

// uuuOptions are those of the device.
func uuuOptions(s *pipeline.Session) pipeline.Data {
	return s.Device.Get("actions", "boot", "methods", "uuu", "options")
}

// interruptLimit is how long a boot loader may take to show that it is alive: a board without one
// would otherwise use up the whole timeout.
const interruptLimit = 15

// uuu writes images to an i.MX device with NXP's uuu, over USB in its serial download mode.
//
// A device falls into that mode when its boot media hold nothing bootable. Where the lab has no relay
// on the boot switches, U-Boot is stopped on the console and erases the media itself, and the reset
// after that ends in the mode. bcu, the board control utility, sets the switches where the board can.
func uuu(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "uuu-boot-retry", About: "write images with uuu", Fill: fillUUU,
	}}
}

func fillUUU(step *pipeline.Step, s *pipeline.Session) error {
	if err := checkBCU(step, s); err != nil {
		return err
	}
	if step.Block.Get("skip_uuu_if_bootloader_valid").True() {
		check := checkLoader()
		limit := pipeline.Of([]pipeline.Pair{{Key: "bootloader-interrupt",
			Value: pipeline.Of([]pipeline.Pair{{Key: "seconds", Value: pipeline.Of(interruptLimit)}})}})
		block := ubootBlock(step.Block)
		for _, p := range block.Get("timeouts").Pairs() {
			if p.Key != "bootloader-interrupt" {
				limit = limit.With(p.Key, p.Value)
			}
		}
		if err := step.AddWith(check, block.With("timeouts", limit)); err != nil {
			return err
		}
	}
	return step.Add(&uuuAction{})
}

// ubootBlock returns the block as the shared actions for boot loaders want it.
func ubootBlock(block pipeline.Data) pipeline.Data {
	return block.With("method", pipeline.Of("bootloader")).With("bootloader", pipeline.Of("u-boot")).
		With("commands", pipeline.Of([]pipeline.Data{}))
}

var (
	otgPath = regexp.MustCompile(`^\d+:\d+$`)
	bcuID   = regexp.MustCompile(`^\d+-(\d+|\.)+$`)
)

// checkBCU refuses a block with bcu commands for a device that does not say which board it is.
func checkBCU(step *pipeline.Step, s *pipeline.Session) error {
	uses := false
	for _, c := range uuuCommands(step.Block) {
		uses = uses || c.protocol == "bcu"
	}
	options := uuuOptions(s)
	for _, path := range options.Get("usb_otg_path").Texts() {
		if path != "" && !otgPath.MatchString(path) {
			return pipeline.Blamef(pipeline.Job, "uuu_usb_otg_path '%s' does not respect the format NUMBER:NUMBER", path)
		}
	}
	if !uses {
		return nil
	}
	if options.Get("bcu_board_name").Text() == "" {
		return pipeline.Blamef(pipeline.Job, "'bcu_board_name' is not defined in the device")
	}
	if id := options.Get("bcu_board_id").Text(); !options.Get("bcu_board_id_command").True() && !bcuID.MatchString(id) {
		return pipeline.Blamef(pipeline.Job, "bcu_board_id '%s' do not respect bcu format or 'bcu_board_id_command' not defined in device", id)
	}
	return nil
}

// uuuAction is the action uuu.
type uuuAction struct{}

// Name returns the action's name.
func (*uuuAction) Name() string { return "uuu" }

// Description says what the action does.
func (*uuuAction) Description() string {
	return "bring the device to its download mode and write the images"
}

// Populate adds the children. A block that resets the device's USB first, or that only sets
// switches, needs no download mode.
func (*uuuAction) Populate(step *pipeline.Step, s *pipeline.Session) error {
	commands := uuuCommands(step.Block)
	direct := len(commands) > 0 && commands[0].protocol == "bcu" && strings.HasPrefix(commands[0].text, "reset usb")
	only := true
	for _, c := range commands {
		only = only && c.protocol == "bcu"
	}
	if err := addAll(step, []pipeline.Action{disconnect{}, reset()}); err != nil {
		return err
	}
	if !direct && !only {
		if err := step.Add(checkDownloadMode()); err != nil {
			return err
		}
		if err := step.AddWith(corruptMedia(), ubootBlock(step.Block)); err != nil {
			return err
		}
		if err := step.Add(reset()); err != nil {
			return err
		}
	}
	return addAll(step, []pipeline.Action{connect{}, uuuBoot(), disconnect{}})
}

// corruptMedia is boot-corrupt-boot-media: a device whose boot media holds nothing bootable falls
// back to its download mode.
func corruptMedia() pipeline.Action {
	l := loader{"u-boot", "boot"}
	return uuuUnless{Basic: group("boot-corrupt-boot-media", "erase the boot media, so that the device falls back to its download mode",
		func(_ *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			var actions []pipeline.Action
			if uuuOptions(s).Get("power_off_before_corrupt_boot_media").True() {
				actions = append(actions, power.Off())
			}
			erase := &loaderOverlay{loader: l, literal: func(s *pipeline.Session) []string {
				return uuuOptions(s).Get("corrupt_boot_media_command").Texts()
			}}
			prompt := func(s *pipeline.Session) string { return l.parameters(s).Get("bootloader_prompt").Text() }
			return append(actions, connect{}, erase, toLoader(l, prompt), disconnect{})
		}), skip: otgAvailable, why: "the device is in its download mode already"}
}
