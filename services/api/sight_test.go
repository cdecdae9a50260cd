package api_test

import (
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/lab"
	"strata/projections"
	"strata/services/api"
)

// TestHiddenFromTables asks each question about many jobs for people from whom a device, a device type or a job is
// hidden: its answer names the jobs that lab.Can lets them see and no other, however long they are over.
func TestHiddenFromTables(t *testing.T) {
	t.Parallel()
	b, admin, db := withTables(t)
	for _, user := range []events.UserName{"carol", "gone"} {
		call(t, admin, "users.add", api.UserRequest{User: user}, nil)
	}
	call(t, admin, "groups.add", api.GroupRequest{Group: "kernel"}, nil)
	call(t, admin, "groups.join", api.GroupRequest{Group: "kernel", User: "carol"}, nil)
	hide := func(kind events.Kind, name, permission string) {
		call(t, admin, "permissions.grant", api.PermissionRequest{Kind: kind, Name: name, Group: "kernel", Permission: permission}, nil)
	}
	for device, of := range map[events.DeviceName]events.DeviceTypeName{"q1": "qemu", "q2": "qemu", "s1": "secret"} {
		call(t, admin, "devices.add", api.DeviceRequest{Device: device, DeviceType: of}, nil)
	}
	hide(events.Device, "q2", "view_device")
	hide(events.DeviceType, "secret", "view_devicetype")

	open, group := events.Visibility{Public: true}, events.Visibility{Groups: []events.GroupName{"kernel"}}
	var ids []events.JobID
	for _, j := range []struct {
		seen   events.Visibility
		of     events.DeviceTypeName
		device events.DeviceName // "": the job waits
	}{{open, "qemu", "q1"}, {open, "qemu", "q2"}, {open, "secret", "s1"}, {open, "secret", ""}, {group, "qemu", "q1"}, {events.Visibility{}, "qemu", "q1"}, {open, "qemu", ""}, {open, "", ""}} {
		id := publish(t, b, "job_name: smoke\n")
		ids = append(ids, id)
		e := submitted(id)
		e.DeviceType, e.Visibility = j.of, j.seen
		if guest := j.of == ""; guest || j.of == "secret" && j.device == "" { // a guest, and the job that asks for its host
			e.Part = &events.Membership{Group: "g", Parent: ids[3], Guest: guest, Role: map[bool]string{true: "guest", false: "host"}[guest], HostRole: map[bool]string{true: "host"}[guest], Size: 2}
		}
		b.Append(t, e)
		if j.device == "" {
			continue
		}
		lease := events.Lease(id)
		b.Append(t, events.JobScheduled{Job: id, Device: j.device, Worker: "w1", Lease: lease},
			events.JobStarted{Job: id, Device: j.device, Worker: "w1", Lease: lease, At: noon},
			events.JobFinished{Job: id, Device: j.device, Worker: "w1", Lease: lease, Health: events.Complete, At: noon, LinesKnown: true},
			events.DeviceReleased{Device: j.device, Job: id, Lease: lease}, events.JobOutputComplete{Job: id, Lease: lease})
	}
	call(t, admin, "users.set", api.UserRequest{User: "gone", Active: new(bool)}, nil)
	tablesRead(t, b, db)

	for user, want := range map[events.UserName][]int{lab.Local: {0, 1, 2, 3, 4, 5, 6, 7}, "alice": {0, 1, 2, 3, 4, 5, 6, 7}, "bob": {0, 6}, "carol": {0, 1, 2, 3, 4, 6, 7}} {
		c := asUser(t, b, user)
		var wanted []events.JobID
		for _, i := range want {
			wanted = append(wanted, ids[i])
		}
		same := func(question string, got []events.JobID) {
			t.Helper()
			slices.Sort(got)
			if !slices.Equal(got, wanted) {
				t.Errorf("%s by %s: jobs %v, want %v", question, user, got, wanted)
			}
		}
		var list api.Jobs
		call(t, c, "jobs.list", api.JobsRequest{All: true}, &list)
		same("jobs.list", numbers(list.Jobs))
		var found api.FoundJobs
		call(t, c, "jobs.find", api.FindJobs{}, &found)
		same("jobs.find", foundIDs(found))
		var result api.QueryResult
		call(t, c, "queries.custom", api.QueryCustom{Entity: events.JobQuery}, &result)
		same("queries.custom", numbers(result.Jobs))
		var shown []events.JobID
		for _, id := range ids {
			if c.Call(t.Context(), "jobs.show", api.JobRequest{Job: id}, nil) == nil {
				shown = append(shown, id)
			}
		}
		same("jobs.show", shown)
		past := c.Stream(t.Context(), "at", api.AtRequest{Seq: 1, Verb: "jobs.list", Request: []byte("{}")}, func(*nats.Msg) error { return nil })
		if hidden := user == "alice" || user == "bob"; api.HasCode(past, api.Denied) != hidden {
			t.Errorf("the lab as it was by %s: %v; want it denied: %t", user, past, hidden)
		}
		for _, id := range ids {
			may, err := db.MaySee(t.Context(), projections.Viewer{None: true}, id)
			if err != nil || may {
				t.Errorf("somebody who sees nothing sees job %d: %t, %v", id, may, err)
			}
		}
	}
	forbidden(t, asUser(t, b, "gone"), "jobs.list", api.JobsRequest{All: true}, "not active")
}

func numbers(jobs []api.Job) (ids []events.JobID) {
	for _, j := range jobs {
		ids = append(ids, j.Job)
	}
	return ids
}
