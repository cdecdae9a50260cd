package deploy

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/deploy/download"
	"strata/dispatcher/exports"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// acceptsQEMUNFS accepts `to: nfs` for an emulator whose root is on the network.
func acceptsQEMUNFS(device, block pipeline.Data) (string, error) {
	if refusal, err := to("nfs", "nfs")(device, block); refusal != "" {
		return refusal, err
	}
	if !device.Get("actions", "boot", "methods").Has("qemu-nfs") {
		return `"qemu-nfs" is not in the device configuration boot methods`, nil
	}
	return notMonitor(block), nil
}

// acceptsNFS accepts `to: nfs` for boards.
func acceptsNFS(device, block pipeline.Data) (string, error) {
	if refusal, err := to("nfs", "nfs")(device, block); refusal != "" {
		return refusal, err
	}
	if offers(device, "image") {
		return `"image" was in the device configuration deploy methods`, nil
	}
	return "", nil
}

// qemuNFS brings images to the worker, and unpacks the one that the emulator mounts as its root.
func qemuNFS(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "deploy-qemu-nfs", About: "deploy images and an NFS root for QEMU",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := place(step, s)
			if err != nil {
				return err
			}
			if step.Block.Has("uefi") {
				if err := addFirmware(step, s); err != nil {
					return err
				}
			}
			if err := where.images(step); err != nil {
				return err
			}
			root := pipeline.Basic{Title: "qemu-nfs-deploy", About: "unpack the NFS root",
				Check: func(_ context.Context, s *pipeline.Session) error {
					if !s.Block().Get("images").Has("nfsrootfs") {
						s.Invalid("'images' has no 'nfsrootfs'")
					}
					checkPrefix(s, s.Block().Get("images", "nfsrootfs"))
					return nil
				},
				Do: func(ctx context.Context, s *pipeline.Session) error {
					return extractRoot(ctx, s, s.Block().Get("images", "nfsrootfs"))
				},
				Tidy: unexport}
			if err := step.Add(root); err != nil {
				return err
			}
			if s.TestInfo().NeedsOverlay {
				if err := add(step, overlay.New(), applyTFTP()); err != nil {
					return err
				}
			}
			return add(step, environment(s))
		}}
}

// nfs unpacks a root file system that the board mounts.
func nfs(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "nfs-deploy", About: "deploy an NFS root",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := place(step, s)
			if err != nil {
				return err
			}
			for _, key := range []string{"nfsrootfs", "modules"} {
				if !step.Block.Has(key) {
					continue
				}
				if err := step.Add(where.get(key, step.Block.Get(key))); err != nil {
					return err
				}
			}
			return add(step, extractNFSRoot(), overlay.New(), extractModules(), applyTFTP(), environment(s))
		}}
}

// extractNFSRoot returns extract-nfsrootfs, which does nothing where the block has no nfsrootfs.
func extractNFSRoot() pipeline.Action {
	return pipeline.Basic{Title: "extract-nfsrootfs", About: "unpack the NFS root", Late: pipeline.Infrastructure,
		Check: func(_ context.Context, s *pipeline.Session) error {
			checkPrefix(s, s.Block().Get("nfsrootfs"))
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			if !s.Block().Has("nfsrootfs") {
				return nil
			}
			return extractRoot(ctx, s, s.Block().Get("nfsrootfs"))
		},
		Tidy: unexport}
}

// checkPrefix checks the directory within the archive that is the root.
func checkPrefix(s *pipeline.Session, params pipeline.Data) {
	prefix := params.Get("prefix")
	if prefix.IsNull() {
		return
	}
	if text := prefix.Text(); strings.HasPrefix(text, "/") {
		s.Invalid("prefix must not be an absolute path")
	} else if !strings.HasSuffix(text, "/") {
		s.Invalid("prefix must be a directory and end with /")
	} else if !filepath.IsLocal(text) {
		s.Invalid("prefix '%s' leads out of the archive", text)
	}
}

// extractRoot unpacks nfsrootfs into a directory of the job's. With root's rights owners and device
// nodes are made as the archive has them; without, everything is the worker's own.
func extractRoot(ctx context.Context, s *pipeline.Session, params pipeline.Data) error {
	file, ok := pipeline.Get(s, pipeline.Artefact("nfsrootfs"))
	if !ok {
		return pipeline.Blamef(pipeline.Bug, "no file was downloaded for 'nfsrootfs'")
	}
	root, err := s.Dir()
	if err != nil {
		return err
	}
	s.Log.Debug("Extracting %s to %s", file, root)
	if err := unpackAsIs(root, file); err != nil {
		return download.BlameContent(err)
	}
	if prefix := params.Get("prefix").Text(); prefix != "" {
		if root, err = inside(root, prefix); err != nil {
			return pipeline.Blamef(pipeline.Job, "prefix '%s': %w", prefix, err)
		}
		s.Log.Debug("Using prefix: %s", root)
	}
	if err := exports.NFS(ctx, s, root); err != nil {
		return err
	}
	pipeline.Put(s, pipeline.NFSRoot, root)
	// A shell on the device finds its root by these.
	ip, err := s.DispatcherIP("nfs")
	if err != nil {
		return err
	}
	s.SetDynamic("NFS_ROOTFS", root)
	s.SetDynamic("NFS_SERVER_IP", ip)
	return nil
}

// inside returns the real path of what an archive that was unpacked to dir calls name. A link in the
// archive may stand in its place, or in that of a directory above; one that leads out is an error,
// because the worker's own files lie there.
func inside(dir, name string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if _, err := root.Stat(filepath.Clean(name)); err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	return real, nil
}

// unexport ends what extractRoot exported.
func unexport(ctx context.Context, s *pipeline.Session) error {
	root, ok := pipeline.Get(s, pipeline.NFSRoot)
	if !ok || root == "" {
		return nil
	}
	pipeline.Put(s, pipeline.NFSRoot, "")
	return exports.NoNFS(ctx, s, root)
}

// unpackAsIs unpacks a tar, or a directory that a download has unpacked already, into dir.
func unpackAsIs(dir, file string) error {
	in, err := archive.OpenTar(file)
	if err != nil {
		return err
	}
	defer in.Close()
	return archive.UntarAsIs(dir, in)
}
