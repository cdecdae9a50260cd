package boot

import (
	"context"

	"strata/dispatcher/pipeline"
)

// uefiShell boots a device with commands typed at the shell of its UEFI firmware.
func uefiShell(block pipeline.Data) pipeline.Action {
	l := of(block)
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "uefi-shell-main-action", About: "boot with the UEFI shell",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			actions := []pipeline.Action{&loaderOverlay{loader: l}, menuConnect{}, reset()}
			if l.parameters(s).Get("shell_menu").True() {
				actions = append(actions, menuInterrupt{"uefi-shell-menu-interrupt", "uefi"}, shellMenu{})
			}
			actions = append(actions, shellInterrupt{}, &loaderCommands{loader: l})
			return addAll(step, append(actions, tail(step, s)...))
		},
	}}
}

func uefiParameters(s *pipeline.Session) pipeline.Data {
	return s.Device.Get("actions", "boot", "methods", "uefi", "parameters")
}

// shellMenu is uefi-shell-menu-selector: it chooses the shell in the firmware's menus.
type shellMenu struct{}

// Name returns the action's name.
func (shellMenu) Name() string { return "uefi-shell-menu-selector" }

// Description says what the action does.
func (shellMenu) Description() string { return "choose the shell in the firmware's menus" }

// walker returns the way to the shell.
func (shellMenu) walker(s *pipeline.Session) (walker, error) {
	p := uefiParameters(s)
	name := p.Get("shell_menu").Text()
	list, ok := s.Device.Get("actions", "boot", "methods", "uefi").Lookup(name)
	if !ok {
		return walker{}, pipeline.Blamef(pipeline.Configuration, "the device's boot method uefi has no menu '%s' (shell_menu)", name)
	}
	steps, err := menuSteps(list)
	if err != nil {
		return walker{}, pipeline.Blamef(pipeline.Configuration, "uefi '%s': %w", name, err)
	}
	m, err := menuOf(p)
	return walker{menu: m, prompt: p.Get("menu_prompt").Text(), steps: steps, boot: p.Get("menu_boot_message").Text(),
		end: menuEnd(s, "uefi")}, err
}

// Validate checks that there is a way.
func (a shellMenu) Validate(_ context.Context, s *pipeline.Session) error {
	_, err := a.walker(s)
	return err
}

// Run goes it.
func (a shellMenu) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	w, err := a.walker(s)
	if err != nil {
		return err
	}
	return w.walk(ctx, s, c)
}

// shellInterrupt is uefi-shell-interrupt: it keeps the shell from running its startup script.
type shellInterrupt struct{}

// Name returns the action's name.
func (shellInterrupt) Name() string { return "uefi-shell-interrupt" }

// Description says what the action does.
func (shellInterrupt) Description() string { return "stop the UEFI shell's startup script" }

// Run waits for the countdown and types.
func (shellInterrupt) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	p := uefiParameters(s)
	pipeline.Put(s, atPrompt, false)
	s.SetPrompts(c, []string{p.Get("shell_interrupt_prompt").Text()})
	if _, err := s.Wait(ctx, c); err != nil {
		return err
	}
	// A key is enough here; a line's end would be an empty command.
	return closedIsLab(c.Send(ctx, first(p.Get("shell_interrupt_string").Text(), " "), 0))
}
