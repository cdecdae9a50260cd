package events

import "time"

// HandsUse is what a person does with a device by hand.
type HandsUse string

// The uses of a device by hand.
const (
	UseConsole  HandsUse = "console"
	UsePowerOn  HandsUse = "power on"
	UsePowerOff HandsUse = "power off"
	UseReset    HandsUse = "reset"
	UseCheck    HandsUse = "check"
)

// DeviceHeld records that a person has a device in hand: no job is given it until DeviceLetGo. The same
// lease again moves Until on, for as long as the session lives. Written by services/api, for a device
// without a job only.
type DeviceHeld struct {
	Device DeviceName `json:"device"`
	Lease  Lease      `json:"lease"`  // fences the board like a job's
	Worker WorkerName `json:"worker"` // on which the hands are
	Use    HandsUse   `json:"use"`
	By     UserName   `json:"by"`
	Until  time.Time  `json:"until"` // then the hold ends by itself; whole seconds
}

// DeviceLetGo records that a person has a device no longer in hand. Written by services/api.
type DeviceLetGo struct {
	Device  DeviceName `json:"device"`
	Lease   Lease      `json:"lease"`
	Outcome string     `json:"outcome,omitempty"` // what came of it: "done", or why it failed or ended
	By      UserName   `json:"by,omitempty"`      // who ended another's hold; empty: the hold's own end
}

func (e DeviceHeld) About() Entity  { return aboutDevice(e.Device) }
func (e DeviceLetGo) About() Entity { return aboutDevice(e.Device) }
