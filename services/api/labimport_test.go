package api_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
	"strata/services/api"
)

// settings is what a source says of an object.
type settings = map[string]string

func object(kind events.Kind, name string, s settings) api.LabObject {
	return api.LabObject{Kind: kind, Name: name, Settings: s}
}

// bring imports objects and returns the report in short.
func bring(t *testing.T, c api.Client, in api.LabImportRequest) (short []string, out api.LabImport) {
	t.Helper()
	in.Source = "lava"
	call(t, c, "import", in, &out)
	for _, s := range out.Changes {
		short = append(short, strings.TrimSpace(fmt.Sprintf("%s %s: %s→%s", s.Name, s.Setting, s.Here, s.There)))
	}
	for _, s := range out.Kept {
		short = append(short, fmt.Sprintf("kept %s %s: %s", s.Name, s.Setting, s.Why))
	}
	for _, s := range out.Invalid {
		short = append(short, "invalid "+s.Name+": "+s.Why)
	}
	for _, s := range out.Refused {
		short = append(short, "refused "+s.Name+": "+s.Why)
	}
	return short, out
}

// whole is a lab with one object of each kind, all settings given.
func whole() []api.LabObject {
	return []api.LabObject{
		object(events.Device, "b1", settings{"device_type": "board", "worker": "w1", "description": "left", "hardware": "rev C", "owner": "alice",
			"owner_group": "", "tags": "usb\nkvm", "dictionary": "{% extends 'board.jinja2' %}\n", "health": "Bad\nbroken psu",
			"last_check": "2026-11-20T10:00:00Z", "jobs_since": "3", "permissions": "kernel:submit_to_device"}),
		object(events.Worker, "w1", settings{"description": "rack", "job_limit": "2", "health": "Maintenance", "env": "a: 1\n", "env_dut": "", "dispatcher": "", "permissions": ""}),
		object(events.Tag, "kvm", settings{"description": "fast"}),
		object(events.DeviceType, "board", settings{"description": "a board", "architecture": "arm", "aliases": "b3\nb2", "hidden": "false", "health_frequency": "5",
			"health_denominator": "jobs", "health_disabled": "true", "template": "hostname: b\n", "health_check": "job_name: c\nvisibility: public\n", "permissions": "all:view_devicetype"}),
	}
}

// TestImportLab imports a lab, looks at what is there, and imports it again.
func TestImportLab(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	want := []string{"board : →", "kvm : →", "w1 : →", "b1 : →board, Bad"}
	if got, _ := bring(t, c, api.LabImportRequest{Objects: whole(), DryRun: true, ChecksAtOnce: 2}); !reflect.DeepEqual(got, want) {
		t.Errorf("dry run: %q, want %q", got, want)
	}
	if n := len(eventtest.Facts(t, b.Log, stream.Lab)); n != 0 {
		t.Errorf("the dry run recorded %d facts", n)
	}
	if got, _ := bring(t, c, api.LabImportRequest{Objects: whole(), ChecksAtOnce: 2}); !reflect.DeepEqual(got, want) {
		t.Errorf("import: %q, want %q", got, want)
	}
	var d api.Device
	call(t, c, "devices.show", api.DeviceRequest{Device: "b1"}, &d)
	if d.DeviceType != "board" || d.Worker != "w1" || d.Description != "left" || d.Hardware != "rev C" || d.Owner != "alice" || d.Health != events.Bad ||
		d.HealthReason != "broken psu" || fmt.Sprint(d.Tags) != "[kvm usb]" || d.Version != 1 || d.Dictionary != "{% extends 'board.jinja2' %}\n" ||
		d.LastCheck == nil || d.LastCheck.Format("2006-01-02 15") != "2026-11-20 10" || len(d.Permissions) != 1 || d.Permissions[0].Group != "kernel" {
		t.Errorf("b1: %+v", d)
	}
	var kind api.DeviceType
	call(t, c, "device-types.show", api.DeviceType{DeviceType: "b2"}, &kind)
	if kind.DeviceType != "board" || kind.HealthFrequency != 5 || kind.HealthDenominator != events.Jobs || !kind.HealthDisabled ||
		kind.HealthCheck != "job_name: c\nvisibility: public\n" || kind.Template != "hostname: b\n" || kind.Architecture != "arm" || len(kind.Permissions) != 1 {
		t.Errorf("board: %+v", kind)
	}
	var w api.Worker
	call(t, c, "workers.show", api.WorkerRequest{Worker: "w1"}, &w)
	if w.Health != events.WorkerMaintenance || w.JobLimit != 2 || w.Description != "rack" {
		t.Errorf("w1: %+v", w)
	}
	facts := len(eventtest.Facts(t, b.Log, stream.Lab))
	if got, _ := bring(t, c, api.LabImportRequest{Objects: whole(), ChecksAtOnce: 2}); len(got) != 0 {
		t.Errorf("import again: %q, want nothing", got)
	}
	if n := len(eventtest.Facts(t, b.Log, stream.Lab)); n != facts {
		t.Errorf("importing again recorded %d facts", n-facts)
	}
	carried := eventtest.Await(t, b.Log, func(e events.DeviceCheckCarried) bool { return e.Device == "b1" })
	if carried.AtOnce != 2 || carried.JobsSince != 3 {
		t.Errorf("checks: %+v", carried)
	}
}

