package deploy

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// guest is apply-overlay-guest: a drive of its own for the test overlay, which the emulated device
// mounts. It suits any image, since the image itself stays as it is.
type guest struct{}

// Name returns apply-overlay-guest.
func (guest) Name() string { return "apply-overlay-guest" }

// Description says what the action does.
func (guest) Description() string { return "prepare a qcow2 drive containing the overlay" }

// TimeoutClass blames the lab.
func (guest) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

func guestSize(s *pipeline.Session) int {
	return s.Device.Get("actions", "deploy", "methods", "image", "parameters", "guest", "size").Int(0)
}

// Validate checks that the dictionary says how large the drive is.
func (guest) Validate(_ context.Context, s *pipeline.Session) error {
	for _, image := range s.Block().Get("images").Pairs() {
		if image.Value.Get("overlays", "lava").True() {
			return nil // which leaves nothing to do here
		}
	}
	if guestSize(s) <= 0 {
		s.Invalid("Device configuration does not specify size of guest filesystem.")
	}
	return nil
}

// Run makes the drive: an ext2 file system with the content of the results directory, as qcow2.
func (g guest) Run(ctx context.Context, s *pipeline.Session) error {
	if done, _ := pipeline.Get(s, applied); done {
		s.Log.Debug("The overlay was appended to an image already")
		return nil
	}
	tarball, ok := pipeline.Get(s, pipeline.OverlayFile)
	root, known := pipeline.Get(s, pipeline.ResultsDir)
	if !ok || !known {
		s.Log.Debug("No overlay to deploy")
		return nil
	}
	dir, err := s.Dir()
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	// mke2fs wants a directory, and QEMU a file that grows with what is in it.
	content, raw, drive := filepath.Join(dir, "content"), filepath.Join(dir, "lava-guest.ext2"), filepath.Join(dir, "lava-guest.qcow2")
	if err := unpackOverlay(content, tarball, root); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to unpack the overlay: %w", err)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	// mke2fs fills the file system itself: no mount, no root. What it makes belongs to root.
	err = s.Command(ctx, e2fs("mke2fs"), "-q", "-F", "-t", "ext2", "-U", id.String(), "-E", "root_owner=0:0", "-m", "0",
		"-d", content, raw, strconv.Itoa(guestSize(s))+"M")
	if err != nil {
		return err
	}
	if err := convert(drive, raw); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to make the guest drive: %w", err)
	}
	pipeline.Put(s, pipeline.Guest, pipeline.GuestOverlay{Path: drive, UUID: id.String()})
	s.Result("success", id.String())
	return nil
}

// e2fs finds a program of e2fsprogs, which only root has in PATH.
func e2fs(name string) string {
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if file, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return file
		}
	}
	return name
}

// unpackOverlay unpacks what lies below the results directory.
func unpackOverlay(dir, tarball, root string) error {
	in, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return archive.Untar(dir, in, len(strings.Split(strings.Trim(root, "/"), "/")))
}

// convert makes a qcow2 of a raw image and removes that.
func convert(drive, raw string) (err error) {
	in, err := os.Open(raw)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(drive)
	if err != nil {
		return err
	}
	err = archive.WriteQcow2(out, in, info.Size())
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", drive, err)
	}
	return os.Remove(raw)
}
