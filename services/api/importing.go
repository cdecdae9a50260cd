package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"strata/events"
	"strata/events/lab"
	dictionaries "strata/schemas/device"
	"strata/schemas/jinja"
)

// ImportRequest brings configurations that a lab keeps as files: LAVA's folders of device-type
// templates, or of device dictionaries.
// `strata devices import` and `strata device-types import` send a folder at once; so do repositories
// of configurations in CI, which is why the same again changes nothing.
type ImportRequest struct {
	Files  []ImportFile      `json:"files"`
	Worker events.WorkerName `json:"worker,omitempty"` // devices: the worker that they hang on; "": as it is
	Reason string            `json:"reason,omitempty"` // kept with each change
	DryRun bool              `json:"dry_run,omitempty"`
}

// ImportFile is one file. Name is that of the device or the device type: the file's without .jinja2.
type ImportFile struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Outcome is what an import does with one file.
type Outcome string

// What an import does with a file.
const (
	Added   Outcome = "added"
	Changed Outcome = "changed"
	Same    Outcome = "same"    // the lab has it already
	Refused Outcome = "refused" // nothing of the file was taken
)

// Import answers ImportRequest.
type Import struct {
	Files []Imported `json:"files"` // in the order of the request
	// Breaks are devices that a changed template leaves without a valid configuration. The lab checks all
	// devices then, and gives these no jobs.
	Breaks []Broken `json:"breaks,omitempty"`
}

// Imported is what became of one file.
// Why is for the person who imports: it names template and line where the language has them.
type Imported struct {
	Name       string                `json:"name"`
	Outcome    Outcome               `json:"outcome"`
	DeviceType events.DeviceTypeName `json:"device_type,omitempty"` // of a device
	Why        string                `json:"why,omitempty"`         // of refused: what is wrong, with template and line where that is known
	Missing    string                `json:"missing,omitempty"`     // of refused: the device type that a device's dictionary extends, where the lab has no template of it
}

// Broken is a device that a changed template broke.
type Broken struct {
	Device events.DeviceName `json:"device"`
	Why    string            `json:"why"`
}

// importBatch is how many files are recorded at once; a batch of the log has a hundred facts at most,
// a file needs up to four.
const importBatch = 25

// importEach decides over the files in batches: each is taken or refused as a whole, whatever becomes of
// the others. decide returns the facts that a file leads to; an error refuses the file.
// An error of the log between two batches leaves the first ones recorded: to import again goes on
// there.
func (a *api) importEach(ctx context.Context, who caller, in ImportRequest,
	decide func(s *lab.State, f ImportFile, out *Imported) ([]events.Event, error)) ([]Imported, error) {
	all := make([]Imported, 0, len(in.Files))
	for from := 0; from < len(in.Files); from += importBatch {
		files := in.Files[from:min(from+importBatch, len(in.Files))]
		var done []Imported
		batch := func(s *lab.State) ([]events.Event, error) {
			done = make([]Imported, len(files)) // the state may be newer than before
			added := map[events.Entity]bool{}
			var facts []events.Event
			for i, f := range files {
				done[i] = Imported{Name: f.Name, Outcome: Same}
				own, err := decide(s, f, &done[i])
				if err != nil {
					done[i].Outcome, done[i].Why = Refused, err.Error()
					continue
				}
				for _, e := range own {
					if _, isType := e.(events.DeviceTypeAdded); isType && added[e.About()] {
						continue // by a file before this one
					}
					added[e.About()] = true
					facts = append(facts, e)
				}
			}
			return facts, nil
		}
		if in.DryRun {
			a.read(func(s *lab.State) { _, _ = batch(s) }) // it has no error of its own
		} else if err := a.record(ctx, who, batch); err != nil {
			return nil, err
		}
		all = append(all, done...)
	}
	return all, nil
}

// check refuses what no file may be.
func (f ImportFile) check(kind string, most int) error {
	if err := checkName(kind, f.Name, most); err != nil {
		return err
	}
	switch {
	case len(f.Text) > maxDictionaryBytes:
		return fmt.Errorf("it has %d bytes, allowed are %d", len(f.Text), maxDictionaryBytes)
	case !utf8.ValidString(f.Text):
		return errors.New("it is not text in UTF-8")
	// An empty file is a checkout that went wrong more often than a wish.
	case strings.TrimSpace(f.Text) == "":
		return errors.New("it is empty")
	}
	return nil
}

