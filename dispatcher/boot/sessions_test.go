package boot_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
)

// androids are devices that fastboot and adb talk to.
func androids(t *testing.T) []methodRun {
	const bare = board + ", commands: {connect: cat}"
	overlay := func(s *pipeline.Session) {
		dir, file := filepath.Join(s.JobDir(), "tree"), filepath.Join(s.JobDir(), "overlay.tar.gz")
		err := os.MkdirAll(filepath.Join(dir, "data/local/tmp/lava-7"), 0o755)
		if err == nil {
			err = exec.Command("tar", "-C", dir, "-czf", file, "data").Run()
		}
		if err != nil {
			t.Error(err)
		}
		pipeline.Put(s, pipeline.OverlayFile, file)
	}
	viaUBoot := "actions: {deploy: {methods: {u-boot: {parameters: {bootloader_prompt: '=>', fastboot: {commands: [fastboot usb 0]}}}}}, boot: {connections: {serial: }, methods: {fastboot: [boot]}}}"
	const contained = "docker run --rm --init --name lava-7-2.%d-* --mount=type=bind,source=@/boot,destination=@/boot --device=/dev/x --device=/dev/bus/usb/001/008 fb:1 fastboot -s SER1 boot @/boot/imx-boot.bin -u"
	return []methodRun{
		{
			name: "android by adb",
			bench: bench{
				more:    bare,
				methods: "fastboot: [boot, reboot]",
				leave:   overlay,
				blocks:  []string{"method: fastboot, prompts: ['sh# ']"},
			},
			consoles: map[string]string{"CONSOLE": "prompt sh# \nhang"},
			calls: []string{
				"adb start-server",
				"adb devices",
				"adb -s SER1 reboot-bootloader",
				"fastboot -s SER1 boot @/boot/imx-boot.bin -u",
				"fastboot -s SER1 reboot -u",
				"adb start-server",
				"adb -s SER1 push %/adb-overlay-unpack-*/data/local/tmp /data/local",
				"adb -s SER1 shell",
				"adb -s SER1 shell /system/bin/chmod -R 0777 /lava-7",
				"adb -s SER1 wait-for-device",
			},
			says: `"status":"Finished. Total time: 0.1s"`,
		},
		{
			name: "fastboot in a container",
			bench: bench{
				more:   board + ", fastboot_via_uboot: true, " + viaUBoot,
				blocks: []string{"method: fastboot, docker: {image: 'fb:1', devices: [/dev/x, '/dev/y:/dev/z']}"},
				script: "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait ^fastboot usb 0$\nhang",
			},
			calls: []string{"docker pull fb:1", fmt.Sprintf(contained, 4)},
		},
		{
			name: "a serial number that is found out",
			bench: bench{
				more:    strings.Replace(board, "fastboot_serial_number: SER1", "fastboot_serial_number: '0000000000', fastboot_auto_detection: true", 1),
				methods: "fastboot: [reboot]",
				blocks:  []string{"method: fastboot"},
			},
			calls: []string{"fastboot devices", "fastboot -s SER1 reboot -u"},
			says:  "Detected fastboot device 'SER1'",
		},
	}
}

