package boot_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/boot"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/pipeline"
	"strata/events"
)

// answers are what the programs of the worker say that boot methods call. A program that is a console
// plays the script in $CONSOLE; docker's telnet into a model plays $TELNET.
const answers = `
'qdl --version') echo qdl version ${QDL-2.7};;
dfu-util*broken*) echo 'Cannot open DFU device';;
dfu-util*) printf 'No error condition is present\nDone!\n';;
fastboot*devices*) printf 'SER1\tfastboot\n';;
adb*devices*) printf 'List\nSER1\tdevice\n';;
adb*shell) exec $CONSOLE;;
'schroot '*) exec $CONSOLE;;
fastboot*) echo 'Finished. Total time: 0.1s';;
'timeout --preserve-status 10 uuu'*) exit 143;;
uuu*bad*) exit 1;;
gdb*) exec $CONSOLE;;
'mount -t vfat '*) eval "dir=\${$#}"; [ -z "$FAIL" ] || [ ! -e "$dir/zImage" ] || echo "$FAIL" >"$dir/FAIL.TXT";;
umount*) [ -z "$PROBE" ] || { rm "$PROBE"; : >"$PROBE"; };;
docker*--version*) echo "QEMU emulator version 9.1.2"; echo "Fast Models [11.27.19]";;
'docker run --rm --detach'*) ;;
'docker run --rm --init --name'*fastboot*) echo Finished.;;
'docker run --rm --init --name'*) ;;
'machine '*-kernel*) exec $CONSOLE;;
'machine '*) exec $TELNET;;
'docker exec'*telnet*) exec $TELNET;;
'docker exec'*) exec $CONSOLE;;
'docker run --rm --privileged'*) ;;
docker*' run '*) exec $CONSOLE;;
`

// A methodRun is one job with a method that hands the device to programs of the worker.
type methodRun struct {
	name string
	bench
	consoles map[string]string // scripts by the name of a variable
	env      []string
	calls    []string // in order, by how they begin; @ stands for the directory of the downloads, % for the job's
	class    pipeline.Class
	says     string // in the error, or in the log where there is none
}

// Methods that hand a device to a program of the worker call it as that program wants, with the files
// of the job, and blame whoever is to blame when it fails.
func TestPrograms(t *testing.T) {
	dispatchertest.Programs(t, answers, "JLinkExe", "pyocd", "openocd", "dfu-util", "qdl", "uuu", "bcu", "timeout", "fastboot", "adb",
		"gdb-multiarch", "docker", "mount", "umount", "bmaptool", "power", "machine")
	for _, tt := range slices.Concat(probes(t), downloadModes(), uuuRuns(), androids(t), sessions(), containers(t)) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			record := dispatchertest.NewCalls(t)
			b := tt.bench
			b.dispatcher = "container_engine: docker, usb_root: '" + dispatchertest.USB(t) + "'"
			b.env = append(tt.env, record.Env())
			for name, script := range tt.consoles {
				b.env = append(b.env, name+"="+dispatchertest.Console(t, script))
			}
			for i := range b.blocks {
				b.blocks[i] += ", timeouts: {bootloader-interrupt: {seconds: 1}, wait-dfu-device: {seconds: 1}}"
			}
			if b.script == "" {
				b.script = "hang"
			}
			r := b.run(t)
			switch {
			case tt.class == "" && r.err != nil:
				t.Errorf("error: %v\nlog: %s", r.err, dispatchertest.TextOf(r.log))
			case tt.class != "" && (r.err == nil || pipeline.ClassOf(r.err) != tt.class || !strings.Contains(r.err.Error(), tt.says)):
				t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(r.err), r.err, tt.class, tt.says)
			case tt.class == "" && !strings.Contains(dispatchertest.TextOf(r.log), tt.says):
				t.Errorf("the log does not say %q", tt.says)
			}
			got := record.List(t, r.dir)
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], r.job, "%")
			}
			sortConsoles(got)
			fits := len(got) == len(tt.calls) || tt.class != "" && len(got) > len(tt.calls)
			for i, want := range tt.calls {
				fits = fits && i < len(got) && strings.HasPrefix(got[i], want)
			}
			if !fits {
				t.Errorf("calls:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.calls, "\n     "))
			}
		})
	}
}

// sortConsoles sorts neighbours that were started as consoles side by side: which of them writes down
// its call first is chance.
func sortConsoles(calls []string) {
	for i := 0; i < len(calls); {
		end := i
		for end < len(calls) && (strings.HasPrefix(calls[end], "docker exec") || strings.HasPrefix(calls[end], "adb -s SER1 ")) {
			end++
		}
		slices.Sort(calls[i:end])
		i = end + 1
	}
}

