package boot

import "strata/dispatcher/pipeline"

// barebox boots a device with commands typed at barebox.
func barebox(block pipeline.Data) pipeline.Action {
	l := of(block)
	return pipeline.Basic{
		Title: "barebox-action", About: "boot with barebox",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			return addAll(step, []pipeline.Action{&loaderOverlay{loader: l}, connect{}, loaderRetry("barebox-retry", l)})
		},
	}
}

// loaderRetry returns the part of a boot that is tried again: reset, stop the loader, type, log in.
func loaderRetry(name string, l loader) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{
		Title: name, About: "reset the device, type the commands and log in",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			actions := []pipeline.Action{reset(), &interrupt{loader: l}, &loaderCommands{loader: l}}
			return addAll(step, append(actions, tail(step, s)...))
		},
	}}
}
