package lab

import (
	"reflect"
	"testing"

	"strata/events"
)

// TestImportedThings folds what an import leaves, and finds it again behind a checkpoint.
func TestImportedThings(t *testing.T) {
	took := map[string]string{"description": "0123"}
	group := []events.Permission{{Group: "kernel", Permission: "submit_to_device"}}
	s := New()
	for i, e := range []events.Event{
		events.DeviceTypeAdded{DeviceType: "qemu"},
		events.TagAdded{Tag: "kvm"},
		events.WorkerRegistered{Worker: "w1"},
		events.DeviceAdded{Device: "q1", DeviceType: "qemu", Worker: "w1"},
		events.DeviceDescribed{Device: "q1", Description: "on the left", Hardware: "rev C", Owner: "alice", OwnerGroup: "kernel"},
		events.PermissionsSet{Kind: events.Device, Name: "q1", Permissions: group},
		events.PermissionsSet{Kind: events.DeviceType, Name: "qemu", Permissions: group},
		events.PermissionsSet{Kind: events.Worker, Name: "w1", Permissions: group},
		events.PermissionsSet{Kind: events.DeviceType, Name: "nowhere", Permissions: group},
		events.DeviceCheckCarried{Device: "q1", At: noon, JobsSince: 4, AtOnce: 2},
		events.ObjectImported{Kind: events.Device, Name: "q1", Settings: took},
		events.ObjectImported{Kind: events.DeviceType, Name: "qemu", Settings: took},
		events.ObjectImported{Kind: events.Worker, Name: "w1", Settings: took},
		events.ObjectImported{Kind: events.Tag, Name: "kvm", Settings: took},
		events.ObjectImported{Kind: events.Tag, Name: "nowhere", Settings: took},
	} {
		s.Evolve(uint64(i+1), noon, e)
		if got := s.Seq(e.About()); got != uint64(i+1) {
			t.Errorf("after fact %d: the last fact about %s is %d", i+1, e.About(), got)
		}
	}
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(Format, data)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*State{s, again} {
		d, kind, w, tag := s.Device("q1"), s.DeviceType("qemu"), s.Worker("w1"), s.Tag("kvm")
		if d.Description != "on the left" || d.Hardware != "rev C" || d.Owner != "alice" || d.OwnerGroup != "kernel" ||
			!d.LastCheckAt.Equal(noon) || d.LastCheck != 0 || d.JobsSince != 4 || d.FirstCheck != 2 {
			t.Errorf("device: %+v", d)
		}
		for _, p := range [][]events.Permission{d.Permissions, kind.Permissions, w.Permissions} {
			if !reflect.DeepEqual(p, group) {
				t.Errorf("permissions: %v, want %v", p, group)
			}
		}
		for _, m := range []map[string]string{d.Imported, kind.Imported, w.Imported, tag.Imported} {
			if !reflect.DeepEqual(m, took) {
				t.Errorf("imported: %v, want %v", m, took)
			}
		}
	}
	// A check here counts from there on; what the other lab says later of an older one does not.
	s.Evolve(20, noon, events.DeviceCheckCarried{Device: "q1", At: noon.Add(-1), JobsSince: 9, AtOnce: 2})
	if d := s.Device("q1"); !d.LastCheckAt.Equal(noon) || d.JobsSince != 4 {
		t.Errorf("an older check replaced the newer: %+v", d)
	}
	d, _ := Device{State: DeviceRunning, Job: 2, Lease: 7, Checking: true, FirstCheck: 2}.After(9, noon,
		events.JobFinished{Job: 2, Lease: 7}, &Job{ID: 2, HealthCheck: true, SubmittedAt: noon})
	if d.FirstCheck != 0 || d.LastCheck != 2 {
		t.Errorf("after its first check here: %+v, want it like any other device", d)
	}
}
