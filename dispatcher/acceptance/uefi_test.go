package acceptance

import (
	"maps"
	"path/filepath"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// The shell of the firmware loads a kernel and a ramdisk over the network and starts the kernel.
func TestUEFIShell(t *testing.T) {
	dispatchertest.Slow(t)
	inUEFIShell(t, "efi")
}

func TestUEFIShellARM64(t *testing.T) {
	dispatchertest.Slow(t)
	inUEFIShell(t, "efi-arm64")
}

// The firmware's countdown is stopped, and its menus are gone through with arrow keys, down to the
// shell, in which the entries of the dictionary go on typing.
func TestUEFIMenu(t *testing.T) {
	dispatchertest.Slow(t)
	byUEFIMenu(t, "efi")
}

func TestUEFIMenuARM64(t *testing.T) {
	dispatchertest.Slow(t)
	byUEFIMenu(t, "efi-arm64")
}

// GRUB comes from the network because it was chosen in the firmware's menus.
func TestGRUBByUEFIMenu(t *testing.T) {
	dispatchertest.Slow(t)
	b := firmwareBoards["efi"]
	if got := bootsUEFI(t, b, "grub-efi", func() []string { return network(b.grubTree(t), "grub/"+b.platform+"/"+b.image) }); got != nil {
		got.wantText(t, "Boot Manager Menu", "GNU GRUB  version", "Sending line: 'linux (tftp,"+workerIP+")/42/")
	}
}

func inUEFIShell(t *testing.T, name string) {
	t.Helper()
	if got := bootsUEFI(t, firmwareBoards[name], "uefi", nil); got != nil {
		got.wantText(t, "to skip ", "Sending line: 'tftp -s 1400 "+workerIP+" 42/", "EFI stub: ")
	}
}

func byUEFIMenu(t *testing.T, name string) {
	t.Helper()
	if got := bootsUEFI(t, firmwareBoards[name], "uefi-menu", nil); got != nil {
		got.wantText(t, "Boot Manager Menu", "EFI Internal Shell", "EFI stub: ")
	}
}

// bootsUEFI runs a job on a board and returns how it ended; nil where it ran in another process. The
// first thing that the firmware starts is the disk, which is empty, then its own shell.
func bootsUEFI(t *testing.T, b firmwareBoard, method string, card func() []string) *outcome {
	t.Helper()
	dir, values := b.values(t, "mkfs.vfat:dosfstools", "grub-mknetdir:grub-common")
	if !dispatchertest.OwnNetwork(t, workerIP) {
		return nil
	}
	options := network("", "")
	if card != nil {
		options = card()
	}
	options[len(options)-1] += ",romfile=" // the firmware has a driver; the card's own would take it for itself
	// The shell loads files from the network only onto a disk. Named first, it keeps the firmware from
	// trying every card before its own shell.
	disk := filepath.Join(t.TempDir(), "esp.img")
	if err := command("mkfs.vfat", "-C", "-F", "32", disk, "98304"); err != nil {
		t.Fatal(err)
	}
	_, lines := b.start(t, append(options, "-drive", "if=none,id=d0,format=raw,file="+disk, "-device", "virtio-blk-pci,drive=d0,bootindex=1",
		"-boot", "menu=on,splash-time=10000")...)
	maps.Copy(values, lines)
	// The console is reset twice; a key that comes before the second is thrown away with what was there.
	values["SITE"], values["METHOD"], values["EARLY"] = serve(t, dir), method, `(\x1b\[=3h.*){2}\x1b\[01;01H`
	got := run(t, job{
		definition: text(t, "testdata/grub-job.yaml"), device: text(t, "testdata/uefi-device.jinja2"),
		dispatcher: "dispatcher_ip: " + workerIP + "\n", tftp: ":69", values: values,
	})
	got.wantComplete(t)
	got.wantResults(t, map[string]string{"0_smoke/uname": "pass", "0_smoke/machine": "pass", "0_smoke/command-line": "pass",
		"kernel-messages": "pass", "login-action": "pass", "job": "pass"})
	got.wantText(t, "Linux version ")
	return &got
}
