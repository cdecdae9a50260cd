package deploy

import (
	"strings"
	"testing"
)

// Methods that no recorded tree shows, as their description has them.
func TestUnseenMethods(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, methods, device, block, want string }{
		{"download with a power supply", "{}", ", commands: {hard_reset: 'x'}", "{to: download, images: {a: {url: 'scp://host/a'}}}",
			"1 download-deploy|1.1 connect-device|1.2 reset-device|1.2.1 pdu-reboot|1.3 download-retry|1.3.1 scp-download"},
		{"download without one", "{}", "", "{to: download, images: {a: {url: 'rclone://r/a'}}}",
			"1 download-deploy|1.1 enter-fastboot-action|1.2 download-retry|1.2.1 rclone-download"},
		{"gadget", "{usbg-ms: {enable: [e], disable: [d]}}", "", "{to: usbg-ms, image: {url: 'http://x/i'}}",
			"1 usbg-ms|1.1 download-retry|1.1.1 http-download"},
		{"fastboot reboots", "{fastboot: }", ", fastboot_options: [], adb_serial_number: a, fastboot_serial_number: f, commands: {hard_reset: x}",
			"{to: fastboot, images: {a: {url: 'http://x/a', reboot: fastboot-reboot-fastboot}, b: {url: 'http://x/b', reboot: fastboot-reboot}}}",
			"1 fastboot-deploy|1.1 download-retry|1.1.1 http-download|1.2 download-retry|1.2.1 http-download|1.3 connect-device|1.4 pre-power-command|" +
				"1.5 reset-device|1.5.1 pdu-reboot|1.6 fastboot-flash-order-action|1.6.1 read-feedback|1.6.2 wait-device-boardid|1.6.3 fastboot-flash-action|" +
				"1.6.4 fastboot-reboot-fastboot|1.6.5 read-feedback|1.6.6 wait-device-boardid|1.6.7 fastboot-flash-action|1.6.8 fastboot-reboot|1.6.9 read-feedback"},
		{"mps with a power supply", "{mps: {parameters: {hard-reboot: true}}}", ", usb_filesystem_label: L, commands: {hard_reset: x}",
			"{to: mps, images: {test_binary: {url: 'http://x/t'}}}",
			"1 mps-deploy|1.1 disconnect-device|1.2 reset-device|1.2.1 pdu-reboot|1.3 wait-usb-mass-storage-device|1.4 download-retry|1.4.1 http-download|" +
				"1.5 mount-vexpress-usbmsd|1.6 deploy-mps-test-binary|1.7 unmount-vexpress-usbmsd|1.8 power-off"},
		{"uuu with an overlay", "{}", "", "{to: uuu, images: {boot: {url: 'http://x/b'}, r: {url: 'http://x/r', apply-overlay: true, sparse: true}, p: {url: 'http://x/p', apply-overlay: true}}}",
			"1 uuu-deploy|1.1 download-retry|1.1.1 http-download|1.2 download-retry|1.2.1 http-download|1.3 apply-overlay-sparse-image|1.4 download-retry|1.4.1 http-download|1.5 apply-overlay-image"},
		{"qdl with an overlay", "{}", "", "{to: qdl, qcomflash: {url: 'http://x/q', apply-overlay: true}}",
			"1 qdl-deploy|1.1 download-retry|1.1.1 http-download|1.2 apply-overlay-qdl"},
		{"downloads with steps", "{}", "", "{to: downloads, images: {a: {url: 'http://x/a'}}, postprocess: {docker: {image: i, steps: [s]}}}",
			"1 downloads|1.1 download-retry|1.1.1 http-download|1.2 download-postprocess-docker"},
		{"recovery over a serial port", "{recovery: {tags: [serial]}}", "", "{to: recovery, images: {a: {url: 'http://x/a'}}}",
			"1 deploy-recovery-mode|1.1 download-retry|1.1.1 http-download|1.2 connect-device"},
		{"depthcharge", "{tftp: }", ", actions: {deploy: {methods: {tftp: }}, boot: {methods: {depthcharge: }}}", "{to: tftp, kernel: {url: 'http://x/k'}}",
			"1 tftp-deploy|1.1 download-retry|1.1.1 http-download|1.2 prepare-tftp-overlay|1.2.1 extract-nfsrootfs|1.2.2 parse-persistent-nfs|" +
				"1.2.3 extract-overlay-ramdisk|1.2.4 extract-modules|1.2.5 configure-preseed-file|1.2.6 compress-ramdisk|1.2.7 prepare-kernel|1.2.7.1 prepare-fit"},
		{"gadget with other keys", "{usbg-ms: {enable: [e]}}", "", "{to: usbg-ms}", "'usbg-ms' of the device's deploy methods must have"},
		{"medium without uuid", "{}", ", parameters: {media: {usb: {stick: {}}}}", "{to: usb, device: stick}", `the usb medium "stick" of the device has no "uuid"`},
		{"unknown reboot", "{fastboot: }", ", fastboot_options: [], fastboot_auto_detection: true", "{to: fastboot, images: {a: {url: 'http://x/a', reboot: twice}}}",
			"reboot: 'twice' is none of"},
	} {
		j := &job{methods: tt.methods, device: tt.device, deploy: tt.block, noTest: true}
		p, err := j.plan(t)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = strings.TrimSuffix(strings.ReplaceAll(tree(p.Steps[:1]), "\n", "|"), "|")
		}
		if got != tt.want && !(err != nil && strings.Contains(got, tt.want)) {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}
