package api

import (
	"testing"
	"time"

	"strata/events"
	"strata/events/lab"
)

// A job that has ended with so many others that the state has forgotten it is seen by whom it was seen by before: what is
// remembered for the tables' sake says enough.
func TestFreshJobsAreSeen(t *testing.T) {
	t.Parallel()
	s, seq := lab.New(), uint64(0)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, e := range []events.Event{events.UserAdded{User: "ann"}, events.UserAdded{User: "bob"}, events.GroupAdded{Group: "kernel"}, events.GroupJoined{Group: "kernel", User: "ann"},
		events.DeviceTypeAdded{DeviceType: "qemu"}, events.DeviceTypeAdded{DeviceType: "secret"},
		events.PermissionsSet{Kind: events.DeviceType, Name: "secret", Permissions: []events.Permission{{Group: "kernel", Permission: "view_devicetype"}}},
		events.DeviceAdded{Device: "q1", DeviceType: "qemu", Health: events.Good}, events.DeviceAdded{Device: "q2", DeviceType: "qemu", Health: events.Good},
		events.PermissionsSet{Kind: events.Device, Name: "q2", Permissions: []events.Permission{{Group: "kernel", Permission: "view_device"}}}} {
		seq++
		s.Evolve(seq, at, e)
	}
	public, on := events.Visibility{Public: true}, func(d events.DeviceName) *lab.Run { return &lab.Run{Device: d} }
	for name, tt := range map[string]struct {
		job lab.Job
		bob bool // ann, local and the owner see all of these
	}{
		"a public one":            {lab.Job{Visibility: public, DeviceType: "qemu"}, true},
		"one that ran":            {lab.Job{Visibility: public, DeviceType: "qemu", Run: on("q1")}, true},
		"one on a hidden device":  {lab.Job{Visibility: public, DeviceType: "qemu", Run: on("q2")}, false},
		"one of a hidden type":    {lab.Job{Visibility: public, DeviceType: "secret"}, false},
		"one of a group":          {lab.Job{Visibility: events.Visibility{Groups: []events.GroupName{"kernel"}}, DeviceType: "qemu"}, false},
		"a guest beside whatever": {lab.Job{Visibility: public, Part: &events.Membership{Group: "g", HostRole: "host", Guest: true}}, false},
	} {
		tt.job.ID, tt.job.User = 42, "dave"
		for user, want := range map[events.UserName]bool{"dave": true, lab.Local: true, "ann": true, "bob": tt.bob} {
			if got := seesFresh(s, caller{user: user}, &tt.job); got != want {
				t.Errorf("%s, by %s: seen %v, want %v", name, user, got, want)
			}
		}
	}
}