// importDeviceTypes takes templates of device types. Their other settings stay as they are.
// Each is decided with the others of the request at hand, in any order: templates extend one
// another.
func (a *api) importDeviceTypes(ctx context.Context, who caller, in ImportRequest) (Import, error) {
	before := a.templates()
	wrong := checkTemplates(in.Files, before)
	files, err := a.importEach(ctx, who, in, func(s *lab.State, f ImportFile, out *Imported) ([]events.Event, error) {
		if err := wrong[f.Name]; err != nil {
			return nil, err
		}
		name := events.DeviceTypeName(f.Name)
		if err := allow(s, who, lab.Add, events.DeviceType, f.Name); err != nil {
			return nil, err
		}
		t := s.DeviceType(name)
		switch {
		case t == nil && s.Resolve(name) != name:
			return nil, fmt.Errorf("Alias with name '%s' already exists: it is one of device type %s", name, s.Resolve(name))
		case t == nil:
			out.Outcome = Added
			return []events.Event{events.DeviceTypeAdded{DeviceType: name, By: who.user},
				events.DeviceTypeConfigured{DeviceType: name, HealthFrequency: 24, HealthDenominator: events.Hours,
					Template: f.Text, By: who.user, Comment: in.Reason}}, nil
		case t.Template == f.Text:
			return nil, nil
		}
		out.Outcome = Changed
		return []events.Event{events.DeviceTypeConfigured{
			DeviceType: name, Description: t.Description, Architecture: t.Architecture, Aliases: t.Aliases, Hidden: t.Hidden,
			HealthFrequency: t.HealthFrequency, HealthDenominator: t.HealthDenominator, HealthDisabled: t.HealthDisabled,
			HealthCheck: t.HealthCheck, Template: f.Text, By: who.user, Comment: in.Reason,
		}}, nil
	})
	if err != nil {
		return Import{}, err
	}
	after := maps.Clone(before)
	changed := false
	for i, f := range files {
		if f.Outcome == Added || f.Outcome == Changed {
			after[f.Name+suffix], changed = in.Files[i].Text, true
		}
	}
	out := Import{Files: files}
	if changed {
		// Told and not refused: a repository's state is what its owners want, and they may mend it
		// in two steps.
		out.Breaks = a.breaks(before, after)
	}
	return out, nil
}

// suffix ends the names of templates where others extend them.
const suffix = ".jinja2"

// templates returns the lab's templates by the names that dictionaries extend.
func (a *api) templates() map[string]string {
	all := map[string]string{}
	a.read(func(s *lab.State) {
		for t := range s.DeviceTypes() {
			if t.Template != "" {
				all[string(t.Name)+suffix] = t.Template
			}
		}
	})
	return all
}

// checkTemplates says of each file why it cannot be a template of the lab: it is not written in the
// language, or what it extends is neither among the files nor in the lab, or is wrong itself.
// The error of a file is nil where it may be taken. Circles are found: none of their files is taken.
func checkTemplates(files []ImportFile, known map[string]string) map[string]error {
	texts := map[string]string{}
	for _, f := range files {
		texts[f.Name+suffix] = f.Text
	}
	wrong, seen := map[string]error{}, map[string]bool{}
	var check func(file string) error
	check = func(file string) error {
		name := strings.TrimSuffix(file, suffix)
		if seen[file] {
			return wrong[name]
		}
		// Until it is known better: whoever comes back here has gone in a circle.
		seen[file], wrong[name] = true, fmt.Errorf("%s: it extends itself", file)
		wrong[name] = func() error {
			if err := (ImportFile{name, texts[file]}).check("device_type", maxTypeBytes); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			template, err := jinja.Parse(file, texts[file])
			if err != nil {
				return err
			}
			parent, ok := template.Extends()
			if !ok {
				return nil
			}
			if _, comesAlong := texts[parent]; comesAlong {
				if err := check(parent); err != nil {
					return fmt.Errorf("%s: it extends %s, which is refused: %w", file, parent, err)
				}
				return nil
			}
			if _, inLab := known[parent]; inLab {
				return nil
			}
			if _, ours := dictionaries.OwnTemplate(parent); ours {
				return nil
			}
			return fmt.Errorf("%s:%d: it extends %s, which is neither in the folder nor in the lab", file, extendsLine(template), parent)
		}()
		return wrong[name]
	}
	for _, f := range files {
		_ = check(f.Name + suffix) // kept in wrong
	}
	return wrong
}

// extendsLine returns the line on which a template says what it extends.
func extendsLine(t *jinja.Template) int {
	for _, node := range t.Body {
		if e, is := node.(*jinja.Extends); is {
			return e.Line()
		}
	}
	return 1
}

