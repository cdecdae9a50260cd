package deploy

import "strata/dispatcher/pipeline"

// ubootUMS brings a disk image to the worker, which the boot method writes to the board's storage
// through U-Boot's mass storage gadget.
//
// The overlay goes into the image here, on the worker: the board sees its storage again only when it
// boots from it.
func ubootUMS(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "uboot-ums-deploy", About: "download an image for U-Boot's mass storage gadget",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := place(step, s)
			if err != nil {
				return err
			}
			params := step.Block.Get("image")
			if err := step.Add(where.get("image", params)); err != nil {
				return err
			}
			if !s.TestInfo().NeedsOverlay {
				return nil
			}
			return add(step, testOverlay(s), applyImage("image", params.Has("root_partition")), environment(s))
		}}
}
