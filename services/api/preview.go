package api

import (
	"cmp"
	"context"

	"strata/events"
	"strata/events/lab"
	dictionaries "strata/schemas/device"
)

// PreviewRequest asks what a text would be as the dictionary of a device, which need not be there yet.
// Neither device nor type need be there: the text is rendered as for a new device then.
type PreviewRequest struct {
	Device     events.DeviceName     `json:"device,omitempty"`
	DeviceType events.DeviceTypeName `json:"device_type,omitempty"` // where there is no such device
	Dictionary string                `json:"dictionary"`
	Template   string                `json:"template,omitempty"` // rendered in place of the one that the type has
}

// previewDevice renders a text with the lab's templates and holds what comes of it to the schema of devices.
// Nothing is recorded.
// The form for dictionaries asks it for texts that are not saved yet. What the schema has against
// the result is in Invalid; the error is for a text that does not render, with template and line.
func (a *api) previewDevice(_ context.Context, who caller, in PreviewRequest) (Rendered, error) {
	if len(in.Dictionary) > maxDictionaryBytes || len(in.Template) > maxDictionaryBytes {
		return Rendered{}, refuse(Invalid, "at most %d bytes of dictionary and of template are allowed", maxDictionaryBytes)
	}
	var kind events.DeviceTypeName
	var err error
	a.read(func(s *lab.State) {
		kind = s.Resolve(in.DeviceType)
		if d := s.Device(in.Device); d != nil {
			kind = d.Type
		}
		// Whoever may add devices tries a text before there is one.
		object := events.Entity{Kind: events.Device, ID: string(in.Device)}
		if !who.can(s, lab.Change, object) && !who.can(s, lab.Add, object) {
			err = refuse(Denied, "%s may not change device %s", who.user, in.Device)
		}
	})
	if err != nil {
		return Rendered{}, err
	}
	texts := a.templates()
	if in.Template != "" {
		texts[string(kind)+suffix] = in.Template
	}
	text, wrong := templatesOf(texts).Render(cmp.Or(string(in.Device), "device"), string(kind), []byte(in.Dictionary), nil)
	if wrong != nil {
		return Rendered{}, &Error{Code: Invalid, Field: "dictionary", Message: wrong.Error()}
	}
	out := Rendered{Config: string(text)}
	if _, invalid := dictionaries.Load(text, nil); invalid != nil {
		out.Invalid = invalid.Error()
	}
	return out, nil
}
