package deploy

import (
	"slices"

	"strata/dispatcher/boot"
	"strata/dispatcher/pipeline"
)

// recovery brings images to the worker, for a board in its recovery mode that a test writes.
//
// With serial among the method's tags the console is connected already, so that what the board says
// in that mode is in the log.
func recovery(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "deploy-recovery-mode", About: "download images for a board in recovery mode",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := place(step, s)
			if err != nil {
				return err
			}
			if err := where.images(step); err != nil {
				return err
			}
			tags := s.Device.Get("actions", "deploy", "methods", "recovery", "tags").Texts()
			if !slices.Contains(tags, "serial") {
				return nil
			}
			return step.Add(boot.Connect())
		}}
}
