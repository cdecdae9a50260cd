package boot_test

import (
	"strata/dispatcher/boot"
	"strata/dispatcher/pipeline"
)

// downloadModes are the methods for devices in a mode in which they take images over USB.
func downloadModes() []methodRun {
	const dfuHead = "command: dfu-util, options: ['-a 0']"
	images := func(s *pipeline.Session) {
		pipeline.Put(s, pipeline.Artefact("app"), "/d/app.bin")
		pipeline.Put(s, pipeline.Artefact("ble"), "/d/ble.bin")
	}
	const two = "images: {app: {url: x, image_arg: '--alt app --download {app}'}, ble: {url: x, image_arg: '--alt ble --download {ble}'}}"
	const call = "dfu-util -a 0 --serial SER1 --device 0483:df11 --alt "
	stop := "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait ^dfu 0 mmc 0$\nprint DOWNLOAD ... OK\nprint Ctrl+C to exit ...\nhang"
	qdlBlock := "method: qdl, firehose_program: p.elf, rawprogram: r.xml, patch: p.xml, storage: ufs, path: flat, debug: true"
	qdlDir := func(s *pipeline.Session) { pipeline.Put(s, boot.QDLDir, "/q") }
	return []methodRun{
		{
			name: "dfu",
			bench: bench{
				more:    board,
				deploy:  two,
				leave:   images,
				methods: "dfu: {implementation: hardware, parameters: {" + dfuHead + "}}",
				blocks:  []string{"method: dfu"},
			},
			calls: []string{call + "app --download /d/app.bin", call + "ble --download /d/ble.bin --reset"},
		},
		{
			name: "dfu that needs no reset",
			bench: bench{
				more:    board,
				deploy:  two,
				leave:   images,
				methods: "dfu: {implementation: hardware, reset_works: false, parameters: {" + dfuHead + "}}",
				blocks:  []string{"method: dfu"},
			},
			calls: []string{call + "app --download /d/app.bin", call + "ble --download /d/ble.bin"},
		},
		{
			name: "dfu of U-Boot",
			bench: bench{
				more:    board,
				deploy:  "images: {app: {url: x, image_arg: '--alt app --download {app}'}}",
				leave:   images,
				script:  stop,
				blocks:  []string{"method: dfu"},
				methods: "u-boot: {parameters: {bootloader_prompt: '=>'}}, dfu: {implementation: u-boot, parameters: {enter-commands: ['dfu 0 mmc 0'], " + dfuHead + "}}",
			},
			calls: []string{call + "app --download /d/app.bin --reset"},
		},
		{
			name: "dfu that fails",
			bench: bench{
				more:    board,
				deploy:  "images: {app: {url: x, image_arg: '--alt broken'}}",
				leave:   images,
				methods: "dfu: {implementation: hardware, parameters: {" + dfuHead + "}}",
				blocks:  []string{"method: dfu"},
			},
			calls: []string{call + "broken --reset"},
			class: pipeline.Job,
			says:  "flashing 'app' failed",
		},
		{
			name: "dfu without images for it",
			bench: bench{
				more:    board,
				methods: "dfu: {implementation: hardware, parameters: {" + dfuHead + "}}",
				blocks:  []string{"method: dfu"},
			},
			class: pipeline.Job,
			says:  "No DFU command to execute",
		},
		{
			name: "dfu without a device",
			bench: bench{
				more:    board + ", usb_product_id: beef",
				deploy:  two,
				leave:   images,
				methods: "dfu: {implementation: hardware, parameters: {" + dfuHead + "}}",
				blocks:  []string{"method: dfu"},
			},
			class: pipeline.Infrastructure,
			says:  "wait-dfu-device timed out",
		},
		{
			name: "qdl",
			bench: bench{
				more:    board,
				leave:   qdlDir,
				methods: "qdl: {parameters: {enter-commands: [power edl]}}",
				blocks:  []string{qdlBlock},
			},
			calls: []string{
				"power edl",
				"qdl --version",
				"qdl --debug --skipblock=sha256 --serial=SER1 --include=/q/flat --storage=ufs /q/flat/p.elf /q/flat/r.xml /q/flat/p.xml",
			},
		},
		{
			name: "qdl of an older version",
			bench: bench{
				more:    board,
				leave:   qdlDir,
				methods: "qdl: ",
				blocks:  []string{"method: qdl, firehose_program: p.elf, rawprogram: r.xml, patch: p.xml"},
			},
			env:   []string{"QDL=2.1"},
			calls: []string{"qdl --version", "qdl --serial=SER1 --include=/q /q/p.elf /q/r.xml /q/p.xml"},
		},
		{
			name: "qdl that is too old",
			bench: bench{
				more:    board,
				leave:   qdlDir,
				methods: "qdl: ",
				blocks:  []string{qdlBlock},
			},
			env:   []string{"QDL=1.0"},
			calls: []string{"qdl --version"},
			class: pipeline.Infrastructure,
			says:  "qdl is version 1.0, but 2.0 or newer is needed",
		},
		{
			name: "recovery",
			bench: bench{
				methods: "minimal: ",
				blocks:  []string{"method: recovery, commands: recovery"},
			},
			calls: []string{"adb recovery"},
		},
		{
			name: "recovery, an unknown mode",
			bench: bench{
				methods: "minimal: ",
				blocks:  []string{"method: recovery, commands: on"},
			},
			class: pipeline.Job,
			says:  "must be recovery or exit",
		},
		{
			name: "fastboot",
			bench: bench{
				more:    board,
				methods: "fastboot: [reboot]",
				blocks:  []string{"method: fastboot, commands: ['flash a b', continue]"},
			},
			calls: []string{
				"fastboot -s SER1 flash a b -u",
				"fastboot -s SER1 continue -u",
				"fastboot -s SER1 reboot -u",
			},
		},
		{
			name: "fastboot, an unknown step",
			bench: bench{
				more:    board,
				methods: "fastboot: [jump]",
				blocks:  []string{"method: fastboot"},
			},
			class: pipeline.Configuration,
			says:  "'jump' is not known",
		},
		{
			name: "a single console where several are wanted",
			bench: bench{
				more:    "commands: {connect: cat, must_use_connection: true}",
				methods: "minimal: ",
				blocks:  []string{"method: minimal"},
			},
			class: pipeline.Job,
			says:  "must_use_connection",
		},
		{
			name: "musca",
			bench: bench{
				more:    board + ", usb_sleep: 0.1",
				methods: "musca: ",
				shell:   true,
				blocks:  []string{"method: musca, prompts: ['sh# ']"},
				script:  "print Linux version 6\nprompt sh# \nwait ^$\nprompt sh# \nhang",
			},
		},
		{
			name: "u-boot shows its storage",
			bench: bench{
				more:    board,
				blocks:  []string{"method: u-boot, commands: [ums 0 mmc 0]"},
				leave:   func(s *pipeline.Session) { pipeline.Put(s, pipeline.Artefact("image"), "/d/disk.img") },
				methods: "u-boot: {parameters: {bootloader_prompt: '=>', uboot_ums_flash: true, uboot_mass_storage_device: /dev/null}}",
				script:  "raw\nprint Hit any key to stop autoboot\nkey ^ \\n$\nprompt => \nkey ums\nkey \\x03\nhang",
			},
			calls: []string{
				"bmaptool create --output /d/disk.img.bmap /d/disk.img",
				"bmaptool copy --bmap /d/disk.img.bmap /d/disk.img /dev/null",
			},
		},
	}
}

