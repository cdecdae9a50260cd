package boot

import (
	"context"
	"strings"

	"strata/dispatcher/container"
	"strata/dispatcher/pipeline"
)

// EnterFastboot returns enter-fastboot-action: it brings a device that runs Android, or is in
// fastboot mode already, to fastboot mode over USB.
func EnterFastboot() pipeline.Action {
	return pipeline.Basic{Title: "enter-fastboot-action", About: "restart the device into fastboot mode",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Check: func(_ context.Context, s *pipeline.Session) error {
			for _, key := range []string{"adb_serial_number", "fastboot_serial_number"} {
				if serial := s.Device.Get(key).Text(); serial == "" || serial == unsetSerial {
					s.Invalid("device %s unset", strings.ReplaceAll(key, "_", " "))
				}
			}
			if s.Block().Has("docker") {
				return nil
			}
			if err := tool("adb"); err != nil {
				return err
			}
			return tool("fastboot")
		},
		Do: enterFastboot,
	}
}

func enterFastboot(ctx context.Context, s *pipeline.Session) error {
	serial := s.Device.Get("adb_serial_number").Text()
	adb := func(args ...string) (string, error) {
		return container.Tool{Argv: append([]string{"adb"}, args...)}.Try(ctx, s)
	}
	if _, err := adb("start-server"); err != nil {
		return offWhenLate(ctx, s, err)
	}
	out, err := adb("devices")
	if err != nil {
		return offWhenLate(ctx, s, err)
	}
	if strings.Contains(out, serial) {
		s.Log.Debug("Device is in adb: restarting it into its boot loader")
		_, err := container.Tool{Argv: []string{"adb", "-s", serial, "reboot-bootloader"}, Serial: serial}.Run(ctx, s)
		return offWhenLate(ctx, s, err)
	}
	out, err = Fastboot(ctx, s, nil, "reboot-bootloader")
	if err == nil {
		finished(s, out)
	}
	return err
}

// UBootEnterFastboot returns uboot-enter-fastboot: U-Boot is stopped and told to offer fastboot.
func UBootEnterFastboot() pipeline.Action {
	l := loader{method: "u-boot", section: "deploy"}
	return ubootFastboot{Retry: pipeline.Retry{Basic: group("uboot-enter-fastboot", "have U-Boot offer fastboot",
		func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
			return []pipeline.Action{reset(), &interrupt{loader: l}}
		})}, loader: l}
}

type ubootFastboot struct {
	pipeline.Retry
	loader loader
}

// TimeoutClass blames the job, as its commands are the dictionary's but its time the job's.
func (ubootFastboot) TimeoutClass() pipeline.Class { return pipeline.Job }

// commands returns the lines to type, which stand with the deploy method.
func (a ubootFastboot) commands(s *pipeline.Session) []string {
	return a.loader.parameters(s).Get("fastboot", "commands").Texts()
}

// Validate checks that there are any.
func (a ubootFastboot) Validate(_ context.Context, s *pipeline.Session) error {
	if len(a.commands(s)) == 0 {
		s.Invalid("uboot command missing: the device's deploy method u-boot has no parameters.fastboot.commands")
	}
	return nil
}

// Run stops U-Boot and types. The last line starts fastboot and never comes back to the prompt.
func (a ubootFastboot) Run(ctx context.Context, s *pipeline.Session) error {
	if err := s.RunChildren(ctx); err != nil {
		return err
	}
	c, err := console(s)
	if err != nil {
		return err
	}
	s.SetPrompts(c, []string{a.loader.parameters(s).Get("bootloader_prompt").Text()})
	at, _ := pipeline.Get(s, atPrompt)
	for _, line := range a.commands(s) {
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
}
