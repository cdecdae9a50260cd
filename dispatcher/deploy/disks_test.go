package deploy

import (
	"strata/dispatcher/pipeline"
)

// diskRuns are those of the boards that show a disk.
func diskRuns() []methodRun {
	const board = ", board_id: SER1, usb_filesystem_label: BOARD, commands: {connect: 'CONSOLE', hard_reset: power cycle, power_off: power off}"
	const reset, mounts, unmounts = "power cycle", "mount /dev/sdx @/mount-", "umount @/mount-"
	constants := ", constants: {failure_retry: 1, default-shell-prompt: '# ', posix: {lava_test_results_dir: /lava-%s, lava_test_sh_cmd: /bin/sh, lava_test_shell_file: x}}"
	actions := func(method string) string {
		return board + constants + ", actions: {deploy: {methods: {" + method + "}}, boot: {connections: {serial: }, methods: {}}}"
	}
	mps := "mps: {parameters: {reboot-string: REBOOT}}"
	mcc := "mcc_prompt: 'Cmd> ', autorun_prompt: 'Press Enter to stop auto boot', mcc_reset_msg: Powering up, msd_mount_cmd: usb_on"
	stop := "print Press Enter to stop auto boot\nwait ^ $\nprompt Cmd> \nwait ^usb_on$\nprompt Cmd> \n"
	erase := stop + "wait ^flash$\nprompt Flash> \nwait ^eraseall$\nprint Erasing Flash\nprompt Flash> \nwait ^exit$\nprompt Cmd> \nhang"
	return []methodRun{
		{
			name: "mps",
			job: job{
				noTest: true,
				device: actions(mps),
				deploy: "{to: mps, images: {test_binary_2: {url: 'file://DIR/app.axf', rename: AN.AXF}, recovery_image: {url: 'file://DIR/firmware.zip', compression: zip}}}",
			},
			calls: []string{reset, mounts, unmounts},
			disk:  "MB/b.txt=board SOFTWARE/AN.AXF=app reboot.txt=REBOOT",
		},
		{
			name: "mps with a power supply",
			job: job{
				noTest: true,
				device: actions("mps: {parameters: {hard-reboot: true}}"),
				deploy: "{to: mps, images: {test_binary: {url: 'file://DIR/app.axf'}}}",
			},
			calls: []string{reset, mounts, unmounts, "power off"},
			disk:  "OLD/f= SOFTWARE/app.axf=app",
		},
		{
			name: "mps, another image",
			job: job{
				noTest: true,
				device: actions(mps),
				deploy: "{to: mps, images: {kernel: {url: 'file://DIR/app.axf'}, test_binary_1: {url: 'file://DIR/app.axf'}}}",
			},
			class: pipeline.Job,
			says:  "Invalid image 'kernel'",
		},
		{
			name: "musca",
			job: job{
				noTest: true,
				device: actions("musca: "),
				deploy: "{to: musca, images: {test_binary: {url: 'file://DIR/app.axf'}}}",
			},
			calls: []string{reset, mounts, unmounts, mounts, unmounts},
			disk:  "OLD/f= app.axf=app",
		},
		{
			name: "musca, a failure",
			fail: "bad hex",
			job: job{
				noTest: true,
				device: actions("musca: "),
				deploy: "{to: musca, images: {test_binary: {url: 'file://DIR/app.axf'}}}",
			},
			calls: []string{reset, mounts, unmounts, mounts, unmounts},
			class: pipeline.Infrastructure,
			says:  "Flash failure indicated by presence of FAIL.TXT (Contents: 'bad hex')",
		},
		{
			name: "musca, two images",
			job: job{
				noTest: true,
				device: actions("musca: "),
				deploy: "{to: musca, images: {test_binary: {url: 'file://DIR/app.axf'}, b: {url: 'file://DIR/app.axf'}}}",
			},
			class: pipeline.Job,
			says:  "needs exactly one image, 'test_binary', found ['test_binary', 'b']",
		},
		{
			name: "vemsd",
			job: job{
				noTest: true,
				script: stop + "hang",
				device: actions("vemsd: {parameters: {" + mcc + "}}"),
				deploy: "{to: vemsd, recovery_image: {url: 'file://DIR/firmware.tar.gz', compression: gz}}",
			},
			calls: []string{reset, mounts, unmounts},
			disk:  "MB/b.txt=",
		},
		{
			name: "vemsd that erases",
			job: job{
				noTest: true,
				script: erase,
				device: actions("vemsd: {parameters: {" + mcc + ", flash_prompt: 'Flash> ', flash_enter_cmd: flash, flash_erase_cmd: eraseall, flash_erase_msg: Erasing, flash_exit_cmd: exit}}"),
				deploy: "{to: vemsd, recovery_image: {url: 'file://DIR/firmware.zip', compression: zip}}",
			},
			calls: []string{reset, mounts, unmounts},
			disk:  "MB/b.txt=board",
		},
		{
			name: "vemsd without a prompt",
			job: job{
				noTest: true,
				device: actions("vemsd: {parameters: {}}"),
				deploy: "{to: vemsd, recovery_image: {url: 'file://DIR/firmware.zip', compression: xz}}",
			},
			class: pipeline.Job,
			says:  "Missing 'mcc_prompt'",
		},
		{
			name: "usbg-ms",
			job: job{
				noTest: true,
				device: ", actions: {deploy: {methods: {usbg-ms: {enable: [gadget, 'on', '{IMAGE}'], disable: [gadget, 'off']}}}}",
				deploy: "{to: usbg-ms, image: {url: 'file://DIR/app.axf'}}",
			},
			calls: []string{"gadget off", "gadget on @/usbg-ms-*/image/app.axf", "gadget off"},
		},
	}
}
