package deploy

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// prepareTFTP returns prepare-tftp-overlay: it puts overlay, modules and preseed file into what the
// device will boot. Each of its children does nothing where the block has no use for it.
//
// A ramdisk is not unpacked for that. The kernel takes several archives one behind the other, so
// what is added is collected while the children run, and compress-ramdisk writes it behind the
// ramdisk that the job gave: device nodes and owners stay as they are, and nobody needs root.
func prepareTFTP() pipeline.Action {
	return pipeline.Basic{Title: "prepare-tftp-overlay", About: "put the overlay into what the device boots", Late: pipeline.Infrastructure,
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			err := add(step, extractNFSRoot(), parsePersistent(), extractRamdisk(), extractModules())
			if err != nil {
				return err
			}
			if s.TestInfo().NeedsOverlay {
				if err := step.Add(applyTFTP()); err != nil {
					return err
				}
			}
			if step.Block.Get("kernel").Has("type") {
				if err := step.Add(prepareKernel()); err != nil {
					return err
				}
			}
			if err := add(step, configurePreseed(), compressRamdisk()); err != nil {
				return err
			}
			if s.Device.Get("actions", "boot", "methods").Has("depthcharge") {
				return step.Add(prepareKernel())
			}
			return nil
		}}
}

// parsePersistent returns parse-persistent-nfs: it splits the address of a root that outlives jobs.
func parsePersistent() pipeline.Action {
	return pipeline.Basic{Title: "parse-persistent-nfs", About: "look for a root that outlives the job",
		Check: func(ctx context.Context, s *pipeline.Session) error {
			address := s.Block().Get("persistent_nfs", "address")
			if address.IsNull() {
				return nil
			}
			server, dir, ok := strings.Cut(address.Text(), ":")
			if !ok || server == "" || !strings.HasPrefix(dir, "/") {
				s.Invalid("persistent_nfs.address '%s' is not server:/directory", address.Text())
				return nil
			}
			pipeline.Put(s, pipeline.PersistentServer, server)
			pipeline.Put(s, pipeline.PersistentDir, dir)
			// Over TCP, NFS 3 and 4 both answer at this port.
			dialer := net.Dialer{Timeout: 10 * time.Second}
			c, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(server, "2049"))
			if err != nil {
				s.Invalid("Unable to connect to the NFS server of persistent_nfs '%s': %s", server, err)
				return nil
			}
			return c.Close()
		},
		Do: nothing,
	}
}

// ramdisk is what becomes of the job's ramdisk until compress-ramdisk writes it.
type ramdisk struct {
	source string  // the job's file
	header int64   // bytes of a boot loader's header before the archives
	layers []layer // what is added, in order
}

// layer is a tar that goes into the ramdisk.
type layer struct{ root, file string }

// ramdiskKey is the ramdisk that is being prepared; nil where the block has none.
const ramdiskKey pipeline.Key[*ramdisk] = "extract-overlay-ramdisk/extracted_ramdisk/directory"

// extractRamdisk returns extract-overlay-ramdisk, which checks what the job gave.
func extractRamdisk() pipeline.Action {
	return pipeline.Basic{Title: "extract-overlay-ramdisk", About: "look into the ramdisk", Late: pipeline.Infrastructure,
		Check: func(_ context.Context, s *pipeline.Session) error {
			if header := s.Block().Get("ramdisk", "header"); !header.IsNull() && header.Text() != "u-boot" {
				s.Invalid("ramdisk.header '%s' is not known, only u-boot is", header.Text())
			}
			return nil
		},
		Do: func(_ context.Context, s *pipeline.Session) error {
			pipeline.Put(s, ramdiskKey, nil) // of an earlier attempt
			file, ok := pipeline.Get(s, pipeline.Artefact("ramdisk"))
			if !ok || !s.Block().Has("ramdisk") {
				return nil
			}
			params := s.Block().Get("ramdisk")
			if !params.Get("install_modules").Bool(true) && !params.Get("install_overlay").Bool(true) {
				s.Log.Info("Not modifying the ramdisk")
				seen, err := s.TFTPPath(file)
				if err != nil {
					return err
				}
				pipeline.Put(s, pipeline.PreparedRamdisk, seen)
				pipeline.Put(s, pipeline.RamdiskFile, file)
				return nil
			}
			disk := &ramdisk{source: file}
			if params.Get("header").Text() == "u-boot" {
				disk.header = archive.UBootHeader
			}
			pipeline.Put(s, ramdiskKey, disk)
			return nil
		}}
}

