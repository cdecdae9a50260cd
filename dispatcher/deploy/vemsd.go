package deploy

import (
	"context"

	"strata/dispatcher/boot"
	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// vemsd restores the firmware of a Versatile Express board: its controller shows its disk over USB.
//
// The controller is a small computer of its own that starts before the board and can be stopped on the
// same serial line. Everything on the disk is replaced, since files of another firmware version beside
// the new ones have the controller load a mixture. Boards that keep part of their firmware in flash
// have that erased as well.
func vemsd(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{Title: "vexpress-fw-deploy-retry", About: "restore a board's firmware, again if it fails",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			return step.Add(pipeline.Basic{Title: "vexpress-fw-deploy", About: "restore a board's firmware", Late: pipeline.Infrastructure,
				Broken: pipeline.Infrastructure, Fill: fillVExpress, Check: validateVExpress})
		}}}
}

func vexpress(s *pipeline.Session, key string) string {
	return s.Device.Get("actions", "deploy", "methods", "vemsd", "parameters", key).Text()
}

func fillVExpress(step *pipeline.Step, s *pipeline.Session) error {
	where, err := place(step, s)
	if err != nil {
		return err
	}
	err = add(step, where.get(recoveryKey, step.Block.Get(recoveryKey)), boot.Connect(), boot.Reset(), extractRecovery(),
		mccTask("enter-vexpress-mcc", "stop the board at its controller's prompt", enterMCC),
		mccTask("enable-vexpress-usbmsd", "let the board show its disk", func(ctx context.Context, s *pipeline.Session, c *connection.Connection) error {
			return s.Dialogue(ctx, c, vexpress(s, "msd_mount_cmd"), vexpress(s, "mcc_prompt"))
		}),
		usb.WaitMassStorage(), mountTask("mount-vexpress-usbmsd", labelled), deployRecovery(), unmountTask("unmount-vexpress-usbmsd"))
	if err != nil || vexpress(s, "flash_prompt") == "" {
		return err
	}
	return step.Add(mccTask("erase-vexpress-flash", "erase the board's flash", eraseFlash))
}

func validateVExpress(_ context.Context, s *pipeline.Session) error {
	for _, key := range []string{"mcc_prompt", "autorun_prompt", "mcc_reset_msg", "msd_mount_cmd"} {
		if vexpress(s, key) == "" {
			s.Invalid("Missing '%s' in the parameters of the device's method vemsd", key)
		}
	}
	switch kind := s.Block().Get(recoveryKey, "compression").Text(); kind {
	case "zip", "gz", "":
	default:
		s.Invalid("recovery_image: compression '%s' is not zip or gz", kind)
	}
	return nil
}

// mccTask is a step at the console of the board's controller.
func mccTask(name, about string, do func(ctx context.Context, s *pipeline.Session, c *connection.Connection) error) pipeline.Action {
	return pipeline.Basic{Title: name, About: about, Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			c := s.Console()
			if c == nil {
				return pipeline.Blamef(pipeline.Infrastructure, "there is no connection to the board's controller")
			}
			return do(ctx, s, c)
		}}
}

// enterMCC stops the controller's countdown.
func enterMCC(ctx context.Context, s *pipeline.Session, c *connection.Connection) error {
	autorun, prompt := vexpress(s, "autorun_prompt"), vexpress(s, "mcc_prompt")
	s.SetPrompts(c, []string{autorun, prompt})
	m, err := s.Wait(ctx, c)
	if err != nil {
		return err
	}
	// A board without an autorun countdown is at the prompt at once.
	if m.Index == 0 {
		char := s.Device.Get("actions", "deploy", "methods", "vemsd", "parameters", "interrupt_char").TextOr(" ")
		if err := s.SendLine(ctx, c, char); err != nil {
			return err
		}
		s.SetPrompts(c, []string{prompt})
		_, err = s.Wait(ctx, c)
	}
	return err
}

// eraseFlash erases what the firmware keeps in flash, which may be of another version.
func eraseFlash(ctx context.Context, s *pipeline.Session, c *connection.Connection) error {
	for _, say := range [][2]string{
		{vexpress(s, "flash_enter_cmd"), vexpress(s, "flash_prompt")},
		{vexpress(s, "flash_erase_cmd"), vexpress(s, "flash_erase_msg")},
	} {
		if err := s.Dialogue(ctx, c, say[0], say[1]); err != nil {
			return err
		}
	}
	if _, err := s.Expect(ctx, c, []string{vexpress(s, "flash_prompt")}); err != nil {
		return err
	}
	return s.Dialogue(ctx, c, vexpress(s, "flash_exit_cmd"), vexpress(s, "mcc_prompt"))
}
