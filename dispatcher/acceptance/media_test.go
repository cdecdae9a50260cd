package acceptance

import (
	"os"
	"path/filepath"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// A system in a board's memory writes an image to the board's disk, which it fetches from the worker; the
// board is reset and boots from the disk: U-Boot loads the kernel from it, and its root is there.
func TestSecondMedia(t *testing.T) {
	mediaBoots(t, "arm64", "sata", "virtio-LAB1", virtio, []string{"-device", "virtio-blk-pci,drive=media,serial=LAB1"})
}

func TestSecondMediaUSB(t *testing.T) {
	dispatchertest.Slow(t)
	mediaBoots(t, "arm64-generic", "usb", "usb-LAB1", "virtio_pci virtio_net virtio_rng ehci_pci usb-storage sd_mod ext4",
		[]string{"-device", "usb-ehci,id=usb", "-device", "usb-storage,bus=usb.0,drive=media,serial=LAB1"})
}

// mediaBoots runs the job for a medium, known by an id to udev, with the drivers that it wants.
func mediaBoots(t *testing.T, arch, medium, id, drivers string, disk []string) {
	t.Helper()
	dispatchertest.Need(t, "sfdisk:fdisk", "mke2fs:e2fsprogs", "debugfs:e2fsprogs")
	board := ubootBoards["arm64"]
	_, values := board.values(t)
	files := t.TempDir()
	script := filepath.Join(files, "sbin/by-id")
	if err := os.MkdirAll(filepath.Dir(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte(text(t, "testdata/media-by-id.sh")), 0o755); err != nil {
		t.Fatal(err)
	}
	ramdisk := initramfs(t, arch, modules{load: drivers, add: files, key: "by-id " + text(t, "testdata/media-by-id.sh")})
	site := links(t, map[string]string{"kernel": material(t, "kernel-"+arch), "ramdisk": ramdisk, "disk.img.gz": bootDisk(t, arch, ramdisk)})
	if !dispatchertest.OwnNetwork(t, workerIP) {
		return
	}
	image := filepath.Join(t.TempDir(), "media.img")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 256<<20); err != nil {
		t.Fatal(err)
	}
	machine := append(emulated(board.machine...), "-netdev", "user,id=n0", "-drive", "if=none,id=media,format=raw,file="+image)
	labBoard, lines := newLabBoard(t, append(machine, disk...)...)
	for k, v := range lines {
		values[k] = v
	}
	values["SITE"], values["MEDIUM"], values["DISK"], values["NODE"] = serve(t, site), medium, id, map[string]string{"sata": "vda", "usb": "sda"}[medium]
	got := run(t, job{
		definition: text(t, "testdata/media-job.yaml"), values: values, dispatcher: "dispatcher_ip: " + workerIP + "\n", tftp: ":69", web: ":0",
		device: text(t, "testdata/uboot-arm64-device.jinja2") + text(t, "testdata/media-"+medium+"-device.jinja2"),
	})
	got.wantComplete(t)
	got.wantResults(t, map[string]string{"0_media/root": "pass", "0_media/overlay": "pass", "lava/0_media": "pass", "job": "pass"})
	got.wantText(t, "/usr/bin/wget -O - http://"+workerIP+":", "| dd of='/dev/disk/by-id/"+id+"' bs=4M", "records out", "BOOTED-FROM /dev/"+values["NODE"]+"1",
		"bytes read in ", "booti 0x40400000 0x44000000:${initrd_size} ${fdtcontroladdr}")
	if labBoard.starts != 2 {
		t.Errorf("the power came %d times, want twice", labBoard.starts)
	}
}

// bootDisk returns a gzipped disk with one partition, which has a kernel, its ramdisk and a small system.
func bootDisk(t *testing.T, arch, ramdisk string) string {
	t.Helper()
	root, kernel := busyboxRoot(t, "arm64"), material(t, "kernel-"+arch)
	return cached(t, "bootdisk-"+arch, "1 "+root+kernel+ramdisk, func(dir string) error {
		return command("sh", "-euc", `
			cd $1
			cp -a $2/root/board tree
			mkdir tree/boot
			cp -L $3 tree/boot/Image
			cp -L $4 tree/boot/initrd
			mke2fs -q -t ext4 -O ^metadata_csum,^64bit -E root_owner=0:0 -d tree part.img 95M
			truncate -s 96M disk.img
			printf 'start=2048, type=83\n' | sfdisk -q disk.img
			dd if=part.img of=disk.img bs=1M seek=1 conv=notrunc,sparse status=none
			gzip -1 disk.img
			rm -r tree part.img`, "sh", dir, root, kernel, ramdisk)
	}) + "/disk.img.gz"
}
