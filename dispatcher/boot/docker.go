package boot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"strata/dispatcher/connection"
	"strata/dispatcher/container"
	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

// docker runs the deployed container: the shell in it is the device.
//
// The container is the console: its terminal is ours, and it lives as long as the connection. The
// overlay is a mount, so nothing has to be copied in, and what tests leave there is the worker's to
// read. Its name has the job and the level in it, which keeps two jobs and two attempts apart.
func docker(pipeline.Data) pipeline.Action {
	return retried("boot-docker", "run a container",
		func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			actions := []pipeline.Action{&dockerRun{}}
			if step.Block.Has("prompts") && s.TestInfo().HasShell {
				actions = append(actions, expectShell{}, exportEnv{})
			}
			return actions
		})
}

// dockerRun is docker-run.
type dockerRun struct {
	name    string
	options []string // between docker and its verb
}

// Name returns the action's name.
func (*dockerRun) Name() string { return "docker-run" }

// Description says what the action does.
func (*dockerRun) Description() string { return "start the container" }

// Validate checks that the image was deployed and that containers can be run.
func (a *dockerRun) Validate(_ context.Context, s *pipeline.Session) error {
	if s.Block().Get("command").Text() == "" {
		s.Invalid("'command' is empty: the program to run in the container")
	}
	_, err := container.Find(s)
	return err
}

// Run starts the container as the namespace's console.
func (a *dockerRun) Run(ctx context.Context, s *pipeline.Session) error {
	image, ok := pipeline.Get(s, pipeline.DockerImage)
	if !ok {
		return pipeline.Blamef(pipeline.Job, "there is no container image: deploy one with 'to: docker'")
	}
	engine, err := container.Find(s)
	if err != nil {
		return err
	}
	if err := a.Cleanup(ctx, s); err != nil { // of an earlier attempt
		return err
	}
	a.name = container.Name(s, "lava")
	options := s.Device.Get("actions", "boot", "methods", "docker", "options")
	if remote := options.Get("remote").Text(); remote != "" {
		a.options = []string{"--host", remote}
	}
	argv := append([]string{engine}, a.options...)
	argv = append(argv, "run", "--rm", "--interactive", "--tty", "--hostname", "lava", "--name", a.name)
	mounts, err := dockerMounts(s, options.Get("remote").Text())
	if err != nil {
		return err
	}
	argv = append(append(argv, mounts...), dockerLimits(options)...)
	command, err := pipeline.Words(s.Block().Get("command").Text())
	if err != nil {
		return pipeline.Blamef(pipeline.Job, "command %s: %w", python.Quote(s.Block().Get("command").Text()), err)
	}
	argv = append(append(argv, image), command...)
	s.Log.Info("Boot command: %s", pipeline.ReprList(argv))
	c, err := connection.Start(connection.Settings{Command: argv, Env: s.Env(), Log: s.Log})
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	s.SetConsole(c)
	s.SetPrompts(c, s.Block().Get("prompts").Texts())
	return nil
}

// dockerMounts returns the options that bring overlay and downloads into the container. An engine
// elsewhere gets them over NFS.
func dockerMounts(s *pipeline.Session, remote string) ([]string, error) {
	var argv []string
	if dir, ok := pipeline.Get(s, pipeline.OverlayDir); ok {
		results, _ := pipeline.Get(s, pipeline.ResultsDir)
		from := filepath.Join(dir, results)
		if remote == "" {
			argv = append(argv, "--mount", "type=bind,source="+from+",destination="+results)
		} else {
			ip, err := s.DispatcherIP("nfs")
			if err != nil {
				return nil, err
			}
			argv = append(argv, "--mount", fmt.Sprintf(`type=volume,volume-driver=local,dst=%s,volume-opt=type=nfs,`+
				`volume-opt=device=:%s,"volume-opt=o=addr=%s"`, results, from, ip))
		}
	}
	namespace := s.Block().Get("downloads-namespace").TextOr(s.Namespace())
	downloads := filepath.Join(s.JobDir(), "downloads", namespace)
	if exists(downloads) {
		argv = append(argv, "--mount", "type=bind,source="+downloads+",destination=/lava-downloads")
	}
	return argv, nil
}

// dockerLimits returns what the dictionary says a container may have.
func dockerLimits(options pipeline.Data) []string {
	var argv []string
	for _, key := range []string{"cpus", "memory"} {
		if v := options.Get(key); v.True() && v.Text() != "0.0" && v.Text() != "0" {
			argv = append(argv, "--"+key, v.Text())
		}
	}
	if options.Get("privileged").True() {
		argv = append(argv, "--privileged")
	}
	for _, list := range []struct{ key, flag string }{
		{"capabilities", "--cap-add"}, {"devices", "--device"}, {"networks", "--network"}, {"volumes", "--volume"},
	} {
		for _, value := range options.Get(list.key).Texts() {
			argv = append(argv, list.flag, value)
		}
	}
	return append(argv, options.Get("extra_arguments").Texts()...)
}

// Cleanup stops the container.
func (a *dockerRun) Cleanup(ctx context.Context, s *pipeline.Session) error {
	if a.name == "" {
		return nil
	}
	container.Stop(ctx, s, a.name, a.options...)
	a.name = ""
	return nil
}

// exists says whether there is a file or directory of that name.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
