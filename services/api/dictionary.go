package api

import (
	"context"

	"strata/events"
	"strata/events/lab"
	dictionaries "strata/schemas/device"
	"strata/schemas/yaml"
)

// CheckDictionary asks whether a text could be a device's dictionary.
type CheckDictionary struct {
	Dictionary string `json:"dictionary"`
}

// checkDictionary renders a text with the lab's templates and reads what comes of it; what is wrong with it
// is the error. It holds it to no schema, as LAVA does not.
// REST's devices/validate/ asks it, for texts that are no device's yet. Nothing is recorded. Rendering has budgets of its
// own, so a text cannot hold the state's lock for long.
func (a *api) checkDictionary(_ context.Context, who caller, in CheckDictionary) (none, error) {
	if len(in.Dictionary) > maxDictionaryBytes {
		return none{}, refuse(Invalid, "the dictionary has %d bytes, at most %d are allowed", len(in.Dictionary), maxDictionaryBytes)
	}
	var err error
	a.read(func(s *lab.State) {
		// LAVA asks for add_device: who may add devices has dictionaries rendered by that, too.
		if err = allow(s, who, lab.Add, events.Device, ""); err != nil {
			return
		}
		// No type is known yet: templates that look at scheduled_device_type see what the text extends.
		kind, _ := dictionaries.Extends([]byte(in.Dictionary))
		types := dictionaries.Templates{Text: s.Template}
		text, wrong := types.Render("device", kind, []byte(in.Dictionary), nil)
		if wrong == nil {
			_, wrong = yaml.Parse(text)
		}
		if wrong != nil {
			err = refuse(Invalid, "%v", wrong)
		}
	})
	return none{}, err
}