// TestImportLabMerges changes settings here, there, on both sides and on neither, and imports again.
func TestImportLabMerges(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	bring(t, c, api.LabImportRequest{Objects: whole()})

	// Here: a health by the lab itself or a person, a tag, a dictionary. There: description, template, reason.
	call(t, c, "devices.health", api.DeviceRequest{Device: "b1", Health: events.Maintenance, Reason: "mine"}, nil)
	call(t, c, "devices.tag", api.DeviceRequest{Device: "b1", Tag: "ours"}, nil)
	call(t, c, "devices.configure", api.DeviceRequest{Device: "b1", Dictionary: "{% extends 'board.jinja2' %}\n{# ours #}\n"}, nil)
	there := whole()
	there[0].Settings["description"], there[0].Settings["dictionary"] = "right", "{% extends 'board.jinja2' %}\n{# theirs #}\n"
	there[0].Settings["last_check"] = "2026-11-21T10:00:00Z"
	there[3].Settings["template"], there[3].Settings["aliases"] = "hostname: c\n", "b2\nb4"
	there[1].Settings["job_limit"], there[2].Settings["description"] = "0", ""
	want := []string{
		"board template: hostname: b→hostname: c", "board aliases: b2, b3→b2, b4", "kvm description: fast→nothing", "w1 job_limit: 2→0",
		"b1 description: left→right", "b1 last_check: 2026-11-20 10:00→2026-11-21 10:00",
		"kept b1 dictionary: changed here and there since the last import", "kept b1 tags: changed here since the last import",
		"kept b1 health: changed here since the last import",
	}
	if got, _ := bring(t, c, api.LabImportRequest{Objects: there}); !reflect.DeepEqual(got, want) {
		t.Errorf("import of changes:\n got %q\nwant %q", got, want)
	}
	if got, _ := bring(t, c, api.LabImportRequest{Objects: there}); !reflect.DeepEqual(got, want[6:]) {
		t.Errorf("import of changes again:\n got %q\nwant %q", got, want[6:])
	}
	var d api.Device
	call(t, c, "devices.show", api.DeviceRequest{Device: "b1"}, &d)
	if d.Health != events.Maintenance || fmt.Sprint(d.Tags) != "[kvm ours usb]" || d.Description != "right" || !strings.Contains(d.Dictionary, "ours") {
		t.Errorf("b1: %+v, want what was changed here kept", d)
	}
	got, _ := bring(t, c, api.LabImportRequest{Objects: there, Force: true})
	if len(got) != 3 || strings.Contains(strings.Join(got, ""), "kept") {
		t.Errorf("import by force: %q, want the three that were kept", got)
	}
	call(t, c, "devices.show", api.DeviceRequest{Device: "b1"}, &d)
	if d.Health != events.Bad || d.HealthReason != "broken psu" || fmt.Sprint(d.Tags) != "[kvm usb]" || !strings.Contains(d.Dictionary, "theirs") {
		t.Errorf("b1 after force: %+v, want what LAVA has", d)
	}
	if got, _ := bring(t, c, api.LabImportRequest{Objects: there, Force: true}); len(got) != 0 {
		t.Errorf("import by force again: %q, want nothing", got)
	}
	// A reason that the lab gives itself for the same health is no difference; an older check is none either.
	call(t, c, "devices.health", api.DeviceRequest{Device: "b1", Health: events.Bad, Reason: "health-check [9] failed"}, nil)
	there[0].Settings["last_check"] = "2026-11-19T10:00:00Z"
	if got, _ := bring(t, c, api.LabImportRequest{Objects: there}); len(got) != 0 {
		t.Errorf("import after another reason: %q, want nothing", got)
	}
}

// TestImportLabBesideOthers imports into a lab that has things of that name already: what somebody has set
// stays, what nobody has said anything about is taken.
func TestImportLabBesideOthers(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	call(t, c, "workers.register", api.WorkerRequest{Worker: "w1"}, nil)
	call(t, c, "devices.add", api.DeviceRequest{Device: "b1", DeviceType: "qemu", Worker: "w1", Description: "mine", Health: events.Good}, nil)
	got, _ := bring(t, c, api.LabImportRequest{Objects: whole()})
	for _, want := range []string{"w1 job_limit: 0→2", "w1 health: Active→Maintenance", "b1 hardware: nothing→rev C", "b1 tags: nothing→kvm, usb",
		"kept b1 description: it was here before the import", "kept b1 health: it was here before the import", "kept b1 device_type: a device keeps its type; `strata devices remove` it first"} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	got, _ = bring(t, c, api.LabImportRequest{Objects: whole()})
	for _, s := range got {
		if !strings.HasPrefix(s, "kept ") {
			t.Errorf("again: %q, want nothing but what is kept", s)
		}
	}
}

