package strict

import (
	"regexp"

	"strata/schemas/shape"
)

// deployFlash write images to a board, by a tool on the worker or through a disk that the board shows.
func deployFlash() []Method {
	recoveryImage := "Archive with everything that belongs on the board's configuration disk."
	return []Method{
		{Kind: Deploy, Name: "fastboot", Doc: "Write images to partitions of an Android device with fastboot.",
			Keys: []shape.Key{
				required("images", images("fastboot-image",
					applyOverlay,
					rootPartition,
					optional("sparse", boolean, "The image is an Android sparse image.").Otherwise("true"),
					optional("reboot", shape.Words{"hard-reset", "fastboot-reboot", "fastboot-reboot-bootloader", "fastboot-reboot-fastboot"}, "How to restart the device once this image is written.").Otherwise("not at all"),
				), "Images by the name of their partition."),
				optional("docker", docker("image"), "Container that fastboot runs in."),
			}},
		{Kind: Deploy, Name: "flasher", Doc: "Run the flash commands of the device dictionary, with the images filled in.",
			Keys: []shape.Key{
				required("images", shape.Map{Rest: rest("<image>", resource("flasher-image",
					optional("download", boolean, "Fetch the file; otherwise the command gets its address.").Otherwise("true"),
				), "An image, under the name that the commands use.")}, "Images; may be empty."),
				uniquify.Otherwise("true"),
			}},
		{Kind: Deploy, Name: "mps", Doc: "Copy firmware and test binaries to the disk of an Arm MPS board.",
			Keys: []shape.Key{required("images", shape.Map{Least: 1,
				Keys: []shape.Key{
					optional("recovery_image", file, recoveryImage),
					optional("test_binary", resource("mps-binary", mpsRename()), "Program to run."),
				},
				Pattern: regexp.MustCompile(`^test_binary_\w+$`),
				Rest:    rest("test_binary_<word>", resource("mps-binary", mpsRename()), "One of several programs."),
			}, "A recovery image, test binaries, or both.")}},
		{Kind: Deploy, Name: "musca", Doc: "Copy a test binary to the disk of a Musca board.",
			Keys: []shape.Key{required("images", shape.Map{Keys: []shape.Key{required("test_binary", file, "Program to run.")}}, "The test binary.")}},
		{Kind: Deploy, Name: "qdl", Doc: "Fetch an image for a Qualcomm board in emergency download mode; the boot of the same name writes it.",
			Keys: []shape.Key{
				// LAVA's schema takes anything here that is not empty, so the parts cannot be checked.
				required("qcomflash", shape.Filled{}, "Archive with the images: url as for other files, and apply-overlay.").Like("{url: 'https://example.com/image.qcomflash.tar.gz', compression: gz}"),
				uniquify.Otherwise("false"),
				optional("rootfs_image", text, "File in the archive that takes the test overlay.").Otherwise("rootfs.img").Like("system.img"),
			}},
		{Kind: Deploy, Name: "recovery", Doc: "Fetch images for a board in recovery mode; a later test writes them.",
			Keys: []shape.Key{required("images", images("resource"), "Files to fetch.")}},
		{Kind: Deploy, Name: "u-boot-ums", Doc: "Fetch a disk image that U-Boot's mass storage mode lets the worker write.",
			Keys: []shape.Key{required("image", resource("ums-image", rootPartition), "Image of the whole medium.")}},
		{Kind: Deploy, Name: "usbg-ms", Doc: "Show a disk image to the device as a USB disk.",
			Keys: []shape.Key{required("image", file, "Image of the disk.")}},
		{Kind: Deploy, Name: "uuu", Doc: "Fetch images for NXP's uuu; the boot of the same name writes them.",
			Keys: []shape.Key{
				required("images", shape.Map{
					Keys: []shape.Key{required("boot", file, "Bootloader that is loaded first.")},
					Rest: rest("<image>", resource("uuu-image", applyOverlay, rootPartition), "A further image, under the name that commands use."),
				}, "Images; one is called boot."),
				uniquify.Otherwise("true"),
			}},
		{Kind: Deploy, Name: "vemsd", Doc: "Write firmware to the configuration disk of an Arm Versatile Express board.",
			Keys: []shape.Key{required("recovery_image", file, recoveryImage)}},
	}
}

func mpsRename() shape.Key {
	return optional("rename", text, "Name of the file on the board's disk.").Like("an521.bin")
}
