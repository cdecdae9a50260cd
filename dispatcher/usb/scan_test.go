package usb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"strata/dispatcher/pipeline"
)

// A board with a disk and a serial port, as sysfs and udev show them.
func board(t *testing.T) System {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"sys/devices/usb1/1-2/idVendor":                   "18d1\n",
		"sys/devices/usb1/1-2/idProduct":                  "d00d\n",
		"sys/devices/usb1/1-2/serial":                     "b0ard\n",
		"sys/devices/usb1/1-2/uevent":                     "MAJOR=189\nMINOR=7\nDEVNAME=bus/usb/001/008\n",
		"sys/devices/usb1/1-2/1-2:1.0/block/sdx/uevent":   "MAJOR=8\nMINOR=16\nDEVNAME=sdx\nDEVTYPE=disk\n",
		"sys/devices/usb1/1-2/1-2:1.1/tty/ttyACM0/uevent": "MAJOR=166\nMINOR=0\nDEVNAME=ttyACM0\n",
		"run/udev/data/b8:16":                             "S:disk/by-label/BOARD\nE:ID_FS_LABEL=BOARD\nE:ID_FS_TYPE=vfat\n",
		"run/udev/data/c166:0":                            "E:ID_USB_DRIVER=cdc_acm\nE:ID_SERIAL_SHORT=b0ard\n",
	} {
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"sys/bus/usb/devices/1-2": "sys/devices/usb1/1-2",
		"sys/class/block/sdx":     "sys/devices/usb1/1-2/1-2:1.0/block/sdx",
		"sys/class/tty/ttyACM0":   "sys/devices/usb1/1-2/1-2:1.1/tty/ttyACM0",
	} {
		file := filepath.Join(root, link)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.Symlink(filepath.Join(root, to), file)); err != nil {
			t.Fatal(err)
		}
	}
	return System{Root: root}
}

func TestFind(t *testing.T) {
	t.Parallel()
	s := board(t)
	for _, tt := range []struct {
		query Query
		node  string // "" for none
	}{
		{Query{"SUBSYSTEM": "usb", "ID_SERIAL_SHORT": "b0ard"}, "/dev/bus/usb/001/008"},
		{Query{"SUBSYSTEM": "usb", "ID_SERIAL_SHORT": "b0ard", "ID_VENDOR_ID": "18d1", "ID_MODEL_ID": "d00d"}, "/dev/bus/usb/001/008"},
		{Query{"SUBSYSTEM": "usb", "ID_SERIAL_SHORT": "b0ard", "ID_VENDOR_ID": "ffff"}, ""},
		{Query{"SUBSYSTEM": "block", "ID_FS_LABEL": "BOARD"}, "/dev/sdx"},
		{Query{"SUBSYSTEM": "block", "ID_SERIAL_SHORT": "b0ard"}, "/dev/sdx"}, // of the USB device above it
		{Query{"SUBSYSTEM": "tty", "ID_SERIAL_SHORT": "b0ard", "ID_USB_DRIVER": "cdc_acm"}, "/dev/ttyACM0"},
		{Query{"SUBSYSTEM": "tty", "ID_USB_DRIVER": "ftdi_sio"}, ""},
	} {
		found := s.Find(tt.query)
		switch {
		case tt.node == "" && len(found) > 0, tt.node != "" && (len(found) != 1 || found[0].Node != tt.node):
			t.Errorf("%s: found %v, want %q", tt.query, found, tt.node)
		}
	}
	if got := (System{Root: t.TempDir()}).Find(Query{}); len(got) > 0 {
		t.Errorf("an empty machine has %v", got)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	s := board(t)
	if d, err := s.Wait(t.Context(), Query{"ID_FS_LABEL": "BOARD"}); err != nil || d.Node != "/dev/sdx" {
		t.Errorf("got %v, %v", d, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Wait(ctx, Query{"ID_FS_LABEL": "OTHER"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a board that does not come: %v", err)
	}
	late := filepath.Join(t.TempDir(), "node")
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- WaitPath(ctx, late) }()
	if err := os.WriteFile(late, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("a node that comes late: %v", err)
	}
}

func TestBoardQueries(t *testing.T) {
	t.Parallel()
	d, err := pipeline.ReadYAML([]byte("device_info: [{board_id: b0ard, usb_vendor_id: '18d1'}, {parent: true, usb_vendor_id: '12d1'}, " +
		"{board_id: '0000000000', usb_vendor_id: '0000'}, {fs_label: BOARD}]"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range BoardQueries(d) {
		got = append(got, q.String())
	}
	if len(got) != 2 || got[0] != "ID_SERIAL_SHORT=b0ard ID_VENDOR_ID=18d1" || got[1] != "ID_FS_LABEL=BOARD" {
		t.Errorf("queries %q: a hub above the board and what is unset are not asked for", got)
	}
}

// A disk that comes back is another one: its stamp has changed, though its names have not.
func TestStamps(t *testing.T) {
	t.Parallel()
	s := board(t)
	query := Query{"ID_FS_LABEL": "BOARD"}
	disk, err := s.Wait(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	old := s.Stamp(disk)
	if old == "" {
		t.Fatal("a disk that udev knows has no stamp")
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.WaitAnother(soon, query, old); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a disk that stayed: %v", err)
	}
	if err := os.WriteFile(filepath.Join(disk.Path, "diskseq"), []byte("6\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if d, err := s.WaitAnother(t.Context(), query, old); err != nil || d.Node != disk.Node {
		t.Errorf("a disk that came back: %v, %v", d, err)
	}
	link := filepath.Join(t.TempDir(), "by-id")
	if got := PathStamp(link); got != "" {
		t.Errorf("a link that is not there has the stamp %q", got)
	}
	if err := os.Symlink("sdx", link); err != nil {
		t.Fatal(err)
	}
	first := PathStamp(link)
	if err := WaitPathAnother(soon, link, first); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a link that stayed: %v", err)
	}
	if err := errors.Join(os.Symlink("sdy", link+".new"), os.Rename(link+".new", link)); err != nil {
		t.Fatal(err)
	}
	if err := WaitPathAnother(t.Context(), link, first); err != nil {
		t.Errorf("a link that was made anew: %v", err)
	}
}
