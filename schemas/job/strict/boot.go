package strict

import (
	"slices"

	"strata/schemas/shape"
)

// bootMethods are the ways to start what was deployed.
// By name, as the reference lists them.
func bootMethods() []Method {
	methods := slices.Concat(bootLoaders(), bootEmulators(), bootProbes(), bootSessions())
	slices.SortFunc(methods, byName)
	return methods
}

// bootKeys are what every boot may have.
func bootKeys() []shape.Key {
	return []shape.Key{
		optional("parameters", shape.Map{Keys: []shape.Key{
			optional("bootloader-final-message", text, "Expression of what the bootloader prints last.").Like("Starting kernel"),
			optional("kernel-start-message", text, "Expression of what the kernel prints first.").Like("Linux version [0-9]"),
			optional("shutdown-message", text, "Expression of what the system prints when it goes down.").Like("'reboot: Restarting system'"),
		}}, "Messages to wait for, in place of those of the device."),
		optional("soft_reboot", textOrList, "Lines that restart the system, where no power control does.").Otherwise("those of the device").Like("[reboot]"),
		optional("ignore_kernel_messages", boolean, "Do not end the boot at a panic or another message of the kernel.").Otherwise("false"),
	}
}

// Keys that several boots have.
var (
	commandSet   = required("commands", textOrList, "Name of a set of commands of the device dictionary, or the commands themselves.").Like("ramdisk")
	bootScript   = optional("use_bootscript", boolean, "Put the commands into a script that the bootloader fetches.").Otherwise("false")
	commandLines = optional("commands", texts, "Commands to type, in order.").Like("[setenv bootargs quiet]")
	fromDeploy   = optional("downloads-namespace", text, "Namespace of the downloads that are used.").Otherwise("the action's own").Like("images")
)

// bootLoaders start a kernel from the prompt or menu of a bootloader.
func bootLoaders() []Method {
	resetFlag := optional("reset", boolean, "Reset the device first.").Otherwise("true")
	grub := []shape.Key{
		commandSet, autoLogin(), prompts(), transferOverlay(), bootScript, resetFlag,
		optional("boot_finished", textOrList, "Expressions of which one ends the boot, for an installer that leaves no shell.").Like("'reboot: Power down'"),
		optional("expect_shell", boolean, "Wait for a shell at the end.").Otherwise("true"),
	}
	return []Method{
		{Kind: Boot, Name: "barebox", Doc: "Stop barebox at its prompt and type the boot commands.",
			Keys: []shape.Key{commandSet, prompts(), autoLogin(), transferOverlay()}},
		{Kind: Boot, Name: "bootloader", Doc: "Stop a bootloader at its prompt and stay there, for interactive tests.",
			Keys: []shape.Key{
				required("bootloader", text, "Boot method of the device dictionary whose prompt is meant.").Like("u-boot"),
				commandLines, bootScript, prompts(),
				optional("reset_connection", boolean, "Connect anew first.").Otherwise("true"),
				optional("reset_device", boolean, "Reset the device first.").Otherwise("true"),
				resetFlag,
			}},
		{Kind: Boot, Name: "depthcharge", Doc: "Boot a Chromebook: its bootloader fetches a command line and an image by TFTP.",
			Keys: []shape.Key{
				commandSet, autoLogin(), prompts(), bootScript, transferOverlay(),
				optional("extra_kernel_args", text, "Words to add to the kernel's command line.").Like("console_msg_format=syslog"),
			}},
		{Kind: Boot, Name: "grub", Doc: "Stop GRUB at its prompt and type the boot commands.", Keys: grub},
		{Kind: Boot, Name: "grub-efi", Doc: "Choose GRUB in the menu of UEFI, stop it at its prompt and type the boot commands.", Keys: grub},
		{Kind: Boot, Name: "ipxe", Doc: "Stop iPXE at its prompt and type the boot commands.",
			Keys: []shape.Key{commandSet, prompts(), transferOverlay(), autoLogin(), bootScript}},
		{Kind: Boot, Name: "u-boot", Doc: "Stop U-Boot at its prompt and type the boot commands.",
			Keys: []shape.Key{commandSet, prompts(), autoLogin(), resetFlag, bootScript, transferOverlay()}},
		{Kind: Boot, Name: "uefi", Doc: "Start the shell of UEFI and type the boot commands.",
			Keys: []shape.Key{
				commandSet, prompts(), autoLogin(),
				optional("shell_menu", text, "Entry of the UEFI menu that starts the shell.").Like("UEFI Internal Shell"),
			}},
		{Kind: Boot, Name: "uefi-menu", Doc: "Walk through the menu of UEFI as the device dictionary says.",
			Keys: []shape.Key{
				optional("commands", text, "Name of a set of menu steps of the device dictionary.").Like("tftp"),
				optional("line_separator", text, "What ends a line that is typed: dos or unix.").Otherwise("dos").Like("unix"),
				prompts(), autoLogin(),
			}},
	}
}