// extractModules returns extract-modules: it adds kernel modules to the root file system and the
// ramdisk.
func extractModules() pipeline.Action {
	return pipeline.Basic{Title: "extract-modules", About: "add the kernel's modules", Late: pipeline.Infrastructure,
		Do: func(_ context.Context, s *pipeline.Session) error {
			file, ok := pipeline.Get(s, pipeline.Artefact("modules"))
			if !ok || !s.Block().Has("modules") {
				return nil
			}
			if disk, _ := pipeline.Get(s, ramdiskKey); disk != nil && s.Block().Get("ramdisk", "install_modules").Bool(true) {
				s.Log.Info("Adding modules to the ramdisk")
				disk.layers = append(disk.layers, layer{"/", file})
			}
			root, ok := pipeline.Get(s, pipeline.NFSRoot)
			if ok && s.Block().Get("nfsrootfs", "install_modules").Bool(true) {
				s.Log.Info("Extracting modules to %s", root)
				if err := unpackAsIs(root, file); err != nil {
					return pipeline.Blamef(pipeline.Job, "Unable to unpack the modules: %w", err)
				}
			}
			return nil
		}}
}

// applyTFTP returns apply-overlay-tftp: the overlay goes into the root file system that the device
// mounts, or else into its ramdisk.
func applyTFTP() pipeline.Action {
	return pipeline.Basic{Title: "apply-overlay-tftp", About: "put the overlay into the root file system", Late: pipeline.Infrastructure,
		Do: runApplyTFTP}
}

func runApplyTFTP(ctx context.Context, s *pipeline.Session) error {
	if done, _ := pipeline.Get(s, applied); done {
		s.Log.Debug("The overlay was appended to an image already")
		return nil
	}
	overlay, ok := pipeline.Get(s, pipeline.OverlayFile)
	if !ok {
		s.Log.Debug("No overlay to deploy")
		return nil
	}
	block := s.Block()
	wanted := func(params pipeline.Data) bool { return params.Get("install_overlay").Bool(true) }
	// A device that mounts its root uses its ramdisk only to get there, so the root comes first.
	root, unpacked := pipeline.Get(s, pipeline.NFSRoot)
	disk, _ := pipeline.Get(s, ramdiskKey)
	switch {
	case unpacked && (block.Has("nfsrootfs") || block.Get("images").Has("nfsrootfs")):
		params := block.Get("nfsrootfs")
		if params.IsNull() {
			params = block.Get("images", "nfsrootfs")
		}
		if !wanted(params) {
			break
		}
		s.Log.Info("Applying overlay to NFS")
		if err := unpackAsIs(root, overlay); err != nil {
			return pipeline.Blamef(pipeline.Infrastructure, "Unable to apply the overlay to the NFS root: %w", err)
		}
		return nil
	case block.Get("persistent_nfs").True():
		if !wanted(block.Get("persistent_nfs")) {
			break
		}
		return applyPersistent(ctx, s, overlay)
	case disk != nil:
		if !wanted(block.Get("ramdisk")) {
			break
		}
		s.Log.Info("Applying overlay to the ramdisk")
		disk.layers = append(disk.layers, layer{"/", overlay})
		return nil
	default:
		s.Log.Debug("No overlay directory: there is nothing to put the overlay into")
		return nil
	}
	s.Log.Info("Skipping the overlay, the job asks for that (install_overlay)")
	return nil
}

