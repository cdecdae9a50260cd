package acceptance

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// GRUB on a PC with a BIOS comes from the network, is stopped at its menu, and takes the kernel's file
// names at its prompt.
func TestGRUB(t *testing.T) { bootsGRUB(t, "bios", "testdata/grub-device.jinja2") }

// GRUB's prompt is an entry of its menu, chosen with an arrow key.
func TestGRUBMenu(t *testing.T) {
	dispatchertest.Slow(t)
	got := bootsGRUB(t, "bios", "testdata/grub-menu-device.jinja2")
	if got != nil {
		got.wantText(t, "lab-commands-entry")
	}
}

// A PC and a board with UEFI start GRUB from the network by themselves.
func TestGRUBEFI(t *testing.T) {
	dispatchertest.Slow(t)
	bootsGRUB(t, "efi", "testdata/grub-device.jinja2")
}

func TestGRUBEFIARM64(t *testing.T) {
	dispatchertest.Slow(t)
	bootsGRUB(t, "efi-arm64", "testdata/grub-device.jinja2")
}

// firmwareBoard is a machine with a BIOS or UEFI.
type firmwareBoard struct {
	machine  []string // without what all have; @VARS@ is a copy of the firmware's variables
	needs    []string
	platform string // as GRUB calls it
	image    string // of GRUB
	tty      string // its serial port, in the kernel's words
	arch     string // of its kernel, as materials calls it; "" is the demo's
	uname    string
}

const (
	ovmf   = "/usr/share/OVMF/"
	aavmf  = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
	pflash = "if=pflash,format=raw,"
)

var firmwareBoards = map[string]firmwareBoard{
	"bios": {
		machine:  []string{"qemu-system-x86_64", "-M", "pc", "-m", "512", "-boot", "n"},
		needs:    []string{"qemu-system-x86_64:qemu-system-x86", "/usr/lib/grub/i386-pc:grub-pc-bin"},
		platform: "i386-pc", image: "core.0", tty: "ttyS0", uname: "x86_64",
	},
	"efi": {
		machine: []string{"qemu-system-x86_64", "-M", "q35", "-m", "512",
			"-drive", pflash + "readonly=on,file=" + ovmf + "OVMF_CODE.fd", "-drive", pflash + "file=@VARS@"},
		needs:    []string{"qemu-system-x86_64:qemu-system-x86", ovmf + "OVMF_CODE.fd:ovmf", "/usr/lib/grub/x86_64-efi:grub-efi-amd64-bin"},
		platform: "x86_64-efi", image: "core.efi", tty: "ttyS0", uname: "x86_64",
	},
	"efi-arm64": {
		machine:  []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "512", "-bios", aavmf},
		needs:    []string{"qemu-system-aarch64:qemu-system-arm", aavmf + ":qemu-efi-aarch64"},
		platform: "arm64-efi", image: "core.efi", tty: "ttyAMA0", arch: "arm64", uname: "aarch64",
	},
}

// network returns the options of a card that offers a boot file of dir, if any.
func network(dir, file string) []string {
	netdev := "user,id=n0"
	// The boot loader comes from the emulator's own TFTP server, which stands for the lab's network; what
	// the job deploys comes from the worker's.
	if file != "" {
		netdev += ",tftp=" + dir + ",bootfile=" + file
	}
	return []string{"-netdev", netdev, "-device", "virtio-net-pci,netdev=n0"}
}

// start makes a board with a machine and its options.
func (b firmwareBoard) start(t *testing.T, options ...string) (*labBoard, map[string]string) {
	t.Helper()
	machine := emulated(append(b.machine, options...)...)
	for i, arg := range machine {
		if arg != pflash+"file=@VARS@" {
			continue
		}
		// The firmware keeps its boot entries there: each board has a copy of its own.
		vars, err := os.ReadFile(ovmf + "OVMF_VARS.fd")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "vars.fd")
		if err := os.WriteFile(file, vars, 0o644); err != nil {
			t.Fatal(err)
		}
		machine[i] = pflash + "file=" + file
	}
	return newLabBoard(t, machine...)
}

// values prepares a job: what all jobs of the board have, and the folder of its kernel.
func (b firmwareBoard) values(t *testing.T, needs ...string) (dir string, values map[string]string) {
	t.Helper()
	dir, values = ubootBoard{needs: append(needs, b.needs...), arch: b.arch, uname: b.uname}.values(t)
	values["TTY"] = b.tty
	return dir, values
}

// grubTree makes what GRUB loads over the network: its image, modules and menu.
func (b firmwareBoard) grubTree(t *testing.T) (dir string) {
	t.Helper()
	modules := "/usr/lib/grub/" + b.platform
	if b.arch != "" {
		modules = filepath.Join(material(t, "grub-"+b.arch), modules)
	}
	dir = t.TempDir()
	if err := command("grub-mknetdir", "--net-directory="+dir, "--subdir=grub", "-d", modules); err != nil {
		t.Fatal(err)
	}
	// A menu without entries is what GRUB's prompt is entered by.
	for name, content := range map[string]string{"grub.cfg": text(t, "testdata/grub.cfg"), b.platform + "/none.cfg": "", "none.cfg": ""} {
		if err := os.WriteFile(filepath.Join(dir, "grub", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// bootsGRUB runs a job on a board and returns how it ended; nil where it ran in another process.
func bootsGRUB(t *testing.T, name, dictionary string) *outcome {
	t.Helper()
	b := firmwareBoards[name]
	dir, values := b.values(t, "grub-mknetdir:grub-common")
	if b.arch != "" {
		material(t, "grub-"+b.arch) // here: there is no way out from there
	}
	if !dispatchertest.OwnNetwork(t, workerIP) {
		return nil
	}
	values["SITE"], values["METHOD"] = serve(t, dir), "grub"
	_, lines := b.start(t, network(b.grubTree(t), "grub/"+b.platform+"/"+b.image)...)
	maps.Copy(values, lines)
	got := run(t, job{
		definition: text(t, "testdata/grub-job.yaml"), device: text(t, dictionary),
		dispatcher: "dispatcher_ip: " + workerIP + "\n", tftp: ":69", values: values,
	})
	got.wantComplete(t)
	got.wantResults(t, map[string]string{"0_smoke/uname": "pass", "0_smoke/machine": "pass", "0_smoke/command-line": "pass",
		"kernel-messages": "pass", "login-action": "pass", "job": "pass"})
	got.wantText(t, "GNU GRUB  version", "for a command-line", "Sending line: 'linux (tftp,"+workerIP+")/42/", "Linux version ")
	return &got
}
