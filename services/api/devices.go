package api

import (
	"context"
	"slices"
	"strings"

	"strata/events"
	"strata/events/lab"
	dictionaries "strata/schemas/device"
)

// Limits of what a person may set, as LAVA has them.
const (
	maxNameBytes        = 200
	maxTagBytes         = 100
	maxTypeBytes        = 50
	maxDescriptionRunes = 200
	maxDictionaryBytes  = 256 << 10
)

// listDevices answers with all devices, by name.
func (a *api) listDevices(_ context.Context, who caller, _ none) ([]Device, error) {
	out := []Device{}
	a.read(func(s *lab.State) {
		for d := range s.Devices() {
			if who.can(s, lab.View, events.Entity{Kind: events.Device, ID: string(d.Name)}) {
				out = append(out, viewDevice(s, who, d, false))
			}
		}
	})
	return out, nil
}

// showDevice answers with one device and its dictionary.
// One that the caller may not see is [NotFound], as one that there is not. Whoever sees a device sees its dictionary.
func (a *api) showDevice(_ context.Context, who caller, in DeviceRequest) (Device, error) {
	var out Device
	err := refuse(NotFound, "there is no device %s", in.Device)
	a.read(func(s *lab.State) {
		if d := s.Device(in.Device); d != nil && who.can(s, lab.View, events.Entity{Kind: events.Device, ID: string(d.Name)}) {
			out, err = viewDevice(s, who, d, true), nil
		}
	})
	if err != nil {
		return Device{}, err
	}
	return out, nil
}

// viewDevice shows a device as a caller may see it, who may see the device itself.
// whole adds the dictionary, of up to 256 KiB, which lists leave out.
func viewDevice(s *lab.State, who caller, d *lab.Device, whole bool) Device {
	v := Device{
		Device: d.Name, DeviceType: d.Type, Worker: d.Worker, State: string(d.State), Health: d.Health,
		HealthReason: d.HealthReason, HealthBy: d.HealthBy, Job: seenJob(s, who, d.Job), Tags: slices.Clone(d.Tags), Description: d.Description, Version: d.Version,
	}
	if v.Job != 0 {
		v.JobDisplay = displayed(s, v.Job)
	}
	if d.Hold != nil {
		v.HeldBy, v.HeldFor, v.HeldUntil = d.Hold.By, d.Hold.Use, moment(d.Hold.Until)
	}
	if whole {
		v.Dictionary = d.Dictionary
	}
	v.Hardware, v.Owner, v.OwnerGroup, v.Permissions, v.LastCheck, v.LastCheckJob = d.Hardware, d.Owner, d.OwnerGroup, d.Permissions, moment(d.LastCheckAt), seenCheck(s, who, d.LastCheck)
	return v
}

// addDevice puts a device into the lab, with its dictionary where one came along. A device type
// that the lab does not know is added with it: jobs name types, and people think of devices.
// A hundred facts at most are one append: with more new tags than that the error is of the log. All or nothing is recorded.
func (a *api) addDevice(ctx context.Context, who caller, in DeviceRequest) (Device, error) {
	if err := checkName("device", string(in.Device), maxNameBytes); err != nil {
		return Device{}, err
	}
	if err := checkName("device_type", string(in.DeviceType), maxTypeBytes); err != nil {
		return Device{}, err
	}
	// LAVA's clients write health in capitals.
	in.Health = healthMeant(in.Health)
	if err := in.check(); err != nil {
		return Device{}, err
	}
	var notes []string
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		notes = nil // the state may be newer than before
		if err := allow(s, who, lab.Add, events.Device, string(in.Device)); err != nil {
			return nil, err
		}
		if s.Device(in.Device) != nil {
			return nil, refuse(Conflict, "there is a device %s already", in.Device)
		}
		if err := knownWorker(s, in.Worker); err != nil {
			return nil, err
		}
		var facts []events.Event
		// An alias is for jobs to name; a device is of the type itself.
		kind := s.Resolve(in.DeviceType)
		if err := renders(s, in.Device, kind, in.Dictionary); err != nil {
			return nil, err
		}
		if s.DeviceType(kind) == nil {
			facts = append(facts, events.DeviceTypeAdded{DeviceType: kind, By: who.user})
			if said := newType(s, who, kind); said != "" {
				notes = append(notes, said)
			}
		}
		for _, t := range in.Tags {
			if err := checkTag(s, t); err != nil {
				return nil, err
			}
			if s.Tag(t) == nil {
				facts = append(facts, events.TagAdded{Tag: t, By: who.user})
			}
		}
		facts = append(facts, events.DeviceAdded{Device: in.Device, DeviceType: kind, Worker: in.Worker, Health: in.Health,
			Tags: in.Tags, Description: in.Description, By: who.user})
		if in.Dictionary != "" {
			facts = append(facts, events.DeviceConfigured{Device: in.Device, Dictionary: in.Dictionary, By: who.user, Comment: in.Reason})
		}
		return facts, nil
	})
	out, err := a.deviceAfter(ctx, who, in, err)
	if err == nil {
		out.Notes = notes
	}
	return out, err
}

