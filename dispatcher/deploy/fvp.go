package deploy

import "strata/dispatcher/pipeline"

// fvp brings images to the worker, for a model in a container.
//
// An overlay is made where tests want one, but put into an image only where the image asks for that
// by overlays: which of a model's files is a root file system, nobody but the job knows.
func fvp(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "fvp-deploy", About: "download images for a fixed virtual platform",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := place(step, s)
			if err != nil {
				return err
			}
			if err := add(step, testOverlay(s)); err != nil {
				return err
			}
			return where.images(step)
		}}
}
