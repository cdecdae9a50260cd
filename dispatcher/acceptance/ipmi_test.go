package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/dispatcher/dispatchertest"
	"strata/events"
)

// A PC with a BMC: the job has it boot from the network, which it does not do by itself, switches it on,
// types at its iPXE over the BMC's serial line, and runs tests in the system that comes.
func TestServerWithBMC(t *testing.T) {
	dispatchertest.Boots(t)
	source := filepath.Join(dispatchertest.Corpus(t, "devices/ipmi"), "devices/ipmi")
	dispatchertest.Need(t, "qemu-system-x86_64:qemu-system-x86", "/usr/lib/ipxe/qemu/pxe-virtio.rom:ipxe-qemu",
		"ipmi_sim:openipmi", "ipmitool:ipmitool", "socat:socat")
	site := dispatchertest.Assets(t)
	if !dispatchertest.OwnNetwork(t, workerIP) {
		return
	}
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(disk, bootSector("the disk is no system"), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon(t, func() bool { _, err := os.Stat(filepath.Join(dir, "ready")); return err == nil },
		"sh", filepath.Join(source, "server.sh"), dir, "16230", "16231", "16232", "-m", "512",
		"-drive", "file="+disk+",if=virtio,format=raw", "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0")

	values := map[string]string{"SITE": serve(t, site), "BMC": "ipmitool -I lanplus -C 3 -H 127.0.0.1 -p 16230 -U admin -P"}
	for _, tt := range []struct {
		name, password string
		complete       bool
	}{{"the wrong password", "secret", false}, {"the right one", "labpass", true}} {
		t.Run(tt.name, func(t *testing.T) {
			values["PASSWORD"] = tt.password
			got := run(t, job{definition: text(t, "testdata/ipmi-job.yaml"), device: text(t, "testdata/ipmi-device.jinja2"),
				dispatcher: "dispatcher_ip: " + workerIP + "\n", tftp: ":69", values: values})
			if !tt.complete {
				got.wantError(t, events.InfrastructureError, "Unable to reboot: ")
				got.wantText(t, "Unable to establish IPMI v2 / RMCP+ session")
				return
			}
			got.wantComplete(t)
			got.wantResults(t, map[string]string{"0_smoke/kernel": "pass", "0_smoke/address": "pass", "pdu-reboot": "pass", "power-off": "pass"})
			got.wantText(t, "Set Boot Device to pxe", "SOL Session operational", "iPXE> ", "Linux version ")
			chassis := text(t, filepath.Join(dir, "chassis.log"))
			if !strings.Contains(chassis, "set boot pxe") || !strings.HasSuffix(strings.TrimSpace(lastPower(chassis)), "set power 0") {
				t.Errorf("the BMC was told:\n%s\nwant to boot by PXE once, and in the end to switch off", chassis)
			}
		})
	}
}

// lastPower returns the last line that sets the power.
func lastPower(log string) (last string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "set power") {
			last = line
		}
	}
	return last
}

// bootSector returns a disk that prints a text and does nothing else.
func bootSector(text string) []byte {
	disk := make([]byte, 1<<20)
	n := copy(disk, []byte{
		0x31, 0xc0, 0x8e, 0xd8, // xor ax, ax; mov ds, ax
		0xbe, 0x15, 0x7c, // mov si, text
		0xac, 0x84, 0xc0, 0x74, 0x06, // next: lodsb; test al, al; jz end
		0xb4, 0x0e, 0xcd, 0x10, 0xeb, 0xf5, // mov ah, 0eh; int 10h (print); jmp next
		0xf4, 0xeb, 0xfd, // end: hlt; jmp end
	})
	copy(disk[n:], text)
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}
