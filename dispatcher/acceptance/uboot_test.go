package acceptance

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// workerIP is the worker's address in the network of a test. An emulator's user network reaches it,
// and loopback it does not.
const workerIP = "10.20.0.1"

// U-Boot of four architectures is stopped on its serial console, fetches a kernel and a ramdisk from
// the worker's own TFTP server, boots them, and a test runs there.
func TestUBoot(t *testing.T) { bootsUBoot(t, "x86") }

func TestUBootARM64(t *testing.T) {
	dispatchertest.Slow(t)
	bootsUBoot(t, "arm64")
}

func TestUBootARM(t *testing.T) {
	dispatchertest.Slow(t)
	dispatchertest.Need(t, "mkimage:u-boot-tools")
	bootsUBoot(t, "arm")
}

func TestUBootRISCV64(t *testing.T) {
	dispatchertest.Slow(t)
	bootsUBoot(t, "riscv64")
}

// A kernel without a ramdisk panics and resets the board at once, before it has printed the end of its
// report. The boot loader's countdown shows that nothing more will come.
func TestUBootPanicAndReset(t *testing.T) {
	dispatchertest.Slow(t)
	device := strings.Replace(text(t, "testdata/uboot-x86-device.jinja2"), " 0 {RAMDISK_ADDR} ${initrd_size}", "", 1)
	if got, board := runsUBoot(t, "x86", device); got != nil {
		got.wantError(t, events.JobError, "Kernel panic - not syncing")
		got.wantResults(t, map[string]string{"kernel-messages": "fail", "power-off": "pass"})
		got.wantText(t, "VFS: Unable to mount root fs", "Starting kernel")
		if n := strings.Count(got.text(), "Starting kernel ..."); n != 1 || board.starts != 1 {
			t.Errorf("%d kernels were started after %d power cycles, want one each", n, board.starts)
		}
	}
}

// A file that the server does not have is known from U-Boot's message, at once.
func TestUBootMissingFile(t *testing.T) {
	dispatchertest.Slow(t)
	device := text(t, "testdata/uboot-x86-device.jinja2") + "{% set uboot_tftp_commands = ['tftp {KERNEL_ADDR} {KERNEL}.no'] %}\n"
	if got, _ := runsUBoot(t, "x86", device); got != nil {
		got.wantError(t, events.InfrastructureError, "matched a bootloader error message: 'File not found'")
		got.wantText(t, "TFTP error: 'File not found' (1)")
	}
}

// ubootBoard is a machine whose U-Boot works.
type ubootBoard struct {
	machine []string // without what all have
	needs   []string
	arch    string // of its kernel, as materials calls it; "" is the demo's
	image   string // what kind of kernel U-Boot boots
	uname   string // what the kernel calls the machine
	says    []string
}

// ubootBoards are by the name of their device dictionary.
var ubootBoards = map[string]ubootBoard{
	// Of QEMU's cards this build knows only the e1000. Linux is started by zboot, which no kernel type
	// of LAVA stands for: the dictionary has the command.
	"x86": {
		machine: []string{"qemu-system-x86_64", "-M", "pc", "-m", "512", "-bios", "/usr/lib/u-boot/qemu-x86/u-boot.rom", "-device", "e1000,netdev=n0"},
		needs:   []string{"qemu-system-x86_64:qemu-system-x86", "/usr/lib/u-boot/qemu-x86/u-boot.rom:u-boot-qemu"},
		image:   "image", uname: "x86_64", says: []string{"zboot 0x1000000 0 0x10000000 ${initrd_size}"},
	},
	// Its own device tree is U-Boot's too, so that none is deployed; one that was made for other
	// options of the emulator ends in a silent reset.
	"arm64": {
		machine: []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "512", "-bios", "/usr/lib/u-boot/qemu_arm64/u-boot.bin",
			"-device", "virtio-net-pci,netdev=n0"},
		needs: []string{"qemu-system-aarch64:qemu-system-arm", "/usr/lib/u-boot/qemu_arm64/u-boot.bin:u-boot-qemu"},
		arch:  "arm64", image: "image", uname: "aarch64", says: []string{"booti 0x40400000 0x44000000:${initrd_size} ${fdtcontroladdr}"},
	},
	"arm": {
		machine: []string{"qemu-system-arm", "-M", "virt", "-cpu", "cortex-a15", "-m", "512", "-bios", "/usr/lib/u-boot/qemu_arm/u-boot.bin",
			"-device", "virtio-net-pci,netdev=n0"},
		needs: []string{"qemu-system-arm:qemu-system-arm", "/usr/lib/u-boot/qemu_arm/u-boot.bin:u-boot-qemu"},
		arch:  "armhf", image: "zimage", uname: "armv7l", says: []string{"bootz 0x40400000 0x44000000 ${fdtcontroladdr}", "Loading init Ramdisk from Legacy Image"},
	},
	// U-Boot runs under the emulator's OpenSBI, which Linux needs; it sees cards on virtio-mmio only.
	"riscv64": {
		machine: []string{"qemu-system-riscv64", "-M", "virt", "-m", "512", "-kernel", "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin",
			"-device", "virtio-net-device,netdev=n0"},
		needs: []string{"qemu-system-riscv64:qemu-system-misc", "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin:u-boot-qemu", "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin:qemu-system-data"},
		arch:  "riscv64", image: "image", uname: "riscv64", says: []string{"OpenSBI v", "booti 0x84000000 0x8c300000:${initrd_size} ${fdtcontroladdr}"},
	},
}