// configureDevice gives a device a new dictionary.
// The same text again is no version. One that does not render is refused here, where somebody reads why, with template
// and line; a device whose dictionary a later template breaks only gets no jobs any more.
func (a *api) configureDevice(ctx context.Context, who caller, in DeviceRequest) (Device, error) {
	if in.Dictionary == "" {
		return Device{}, &Error{Code: Invalid, Field: "dictionary", Message: "dictionary is empty"}
	}
	if err := in.check(); err != nil {
		return Device{}, err
	}
	return a.changeDevice(ctx, who, in, func(s *lab.State, d *lab.Device) ([]events.Event, error) {
		if d.Dictionary == in.Dictionary {
			return nil, nil
		}
		if err := renders(s, d.Name, d.Type, in.Dictionary); err != nil {
			return nil, err
		}
		return []events.Event{events.DeviceConfigured{Device: d.Name, Dictionary: in.Dictionary, By: who.user, Comment: in.Reason}}, nil
	})
}

// renders refuses a template that gives no valid configuration with the lab's device types; the error
// names template and line. Rendered YAML is taken as it is: the lab finds out about it as it does where
// a type changes later, and gives the device no jobs.
// It runs under the lock of the state, and rendering has budgets of time and size of its own.
func renders(s *lab.State, name events.DeviceName, kind events.DeviceTypeName, dictionary string) error {
	if !dictionaries.IsTemplate([]byte(dictionary)) {
		return nil
	}
	types := dictionaries.Templates{Text: s.Template}
	if _, err := types.Load(string(name), string(kind), []byte(dictionary), nil); err != nil {
		return &Error{Code: Invalid, Field: "dictionary", Message: err.Error()}
	}
	return nil
}

// moveDevice hangs a device on another worker. A device that runs a job stays where it is: the job
// runs there.
// A device without a worker, "", gets no jobs and keeps its settings.
func (a *api) moveDevice(ctx context.Context, who caller, in DeviceRequest) (Device, error) {
	return a.changeDevice(ctx, who, in, func(s *lab.State, d *lab.Device) ([]events.Event, error) {
		if err := knownWorker(s, in.Worker); err != nil {
			return nil, err
		}
		if d.State != lab.DeviceIdle {
			return nil, refuse(Conflict, "device %s is %s; move it when that is over", d.Name, holderOf(s, d))
		}
		if d.Worker == in.Worker {
			return nil, nil
		}
		return []events.Event{events.DeviceMoved{Device: d.Name, Worker: in.Worker, By: who.user}}, nil
	})
}

// tagDevice gives a device a tag, which is added to the lab where it is new.
// The right to change the device is enough, also for a tag that the lab does not have yet: LAVA's clients add tags so.
func (a *api) tagDevice(ctx context.Context, who caller, in DeviceRequest) (Device, error) {
	return a.changeDevice(ctx, who, in, func(s *lab.State, d *lab.Device) ([]events.Event, error) {
		if err := checkTag(s, in.Tag); err != nil {
			return nil, err
		}
		if d.HasTags([]events.TagName{in.Tag}) {
			return nil, nil
		}
		var facts []events.Event
		if s.Tag(in.Tag) == nil {
			facts = append(facts, events.TagAdded{Tag: in.Tag, By: who.user})
		}
		return append(facts, events.DeviceTagged{Device: d.Name, Tag: in.Tag, By: who.user}), nil
	})
}

// untagDevice takes a tag from a device.
func (a *api) untagDevice(ctx context.Context, who caller, in DeviceRequest) (Device, error) {
	return a.changeDevice(ctx, who, in, func(_ *lab.State, d *lab.Device) ([]events.Event, error) {
		if !d.HasTags([]events.TagName{in.Tag}) {
			return nil, nil
		}
		return []events.Event{events.DeviceUntagged{Device: d.Name, Tag: in.Tag, By: who.user}}, nil
	})
}

