package lab

import (
	"slices"
	"testing"

	"strata/events"
)

// TestSightOfDevices holds the devices and workers that a sight lists against Can: where anything is hidden all those that
// are shown, and else none.
func TestSightOfDevices(t *testing.T) {
	t.Parallel()
	s := rightsLab()
	partial := 0
	for _, user := range []events.UserName{"stranger", "plain", "ann", "both", "root", "viewer", "owner"} {
		v := s.Sight(user)
		var devices []events.DeviceName
		var workers []events.WorkerName
		hidden := false
		for d := range s.Devices() {
			if s.Can(user, View, events.Entity{Kind: events.Device, ID: string(d.Name)}) {
				devices = append(devices, d.Name)
			} else {
				hidden = true
			}
		}
		for w := range s.Workers() {
			if s.Can(user, View, events.Entity{Kind: events.Worker, ID: string(w.Name)}) {
				workers = append(workers, w.Name)
			} else {
				hidden = true
			}
		}
		// Guests ask for no type, and nobody can tell later whether a hidden one was beside them.
		if hides := len(v.HiddenTypes) > 0; hides != slices.Contains(v.HiddenTypes, "") {
			t.Errorf("%s: hidden types %q; want that of guests among them exactly where there are some", user, v.HiddenTypes)
		}
		if !hidden {
			devices, workers = nil, nil
		} else {
			partial++
		}
		if v.Partial != hidden || !slices.Equal(v.Devices, devices) || !slices.Equal(v.Workers, workers) {
			t.Errorf("%s: partial %t with %v and %v; want %t with %v and %v", user, v.Partial, v.Devices, v.Workers, hidden, devices, workers)
		}
	}
	if partial < 3 {
		t.Errorf("something is hidden from %d people; the lab tests too little", partial)
	}

	// A worker that is hidden hides no job.
	only := New()
	only.Evolve(1, noon, events.WorkerRegistered{Worker: "w1"})
	only.Evolve(2, noon, events.PermissionsSet{Kind: events.Worker, Name: "w1", Permissions: []events.Permission{{Group: "a", Permission: "view_worker"}}})
	if v := only.Sight("ann"); !v.Partial || v.Hides() || len(v.Workers) > 0 {
		t.Errorf("where a worker is hidden: %+v", v)
	}
}
