package events

import "time"

// DeviceDescribed records what is known of a device beside its dictionary; each fact replaces the one
// before. None of it decides anything. Written by services/api.
type DeviceDescribed struct {
	Device      DeviceName `json:"device"`
	Description string     `json:"description,omitempty"` // at most 200 characters
	Hardware    string     `json:"hardware,omitempty"`    // revision of the board (LAVA's device_version)
	Owner       UserName   `json:"owner,omitempty"`       // who has it on the desk
	OwnerGroup  GroupName  `json:"owner_group,omitempty"` // or which group has
	By          UserName   `json:"by"`
}

// Permission is what a group may do with a device, a device type or a worker. An object that no permission
// of a kind is given for is open, as in LAVA.
type Permission struct {
	Group      GroupName `json:"group"`
	Permission string    `json:"permission"` // LAVA's codename, such as "submit_to_device"
}

// PermissionsSet records all permissions that groups have on one device, device type or worker; each fact
// replaces the one before. Written by services/api.
type PermissionsSet struct {
	Kind        Kind         `json:"kind"` // device, devicetype or worker
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions,omitempty"`
	By          UserName     `json:"by"`
}

// DeviceCheckCarried records what is known of the health checks that a device had in another lab, from
// which it was imported: its next one counts from there. Written by services/api.
type DeviceCheckCarried struct {
	Device    DeviceName `json:"device"`
	At        time.Time  `json:"at,omitzero"`          // when its last check was submitted there; zero: it is not known to have had one
	JobsSince int        `json:"jobs_since,omitempty"` // that ran on it since
	// AtOnce spreads the first checks of an import: of all devices that have had none here yet, at most so
	// many are checked at the same time; 0: no limit.
	AtOnce int      `json:"at_once,omitempty"`
	By     UserName `json:"by"`
}

// ObjectImported records what an import took for a device, device type, worker or tag; each fact replaces
// the one before. The next import compares: what differs from it here has been changed here. Written by
// services/api.
type ObjectImported struct {
	Kind     Kind              `json:"kind"` // device, devicetype, worker or tag
	Name     string            `json:"name"`
	Source   string            `json:"source"`   // such as "lava"
	Settings map[string]string `json:"settings"` // name of a setting → digest of the value taken
	By       UserName          `json:"by"`
}

func (e DeviceDescribed) About() Entity    { return aboutDevice(e.Device) }
func (e PermissionsSet) About() Entity     { return Entity{e.Kind, e.Name} }
func (e DeviceCheckCarried) About() Entity { return aboutDevice(e.Device) }
func (e ObjectImported) About() Entity     { return Entity{e.Kind, e.Name} }
