package main

import (
	"strings"
	"testing"
)

// TestMisspeltType adds devices of types that are there, that are new, and that look like slips.
func TestMisspeltType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.up(t, "--listen-sql", "")
	w.must(t, "devices", "add", "q1", "--type", "qemu")
	if text := w.must(t, "devices", "add", "q2", "--type", "qemu"); strings.Contains(text, "new here") {
		t.Errorf("a device of a type that is there: %q", text)
	}
	status, text := w.strata(t, "devices", "add", "q3", "--type", "qmeu")
	if status != exitFailed || !strings.Contains(text, "the lab has no device type qmeu, but qemu; --new-type adds it") {
		t.Errorf("a slip: exit %d, %q", status, text)
	}
	if text := w.must(t, "devices", "add", "q3", "--type", "qmeu", "--new-type"); !strings.Contains(text, "strata: note: device type qmeu is new here; the lab has qemu\n") {
		t.Errorf("a type that is meant: %q", text)
	}
	if text := w.must(t, "devices", "add", "p1", "--type", "panda"); !strings.Contains(text, "note: device type panda is new here\n") {
		t.Errorf("a new type: %q", text)
	}
	if text := w.must(t, "device-types"); !strings.Contains(text, "qmeu") || !strings.Contains(text, "panda") {
		t.Errorf("device types:\n%s\nwant qmeu and panda among them", text)
	}
}
