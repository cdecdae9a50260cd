package deploy

import (
	"context"
	"os"
	"path/filepath"

	"strata/dispatcher/boot"
	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/deploy/download"
	"strata/dispatcher/pipeline"
)

// qdl unpacks a tarball of what the emergency download mode of Qualcomm boards writes.
//
// The tarball has the programmer that is sent to the board's ROM, the XML files that say what goes
// where, and the images. The overlay goes into one of the images, after unpacking and before anything
// is written; where that image is sparse it is made plain for that and sparse again.
func qdl(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "qdl-deploy", About: "prepare files for emergency download mode",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			if err := add(step, testOverlay(s)); err != nil {
				return err
			}
			params := step.Block.Get("qcomflash")
			where := into{dir: filepath.Join(s.JobDir(), "qdl", s.Namespace()), shared: !step.Block.Get("uniquify").Bool(false)}
			if err := step.Add(where.get("qcomflash", params)); err != nil {
				return err
			}
			pipeline.Put(s, boot.QDLDir, where.dir)
			if !params.Get("apply-overlay").True() {
				return nil
			}
			return step.Add(pipeline.Basic{Title: "apply-overlay-qdl", About: "put the overlay into an image of the tarball",
				Late: pipeline.Infrastructure, Do: applyQDL})
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			if err := s.RunChildren(ctx); err != nil {
				return err
			}
			if s.Block().Get("qcomflash", "apply-overlay").True() {
				return nil // which has unpacked it
			}
			return unpackQDL(s)
		}}
}

// unpackQDL unpacks the tarball beside itself.
func unpackQDL(s *pipeline.Session) error {
	file, ok := pipeline.Get(s, pipeline.Artefact("qcomflash"))
	dir, _ := pipeline.Get(s, boot.QDLDir)
	if !ok {
		return pipeline.Blamef(pipeline.Bug, "no file was downloaded for 'qcomflash'")
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return nil // `archive: tar` has unpacked it
	}
	in, err := os.Open(file)
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	defer in.Close()
	return download.BlameContent(archive.Untar(dir, in, 0))
}

// applyQDL unpacks the tarball and puts the overlay into its root file system.
func applyQDL(ctx context.Context, s *pipeline.Session) error {
	if err := unpackQDL(s); err != nil {
		return err
	}
	dir, _ := pipeline.Get(s, boot.QDLDir)
	overlay, ok := pipeline.Get(s, pipeline.OverlayFile)
	if !ok {
		s.Log.Debug("No overlay to deploy")
		return nil
	}
	name := s.Block().Get("rootfs_image").TextOr("rootfs.img")
	found := ""
	err := filepath.WalkDir(dir, func(file string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() == filepath.Base(name) {
			found = file
		}
		return err
	})
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	if found == "" {
		return pipeline.Blamef(pipeline.Job, "The tarball of 'qcomflash' has no file %s", name)
	}
	return inject(ctx, s, found, imageLayout{maybeSparse: true}, overlay)
}