// board is the device of most programs.
const board = "board_id: SER1, usb_vendor_id: '0483', usb_product_id: df11, board_qdl_id: SER1, fastboot_serial_number: SER1, adb_serial_number: SER1, " +
	"fastboot_options: ['-u'], device_info: [{board_id: SER1}]"

// probes are the methods that write a microcontroller's flash.
func probes(t *testing.T) []methodRun {
	const jlinkParameters = "command: JLinkExe, address: 0x8000000, processor: MK64, supported_core_types: [M7], erase_command: [erase], reset_command: [r], options: ['-if SWD', '-speed 4000']"
	const gdbSet = "gdb: {parameters: {command: gdb-multiarch, wait_before_continue: 0.1}, flash: {commands: ['target remote :3333', 'load {KERNEL}'], arguments: ['-q', '{KERNEL}']"
	const gdbTalk = "prompt (gdb) \nwait ^target remote :3333$\nprompt (gdb) \nwait ^load .*/zImage$\nprompt (gdb) \nwait ^continue$\nhang"
	usbDisk := func() string {
		file := filepath.Join(t.TempDir(), "by-id")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	disk, failing := usbDisk(), usbDisk()
	cmsis := func(disk, more string) bench {
		return bench{more: board, methods: "cmsis-dap: {parameters: {usb_mass_device: '" + disk + "', post_unmount_delay: 0.1" + more + "}}", blocks: []string{"method: cmsis-dap"}}
	}
	written := []string{"mount -t vfat " + disk + " %/flash-cmsis-*", "umount %/flash-cmsis-*", "mount -t vfat " + disk + " %/flash-cmsis-*", "umount %/flash-cmsis-*"}
	return []methodRun{
		{name: "jlink", bench: bench{more: board, methods: "jlink: {parameters: {" + jlinkParameters + "}}", blocks: []string{"method: jlink, coretype: M7"},
			check: func(s *pipeline.Session) {
				files, _ := filepath.Glob(filepath.Join(s.JobDir(), "flash-jlink-*", "cmd.jlink"))
				kernel, _ := pipeline.Get(s, pipeline.Artefact("kernel"))
				text, err := os.ReadFile(files[0])
				want := "r\nh\nsleep 500\nerase\nloadfile K 0x8000000\nverifybin K 0x8000000\nr\nqc\n"
				if got := strings.ReplaceAll(string(text), kernel, "K"); err != nil || got != want {
					t.Errorf("script for J-Link %q, %v, want %q", got, err, want)
				}
			}},
			calls: []string{"JLinkExe -if SWD -speed 4000 -device MK64_M7 -autoconnect 1 -SelectEmuBySN SER1 -NoGui 1 -ExitOnError 1 -CommanderScript %/flash-jlink-*/cmd.jlink"}},
		{name: "jlink, another core", bench: bench{more: board, methods: "jlink: {parameters: {" + jlinkParameters + "}}", blocks: []string{"method: jlink, coretype: M36"}},
			class: pipeline.Job, says: "Invalid coretype M36"},
		{name: "jlink, the job's own lines", bench: bench{more: board, methods: "jlink: {parameters: {" + jlinkParameters + "}}", blocks: []string{"method: jlink, commands: ['loadbin {kernel} 0x0']"}},
			calls: []string{"JLinkExe -if SWD -speed 4000 -device MK64 -autoconnect 1"}, says: `"- loadbin `},
		{name: "pyocd", bench: bench{more: board, methods: "pyocd: {parameters: {command: pyocd, connect_before_flash: true, options: ['load', '-t k64f']}}", blocks: []string{"method: pyocd"}},
			calls: []string{"pyocd load -t k64f @/kernel/zImage --board SER1"}},
		{name: "openocd", bench: bench{more: board, methods: "openocd: {board_selection_cmd: 'serial 1', parameters: {command: openocd, options: {file: [b.cfg], search: [d], command: [init, 'program {BINARY}'], debug: 2}}}",
			blocks: []string{"method: openocd"}},
			calls: []string{"openocd --debug=2 --search d --file b.cfg --command serial 1 --command init --command program @/kernel/zImage"}},
		{name: "openocd, the job's configuration", bench: bench{more: board, deploy: "openocd_script: {url: x}", methods: "openocd: {parameters: {command: openocd, options: {file: [b.cfg], command: [init]}}}",
			blocks: []string{"method: openocd"}, leave: func(s *pipeline.Session) { pipeline.Put(s, pipeline.Artefact("openocd_script"), "/job.cfg") }},
			calls: []string{"openocd --file /job.cfg --command init"}},
		{name: "cmsis-dap", bench: cmsis(disk, ""), env: []string{"PROBE=" + disk}, calls: written},
		{name: "cmsis-dap that goes away for good", bench: cmsis(failing, ", skip_autoremount_wait: true"), calls: []string{"mount -t vfat ", "umount "}},
		{name: "cmsis-dap, a failure", bench: cmsis(disk, ""), env: []string{"PROBE=" + failing, "FAIL=The hex file cannot be decoded"},
			class: pipeline.Infrastructure, says: "Flash error: The hex file cannot be decoded"},
		{name: "gdb", bench: bench{more: board, methods: gdbSet + "}}", blocks: []string{"method: gdb, commands: flash"}}, consoles: map[string]string{"CONSOLE": gdbTalk},
			calls: []string{"gdb-multiarch -q @/kernel/zImage"}},
		{name: "gdb in a container", bench: bench{more: board, methods: gdbSet + ", docker: {use: true, container: 'gdb:1', devices: [/dev/hidraw0, 'a:b']}}}", blocks: []string{"method: gdb, commands: flash"}},
			consoles: map[string]string{"CONSOLE": gdbTalk},
			calls: []string{"docker run --rm --interactive --tty --hostname lava --name lava-7-2.1 --mount type=bind,source=@/kernel/zImage,destination=@/kernel/zImage " +
				"--device /dev/hidraw0 gdb:1 gdb-multiarch -q @/kernel/zImage", "docker stop --time 5 lava-7-2.1"}},
		{name: "gdb, no such set", bench: bench{more: board, methods: gdbSet + "}}", blocks: []string{"method: gdb, commands: parameters"}}, class: pipeline.Job, says: "'parameters' is not available"},
	}
}

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
		{name: "dfu", bench: bench{more: board, deploy: two, leave: images, methods: "dfu: {implementation: hardware, parameters: {" + dfuHead + "}}", blocks: []string{"method: dfu"}},
			calls: []string{call + "app --download /d/app.bin", call + "ble --download /d/ble.bin --reset"}},
		{name: "dfu that needs no reset", bench: bench{more: board, deploy: two, leave: images, methods: "dfu: {implementation: hardware, reset_works: false, parameters: {" + dfuHead + "}}", blocks: []string{"method: dfu"}},
			calls: []string{call + "app --download /d/app.bin", call + "ble --download /d/ble.bin"}},
		{name: "dfu of U-Boot", bench: bench{more: board, deploy: "images: {app: {url: x, image_arg: '--alt app --download {app}'}}", leave: images, script: stop, blocks: []string{"method: dfu"},
			methods: "u-boot: {parameters: {bootloader_prompt: '=>'}}, dfu: {implementation: u-boot, parameters: {enter-commands: ['dfu 0 mmc 0'], " + dfuHead + "}}"},
			calls: []string{call + "app --download /d/app.bin --reset"}},
		{name: "dfu that fails", bench: bench{more: board, deploy: "images: {app: {url: x, image_arg: '--alt broken'}}", leave: images, methods: "dfu: {implementation: hardware, parameters: {" + dfuHead + "}}", blocks: []string{"method: dfu"}},
			calls: []string{call + "broken --reset"}, class: pipeline.Job, says: "flashing 'app' failed"},
		{name: "dfu without images for it", bench: bench{more: board, methods: "dfu: {implementation: hardware, parameters: {" + dfuHead + "}}", blocks: []string{"method: dfu"}},
			class: pipeline.Job, says: "No DFU command to execute"},
		{name: "dfu without a device", bench: bench{more: board + ", usb_product_id: beef", deploy: two, leave: images, methods: "dfu: {implementation: hardware, parameters: {" + dfuHead + "}}", blocks: []string{"method: dfu"}},
			class: pipeline.Infrastructure, says: "wait-dfu-device timed out"},
		{name: "qdl", bench: bench{more: board, leave: qdlDir, methods: "qdl: {parameters: {enter-commands: [power edl]}}", blocks: []string{qdlBlock}},
			calls: []string{"power edl", "qdl --version", "qdl --debug --skipblock=sha256 --serial=SER1 --include=/q/flat --storage=ufs /q/flat/p.elf /q/flat/r.xml /q/flat/p.xml"}},
		{name: "qdl of an older version", bench: bench{more: board, leave: qdlDir, methods: "qdl: ", blocks: []string{"method: qdl, firehose_program: p.elf, rawprogram: r.xml, patch: p.xml"}}, env: []string{"QDL=2.1"},
			calls: []string{"qdl --version", "qdl --serial=SER1 --include=/q /q/p.elf /q/r.xml /q/p.xml"}},
		{name: "qdl that is too old", bench: bench{more: board, leave: qdlDir, methods: "qdl: ", blocks: []string{qdlBlock}}, env: []string{"QDL=1.0"},
			calls: []string{"qdl --version"}, class: pipeline.Infrastructure, says: "qdl is version 1.0, but 2.0 or newer is needed"},
		{name: "recovery", bench: bench{methods: "minimal: ", blocks: []string{"method: recovery, commands: recovery"}}, calls: []string{"adb recovery"}},
		{name: "recovery, an unknown mode", bench: bench{methods: "minimal: ", blocks: []string{"method: recovery, commands: on"}}, class: pipeline.Job, says: "must be recovery or exit"},
		{name: "fastboot", bench: bench{more: board, methods: "fastboot: [reboot]", blocks: []string{"method: fastboot, commands: ['flash a b', continue]"}},
			calls: []string{"fastboot -s SER1 flash a b -u", "fastboot -s SER1 continue -u", "fastboot -s SER1 reboot -u"}},
		{name: "fastboot, an unknown step", bench: bench{more: board, methods: "fastboot: [jump]", blocks: []string{"method: fastboot"}}, class: pipeline.Configuration, says: "'jump' is not known"},
		{name: "a single console where several are wanted", bench: bench{more: "commands: {connect: cat, must_use_connection: true}", methods: "minimal: ", blocks: []string{"method: minimal"}},
			class: pipeline.Job, says: "must_use_connection"},
		{name: "musca", bench: bench{more: board + ", usb_sleep: 0.1", methods: "musca: ", shell: true, blocks: []string{"method: musca, prompts: ['sh# ']"}, script: "print Linux version 6\nprompt sh# \nwait ^$\nprompt sh# \nhang"}},
		{name: "u-boot shows its storage", bench: bench{more: board, blocks: []string{"method: u-boot, commands: [ums 0 mmc 0]"}, leave: func(s *pipeline.Session) { pipeline.Put(s, pipeline.Artefact("image"), "/d/disk.img") },
			methods: "u-boot: {parameters: {bootloader_prompt: '=>', uboot_ums_flash: true, uboot_mass_storage_device: /dev/null}}",
			script:  "raw\nprint Hit any key to stop autoboot\nkey ^ \\n$\nprompt => \nkey ums\nkey \\x03\nhang"},
			calls: []string{"bmaptool create --output /d/disk.img.bmap /d/disk.img", "bmaptool copy --bmap /d/disk.img.bmap /d/disk.img /dev/null"}},
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
		{name: "uuu by bcu only", bench: bench{more: board, methods: uboot(""), blocks: []string{"method: uuu, commands: [{bcu: set_boot_mode sd}]"}},
			calls: []string{"bcu set_boot_mode sd -board=evk -id=2-1.3", "bcu lsftdi -board=evk -id=2-1.3", deinit}},
		{name: "uuu after the boot media were erased", bench: bench{more: board, methods: uboot(", power_off_before_corrupt_boot_media: true"), script: erase, blocks: []string{"method: uuu, commands: [{uuu: '-b sd {boot}'}]"}},
			calls: []string{"timeout --preserve-status 10 uuu -m 1:2 -m 3:4 @/boot/imx-boot.bin", otg + "-b sd @/boot/imx-boot.bin"}},
		{name: "uuu without a boot loader", bench: bench{more: board, methods: uboot(""), script: "prompt nothing\nwait .\nhang", blocks: []string{"method: uuu, commands: [{uuu: '-b sd {boot}'}]"}},
			class: pipeline.Infrastructure, says: "bootloader-interrupt timed out", calls: []string{"timeout --preserve-status 10 uuu -m 1:2"}},
		{name: "uuu that is not needed", bench: bench{more: board, methods: uboot(""), script: "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nhang", blocks: []string{"method: uuu, skip_uuu_if_bootloader_valid: true, commands: [{uuu: '-b sd {boot}'}]"}},
			says: "skipped uuu: the device's boot loader is valid"},
		{name: "uuu after a reset of the usb", bench: bench{more: board, methods: uboot(""), blocks: []string{"method: uuu, commands: [{bcu: reset usb}, {uuu: '-b sd {boot}'}, {FB: 'ucmd setenv x'}]"}},
			calls: []string{"bcu reset usb -board=evk -id=2-1.3", otg + "-b sd @/boot/imx-boot.bin", otg + "FB: ucmd setenv x", "bcu lsftdi -board=evk -id=2-1.3", deinit}},
		{name: "uuu that fails", bench: bench{more: board, methods: uboot(""), blocks: []string{"method: uuu, commands: [{bcu: reset usb}, {uuu: bad}]"}},
			class: pipeline.Infrastructure, says: "Unable to run: ['uuu', '-m', '1:2', '-m', '3:4', 'bad']", calls: []string{"bcu reset usb", otg + "bad"}},
		{name: "uuu in the device's container", bench: bench{more: board, deploy: "images: {boot: {url: x}}", leave: boots, methods: uboot(", docker_image: 'uuu:1'"), blocks: []string{"method: uuu, commands: [{bcu: reset usb}, {uuu: '-b sd {boot}'}]"}},
			calls: []string{"docker pull uuu:1", contained + "--mount=type=bind,source=/b,destination=/b uuu:1 bcu reset usb -board=evk -id=2-1.3",
				contained + "--mount=type=bind,source=/b,destination=/b uuu:1 " + otg + "-b sd /b/imx.bin", contained + "--mount=type=bind,source=/b,destination=/b uuu:1 bcu lsftdi", contained + "--mount=type=bind,source=/b,destination=/b uuu:1 bcu deinit"}},
		{name: "bcu without a board", bench: bench{more: board, methods: "u-boot: {parameters: {bootloader_prompt: '=>'}}, uuu: {options: {usb_otg_path: '1:2', bcu_board_name: evk, bcu_board_id: ''}}",
			blocks: []string{"method: uuu, commands: [{bcu: reset usb}]"}}, class: pipeline.Job, says: "bcu_board_id '' do not respect bcu format"},
	}
}

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
		{name: "android by adb", bench: bench{more: bare, methods: "fastboot: [boot, reboot]", leave: overlay, blocks: []string{"method: fastboot, prompts: ['sh# ']"}}, consoles: map[string]string{"CONSOLE": "prompt sh# \nhang"},
			calls: []string{"adb start-server", "adb devices", "adb -s SER1 reboot-bootloader", "fastboot -s SER1 boot @/boot/imx-boot.bin -u", "fastboot -s SER1 reboot -u", "adb start-server",
				"adb -s SER1 push %/adb-overlay-unpack-*/data/local/tmp /data/local", "adb -s SER1 shell", "adb -s SER1 shell /system/bin/chmod -R 0777 /lava-7", "adb -s SER1 wait-for-device"},
			says: `"status":"Finished. Total time: 0.1s"`},
		{name: "fastboot in a container", bench: bench{more: board + ", fastboot_via_uboot: true, " + viaUBoot, blocks: []string{"method: fastboot, docker: {image: 'fb:1', devices: [/dev/x, '/dev/y:/dev/z']}"},
			script: "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait ^fastboot usb 0$\nhang"},
			calls: []string{"docker pull fb:1", fmt.Sprintf(contained, 4)}},
		{name: "a serial number that is found out", bench: bench{more: strings.Replace(board, "fastboot_serial_number: SER1", "fastboot_serial_number: '0000000000', fastboot_auto_detection: true", 1), methods: "fastboot: [reboot]", blocks: []string{"method: fastboot"}},
			calls: []string{"fastboot devices", "fastboot -s SER1 reboot -u"}, says: "Detected fastboot device 'SER1'"},
	}
}

