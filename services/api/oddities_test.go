package api_test

import (
	"strings"
	"testing"

	"strata/events"
	"strata/services/api"
)

// TestHealthCheckIsRead refuses a health check that could never run, says what of it is passed over, and
// leaves one alone that was there before.
func TestHealthCheckIsRead(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	const good = "job_name: check\nvisibility: public\n"
	for _, tt := range []struct{ check, wrong, note string }{
		{"job_name: [\n", "health check: Loading job submission failed: ", ""},
		{"job_name: check\n", "Job visibility must be specified.", ""},
		{"visibility: public\n", "required key not provided @ data['job_name']", ""},
		{good + "priority: 2000\n", "riority", ""},
		{good + "device_type: kvm\n", "", ""},
		{good + "device_type: qemu\n", "", ""},
		{good + "device_type: board\n", "", "device_type is board, which is passed over: it runs on each device of type qemu"},
		{good + "tags: [usb]\n", "", "tags are passed over"},
		{good + "device: q1\n", "", "device and worker are passed over"},
	} {
		var d api.DeviceType
		err := c.Call(t.Context(), "device-types.configure", api.DeviceType{DeviceType: "qemu", Aliases: []string{"kvm"}, HealthCheck: tt.check}, &d)
		if tt.wrong != "" {
			if !api.HasCode(err, api.Invalid) || !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%q: got %v, want it refused with %q", tt.check, err, tt.wrong)
			}
			continue
		}
		if notes := strings.Join(d.Notes, "; "); err != nil || !strings.Contains(notes, tt.note) || (notes == "") != (tt.note == "") {
			t.Errorf("%q: got %v and the notes %q, want %q", tt.check, err, notes, tt.note)
		}
	}
	b.Append(t, events.DeviceTypeAdded{DeviceType: "old"}, events.DeviceTypeConfigured{DeviceType: "old", HealthFrequency: 24,
		HealthDenominator: events.Hours, HealthCheck: "- imported"})
	call(t, c, "device-types.configure", api.DeviceType{DeviceType: "old", HealthCheck: "- imported", Description: "a board"}, nil)
}

// TestTagNames takes the names that LAVA's forms take, and any that the lab has already.
func TestTagNames(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	call(t, c, "devices.add", api.DeviceRequest{Device: "q1", DeviceType: "qemu"}, nil)
	call(t, c, "devices.tag", api.DeviceRequest{Device: "q1", Tag: "USB-3_0"}, nil)
	for _, odd := range []events.TagName{"usb 3", "usb3.0", "ä", "<b>", events.TagName(strings.Repeat("x", 101))} {
		const want = "a tag has up to 100 letters, digits, hyphens and underscores"
		for verb, in := range map[string]any{
			"devices.tag": api.DeviceRequest{Device: "q1", Tag: odd},
			"devices.add": api.DeviceRequest{Device: "q2", DeviceType: "qemu", Tags: []events.TagName{odd}},
			"tags.add":    api.TagRequest{Tag: odd},
		} {
			if err := c.Call(t.Context(), verb, in, nil); !api.HasCode(err, api.Invalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: got %v, want it refused with what is allowed", verb, odd, err)
			}
		}
	}
	b.Append(t, events.TagAdded{Tag: "usb3.0"}) // as an import does
	call(t, c, "devices.tag", api.DeviceRequest{Device: "q1", Tag: "usb3.0"}, nil)
}
