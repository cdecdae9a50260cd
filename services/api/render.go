package api

import (
	"context"

	"strata/events"
	"strata/events/lab"
	dictionaries "strata/schemas/device"
	"strata/schemas/yaml"
)

// RenderRequest asks for a device's configuration as a worker would be handed it now.
// Context is that of a job's definition; its keys overwrite variables of the templates as in a job.
type RenderRequest struct {
	Device  events.DeviceName `json:"device"`
	Context string            `json:"context,omitempty"` // of a job: a YAML mapping
	Check   bool              `json:"check,omitempty"`   // also hold it to the schema of devices
}

// Rendered answers RenderRequest.
type Rendered struct {
	Config  string `json:"config"`
	Invalid string `json:"invalid,omitempty"` // what the schema has against it, where that was asked
}

// renderDevice renders a device's dictionary with the lab's templates.
// REST, XML-RPC and the page of a dictionary ask it. A device that the caller may not see is
// [NotFound], as one that there is not.
func (a *api) renderDevice(_ context.Context, who caller, in RenderRequest) (Rendered, error) {
	var jobContext *yaml.Node
	if in.Context != "" {
		// LAVA takes an empty context for none.
		root, err := yaml.Parse([]byte(in.Context))
		if err != nil || !root.Empty() && root.Kind != yaml.Map {
			return Rendered{}, &Error{Code: Invalid, Field: "context", Message: "context is no YAML mapping of a job's context"}
		}
		jobContext = root
	}
	var d lab.Device
	err := error(refuse(NotFound, "there is no device %s", in.Device))
	a.read(func(s *lab.State) {
		if known := s.Device(in.Device); known != nil && seesDevice(s, who, in.Device) {
			d, err = *known, nil
		}
	})
	if err == nil && d.Dictionary == "" {
		err = &Error{Code: NotFound, Field: "dictionary", Message: "device " + string(d.Name) + " has no dictionary"}
	}
	if err != nil {
		return Rendered{}, err
	}
	// Without the state in hand: a template may take its million steps, and facts and all other questions would wait.
	text, err := templatesOf(a.templates()).Render(string(d.Name), string(d.Type), []byte(d.Dictionary), jobContext)
	if err != nil {
		return Rendered{}, &Error{Code: Invalid, Field: "dictionary", Message: err.Error()}
	}
	out := Rendered{Config: string(text)}
	if in.Check {
		if _, invalid := dictionaries.Load(text, jobContext); invalid != nil {
			out.Invalid = invalid.Error()
		}
	}
	return out, nil
}
