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

// TestAliasesMeanOneType refuses what would make a name mean two device types, and says whom hiding a type
// starves.
func TestAliasesMeanOneType(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	call(t, c, "device-types.configure", api.DeviceType{DeviceType: "qemu", Aliases: []string{"kvm"}}, nil)
	call(t, c, "device-types.configure", api.DeviceType{DeviceType: "board"}, nil)
	for _, tt := range []struct {
		in   api.DeviceType
		want string
	}{
		{api.DeviceType{DeviceType: "kvm"}, "Alias with name 'kvm' already exists"},
		{api.DeviceType{DeviceType: "board", Aliases: []string{"kvm"}}, "alias kvm belongs to device type qemu"},
		{api.DeviceType{DeviceType: "board", Aliases: []string{"qemu"}}, "there is a device type of that name"},
		{api.DeviceType{DeviceType: "board", Aliases: []string{"board"}}, "there is a device type of that name"},
		{api.DeviceType{DeviceType: "board", Aliases: []string{"a/b"}}, "contains a slash"},
		{api.DeviceType{DeviceType: "board", Description: strings.Repeat("x", 201)}, "longer than 200"},
	} {
		if err := c.Call(t.Context(), "device-types.configure", tt.in, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want it refused: %s", tt.in, err, tt.want)
		}
	}
	var imported api.Import
	call(t, c, "device-types.import", api.ImportRequest{Files: []api.ImportFile{{Name: "kvm", Text: "hostname: q1\n"}}}, &imported)
	if f := imported.Files[0]; f.Outcome != api.Refused || !strings.Contains(f.Why, "Alias with name 'kvm' already exists") {
		t.Errorf("import of a type that is an alias: %+v", f)
	}
	call(t, c, "device-types.configure", api.DeviceType{DeviceType: "qemu", Aliases: []string{"kvm", "vm"}}, nil)
	b.Append(t, submitted(publish(t, b, "x")))
	var hidden api.DeviceType
	call(t, c, "device-types.configure", api.DeviceType{DeviceType: "qemu", Hidden: true}, &hidden)
	if notes := strings.Join(hidden.Notes, "; "); notes != "jobs that wait for qemu and get no device while it is hidden: 1" {
		t.Errorf("hiding a type that a job waits for: notes %q", notes)
	}
}
