package strict

import (
	"slices"

	"strata/schemas/job"
	"strata/schemas/shape"
)

// SharedShape is a value that many methods take, described once.
type SharedShape struct {
	Name  string // as in shape.Named, and the title of its section in the reference
	Doc   string
	Shape shape.Shape
}

// Shared returns the values that many methods take, in the order of the reference.
func Shared() []SharedShape {
	return []SharedShape{
		{"file", "A file to fetch. What a method knows of a file beside these keys stands on its page. With `overlays` the file is changed after it was fetched, and `format` says what it is.", resource("")},
		{"overlays", "What is put into a file that was fetched.", overlays.Shape},
		{"duration", "A mapping with exactly one unit.", duration.Shape},
		{"prompts", "A text, or a list of texts: regular expressions of Python, none of them empty. Make them exact, such as `root@board:~#`: one that is too short, such as `#`, matches the log of the kernel.", promptList.Shape},
		{"auto_login", "How to log in.", loginPrompts.Shape},
		{"transfer_overlay", "How the device fetches the tests by itself.", overlayTransfer.Shape},
	}
}

// FileKeys returns the keys of every file to fetch, overlays and all.
func FileKeys() []shape.Key {
	overlaid := resource("").(shape.Either)[1].(shape.Map)
	return slices.Clone(overlaid.Keys)
}

// contextDocs says what each variable of a context is for, as the device types that read it have it.
func contextDocs() map[string]string {
	docs := map[string]string{
		"arch": "Architecture of the virtual machine.", "boot_console": "Console of the kernel's command line.",
		"boot_root": "Root of the kernel's command line.", "cpu": "Model of the processor.",
		"extra_options": "Further options of QEMU.", "guestfs_driveid": "Id of the disk with the test overlay.",
		"guestfs_interface": "Bus of the disk with the test overlay.", "guestfs_size": "Megabytes of the disk with the test overlay.",
		"machine": "Model of the machine.", "memory": "Megabytes of memory.", "model": "Model of the network card.",
		"monitor": "Where QEMU's monitor is.", "netdevice": "Kind of network, such as user or tap.",
		"no_kvm": "Do without the processor's virtualization.", "no_network": "Have no network card.",
		"serial": "Where the serial line leads.", "vga": "Kind of graphics card.",
		"deploy_character_delay": "Milliseconds between two characters that a deploy types.",
		"boot_character_delay":   "Milliseconds between two characters that a boot types.",
		"test_character_delay":   "Milliseconds between two characters that a test types.",
		"boot_retry":             "How often a boot is tried.", "bootloader_prompt": "Prompt of the bootloader.",
		"console_device": "Console of the kernel's command line.", "custom_kernel_args": "All of the kernel's command line but the console.",
		"extra_kernel_args": "Further words of the kernel's command line.", "extra_nfsroot_args": "Further options of the NFS root.",
		"failure_retry": "How often an action that fails is tried.", "kernel_loglevel": "Level of the kernel's messages on the console.",
		"kernel_start_message": "Expression of what the kernel prints first.", "lava_test_results_dir": "Directory of the tests on the device; %s is the job's number.",
		"menu_interrupt_prompt": "What the boot menu prints when it can be stopped.", "mustang_menu_list": "Entries of the boot menu of an APM Mustang.",
		"tftp_mac_address": "MAC address that U-Boot uses.", "uboot_extra_error_message": "A further text that means failure in U-Boot.",
		"uboot_needs_interrupt": "Whether U-Boot's countdown has to be stopped.", "uboot_altbank": "Boot from U-Boot's other bank.",
	}
	for _, command := range []string{"booti", "bootm", "bootz"} {
		for file, what := range map[string]string{"kernel": "kernel", "ramdisk": "ramdisk", "dtb": "device tree"} {
			docs[command+"_"+file+"_addr"] = "Address where " + command + " finds the " + what + "."
		}
	}
	return docs
}

// ContextKeys returns the variables that the context of every lab's jobs may set.
func ContextKeys() []shape.Key { return contextKeys(job.ContextNames()) }

// A name without a sentence is one that a lab has added.
func contextKeys(names []string) (keys []shape.Key) {
	value := shape.Either{whole, text, shape.List{Of: shape.Either{whole, text}}}
	docs := contextDocs()
	for _, name := range names {
		doc := docs[name]
		if doc == "" {
			doc = "A variable of this lab's device types."
		}
		keys = append(keys, optional(name, value, doc))
	}
	return keys
}