// sessions are methods that go on from a system, a boot loader or a machine that runs.
func sessions() []methodRun {
	installed := pipeline.Installer{Command: []string{"machine", "-kernel", "k", "-initrd", "i", "-drive", "file=x,media=cdrom", "-no-reboot", "-drive", "file=hd.img"}, Append: "auto=true url", Prompts: []string{"reboot: Power down"}}
	const quiet = "method: minimal, prompts: ['sh# '], parameters: {kernel-start-message: ''}"
	return []methodRun{
		{
			name: "qemu-iso",
			bench: bench{
				more:   board,
				leave:  func(s *pipeline.Session) { pipeline.Put(s, pipeline.InstallerRun, installed) },
				blocks: []string{"method: qemu-iso, media: img, prompts: ['sh# ']"},
			},
			consoles: map[string]string{"CONSOLE": "print Installing\nprint reboot: Power down", "TELNET": "print Loading initial ramdisk\nprint Linux version 6\nprompt sh# \nwait ^$\nprompt sh# \nwait poweroff"},
			calls: []string{
				"machine -kernel k -initrd i -drive file=x,media=cdrom -no-reboot -drive file=hd.img -append auto=true url",
				"machine -drive file=hd.img",
			},
		},
		{
			name: "qemu-iso without an installer",
			bench: bench{
				blocks: []string{"method: qemu-iso, media: img, prompts: ['sh# ']"},
			},
			class: pipeline.Job,
			says:  "there is no installer: deploy one with 'to: iso-installer'",
		},
		{
			name: "schroot",
			bench: bench{
				methods: "minimal: , schroot: {name: unstable, command: schroot -c}",
				blocks:  []string{quiet, "method: schroot, schroot: unstable"},
				script:  "prompt sh# \nwait ^schroot -c unstable$\nprompt (unstable)root# \nhang",
			},
			says: "Logging into unstable schroot",
		},
		{
			name: "schroot that is not there",
			bench: bench{
				methods: "minimal: , schroot: {name: unstable}",
				blocks:  []string{quiet, "method: schroot, schroot: 'a;b'"},
			},
			class: pipeline.Job,
			says:  "'a;b' is not one of the device's schroots: ['unstable']",
		},
		{
			name: "grub by a sequence",
			bench: bench{
				more:   "actions: {deploy: {methods: {fastboot: {interrupt_prompt: Android Fastboot mode, interrupt_string: ' '}}}, boot: {connections: {serial: }, methods: {grub: {sequence: [wait-fastboot-interrupt]}}}}",
				blocks: []string{"method: grub, commands: installed, prompts: ['sh# ']"},
				script: "print Android Fastboot mode\nwait ^ $\nprint Linux version 6\nprompt sh# \nhang",
			},
		},
		{
			name: "grub by an unknown sequence",
			bench: bench{
				methods: "grub: {sequence: [jump]}",
				blocks:  []string{"method: grub, commands: installed"},
			},
			class: pipeline.Configuration,
			says:  "grub sequence: 'jump' is not known",
		},
		{
			name: "u-boot from second media",
			bench: bench{
				blocks:  []string{"method: u-boot, commands: sata, kernel: /boot/Image, ramdisk: /boot/initrd, dtb: /boot/a.dtb, kernel_type: zimage, root_uuid: UUID=1, boot_part: 2, prompts: ['sh# ']"},
				methods: "u-boot: {parameters: {bootloader_prompt: '=>'}, sata: {commands: ['load 0:{ROOT_PART} {KERNEL_ADDR} {KERNEL}', 'setenv root {ROOT}', '{BOOTX}']}}",
				script:  "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait ^load 0:2 0x8000 /boot/Image$\nprompt => \nwait ^setenv root UUID=1$\nprompt => \nwait ^bootz 0x8000 0x8200 0x8300$\nprint Starting kernel\nprint Linux version 6\nprompt sh# \nhang",
			},
		},
		{
			name: "u-boot from second media, an unknown kernel",
			bench: bench{
				methods: "u-boot: {parameters: {bootloader_prompt: '=>'}, sata: {commands: [a]}}",
				blocks:  []string{"method: u-boot, commands: sata, kernel: k, kernel_type: elf, root_uuid: u, boot_part: 2, prompts: ['sh# ']"},
			},
			class: pipeline.Job,
			says:  "Unknown kernel_type 'elf'",
		},
		{
			name: "kexec with files of the job",
			bench: bench{
				methods:  "minimal: ",
				services: pipeline.Services{Web: pipeline.Export{Dir: "/"}},
				blocks:   []string{quiet, "method: kexec, boot_message: bye, kernel: /tmp/k, deploy: {kernel: {url: x}}, prompts: ['sh# ']"},
				script:   "prompt sh# \nwait ^wget http://10.3.2.1/.*/kernel/zImage -O /tmp/k$\nprompt sh# \nwait ^/sbin/kexec --load /tmp/k$\nprompt sh# \nwait ^/sbin/kexec -e$\nprint bye\nprint Linux version 6\nprompt sh# \nwait ^$\nprompt sh# \nhang",
			},
		},
	}
}
