package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	dictionaries "strata/schemas/device"
	"strata/schemas/jinja"
	"strata/schemas/job"
)

// listDeviceTypes answers with all device types, by name, with their devices and waiting jobs
// counted.
// The counts are of the devices that the caller sees, and of all waiting jobs: of these no more than the number is told.
func (a *api) listDeviceTypes(_ context.Context, who caller, _ none) ([]DeviceType, error) {
	out := []DeviceType{}
	a.read(func(s *lab.State) {
		at := map[events.DeviceTypeName]int{}
		for t := range s.DeviceTypes() {
			if !seesType(s, who, t.Name) {
				continue
			}
			at[t.Name] = len(out)
			out = append(out, viewDeviceType(t, false))
		}
		for d := range s.Devices() {
			if i, ok := at[d.Type]; ok && who.can(s, lab.View, events.Entity{Kind: events.Device, ID: string(d.Name)}) {
				out[i].Devices[string(d.Health)]++
			}
		}
		for j := range s.EachJob() {
			// Jobs keep the alias that they asked by.
			if i, ok := at[s.Resolve(j.DeviceType)]; ok && j.State == lab.Submitted {
				out[i].Waiting++
			}
		}
	})
	return out, nil
}

// showDeviceType answers with one device type, its template and health check.
// An alias finds its type. One that the caller may not see is [NotFound].
func (a *api) showDeviceType(_ context.Context, who caller, in DeviceType) (DeviceType, error) {
	out, found := DeviceType{}, false
	a.read(func(s *lab.State) {
		if t := s.DeviceType(s.Resolve(in.DeviceType)); t != nil && seesType(s, who, t.Name) {
			out, found = viewDeviceType(t, true), true
		}
	})
	if !found {
		return DeviceType{}, refuse(NotFound, "there is no device type %s", in.DeviceType)
	}
	return out, nil
}

// seesType tells whether a caller may see a device type.
func seesType(s *lab.State, who caller, name events.DeviceTypeName) bool {
	return who.can(s, lab.View, events.Entity{Kind: events.DeviceType, ID: string(name)})
}

// setsType refuses callers who may not set what a device type is like: a new one is added by that.
func setsType(s *lab.State, who caller, name events.DeviceTypeName) error {
	if s.DeviceType(name) == nil {
		return allow(s, who, lab.Add, events.DeviceType, string(name))
	}
	return allow(s, who, lab.Change, events.DeviceType, string(name))
}

// viewDeviceType shows a device type; whole adds the long texts, which lists leave out.
func viewDeviceType(t *lab.DeviceType, whole bool) DeviceType {
	v := DeviceType{
		DeviceType: t.Name, Description: t.Description, Architecture: t.Architecture, Aliases: slices.Clone(t.Aliases),
		Hidden: t.Hidden, HealthFrequency: t.HealthFrequency, HealthDenominator: t.HealthDenominator,
		HealthDisabled: t.HealthDisabled, Devices: map[string]int{},
	}
	if whole {
		v.HealthCheck, v.Template, v.Permissions = t.HealthCheck, t.Template, t.Permissions
	}
	return v
}

