package api_test

import (
	"fmt"
	"slices"
	"testing"

	"strata/events"
	"strata/services/api"
)

func TestNearNames(t *testing.T) {
	t.Parallel()
	lab := []string{"qemu", "docker", "beaglebone-black", "bcm2711-rpi-4-b", "x15", "juno-r2"}
	for meant, want := range map[string]string{
		"qmeu": "[qemu]", "Qemu": "[qemu]", "qemuu": "[qemu]", "beagleboneblack": "[beaglebone-black]", "beaglebone-blakc": "[beaglebone-black]",
		"bcm2711_rpi_4_b": "[bcm2711-rpi-4-b]", "juno-r1": "[]", "x16": "[]", "jnuo-r2": "[juno-r2]",
		"qe": "[]", "kvm": "[]", "hikey": "[]", "": "[]",
	} {
		if got := fmt.Sprint(api.NearNames(meant, lab)); got != want {
			t.Errorf("names near %q: %s, want %s", meant, got, want)
		}
	}
	if got := fmt.Sprint(api.NearNames("board", []string{"boart", "boardss", "boarD", "boord"})); got != "[boarD boart boord]" {
		t.Errorf("the nearest first, three at most: %s", got)
	}
}

// TestNewTypeIsSaid adds devices of types that are there, new, and much like another.
func TestNewTypeIsSaid(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	for _, tt := range []struct {
		device events.DeviceName
		kind   events.DeviceTypeName
		want   []string
	}{
		{"q1", "qemu", nil}, // the lab's first
		{"q2", "qemu", nil},
		{"q3", "qmeu", []string{"device type qmeu is new here; the lab has qemu"}},
		{"p1", "panda", []string{"device type panda is new here"}},
	} {
		var d api.Device
		call(t, c, "devices.add", api.DeviceRequest{Device: tt.device, DeviceType: tt.kind}, &d)
		if !slices.Equal(d.Notes, tt.want) {
			t.Errorf("%s of type %s: the notes are %q, want %q", tt.device, tt.kind, d.Notes, tt.want)
		}
	}
}
