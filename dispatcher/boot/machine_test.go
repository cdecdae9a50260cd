package boot_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/pipeline"
	"strata/events"
)

// Real boot loaders on emulated machines are stopped on their serial line and do what is typed.
func TestRealBootLoaders(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: starts machines")
	}
	files := t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "hello"), []byte(strings.Repeat("strata!!", 512)), 0o644); err != nil {
		t.Fatal(err)
	}
	const (
		q     = " -nodefaults -display none -serial stdio -monitor none -no-reboot"
		uboot = "u-boot: {parameters: {bootloader_prompt: '=> '}}"
		ipxe  = "ipxe: {parameters: {bootloader_prompt: 'iPXE> '}}"
		efi   = "uefi: {parameters: {bootloader_prompt: 'Shell> ', shell_interrupt_prompt: 'any other key to continue', shell_interrupt_string: ' '}}"
	)
	net := " -netdev user,id=n0,tftp=" + files
	fetch := func(address string) string {
		return "method: u-boot, commands: [setenv autoload no, dhcp, setenv serverip 10.0.2.2, tftp " + address + " hello, md.b " + address + " 8, version], parameters: {bootloader-final-message: 'GNU ld|=> $'}"
	}
	tests := []struct {
		name, program, firmware, machine string
		dictionary, block                string
		says                             []string // on the console
		class                            pipeline.Class
		fails                            string
	}{
		{name: "U-Boot on arm64", program: "qemu-system-aarch64", firmware: "/usr/lib/u-boot/qemu_arm64/u-boot.bin",
			machine: " -M virt -cpu cortex-a57 -m 512 -bios @" + net + " -device virtio-net-pci,netdev=n0", dictionary: uboot, block: fetch("0x40400000"),
			says: []string{"Bytes transferred = 4096", "73 74 72 61 74 61 21 21", "aarch64-linux-gnu-gcc"}},
		{name: "U-Boot on arm", program: "qemu-system-arm", firmware: "/usr/lib/u-boot/qemu_arm/u-boot.bin",
			machine: " -M virt -cpu cortex-a15 -m 512 -bios @" + net + " -device virtio-net-pci,netdev=n0", dictionary: uboot, block: fetch("0x40400000"),
			says: []string{"Bytes transferred = 4096", "73 74 72 61 74 61 21 21", "arm-linux-gnueabihf-gcc"}},
		{name: "U-Boot on x86", program: "qemu-system-x86_64", firmware: "/usr/lib/u-boot/qemu-x86/u-boot.rom",
			machine: " -M pc -m 512 -bios @" + net + " -device e1000,netdev=n0", dictionary: uboot, block: fetch("0x1000000"),
			says: []string{"Bytes transferred = 4096", "73 74 72 61 74 61 21 21"}},
		{name: "U-Boot, a file that is not there", program: "qemu-system-aarch64", firmware: "/usr/lib/u-boot/qemu_arm64/u-boot.bin",
			machine: " -M virt -cpu cortex-a57 -m 512 -bios @" + net + " -device virtio-net-pci,netdev=n0", dictionary: uboot,
			block: "method: u-boot, commands: [setenv autoload no, dhcp, setenv serverip 10.0.2.2, tftp 0x40400000 no-such-file, version]",
			class: pipeline.Infrastructure, fails: "matched a bootloader error message: 'File not found'"},
		{name: "iPXE", program: "qemu-system-x86_64", firmware: "/usr/lib/ipxe/qemu/pxe-virtio.rom",
			machine: " -M pc,graphics=off -m 512" + net + " -device virtio-net-pci,netdev=n0 -boot n", dictionary: ipxe,
			block: "method: ipxe, commands: [dhcp net0, imgfetch tftp://10.0.2.2/hello, imgstat, echo all-done], parameters: {bootloader-final-message: all-done}",
			says:  []string{"tftp://10.0.2.2/hello... ok", "4096 bytes"}},
		{name: "UEFI shell", program: "qemu-system-x86_64", firmware: "/usr/share/ovmf/OVMF.fd",
			machine: " -M q35 -m 512 -bios @", dictionary: efi,
			block: "method: uefi, commands: [ver, map -r, echo all-done], parameters: {bootloader-final-message: '\\nall-done'}",
			says:  []string{"UEFI Interactive Shell v2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := exec.LookPath(tt.program); err != nil {
				t.Skipf("SKIPPED: %v", err)
			}
			if _, err := os.Stat(tt.firmware); err != nil {
				t.Skipf("SKIPPED: %v", err)
			}
			command := "exec " + tt.program + q + strings.ReplaceAll(tt.machine, "@", tt.firmware)
			r := plan(t, tt.dictionary, tt.block, command)
			switch {
			case tt.class == "" && r.err != nil:
				t.Errorf("error: %v\ntyped: %q\nlast lines: %q", r.err, texts(r.log, events.Input), last(texts(r.log, events.Target)))
			case tt.class != "" && (r.err == nil || pipeline.ClassOf(r.err) != tt.class || !strings.Contains(r.err.Error(), tt.fails)):
				t.Errorf("error: %s %v, want %s with %q", pipeline.ClassOf(r.err), r.err, tt.class, tt.fails)
			}
			text := strings.Join(texts(r.log, events.Target), "\n")
			for _, want := range tt.says {
				if !strings.Contains(text, want) {
					t.Errorf("the console does not say %q; last lines: %q", want, last(texts(r.log, events.Target)))
				}
			}
		})
	}
}
