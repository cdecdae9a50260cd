package submission

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"strata/events"
	"strata/events/lab"
	"strata/schemas/job"
)

// TestGangNeverRuns refuses groups that no choice of devices could serve, with what is short.
func TestGangNeverRuns(t *testing.T) {
	t.Parallel()
	facts := append(labFacts(),
		events.DeviceAdded{Device: "bbb02", DeviceType: "bbb", Worker: "w1", Health: events.Good, Tags: []events.TagName{"usb"}, By: "local"},
		events.DeviceAdded{Device: "bbb03", DeviceType: "bbb", Worker: "w2", Health: events.Good, By: "local"},
		events.WorkerConfigured{Worker: "w1", JobLimit: 1})
	tests := []struct {
		name, roles string
		message     string // empty: can run
	}{
		{"each a device", "a: {device_type: qemu, count: 1}, b: {device_type: qemu, count: 1}", ""},
		{"two roles of one type", "a: {device_type: qemu, count: 1}, b: {device_type: kvm, count: 2}",
			"Not enough devices for this group: roles 'a', 'b' together need 3, and at most 2 can ever be had at the same time (qemu01, qemu02)"},
		{"one tag for two", "a: {device_type: qemu, count: 1, tags: [kvm]}, b: {device_type: qemu, count: 1, tags: [kvm]}",
			"Not enough devices for this group: roles 'a', 'b' together need 2, and at most 1 can ever be had at the same time (qemu01)"},
		{"one pin for two", "a: {device_type: bbb, count: 1, device: bbb03}, b: {device_type: bbb, count: 1, device: bbb03}",
			"Not enough devices for this group: roles 'a', 'b' together need 2, and at most 1 can ever be had at the same time (bbb03)"},
		{"others move for a pin", "a: {device_type: bbb, count: 1}, b: {device_type: bbb, count: 1, device: bbb01}", ""},
		{"a worker without such devices", "a: {device_type: qemu, count: 2, worker: w2}",
			"Not enough devices for this group: role 'a' needs 2, and at most 1 can ever be had at the same time (qemu02)"},
		{"the worker's limit", "a: {device_type: bbb, count: 3}",
			"Not enough devices for this group: role 'a' needs 3, and at most 2 can ever be had at the same time (bbb01, bbb02, bbb03); worker w1 has at most 1 devices in use"},
		{"the worker's limit, over types", "a: {device_type: bbb, count: 1, tags: [usb]}, b: {device_type: qemu, count: 1, tags: [kvm]}",
			"Not enough devices for this group: roles 'a', 'b' together need 2, and at most 1 can ever be had at the same time (bbb02, qemu01); worker w1 has at most 1 devices in use"},
		{"within the limit when one moves", "a: {device_type: bbb, count: 1}, b: {device_type: qemu, count: 1, tags: [kvm]}", ""},
		{"a role with no part", "a: {device_type: qemu, count: 2}, b: {device_type: qemu, count: 0}", ""},
		{"guests take nothing", "a: {device_type: qemu, count: 1}, g: {connection: ssh, count: 5, host_role: a, expect_role: a}", ""},
		{"guest of a guest", "a: {device_type: qemu, count: 1}, g: {connection: ssh, count: 1, host_role: a, expect_role: a}, h: {connection: ssh, count: 1, host_role: g, expect_role: a}",
			"host_role 'g' of role 'h' has no device: it has a connection to the device of another role"},
		{"too many for one batch", "a: {device_type: qemu, count: 1}, g: {connection: ssh, count: 98, host_role: a, expect_role: a}",
			"multinode job needs 1 devices beside 98 guests: at most 0 devices can be had at once"},
	}
	s, gate := folded(facts...), job.NewGate(job.Rules{})
	for _, tt := range tests {
		message := ""
		for _, p := range s.judge(newRequest(submission(rolesJob(tt.roles)), gate), "") {
			message = p.Message
		}
		if message != tt.message {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, message, tt.message)
		}
	}
}

// TestGangAgainstTrying compares the search with trying all choices, on small random labs.
func TestGangAgainstTrying(t *testing.T) {
	t.Parallel()
	const seed = 2026
	r := rand.New(rand.NewPCG(seed, 1))
	can := 0
	for range 3000 {
		s := newState()
		limits := map[events.WorkerName]int{"w1": r.IntN(4), "w2": r.IntN(4), "": 0}
		seq := uint64(0)
		tell := func(e events.Event) { seq++; s.lab.Evolve(seq, noon, e) }
		for _, w := range []events.WorkerName{"w1", "w2"} {
			tell(events.WorkerRegistered{Worker: w})
			tell(events.WorkerConfigured{Worker: w, JobLimit: limits[w]})
		}
		for n := range 2 + r.IntN(6) {
			var tags []events.TagName
			if r.IntN(2) == 0 {
				tags = []events.TagName{"usb"}
			}
			tell(events.DeviceAdded{Device: events.DeviceName(fmt.Sprint("d", n)), DeviceType: pick[events.DeviceTypeName](r, "a", "b"),
				Worker: pick[events.WorkerName](r, "w1", "w2", ""), Health: pick(r, events.Good, events.Bad, events.Retired), Tags: tags})
		}
		var roles []job.Role
		for n := range 1 + r.IntN(3) {
			role := job.Role{Name: fmt.Sprint("r", n), DeviceType: pick(r, "a", "b"), Count: 1 + r.IntN(2), Worker: pick(r, "", "", "w1", "w2")}
			if r.IntN(3) == 0 {
				role.Tags = []string{"usb"}
			}
			roles = append(roles, role)
		}
		g, served := s.newGathering("alice", roles), true
		for part := range g.of {
			served = served && g.Serve(part)
		}
		if want := tryAll(s, roles, limits); served != want {
			t.Fatalf("seed %d: roles %+v: found %t, by trying %t", seed, roles, served, want)
		}
		if served {
			can++
		}
	}
	if can < 300 || can > 2700 {
		t.Errorf("%d of 3000 random groups can run: they show too little", can)
	}
}

// tryAll gives each part each device that fits, in every order.
func tryAll(s *state, roles []job.Role, limits map[events.WorkerName]int) bool {
	var wants []job.Role
	for _, role := range roles {
		for range role.Count {
			wants = append(wants, role)
		}
	}
	taken, used := map[events.DeviceName]bool{}, map[events.WorkerName]int{}
	var try func(n int) bool
	try = func(n int) bool {
		if n == len(wants) {
			return true
		}
		for d := range s.lab.Devices() {
			if taken[d.Name] || !suits(d, wants[n]) || limits[d.Worker] > 0 && used[d.Worker] == limits[d.Worker] {
				continue
			}
			taken[d.Name] = true
			used[d.Worker]++
			if try(n + 1) {
				return true
			}
			taken[d.Name] = false
			used[d.Worker]--
		}
		return false
	}
	return try(0)
}

func suits(d *lab.Device, role job.Role) bool {
	return d.Health != events.Retired && string(d.Type) == role.DeviceType && (role.Worker == "" || role.Worker == string(d.Worker)) &&
		(len(role.Tags) == 0 || len(d.Tags) == 1)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// rolesJob is a definition with these roles, each in its action.
func rolesJob(roles string) string {
	names := []string{}
	for _, name := range []string{"a", "b", "g", "h"} {
		if strings.Contains(", "+roles, ", "+name+": {") {
			names = append(names, name)
		}
	}
	return `job_name: gang
visibility: public
timeouts: {job: {minutes: 15}}
protocols: {lava-multinode: {roles: {` + roles + `}}}
actions:
- deploy: {role: [` + strings.Join(names, ", ") + `], to: tmpfs}
`
}
