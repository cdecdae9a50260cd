package dispatchertest

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// random is the end of a directory's name as os.MkdirTemp makes it, or of a container's.
var random = regexp.MustCompile(`-(\d{6,}|[0-9a-f]{8})\b`)

// USB makes a directory for usb_root in which one board is on the bus: serial number SER1, vendor
// 0483 and product df11, with a FAT16 disk /dev/sdx that is called BOARD and a serial port
// /dev/ttyACM0.
func USB(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	const bus, disk, port = "sys/devices/usb1/1-2", "sys/devices/usb1/1-2/1-2:1.0/block/sdx", "sys/devices/usb1/1-2/1-2:1.1/tty/ttyACM0"
	for name, text := range map[string]string{
		bus + "/idVendor": "0483\n", bus + "/idProduct": "df11\n", bus + "/serial": "SER1\n",
		bus + "/uevent":        "MAJOR=189\nMINOR=7\nDEVNAME=bus/usb/001/008\n",
		disk + "/uevent":       "MAJOR=8\nMINOR=16\nDEVNAME=sdx\nDEVTYPE=disk\n",
		port + "/uevent":       "MAJOR=166\nMINOR=0\nDEVNAME=ttyACM0\n",
		disk + "/diskseq":      "5\n",
		"run/udev/data/b8:16":  "E:ID_FS_LABEL=BOARD\nE:ID_FS_VERSION=FAT16\nE:ID_SERIAL_SHORT=SER1\n",
		"run/udev/data/c166:0": "E:ID_USB_DRIVER=cdc_acm\nE:ID_SERIAL_SHORT=SER1\n",
	} {
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"sys/bus/usb/devices/1-2": bus, "sys/class/block/sdx": disk, "sys/class/tty/ttyACM0": port} {
		file := filepath.Join(root, link)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.Symlink(filepath.Join(root, to), file)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// DiskSeq is the file in which the kernel counts the appearances of the board's disk: a program that
// stands for the board counts it up when the disk comes back.
func DiskSeq(root string) string {
	return filepath.Join(root, "sys/devices/usb1/1-2/1-2:1.0/block/sdx/diskseq")
}
