package acceptance

import (
	"os"
	"testing"

	"strata/dispatcher/dispatchertest"
)

// TestUBoot has real U-Boot fetch a kernel and a ramdisk from the worker's own TFTP server, boot them,
// and a test run there; the files come through the worker's cache.
func TestUBoot(t *testing.T) {
	const address = "10.20.0.1"
	assets := dispatchertest.Assets(t)
	dispatchertest.Need(t, "/usr/lib/u-boot/qemu-x86/u-boot.rom:u-boot-qemu")
	if !dispatchertest.OwnNetwork(t, address) {
		return
	}
	got := run(t, job{
		definition: text(t, "testdata/uboot-job.yaml"), device: text(t, "testdata/uboot-device.yaml"),
		dispatcher: "dispatcher_ip: " + address + "\n", tftp: ":69",
		values: map[string]string{"SITE": serve(t, assets)},
	})
	got.wantComplete(t)
	got.wantResults(t, map[string]string{"0_smoke/uname": "pass", "job": "pass"})
	got.wantText(t, "TFTP from server "+address, "Bytes transferred = ", "Linux version ")
	if left, err := os.ReadDir(got.services.TFTP.Dir); err != nil || len(left) != 0 {
		t.Errorf("the job's files stay on the TFTP server: %v, %v", left, err)
	}
}