// applyPersistent mounts a root that outlives jobs for as long as it takes to unpack the overlay.
func applyPersistent(ctx context.Context, s *pipeline.Session, overlay string) error {
	server, _ := pipeline.Get(s, pipeline.PersistentServer)
	dir, _ := pipeline.Get(s, pipeline.PersistentDir)
	point, err := s.Dir()
	if err != nil {
		return err
	}
	s.Log.Info("Applying overlay to persistent NFS")
	if err := s.Command(ctx, "mount", "-t", "nfs", server+":"+dir, point); err != nil {
		return err
	}
	unpacked := unpackAsIs(point, overlay)
	// It must not stay mounted when the job is over.
	if err := s.Command(context.WithoutCancel(ctx), "umount", point); err != nil {
		return err
	}
	if unpacked != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to apply the overlay to the NFS root: %w", unpacked)
	}
	return nil
}

// compressRamdisk returns compress-ramdisk: it writes the ramdisk with all that was added.
func compressRamdisk() pipeline.Action {
	return pipeline.Basic{Title: "compress-ramdisk", About: "write the ramdisk", Late: pipeline.Infrastructure,
		Check: func(_ context.Context, s *pipeline.Session) error {
			header := addHeader(s)
			if s.Block().Has("ramdisk") && header != "" && header != "u-boot" && header != "raw" {
				s.Invalid("ramdisk header of the device '%s' is not known: use u-boot or raw", header)
			}
			if header == "u-boot" && s.Block().Has("ramdisk") {
				if _, err := archive.UBootArch(mkimageArch(s)); err != nil {
					return pipeline.Blame(pipeline.Configuration, err)
				}
			}
			return nil
		},
		Do: func(_ context.Context, s *pipeline.Session) error {
			disk, _ := pipeline.Get(s, ramdiskKey)
			if disk == nil {
				return nil
			}
			file, err := writeRamdisk(s, disk)
			if err != nil {
				return err
			}
			seen, err := s.TFTPPath(file)
			if err != nil {
				return err
			}
			pipeline.Put(s, pipeline.PreparedRamdisk, seen)
			pipeline.Put(s, pipeline.RamdiskFile, file)
			return nil
		}}
}

// addHeader is what the device's boot loader wants before a ramdisk.
func addHeader(s *pipeline.Session) string {
	return s.Device.Get("actions", "deploy", "parameters", "add_header").Text()
}

func mkimageArch(s *pipeline.Session) string {
	return s.Device.Get("actions", "deploy", "parameters", "mkimage_arch").Text()
}

// writeRamdisk writes the new ramdisk into a directory that the TFTP server shows.
func writeRamdisk(s *pipeline.Session, disk *ramdisk) (string, error) {
	in, err := os.Open(disk.source)
	if err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	var layers []archive.Layer
	for _, l := range disk.layers {
		f, err := os.Open(l.file)
		if err != nil {
			return "", pipeline.Blame(pipeline.Infrastructure, err)
		}
		defer f.Close()
		layers = append(layers, archive.Layer{Root: l.root, Tar: f})
	}
	dir, err := s.TFTPDir()
	if err != nil {
		return "", err
	}
	uboot := addHeader(s) == "u-boot"
	// Boot scripts of labs know these names.
	name := "ramdisk.cpio"
	if kind := s.Block().Get("ramdisk", "compression").Text(); kind != "" {
		name += "." + kind
	}
	if uboot {
		name += ".uboot"
	}
	file := filepath.Join(dir, name)
	s.Log.Info("Building ramdisk %s", file)
	out, err := os.Create(file)
	if err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	header := archive.UBootImage{Type: archive.RamdiskImage, Arch: mkimageArch(s), Name: "ramdisk"}
	err = header.Write(out, uboot, func() error {
		_, err := archive.AppendToRamdisk(out, archive.Section(in, disk.header, info.Size()), layers...)
		return err
	})
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", pipeline.Blame(classOfContent(err), fmt.Errorf("Unable to write the ramdisk: %w", err))
	}
	return file, pipeline.PublicFile(file)
}