// uuuRuns are those of NXP's uuu and bcu.
func uuuRuns() []methodRun {
	uboot := func(more string) string {
		return "u-boot: {parameters: {bootloader_prompt: '=>'}}, uuu: {options: {usb_otg_path: ['1:2', '3:4'], bcu_board_name: evk, bcu_board_id: '2-1.3', " +
			"corrupt_boot_media_command: ['mmc erase 0 0x400'], remote_options: '', additional_bcu_cleanup_commands: [lsftdi]" + more + "}}"
	}
	const otg, deinit = "uuu -m 1:2 -m 3:4 ", "bcu deinit -board=evk -id=2-1.3"
	const contained = "docker run --rm --privileged --volume=/dev:/dev --net=host -e DISABLE_SUMMARY=true "
	erase := "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait ^mmc erase\nprompt => \nhang"
	boots := func(s *pipeline.Session) { pipeline.Put(s, pipeline.Artefact("boot"), "/b/imx.bin") }
	return []methodRun{
		{
			name: "uuu by bcu only",
			bench: bench{
				more:    board,
				methods: uboot(""),
				blocks:  []string{"method: uuu, commands: [{bcu: set_boot_mode sd}]"},
			},
			calls: []string{
				"bcu set_boot_mode sd -board=evk -id=2-1.3",
				"bcu lsftdi -board=evk -id=2-1.3",
				deinit,
			},
		},
		{
			name: "uuu after the boot media were erased",
			bench: bench{
				more:    board,
				methods: uboot(", power_off_before_corrupt_boot_media: true"),
				script:  erase,
				blocks:  []string{"method: uuu, commands: [{uuu: '-b sd {boot}'}]"},
			},
			calls: []string{
				"timeout --preserve-status 10 uuu -m 1:2 -m 3:4 @/boot/imx-boot.bin",
				otg + "-b sd @/boot/imx-boot.bin",
			},
		},
		{
			name: "uuu without a boot loader",
			bench: bench{
				more:    board,
				methods: uboot(""),
				script:  "prompt nothing\nwait .\nhang",
				blocks:  []string{"method: uuu, commands: [{uuu: '-b sd {boot}'}]"},
			},
			class: pipeline.Infrastructure,
			says:  "bootloader-interrupt timed out",
			calls: []string{"timeout --preserve-status 10 uuu -m 1:2"},
		},
		{
			name: "uuu that is not needed",
			bench: bench{
				more:    board,
				methods: uboot(""),
				script:  "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nhang",
				blocks:  []string{"method: uuu, skip_uuu_if_bootloader_valid: true, commands: [{uuu: '-b sd {boot}'}]"},
			},
			says: "skipped uuu: the device's boot loader is valid",
		},
		{
			name: "uuu after a reset of the usb",
			bench: bench{
				more:    board,
				methods: uboot(""),
				blocks:  []string{"method: uuu, commands: [{bcu: reset usb}, {uuu: '-b sd {boot}'}, {FB: 'ucmd setenv x'}]"},
			},
			calls: []string{
				"bcu reset usb -board=evk -id=2-1.3",
				otg + "-b sd @/boot/imx-boot.bin",
				otg + "FB: ucmd setenv x",
				"bcu lsftdi -board=evk -id=2-1.3",
				deinit,
			},
		},
		{
			name: "uuu that fails",
			bench: bench{
				more:    board,
				methods: uboot(""),
				blocks:  []string{"method: uuu, commands: [{bcu: reset usb}, {uuu: bad}]"},
			},
			class: pipeline.Infrastructure,
			says:  "Unable to run: ['uuu', '-m', '1:2', '-m', '3:4', 'bad']",
			calls: []string{"bcu reset usb", otg + "bad"},
		},
		{
			name: "uuu in the device's container",
			bench: bench{
				more:    board,
				deploy:  "images: {boot: {url: x}}",
				leave:   boots,
				methods: uboot(", docker_image: 'uuu:1'"),
				blocks:  []string{"method: uuu, commands: [{bcu: reset usb}, {uuu: '-b sd {boot}'}]"},
			},
			calls: []string{
				"docker pull uuu:1",
				contained + "--mount=type=bind,source=/b,destination=/b uuu:1 bcu reset usb -board=evk -id=2-1.3",

				contained + "--mount=type=bind,source=/b,destination=/b uuu:1 " + otg + "-b sd /b/imx.bin",
				contained + "--mount=type=bind,source=/b,destination=/b uuu:1 bcu lsftdi",
				contained + "--mount=type=bind,source=/b,destination=/b uuu:1 bcu deinit",
			},
		},
		{
			name: "bcu without a board",
			bench: bench{
				more:    board,
				methods: "u-boot: {parameters: {bootloader_prompt: '=>'}}, uuu: {options: {usb_otg_path: '1:2', bcu_board_name: evk, bcu_board_id: ''}}",
				blocks:  []string{"method: uuu, commands: [{bcu: reset usb}]"},
			},
			class: pipeline.Job,
			says:  "bcu_board_id '' do not respect bcu format",
		},
	}
}
