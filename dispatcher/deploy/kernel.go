package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// prepareKernel returns prepare-kernel, which makes of the kernel what the boot loader boots.
func prepareKernel() pipeline.Action {
	return pipeline.Basic{Title: "prepare-kernel", About: "prepare the kernel for the boot loader",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			methods := s.Device.Get("actions", "boot", "methods")
			switch {
			case methods.Has("u-boot"):
				return step.Add(pipeline.Basic{Title: "uboot-prepare-kernel", About: "choose U-Boot's command, convert the kernel for it",
					Check: validateUBootKernel, Do: runUBootKernel})
			case methods.Has("depthcharge"):
				return step.Add(pipeline.Basic{Title: "prepare-fit", About: "pack kernel, device tree and ramdisk as one image",
					Do: packFIT})
			}
			return nil
		}}
}

// bootCommand says how U-Boot boots a kernel of a type on the device, and whether the kernel must
// be converted to a uImage first.
func bootCommand(kind string, parameters pipeline.Data) (command string, convert bool, err error) {
	switch kind {
	case "uimage":
		command = "bootm"
	case "zimage":
		command = "bootz"
		if !parameters.Has("bootz") {
			command, convert = "bootm", true
		}
	case "image":
		command = "booti"
		if !parameters.Has("booti") {
			command, convert = "bootm", true
		}
	default:
		return "", false, fmt.Errorf("kernel.type '%s' is none of image, uimage, zimage", kind)
	}
	if !parameters.Has(command) {
		return "", false, fmt.Errorf("the device has no load addresses for %s (parameters.%s)", command, command)
	}
	return command, convert, nil
}

// validateUBootKernel chooses the boot command already, because boot methods plan with it.
func validateUBootKernel(_ context.Context, s *pipeline.Session) error {
	command, convert, err := bootCommand(s.Block().Get("kernel", "type").Text(), s.Device.Get("parameters"))
	if err != nil {
		s.Invalid("%s", err)
		return nil
	}
	if convert {
		if _, err := archive.UBootArch(mkimageArch(s)); err != nil {
			return pipeline.Blame(pipeline.Configuration, err)
		}
	}
	pipeline.Put(s, pipeline.BootCommand, command)
	return nil
}

// runUBootKernel appends the device tree, converts the kernel, or leaves it as it is.
func runUBootKernel(_ context.Context, s *pipeline.Session) error {
	command, convert, err := bootCommand(s.Block().Get("kernel", "type").Text(), s.Device.Get("parameters"))
	if err != nil {
		return pipeline.Blame(pipeline.Job, err)
	}
	pipeline.Put(s, pipeline.BootCommand, command)
	kernel, ok := pipeline.Get(s, pipeline.Artefact("kernel"))
	if !ok {
		return nil
	}
	// Old boot loaders hand no device tree over; their kernels look for it behind themselves.
	parameters := s.Device.Get("actions", "deploy", "parameters")
	prepared := kernel
	if parameters.Get("append_dtb").True() {
		dtb, ok := pipeline.Get(s, pipeline.Artefact("dtb"))
		if !ok {
			return pipeline.Blamef(pipeline.Job, "the device wants a device tree behind its kernel, but no dtb was deployed")
		}
		prepared = filepath.Join(filepath.Dir(kernel), "kernel-dtb")
		if err := concatenate(prepared, kernel, dtb); err != nil {
			return pipeline.Blamef(pipeline.Infrastructure, "append the device tree to the kernel: %w", err)
		}
	}
	if convert {
		s.Log.Info("Converting downloaded kernel to a uImage")
		if prepared, err = toUImage(s, prepared, command); err != nil {
			return err
		}
	}
	if prepared == kernel {
		return nil
	}
	if err := pipeline.PublicFile(prepared); err != nil {
		return err
	}
	seen, err := s.TFTPPath(prepared)
	if err != nil {
		return err
	}
	pipeline.Put(s, pipeline.PreparedKernel, seen)
	return nil
}

// toUImage puts U-Boot's header before a kernel. The kernel is loaded at the device's kernel
// address, or where text_offset says; one that runs in place begins behind the header.
func toUImage(s *pipeline.Session, kernel, command string) (string, error) {
	address := s.Device.Get("parameters", command, "kernel").Text()
	if offset := s.Device.Get("parameters", "text_offset").Text(); offset != "" {
		address = offset
	}
	load, err := strconv.ParseUint(address, 0, 32)
	if err != nil {
		return "", pipeline.Blamef(pipeline.Configuration, "the device's kernel address '%s' is no address of 32 bits", address)
	}
	entry := load
	if s.Device.Get("actions", "deploy", "parameters", "use_xip").True() {
		entry += archive.UBootHeader
	}
	image := filepath.Join(filepath.Dir(kernel), "uImage")
	in, err := os.Open(kernel)
	if err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	defer in.Close()
	out, err := os.Create(image)
	if err != nil {
		return "", pipeline.Blame(pipeline.Infrastructure, err)
	}
	header := archive.UBootImage{Type: archive.KernelImage, Arch: mkimageArch(s), Name: "kernel", Load: uint32(load), Entry: uint32(entry)}
	err = header.Write(out, true, func() error {
		_, err := out.ReadFrom(in)
		return err
	})
	if err = errors.Join(err, out.Close()); err != nil {
		return "", pipeline.Blamef(pipeline.Infrastructure, "convert the kernel: %w", err)
	}
	return image, nil
}

// concatenate writes files behind each other.
func concatenate(target string, files ...string) error {
	var b bytes.Buffer
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		b.Write(text)
	}
	return os.WriteFile(target, b.Bytes(), 0o644)
}

// packFIT makes the image that depthcharge boots. A device without mkimage_arch boots the kernel as
// it is.
func packFIT(ctx context.Context, s *pipeline.Session) error {
	arch := mkimageArch(s)
	kernel, ok := pipeline.Get(s, pipeline.Artefact("kernel"))
	if arch == "" || !ok {
		s.Log.Info("The device has no mkimage_arch: the kernel stays as it is")
		return nil
	}
	dir := filepath.Dir(kernel)
	packed := kernel
	compression := "none"
	if arch == "arm64" {
		packed, compression = filepath.Join(dir, "Image.lzma"), "lzma"
		if err := s.Command(ctx, "sh", "-c", `lzma --keep --stdout "$1" > "$2"`, "sh", kernel, packed); err != nil {
			return err
		}
	}
	image := filepath.Join(dir, "image.itb")
	argv := []string{"mkimage", "-D", "-I dts -O dtb -p 2048", "-f", "auto", "-A", arch, "-O", "linux", "-T", "kernel",
		"-C", compression, "-d", packed, "-a", s.Device.Get("parameters", "load_address").TextOr("0")}
	if dtb, ok := pipeline.Get(s, pipeline.Artefact("dtb")); ok {
		argv = append(argv, "-b", dtb)
	}
	if ramdisk, ok := pipeline.Get(s, pipeline.RamdiskFile); ok {
		argv = append(argv, "-i", ramdisk)
	}
	if err := s.Command(ctx, append(argv, image)...); err != nil {
		return err
	}
	if err := pipeline.PublicFile(image); err != nil {
		return err
	}
	seen, err := s.TFTPPath(image)
	if err != nil {
		return err
	}
	pipeline.Put(s, pipeline.FITImage, strings.TrimPrefix(seen, "/"))
	return nil
}
