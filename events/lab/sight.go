package lab

import (
	"slices"

	"strata/events"
)

// Sight is what [State.CanJob] says of looking at jobs, for all jobs at once: tables are asked with it, as they
// cannot ask about each row. A user sees their own jobs, those of which they are in all groups that may see them,
// and public ones unless the job's device, or while it has none its device type, is hidden from them. The zero
// Sight is that of somebody without a name in a lab that hides no device.
type Sight struct {
	All           bool // sees every job
	None          bool // sees no job
	User          events.UserName
	Groups        []events.GroupName
	HiddenDevices []events.DeviceName
	ShownDevices  []events.DeviceName     // of those whose type is hidden
	HiddenTypes   []events.DeviceTypeName // by all their names; with "", that of guests: nobody can tell of one beside whom it ran

	// Where a device, a device type or a worker is hidden, these are the devices and workers of the lab that are not.
	Partial bool
	Devices []events.DeviceName
	Workers []events.WorkerName
}

// Hides says that something is hidden, so that not all public jobs are seen.
func (v Sight) Hides() bool { return len(v.HiddenDevices) > 0 || len(v.HiddenTypes) > 0 }

// Sight returns which jobs a user sees. It goes through all devices, device types and groups.
func (s *State) Sight(user events.UserName) Sight {
	v := Sight{User: user}
	// Somebody who may see not even a job that is public and asks for nothing that is hidden sees none.
	switch {
	case !s.CanJob(user, View, JobRights{Public: true}):
		return Sight{None: true}
	case s.Superuser(user):
		return Sight{User: user, All: true}
	}
	v.Groups = s.GroupsOf(user)
	for t := range s.DeviceTypes() {
		if !s.Can(user, View, events.Entity{Kind: events.DeviceType, ID: string(t.Name)}) {
			v.HiddenTypes = append(v.HiddenTypes, t.Name)
			for _, alias := range t.Aliases {
				v.HiddenTypes = append(v.HiddenTypes, events.DeviceTypeName(alias))
			}
		}
	}
	if len(v.HiddenTypes) > 0 {
		v.HiddenTypes = append(v.HiddenTypes, "")
	}
	for d := range s.Devices() {
		switch {
		case !s.Can(user, View, events.Entity{Kind: events.Device, ID: string(d.Name)}):
			v.HiddenDevices = append(v.HiddenDevices, d.Name)
			continue
		case slices.Contains(v.HiddenTypes, d.Type):
			v.ShownDevices = append(v.ShownDevices, d.Name)
		}
		v.Devices = append(v.Devices, d.Name)
	}
	v.Partial = v.Hides()
	for w := range s.Workers() {
		if !s.Can(user, View, events.Entity{Kind: events.Worker, ID: string(w.Name)}) {
			v.Partial = true
		} else {
			v.Workers = append(v.Workers, w.Name)
		}
	}
	if !v.Partial {
		v.Devices, v.Workers = nil, nil
	}
	return v
}
