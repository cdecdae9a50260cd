package deploy

import (
	"context"
	"os/exec"
	"regexp"
	"strings"

	"strata/dispatcher/container"
	"strata/dispatcher/pipeline"
)

// dockerImage is what an image may be called.
var dockerImage = regexp.MustCompile(`^[a-z0-9]+[a-z0-9._/:-]*[a-z0-9]+(:[a-zA-Z0-9_]+[a-zA-Z0-9._-]*)?$`)

// docker pulls the image that a boot method will start.
//
// The pull is a deploy of its own so that its time counts as one, and so that a job with several
// boots pulls once. The overlay is left as a directory, which the container mounts: there is no tarball.
func docker(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "deploy-docker", About: "pull a container's image",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			return add(step, environment(s), testOverlay(s))
		},
		Check: func(ctx context.Context, s *pipeline.Session) error {
			name, _ := container.ImageOf(s.Block().Get("image"))
			if !dockerImage.MatchString(name) {
				s.Invalid("image_name '%s' is invalid", name)
				return nil
			}
			engine, err := container.Find(s)
			if err != nil {
				return err
			}
			argv := []string{engine}
			if remote := dockerRemote(s); remote != "" {
				argv = append(argv, "--host", remote)
			}
			// For the log: which engine, here or elsewhere, runs the device. Podman alone has no server.
			cmd := exec.CommandContext(ctx, argv[0], append(argv[1:], "version")...)
			cmd.Env = s.Env()
			out, err := cmd.Output()
			if err != nil {
				s.Log.Warning("%s: %s", pipeline.ReprList(cmd.Args), err)
			}
			s.Log.Debug("%s", strings.TrimSpace(string(out)))
			// Boot asks for it while validating too.
			pipeline.Put(s, pipeline.DockerImage, name)
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			if err := container.Pull(ctx, s, s.Block().Get("image"), dockerRemote(s)); err != nil {
				return err
			}
			return s.RunChildren(ctx)
		},
	}
}

// dockerRemote returns where the engine is, "" for the worker's own.
func dockerRemote(s *pipeline.Session) string {
	return s.Device.Get("actions", "deploy", "methods", "docker", "options", "remote").Text()
}
