package boot

import (
	"context"
	"os/exec"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/usb"
)

// group returns an action that is its children.
func group(name, about string, fill func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action) pipeline.Basic {
	return pipeline.Basic{Title: name, About: about, Fill: func(step *pipeline.Step, s *pipeline.Session) error {
		return addAll(step, fill(step, s))
	}}
}

// retried returns an action whose children are tried again.
func retried(name, about string, fill func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action) pipeline.Action {
	return pipeline.Retry{Basic: group(name, about, fill)}
}

// tool returns an Infrastructure error where the worker does not have a program.
func tool(name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Cannot find command '%s' in $PATH", name)
	}
	return nil
}

// parametersOf returns the parameters of a boot method of the device.
func parametersOf(s *pipeline.Session, method string) pipeline.Data {
	return s.Device.Get("actions", "boot", "methods", method, "parameters")
}

// waitPath is wait-device-path: it waits until a device node is there.
func waitPath(path func(s *pipeline.Session) string) pipeline.Action {
	return pipeline.Basic{Title: "wait-device-path", About: "wait for a device node", Late: pipeline.Infrastructure,
		Check: func(_ context.Context, s *pipeline.Session) error {
			if path(s) == "" {
				s.Invalid("wait-device-path: the device dictionary names no device node to wait for")
			}
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			s.Log.Debug("Waiting for %s", path(s))
			return usb.WaitPath(ctx, path(s))
		},
	}
}

// switched says whether the device's power can be cycled.
func switched(s *pipeline.Session) bool { return s.Device.Get("commands", "hard_reset").True() }
