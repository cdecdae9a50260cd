package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"strata/dispatcher/pipeline"
)

// What the steps of an installation leave for each other.
const (
	installDisk     pipeline.Key[string] = "prepare-empty-image/prepare-empty-image/output"
	installerKernel pipeline.Key[string] = "pull-installer-files/pull-installer-files/kernel"
	installerInitrd pipeline.Key[string] = "pull-installer-files/pull-installer-files/initrd"
)

// acceptsInstaller accepts `to: iso-installer` with the size of the disk.
func acceptsInstaller(device, block pipeline.Data) (string, error) {
	if refusal, err := to("iso-installer", "image", "iso")(device, block); refusal != "" {
		return refusal, err
	}
	if !block.Get("iso").Has("installation_size") {
		return `"installation_size" is not in the iso parameters`, nil
	}
	return "", nil
}

// isoInstaller prepares the unattended installation of a system in an emulator.
//
// The installer's kernel and initrd are taken out of the ISO and started directly, because the boot
// menu on the disc would ask; its answers come by TFTP. The disk to install on is an empty sparse file,
// and the overlay a drive of its own, which the installed system mounts.
func isoInstaller(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "deploy-iso-installer", About: "prepare an installation from an ISO",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := served(s)
			if err != nil {
				return err
			}
			images := step.Block.Get("images")
			if err := step.Add(pipeline.Basic{Title: "prepare-empty-image", About: "make an empty disk",
				Check: validateDisk, Do: makeDisk}); err != nil {
				return err
			}
			for _, key := range []string{"preseed", "iso"} {
				if err := step.Add(where.get(key, images.Get(key))); err != nil {
					return err
				}
			}
			err = add(step,
				pipeline.Basic{Title: "pull-installer-files", About: "take kernel and initrd out of the ISO", Check: validateISO, Do: pullFiles},
				pipeline.Basic{Title: "prepare-qemu-commands", About: "assemble the installer's command line", Do: installerCommand},
				testOverlay(s))
			if err != nil {
				return err
			}
			return add(step, guest{}, environment(s))
		}}
}

// installSize is a size such as 2G or 800M.
var installSize = regexp.MustCompile(`^(\d+)([MG])$`)

// maxInstallMB is the largest disk.
const maxInstallMB = 8192

func installMB(s *pipeline.Session) (int, error) {
	text := s.Block().Get("iso", "installation_size").Text()
	m := installSize.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("installation_size '%s' must be a number with M or G, such as 2G", text)
	}
	mb, err := strconv.Atoi(m[1])
	if m[2] == "G" {
		mb *= 1024
	}
	if err != nil || mb == 0 || mb > maxInstallMB {
		return 0, fmt.Errorf("installation_size '%s' must be more than nothing and at most %dM", text, maxInstallMB)
	}
	return mb, nil
}

func validateDisk(_ context.Context, s *pipeline.Session) error {
	if _, err := installMB(s); err != nil {
		s.Invalid("%s", err)
	}
	return nil
}

func makeDisk(_ context.Context, s *pipeline.Session) error {
	mb, err := installMB(s)
	if err != nil {
		return pipeline.Blame(pipeline.Job, err)
	}
	dir, err := s.Dir()
	if err != nil {
		return err
	}
	disk := filepath.Join(dir, "hd.img")
	f, err := os.Create(disk)
	if err == nil {
		err = f.Truncate(int64(mb) << 20) // a sparse file: nothing is written yet
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "make the disk to install on: %w", err)
	}
	pipeline.Put(s, installDisk, disk)
	s.Result("success", disk)
	return nil
}

func validateISO(_ context.Context, s *pipeline.Session) error {
	for _, key := range []string{"kernel", "initrd"} {
		if file := s.Block().Get("iso", key).Text(); !strings.HasPrefix(file, "/") || strings.Contains(file, "..") {
			s.Invalid("iso.%s '%s' must be an absolute path in the ISO", key, file)
		}
	}
	return nil
}

