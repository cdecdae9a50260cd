package boot

import (
	"context"
	"fmt"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// uefiMenu boots a device by way of the menus of its UEFI firmware.
func uefiMenu(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "uefi-menu-action", About: "boot by way of the firmware's menus",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			actions := []pipeline.Action{&menuCommands{}}
			// A device in fastboot mode is connected and has just started.
			if !strings.Contains(step.Block.Get("commands").Text(), "fastboot") {
				actions = append(actions, menuConnect{}, reset())
			}
			return addAll(step, append(actions, menuInterrupt{"uefi-menu-interrupt", "uefi-menu"}, &menuSelector{},
				menuReset{}, autoLogin(true), exportEnv{}))
		},
	}}
}

// acceptsUEFIMenu wants the parameters of the menu too.
func acceptsUEFIMenu(device, block pipeline.Data) (string, error) {
	return when("uefi-menu", methodHas("uefi-menu", "interrupt_prompt", "interrupt_string"))(device, block)
}

// chosenSteps is the way through the menus, filled in.
const chosenSteps pipeline.Key[[]menuStep] = "uefi-menu/steps"

// menuSet reads a set of menu entries of the device's method uefi-menu.
func menuSet(s *pipeline.Session, name string) ([]menuStep, error) {
	list, ok := s.Device.Get("actions", "boot", "methods", "uefi-menu").Lookup(name)
	if !ok || name == "" || name == "parameters" {
		return nil, pipeline.Blamef(pipeline.Job, "Missing commands for '%s' in the device's boot method uefi-menu", name)
	}
	steps, err := menuSteps(list)
	if err != nil {
		return nil, pipeline.Blamef(pipeline.Configuration, "uefi-menu '%s': %w", name, err)
	}
	return steps, nil
}

// menuCommands is uefi-commands: it fills what was deployed into the entries.
type menuCommands struct{}

// Name returns the action's name.
func (*menuCommands) Name() string { return "uefi-commands" }

// Description says what the action does.
func (*menuCommands) Description() string { return "fill in what is chosen and typed in the menus" }

// Validate checks that the set is there.
func (*menuCommands) Validate(_ context.Context, s *pipeline.Session) error {
	_, err := menuSet(s, s.Block().Get("commands").Text())
	return err
}

// Run fills in.
func (*menuCommands) Run(_ context.Context, s *pipeline.Session) error {
	set := s.Block().Get("commands").Text()
	steps, err := menuSet(s, set)
	if err != nil {
		return err
	}
	table, err := (&loaderOverlay{loader: loader{"uefi-menu", "boot"}}).table(s)
	if err != nil {
		return err
	}
	table.set("{TEST_MENU_NAME}", fmt.Sprintf("LAVA %s test image", set))
	pipeline.Put(s, chosenSteps, table.fillSteps(steps))
	return nil
}

// menuSelector is uefi-menu-selector: it goes through the menus.
type menuSelector struct{}

// Name returns the action's name.
func (*menuSelector) Name() string { return "uefi-menu-selector" }

// Description says what the action does.
func (*menuSelector) Description() string { return "choose in the firmware's menus" }

// Validate checks the menu's description.
func (*menuSelector) Validate(_ context.Context, s *pipeline.Session) error {
	_, err := menuOf(menuParameters(s))
	return err
}

func menuParameters(s *pipeline.Session) pipeline.Data {
	return s.Device.Get("actions", "boot", "methods", "uefi-menu", "parameters")
}

// Run goes through the menus, after a relay or so was switched.
func (*menuSelector) Run(ctx context.Context, s *pipeline.Session) error {
	if err := power.Run(ctx, s, s.Device.Get("commands", "pre_os_command"), "Unable to run pre-os: '%s' failed"); err != nil {
		return err
	}
	c, err := console(s)
	if err != nil {
		return err
	}
	p := menuParameters(s)
	m, err := menuOf(p)
	if err != nil {
		return err
	}
	steps, _ := pipeline.Get(s, chosenSteps)
	return walker{menu: m, prompt: p.Get("bootloader_prompt").Text(), steps: steps, boot: p.Get("boot_message").Text(),
		end: menuEnd(s, "uefi-menu")}.walk(ctx, s, c)
}

// grubMenu is grub-efi-menu-selector: it has the firmware start GRUB.
type grubMenu struct{}

// Name returns the action's name.
func (*grubMenu) Name() string { return "grub-efi-menu-selector" }

// Description says what the action does.
func (*grubMenu) Description() string { return "choose GRUB in the firmware's menus" }

// steps returns the entries that lead to GRUB.
func (*grubMenu) steps(s *pipeline.Session) ([]menuStep, error) {
	name, ok := s.Device.Get("actions", "boot", "methods", "grub-efi").Lookup("menu_options")
	if !ok {
		return nil, pipeline.Blamef(pipeline.Job, "Missing menu_options in the device's boot method grub-efi")
	}
	return menuSet(s, name.Text())
}

// Validate checks that there is a way, and the menu's description.
func (a *grubMenu) Validate(_ context.Context, s *pipeline.Session) error {
	if _, err := a.steps(s); err != nil {
		return err
	}
	_, err := menuOf(menuParameters(s))
	return err
}

// Run goes the way.
func (a *grubMenu) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	steps, err := a.steps(s)
	if err != nil {
		return err
	}
	m, err := menuOf(menuParameters(s))
	if err != nil {
		return err
	}
	return walker{menu: m, prompt: menuParameters(s).Get("bootloader_prompt").Text(), steps: steps, end: menuEnd(s, "uefi-menu")}.walk(ctx, s, c)
}