// bootSessions reach a system that runs already, or start one from within another.
func bootSessions() []Method {
	return []Method{
		{Kind: Boot, Name: "fastboot", Doc: "Restart an Android device into the system that was flashed.",
			Keys: []shape.Key{
				commandLines, bootScript, prompts(), autoLogin(), transferOverlay(),
				optional("docker", docker("image"), "Container that fastboot and adb run in."),
			}},
		{Kind: Boot, Name: "kexec", Doc: "Start another kernel from the running system.",
			Keys: []shape.Key{
				required("boot_message", text, "Expression of what the new kernel prints first.").Like("Booting Linux"),
				prompts(), autoLogin(), transferOverlay(),
				optional("deploy", boolean, "Fetch kernel, device tree and ramdisk to the device first.").Otherwise("false"),
				optional("command", text, "Program that loads the kernel.").Otherwise("/sbin/kexec").Like("/usr/sbin/kexec"),
				optional("kernel", text, "Path of the kernel on the device.").Like("/home/vmlinuz"),
				optional("dtb", text, "Path of the device tree on the device.").Like("/home/board.dtb"),
				optional("initrd", text, "Path of the ramdisk on the device.").Like("/home/initrd.gz"),
				optional("options", texts, "Further options of the program.").Like("[--reuse-cmdline]"),
				optional("kernel-config", text, "Path or address of the kernel's configuration, which is searched for kexec.").Like("/proc/config.gz"),
				optional("on_panic", boolean, "Load the kernel for a crash, and crash the running one.").Otherwise("false"),
			}},
		{Kind: Boot, Name: "minimal", Doc: "Power the device and connect: what it holds boots by itself.",
			Keys: []shape.Key{
				prompts(), autoLogin(), transferOverlay(),
				optional("pre_power_command", boolean, "Run the device's command of this name first.").Otherwise("false"),
				optional("pre_os_command", boolean, "Run the device's command of this name first.").Otherwise("false"),
				optional("reset", boolean, "Reset the device.").Otherwise("true"),
			}},
		{Kind: Boot, Name: "new_connection", Doc: "Open a second connection of the device, in a namespace of its own.",
			Keys: []shape.Key{
				required("connection", text, "Connection of the device dictionary.").Like("uart1"),
				prompts(), autoLogin(), transferOverlay(),
			}},
		{Kind: Boot, Name: "schroot", Doc: "Enter a schroot of a device that is reached by ssh.",
			Keys: []shape.Key{
				required("connection", shape.Words{"ssh"}, "How the device is reached."),
				required("schroot", text, "Name of the schroot.").Like("unstable"),
				prompts(),
			}},
		{Kind: Boot, Name: "ssh", Doc: "Log in to a running system by ssh.",
			Keys: []shape.Key{prompts()},
			parameters: &shape.Map{Keys: []shape.Key{
				optional("hostID", text, "Message of the protocol in which the host sent its address.").Like("ipv4"),
				optional("host_key", text, "Key of that message with the address.").Like("ipaddr"),
			}}},
	}
}
