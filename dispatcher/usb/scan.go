package usb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"strata/dispatcher/pipeline"
)

// System is where the kernel and udev tell of devices. The zero System is the worker's own.
type System struct{ Root string } // "" for /

// Of returns the System of a job's worker. A worker in a container sees the host's /sys and
// /run/udev below another directory, which usb_root of its configuration names.
func Of(s *pipeline.Session) System { return System{Root: s.Dispatcher.Get("usb_root").Text()} }

// again is how long a wait sleeps between two looks.
const again = 500 * time.Millisecond

// Device is one device of the kernel with what udev knows of it.
type Device struct {
	Path       string            // in sysfs
	Node       string            // such as /dev/ttyUSB0; "" where it has none
	Properties map[string]string // ID_SERIAL_SHORT, ID_VENDOR_ID, ID_FS_LABEL, SUBSYSTEM …
}

// Query says which devices are meant: every property must be equal. An empty value asks for
// nothing.
type Query map[string]string

// subsystems are those in which devices of boards appear.
var subsystems = [...]struct{ name, dir string }{
	{"usb", "sys/bus/usb/devices"}, {"block", "sys/class/block"}, {"tty", "sys/class/tty"},
}

// Devices returns what is there now.
func (s System) Devices() []Device {
	var out []Device
	for _, sub := range subsystems {
		entries, err := filepath.Glob(filepath.Join("/", s.Root, sub.dir, "*"))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			out = append(out, s.device(sub.name, entry))
		}
	}
	return out
}

// device reads one device: the kernel's own words, udev's, and the attributes of the USB device
// above it, which udev's rules may have left out.
func (s System) device(subsystem, entry string) Device {
	d := Device{Path: entry, Properties: map[string]string{"SUBSYSTEM": subsystem}}
	if real, err := filepath.EvalSymlinks(entry); err == nil {
		d.Path = real
	}
	d.readLines(filepath.Join(d.Path, "uevent"), "")
	kind := "c"
	if subsystem == "block" {
		kind = "b"
	}
	if major := d.Properties["MAJOR"]; major != "" {
		d.readLines(filepath.Join("/", s.Root, "run/udev/data", kind+major+":"+d.Properties["MINOR"]), "E:")
	}
	if name := d.Properties["DEVNAME"]; name != "" {
		d.Node = filepath.Join("/dev", strings.TrimPrefix(name, "/dev/"))
	}
	for dir := d.Path; len(dir) > len("/sys"); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "idVendor")); err != nil {
			continue
		}
		for _, a := range [...]struct{ property, file string }{
			{"ID_VENDOR_ID", "idVendor"}, {"ID_MODEL_ID", "idProduct"}, {"ID_SERIAL_SHORT", "serial"}, {"ID_MODEL", "product"},
		} {
			if text, err := os.ReadFile(filepath.Join(dir, a.file)); err == nil && d.Properties[a.property] == "" {
				d.Properties[a.property] = strings.TrimSpace(string(text))
			}
		}
		break
	}
	return d
}

// readLines adds the KEY=value lines of a file that begin with prefix.
func (d Device) readLines(file, prefix string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return // devices vanish while one looks at them
	}
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), prefix)
		if key, value, found := strings.Cut(rest, "="); ok && found {
			d.Properties[key] = value
		}
	}
}

// Match says whether a device is meant.
func (q Query) Match(d Device) bool {
	for key, want := range q {
		if want != "" && d.Properties[key] != want {
			return false
		}
	}
	return true
}

// Find returns the devices that match, in the order of their paths.
func (s System) Find(q Query) []Device {
	var out []Device
	for _, d := range s.Devices() {
		if q.Match(d) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Device) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// Wait returns the first device that matches, now or until ctx ends.
func (s System) Wait(ctx context.Context, q Query) (Device, error) {
	for {
		if found := s.Find(q); len(found) > 0 {
			return found[0], nil
		}
		if err := pause(ctx); err != nil {
			return Device{}, err
		}
	}
}

// Stamp tells one appearance of a device from the next: a disk that went and came back, or whose
// medium changed, has another. It is empty where the kernel and udev tell nothing.
func (s System) Stamp(d Device) string {
	// The kernel counts disks and their media since 5.15; udev writes its file anew with each event.
	seq, _ := os.ReadFile(filepath.Join(d.Path, "diskseq"))
	stamp := strings.TrimSpace(string(seq))
	file := filepath.Join("/", s.Root, "run/udev/data", "b"+d.Properties["MAJOR"]+":"+d.Properties["MINOR"])
	if info, err := os.Stat(file); err == nil {
		stamp += " " + info.ModTime().String()
	}
	return stamp
}

// WaitAnother returns the first device that matches and has another stamp than old; with an empty
// old it is Wait.
func (s System) WaitAnother(ctx context.Context, q Query, old string) (Device, error) {
	for {
		for _, d := range s.Find(q) {
			if old == "" || s.Stamp(d) != old {
				return d, nil
			}
		}
		if err := pause(ctx); err != nil {
			return Device{}, err
		}
	}
}

// PathStamp is Stamp for a path such as a link below /dev/disk/by-id, empty where it is not there.
// udev makes the link anew when the device comes back.
func PathStamp(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return ""
	}
	stamp := info.ModTime().String()
	if at, ok := info.Sys().(*syscall.Stat_t); ok {
		stamp += fmt.Sprint(" ", at.Ino)
	}
	return stamp
}

// WaitPathAnother waits until a path is there with another stamp than old.
func WaitPathAnother(ctx context.Context, path, old string) error {
	for {
		if now := PathStamp(path); now != "" && now != old {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// WaitPath waits until a file exists, such as a link below /dev/disk/by-id.
func WaitPath(ctx context.Context, path string) error {
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	t := time.NewTimer(again)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// String shows a query in logs.
func (q Query) String() string {
	var parts []string
	for key, want := range q {
		if want != "" {
			parts = append(parts, key+"="+want)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// BoardQueries returns a query for each board of the device's device_info: by serial, vendor and
// product where they are set.
func BoardQueries(device pipeline.Data) []Query {
	var out []Query
	for _, info := range device.Get("device_info").Items() {
		if info.Get("parent").True() {
			continue
		}
		q := Query{
			"ID_SERIAL_SHORT": set(info.Get("board_id").Text(), "0000000000"),
			"ID_VENDOR_ID":    set(info.Get("usb_vendor_id").Text(), "0000"),
			"ID_MODEL_ID":     set(info.Get("usb_product_id").Text(), "0000"),
			"ID_FS_LABEL":     info.Get("fs_label").Text(),
		}
		if q.String() != "" {
			out = append(out, q)
		}
	}
	return out
}

// set returns a setting, or "" for the value that dictionaries have where nothing was set.
func set(value, unset string) string {
	if value == unset {
		return ""
	}
	return value
}

// describe says what is waited for.
func describe(what string, q Query) string { return fmt.Sprintf("Waiting for %s (%s)", what, q) }
