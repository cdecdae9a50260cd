package boot

import (
	"context"

	"strata/dispatcher/pipeline"
)

// pyocd writes a microcontroller's flash with pyOCD.
//
// Where the power can be switched the probe is started afresh first: one that was left in the middle
// of a transfer may not answer. An image with image_arg is given by that, one without by its
// path. The action stands twice in the plan, as in
// LAVA's, whose readers count on it.
func pyocd(pipeline.Data) pipeline.Action {
	const name, about = "boot-pyocd-image", "write the images with pyOCD"
	return retried(name, about, func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
		return []pipeline.Action{retried(name, about, func(_ *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			actions := probeReset(s)
			// Some boards say all that they say while they are being written.
			if s.Device.Get("actions", "boot", "methods", "pyocd", "parameters", "connect_before_flash").True() {
				return append(actions, connect{}, flashPyOCD())
			}
			return append(actions, flashPyOCD(), connect{})
		})}
	})
}

// flashPyOCD is flash-pyocd.
func flashPyOCD() pipeline.Action {
	return pipeline.Basic{Title: "flash-pyocd", About: "write the images with pyOCD",
		Check: func(_ context.Context, s *pipeline.Session) error {
			needsBoardID(s)
			command := parametersOf(s, "pyocd").Get("command").TextOr("pyocd")
			return tool(command)
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			p, images := parametersOf(s, "pyocd"), downloads(s)
			if len(images) == 0 {
				return pipeline.Blamef(pipeline.Job, "No pyocd command to execute: no image was deployed")
			}
			options, err := words(p.Get("options"))
			if err != nil {
				return err
			}
			for _, image := range images {
				argv := append([]string{p.Get("command").TextOr("pyocd")}, options...)
				if image.Arg != "" {
					args, err := pipeline.Words(named(image.Arg, images, false))
					if err != nil {
						return pipeline.Blamef(pipeline.Job, "image_arg of '%s': %w", image.Label, err)
					}
					argv = append(argv, args...)
				} else {
					argv = append(argv, image.Path)
				}
				argv = append(argv, "--board", s.Device.Get("board_id").Text())
				if err := s.Command(ctx, argv...); err != nil {
					return err
				}
			}
			return nil
		}}
}
