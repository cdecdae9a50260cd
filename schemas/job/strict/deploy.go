package strict

import (
	"slices"

	"strata/schemas/shape"
)

// deployMethods are the ways to bring files to a device.
func deployMethods() []Method {
	methods := slices.Concat(deployImages(), deployNetwork(), deployFlash(), deployMedia())
	slices.SortFunc(methods, byName)
	return methods
}

func byName(a, b Method) int {
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	}
	return 0
}

// deployKeys are what every deploy may have.
func deployKeys() []shape.Key {
	return []shape.Key{
		optional("os", text, "Distribution of the image: it decides the shell and the helpers of the tests.").Like("debian"),
		optional("authorize", shape.Words{"ssh"}, "Put the lab's public key into the image, for a connection by ssh."),
		optional("overlay_backend", overlayBackend, "Tool that writes overlays into ext4 images.").Otherwise("auto"),
	}
}

// deployImages hand images to a virtual machine, a container or a later action.
func deployImages() []Method {
	imageArg := optional("image_arg", text, "Argument that names the file on the emulator's command line; {name} becomes its path.").Like("-drive file={rootfs},format=raw")
	return []Method{
		{Kind: Deploy, Name: "avh", Doc: "Prepare images or a firmware package for a virtual device of Arm Virtual Hardware.",
			Keys: []shape.Key{
				optional("options", shape.Map{Keys: []shape.Key{
					optional("model", text, "Model of the virtual device.").Like("imx93"),
					optional("api_endpoint", text, "Address of the service.").Like("https://app.avh.corellium.com/api"),
					optional("project_name", text, "Project that the device is made in.").Otherwise("Default Project").Like("lab"),
				}}, "Which virtual device, in place of what the device says."),
			},
			Forms: [][]shape.Key{
				{required("images", images("avh-image", avhKeys()...), "Kernel, dtb and rootfs.")},
				{required("fw_package", resource("avh-package", append(avhKeys(), optional("storage_file", text, "File inside the package that takes the test overlay.").Like("rootfs.img"))...), "A firmware package.")},
			}},
		{Kind: Deploy, Name: "docker", Doc: "Pull a container image.",
			Keys: []shape.Key{required("image", shape.Either{text, docker("name")}, "Image to pull, by name or with details.").Like("debian:13")}},
		{Kind: Deploy, Name: "download", Doc: "Fetch files to the worker and reset the device, for tests that flash it themselves.",
			Keys: []shape.Key{required("images", images("resource"), "Files to fetch.")}},
		{Kind: Deploy, Name: "downloads", Doc: "Fetch files to the worker for later actions, which name them as downloads://name.",
			Keys: []shape.Key{
				required("images", images("resource"), "Files to fetch."),
				uniquify.Otherwise("false"),
				optional("postprocess", shape.Map{Keys: []shape.Key{
					optional("docker", docker("image",
						required("steps", texts, "Shell lines to run in the container, beside the files.").Like("[./convert.sh]"),
						optional("devices", texts, "Device nodes of the worker that the container sees.").Like("[/dev/kvm]"),
					), "Container that works on the files."),
				}}, "Work on the files once they are there."),
			}},
		{Kind: Deploy, Name: "fvp", Doc: "Fetch images for an Arm Fixed Virtual Platform.",
			Keys: []shape.Key{
				required("images", images("resource"), "Files to fetch; arguments of the boot name them in braces."),
				optional("ramdisk", shape.Map{Keys: []shape.Key{
					optional("install_overlay", boolean, "Put the test overlay into the ramdisk."),
					optional("compression", text, "How the ramdisk is compressed.").Like("gz"),
					optional("header", shape.Words{"u-boot"}, "The ramdisk has a header of U-Boot."),
				}}, "How to treat the image called ramdisk."),
				uniquify,
			}},
		{Kind: Deploy, Name: "iso-installer", Doc: "Prepare an empty disk and the installer of an ISO image for it.",
			Keys: []shape.Key{
				required("images", shape.Map{Keys: []shape.Key{
					required("iso", resource("image", imageArg), "The ISO image."),
					required("preseed", file, "Answers for the installer."),
				}}, "The ISO image and the answers."),
				required("iso", shape.Map{Keys: []shape.Key{
					required("installation_size", text, "Size of the disk, up to 8192M.").Like("2G"),
					optional("kernel", text, "Path of the kernel inside the ISO image.").Like("/install.amd/vmlinuz"),
					optional("initrd", text, "Path of the ramdisk inside the ISO image.").Like("/install.amd/initrd.gz"),
				}}, "The disk, and what to start of the image."),
			}},
		{Kind: Deploy, Name: "overlay", Doc: "Build the test overlay alone, for a boot that fetches it."},
		{Kind: Deploy, Name: "tmpfs", Doc: "Fetch images for QEMU.",
			Keys: []shape.Key{
				required("images", images("image", imageArg), "Files to fetch; each has its argument for the command line."),
				optional("type", shape.Words{"monitor"}, "The image prints results by itself and has no shell."),
				optional("uefi", file, "Firmware, whose directory QEMU searches."),
			}},
	}
}

func avhKeys() []shape.Key {
	return []shape.Key{
		optional("format", shape.Words{"ext4"}, "What the file is."),
		rootPartition,
		optional("type", shape.Words{"image"}, "What the kernel is."),
	}
}

// deployMedia write an image to a medium of a device that has booted something else before.
// Three methods of one table: they differ by the medium's name alone.
func deployMedia() []Method {
	var methods []Method
	for _, m := range []struct{ name, medium string }{{"sata", "SATA disk"}, {"sd", "SD card"}, {"usb", "USB disk"}} {
		methods = append(methods, Method{Kind: Deploy, Name: m.name,
			Doc: "Write an image to a " + m.medium + " of the device, from a system that it has booted.",
			Keys: []shape.Key{
				required("device", text, "The medium, as the device dictionary calls it.").Like("SanDisk_Ultra"),
				optional("images", shape.Map{
					Keys: []shape.Key{required("image", resource("media-image", mediaKeys()...), "The image to write.")},
					Rest: rest("<file>", resource("media-image", mediaKeys()...), "A further file, such as a block map."),
				}, "The image and files beside it.").OneOf("image"),
				optional("image", resource("media-image", mediaKeys()...), "The image to write.").OneOf("image"),
				optional("download", transferTool("fetches the image"), "Program that fetches the image."),
				optional("writer", transferTool("writes the image"), "Program that writes the image.").Otherwise("dd"),
				optional("tool", shape.Map{Keys: []shape.Key{
					required("prompts", texts, "Expressions of which one says that the image is written.").Like("['[0-9]+ bytes .* copied']"),
				}}, "How the end of the writing shows."),
				uniquify.Otherwise("true"),
			}})
	}
	return methods
}

func mediaKeys() []shape.Key {
	return []shape.Key{optional("root_partition", whole, "Partition that the test overlay goes into.").In("index from 0").Like("1")}
}

func transferTool(does string) shape.Map {
	return shape.Map{Keys: []shape.Key{
		required("tool", text, "Absolute path, on the running system, of the program that "+does+".").Like("/usr/bin/wget"),
		required("options", text, "Its options; {DOWNLOAD_URL} and {DEVICE} are filled in.").Like("-O - {DOWNLOAD_URL}"),
		required("prompt", text, "Expression of what it prints when it begins.").Like("HTTP request sent"),
	}}
}