// setDeviceHealth records how well a person says a device is. Bad is among them: a person may know
// before a check does. The job of a device that is retired is canceled with it: nobody is to touch the
// device any more.
func (a *api) setDeviceHealth(ctx context.Context, who caller, in DeviceRequest) (Device, error) {
	if in.Health == "" {
		return Device{}, &Error{Code: Invalid, Field: "health", Message: "health is missing"}
	}
	in.Health = healthMeant(in.Health)
	if err := in.check(); err != nil {
		return Device{}, err
	}
	return a.changeDevice(ctx, who, in, func(s *lab.State, d *lab.Device) ([]events.Event, error) {
		// Also where the health is the same already: the reason and its author are news.
		facts := []events.Event{events.DeviceHealthSet{Device: d.Name, Health: in.Health, Reason: in.Reason, By: who.user}}
		if in.Health == events.Retired {
			facts = append(facts, cancelOf(s, d, who, because("device "+string(d.Name)+" was retired", in.Reason))...)
		}
		return facts, nil
	})
}

// healthMeant returns the health that a person meant.
func healthMeant(word events.DeviceHealth) events.DeviceHealth {
	return spelled(word, events.Good, events.Unknown, events.Looping, events.Bad, events.Maintenance, events.Retired)
}

// spelled returns the word that a person meant, in whatever case it was written.
// A word that is none of them comes back as it is, for the check behind to name it.
func spelled[W ~string](word W, words ...W) W {
	for _, w := range words {
		if strings.EqualFold(string(w), string(word)) {
			return w
		}
	}
	return word
}

// cancelOf asks for the end of the job that holds a device, unless somebody has.
// The job is of the caller's right on the device, not on the job: a board that smokes has to be freed whoever uses it.
func cancelOf(s *lab.State, d *lab.Device, who caller, why string) []events.Event {
	j := s.Job(d.Job)
	if d.Job == 0 || j == nil || j.State == lab.Finished || j.Cancel != nil {
		return nil
	}
	return []events.Event{events.JobCancelRequested{Job: j.ID, By: who.user, Reason: why}}
}

// because adds a person's reason to what happened.
func because(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// removeDevice takes a device without a job out of the lab.
// Its facts stay in the log; those of a later device of the same name stand behind them.
func (a *api) removeDevice(ctx context.Context, who caller, in DeviceRequest) (none, error) {
	return none{}, a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		if err := allow(s, who, lab.Remove, events.Device, string(in.Device)); err != nil {
			return nil, err
		}
		d := s.Device(in.Device)
		if d == nil {
			return nil, refuse(NotFound, "there is no device %s", in.Device)
		}
		if d.State != lab.DeviceIdle {
			return nil, refuse(Conflict, "device %s is %s; end that first", d.Name, holderOf(s, d))
		}
		return []events.Event{events.DeviceRemoved{Device: d.Name, By: who.user, Reason: in.Reason}}, nil
	})
}

// changeDevice records what decide wants of a device that is there, and answers with it.
// decide may be asked several times, see [api.record]; no facts is "as asked already".
func (a *api) changeDevice(ctx context.Context, who caller, in DeviceRequest,
	decide func(s *lab.State, d *lab.Device) ([]events.Event, error)) (Device, error) {
	err := a.record(ctx, who, func(s *lab.State) ([]events.Event, error) {
		d, err := theDevice(s, who, in.Device)
		if err != nil {
			return nil, err
		}
		return decide(s, d)
	})
	return a.deviceAfter(ctx, who, in, err)
}

// deviceAfter shows a device after a change of it, or the error that there was none.
func (a *api) deviceAfter(ctx context.Context, who caller, in DeviceRequest, err error) (Device, error) {
	if err != nil {
		return Device{}, err
	}
	return a.showDevice(ctx, who, in)
}

// theDevice returns a device that the caller may change.
// The right comes first, and its refusal names the device alike whether there is one: nobody learns of a hidden one.
func theDevice(s *lab.State, who caller, name events.DeviceName) (*lab.Device, error) {
	if err := allow(s, who, lab.Change, events.Device, string(name)); err != nil {
		return nil, err
	}
	d := s.Device(name)
	if d == nil {
		return nil, refuse(NotFound, "there is no device %s", name)
	}
	return d, nil
}

// check refuses values that no device may have.
// The limits are those of LAVA's database; a dictionary's is the lab's own, see [events.DeviceConfigured].
func (in DeviceRequest) check() error {
	switch in.Health {
	case "", events.Good, events.Unknown, events.Looping, events.Bad, events.Maintenance, events.Retired:
	default:
		return &Error{Code: Invalid, Field: "health", Message: "health is " + string(in.Health) +
			", allowed are Good, Unknown, Looping, Bad, Maintenance, Retired"}
	}
	if len(in.Dictionary) > maxDictionaryBytes {
		return &Error{Code: Invalid, Field: "dictionary", Message: "dictionary is larger than 256 KiB"}
	}
	if len([]rune(in.Description)) > maxDescriptionRunes {
		return &Error{Code: Invalid, Field: "description", Message: "description is longer than 200 characters"}
	}
	return nil
}