// sessions are methods that go on from a system, a boot loader or a machine that runs.
func sessions() []methodRun {
	installed := pipeline.Installer{Command: []string{"machine", "-kernel", "k", "-initrd", "i", "-drive", "file=x,media=cdrom", "-no-reboot", "-drive", "file=hd.img"}, Append: "auto=true url", Prompts: []string{"reboot: Power down"}}
	const quiet = "method: minimal, prompts: ['sh# '], parameters: {kernel-start-message: ''}"
	return []methodRun{
		{name: "qemu-iso", bench: bench{more: board, leave: func(s *pipeline.Session) { pipeline.Put(s, pipeline.InstallerRun, installed) }, blocks: []string{"method: qemu-iso, media: img, prompts: ['sh# ']"}},
			consoles: map[string]string{"CONSOLE": "print Installing\nprint reboot: Power down", "TELNET": "print Loading initial ramdisk\nprint Linux version 6\nprompt sh# \nwait ^$\nprompt sh# \nwait poweroff"},
			calls:    []string{"machine -kernel k -initrd i -drive file=x,media=cdrom -no-reboot -drive file=hd.img -append auto=true url", "machine -drive file=hd.img"}},
		{name: "qemu-iso without an installer", bench: bench{blocks: []string{"method: qemu-iso, media: img, prompts: ['sh# ']"}}, class: pipeline.Job, says: "there is no installer: deploy one with 'to: iso-installer'"},
		{name: "schroot", bench: bench{methods: "minimal: , schroot: {name: unstable, command: schroot -c}", blocks: []string{quiet, "method: schroot, schroot: unstable"},
			script: "prompt sh# \nwait ^schroot -c unstable$\nprompt (unstable)root# \nhang"}, says: "Logging into unstable schroot"},
		{name: "schroot that is not there", bench: bench{methods: "minimal: , schroot: {name: unstable}", blocks: []string{quiet, "method: schroot, schroot: 'a;b'"}}, class: pipeline.Job, says: "'a;b' is not one of the device's schroots: ['unstable']"},
		{name: "grub by a sequence", bench: bench{more: "actions: {deploy: {methods: {fastboot: {interrupt_prompt: Android Fastboot mode, interrupt_string: ' '}}}, boot: {connections: {serial: }, methods: {grub: {sequence: [wait-fastboot-interrupt]}}}}",
			blocks: []string{"method: grub, commands: installed, prompts: ['sh# ']"}, script: "print Android Fastboot mode\nwait ^ $\nprint Linux version 6\nprompt sh# \nhang"}},
		{name: "grub by an unknown sequence", bench: bench{methods: "grub: {sequence: [jump]}", blocks: []string{"method: grub, commands: installed"}}, class: pipeline.Configuration, says: "grub sequence: 'jump' is not known"},
		{name: "u-boot from second media", bench: bench{blocks: []string{"method: u-boot, commands: sata, kernel: /boot/Image, ramdisk: /boot/initrd, dtb: /boot/a.dtb, kernel_type: zimage, root_uuid: UUID=1, boot_part: 2, prompts: ['sh# ']"},
			methods: "u-boot: {parameters: {bootloader_prompt: '=>'}, sata: {commands: ['load 0:{ROOT_PART} {KERNEL_ADDR} {KERNEL}', 'setenv root {ROOT}', '{BOOTX}']}}",
			script:  "print Hit any key to stop autoboot\nwait ^ $\nprompt => \nwait ^load 0:2 0x8000 /boot/Image$\nprompt => \nwait ^setenv root UUID=1$\nprompt => \nwait ^bootz 0x8000 0x8200 0x8300$\nprint Starting kernel\nprint Linux version 6\nprompt sh# \nhang"}},
		{name: "u-boot from second media, an unknown kernel", bench: bench{methods: "u-boot: {parameters: {bootloader_prompt: '=>'}, sata: {commands: [a]}}",
			blocks: []string{"method: u-boot, commands: sata, kernel: k, kernel_type: elf, root_uuid: u, boot_part: 2, prompts: ['sh# ']"}}, class: pipeline.Job, says: "Unknown kernel_type 'elf'"},
		{name: "kexec with files of the job", bench: bench{methods: "minimal: ", services: pipeline.Services{Web: pipeline.Export{Dir: "/"}}, blocks: []string{quiet, "method: kexec, boot_message: bye, kernel: /tmp/k, deploy: {kernel: {url: x}}, prompts: ['sh# ']"},
			script: "prompt sh# \nwait ^wget http://10.3.2.1/.*/kernel/zImage -O /tmp/k$\nprompt sh# \nwait ^/sbin/kexec --load /tmp/k$\nprompt sh# \nwait ^/sbin/kexec -e$\nprint bye\nprint Linux version 6\nprompt sh# \nwait ^$\nprompt sh# \nhang"}},
	}
}

