package submission

import (
	"fmt"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
	"strata/schemas/job"
	"strata/schemas/python"
)

// A group starts when all its parts have devices at the same moment. LAVA looks at each role by itself, so
// two roles that both want the one board of a type wait for ever. Here a group is refused where no
// choice of devices could ever serve all parts, though every device were free and well: the user may use
// them, they are of the type, carry the tags, are the pinned ones, and no worker has more in use than it may.

// gathering is the search for a device for every part. Where not all can be served, what it has seen last is
// what is short.
// It is made for one request and thrown away: devices come and go.
type gathering struct {
	*lab.Matching
	roles   []job.Role // that want devices
	of      []int      // for each part its role
	devices []*lab.Device
	limit   map[events.WorkerName]int // devices that a worker may have in use; missing: any number
}

// neverTogether returns why a group can never run, nil where it can.
func (s *state) neverTogether(r *request) *job.Problem {
	need, guests := 0, 0
	var roles []job.Role
	for _, role := range r.def.Roles {
		switch {
		case role.Count == 0:
		case role.Connection != "":
			guests += role.Count
			if p := hostless(r.def.Roles, role); p != nil {
				return p
			}
		default:
			need += role.Count
			roles = append(roles, role)
		}
	}
	// Scheduling gives a gang all its devices in one batch: a fact for each job, one for each
	// device, and the round's own.
	if 2*need+guests > stream.MaxBatch-1 {
		return job.At(r.def.Root, fmt.Sprintf("multinode job needs %d devices beside %d guests: at most %d devices can be had at once",
			need, guests, max(0, stream.MaxBatch-1-guests)/2), "protocols")
	}
	g := s.newGathering(r.user, roles)
	for part := range g.of {
		if !g.Serve(part) {
			return g.short()
		}
	}
	return nil
}

// hostless returns what is wrong with a guest whose host has no device either.
func hostless(roles []job.Role, guest job.Role) *job.Problem {
	i := slices.IndexFunc(roles, func(r job.Role) bool { return r.Name == guest.HostRole })
	if i < 0 || roles[i].Connection == "" {
		return nil
	}
	return job.At(guest.Node, fmt.Sprintf("host_role %s of role %s has no device: it has a connection to the device of another role",
		python.Quote(guest.HostRole), python.Quote(guest.Name)), "host_role")
}

// newGathering looks up which devices could serve which role.
func (s *state) newGathering(user events.UserName, roles []job.Role) *gathering {
	g := &gathering{roles: roles, limit: map[events.WorkerName]int{}}
	fits := make([][]*lab.Device, len(roles))
	kinds := make([]events.DeviceTypeName, len(roles))
	for i, role := range roles {
		kinds[i] = s.lab.Resolve(events.DeviceTypeName(role.DeviceType))
	}
	for d := range s.lab.Devices() {
		if d.Health == events.Retired || !slices.Contains(kinds, d.Type) ||
			!s.lab.Can(user, lab.Submit, events.Entity{Kind: events.Device, ID: string(d.Name)}) {
			continue
		}
		for i, role := range roles {
			if d.Type == kinds[i] && (role.Device == "" || role.Device == string(d.Name)) &&
				(role.Worker == "" || role.Worker == string(d.Worker)) && carries(d, role.Tags) {
				fits[i] = append(fits[i], d)
			}
		}
		g.devices = append(g.devices, d)
		if w := s.lab.Worker(d.Worker); w != nil && w.JobLimit > 0 {
			g.limit[d.Worker] = w.JobLimit
		}
	}
	var parts [][]*lab.Device
	for i, role := range roles {
		for range role.Count {
			g.of, parts = append(g.of, i), append(parts, fits[i])
		}
	}
	g.Matching = lab.NewMatching(parts, func(d *lab.Device) (int, bool) {
		most, limited := g.limit[d.Worker]
		return most, limited
	})
	return g
}

// short says what a part could not be served for: the roles that compete, and the most they can have
// together. The words begin as LAVA's do where one role alone asks for too much.
func (g *gathering) short() *job.Problem {
	var names, devices, full []string
	var last job.Role
	need, have := 0, 0
	short := make([]int, len(g.roles)) // parts of a role that compete
	for part, i := range g.of {
		// A role competes where any of its parts is in the set that cannot be served together.
		if g.Short(part) {
			short[i]++
		}
	}
	for part, i := range g.of {
		if short[i] > 0 && g.Served(part) {
			have++
		}
	}
	for i, role := range g.roles {
		if short[i] > 0 {
			names, last = append(names, python.Quote(role.Name)), role
			need += role.Count
		}
	}
	for _, d := range g.devices {
		if g.Contested(d) {
			devices = append(devices, string(d.Name))
		}
		text := fmt.Sprintf("worker %s has at most %d devices in use", d.Worker, g.limit[d.Worker])
		if g.Full(d.Worker) && !slices.Contains(full, text) {
			full = append(full, text)
		}
	}
	roles := "role " + names[0] + " needs"
	if len(names) > 1 {
		roles = "roles " + strings.Join(names, ", ") + " together need"
	}
	text := fmt.Sprintf("Not enough devices for this group: %s %d, and at most %d can ever be had at the same time", roles, need, have)
	if len(devices) > 0 {
		text += " (" + enough(devices) + ")"
	}
	for _, f := range full {
		text += "; " + f
	}
	return job.At(last.Node, text, "count")
}

// enough lists names, some of them where they are many.
func enough(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
