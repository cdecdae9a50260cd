package acceptance

import (
	"testing"

	"strata/dispatcher/dispatchertest"
)

// A system with an init of its own boots from a disk, which the test does not change, and lets in who
// has a password. Its prompt comes with marks for the terminal.
func TestDiskImage(t *testing.T) {
	dispatchertest.Slow(t)
	dispatchertest.Need(t, "qemu-system-x86_64:qemu-system-x86", "qemu-img:qemu-utils", "mke2fs:e2fsprogs")
	const context = "{arch: amd64, machine: q35, memory: 512, guestfs_interface: virtio}" // the kernel has no other disks
	got := run(t, job{
		definition: text(t, "testdata/image-job.yaml"), device: "{% extends 'qemu.jinja2' %}\n", context: context,
		values: map[string]string{"CONTEXT": context, "DIR": materials(t, "kernel-amd64", "initramfs-amd64", "debian-amd64")},
	})
	got.wantComplete(t)
	got.wantResults(t, map[string]string{
		"0_smoke/running": "pass", "0_smoke/init": "pass", "0_smoke/wrong": "fail", "lava/0_smoke": "pass",
		"login-action": "pass", "job": "pass",
	})
	got.wantText(t, "systemd[1]: ", "debian login: ")
}
