package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestNearNames(t *testing.T) {
	t.Parallel()
	lab := []string{"qemu", "docker", "beaglebone-black", "bcm2711-rpi-4-b", "x15", "juno-r2"}
	for meant, want := range map[string]string{
		"qmeu": "[qemu]", "Qemu": "[qemu]", "qemuu": "[qemu]", "beagleboneblack": "[beaglebone-black]", "beaglebone-blakc": "[beaglebone-black]",
		"bcm2711_rpi_4_b": "[bcm2711-rpi-4-b]", "juno-r1": "[]", "x16": "[]", "jnuo-r2": "[juno-r2]",
		"qe": "[]", "kvm": "[]", "hikey": "[]", "": "[]",
	} {
		if got := fmt.Sprint(nearNames(meant, lab)); got != want {
			t.Errorf("names near %q: %s, want %s", meant, got, want)
		}
	}
	if got := fmt.Sprint(nearNames("board", []string{"boart", "boardss", "boarD", "boord"})); got != "[boarD boart boord]" {
		t.Errorf("the nearest first, three at most: %s", got)
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"grün", "gruen", 2}} {
		if got, back := distance(tt.a, tt.b), distance(tt.b, tt.a); got != tt.want || back != tt.want {
			t.Errorf("from %q to %q: %d, back %d, want %d", tt.a, tt.b, got, back, tt.want)
		}
	}
}

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
	w.must(t, "devices", "add", "q3", "--type", "qmeu", "--new-type")
	w.must(t, "devices", "add", "p1", "--type", "panda")
	if text := w.must(t, "device-types"); !strings.Contains(text, "qmeu") || !strings.Contains(text, "panda") {
		t.Errorf("device types:\n%s\nwant qmeu and panda among them", text)
	}
}
