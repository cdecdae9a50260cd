package job

import (
	"errors"

	"strata/schemas/yaml"
)

// ReadCheck reads the definition of a health check. It passes no gate: LAVA asks of it a name, a
// visibility and values that can be decoded (lava_scheduler_app/models.py). device_type and tags say
// nothing there, since a check runs on the device that it is for.
// The problems are one at most; they are a list as those of [Gate.Check] are.
func ReadCheck(text []byte) (*Definition, []*Problem) {
	def, err := Read(text)
	var (
		problem *Problem
		bad     *yaml.Error
	)
	switch {
	case errors.As(err, &problem):
		return nil, []*Problem{problem}
	case errors.As(err, &bad):
		return nil, []*Problem{unreadable(bad)}
	case err != nil:
		return nil, []*Problem{At(nil, err.Error())}
	case def.Name == "":
		return nil, []*Problem{At(def.Root, "required key not provided @ data['job_name']")}
	case !def.Root.Has("visibility"):
		return nil, []*Problem{At(def.Root, "Job visibility must be specified.")}
	}
	return def, nil
}