// pullFiles takes the installer's kernel and initrd out of the ISO, with no mount.
func pullFiles(ctx context.Context, s *pipeline.Session) error {
	iso, ok := pipeline.Get(s, pipeline.Artefact("iso"))
	if !ok {
		return pipeline.Blamef(pipeline.Bug, "no file was downloaded for 'iso'")
	}
	dir, err := s.Dir()
	if err != nil {
		return err
	}
	for _, key := range []string{"kernel", "initrd"} {
		from := s.Block().Get("iso", key).Text()
		file := filepath.Join(dir, filepath.Base(from))
		if err := s.Command(ctx, "isoinfo", "-R", "-i", iso, "-x", from, "-o", file); err != nil {
			// bsdtar is installed where isoinfo is not; it writes to its directory.
			if err := s.Command(ctx, "bsdtar", "-x", "-f", iso, "-C", dir, "--strip-components",
				strconv.Itoa(strings.Count(from, "/")-1), strings.TrimPrefix(from, "/")); err != nil {
				return pipeline.Blamef(pipeline.Infrastructure, "Unable to take %s out of the ISO: %w", from, err)
			}
		}
		if key == "kernel" {
			pipeline.Put(s, installerKernel, file)
		} else {
			pipeline.Put(s, installerInitrd, file)
		}
	}
	s.Result("success", dir)
	return nil
}

// installerCommand assembles the emulator's command line as far as deploy knows it.
func installerCommand(_ context.Context, s *pipeline.Session) error {
	if err := s.TFTPReady(); err != nil {
		return err
	}
	qemu := s.Device.Get("actions", "boot", "methods", "qemu", "parameters")
	ip, err := s.DispatcherIP("tftp")
	if err != nil {
		return err
	}
	preseed, _ := pipeline.Get(s, pipeline.Served("preseed"))
	data := s.Block().Get("deployment_data")
	var words []string
	for _, key := range []string{"base", "locale", "keymaps", "netcfg"} {
		if text := data.Get(key).Text(); text != "" {
			words = append(words, text)
		}
	}
	// The installer fetches its answers by TFTP, the only server that every worker has for devices.
	words = append(words, "preseed/url=tftp://"+ip+"/"+preseed)
	if console := qemu.Get("boot_options", "console").Text(); console != "" {
		words = append(words, "console="+console)
	}
	command := []string{qemu.Get("command").Text()}
	for _, text := range qemu.Get("options").Texts() {
		split, err := pipeline.Words(text)
		if err != nil {
			return pipeline.Blamef(pipeline.Configuration, "QEMU option '%s': %w", text, err)
		}
		command = append(command, split...)
	}
	kernel, _ := pipeline.Get(s, installerKernel)
	initrd, _ := pipeline.Get(s, installerInitrd)
	disk, _ := pipeline.Get(s, installDisk)
	iso, _ := pipeline.Get(s, pipeline.Artefact("iso"))
	command = append(command, "-kernel", kernel, "-initrd", initrd, "-drive", "format=raw,file="+disk)
	arg, err := pipeline.Words(s.Block().Get("images", "iso", "image_arg").Text())
	if err != nil {
		return pipeline.Blamef(pipeline.Job, "image_arg of 'iso': %w", err)
	}
	for _, word := range arg {
		command = append(command, strings.ReplaceAll(word, "{iso}", iso))
	}
	if order := qemu.Get("boot_options", "boot_order").Text(); order != "" {
		command = append(command, "-boot", order)
	}
	pipeline.Put(s, pipeline.InstallerRun, pipeline.Installer{
		Command: command, Append: strings.Join(words, " "), Disk: disk, Prompts: data.Get("prompts").Texts()})
	return nil
}

// addFirmware adds the download of UEFI firmware. The emulator is given its directory, not a file.
func addFirmware(step *pipeline.Step, s *pipeline.Session) error {
	firmware, err := s.Dir()
	if err != nil {
		return err
	}
	pipeline.Put(s, pipeline.UEFI, firmware)
	return step.Add(into{dir: firmware, shared: true}.get("uefi", step.Block.Get("uefi")))
}
