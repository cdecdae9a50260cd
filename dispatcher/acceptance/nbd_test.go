package acceptance

import (
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// A board's root file system is a disk that a server of the job exports; the board fetches the overlay
// once it runs.
func TestNBD(t *testing.T) {
	dispatchertest.Need(t, "qemu-system-x86_64:qemu-system-x86", "telnet:telnet", "bash:bash", "nbd-server:nbd-server", "mke2fs:e2fsprogs",
		"/usr/lib/ipxe/qemu/pxe-virtio.rom:ipxe-qemu")
	site := links(t, map[string]string{
		"kernel": material(t, "kernel-amd64"), "root.ext4": busyboxDisk(t, "amd64"),
		"initrd": initramfs(t, "amd64", modules{load: netModules, have: "nbd", add: nbdClient(t), key: "nbd-client"}),
	})
	if !dispatchertest.OwnNetwork(t, workerIP) {
		return
	}
	_, values := newLabBoard(t, emulated("qemu-system-x86_64", "-M", "pc,graphics=off", "-m", "512", "-boot", "n",
		"-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0", "-device", "virtio-rng-pci")...)
	values["SITE"] = serve(t, site)
	j := job{definition: text(t, "testdata/nbd-job.yaml"), device: text(t, "testdata/nbd-device.jinja2"), values: values,
		dispatcher: "dispatcher_ip: " + workerIP + "\n", tftp: ":69", web: ":0"}

	values["PORT"] = "auto"
	got := run(t, j)
	got.wantComplete(t)
	got.wantResults(t, map[string]string{"0_nbd/root": "pass", "0_nbd/written": "pass", "lava/0_nbd": "pass", "job": "pass"})
	got.wantText(t, "'nbd-server', '", "nbdroot="+workerIP+",", "tftp://"+workerIP+"/", "BOOTED-FROM /dev/nbd0", "wget http://"+workerIP+":")

	// Somebody else has the port that the job asks for.
	values["PORT"] = portOf(listen(t))
	got = run(t, j)
	got.wantError(t, events.InfrastructureError, "nbd-server cannot have port "+values["PORT"], "address already in use")
}

// busyboxDisk returns an ext4 file system with a small system; see busyboxRoot.
func busyboxDisk(t *testing.T, arch string) string {
	t.Helper()
	root := busyboxRoot(t, arch)
	return cached(t, "disk-"+arch, "1 "+root, func(dir string) error {
		return command("mke2fs", "-q", "-t", "ext4", "-L", "board", "-E", "root_owner=0:0", "-d", root+"/root/board", dir+"/root.ext4", "24M")
	}) + "/root.ext4"
}

// nbdClient returns what an initramfs needs to attach a disk over the network.
func nbdClient(t *testing.T) string {
	t.Helper()
	client := debian{arch: "amd64", names: "nbd-client libnl-3-200 libnl-genl-3-200"}.unpack(t, "nbd-client")
	return cached(t, "nbd-files", "1 "+client, func(dir string) error {
		return command("sh", "-euc", `
			program=$(find $2 -name nbd-client -path '*sbin*')
			mkdir -p $1/sbin
			cp $program $1/sbin/nbd-client
			own=$(dirname $(find $2 -name 'libnl-3.so.200' | head -1)):$(dirname $(find $2 -name 'libnl-genl-3.so.200' | head -1))
			for l in $(LD_LIBRARY_PATH=$own ldd $program | grep -o '/[^ )]*\.so[^ )]*' | sort -u); do
				to=$1/${l#$2}
				mkdir -p $(dirname $to)
				cp -L $l $to
			done`, "sh", dir, client)
	})
}
