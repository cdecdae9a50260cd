package boot

import (
	"context"
	"errors"
	"path/filepath"

	"strata/dispatcher/pipeline"
)

// uboot boots a device with commands typed at U-Boot.
func uboot(block pipeline.Data) pipeline.Action {
	l := of(block)
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "uboot-action", About: "boot with U-Boot",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			return addAll(step, []pipeline.Action{
				&fromMedia{name: "uboot-from-media", loader: l, kernelType: true},
				&loaderOverlay{loader: l}, connect{},
				pipeline.Basic{
					Title: "uboot-commands", About: "stop U-Boot, type the commands and log in",
					Fill: func(step *pipeline.Step, s *pipeline.Session) error {
						return addAll(step, append(ubootCommands(step, s, l), tail(step, s)...))
					},
				},
			})
		},
	}}
}

// ubootCommands returns what happens between the reset and the kernel.
func ubootCommands(step *pipeline.Step, s *pipeline.Session, l loader) []pipeline.Action {
	var actions []pipeline.Action
	if step.Block.Get("reset").Bool(true) {
		actions = append(actions, reset())
	}
	actions = append(actions, &interrupt{loader: l})
	parameters := l.parameters(s)
	switch {
	case parameters.Get("uboot_ums_flash").True():
		return append(actions, &loaderCommands{loader: l, noFinal: true},
			waitPath(func(s *pipeline.Session) string { return l.parameters(s).Get("uboot_mass_storage_device").Text() }),
			flashUMS{l}, reset())
	case parameters.Get("uboot_altbank").True():
		return append(actions, altbank{l}, &interrupt{loader: l}, &loaderCommands{loader: l})
	}
	return append(actions, &loaderCommands{loader: l})
}

// flashUMS is flash-uboot-ums: it writes the image to the disk that U-Boot shows over USB.
type flashUMS struct{ loader loader }

// Name returns the action's name.
func (flashUMS) Name() string { return "flash-uboot-ums" }

// Description says what the action does.
func (flashUMS) Description() string { return "write the image to the device's storage over USB" }

// Validate checks that the dictionary names the disk and that the tool is there.
func (a flashUMS) Validate(_ context.Context, s *pipeline.Session) error {
	if a.loader.parameters(s).Get("uboot_mass_storage_device").Text() == "" {
		return pipeline.Blamef(pipeline.Configuration, "uboot_mass_storage_device is not set for method '%s'", a.loader.method)
	}
	return tool("bmaptool")
}

// Run writes the image. A block map lets it skip what is empty.
func (a flashUMS) Run(ctx context.Context, s *pipeline.Session) error {
	image, ok := pipeline.Get(s, pipeline.Artefact("image"))
	if !ok {
		return pipeline.Blame(pipeline.Job, errors.New("there is no image to flash: deploy one with 'to: u-boot-ums'"))
	}
	bmap := image + ".bmap"
	if err := s.Command(ctx, "bmaptool", "create", "--output", bmap, image); err != nil {
		return err
	}
	disk := a.loader.parameters(s).Get("uboot_mass_storage_device").Text()
	if real, err := filepath.EvalSymlinks(disk); err == nil {
		disk = real
	}
	if err := s.Command(ctx, "bmaptool", "copy", "--bmap", bmap, image, disk); err != nil {
		return err
	}
	c, err := console(s)
	if err != nil {
		return err
	}
	return closedIsLab(c.SendControl(ctx, 'c')) // ends U-Boot's ums command
}
