package strict

import "strata/schemas/shape"

// bootEmulators start a virtual machine or a container.
func bootEmulators() []Method {
	serial := optional("connection", shape.Words{"serial"}, "How the console is reached; there is only one way.")
	return []Method{
		{Kind: Boot, Name: "avh", Doc: "Start a virtual device of Arm Virtual Hardware.",
			Keys: []shape.Key{
				required("prompts", promptList, "Expressions that the shell prompt matches.").Like(`['root@imx93:~#']`),
				optional("bootargs", shape.Map{Keys: []shape.Key{
					optional("normal", text, "Command line of the kernel.").Like("console=ttyLP0,115200"),
					optional("restore", text, "Command line of the kernel when the device restores itself.").Like("console=ttyLP0,115200 single"),
				}}, "Command lines of the kernel."),
				optional("docker", docker("image"), "Taken for jobs that have it, and not needed: the console is reached without a container."),
				autoLogin(),
			}},
		{Kind: Boot, Name: "docker", Doc: "Start the container that was deployed.",
			Keys: []shape.Key{
				required("command", text, "Command to run in it.").Like("bash"),
				prompts(), fromDeploy,
			}},
		{Kind: Boot, Name: "fvp", Doc: "Start an Arm Fixed Virtual Platform in a container.",
			Keys: []shape.Key{
				required("console_string", text, "Expression of the line that tells the console's port, as the group PORT.").Like(`'terminal_0: Listening for serial connection on port (?P<PORT>\d+)'`),
				required("image", text, "Path of the model inside the container.").Like("/opt/model/FVP_Base_RevC-2xAEMvA"),
				required("arguments", texts, "Arguments of the model; {name} is the path of a deployed file.").Like("['-C', 'bp.secureflashloader.fname={BL1}']"),
				required("docker", docker("name"), "Container with the model."),
				optional("use_telnet", boolean, "Reach the console by telnet.").Otherwise("true"),
				optional("feedbacks", texts, "Expressions of lines that tell further ports, as the groups NAME and PORT.").Like(`['(?P<NAME>terminal_1): Listening for serial connection on port (?P<PORT>\d+)']`),
				optional("license_variable", text, "Address of the licence server, for the container's environment.").Like("8224@licence.example.com"),
				optional("ubl_license", text, "Code that activates a user based licence.").Like("00000000-1111-2222-3333-444444444444"),
				optional("environment", texts, "Variables of the container, as NAME=value.").Like("[ARMLMD_LICENSE_FILE=8224@licence.example.com]"),
				optional("version_string", text, "Expression of the model's version.").Otherwise(`Fast Models[^\n]+`).Like("'Fast Models [0-9.]+'"),
				prompts(), transferOverlay(), autoLogin(),
				optional("erpc_app", text, "Program on the worker's side that talks eRPC with the model.").Like("/usr/local/bin/erpc-host"),
				optional("commands", texts, "Commands to run in the container once the model runs.").Like("['nc -l 5000']"),
			}},
		{Kind: Boot, Name: "monitor", Doc: "Start an image in QEMU that prints results by itself and has no shell."},
		{Kind: Boot, Name: "nodebooter", Doc: "Boot a node over the network by a boot server in a container.",
			Keys: []shape.Key{
				required("command", text, "Command to run in the container.").Like("nodebooter"),
				prompts(), fromDeploy,
			}},
		{Kind: Boot, Name: "qemu", Doc: "Start the deployed images in QEMU.",
			Keys: []shape.Key{
				serial,
				optional("media", shape.Words{"tmpfs"}, "Where the images are; there is only one place."),
				prompts(), transferOverlay(), autoLogin(),
				optional("docker", docker("image", optional("binary", text, "QEMU program in the container.").Like("/usr/bin/qemu-system-aarch64")), "Container that QEMU runs in."),
			}},
		{Kind: Boot, Name: "qemu-iso", Doc: "Run an installer in QEMU and boot what it installed.",
			Keys: []shape.Key{
				required("media", shape.Words{"img"}, "What is installed to: a disk image."),
				prompts(), autoLogin(),
			}},
		{Kind: Boot, Name: "qemu-nfs", Doc: "Start a kernel in QEMU whose root comes by NFS.",
			Keys: []shape.Key{serial, prompts(), transferOverlay(), autoLogin()}},
	}
}
