package boot

import (
	"context"
	"errors"
	"strings"
	"time"

	"strata/dispatcher/container"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
	"strata/dispatcher/usb"
)

// What detect-fastboot-device leaves, and that it is in the plan already.
const (
	detectedSerial pipeline.Key[string] = "detect-fastboot-device/serial"
	detectPlanned  pipeline.Key[bool]   = "detect-fastboot-device/detect-fastboot-device/added"
)

// unsetSerial is the serial number that templates fill in where there is none.
const unsetSerial = "0000000000"

// FastbootSerial returns the device's serial number in fastboot mode, the detected one if any.
func FastbootSerial(s *pipeline.Session) string {
	return Device(s).Get("fastboot_serial_number").Text()
}

// Device returns the device dictionary with the serial number that was found out, where one was: in
// fastboot mode, in adb and for the containers of tests it is the same board.
func Device(s *pipeline.Session) pipeline.Data {
	serial, ok := pipeline.Get(s, detectedSerial)
	if !ok {
		return s.Device
	}
	id := pipeline.Of(serial)
	board := pipeline.Of([]pipeline.Pair{{Key: "board_id", Value: id}})
	return s.Device.With("fastboot_serial_number", id).With("adb_serial_number", id).With("board_id", id).
		With("device_info", pipeline.Of([]pipeline.Data{board}))
}

// Fastboot runs fastboot with the device's serial number before the arguments and its
// fastboot_options after them, in the block's container if it names one. files are those that the
// arguments name. When there is no time left the device is switched off: one that hangs in fastboot
// mode would spoil the next job.
func Fastboot(ctx context.Context, s *pipeline.Session, files []string, args ...string) (string, error) {
	argv := append([]string{"fastboot", "-s", FastbootSerial(s)}, args...)
	argv = append(argv, s.Device.Get("fastboot_options").Texts()...)
	out, err := container.Tool{Argv: argv, Serial: FastbootSerial(s), Files: files}.Run(ctx, s)
	return out, offWhenLate(ctx, s, err)
}

// offWhenLate switches the device off if err came of a time-out, and returns err.
func offWhenLate(ctx context.Context, s *pipeline.Session, err error) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	off, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if failed := power.Run(off, s, s.Device.Get("commands", "power_off"), "Unable to power-off: '%s' failed"); failed != nil {
		s.Log.Warning("%s", failed)
	}
	return err
}

// finished sets the result of a fastboot step: the line that says so, or that none did.
func finished(s *pipeline.Session, out string) {
	for line := range strings.Lines(out) {
		if strings.Contains(strings.ToLower(line), "finished") {
			s.Result("status", strings.TrimSpace(line))
			return
		}
	}
	s.Result("fail", s.Step.Name())
}

// fastbootStep returns an action that runs fastboot with some arguments.
func fastbootStep(name, about string, args ...string) pipeline.Action {
	return pipeline.Basic{Title: name, About: about, Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			out, err := Fastboot(ctx, s, nil, args...)
			if err == nil {
				finished(s, out)
			}
			return err
		}}
}

// FastbootReboot returns fastboot-reboot, or with mode "bootloader" or "fastboot" the action that
// restarts the device into that.
func FastbootReboot(mode string) pipeline.Action {
	if mode == "" {
		return fastbootStep("fastboot-reboot", "restart the device out of fastboot mode", "reboot")
	}
	return fastbootStep("fastboot-reboot-"+mode, "restart the device into "+mode, "reboot", mode)
}

// WaitFastboot returns wait-device-boardid for a device in fastboot mode.
func WaitFastboot() pipeline.Action {
	return pipeline.Basic{Title: "wait-device-boardid", About: "wait for the device in fastboot mode", Late: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			if infos := s.Device.Get("device_info").Items(); len(infos) > 0 && !infos[0].Get("wait_device_board_id").Bool(true) {
				s.Log.Debug("the device dictionary says not to wait for the device")
				return nil
			}
			serial := FastbootSerial(s)
			s.Log.Debug("Waiting for USB device %s", serial)
			_, err := usb.Of(s).Wait(ctx, usb.Query{"SUBSYSTEM": "usb", "ID_SERIAL_SHORT": serial})
			return offWhenLate(ctx, s, err)
		}}
}

// DetectFastboot returns detect-fastboot-device where the dictionary leaves the serial number to be
// found out and nothing in the plan of the namespace does so yet, else nil. It is for use while
// planning.
func DetectFastboot(s *pipeline.Session) pipeline.Action {
	if planned, _ := pipeline.Get(s, detectPlanned); planned || !s.Device.Get("fastboot_auto_detection").True() ||
		s.Device.Get("fastboot_serial_number").Text() != unsetSerial {
		return nil
	}
	pipeline.Put(s, detectPlanned, true)
	return pipeline.Basic{Title: "detect-fastboot-device", About: "find the serial number of the only device in fastboot mode",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure, Do: detectFastboot}
}

const (
	detectTries = 10
	detectPause = 3 * time.Second
)

// detectFastboot asks fastboot what there is until it finds one device. Two are one too many: the
// other may be another job's.
func detectFastboot(ctx context.Context, s *pipeline.Session) error {
	for range detectTries {
		if err := pipeline.Sleep(ctx, detectPause); err != nil {
			return offWhenLate(ctx, s, err)
		}
		out, err := container.Tool{Argv: []string{"fastboot", "devices"}}.Try(ctx, s)
		if err != nil {
			return offWhenLate(ctx, s, err)
		}
		var serials []string
		for line := range strings.Lines(out) {
			if fields := strings.Fields(line); len(fields) >= 2 && strings.HasPrefix(fields[1], "fastboot") {
				serials = append(serials, fields[0])
			}
		}
		switch len(serials) {
		case 0:
		case 1:
			s.Log.Info("Detected fastboot device '%s'", serials[0])
			pipeline.Put(s, detectedSerial, serials[0])
			return nil
		default:
			return pipeline.Blamef(pipeline.Infrastructure, "%d fastboot devices found (%s), but only one is allowed",
				len(serials), strings.Join(serials, ", "))
		}
	}
	return pipeline.Blamef(pipeline.NoFastboot, "no fastboot device was found in %d tries", detectTries)
}