// TestImportLabFaults imports what is wrong: each fault is named, and the rest goes on.
func TestImportLabFaults(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	objects := []api.LabObject{
		object(events.DeviceType, "good", settings{"template": "hostname: g\n"}),
		object(events.DeviceType, "bad", settings{"template": "{% if %}\n", "description": "kept"}),
		object(events.DeviceType, "odd", settings{"health_frequency": "often"}),
		object(events.DeviceType, "days", settings{"health_denominator": "days"}),
		object(events.DeviceType, "perm", settings{"permissions": "nobody"}),
		object(events.DeviceType, "more", settings{"colour": "red"}),
		object(events.Worker, "w1", settings{"health": "Fine"}),
		object(events.Device, "d1", settings{"device_type": "good", "dictionary": "{% extends 'good.jinja2' %}\n", "worker": ""}),
		object(events.Device, "d2", settings{"device_type": "bad", "dictionary": "{% extends 'bad.jinja2' %}\n", "health": "Good"}),
		object(events.Device, "d3", settings{"device_type": "good", "worker": "nowhere"}),
		object(events.DeviceType, "unchecked", settings{"health_check": "job_name: check\n"}),
		object(events.Device, "d4", settings{}),
		object(events.Device, "d5", settings{"device_type": "good", "health": "Fine"}),
		object(events.Device, "d6", settings{"device_type": "good", "last_check": "yesterday"}),
		object(events.Device, "d7", settings{"device_type": "good", "dictionary": "\xff"}),
		object(events.Device, "a/b", settings{"device_type": "good"}),
	}
	objects[slices.IndexFunc(objects, func(o api.LabObject) bool { return o.Name == "d7" })].Settings["dictionary"] = strings.Repeat("x", 300<<10)
	got, out := bring(t, c, api.LabImportRequest{Objects: objects})
	all := strings.Join(got, "\n")
	for _, want := range []string{
		"invalid bad: its template is not taken: bad.jinja2:1: ", "refused odd: health_frequency is \"often\", want a number", "refused days: health_denominator is \"days\"",
		"refused perm: permission is \"nobody\", want group:codename", "refused more: a devicetype has no setting colour", "refused w1: health is \"Fine\"",
		"invalid unchecked: health check: Job visibility must be specified.", "invalid d2: ", "refused d3: there is no worker nowhere", "refused d4: device_type is missing", "refused d5: health is Fine",
		"refused d6: last_check is \"yesterday\"", "refused d7: dictionary: it has 307200 bytes, allowed are 262144", "refused a/b: device contains a slash",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	if len(out.Refused) != 11 || strings.Contains(all, "invalid d7") || len(out.Changes) != 5 { // good, bad, unchecked, d1, d2
		t.Errorf("%d refused and %d changes, want 11 and 5:\n%s", len(out.Refused), len(out.Changes), all)
	}
	for want, in := range map[string]api.LabImportRequest{
		"source is missing":        {},
		`"job", allowed are devic`: {Source: "lava", Objects: []api.LabObject{{Kind: events.Job, Name: "1"}}},
		"checks_at_once must be 0": {Source: "lava", ChecksAtOnce: -1},
	} {
		if err := c.Call(t.Context(), "import", in, nil); !api.HasCode(err, api.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("import %+v: got %v, want %q", in, err, want)
		}
	}
	if err := (api.Client{Conn: c.Conn, User: "alice"}).Call(t.Context(), "import", api.LabImportRequest{Source: "lava", Objects: objects[:1]}, &out); err != nil ||
		len(out.Refused) != 1 || !strings.Contains(out.Refused[0].Why, "alice may not") {
		t.Errorf("import by alice: %+v, %v; want it denied", out, err)
	}
}

// TestImportLabLarge imports more than one append takes.
func TestImportLabLarge(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	objects := []api.LabObject{object(events.Worker, "w1", nil)}
	for i := range 120 {
		objects = append(objects, object(events.Device, fmt.Sprintf("d%03d", i), settings{"device_type": "qemu", "worker": "w1",
			"health": "Maintenance\nimported", "tags": "usb", "dictionary": "hostname: q\n", "owner": "alice"}))
	}
	if got, _ := bring(t, c, api.LabImportRequest{Objects: objects, ChecksAtOnce: 1}); len(got) != len(objects) {
		t.Errorf("%d lines of report, want the %d new things", len(got), len(objects))
	}
	var all []api.Device
	call(t, c, "devices.list", struct{}{}, &all)
	if len(all) != 120 || all[119].HealthReason != "imported" || all[119].Owner != "alice" {
		t.Errorf("%d devices, the last is %+v", len(all), all[len(all)-1])
	}
	if got, _ := bring(t, c, api.LabImportRequest{Objects: objects, ChecksAtOnce: 1}); len(got) != 0 {
		t.Errorf("again: %q, want nothing", got)
	}
}