// configureDeviceType sets all settings of a device type, which is added where it is new.
// All of them: what the request leaves out becomes empty, or its default for the checks' rhythm. Who changes one setting
// reads the type first. Notes of the answer are what was taken and will not do what it seems to.
func (a *api) configureDeviceType(ctx context.Context, who caller, in DeviceType) (DeviceType, error) {
	if err := checkName("device_type", string(in.DeviceType), maxTypeBytes); err != nil {
		return DeviceType{}, err
	}
	// LAVA's defaults: a check each 24 hours.
	if in.HealthFrequency == 0 {
		in.HealthFrequency = 24
	}
	if in.HealthDenominator == "" {
		in.HealthDenominator = events.Hours
	}
	if in.HealthFrequency < 0 {
		return DeviceType{}, &Error{Code: Invalid, Field: "health_frequency", Message: "health_frequency must be at least 1"}
	}
	if in.HealthDenominator != events.Hours && in.HealthDenominator != events.Jobs {
		return DeviceType{}, &Error{Code: Invalid, Field: "health_denominator", Message: "health_denominator must be hours or jobs"}
	}
	if len([]rune(in.Description)) > maxDescriptionRunes {
		return DeviceType{}, &Error{Code: Invalid, Field: "description", Message: "description is longer than 200 characters"}
	}
	if len(in.Template) > maxDictionaryBytes {
		return DeviceType{}, &Error{Code: Invalid, Field: "template", Message: "template is larger than 256 KiB"}
	}
	// Only parsed: what it extends may come later, and devices that no longer render get no jobs and say why.
	if _, err := jinja.Parse(string(in.DeviceType)+suffix, in.Template); err != nil {
		return DeviceType{}, &Error{Code: Invalid, Field: "template", Message: err.Error()}
	}
	var notes []string
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := setsType(s, who, in.DeviceType); err != nil {
			return nil, err
		}
		notes = nil // the state may be newer than before
		was := s.DeviceType(in.DeviceType)
		if err := checkAliases(s, in, was); err != nil {
			return nil, err
		}
		if was == nil || was.HealthCheck != in.HealthCheck { // an imported one may be wrong: other settings change all the same
			var err error
			if notes, err = checkHealthCheck(in); err != nil {
				return nil, err
			}
		}
		// Said once, when it is hidden: who changes another setting later knows.
		if in.Hidden && (was == nil || !was.Hidden) {
			notes = append(notes, starved(s, in.DeviceType)...)
		}
		var facts []events.Event
		if was == nil {
			facts = append(facts, events.DeviceTypeAdded{DeviceType: in.DeviceType, By: who.user})
		}
		return append(facts, events.DeviceTypeConfigured{
			DeviceType: in.DeviceType, Description: in.Description, Architecture: in.Architecture, Aliases: in.Aliases,
			Hidden: in.Hidden, HealthFrequency: in.HealthFrequency, HealthDenominator: in.HealthDenominator,
			HealthDisabled: in.HealthDisabled, HealthCheck: in.HealthCheck, Template: in.Template, By: who.user,
		}), nil
	})
	if err != nil {
		return DeviceType{}, err
	}
	out, err := a.showDeviceType(ctx, who, in)
	out.Notes = notes
	return out, err
}

// checkAliases refuses names that would mean two device types. LAVA's forms refuse them too; its interface
// takes an alias away from another type without a word, and jobs of that type go elsewhere.
func checkAliases(s *lab.State, in DeviceType, was *lab.DeviceType) error {
	// LAVA's words, which its interfaces show.
	if of := s.Resolve(in.DeviceType); was == nil && of != in.DeviceType {
		return refuse(Conflict, "Alias with name '%s' already exists: it is one of device type %s", in.DeviceType, of)
	}
	for _, a := range in.Aliases {
		// What an import or an earlier release let through does not stop other changes.
		if was != nil && slices.Contains(was.Aliases, a) {
			continue
		}
		if err := checkName("alias", a, maxNameBytes); err != nil {
			return err
		}
		name := events.DeviceTypeName(a)
		switch of := s.Resolve(name); {
		case name == in.DeviceType || s.DeviceType(name) != nil:
			return refuse(Conflict, "alias %s: there is a device type of that name", a)
		case of != name && of != in.DeviceType:
			return refuse(Conflict, "alias %s belongs to device type %s; take it away there first (`strata device-types configure %s --alias …`)", a, of, of)
		}
	}
	return nil
}

// starved notes the jobs that get no device while their type is hidden.
// Hiding stops a type's jobs, which its name does not say: the note is there to be read before somebody waits.
func starved(s *lab.State, name events.DeviceTypeName) []string {
	waiting := 0
	for j := range s.EachJob() {
		if j.State == lab.Submitted && s.Resolve(j.DeviceType) == name {
			waiting++
		}
	}
	if waiting == 0 {
		return nil
	}
	return []string{fmt.Sprintf("jobs that wait for %s and get no device while it is hidden: %d", name, waiting)}
}

