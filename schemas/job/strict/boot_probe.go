package strict

import "strata/schemas/shape"

// bootProbes start a board by a debug probe or another tool on the worker.
func bootProbes() []Method {
	protocolCommand := optional("<protocol>", text, "Command of that protocol; {name} is a deployed file.").Like("'boot -f {boot}'")
	return []Method{
		{Kind: Boot, Name: "cmsis-dap", Doc: "Copy the image to the disk of a CMSIS-DAP probe, which flashes and starts it."},
		{Kind: Boot, Name: "dfu", Doc: "Flash the image with dfu-util and connect."},
		{Kind: Boot, Name: "gdb", Doc: "Load and start the image with gdb.",
			Keys: []shape.Key{
				required("commands", text, "Name of a set of gdb commands of the device dictionary.").Like("openocd"),
				optional("container", text, "Container that gdb runs in, in place of the device's.").Like("gdb-multiarch:13"),
			}},
		{Kind: Boot, Name: "jlink", Doc: "Flash the image with a J-Link probe and start it.",
			Keys: []shape.Key{
				optional("prompts", shape.List{Of: filledText}, "Expressions that the shell prompt matches.").Like("['uart:~$']"),
				optional("commands", texts, "Commands of J-Link in place of those of the device; {name} is a deployed file.").Like("['loadfile {zephyr} 0x0']"),
				optional("coretype", text, "Core to start, for chips with several.").Like("Cortex-M7"),
			}},
		{Kind: Boot, Name: "musca", Doc: "Reset a Musca board, which runs the test binary that was deployed.",
			Keys: []shape.Key{prompts()}},
		{Kind: Boot, Name: "openocd", Doc: "Flash the image with OpenOCD and start it."},
		{Kind: Boot, Name: "pyocd", Doc: "Flash the image with pyOCD and start it."},
		{Kind: Boot, Name: "qdl", Doc: "Write the deployed image to a Qualcomm board in emergency download mode and start it.",
			Keys: []shape.Key{
				required("firehose_program", text, "Programmer that the board loads first.").Like("prog_firehose_ddr.elf"),
				required("rawprogram", textOrList, "Description of what is written where.").Like("rawprogram*.xml"),
				optional("patch", textOrList, "Description of patches to the partition table.").Like("patch*.xml"),
				optional("path", text, "Directory of these files in the deployed archive.").Like("image"),
				optional("storage", text, "Kind of storage that is written.").Like("ufs"),
				optional("debug", boolean, "Let qdl print more.").Otherwise("false"),
				optional("docker", docker("image"), "Container that qdl runs in."),
			}},
		{Kind: Boot, Name: "recovery", Doc: "Switch a board into its recovery mode, or out of it.",
			Keys: []shape.Key{required("commands", shape.Words{"recovery", "exit"}, "Into recovery mode, or out of it.")}},
		{Kind: Boot, Name: "uuu", Doc: "Write the deployed images with NXP's uuu and start the board.",
			Keys: []shape.Key{
				required("commands", shape.Either{text, shape.List{Of: shape.Map{Rest: &protocolCommand}}}, "Name of a set of commands of the device dictionary, or a list of protocol and command.").Like("[{SDP: 'boot -f {boot}'}]"),
				optional("docker", docker("image"), "Container that uuu runs in."),
				optional("skip_uuu_if_bootloader_valid", boolean, "Write nothing where the bootloader on the board answers.").Otherwise("false"),
			}},
	}
}
