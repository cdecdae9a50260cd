package deploy

import (
	"context"
	"os"
	"path/filepath"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/deploy/download"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// mountPoint is where a board's disk is mounted, and the node that it was mounted from.
const mountPoint pipeline.Key[string] = "mount-vexpress-usbmsd/vexpress-fw/mount-point"

// mountTask mounts a board's disk, which comes over USB.
func mountTask(name string, query func(s *pipeline.Session) usb.Query) pipeline.Action {
	return pipeline.Basic{Title: name, About: "mount the board's disk", Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			// Again, though an action has waited for it: the node may be another one by now.
			disk, err := usb.Of(s).Wait(ctx, query(s))
			if err != nil {
				return err
			}
			dir, err := s.Dir()
			if err != nil {
				return err
			}
			if err := s.Command(ctx, "mount", disk.Node, dir); err != nil {
				if ctx.Err() != nil {
					return err
				}
				return pipeline.Blamef(pipeline.Infrastructure, "Unable to mount %s: %w", disk.Node, err)
			}
			pipeline.Put(s, mountPoint, dir)
			return nil
		},
		Tidy: unmount,
	}
}

// unmountTask unmounts it.
func unmountTask(name string) pipeline.Action {
	return pipeline.Basic{Title: name, About: "unmount the board's disk", Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Do: unmount}
}

// unmount unmounts the disk, if it is mounted.
func unmount(ctx context.Context, s *pipeline.Session) error {
	dir, _ := pipeline.Get(s, mountPoint)
	if dir == "" {
		return nil
	}
	if err := s.Command(ctx, "umount", dir); err != nil {
		return err
	}
	pipeline.Put(s, mountPoint, "")
	return nil
}

// mounted returns where the disk is mounted.
func mounted(s *pipeline.Session) (string, error) {
	dir, _ := pipeline.Get(s, mountPoint)
	if dir == "" {
		return "", pipeline.Blamef(pipeline.Bug, "the board's disk is not mounted")
	}
	return dir, nil
}

// labelled asks for the disk with the label of the dictionary.
func labelled(s *pipeline.Session) usb.Query {
	return usb.Query{"SUBSYSTEM": "block", "ID_FS_LABEL": s.Device.Get("usb_filesystem_label").Text()}
}

// extractRecovery returns extract-vexpress-recovery-image: it unpacks what restores a board's
// firmware, a zip or a tar.
func extractRecovery() pipeline.Action {
	return pipeline.Basic{Title: "extract-vexpress-recovery-image", About: "unpack the recovery image", Late: pipeline.Infrastructure,
		Broken: pipeline.Infrastructure,
		Do: func(_ context.Context, s *pipeline.Session) error {
			file, ok := pipeline.Get(s, pipeline.Artefact("recovery_image"))
			if !ok {
				return pipeline.Blamef(pipeline.Bug, "no file was downloaded for 'recovery_image'")
			}
			dir, err := s.Dir()
			if err != nil {
				return err
			}
			if err := archive.Unpack(dir, file); err != nil {
				return download.BlameContent(err)
			}
			pipeline.Put(s, recoveryDir, dir)
			return nil
		}}
}

// recoveryDir is where the recovery image was unpacked.
const recoveryDir pipeline.Key[string] = "extract-vexpress-recovery-image/file/recovery_image"

// deployRecovery returns deploy-vexpress-recovery-image: it replaces what is on the board's disk.
func deployRecovery() pipeline.Action {
	return pipeline.Basic{Title: "deploy-vexpress-recovery-image", About: "copy the recovery image to the board's disk",
		Late: pipeline.Infrastructure, Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			dir, err := mounted(s)
			if err != nil {
				return err
			}
			from, ok := pipeline.Get(s, recoveryDir)
			if !ok {
				return pipeline.Blamef(pipeline.Bug, "the recovery image was not unpacked")
			}
			if err := empty(dir); err != nil {
				return pipeline.Blamef(pipeline.Infrastructure, "empty the board's disk: %w", err)
			}
			// The boards read the disk while it is written and want whole files: cp, then sync.
			if err := s.Command(ctx, "cp", "-r", "--no-preserve=ownership,mode", from+"/.", dir); err != nil {
				return pipeline.Blamef(pipeline.Infrastructure, "Unable to deploy recovery image: %w", err)
			}
			return s.Command(ctx, "sync", "-f", dir)
		}}
}

// empty removes what is in a directory.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyToDisk copies a file of the worker to the board's disk under a name.
func copyToDisk(ctx context.Context, s *pipeline.Session, file, name string) error {
	dir, err := mounted(s)
	if err != nil {
		return err
	}
	target := filepath.Join(dir, filepath.Clean("/"+name))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	if err := s.Command(ctx, "cp", "--no-preserve=ownership,mode", file, target); err != nil {
		return err
	}
	return s.Command(ctx, "sync", "-f", dir)
}
