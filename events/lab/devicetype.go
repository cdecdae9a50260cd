package lab

import (
	"slices"
	"strings"

	"strata/events"
)

// DeviceType is a kind of device.
type DeviceType struct {
	Name              events.DeviceTypeName `json:"name"`
	Seq               uint64                `json:"seq"` // of the last fact about it
	ConfiguredSeq     uint64                `json:"configured,omitempty"`
	Description       string                `json:"description,omitempty"`
	Architecture      string                `json:"architecture,omitempty"`
	Aliases           []string              `json:"aliases,omitempty"` // those that no later type has taken over
	Hidden            bool                  `json:"hidden,omitempty"`  // takes no jobs
	HealthFrequency   int                   `json:"health_frequency"`
	HealthDenominator events.Denominator    `json:"health_denominator"`
	HealthDisabled    bool                  `json:"health_disabled,omitempty"`
	HealthCheck       string                `json:"health_check,omitempty"` // text of the job definition
	Template          string                `json:"template,omitempty"`
	Permissions       []events.Permission   `json:"permissions,omitempty"` // of groups
	Imported          map[string]string     `json:"imported,omitempty"`    // settings that the last import took, as digests
}

// Checks says that devices of the type have health checks: a definition is there and not disabled.
// No type at all has none.
func (t *DeviceType) Checks() bool { return t != nil && t.HealthCheck != "" && !t.HealthDisabled }

// Shown says that devices of the type may be given jobs.
func (t *DeviceType) Shown() bool { return t == nil || !t.Hidden }

// Template returns the text of a template that dictionaries extend, by its name there, such as
// "qemu.jinja2": that of the device type of this name.
func (s *State) Template(name string) (text string, ok bool) {
	t := s.types[events.DeviceTypeName(strings.TrimSuffix(name, ".jinja2"))]
	if t == nil || t.Template == "" {
		return "", false
	}
	return t.Template, true
}

// LAVA's HEALTH_FREQUENCY_HOURS: how often a type that says nothing is checked.
const defaultHealthHours = 24

func (s *State) evolveType(name events.DeviceTypeName, seq uint64, e events.Event) {
	t := s.types[name]
	switch e := e.(type) {
	case events.DeviceTypeAdded:
		if t == nil {
			s.types[name] = &DeviceType{Name: name, Seq: seq,
				HealthFrequency: defaultHealthHours, HealthDenominator: events.Hours}
			delete(s.gone, e.About())
			return
		}
	case events.DeviceTypeConfigured:
		if t != nil {
			s.configure(t, seq, e)
		}
	case events.PermissionsSet:
		if t != nil {
			t.Permissions = e.Permissions
		}
	case events.ObjectImported:
		if t != nil {
			t.Imported = e.Settings
		}
	case events.DeviceTypeRemoved:
		if t != nil {
			s.alias(t, nil)
			delete(s.types, name)
			t = nil
		}
	}
	if t == nil {
		s.gone[e.About()] = seq
		return
	}
	t.Seq = seq
}

func (s *State) configure(t *DeviceType, seq uint64, e events.DeviceTypeConfigured) {
	s.alias(t, e.Aliases)
	t.ConfiguredSeq = seq
	t.Description, t.Architecture, t.Hidden = e.Description, e.Architecture, e.Hidden
	t.HealthFrequency, t.HealthDenominator = e.HealthFrequency, e.HealthDenominator
	t.HealthDisabled, t.HealthCheck, t.Template = e.HealthDisabled, e.HealthCheck, e.Template
}

// alias gives a type exactly these aliases. One that another type had moves over, as LAVA does it.
func (s *State) alias(t *DeviceType, aliases []string) {
	for _, a := range t.Aliases {
		delete(s.aliases, a)
	}
	t.Aliases = nil
	for _, a := range aliases {
		if old := s.types[s.aliases[a]]; old != nil && old != t {
			old.Aliases = slices.DeleteFunc(slices.Clone(old.Aliases), func(b string) bool { return a == b })
		}
		if s.aliases[a] != t.Name {
			t.Aliases = append(t.Aliases, a)
		}
		s.aliases[a] = t.Name
	}
}

// Tag is a word that devices carry and jobs ask for.
type Tag struct {
	Name        events.TagName `json:"name"`
	Seq         uint64         `json:"seq"` // of the last fact about it
	Description string         `json:"description,omitempty"`
	// Imported is what the last import took, as digests.
	Imported map[string]string `json:"imported,omitempty"`
}

// evolveTag folds a fact about a tag; devices lose one that is removed.
func (s *State) evolveTag(name events.TagName, seq uint64, e events.Event) (c Changes) {
	switch e := e.(type) {
	case events.TagAdded:
		t := s.tags[name]
		if t == nil {
			t = &Tag{Name: name}
			s.tags[name] = t
			delete(s.gone, e.About())
		}
		t.Seq, t.Description = seq, e.Description
	case events.ObjectImported:
		t := s.tags[name]
		if t == nil {
			s.gone[e.About()] = seq
			break
		}
		t.Seq, t.Imported = seq, e.Settings
	case events.TagRemoved:
		delete(s.tags, name)
		s.gone[e.About()] = seq
		for d := range s.Devices() {
			if next, fits := d.untag(name); fits {
				*d = next
				c.Devices = append(c.Devices, d)
			}
		}
	}
	return c
}
