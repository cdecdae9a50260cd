package deploy

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"strata/dispatcher/boot"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// acceptsMusca accepts `to: musca`.
func acceptsMusca(device, block pipeline.Data) (string, error) {
	if refusal, err := to("musca", "musca")(device, block); refusal != "" {
		return refusal, err
	}
	if !device.Has("board_id") {
		return `"board_id" is not in the device configuration`, nil
	}
	return "", nil
}

// musca writes a program to the disk of an Arm Musca board, which flashes what it finds there.
//
// The console is let go of first: the debug probe that shows the disk is the serial port too, so the
// port goes away with the reset.
func musca(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{Title: "musca-deploy", About: "write a program to a Musca board, again if it fails",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := place(step, s)
			if err != nil {
				return err
			}
			if err := step.Add(boot.Disconnect()); err != nil {
				return err
			}
			if err := where.images(step); err != nil {
				return err
			}
			// The board takes the program when its disk is unmounted, and comes back with a new disk, on
			// which it says how that went.
			mount, unmount := mountTask("mount-musca-usbmsd", muscaDisk), unmountTask("unmount-musca-usbmsd")
			return add(step, boot.Reset(), muscaWait(false), mount,
				pipeline.Basic{Title: "deploy-musca-test-binary", About: "copy the program to the board's disk", Do: copyMusca},
				unmount, muscaWait(true), mount,
				pipeline.Basic{Title: "check-musca-flash", About: "look whether the board took the program", Do: checkMusca},
				unmount)
		},
		Check: func(_ context.Context, s *pipeline.Session) error {
			images := s.Block().Get("images")
			if len(images.Pairs()) != 1 || !images.Has("test_binary") {
				s.Invalid("musca-deploy needs exactly one image, 'test_binary', found %s", keysOf(images))
			}
			return nil
		}}}
}

// muscaDisk asks for the board's disk. The serial number is what udev makes of the disk's, which
// the method may name.
func muscaDisk(s *pipeline.Session) usb.Query {
	q := usb.Query{"SUBSYSTEM": "block", "ID_FS_VERSION": "FAT16"}
	if serial := s.Device.Get("actions", "deploy", "methods", "musca", "parameters", "id_serial").Text(); serial != "" {
		q["ID_SERIAL"] = serial
	} else {
		q["ID_SERIAL_SHORT"] = s.Device.Get("board_id").Text()
	}
	return q
}

// muscaSeen is the stamp of the disk that the program was copied to.
const muscaSeen pipeline.Key[string] = "wait-musca-path/stamp"

// muscaWait returns wait-musca-path: for the disk, or for it to come back changed, which it does
// when the board has taken what was on it.
func muscaWait(changed bool) pipeline.Action {
	return pipeline.Basic{Title: "wait-musca-path", About: "wait for the board's disk",
		Do: func(ctx context.Context, s *pipeline.Session) error {
			old := ""
			if changed {
				old, _ = pipeline.Get(s, muscaSeen)
			}
			system := usb.Of(s)
			disk, err := system.WaitAnother(ctx, muscaDisk(s), old)
			if err != nil {
				return err
			}
			pipeline.Put(s, muscaSeen, system.Stamp(disk))
			s.Log.Debug("found %s", disk.Node)
			return nil
		}}
}

func copyMusca(ctx context.Context, s *pipeline.Session) error {
	file, ok := pipeline.Get(s, pipeline.Artefact("test_binary"))
	if !ok {
		return pipeline.Blamef(pipeline.Bug, "no file was downloaded for 'test_binary'")
	}
	return copyToDisk(ctx, s, file, filepath.Base(file))
}

// checkMusca reads the file in which the board says why it did not take a program.
func checkMusca(_ context.Context, s *pipeline.Session) error {
	dir, err := mounted(s)
	if err != nil {
		return err
	}
	return failText(dir)
}

// failText returns what a board wrote into FAIL.TXT as an error, nil where there is none.
func failText(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "FAIL.TXT"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	return pipeline.Blamef(pipeline.Infrastructure, "Flash failure indicated by presence of FAIL.TXT (Contents: '%s')", strings.TrimSpace(string(text)))
}