// breaks lists the devices that have a valid configuration with the templates before, and none after.
// It renders every dictionary of the lab twice at most, outside of the lock: seconds in a large lab.
func (a *api) breaks(before, after map[string]string) []Broken {
	type device struct {
		name events.DeviceName
		kind events.DeviceTypeName
		text string
	}
	var devices []device
	a.read(func(s *lab.State) {
		for d := range s.Devices() {
			if dictionaries.IsTemplate([]byte(d.Dictionary)) {
				devices = append(devices, device{d.Name, d.Type, d.Dictionary})
			}
		}
	})
	var out []Broken
	old, now := templatesOf(before), templatesOf(after)
	for _, d := range devices {
		_, err := now.Load(string(d.name), string(d.kind), []byte(d.text), nil)
		if err == nil {
			continue
		}
		// A device that was broken before is not this import's news.
		if _, was := old.Load(string(d.name), string(d.kind), []byte(d.text), nil); was == nil {
			out = append(out, Broken{d.name, err.Error()})
		}
	}
	return out
}

// templatesOf loads templates out of texts by their file names.
func templatesOf(texts map[string]string) *dictionaries.Templates {
	return &dictionaries.Templates{Text: func(name string) (string, bool) {
		text, ok := texts[strings.TrimSuffix(name, suffix)+suffix] // as [lab.State.Template] finds them
		return text, ok
	}}
}

// importDevices takes dictionaries of devices. A new one is of the type that its dictionary extends.
// types are those at the start of the request: a device of a type that comes in the same folder
// waits for the types to be imported first, as Missing tells.
// A device that the lab has keeps its worker, unless the request names one.
func (a *api) importDevices(ctx context.Context, who caller, in ImportRequest) (Import, error) {
	types := templatesOf(a.templates())
	files, err := a.importEach(ctx, who, in, func(s *lab.State, f ImportFile, out *Imported) ([]events.Event, error) {
		if err := f.check("device", maxNameBytes); err != nil {
			return nil, err
		}
		if err := knownWorker(s, in.Worker); err != nil {
			return nil, err
		}
		if parent, ok := dictionaries.Extends([]byte(f.Text)); ok && !types.Has(parent+suffix) {
			out.Missing = parent
		}
		d := s.Device(events.DeviceName(f.Name))
		if d != nil {
			return a.importKnown(s, who, in, f, d, types, out)
		}
		if err := allow(s, who, lab.Add, events.Device, f.Name); err != nil {
			return nil, err
		}
		kind, ok := dictionaries.TypeOf([]byte(f.Text))
		// Before it is asked whether the type is known: the error of a text that does not render
		// says more.
		if _, err := types.Load(f.Name, kind, []byte(f.Text), nil); err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("it extends no template, or several, so its device type is not known: add it with `strata devices add %s --type TYPE --dict FILE`", f.Name)
		}
		if err := checkName("device_type", kind, maxTypeBytes); err != nil {
			return nil, err
		}
		out.Outcome, out.DeviceType = Added, s.Resolve(events.DeviceTypeName(kind))
		var facts []events.Event
		if s.DeviceType(out.DeviceType) == nil {
			facts = append(facts, events.DeviceTypeAdded{DeviceType: out.DeviceType, By: who.user})
		}
		name := events.DeviceName(f.Name)
		return append(facts,
			events.DeviceAdded{Device: name, DeviceType: out.DeviceType, Worker: in.Worker, Health: events.Unknown, By: who.user},
			events.DeviceConfigured{Device: name, Dictionary: f.Text, By: who.user, Comment: in.Reason}), nil
	})
	return Import{Files: files}, err
}

// importKnown decides over a file of a device that the lab has: its type stays, also where the file
// extends the template of another.
func (a *api) importKnown(s *lab.State, who caller, in ImportRequest, f ImportFile, d *lab.Device,
	types *dictionaries.Templates, out *Imported) ([]events.Event, error) {
	if err := allow(s, who, lab.Change, events.Device, f.Name); err != nil {
		return nil, err
	}
	if _, err := types.Load(f.Name, string(d.Type), []byte(f.Text), nil); err != nil {
		return nil, err
	}
	out.DeviceType = d.Type
	var facts []events.Event
	if in.Worker != "" && d.Worker != in.Worker {
		if d.State != lab.DeviceIdle {
			return nil, refuse(Conflict, "device %s is %s; it cannot move to worker %s before that is over", d.Name, holderOf(s, d), in.Worker)
		}
		facts = append(facts, events.DeviceMoved{Device: d.Name, Worker: in.Worker, By: who.user})
	}
	if d.Dictionary != f.Text {
		facts = append(facts, events.DeviceConfigured{Device: d.Name, Dictionary: f.Text, By: who.user, Comment: in.Reason})
	}
	if len(facts) > 0 {
		out.Outcome = Changed
	}
	return facts, nil
}
