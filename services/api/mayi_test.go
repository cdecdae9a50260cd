package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strata/events"
	"strata/services/api"
)

// TestTellRights asks what one may do before doing it.
func TestTellRights(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	b.Append(t, events.DeviceTypeAdded{DeviceType: "qemu", By: "local"}, events.DeviceAdded{Device: "q1", DeviceType: "qemu", Health: events.Good, By: "local"})
	job := publish(t, b, "x")
	b.Append(t, submitted(job))
	var may api.Rights
	call(t, c, "rights", api.RightsRequest{Of: []string{"device/q1", "device/", "job/" + job.String(), "job/999"}}, &may)
	if len(may) != 4 || !strings.Contains(fmt.Sprint(may["device/q1"]), "change") || !strings.Contains(fmt.Sprint(may["job/"+job.String()]), "cancel") {
		t.Errorf("the machine's own user may %v", may)
	}
	if strings.Contains(fmt.Sprint(may["device/"]), "hands") || !strings.Contains(fmt.Sprint(may["device/q1"]), "hands") {
		t.Errorf("hands on one device: %v, on any: %v; want them on the one alone", may["device/q1"], may["device/"])
	}
	alice := api.Client{Conn: c.Conn, User: "alice"}
	for _, reserved := range []bool{false, true} {
		if reserved {
			call(t, c, "reservations.add", api.ReservationRequest{Devices: []events.DeviceName{"q1"}, User: "alice", From: noon, Until: noon.Add(time.Hour)}, nil)
		}
		may = nil
		call(t, alice, "rights", api.RightsRequest{Of: []string{"device/q1"}}, &may)
		if got := strings.Contains(fmt.Sprint(may["device/q1"]), "hands"); got != reserved || strings.Contains(fmt.Sprint(may["device/q1"]), "change") {
			t.Errorf("alice, who has it reserved: %t, may %v", reserved, may["device/q1"])
		}
	}
	for _, bad := range []string{"device", "/x"} {
		if err := c.Call(t.Context(), "rights", api.RightsRequest{Of: []string{bad}}, nil); !api.HasCode(err, api.Invalid) {
			t.Errorf("rights of %q: %v, want a refusal", bad, err)
		}
	}
}

// TestPreview renders what is not in the lab, and leaves nothing there.
func TestPreview(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	b.Append(t, events.DeviceTypeAdded{DeviceType: "board", By: "local"},
		events.DeviceTypeConfigured{DeviceType: "board", Template: "port: {{ port | default(1) }}\n", By: "local"},
		events.DeviceAdded{Device: "b1", DeviceType: "board", Health: events.Good, By: "local"})
	const text = "{% extends 'board.jinja2' %}\n{% set port = 7 %}\n"
	for _, tt := range []struct {
		name string
		in   api.PreviewRequest
		want string // of the configuration, or of the refusal
		bad  bool
	}{
		{"a device that is there", api.PreviewRequest{Device: "b1", Dictionary: text}, "port: 7", false},
		{"one to come", api.PreviewRequest{DeviceType: "board", Dictionary: text}, "port: 7", false},
		{"with another template", api.PreviewRequest{Device: "b1", Dictionary: text, Template: "other: {{ port }}\n"}, "other: 7", false},
		{"no template", api.PreviewRequest{Device: "b1", Dictionary: "{% extends 'board.jinja2' %}\n{% if %}"}, "b1.jinja2:2", true},
	} {
		var got api.Rendered
		err := c.Call(t.Context(), "devices.preview", tt.in, &got)
		if tt.bad != (err != nil) || !strings.Contains(got.Config+fmt.Sprint(err), tt.want) {
			t.Errorf("%s: got %+v, %v; want %q", tt.name, got, err, tt.want)
		}
		if !tt.bad && got.Invalid == "" {
			t.Errorf("%s: the schema has nothing against %q", tt.name, got.Config)
		}
	}
	var d api.Device
	if call(t, c, "devices.show", api.DeviceRequest{Device: "b1"}, &d); d.Version != 0 {
		t.Errorf("after previews the device has version %d of a dictionary", d.Version)
	}
}
