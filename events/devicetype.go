package events

// Denominator says what a health-check frequency counts.
type Denominator string

// What a health-check frequency counts.
const (
	Hours Denominator = "hours" // since the last check was submitted
	Jobs  Denominator = "jobs"  // finished on the device since then
)

// DeviceTypeAdded records a new kind of device. Written by services/api.
type DeviceTypeAdded struct {
	DeviceType DeviceTypeName `json:"device_type"`
	By         UserName       `json:"by"`
}

// DeviceTypeConfigured records all settings of a device type; each fact replaces the one before.
// Written by services/api.
type DeviceTypeConfigured struct {
	DeviceType        DeviceTypeName `json:"device_type"`
	Description       string         `json:"description,omitempty"`
	Architecture      string         `json:"architecture,omitempty"`
	Aliases           []string       `json:"aliases,omitempty"` // other names that jobs may ask for
	Hidden            bool           `json:"hidden,omitempty"`  // not shown, and takes no jobs (LAVA's display=false)
	HealthFrequency   int            `json:"health_frequency"`  // per HealthDenominator; LAVA's default is 24
	HealthDenominator Denominator    `json:"health_denominator"`
	HealthDisabled    bool           `json:"health_disabled,omitempty"`
	HealthCheck       string         `json:"health_check,omitempty"` // the check's job definition; empty: has none
	Template          string         `json:"template,omitempty"`     // Jinja2 text of the type, at most 256 KiB
	By                UserName       `json:"by"`
	Comment           string         `json:"comment,omitempty"` // why
}

// DeviceTypeRemoved records that a device type left the lab. Written by services/api, for a type
// without devices only.
type DeviceTypeRemoved struct {
	DeviceType DeviceTypeName `json:"device_type"`
	By         UserName       `json:"by"`
}

// TagAdded records a tag that devices may carry and jobs may ask for. Written by services/api.
type TagAdded struct {
	Tag         TagName  `json:"tag"`
	Description string   `json:"description,omitempty"`
	By          UserName `json:"by"`
}

// TagRemoved records that a tag is no more; devices lose it. Written by services/api.
type TagRemoved struct {
	Tag TagName  `json:"tag"`
	By  UserName `json:"by"`
}

func (e DeviceTypeAdded) About() Entity      { return aboutType(e.DeviceType) }
func (e DeviceTypeConfigured) About() Entity { return aboutType(e.DeviceType) }
func (e DeviceTypeRemoved) About() Entity    { return aboutType(e.DeviceType) }
func (e TagAdded) About() Entity             { return Entity{Tag, string(e.Tag)} }
func (e TagRemoved) About() Entity           { return Entity{Tag, string(e.Tag)} }