// containers are the methods whose device is in a container, or on the other side of one.
func containers(t *testing.T) []methodRun {
	shell := map[string]string{"CONSOLE": "prompt sh# \nwait ^$\nprompt sh# \nhang"}
	image := func(s *pipeline.Session) { pipeline.Put(s, pipeline.DockerImage, "debian:13") }
	model := map[string]string{"CONSOLE": "print Fast Models\nprint fb_one: Listening on port 5001\nprint terminal_0: Listening for serial connection on port 5000\nhang",
		"TELNET": "print Linux version 6\nprompt sh# \nwait ^$\nprompt sh# \nhang"}
	const fvpBlock = "method: fvp, image: /opt/FVP, docker: {name: 'fvp:1', local: true}, arguments: ['--data={KERNEL}@0x0', '-C x={{y}}', '--dir={ARTIFACT_DIR}'], " +
		"console_string: 'terminal_0: Listening for serial connection on port (?P<PORT>\\d+)', license_variable: 'ARMLMD_LICENSE_FILE=27000@h', environment: {A: b}"
	const fvpTalk = "feedbacks: ['(?P<NAME>fb_\\w+): Listening on port (?P<PORT>\\d+)'], prompts: ['sh# ']"
	fvpMethods := "fvp: {options: {cpus: 2, memory: 1G, privileged: true, devices: [], networks: [n], volumes: [/v:/v]}}"
	fvpStart := []string{"docker image inspect --format Image exists locally fvp:1", "docker run --rm fvp:1 /opt/FVP --version",
		"docker run --rm --interactive --tty --hostname lava --name lava-7-2.1.2 --cpus 2 --memory 1G --privileged --network n --volume /v:/v " +
			"--mount type=bind,source=@/kernel/zImage,destination=/lava-7-2.1.2/zImage --mount type=bind,source=%/run-fvp-*/script.sh,destination=/root/script.sh " +
			"--env ARMLMD_LICENSE_FILE=27000@h --env A=b fvp:1 sh /root/script.sh"}
	const telnet = "docker exec --interactive --tty lava-7-2.1.2 telnet localhost "
	const fvpStop = "docker stop --time 5 lava-7-2.1.2"
	qemuMethods := "qemu: {parameters: {command: qemu-system-aarch64, options: ['-machine virt'], extra: []}}"
	const qemuJob, arch = "context: {arch: arm64}\n", ", available_architectures: [arm64]"
	machine := func(s *pipeline.Session) {
		pipeline.Put(s, pipeline.Images, []pipeline.Image{{Label: "kernel", Path: "/k", Arg: "-kernel {kernel}"}})
	}
	service := dispatchertest.StartAVH(t)
	service.Console = "Linux version 6\r\nroot@board:~# "
	broken := dispatchertest.StartAVH(t)
	broken.States = []string{"creating", "error"}
	avh := func(service *dispatchertest.AVH) bench {
		return bench{job: "secrets: {avh_api_token: " + dispatchertest.AVHToken + "}\n", methods: "avh: ", shell: true,
			more: "actions: {deploy: {methods: {avh: {options: {api_endpoint: '" + service.URL + "'}}}}, boot: {connections: {serial: }, methods: {avh: }}}",
			leave: func(s *pipeline.Session) {
				kernel, _ := pipeline.Get(s, pipeline.Artefact("kernel"))
				pipeline.Put(s, boot.AVHPrepared, boot.AVHBoard{Package: kernel, Model: "rpi4b", Project: "p-1", Version: "1", Build: "7"})
			}, blocks: []string{"method: avh, bootargs: {normal: a, restore: b}, prompts: ['root@board:~# ']"}}
	}
	booter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if want := `{"nics":[{"image":"/data/boot.img","mac":"02:00:00:00:00:01"},{"image":"/data/nic.img","mac":"02:00:00:00:00:02"}]}`; r.URL.Path != "/config" || string(text) != want {
			http.Error(w, fmt.Sprintf("not what was wanted: %s %s", r.URL.Path, text), http.StatusBadRequest)
		}
	}))
	t.Cleanup(booter.Close)
	nics := func(s *pipeline.Session) {
		pipeline.Put(s, pipeline.Artefact("boot"), "/d/boot.img")
		pipeline.Put(s, pipeline.Artefact("nic0"), "/d/nic.img")
	}
	const nodeEnv = "environment: {DUT_MAC: '02:00:00:00:00:01', DUT_IFACE: eth1, NIC0_MAC: '02:00:00:00:00:02'}"
	return []methodRun{
		{name: "docker", consoles: shell, bench: bench{shell: true, leave: image, blocks: []string{"method: docker, command: 'bash -l', prompts: ['sh# ']"},
			methods: "docker: {options: {cpus: 1.5, memory: 0, capabilities: [SYS_ADMIN], devices: [/dev/x], networks: [n], volumes: [/v], extra_arguments: [--init]}}"},
			calls: []string{"docker run --rm --interactive --tty --hostname lava --name lava-7-2.1 --mount type=bind,source=/srv/lava-overlay-1/lava-7,destination=/lava-7 " +
				"--cpus 1.5 --cap-add SYS_ADMIN --device /dev/x --network n --volume /v --init debian:13 bash -l", "docker stop --time 5 lava-7-2.1"}},
		{name: "docker elsewhere", consoles: shell, bench: bench{shell: true, leave: image, blocks: []string{"method: docker, command: sh, prompts: ['sh# ']"}, methods: "docker: {options: {remote: 'tcp://h:2376'}}"},
			calls: []string{"docker --host tcp://h:2376 run --rm --interactive", "docker --host tcp://h:2376 stop --time 5 lava-7-2.1"}},
		{name: "docker without an image", bench: bench{blocks: []string{"method: docker, command: sh"}, methods: "docker: "}, class: pipeline.Job, says: "there is no container image"},
		{name: "fvp", consoles: model, bench: bench{shell: true, methods: fvpMethods, blocks: []string{fvpBlock + ", " + fvpTalk}}, says: `"fvp-version":"Fast Models [11.27.19]"`,
			calls: append(slices.Clone(fvpStart), telnet+"5000", telnet+"5001", fvpStop)},
		{name: "fvp whose console is the model's own", consoles: map[string]string{"CONSOLE": "print terminal_0: Listening for serial connection on port 5000\nprint Linux version 6\nprompt sh# \nhang"},
			bench: bench{methods: fvpMethods, blocks: []string{fvpBlock + ", use_telnet: false, prompts: ['sh# ']"}}, calls: append(slices.Clone(fvpStart), fvpStop)},
		{name: "fvp with commands beside it", consoles: model, bench: bench{methods: fvpMethods, blocks: []string{fvpBlock + ", commands: [export A=1, ./go]"}},
			calls: append(slices.Clone(fvpStart), "docker exec --interactive --tty lava-7-2.1.2 sh -c export A=1; ./go", telnet+"5000", fvpStop)},
		{name: "fvp with an application beside it", consoles: model, bench: bench{methods: fvpMethods, blocks: []string{fvpBlock + ", erpc_app: kernel"}},
			calls: append(slices.Clone(fvpStart), "docker exec --interactive --tty lava-7-2.1.2 sh -c chmod +x /lava-7-2.1.2/zImage", telnet+"5000", fvpStop)},
		{name: "fvp with an unknown file", bench: bench{methods: fvpMethods, blocks: []string{strings.Replace(fvpBlock, "{KERNEL}", "{ROM}", 1)}}, class: pipeline.Job,
			says: "Key 'ROM' does not exist, may need escaping", calls: fvpStart[:2]},
		{name: "qemu in a container", consoles: map[string]string{"CONSOLE": "print Linux version 6\nprompt sh# \nhang"}, bench: bench{more: "x: y" + arch, job: qemuJob, methods: qemuMethods, leave: machine,
			blocks: []string{"method: qemu, docker: {image: 'qemu:1', binary: /usr/bin/qemu-a64}, prompts: ['sh# ']"}}, says: `"qemu_version":"9.1.2"`,
			calls: []string{"docker pull qemu:1", "docker run --rm qemu:1 /usr/bin/qemu-a64 --version", "docker run --interactive --tty --rm --init --name=lava-7-2.1.1 --hostname=lava --network=host --cap-add=NET_ADMIN ",
				"docker stop --time 5 lava-7-2.1.1"}},
		{name: "avh", bench: avh(service), says: "Instance i-1 is on"},
		{name: "avh in error", bench: avh(broken), class: pipeline.Job, says: "AVH instance i-1 is in error state: disk too small"},
		{name: "nodebooter", bench: bench{more: nodeEnv, deploy: "images: {boot: {url: x}, nic0: {url: x}}", leave: nics, methods: "minimal: , nodebooter: {parameters: {api: '" + booter.URL + "'}}",
			script: "print Linux version 6\nprompt sh# \nhang", blocks: []string{"method: minimal, reset: false", "method: nodebooter, docker: {image: 'nb:1'}, prompts: ['sh# ']"}},
			calls: []string{"docker pull nb:1", "docker run --rm --detach --network host --cap-add NET_ADMIN --name lava-nodebooter-7-3.1 --env DUT_MAC=02:00:00:00:00:01 --env DUT_IFACE=eth1 " +
				"--env NIC0_MAC=02:00:00:00:00:02 --mount type=bind,source=/d/boot.img,destination=/data/boot.img --mount type=bind,source=/d/nic.img,destination=/data/nic.img nb:1", "docker stop --time 5 lava-nodebooter-7-3.1"}},
		{name: "nodebooter without a MAC", bench: bench{methods: "nodebooter: ", blocks: []string{"method: nodebooter, docker: {image: 'nb:1'}"}}, class: pipeline.Job, says: "no 'DUT_MAC' in its environment"},
	}
}

// A second console is opened beside the primary one, and one that is not there is refused.
func TestNewConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, block, says string }{
		{"another", "method: new_connection, connection: uart1", ""},
		{"the primary one", "method: new_connection, connection: uart0", "'uart0' is the primary connection"},
		{"none", "method: new_connection, connection: uart2", "missing connect command for 'uart2'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := planOn(t, "", "minimal: ", []string{tt.block}, "hang")
			if tt.says == "" && r.err != nil || tt.says != "" && (r.err == nil || !strings.Contains(r.err.Error(), tt.says)) {
				t.Errorf("error: %v, want %q", r.err, tt.says)
			}
			said := slices.ContainsFunc(texts(r.log, events.Info), func(s string) bool { return strings.Contains(s, "Connecting to shell using 'cat'") })
			if said != (tt.says == "") {
				t.Errorf("connected: %t", said)
			}
		})
	}
}
