package events

// What services tell of a submission in headers of its message. They are read only from the
// subjects of [DoorUser] and of lava-health, to which nobody but services may publish.
const (
	HeaderUser      = "strata-user"       // for whom a door submits
	HeaderPinDevice = "strata-pin-device" // the device to run on, whatever the definition says
	HeaderSubmitted = "strata-submitted"  // by which door and from where, and who acts as the user
)

// DoorUser is the user in the subject submit.api, on which services/api submits for others.
const DoorUser UserName = "api"
