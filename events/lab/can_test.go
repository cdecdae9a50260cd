package lab

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"strata/events"
)

// rightsLab has one thing of each kind of protection, and the people of the table.
func rightsLab() *State {
	s := New()
	n := uint64(0)
	add := func(facts ...events.Event) {
		for _, e := range facts {
			n++
			s.Evolve(n, noon, e)
		}
	}
	row := func(kind events.Kind, name, permission string) events.Event {
		return events.PermissionsSet{Kind: kind, Name: name, Permissions: []events.Permission{{Group: "a", Permission: permission}}}
	}
	for _, u := range []events.UserConfigured{{User: "plain"}, {User: "ann"}, {User: "both"}, {User: "out", Inactive: true, Superuser: true}, {User: "root", Superuser: true},
		{User: "viewer", Permissions: []string{"lava_scheduler_app.view_device", "lava_scheduler_app.view_devicetype"}},
		{User: "changer", Permissions: []string{"lava_scheduler_app.change_device"}}, {User: "tester", Permissions: []string{"lava_scheduler_app.change_testjob"}}, {User: "owner"}} {
		add(events.UserAdded{User: u.User}, u)
	}
	add(events.GroupAdded{Group: "a"}, events.GroupAdded{Group: "b"}, events.GroupJoined{Group: "a", User: "ann"}, events.GroupJoined{Group: "a", User: "both"},
		events.GroupJoined{Group: "b", User: "both"}, events.GroupJoined{Group: "a", User: "out"})
	for _, typ := range []events.DeviceTypeName{"open", "hidden", "closed"} {
		add(events.DeviceTypeAdded{DeviceType: typ})
	}
	add(row(events.DeviceType, "hidden", "view_devicetype"), row(events.DeviceType, "closed", "submit_to_devicetype"))
	for _, d := range []struct{ name, typ, permission string }{{"open", "open", ""}, {"ofhidden", "hidden", ""}, {"ofclosed", "closed", ""},
		{"viewed", "open", "view_device"}, {"submitted", "open", "submit_to_device"}, {"changed", "open", "change_device"}} {
		add(events.DeviceAdded{Device: events.DeviceName(d.name), DeviceType: events.DeviceTypeName(d.typ), Health: events.Good})
		if d.permission != "" {
			add(row(events.Device, d.name, d.permission))
		}
	}
	add(events.DeviceAdded{Device: "retired", DeviceType: "open", Health: events.Retired})
	add(events.WorkerRegistered{Worker: "open"}, events.WorkerRegistered{Worker: "viewed"}, row(events.Worker, "viewed", "view_worker"))
	for i, v := range []events.JobSubmitted{{DeviceType: "open", Visibility: events.Visibility{Public: true}}, {DeviceType: "hidden", Visibility: events.Visibility{Public: true}},
		{DeviceType: "open"}, {DeviceType: "open", Visibility: events.Visibility{Groups: []events.GroupName{"a", "b"}}}} {
		v.Job, v.User = events.JobID(i+1), "owner"
		add(v)
	}
	return s
}

// TestRights holds every person × object × verb against testdata/rights.txt, which was written from LAVA's rules. A line
// that is missing is as wrong as one that is not true.
func TestRights(t *testing.T) {
	t.Parallel()
	people := []events.UserName{"", "stranger", "plain", "ann", "both", "out", "root", "viewer", "changer", "tester", "owner", Local, LavaHealth}
	s := rightsLab()
	f, err := os.Open("testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen, objects := map[string]bool{}, map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		part := strings.Split(text, "|")
		if strings.TrimSpace(text) == "" {
			continue
		}
		if len(part) != 4 {
			t.Fatalf("line %q: want section | object | verb | who", text)
		}
		for i := range part {
			part[i] = strings.TrimSpace(part[i])
		}
		kind, id, _ := strings.Cut(part[1], "/")
		object := events.Entity{Kind: events.Kind(kind), ID: id}
		objects[part[1]] = true
		for _, verb := range strings.Fields(part[2]) {
			seen[part[1]+" "+verb] = true
			for _, who := range people {
				name := string(who)
				if who == "" {
					name = "nobody"
				}
				want := slices.Contains(strings.Fields(part[3]), name)
				want = want || who == "root" || who == Local // superusers, §12.1
				if verb == "submit" && part[1] == "device/retired" {
					want = false
				}
				for _, open := range []bool{false, true} {
					s.people.open = open
					if got := s.Can(who, Verb(verb), object); got != (want && (who != "" || open)) {
						t.Errorf("%s: %s may %s %s with the lab open %t: got %t", part[0], name, verb, part[1], open, got)
					}
				}
			}
		}
	}
	for o := range objects {
		for _, v := range []Verb{View, Submit, Resubmit, CancelJob, Change, Add, Remove, Administer} {
			if !seen[o+" "+string(v)] {
				t.Errorf("the table says nothing of %s %s", v, o)
			}
		}
	}
	if len(objects) < 15 {
		t.Errorf("the table has %d objects, want all of them", len(objects))
	}
}
