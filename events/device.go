package events

// DeviceHealth is how well a device is: whether it takes users' jobs, health checks, or nothing.
type DeviceHealth string

// The six healths of a device. Bad is set by failed checks; Maintenance and Retired by people only,
// and never undone by a job's end.
const (
	Good        DeviceHealth = "Good"
	Unknown     DeviceHealth = "Unknown"
	Looping     DeviceHealth = "Looping" // endless health checks
	Bad         DeviceHealth = "Bad"
	Maintenance DeviceHealth = "Maintenance"
	Retired     DeviceHealth = "Retired"
)

// DeviceAdded records a new device. Its health is Unknown unless Health says otherwise. Written by
// services/api.
type DeviceAdded struct {
	Device      DeviceName     `json:"device"`
	DeviceType  DeviceTypeName `json:"device_type"`
	Worker      WorkerName     `json:"worker,omitempty"` // without one it is never scheduled
	Health      DeviceHealth   `json:"health"`
	Tags        []TagName      `json:"tags,omitempty"`
	Description string         `json:"description,omitempty"` // at most 200 characters
	By          UserName       `json:"by"`
}

// DeviceConfigured records the text of a device's dictionary: LAVA's Jinja2 form, or rendered YAML.
// Versions count from 1 in the order of these facts. Written by services/api.
type DeviceConfigured struct {
	Device     DeviceName `json:"device"`
	Dictionary string     `json:"dictionary"` // at most 256 KiB
	By         UserName   `json:"by"`
	Comment    string     `json:"comment,omitempty"`
}

// DeviceMoved records that a device now hangs on another worker. Written by services/api.
type DeviceMoved struct {
	Device DeviceName `json:"device"`
	Worker WorkerName `json:"worker,omitempty"` // empty: on none
	By     UserName   `json:"by"`
}

// DeviceTagged records that a device carries a tag. Written by services/api.
type DeviceTagged struct {
	Device DeviceName `json:"device"`
	Tag    TagName    `json:"tag"`
	By     UserName   `json:"by"`
}

// DeviceUntagged records that a device carries a tag no more. Written by services/api.
type DeviceUntagged struct {
	Device DeviceName `json:"device"`
	Tag    TagName    `json:"tag"`
	By     UserName   `json:"by"`
}

// DeviceHealthSet records that a person set a device's health. Written by services/api.
type DeviceHealthSet struct {
	Device DeviceName   `json:"device"`
	Health DeviceHealth `json:"health"`
	Reason string       `json:"reason,omitempty"`
	By     UserName     `json:"by"`
}

// DeviceRemoved records that a device left the lab. Written by services/api, for a device without a job only.
type DeviceRemoved struct {
	Device DeviceName `json:"device"`
	By     UserName   `json:"by"`
	Reason string     `json:"reason,omitempty"`
}

// DeviceReserved records that a device is held for a job; JobScheduled stands in the same batch.
// Written by services/scheduling.
type DeviceReserved struct {
	Device DeviceName `json:"device"`
	Job    JobID      `json:"job"`
	Lease  Lease      `json:"lease"`
}

// DeviceReleased records that a device is idle again after a job. Where CheckDue, it takes nothing
// but its health check until that is scheduled or rejected. Written by services/health.
type DeviceReleased struct {
	Device   DeviceName `json:"device"`
	Job      JobID      `json:"job"`
	Lease    Lease      `json:"lease"`
	CheckDue bool       `json:"check_due,omitempty"`
}

// DeviceHealthChanged records that the lab itself changed a device's health: by a job's end, a
// check, an invalid configuration, a worker's change. Written by services/health.
type DeviceHealthChanged struct {
	Device DeviceName   `json:"device"`
	From   DeviceHealth `json:"from"`
	To     DeviceHealth `json:"to"`
	Reason string       `json:"reason"`        // such as "health-check [42] failed"
	Job    JobID        `json:"job,omitempty"` // the job it follows from
}

// HealthCheckRequested records that a device's health check was published onto the bus. The
// device takes nothing else until the check is scheduled or rejected. Written by services/health.
type HealthCheckRequested struct {
	Device DeviceName `json:"device"`
	Job    JobID      `json:"job,omitempty"` // the check's number
	Reason string     `json:"reason"`        // such as "24 h since the last check", "health is Unknown"
}

func (e DeviceAdded) About() Entity          { return aboutDevice(e.Device) }
func (e DeviceConfigured) About() Entity     { return aboutDevice(e.Device) }
func (e DeviceMoved) About() Entity          { return aboutDevice(e.Device) }
func (e DeviceTagged) About() Entity         { return aboutDevice(e.Device) }
func (e DeviceUntagged) About() Entity       { return aboutDevice(e.Device) }
func (e DeviceHealthSet) About() Entity      { return aboutDevice(e.Device) }
func (e DeviceRemoved) About() Entity        { return aboutDevice(e.Device) }
func (e DeviceReserved) About() Entity       { return aboutDevice(e.Device) }
func (e DeviceReleased) About() Entity       { return aboutDevice(e.Device) }
func (e DeviceHealthChanged) About() Entity  { return aboutDevice(e.Device) }
func (e HealthCheckRequested) About() Entity { return aboutDevice(e.Device) }
