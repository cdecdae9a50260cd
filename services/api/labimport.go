package api

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// LabImportRequest brings what another lab is configured as. An import may be repeated: what was changed
// there since the last one is taken, what was changed here stays.
// `strata import lava` makes it of what a LAVA server tells; see docs/move-from-lava.md.
type LabImportRequest struct {
	Source  string      `json:"source"`  // such as "lava"
	Objects []LabObject `json:"objects"` // in any order; what is not among them stays as it is
	Force   bool        `json:"force,omitempty"`
	DryRun  bool        `json:"dry_run,omitempty"`
	// ChecksAtOnce is how many of the new devices may have their first health check at the same time; 0: no
	// limit.
	ChecksAtOnce int    `json:"checks_at_once,omitempty"`
	Reason       string `json:"reason,omitempty"` // kept with new dictionaries and templates
}

// LabObject is one device, device type, worker or tag. Settings are those that the source knows: one that
// is missing stays as it is. Several names in one setting stand on lines of their own.
//
//	devicetype  description architecture aliases hidden health_frequency health_denominator
//	            health_disabled health_check template permissions
//	tag         description
//	worker      description job_limit dispatcher env env_dut permissions
//	            health: the word, and on a second line the reason
//	device      device_type worker description hardware owner owner_group tags dictionary permissions
//	            health: as of a worker; new_health: the same, for a device that the lab does not have yet
//	            last_check: RFC 3339; jobs_since
//
// A permission is written group:codename.
type LabObject struct {
	Kind     events.Kind       `json:"kind"`
	Name     string            `json:"name"`
	Settings map[string]string `json:"settings,omitempty"`
}

// LabImport answers [LabImportRequest].
type LabImport struct {
	Changes []SettingChange `json:"changes"`           // that were made, or of a dry run: that would be
	Kept    []SettingChange `json:"kept,omitempty"`    // that were not, since the setting was changed here
	Invalid []InvalidObject `json:"invalid,omitempty"` // what is taken, or stays, and no job could run with
	Refused []InvalidObject `json:"refused,omitempty"` // of which nothing was taken
}

// SettingChange is one setting of one object.
type SettingChange struct {
	Kind    events.Kind `json:"kind"`
	Name    string      `json:"name"`
	Setting string      `json:"setting,omitempty"` // "": the object is new
	Here    string      `json:"here,omitempty"`    // long texts only by their length
	There   string      `json:"there,omitempty"`
	Why     string      `json:"why,omitempty"` // of what was kept
}

// InvalidObject is a thing with a fault.
type InvalidObject struct {
	Kind events.Kind `json:"kind"`
	Name string      `json:"name"`
	Why  string      `json:"why"`
}

// labImport is an import under way.
type labImport struct {
	a   *api
	who caller
	in  LabImportRequest
	out LabImport
}

// importLab takes objects in the order in which they need one another, each as a whole.
// An error of the log leaves what came before recorded; the same request again goes on from there.
func (a *api) importLab(ctx context.Context, who caller, in LabImportRequest) (LabImport, error) {
	if in.Source == "" {
		return LabImport{}, &Error{Code: Invalid, Field: "source", Message: "source is missing"}
	}
	if in.ChecksAtOnce < 0 {
		return LabImport{}, &Error{Code: Invalid, Field: "checks_at_once", Message: "checks_at_once must be 0 (no limit) or more"}
	}
	m := &labImport{a: a, who: who, in: in, out: LabImport{Changes: []SettingChange{}}}
	// A device names its type, its tags and its worker.
	order := []events.Kind{events.DeviceType, events.Tag, events.Worker, events.Device}
	for _, o := range in.Objects {
		if !slices.Contains(order, o.Kind) {
			return LabImport{}, refuse(Invalid, "object %s is a %q, allowed are device, devicetype, worker and tag", o.Name, o.Kind)
		}
	}
	before := a.templates()
	for _, kind := range order {
		var objects []LabObject
		for _, o := range in.Objects {
			if o.Kind == kind {
				objects = append(objects, o)
			}
		}
		if err := m.takeAll(ctx, objects); err != nil {
			return LabImport{}, err
		}
	}
	m.checkConfigurations(before)
	return m.out, nil
}

// isRefused says whether an object was refused before.
func (m *labImport) isRefused(o LabObject) bool {
	return slices.ContainsFunc(m.out.Refused, func(r InvalidObject) bool { return r.Kind == o.Kind && r.Name == o.Name })
}

// mostFacts is how many facts one append has at most, below what the log takes at once.
const mostFacts = stream.MaxBatch - 10