// checkHealthCheck refuses a health check that could never become a job, which would make every device
// of the type Bad, and notes what a check cannot ask for: LAVA passes over it without a word.
// Only the first of several problems is told, with its line. Notes are sentences for people.
func checkHealthCheck(in DeviceType) (notes []string, err error) {
	if in.HealthCheck == "" {
		return nil, nil
	}
	def, problems := job.ReadCheck([]byte(in.HealthCheck))
	if len(problems) == 0 {
		if p := def.CheckPriority(); p != nil {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return nil, &Error{Code: Invalid, Field: "health_check", Message: "health check: " + problems[0].Error()}
	}
	// An alias of the type is another name for it.
	if kind := def.DeviceType; kind != "" && kind != string(in.DeviceType) && !slices.Contains(in.Aliases, kind) {
		notes = append(notes, fmt.Sprintf("the health check's device_type is %s, which is passed over: it runs on each device of type %s", kind, in.DeviceType))
	}
	if len(def.Tags) > 0 {
		notes = append(notes, "the health check's tags are passed over: it runs on each device of the type")
	}
	if def.Device != "" || def.Worker != "" {
		notes = append(notes, "the health check's device and worker are passed over: it runs on each device of the type")
	}
	return notes, nil
}

// removeDeviceType takes a device type out of the lab that has no devices and that nothing extends.
func (a *api) removeDeviceType(ctx context.Context, who caller, in DeviceType) (none, error) {
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := allow(s, who, lab.Remove, events.DeviceType, string(in.DeviceType)); err != nil {
			return nil, err
		}
		if s.DeviceType(in.DeviceType) == nil {
			return nil, refuse(NotFound, "there is no device type %s", in.DeviceType)
		}
		for d := range s.Devices() {
			// Also one that the caller may not see: its name is told, since otherwise nobody could
			// find out what is in the way.
			if d.Type == in.DeviceType {
				return nil, refuse(Conflict, "device %s is of type %s; remove its devices first", d.Name, in.DeviceType)
			}
		}
		if err := unextended(s, in.DeviceType); err != nil {
			return nil, err
		}
		return []events.Event{events.DeviceTypeRemoved{DeviceType: in.DeviceType, By: who.user}}, nil
	})
}

// unextended refuses to remove a device type whose template others build on: they would no longer
// render, and the health check that a dictionary gets by what it extends would be gone.
func unextended(s *lab.State, name events.DeviceTypeName) error {
	extends := func(text string) bool {
		if !strings.Contains(text, string(name)) {
			return false // parsing a whole lab's dictionaries takes long
		}
		parent, ok := dictionaries.Extends([]byte(text))
		return ok && parent == string(name)
	}
	for t := range s.DeviceTypes() {
		if t.Name != name && extends(t.Template) {
			return refuse(Conflict, "the template of device type %s extends %s; give it another template (`strata device-types configure %s --template FILE`) or remove it first", t.Name, name, t.Name)
		}
	}
	for d := range s.Devices() {
		if extends(d.Dictionary) {
			return refuse(Conflict, "the dictionary of device %s extends %s; give it another (`strata devices configure %s FILE`) or remove the device first", d.Name, name, d.Name)
		}
	}
	return nil
}

// listTags answers with all tags, by name.
func (a *api) listTags(_ context.Context, _ caller, _ none) ([]TagRequest, error) {
	out := []TagRequest{}
	a.read(func(s *lab.State) {
		for t := range s.Tags() {
			out = append(out, TagRequest{Tag: t.Name, Description: t.Description})
		}
	})
	return out, nil
}

// addTag puts a tag into the lab, or changes what is said of it.
func (a *api) addTag(ctx context.Context, who caller, in TagRequest) (none, error) {
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := allow(s, who, lab.Add, events.Tag, string(in.Tag)); err != nil {
			return nil, err
		}
		if err := checkTag(s, in.Tag); err != nil {
			return nil, err
		}
		if t := s.Tag(in.Tag); t != nil && t.Description == in.Description {
			return nil, nil
		}
		return []events.Event{events.TagAdded{Tag: in.Tag, Description: in.Description, By: who.user}}, nil
	})
}

// removeTag takes a tag out of the lab, and from its devices.
func (a *api) removeTag(ctx context.Context, who caller, in TagRequest) (none, error) {
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := allow(s, who, lab.Remove, events.Tag, string(in.Tag)); err != nil {
			return nil, err
		}
		if s.Tag(in.Tag) == nil {
			return nil, refuse(NotFound, "there is no tag %s", in.Tag)
		}
		return []events.Event{events.TagRemoved{Tag: in.Tag, By: who.user}}, nil
	})
}
