package deploy

import "strata/dispatcher/pipeline"

// fvp brings images to the worker, for a model in a container.
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
