package deploy

import (
	"context"
	"regexp"

	"strata/dispatcher/container"
	"strata/dispatcher/pipeline"
)

// dockerImage is what an image may be called.
var dockerImage = regexp.MustCompile(`^[a-z0-9]+[a-z0-9._/:-]*[a-z0-9]+(:[a-zA-Z0-9_]+[a-zA-Z0-9._-]*)?$`)

// docker pulls the image that a boot method will start.
func docker(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "deploy-docker", About: "pull a container's image",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			return add(step, environment(s), testOverlay(s))
		},
		Check: func(_ context.Context, s *pipeline.Session) error {
			name, _ := container.ImageOf(s.Block().Get("image"))
			if !dockerImage.MatchString(name) {
				s.Invalid("image_name '%s' is invalid", name)
				return nil
			}
			if _, err := container.Find(s); err != nil {
				return err
			}
			// Boot asks for it while validating too.
			pipeline.Put(s, pipeline.DockerImage, name)
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			remote := s.Device.Get("actions", "deploy", "methods", "docker", "options", "remote").Text()
			if err := container.Pull(ctx, s, s.Block().Get("image"), remote); err != nil {
				return err
			}
			return s.RunChildren(ctx)
		},
	}
}
