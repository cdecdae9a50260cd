package boot

import "strata/dispatcher/pipeline"

// ipxe boots a device with commands typed at iPXE, or with a script that iPXE fetches.
func ipxe(block pipeline.Data) pipeline.Action {
	l := of(block)
	return pipeline.Basic{
		Title: "bootloader-action", About: "boot with iPXE",
		Fill: func(step *pipeline.Step, _ *pipeline.Session) error {
			return addAll(step, []pipeline.Action{&loaderOverlay{loader: l}, connect{}, loaderRetry("bootloader-retry", l)})
		},
	}
}
