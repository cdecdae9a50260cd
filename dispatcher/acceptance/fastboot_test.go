package acceptance

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// Real U-Boot offers fastboot over the network: a root file system is written with the overlay in it,
// and a kernel booted without being written anywhere finds both.
func TestFastbootUBoot(t *testing.T) {
	dispatchertest.Slow(t)
	const arch = "arm64-generic" // the other kernel has no drivers for SD cards
	dispatchertest.Need(t, "fastboot:fastboot", "mkbootimg:mkbootimg", "img2simg:android-sdk-libsparse-utils", "sgdisk:gdisk", "mke2fs:e2fsprogs", "debugfs:e2fsprogs",
		"qemu-system-aarch64:qemu-system-arm", "telnet:telnet", "bash:bash")
	loader := fastbootLoader(t)
	files := t.TempDir()
	card := filepath.Join(files, "sd.img")
	for _, args := range [][]string{
		{"truncate", "-s", "512M", card},
		{"sgdisk", "-og", "-n", "1:2048:+64M", "-c", "1:boot", "-n", "2:0:+256M", "-c", "2:rootfs", card},
		{"img2simg", busyboxDisk(t, "arm64"), filepath.Join(files, "rootfs.simg")},
		{"mkbootimg", "--kernel", material(t, "kernel-"+arch), "--ramdisk", initramfs(t, arch, modules{load: "sdhci-pci mmc_block ext4"}),
			"--base", "0x40000000", "--kernel_offset", "0x00400000", "--ramdisk_offset", "0x04000000",
			"--cmdline", "console=ttyAMA0 panic=-1 root=/dev/mmcblk0p2 rootfstype=ext4", "-o", filepath.Join(files, "boot.img")},
	} {
		if err := command(args...); err != nil {
			t.Fatal(err)
		}
	}
	port := freeUDP(t)
	board, values := newLabBoard(t, emulated("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-m", "512", "-bios", loader,
		"-device", "sdhci-pci", "-device", "sd-card,drive=sd", "-drive", "if=none,id=sd,format=raw,file="+card,
		"-netdev", "user,id=n0,hostfwd=udp:127.0.0.1:"+port+"-:5554", "-device", "virtio-net-pci,netdev=n0,romfile=")...)
	values["PORT"], values["SITE"], values["SECOND"] = port, serve(t, files), "rootfs"
	j := job{definition: text(t, "testdata/fastboot-job.yaml"), device: text(t, "testdata/fastboot-device.jinja2"), values: values}
	got := run(t, j)
	got.wantComplete(t)
	got.wantResults(t, map[string]string{"0_fastboot/root": "pass", "0_fastboot/overlay": "pass", "lava/0_fastboot": "pass",
		"fastboot-flash-action": "pass", "boot-fastboot": "pass", "kernel-messages": "pass", "job": "pass"})
	got.wantText(t, "Listening for fastboot command on ", "Flashing Sparse Image", "'boot' is not written", "## Booting Android Image at 0x48000000",
		"BOOTED-FROM /dev/mmcblk0p2", "'fastboot', '-s', 'udp:127.0.0.1:"+port+"', 'flash', 'rootfs'")
	if board.starts != 2 {
		t.Errorf("the power came %d times, want twice", board.starts)
	}

	// A partition that the board does not have.
	values["SECOND"] = "nosuch"
	if err := os.Symlink("rootfs.simg", filepath.Join(files, "nosuch.simg")); err != nil {
		t.Fatal(err)
	}
	got = run(t, j)
	got.wantError(t, events.InfrastructureError, "Unable to run: ['fastboot', '-s', 'udp:127.0.0.1:"+port)
	got.wantText(t, "invalid partition or device")
}

// fastbootLoader returns a U-Boot of the cache that offers fastboot. To build it takes a minute.
func fastbootLoader(t *testing.T) string {
	t.Helper()
	script := text(t, "testdata/make-uboot-fastboot.sh")
	return cached(t, "uboot-fastboot", script, func(dir string) error {
		dispatchertest.Need(t, "apt-get:apt", "aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu", "bison:bison", "flex:flex", "bc:bc", "make:make", "patch:patch",
			"/usr/include/openssl/evp.h:libssl-dev")
		return command("sh", "testdata/make-uboot-fastboot.sh", filepath.Join(dir, "u-boot.bin"))
	}) + "/u-boot.bin"
}

// freeUDP returns a UDP port of this machine that nobody has now.
func freeUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return strconv.Itoa(c.LocalAddr().(*net.UDPAddr).Port)
}
