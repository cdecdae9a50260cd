package boot

import "strata/dispatcher/pipeline"

// Methods returns the boot methods in the order in which they are asked.
func Methods() []pipeline.Method {
	return []pipeline.Method{
		{Name: "avh", Accepts: when("avh"), Action: avhBoot},
		{Name: "barebox", Accepts: withCommands("barebox"), Action: barebox},
		{Name: "bootloader", Accepts: acceptsBareLoader, Action: bareLoader},
		{Name: "cmsis-dap", Accepts: when("cmsis-dap", methodHas("cmsis-dap", "usb_mass_device"), deviceHas("board_id")), Action: cmsisDAP},
		{Name: "depthcharge", Accepts: withCommands("depthcharge"), Action: depthcharge},
		{Name: "dfu", Accepts: when("dfu", deviceHas("board_id")), Action: dfu},
		{Name: "docker", Accepts: when("docker", blockHas("command")), Action: docker},
		{Name: "fastboot", Accepts: acceptsFastboot, Action: fastboot},
		{Name: "fvp", Accepts: acceptsFVP, Action: fvp},
		{Name: "gdb", Accepts: acceptsGDB, Action: gdb},
		{Name: "grub-sequence", Words: []string{"grub", "grub-efi"}, Accepts: acceptsGrubSequence, Action: grubSequence},
		{Name: "grub", Words: []string{"grub", "grub-efi"}, Accepts: acceptsGrub, Action: grub},
		{Name: "ipxe", Accepts: when("ipxe"), Action: ipxe},
		{Name: "jlink", Accepts: when("jlink", deviceHas("board_id")), Action: jlink},
		{Name: "kexec", Accepts: anywhere("kexec"), Action: kexec},
		{Name: "minimal", Accepts: when("minimal"), Action: minimal},
		{Name: "musca", Accepts: when("musca", deviceHas("board_id")), Action: musca},
		{Name: "new_connection", Accepts: acceptsNewConnection, Action: newConnection},
		{Name: "nodebooter", Accepts: when("nodebooter"), Action: nodebooter},
		{Name: "openocd", Accepts: when("openocd", deviceHas("board_id")), Action: openocd},
		{Name: "pyocd", Accepts: when("pyocd", deviceHas("board_id")), Action: pyocd},
		{Name: "qdl", Accepts: when("qdl", deviceHas("board_qdl_id")), Action: qdl},
		{Name: "qemu", Words: []string{"qemu", "qemu-nfs", "monitor"}, Accepts: acceptsQEMU, Action: qemu},
		{Name: "qemu-iso", Accepts: acceptsInstaller, Action: installer},
		{Name: "recovery", Accepts: acceptsRecovery, Action: recovery},
		{Name: "schroot", Accepts: containing("schroot"), Action: schroot},
		{Name: "ssh", Accepts: containing("ssh"), Action: sshLogin},
		{Name: "u-boot", Accepts: withCommands("u-boot"), Action: uboot},
		{Name: "uefi", Accepts: when("uefi", methodHas("uefi", "shell_interrupt_string", "shell_interrupt_prompt", "bootloader_prompt")), Action: uefiShell},
		{Name: "uefi-menu", Accepts: acceptsUEFIMenu, Action: uefiMenu},
		{Name: "uuu", Accepts: acceptsUUU, Action: uuu},
	}
}

// offers says whether the device's dictionary has a boot method, be its entry empty.
func offers(device pipeline.Data, method string) bool {
	return device.Get("actions", "boot", "methods").Has(method)
}
