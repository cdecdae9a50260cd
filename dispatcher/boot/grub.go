package boot

import (
	"context"
	"fmt"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
)

// grubbed says whether a block boots with GRUB on a device that has it, and whether the device
// only runs a sequence of steps.
func grubbed(device, block pipeline.Data) (sequence bool, refusal string) {
	method := block.Get("method").Text()
	if method != "grub" && method != "grub-efi" {
		return false, "'method' was not 'grub' or 'grub-efi'"
	}
	methods := device.Get("actions", "boot", "methods")
	if methods.Get("grub").Has("sequence") && !methods.Has("grub-efi") {
		return true, ""
	}
	if !methods.Has("grub") && !methods.Has("grub-efi") {
		return false, "'grub' or 'grub-efi' was not in the device configuration boot methods"
	}
	return false, ""
}

func acceptsGrub(device, block pipeline.Data) (string, error) {
	sequence, refusal := grubbed(device, block)
	if sequence {
		return "the device's grub has a 'sequence'", nil
	}
	return refusal, nil
}

func acceptsGrubSequence(device, block pipeline.Data) (string, error) {
	sequence, refusal := grubbed(device, block)
	if !sequence && refusal == "" {
		return "the device's grub has no 'sequence'", nil
	}
	return refusal, nil
}

// grub boots a device with commands typed at GRUB.
func grub(block pipeline.Data) pipeline.Action {
	l := of(block)
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "grub-main-action", About: "boot with GRUB",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			efi := l.method == "grub-efi"
			actions := []pipeline.Action{
				&fromMedia{name: "bootloader-from-media", loader: l}, &loaderOverlay{loader: l}, connect{},
			}
			if step.Block.Get("reset").Bool(true) && (!efi || l.entry(s).Get("reset_device").Bool(true)) {
				actions = append(actions, reset())
			}
			if efi {
				actions = append(actions, menuInterrupt{method: "grub-efi", name: "uefi-menu-interrupt"}, &grubMenu{})
			}
			actions = append(actions, &interrupt{loader: l}, &loaderCommands{loader: l})
			return addAll(step, append(actions, afterInstaller(step, s)...))
		},
	}}
}

// afterInstaller returns the tail, or what follows an installer that switches the device off.
func afterInstaller(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
	if !step.Block.Has("prompts") && step.Block.Has("boot_finished") {
		return []pipeline.Action{installerWait{}, power.Off()}
	}
	return tail(step, s)
}

// grubSequence runs the steps that the device's dictionary lists.
func grubSequence(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: "grub-sequence-action", About: "boot in the steps of the device's GRUB",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			var actions []pipeline.Action
			for _, name := range s.Device.Get("actions", "boot", "methods", "grub", "sequence").Texts() {
				switch name {
				case "wait-fastboot-interrupt":
					actions = append(actions, &waitFastboot{})
				case "auto-login":
					actions = append(actions, autoLogin(true))
				case "shell-session":
					actions = append(actions, expectShell{})
				case "export-env":
					actions = append(actions, exportEnv{})
				default:
					return pipeline.Blamef(pipeline.Configuration, "grub sequence: '%s' is not known; "+
						"wait-fastboot-interrupt, auto-login, shell-session and export-env are", name)
				}
			}
			return addAll(step, append(actions, afterInstaller(step, s)...))
		},
	}}
}

// waitFastboot is wait-fastboot-interrupt: it keeps a device out of fastboot mode.
type waitFastboot struct{}

// Name returns the action's name.
func (*waitFastboot) Name() string { return "wait-fastboot-interrupt" }

// Description says what the action does.
func (*waitFastboot) Description() string { return "interrupt fastboot mode on the device's console" }

// parameters returns the texts, which stand with the device's deploy method fastboot.
func (*waitFastboot) parameters(s *pipeline.Session) pipeline.Data {
	return s.Device.Get("actions", "deploy", "methods", "fastboot")
}

// Validate checks that the dictionary has the texts.
func (a *waitFastboot) Validate(_ context.Context, s *pipeline.Session) error {
	for _, key := range []string{"interrupt_prompt", "interrupt_string"} {
		if !a.parameters(s).Has(key) {
			s.Invalid("Missing %s in the device's deploy method fastboot", key)
		}
	}
	return nil
}

// Run waits and types.
func (a *waitFastboot) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := a.connection(ctx, s)
	if err != nil {
		return err
	}
	p := a.parameters(s)
	s.SetPrompts(c, []string{p.Get("interrupt_prompt").Text()})
	if _, err := s.Wait(ctx, c); err != nil {
		return err
	}
	return closedIsLab(c.SendLine(ctx, p.Get("interrupt_string").Text(), 0))
}

// connection returns the console, connecting if no earlier block did.
func (*waitFastboot) connection(ctx context.Context, s *pipeline.Session) (*connection.Connection, error) {
	if s.Console() == nil {
		if err := (connect{}).Run(ctx, s); err != nil {
			return nil, fmt.Errorf("%w", err)
		}
	}
	return console(s)
}

// installerWait is installer-wait: it waits until an installer has done its work.
type installerWait struct{}

// Name returns the action's name.
func (installerWait) Name() string { return "installer-wait" }

// Description says what the action does.
func (installerWait) Description() string { return "wait for the end of an installation" }

// Run waits for what the block says the installer prints at its end.
func (installerWait) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	s.SetPrompts(c, s.Block().Get("boot_finished").Texts())
	_, err = s.Wait(ctx, c)
	return err
}
