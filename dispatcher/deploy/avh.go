package deploy

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"strata/dispatcher/boot"
	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// avh brings what a virtual device of a vendor's cloud boots to the worker, for upload.
//
// The upload itself is the boot method's, which makes a new instance for each attempt. But model and
// project are asked for here, after the downloads: a job that asks for a board that the account does
// not have ends before anything is made that costs money.
func avh(pipeline.Data) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{Title: "deploy-avh-retry", About: "prepare a firmware package, again if it fails",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			return step.Add(pipeline.Basic{Title: "deploy-avh", About: "make the firmware package of a virtual device",
				Fill: fillAVH, Check: validateAVH, Do: packAVH})
		}}}
}

// fillAVH adds the downloads, and where the tests want it the overlay: into the root file system,
// or into a disk image within a package.
func fillAVH(step *pipeline.Step, s *pipeline.Session) error {
	where, err := place(step, s)
	if err != nil {
		return err
	}
	if err := add(step, testOverlay(s)); err != nil {
		return err
	}
	list := []pipeline.Pair{{Key: "fw_package", Value: step.Block.Get("fw_package")}}
	if !step.Block.Has("fw_package") {
		if list, err = pairs(step.Block.Get("images"), "images"); err != nil {
			return err
		}
	}
	// In the order of the block. The service boots what the package has, so the overlay goes in before.
	for _, p := range list {
		if err := step.Add(where.get(p.Key, p.Value)); err != nil {
			return err
		}
		switch {
		case !s.TestInfo().NeedsOverlay:
		case p.Key == "rootfs":
			err = step.Add(applyImage(p.Key, p.Value.Has("root_partition")))
		case p.Key == "fw_package":
			err = step.Add(applyPackage())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func validateAVH(_ context.Context, s *pipeline.Session) error {
	images := s.Block().Get("images")
	if !s.Block().Has("fw_package") {
		for _, key := range []string{"kernel", "dtb", "rootfs"} {
			if !images.Has(key) {
				s.Invalid("avh needs the images kernel, dtb and rootfs, or fw_package: '%s' is missing", key)
			}
		}
	}
	if boot.AVHOption(s, s.Block(), "model", "") == "" {
		s.Invalid("'model' is neither in the block's options nor in the device dictionary")
	}
	if s.Job.Get("secrets", "avh_api_token").Text() == "" {
		s.Invalid("the job has no secret 'avh_api_token'")
	}
	if s.TestInfo().NeedsOverlay && images.Has("rootfs") && !images.Get("rootfs").Has("root_partition") {
		s.Invalid("'root_partition' of the image rootfs is missing: the overlay has to go somewhere")
	}
	return nil
}

// packAVH downloads, checks that the account can have such a board, and makes the package that the
// vendor's service boots: a zip with a property list that names what is in it.
func packAVH(ctx context.Context, s *pipeline.Session) error {
	if err := s.RunChildren(ctx); err != nil {
		return err
	}
	client, err := boot.AVHLogin(ctx, s, s.Block())
	if err != nil {
		return err
	}
	board := boot.AVHBoard{Version: s.Step.Level, Build: s.ID}
	if board.Model, board.Project, err = boot.AVHSelect(ctx, s, client, s.Block()); err != nil {
		return err
	}
	file, ok := pipeline.Get(s, pipeline.Artefact("fw_package"))
	if ok && s.Block().Has("fw_package") {
		board.Version, board.Build, err = readPlist(file)
	} else {
		file, err = makePackage(s, board)
	}
	if err != nil {
		return err
	}
	board.Package = file
	pipeline.Put(s, boot.AVHPrepared, board)
	s.Result("success", file)
	return nil
}

// makePackage makes the package of the images.
func makePackage(s *pipeline.Session, board boot.AVHBoard) (string, error) {
	dir, err := s.Dir()
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, fmt.Sprintf("%s-%s.zip", filepath.Base(board.Model), s.ID))
	out, err := os.Create(file)
	if err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	err = writePackage(s, board, out)
	if err = errors.Join(err, out.Close()); err != nil {
		return "", pipeline.Blamef(pipeline.Infrastructure, "make the firmware package: %w", err)
	}
	return file, nil
}

// plist is the property list of a package.
const plist = `<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>Type</key><string>iot</string>
<key>UniqueIdentifier</key><string>lava-%[1]s</string>
<key>DeviceIdentifier</key><string>%[2]s</string>
<key>Version</key><string>%[3]s</string>
<key>Build</key><string>%[1]s</string>
</dict></plist>
`

// plistPair is one entry of a property list as a package has it: a key and a text.
var plistPair = regexp.MustCompile(`<key>([^<]*)</key>\s*<string>([^<]*)</string>`)

// maxPlist is how much of a property list is read, in bytes.
const maxPlist = 64 << 10

// readPlist returns what a ready package says of itself.
func readPlist(file string) (version, build string, err error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return "", "", pipeline.Blamef(pipeline.Job, "read the firmware package: %w", err)
	}
	defer z.Close()
	in, err := z.Open("Info.plist")
	if err != nil {
		return "", "", pipeline.Blamef(pipeline.Job, "read the firmware package: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxPlist))
	if err != nil {
		return "", "", pipeline.Blamef(pipeline.Job, "read the firmware package: %w", err)
	}
	for _, pair := range plistPair.FindAllSubmatch(text, -1) {
		switch value := html.UnescapeString(string(pair[2])); string(pair[1]) {
		case "Version":
			version = value
		case "Build":
			build = value
		}
	}
	return version, build, nil
}

func writePackage(s *pipeline.Session, board boot.AVHBoard, out io.Writer) error {
	z := zip.NewWriter(out)
	w, err := z.Create("Info.plist")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, plist, html.EscapeString(board.Build), html.EscapeString(board.Model), board.Version); err != nil {
		return err
	}
	for _, part := range [][2]string{{"kernel", "kernel"}, {"dtb", "devicetree"}, {"rootfs", "nand"}} {
		file, ok := pipeline.Get(s, pipeline.Artefact(part[0]))
		if !ok {
			return fmt.Errorf("no file was downloaded for '%s'", part[0])
		}
		if err := addToZip(z, part[1], file); err != nil {
			return err
		}
	}
	return z.Close()
}

func addToZip(z *zip.Writer, name, file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	w, err := z.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}

// applyPackage returns apply-overlay-avh: the overlay goes into a disk image within the package.
func applyPackage() pipeline.Action {
	return pipeline.Basic{Title: "apply-overlay-avh", About: "put the overlay into the firmware package", Late: pipeline.Infrastructure,
		Check: func(_ context.Context, s *pipeline.Session) error {
			params := s.Block().Get("fw_package")
			if !params.Has("storage_file") || !params.Has("root_partition") {
				s.Invalid("fw_package needs 'storage_file' and 'root_partition' for the overlay")
			}
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			overlay, ok := pipeline.Get(s, pipeline.OverlayFile)
			if !ok {
				s.Log.Debug("No overlay to deploy")
				return nil
			}
			file, ok := pipeline.Get(s, pipeline.Artefact("fw_package"))
			if !ok {
				return pipeline.Blamef(pipeline.Bug, "no file was downloaded for 'fw_package'")
			}
			dir, err := s.Dir()
			if err != nil {
				return err
			}
			if err := archive.Unpack(dir, file); err != nil {
				return pipeline.Blame(classOfContent(err), err)
			}
			storage, err := inside(dir, strings.TrimLeft(s.Block().Get("fw_package", "storage_file").Text(), "/"))
			if err != nil {
				return pipeline.Blamef(pipeline.Job, "storage_file: %w", err)
			}
			layout := imageLayout{partition: partitionOf(s, "fw_package")}
			if err := inject(ctx, s, storage, layout, overlay); err != nil {
				return err
			}
			return repack(file, dir)
		}}
}

// repack writes a zip of what lies in a directory.
func repack(file, dir string) error {
	out, err := os.Create(file)
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	z := zip.NewWriter(out)
	err = filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		below, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		return addToZip(z, filepath.ToSlash(below), name)
	})
	if err = errors.Join(err, z.Close(), out.Close()); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "write the firmware package: %w", err)
	}
	return nil
}