// emulated completes the command of a machine whose console is its serial port. It may reset itself as
// often as it likes: that is what boards do.
func emulated(machine ...string) []string {
	return append(machine, "-accel", "tcg", "-nodefaults", "-display", "none", "-serial", "stdio")
}

// values prepares the job of a board: its kernel and ramdisk.
func (b ubootBoard) values(t *testing.T) (dir string, values map[string]string) {
	t.Helper()
	dispatchertest.Boots(t)
	dispatchertest.Need(t, append([]string{"telnet:telnet", "bash:bash"}, b.needs...)...)
	values = map[string]string{"KERNEL": "bzImage", "RAMDISK": "initramfs.cpio.gz", "TYPE": b.image, "MACHINE": b.uname, "JOB": "42"}
	if b.arch == "" {
		return dispatchertest.Assets(t), values
	}
	values["KERNEL"], values["RAMDISK"] = "kernel-"+b.arch, "initramfs-"+b.arch
	return materials(t, values["KERNEL"], values["RAMDISK"]), values
}

// bootsUBoot runs a job on a board, which must end well.
func bootsUBoot(t *testing.T, name string) {
	t.Helper()
	got, device := runsUBoot(t, name, text(t, fmt.Sprintf("testdata/uboot-%s-device.jinja2", name)))
	if got == nil {
		return
	}
	got.wantComplete(t)
	got.wantResults(t, map[string]string{"0_smoke/uname": "pass", "0_smoke/machine": "pass", "0_smoke/jobs-own": "pass",
		"pdu-reboot": "pass", "kernel-messages": "pass", "login-action": "pass", "power-off": "pass", "job": "pass"})
	got.wantText(t, append(ubootBoards[name].says, "Hit any key to stop autoboot", "TFTP from server "+workerIP, "Bytes transferred = ",
		"Starting kernel", "Linux version ")...)
	if device.starts != 1 {
		t.Errorf("the power came %d times, want once", device.starts)
	}
}

// runsUBoot runs a job on a board with this dictionary; nil where it ran in another process. However it
// ends, it leaves no file behind and no power on.
func runsUBoot(t *testing.T, name, dictionary string) (*outcome, *labBoard) {
	t.Helper()
	b := ubootBoards[name]
	dir, values := b.values(t) // here: there is no way out of a network of its own
	if !dispatchertest.OwnNetwork(t, workerIP) {
		return nil, nil
	}
	values["SITE"] = serve(t, dir)
	device, lines := newLabBoard(t, append(emulated(b.machine...), "-netdev", "user,id=n0")...)
	maps.Copy(values, lines)
	got := run(t, job{
		definition: text(t, "testdata/uboot-job.yaml"), device: dictionary,
		dispatcher: "dispatcher_ip: " + workerIP + "\n", tftp: ":69", values: values,
	})
	if left, err := os.ReadDir(got.services.TFTP.Dir); err != nil || len(left) != 0 {
		t.Errorf("the job's files stay on the TFTP server: %v, %v", left, err)
	}
	if device.powered() {
		t.Error("the power is on at the end")
	}
	return &got, device
}
