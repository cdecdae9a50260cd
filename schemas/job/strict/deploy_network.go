package strict

import "strata/schemas/shape"

// Switches of files that are unpacked and packed again.
var (
	installModules = optional("install_modules", boolean, "Unpack the kernel modules into it.").Otherwise("true")
	installOverlay = optional("install_overlay", boolean, "Put the test overlay into it.").Otherwise("true")
	uBootHeader    = optional("header", shape.Words{"u-boot"}, "It has a header of U-Boot, which is taken off first.")
	kernelType     = optional("type", shape.Words{"image", "uimage", "zimage"}, "What the kernel is; it decides the boot command of U-Boot.").Like("zimage")
	rootPrefix     = optional("prefix", text, "Directory of the root inside the archive; relative, ends with /.").Like("rootfs/")
)

// deployNetwork let the device fetch its files over the network.
func deployNetwork() []Method {
	modules := optional("modules", file, "Archive of kernel modules.")
	return []Method{
		{Kind: Deploy, Name: "nbd", Doc: "Serve a root file system as a network block device, kernel and ramdisk by TFTP.",
			Keys: []shape.Key{
				required("kernel", resource("kernel", kernelType), "Kernel to boot."),
				required("nbdroot", file, "Image to serve as the root."),
				required("initrd", file, "Ramdisk that mounts the root."),
				optional("dtb", file, "Device tree."),
			}},
		{Kind: Deploy, Name: "nfs", Doc: "Unpack a root file system and serve it by NFS.",
			Forms: [][]shape.Key{
				{
					optional("nfsrootfs", file, "Archive of the root file system."),
					modules,
				},
				{
					required("images", images("image", optional("image_arg", text, "Argument that names the file on the emulator's command line; {name} becomes its path.").Like("-kernel {kernel}")), "Files for an emulator whose root comes by NFS."),
				},
			}},
		{Kind: Deploy, Name: "ssh", Doc: "Copy files and the test overlay to a running system by ssh.",
			Keys: []shape.Key{
				optional("firmware", file, "Firmware to copy."),
				optional("kernel", file, "Kernel to copy."),
				optional("rootfs", file, "Root file system to copy."),
				modules,
			}},
		{Kind: Deploy, Name: "tftp", Doc: "Put kernel, device tree, ramdisk and root file system where a bootloader fetches them by TFTP and NFS.",
			Keys: []shape.Key{
				optional("kernel", resource("kernel", kernelType), "Kernel to boot."),
				optional("dtb", file, "Device tree."),
				optional("dtbo", shape.List{Of: file}, "Overlays of the device tree, in the order they are applied."),
				optional("ramdisk", resource("ramdisk", installModules, installOverlay, uBootHeader), "Ramdisk; it is unpacked, given modules and overlay, and packed again."),
				modules,
				optional("nfsrootfs", resource("nfsrootfs", installModules, installOverlay, rootPrefix), "Archive of a root file system that is served by NFS.").OneOf("nfs"),
				optional("persistent_nfs", shape.Map{Keys: []shape.Key{
					required("address", text, "Server and directory.").Like("nfs.example.com:/srv/roots/debian"),
					optional("install_overlay", boolean, "Put the test overlay into it.").Otherwise("true"),
				}}, "A root file system that another server keeps.").OneOf("nfs"),
				optional("preseed", file, "Answers for an installer."),
				optional("tee", file, "Trusted execution environment."),
				optional("extra_files", shape.Map{Rest: rest("<file>", file, "A further file.")}, "Further files to put beside them; {EXTRA_FILES_DIR} names the place."),
			}},
	}
}
