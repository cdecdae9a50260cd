package deploy

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"strata/dispatcher/boot"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/power"
	"strata/dispatcher/usb"
)

// acceptsMPS accepts `to: mps`.
func acceptsMPS(device, block pipeline.Data) (string, error) {
	if refusal, err := to("mps", "mps")(device, block); refusal != "" {
		return refusal, err
	}
	if !device.Has("usb_filesystem_label") {
		return `"usb_filesystem_label" is not in the device configuration`, nil
	}
	return "", nil
}

// recoveryKey is the image that restores a board's firmware.
const recoveryKey = "recovery_image"

// mps writes firmware and test programs to the disk of an Arm MPS board.
func mps(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "mps-deploy", About: "write images to the disk of an MPS board", Fill: fillMPS,
		Check: func(_ context.Context, s *pipeline.Session) error {
			images := s.Block().Get("images").Pairs()
			for _, p := range images {
				switch {
				case p.Key == recoveryKey, len(images) == 1 && p.Key == "test_binary", strings.HasPrefix(p.Key, "test_binary_"):
				default:
					s.Invalid("Invalid image '%s': use recovery_image or test_binary, of several images test_binary_NAME", p.Key)
				}
			}
			return nil
		}}
}

func fillMPS(step *pipeline.Step, s *pipeline.Session) error {
	where, err := place(step, s)
	if err != nil {
		return err
	}
	if err := add(step, boot.Disconnect(), boot.Reset(), usb.WaitMassStorage()); err != nil {
		return err
	}
	if err := where.images(step); err != nil {
		return err
	}
	if err := step.Add(mountTask("mount-vexpress-usbmsd", labelled)); err != nil {
		return err
	}
	// By name, so that firmware (recovery_image) comes before the programs that want it (test_binary…).
	var keys []string
	for _, p := range step.Block.Get("images").Pairs() {
		keys = append(keys, p.Key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if key == recoveryKey {
			err = add(step, extractRecovery(), deployRecovery())
		} else {
			err = step.Add(testBinary(key))
		}
		if err != nil {
			return err
		}
	}
	// Some boards reboot when the disk has a file reboot.txt, the others by their power supply.
	unmount := unmountTask("unmount-vexpress-usbmsd")
	if s.Device.Get("actions", "deploy", "methods", "mps", "parameters", "hard-reboot").True() {
		return add(step, unmount, power.Off())
	}
	reboot := pipeline.Basic{Title: "deploy-mps-reboot-txt", About: "tell the board to reboot",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure, Do: writeReboot}
	return add(step, reboot, unmount)
}

// testBinary returns deploy-mps-test-binary for one image.
func testBinary(key string) pipeline.Action {
	return pipeline.Basic{Title: "deploy-mps-test-binary", About: "copy a program to the board's disk",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			file, ok := pipeline.Get(s, pipeline.Artefact(key))
			if !ok {
				return pipeline.Blamef(pipeline.Bug, "no file was downloaded for '%s'", key)
			}
			name := s.Block().Get("images", key, "rename").TextOr(filepath.Base(file))
			return copyToDisk(ctx, s, file, filepath.Join("SOFTWARE", name))
		}}
}

// writeReboot writes the file that makes the board's controller reboot.
func writeReboot(ctx context.Context, s *pipeline.Session) error {
	dir, err := mounted(s)
	if err != nil {
		return err
	}
	text := s.Device.Get("actions", "deploy", "methods", "mps", "parameters", "reboot-string").Text()
	if err := os.WriteFile(filepath.Join(dir, "reboot.txt"), []byte(text), 0o644); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to deploy reboot.txt: %w", err)
	}
	return s.Command(ctx, "sync", "-f", dir)
}