// takeAll decides over objects of one kind, as many at once as one append takes.
// batch may be asked again, with a newer state, so all that it tells is gathered anew each time.
// Rights are asked of each object, with the state of the append.
func (m *labImport) takeAll(ctx context.Context, objects []LabObject) error {
	for len(objects) > 0 {
		var part LabImport
		done := 0
		batch := func(s *lab.State) ([]events.Event, error) {
			part, done = LabImport{}, 0 // the state may be newer than before
			added := map[events.Entity]bool{}
			var facts []events.Event
			for _, o := range objects {
				own := m.take(s, o, added)
				// An object's facts stay together: half a device would be worse than none.
				if len(facts)+len(own.facts) > mostFacts && done > 0 {
					break
				}
				facts = append(facts, own.facts...)
				for _, e := range own.facts {
					added[e.About()] = true
				}
				done++
				part.Changes, part.Kept = append(part.Changes, own.changes...), append(part.Kept, own.kept...)
				part.Refused, part.Invalid = append(part.Refused, own.refused...), append(part.Invalid, own.invalid...)
			}
			return facts, nil
		}
		if m.in.DryRun {
			m.a.read(func(s *lab.State) { _, _ = batch(s) }) // it has no error of its own
		} else if err := m.a.record(ctx, m.who, batch); err != nil {
			return err
		}
		m.out.Changes, m.out.Kept = append(m.out.Changes, part.Changes...), append(m.out.Kept, part.Kept...)
		m.out.Refused, m.out.Invalid = append(m.out.Refused, part.Refused...), append(m.out.Invalid, part.Invalid...)
		objects = objects[done:]
	}
	return nil
}

// take decides over one object.
// What the last import took is a fact of its own (ObjectImported), with digests and not values:
// secrets in a worker's files are not to stand in the log twice.
func (m *labImport) take(s *lab.State, o LabObject, added map[events.Entity]bool) *merge {
	g := &merge{in: m.in, by: m.who.user, o: o, s: s, added: added, left: maps.Clone(o.Settings), taken: map[string]string{}}
	err := allow(s, m.who, lab.Administer, o.Kind, o.Name)
	if err == nil {
		switch o.Kind {
		case events.DeviceType:
			err = g.deviceType()
		case events.Tag:
			err = g.tag()
		case events.Worker:
			err = g.worker()
		case events.Device:
			err = g.device()
		}
	}
	if err == nil && len(g.left) > 0 {
		err = fmt.Errorf("a %s has no setting %s", o.Kind, slices.Sorted(maps.Keys(g.left))[0])
	}
	if err == nil && len(g.facts) > mostFacts {
		err = fmt.Errorf("it takes %d facts, allowed at once are %d: has it so many tags?", len(g.facts), mostFacts)
	}
	if err != nil {
		return &merge{refused: []InvalidObject{{o.Kind, o.Name, err.Error()}}}
	}
	if g.fresh {
		g.changes = []SettingChange{{Kind: o.Kind, Name: o.Name, There: g.summary}}
	}
	// An import that finds everything as it was records nothing.
	if g.fresh || !maps.Equal(g.taken, g.base) {
		g.facts = append(g.facts, events.ObjectImported{Kind: o.Kind, Name: o.Name, Source: m.in.Source, Settings: g.taken, By: m.who.user})
	}
	return g
}

// checkConfigurations names the devices of the import that do not render or validate, and others that its
// templates break. A dry run looks at what would be there.
// The objects are taken all the same; the lab gives such devices no jobs until somebody mends them.
func (m *labImport) checkConfigurations(before map[string]string) {
	after := m.a.templates()
	if m.in.DryRun {
		for _, o := range m.in.Objects {
			if o.Kind == events.DeviceType && o.Settings["template"] != "" {
				after[o.Name+suffix] = o.Settings["template"]
			}
		}
	}
	types, ours := templatesOf(after), map[events.DeviceName]bool{}
	for _, o := range m.in.Objects {
		text := o.Settings["dictionary"]
		if o.Kind != events.Device || text == "" || m.isRefused(o) {
			continue
		}
		ours[events.DeviceName(o.Name)] = true
		if _, err := types.Load(o.Name, o.Settings["device_type"], []byte(text), nil); err != nil {
			m.out.Invalid = append(m.out.Invalid, InvalidObject{events.Device, o.Name, err.Error()})
		}
	}
	if maps.Equal(before, after) {
		return
	}
	for _, b := range m.a.breaks(before, after) {
		if !ours[b.Device] {
			m.out.Invalid = append(m.out.Invalid, InvalidObject{events.Device, string(b.Device), b.Why})
		}
	}
}
