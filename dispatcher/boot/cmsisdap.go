package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// cmsisDAP writes a microcontroller's flash by copying to the disk that its CMSIS-DAP probe shows.
//
// There is no program to ask: the probe takes a file that is written to its disk, and when that is
// unmounted it flashes, takes the disk away and shows a new one, on which FAIL.TXT says what went
// wrong. So the disk before and the disk after must be told apart, though both have one name.
func cmsisDAP(pipeline.Data) pipeline.Action {
	return retried("boot-cmsis-retry", "copy the images to the disk of a CMSIS-DAP probe",
		func(_ *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			var actions []pipeline.Action
			if switched(s) {
				actions = append(actions, reset(), waitPath(probeDisk))
			}
			actions = append(actions, flashCMSIS())
			if parametersOf(s, "cmsis-dap").Get("resets_after_flash").Bool(true) {
				actions = append(actions, usb.WaitSerial())
			}
			return append(actions, connect{})
		})
}

// probeDisk returns the disk's node, below /dev/disk/by-id.
func probeDisk(s *pipeline.Session) string {
	return parametersOf(s, "cmsis-dap").Get("usb_mass_device").Text()
}

// flashCMSIS is flash-cmsis.
func flashCMSIS() pipeline.Action {
	return pipeline.Basic{Title: "flash-cmsis", About: "copy the images to the probe's disk", Broken: pipeline.Infrastructure,
		Check: func(_ context.Context, s *pipeline.Session) error {
			needsBoardID(s)
			if probeDisk(s) == "" {
				s.Invalid("usb_mass_device unset")
			}
			return nil
		},
		Do: runCMSIS}
}

func runCMSIS(ctx context.Context, s *pipeline.Session) error {
	images := downloads(s)
	if len(images) == 0 {
		return pipeline.Blamef(pipeline.Job, "there is nothing to write: no image was deployed")
	}
	dir, err := s.Dir()
	if err != nil {
		return err
	}
	before := usb.PathStamp(probeDisk(s))
	if err := s.Command(ctx, "mount", "-t", "vfat", probeDisk(s), dir); err != nil {
		return err
	}
	err = copyAll(images, dir)
	if unmount := s.Command(context.WithoutCancel(ctx), "umount", dir); err == nil {
		err = unmount
	}
	if err != nil {
		return err
	}
	p := parametersOf(s, "cmsis-dap")
	pause := time.Duration(p.Get("post_unmount_delay").Float(1) * float64(time.Second))
	if err := pipeline.Sleep(ctx, pause); err != nil {
		return err
	}
	if p.Get("skip_autoremount_wait").True() {
		return nil
	}
	return checkProbe(ctx, s, dir, before)
}

func copyAll(images []pipeline.Image, dir string) error {
	for _, image := range images {
		if err := copyFile(filepath.Join(dir, filepath.Base(image.Path)), image.Path); err != nil {
			return pipeline.Blamef(pipeline.Infrastructure, "copy '%s' to the probe: %w", image.Label, err)
		}
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// checkProbe waits until the probe shows its disk anew, which it does when it has written the
// flash, and reads there whether it could. before is the stamp of the disk that was written.
func checkProbe(ctx context.Context, s *pipeline.Session, dir, before string) error {
	if err := usb.WaitPathAnother(ctx, probeDisk(s), before); err != nil {
		return err
	}
	if err := s.Command(ctx, "mount", "-t", "vfat", probeDisk(s), dir); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "FAIL.TXT"))
	if unmount := s.Command(context.WithoutCancel(ctx), "umount", dir); unmount != nil {
		return unmount
	}
	switch {
	case err == nil:
		return pipeline.Blame(pipeline.Infrastructure, fmt.Errorf("Flash error: %s", strings.TrimSpace(string(text))))
	case !errors.Is(err, os.ErrNotExist):
		return pipeline.Blamef(pipeline.Infrastructure, "read FAIL.TXT of the probe: %w", err)
	}
	return nil
}
